//! Activities on their own in lists, and their number.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::standalone::{NAMES, NAMESPACE_DIVISION_OF_ACTIVITIES, list_info};
use crate::temporal::visibility::Page;
use crate::temporal::visibility::query::{self, Names, Query, Unsupported};

/// The most entries of one page (dynamic config `frontend.visibilityMaxPageSize`).
const MAX_PAGE_SIZE: usize = 1_000;

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListActivityExecutionsRequest,
) -> Result<Answer<wire::ListActivityExecutionsResponse>, Reject> {
    let query = activities(engine, &request.namespace, &request.query, "ListChasmExecutions")?;
    let after = Page::decode(&request.next_page_token).map_err(Reject::Unknown)?;
    let size = usize::try_from(request.page_size)
        .ok()
        .filter(|size| (1..=MAX_PAGE_SIZE).contains(size))
        .unwrap_or(MAX_PAGE_SIZE);
    let custom = &engine.namespaces.require(&request.namespace)?.search_attributes;
    let (records, next) = engine
        .visibility
        .list(&request.namespace, &query.filter, size, after.as_ref());
    Ok(Answer::Now(wire::ListActivityExecutionsResponse {
        executions: records.into_iter().map(|record| list_info(record, custom)).collect(),
        next_page_token: next.map(|next| next.encode()).unwrap_or_default(),
    }))
}

pub(super) fn count(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::CountActivityExecutionsRequest,
) -> Result<Answer<wire::CountActivityExecutionsResponse>, Reject> {
    let query = activities(engine, &request.namespace, &request.query, "CountChasmExecutions")?;
    let Some(column) = &query.group_by else {
        return Ok(Answer::Now(wire::CountActivityExecutionsResponse {
            count: engine.visibility.count(&request.namespace, &query.filter),
            ..Default::default()
        }));
    };
    let groups = engine.visibility.groups(&request.namespace, &query, column);
    Ok(Answer::Now(wire::CountActivityExecutionsResponse {
        count: groups.iter().map(|group| group.count).sum(),
        groups: groups
            .into_iter()
            .map(|group| wire::count_activity_executions_response::AggregationGroup {
                group_values: vec![group.value],
                count: group.count,
            })
            .collect(),
    }))
}

/// Understands a query for activities.
fn activities(engine: &Engine, namespace: &str, query: &str, operation: &str) -> Result<Query, Reject> {
    let names = Names {
        custom: &engine.namespaces.require(namespace)?.search_attributes,
        extra: &NAMES,
        division: Some(NAMESPACE_DIVISION_OF_ACTIVITIES),
    };
    query::convert(query, &names).map_err(|unsupported| match unsupported {
        Unsupported::Invalid(why) => Reject::InvalidArgument(format!("invalid query: {why}")),
        Unsupported::Database(why) => Reject::Unavailable(format!("{operation} operation failed.: {why}")),
    })
}
