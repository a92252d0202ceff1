//! Lists and counts of executions that aren't workflows: activities and nexus operations on their own, for example.

use crate::temporal::engine::Engine;
use crate::temporal::reject::Reject;
use crate::temporal::rpc::visibility::MAX_PAGE;
use crate::temporal::visibility::query::{self, Extra, Names, Query, Unsupported};
use crate::temporal::visibility::store::Group;
use crate::temporal::visibility::{Page, Record};

/// A kind of execution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archetype {
    /// The division that its records are in.
    pub(super) division: &'static str,
    /// The names that its queries may use beside those of all executions.
    pub(super) names: &'static [Extra],
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
        let query = self.understand(engine, namespace, query, "ListChasmExecutions")?;
        let after = Page::decode(token).map_err(Reject::Unknown)?;
        let size = match size {
            1..=MAX_PAGE => usize::try_from(size).unwrap_or(1),
            _ => MAX_PAGE as usize,
        };
        let (records, next) = engine.visibility.list(namespace, &query.filter, size, after.as_ref());
        Ok((
            records.into_iter().map(show).collect(),
            next.map(|next| next.encode()).unwrap_or_default(),
        ))
    }

    /// How many executions a query means, in groups if it asks for them.
    pub(super) fn count(&self, engine: &Engine, namespace: &str, query: &str) -> Result<(i64, Vec<Group>), Reject> {
        let query = self.understand(engine, namespace, query, "CountChasmExecutions")?;
        let Some(column) = &query.group_by else {
            return Ok((engine.visibility.count(namespace, &query.filter), Vec::new()));
        };
        let groups = engine.visibility.groups(namespace, &query, column);
        Ok((groups.iter().map(|group| group.count).sum(), groups))
    }

    fn understand(&self, engine: &Engine, namespace: &str, query: &str, operation: &str) -> Result<Query, Reject> {
        let names = Names {
            custom: &engine.namespaces.require(namespace)?.search_attributes,
            extra: self.names,
            division: Some(self.division),
        };
        query::convert(query, &names).map_err(|unsupported| match unsupported {
            Unsupported::Invalid(why) => Reject::InvalidArgument(format!("invalid query: {why}")),
            Unsupported::Database(why) => Reject::Unavailable(format!("{operation} operation failed.: {why}")),
        })
    }
}
