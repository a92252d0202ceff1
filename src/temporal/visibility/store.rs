//! The records of all namespaces, in the order of lists, with an index of those values that queries ask for most.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds as _};
use std::sync::Arc;

use temporalio_protos::temporal::api::common::v1::Payload;
use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;

use super::attributes;
use super::civil::Moment;
use super::filter::{Cell, Field, Filter, Operand, Row};
use super::page::{Page, never};
use super::query::{Column, Query, status_name};
use super::record::Record;
use super::tally::Tally;
use super::value::{self, Value};

/// What lists and counts know, by namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visibility {
    namespaces: BTreeMap<String, Shelf>,
}

/// Where a record stands: newest close first (open ones before), newest start, run id. Times are microseconds.
type Place = (Reverse<i64>, Reverse<i64>, Arc<str>);

/// The records of one namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    /// Boxed: a tree's nodes are half empty, and records are big.
    records: BTreeMap<Place, Box<Record>>,
    /// By run id.
    places: BTreeMap<Arc<str>, Place>,
    index: BTreeMap<(Field, String), Places>,
}

/// Where the records stand that have a value. Most values, such as ids, are those of one record.
#[derive(Clone, Debug)]
enum Places {
    One(Place),
    Many(BTreeSet<Place>),
}

impl Places {
    fn insert(&mut self, place: Place) {
        match self {
            Self::One(only) => *self = Self::Many([only.clone(), place].into()),
            Self::Many(places) => {
                places.insert(place);
            }
        }
    }

