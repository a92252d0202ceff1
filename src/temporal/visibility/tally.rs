//! Counts that the index answers, without a look at every record: of all executions, and by conditions on one indexed field.

use super::attributes::NAMESPACE_DIVISION;
use super::filter::{Cell, Field, Filter, Row};
use super::record::Record;
use super::store::{Shelf, is_indexed};

/// A row of which only one field is of interest.
struct Only<'a>(Option<Cell<'a>>);

impl Row for Only<'_> {
    fn cell(&self, _: &Field) -> Option<Cell<'_>> {
        self.0
    }
}

/// A count by the values of one field.
pub(super) struct Tally<'a> {
    field: Option<&'a Field>,
    /// What is asked beside that the execution is in no division.
    filter: Option<&'a Filter>,
}

impl<'a> Tally<'a> {
    /// A count of what a filter means, by the values of `field` if one is named. `None` if the index doesn't know enough.
    pub(super) fn of(filter: &'a Filter, field: Option<&'a Field>) -> Option<Self> {
        let filter = match filter {
            Filter::And(left, right) if is_in_no_division(left) => Some(&**right),
            alone if is_in_no_division(alone) => None,
            _ => return None,
        };
        let mut fields: Vec<&Field> = filter.map(Filter::fields).unwrap_or_default();
        fields.extend(field);
        fields.sort_unstable();
        fields.dedup();
        match fields.as_slice() {
            [] => Some(Self { field: None, filter }),
            [only] if is_indexed(only) => Some(Self {
                field: Some(only),
                filter,
            }),
            _ => None,
        }
    }

    /// Tells each value and how many records more (or less) have it; the value is none for those that have none.
    pub(super) fn count(&self, shelf: &Shelf, mut tell: impl FnMut(Option<Cell<'_>>, i64)) {
        let mut tell_if_meant = |value: Option<Cell<'_>>, count: i64| {
            if count != 0 && self.filter.is_none_or(|filter| filter.matches(&Only(value))) {
                tell(value, count);
            }
        };
        let mut without = signed(shelf.len());
        if let Some(field) = self.field {
            for (text, count) in shelf.values(field) {
                without -= signed(count);
                tell_if_meant(cell(field, text), signed(count));
            }
        }
        tell_if_meant(None, without);
        let division = Field::Attribute(NAMESPACE_DIVISION.to_owned());
        for record in shelf.records_with(&division) {
            tell_if_meant(self.field.and_then(|field| Record::cell(record, field)), -1);
        }
    }
}

fn is_in_no_division(filter: &Filter) -> bool {
    matches!(filter, Filter::IsNull { field: Field::Attribute(name), negated: false } if name == NAMESPACE_DIVISION)
}

/// A value as it stands in the index.
fn cell<'a>(field: &Field, text: &'a str) -> Option<Cell<'a>> {
    match field {
        Field::ExecutionStatus => text.parse().ok().map(Cell::Integer),
        _ => Some(Cell::Text(text)),
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::temporal::visibility::filter::{Comparison, Operand};
    use crate::temporal::visibility::value::Value;
    use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;

    const TEAM: &str = "Keyword01";

    fn record(number: usize) -> Record {
        let mut attributes = Vec::new();
        if !number.is_multiple_of(5) {
            attributes.push((TEAM.to_owned(), Value::Text(format!("team-{}", number % 3))));
        }
        if number.is_multiple_of(7) {
            attributes.push((NAMESPACE_DIVISION.to_owned(), Value::Text("schedules".to_owned())));
        }
        Record {
            namespace: "default".to_owned(),
            workflow_id: format!("Order-{number}"),
            run_id: format!("run-{number}"),
            workflow_type: "order".to_owned(),
            task_queue: "orders".to_owned(),
            status: [Status::Running, Status::Completed][usize::from(number.is_multiple_of(4))],
            started_at: Timestamp::EPOCH_OF_TESTS,
            execution_at: Timestamp::EPOCH_OF_TESTS,
            closed: None,
            parent: None,
            root: Default::default(),
            memo: None,
            attributes: attributes.into(),
        }
    }

    fn filters() -> Vec<Filter> {
        let team = || Field::Attribute(TEAM.to_owned());
        let text = |text: &str| Operand::Text(text.to_owned());
        let compare = |comparison| Filter::Compare(team(), comparison, text("team-1"));
        let starts = |negated| Filter::StartsWith {
            field: Field::WorkflowId,
            negated,
            prefix: "order-1".to_owned(),
        };
        vec![
            Filter::All,
            compare(Comparison::Equal),
            compare(Comparison::NotEqual),
            compare(Comparison::GreaterOrEqual),
            Filter::Not(Box::new(compare(Comparison::Equal))),
            Filter::IsNull {
                field: team(),
                negated: false,
            },
            Filter::IsNull {
                field: team(),
                negated: true,
            },
            Filter::Or(
                Box::new(compare(Comparison::Less)),
                Box::new(Filter::IsNull {
                    field: team(),
                    negated: false,
                }),
            ),
            starts(false),
            starts(true),
            Filter::Compare(Field::ExecutionStatus, Comparison::Equal, Operand::Integer(1)),
            Filter::Compare(Field::ExecutionStatus, Comparison::NotEqual, Operand::Integer(1)),
        ]
    }

    #[test]
    fn the_index_counts_as_a_look_at_every_record_does() {
        let records: Vec<Record> = (0..200).map(record).collect();
        let mut shelf = Shelf::default();
        for record in &records {
            shelf.insert(record.clone());
        }
        let no_division = || Filter::IsNull {
            field: Field::Attribute(NAMESPACE_DIVISION.to_owned()),
            negated: false,
        };
        for filter in filters() {
            let filter = no_division().and(filter);
            let tally = Tally::of(&filter, None).unwrap_or_else(|| panic!("{filter:?}"));
            let mut count = 0;
            tally.count(&shelf, |_, more| count += more);
            let looked = records.iter().filter(|record| filter.matches(*record)).count();
            assert_eq!(count, signed(looked), "{filter:?}");
            assert!((1..200).contains(&looked), "{filter:?} says something");
        }
    }

    #[test]
    fn two_fields_and_what_has_no_index_are_looked_at() {
        let no_division = Filter::IsNull {
            field: Field::Attribute(NAMESPACE_DIVISION.to_owned()),
            negated: false,
        };
        let status = Filter::Compare(Field::ExecutionStatus, Comparison::Equal, Operand::Integer(1));
        let length = Filter::Compare(Field::HistoryLength, Comparison::Equal, Operand::Integer(1));
        assert!(Tally::of(&status, None).is_none(), "divisions are meant, too");
        assert!(Tally::of(&no_division.clone().and(length), None).is_none());
        let of_status = no_division.and(status);
        assert!(Tally::of(&of_status, Some(&Field::WorkflowType)).is_none());
        assert!(Tally::of(&of_status, Some(&Field::ExecutionStatus)).is_some());
    }
}
