//! Lists and counts of one kind of execution: workflows, schedules, activities and nexus operations on their own.

use crate::temporal::engine::Engine;
use crate::temporal::reject::Reject;
use crate::temporal::visibility::query::{self, Extra, Names, Query, Unsupported};
use crate::temporal::visibility::store::Group;
use crate::temporal::visibility::{Page, Record};

/// Executions in one page (dynamic config `frontend.visibilityMaxPageSize`).
const MAX_PAGE: i32 = 1_000;

/// A kind of execution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archetype {
    /// The division that its records are in; workflows are in none.
    pub(super) division: Option<&'static str>,
    /// The names that its queries may use beside those of all executions.
    pub(super) names: &'static [Extra],
    /// What the database's refusals call a list, and a count.
    pub(super) list_operation: &'static str,
    pub(super) count_operation: &'static str,
}

/// How many executions a page has, if this many are asked for.
pub(super) fn page_size(asked: i32) -> usize {
    match asked {
        1..=MAX_PAGE => usize::try_from(asked).unwrap_or(1),
        _ => MAX_PAGE as usize,
    }
}

/// What a client asks of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageWanted<'a> {
    pub(super) namespace: &'a str,
    pub(super) size: i32,
    pub(super) token: &'a [u8],
    pub(super) query: &'a str,
}

impl Archetype {
    /// A page of the executions that a query means, each as `show` makes it, and the token of the next page.
    pub(super) fn list<T>(
        &self,
        engine: &Engine,
        page: &PageWanted<'_>,
        show: impl Fn(&Record) -> T,
    ) -> Result<(Vec<T>, Vec<u8>), Reject> {
        let PageWanted {
            namespace,
            size,
            token,
            query,
        } = *page;
        let query = self.understand(engine, namespace, query, self.list_operation)?;
        let after = Page::decode(token).map_err(Reject::Unknown)?;
        let (records, next) = engine
            .visibility
            .list(namespace, &query.filter, page_size(size), after.as_ref());
        Ok((
            records.into_iter().map(show).collect(),
            next.map(|next| next.encode()).unwrap_or_default(),
        ))
    }

    /// How many executions a query means, in groups if it asks for them.
    pub(super) fn count(&self, engine: &Engine, namespace: &str, query: &str) -> Result<(i64, Vec<Group>), Reject> {
        let query = self.understand(engine, namespace, query, self.count_operation)?;
        let Some(column) = &query.group_by else {
            return Ok((engine.visibility.count(namespace, &query.filter), Vec::new()));
        };
        let groups = engine.visibility.groups(namespace, &query, column);
        Ok((groups.iter().map(|group| group.count).sum(), groups))
    }

    /// What a query means for executions of this kind.
    pub(super) fn understand(
        &self,
        engine: &Engine,
        namespace: &str,
        query: &str,
        operation: &str,
    ) -> Result<Query, Reject> {
        let names = Names {
            custom: &engine.namespaces.require(namespace)?.search_attributes,
            extra: self.names,
            division: self.division,
        };
        query::convert(query, &names).map_err(|unsupported| match unsupported {
            Unsupported::Invalid(why) => Reject::InvalidArgument(format!("invalid query: {why}")),
            Unsupported::Database(why) => Reject::Unavailable(format!("{operation} operation failed.: {why}")),
        })
    }
}