    /// Takes a place out; gives whether none is left.
    fn remove(&mut self, place: &Place) -> bool {
        match self {
            Self::One(only) => only == place,
            Self::Many(places) => {
                places.remove(place);
                places.is_empty()
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(places) => places.len(),
        }
    }

    fn range(&self, range: (Bound<Place>, Bound<Place>)) -> impl Iterator<Item = &Place> {
        let (one, many) = match self {
            Self::One(only) => (range.contains(only).then_some(only), None),
            Self::Many(places) => (None, Some(places.range(range))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// How many executions have a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) value: Payload,
    pub(crate) count: i64,
}

impl Visibility {
    /// Adds an execution's record, or replaces it.
    pub(crate) fn put(&mut self, record: Record) {
        let shelf = self.namespaces.entry(record.namespace.clone()).or_default();
        shelf.remove(&record.run_id);
        shelf.insert(record);
    }

    /// Forgets an execution.
    pub(crate) fn remove(&mut self, namespace: &str, run_id: &str) {
        if let Some(shelf) = self.namespaces.get_mut(namespace) {
            shelf.remove(run_id);
        }
    }

    /// The run ids of all that lists of a namespace know.
    pub(crate) fn run_ids(&self, namespace: &str) -> impl Iterator<Item = &str> {
        let shelf = self.namespaces.get(namespace).into_iter();
        shelf.flat_map(|shelf| shelf.places.keys().map(|run_id| &**run_id))
    }

    /// The status that lists show for a run.
    pub(crate) fn status(&self, namespace: &str, run_id: &str) -> Option<Status> {
        let shelf = self.namespaces.get(namespace)?;
        let place = shelf.places.get(run_id)?;
        shelf.records.get(place).map(|record| record.status)
    }

    /// Forgets a namespace.
    pub(crate) fn remove_namespace(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    /// A page of a list, and where the next one begins. A full page always names a next one, as Temporal's does.
    pub(crate) fn list<'a>(
        &'a self,
        namespace: &str,
        filter: &'a Filter,
        size: usize,
        after: Option<&Page>,
    ) -> (Vec<&'a Record>, Option<Page>) {
        let Some(shelf) = self.namespaces.get(namespace) else {
            return (Vec::new(), None);
        };
        let found: Vec<&'a Record> = shelf.candidates(filter, after).take(size).collect();
        let next = found.last().filter(|_| found.len() == size).map(|last| page(last));
        (found, next)
    }

    /// How many executions a filter means.
    pub(crate) fn count(&self, namespace: &str, filter: &Filter) -> i64 {
        let Some(shelf) = self.namespaces.get(namespace) else {
            return 0;
        };
        if let Some(tally) = Tally::of(filter, None) {
            let mut count = 0;
            tally.count(shelf, |_, more| count += more);
            return count;
        }
        i64::try_from(shelf.candidates(filter, None).count()).unwrap_or(i64::MAX)
    }

    /// How many executions a query means, for each value of a column.
    pub(crate) fn groups(&self, namespace: &str, query: &Query, column: &Column) -> Vec<Group> {
        let mut counts: BTreeMap<Option<Grouped>, i64> = BTreeMap::new();
        let mut add = |value: Option<Cell<'_>>, more| *counts.entry(Grouped::of(value)).or_default() += more;
        if let Some(shelf) = self.namespaces.get(namespace) {
            match Tally::of(&query.filter, Some(&column.field)) {
                Some(tally) => tally.count(shelf, add),
                None => {
                    let candidates = shelf.candidates(&query.filter, None);
                    candidates.for_each(|record| add(record.cell(&column.field), 1));
                }
            }
        }
        counts.retain(|_, count| *count != 0);
        let group = |(value, count)| Group {
            value: Grouped::payload(value, column),
            count,
        };
        counts.into_iter().map(group).collect()
    }
}

/// A value to group by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grouped {
    Number(i64),
    Text(String),
}

impl Grouped {
    fn of(value: Option<Cell<'_>>) -> Option<Self> {
        match value? {
            Cell::Integer(number) => Some(Self::Number(number)),
            Cell::Text(text) => Some(Self::Text(text.to_owned())),
            _ => None,
        }
    }

    /// A status by its name; no division as an empty one.
    fn payload(value: Option<Self>, column: &Column) -> Payload {
        let text = match value {
            Some(Self::Number(status)) => {
                let status = i32::try_from(status).ok().and_then(|it| Status::try_from(it).ok());
                status_name(status.unwrap_or_default())
            }
            Some(Self::Text(text)) => text,
            None => String::new(),
        };
        value::encode(&Value::Text(text), column.kind)
    }
}

impl Shelf {
    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The values of an indexed field, each with how many records have it.
    pub(super) fn values<'a>(&'a self, field: &'a Field) -> impl Iterator<Item = (&'a str, usize)> {
        self.index_of(field).map(|(text, places)| (text, places.len()))
    }

    /// The records that have a value in an indexed field.
    pub(super) fn records_with<'a>(&'a self, field: &'a Field) -> impl Iterator<Item = &'a Record> {
        let places = self
            .index_of(field)
            .flat_map(|(_, places)| places.range((Bound::Unbounded, Bound::Unbounded)));
        places.filter_map(|place| self.record(place))
    }

    fn index_of<'a>(&'a self, field: &'a Field) -> impl Iterator<Item = (&'a str, &'a Places)> {
        let from = (field.clone(), String::new());
        let entries = self.index.range(from..).take_while(move |((of, _), _)| of == field);
        entries.map(|((_, text), places)| (text.as_str(), places))
    }

    pub(super) fn insert(&mut self, record: Record) {
        let place = place(&record);
        for key in indexed(&record) {
            match self.index.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(Places::One(place.clone()));
                }
                Entry::Occupied(mut entry) => entry.get_mut().insert(place.clone()),
            }
        }
        self.places.insert(place.2.clone(), place.clone());
        self.records.insert(place, Box::new(record));
    }

    fn remove(&mut self, run_id: &str) {
        let Some(place) = self.places.remove(run_id) else {
            return;
        };
        let Some(record) = self.records.remove(&place) else {
            return;
        };
        for key in indexed(&record) {
            if self.index.get_mut(&key).is_some_and(|places| places.remove(&place)) {
                self.index.remove(&key);
            }
        }
    }

    fn record(&self, place: &Place) -> Option<&Record> {
        self.records.get(place).map(|record| &**record)
    }

    /// The records that a filter means, in order, from a place on.
    fn candidates<'a>(&'a self, filter: &'a Filter, after: Option<&Page>) -> Box<dyn Iterator<Item = &'a Record> + 'a> {
        let from: Bound<Place> = match after {
            Some(page) => Bound::Excluded((
                Reverse(page.closed_at),
                Reverse(page.started_at),
                page.run_id.as_str().into(),
            )),
            None => Bound::Unbounded,
        };
        let range = (from, Bound::Unbounded);
        match self.narrowest(filter) {
            Some(Narrowed::None) => Box::new(std::iter::empty()),
            Some(Narrowed::One(places)) => Box::new(
                places
                    .range(range)
                    .filter_map(|place| self.record(place))
                    .filter(|record| filter.matches(*record)),
            ),
            Some(Narrowed::Several(sets)) => {
                let mut places: Vec<&Place> = sets.into_iter().flat_map(|set| set.range(range.clone())).collect();
                places.sort_unstable();
                places.dedup();
                Box::new(
                    places
                        .into_iter()
                        .filter_map(|place| self.record(place))
                        .filter(|record| filter.matches(*record)),
                )
            }
            None => Box::new(
                self.records
                    .range(range)
                    .map(|(_, record)| &**record)
                    .filter(|record| filter.matches(*record)),
            ),
        }
    }

    /// The part of the index that leaves the fewest records to look at, if one is much smaller than all of them.
    fn narrowest(&self, filter: &Filter) -> Option<Narrowed<'_>> {
        let mut best: Option<(usize, Vec<&Places>)> = None;
        for (field, operands) in filter.wanted() {
            if !is_indexed(field) {
                continue;
            }
            let keys: Option<Vec<String>> = operands.into_iter().map(key_text).collect();
            let sets: Vec<&Places> = keys?
                .into_iter()
                .filter_map(|text| self.index.get(&(field.clone(), text)))
                .collect();
            let size = sets.iter().map(|set| set.len()).sum();
            if best.as_ref().is_none_or(|(least, _)| size < *least) {
                best = Some((size, sets));
            }
        }
        let (size, sets) = best?;
        match sets.as_slice() {
            [] => Some(Narrowed::None),
            _ if size > self.records.len() / 2 => None,
            [only] => Some(Narrowed::One(only)),
            _ => Some(Narrowed::Several(sets)),
        }
    }
}

/// What the index leaves to look at.
enum Narrowed<'a> {
    None,
    One(&'a Places),
    Several(Vec<&'a Places>),
}

fn place(record: &Record) -> Place {
    let page = page(record);
    (
        Reverse(page.closed_at),
        Reverse(page.started_at),
        page.run_id.as_str().into(),
    )
}

fn page(record: &Record) -> Page {
    Page {
        closed_at: record
            .closed
            .map_or_else(never, |closed| Moment::at(closed.at).microseconds()),
        started_at: Moment::at(record.started_at).microseconds(),
        run_id: record.run_id.clone(),
    }
}

pub(super) fn is_indexed(field: &Field) -> bool {
    match field {
        Field::WorkflowId | Field::RunId | Field::WorkflowType | Field::ExecutionStatus | Field::TaskQueue => true,
        Field::Attribute(name) => is_keyword(name),
        _ => false,
    }
}

fn is_keyword(name: &str) -> bool {
    let kind = attributes::place_type(name).or_else(|| attributes::predefined(name).map(|(kind, _)| kind));
    kind == Some(Type::Keyword)
}

/// The keys by which a record is found.
fn indexed(record: &Record) -> Vec<(Field, String)> {
    let mut keys = vec![
        (Field::WorkflowId, record.workflow_id.clone()),
        (Field::RunId, record.run_id.clone()),
        (Field::WorkflowType, record.workflow_type.clone()),
        (Field::ExecutionStatus, (record.status as i32).to_string()),
        (Field::TaskQueue, record.task_queue.clone()),
    ];
    for (name, value) in &record.attributes {
        if let Value::Text(text) = value
            && is_keyword(name)
        {
            keys.push((Field::Attribute(name.clone()), text.clone()));
        }
    }
    keys
}

fn key_text(operand: &Operand) -> Option<String> {
    match operand {
        Operand::Text(text) => Some(text.clone()),
        Operand::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}
