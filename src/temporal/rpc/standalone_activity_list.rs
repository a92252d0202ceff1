//! Activities on their own in lists, and their number.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use wire::count_activity_executions_response::AggregationGroup;

use super::Answer;
use super::archetype::{Archetype, PageWanted};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::standalone::{NAMES, NAMESPACE_DIVISION_OF_ACTIVITIES, list_info};
use crate::temporal::visibility::store::Group;

/// What lists and counts of activities are about.
const ACTIVITIES: Archetype = Archetype {
    division: Some(NAMESPACE_DIVISION_OF_ACTIVITIES),
    list_operation: "ListChasmExecutions",
    count_operation: "CountChasmExecutions",
    names: &NAMES,
};

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListActivityExecutionsRequest,
) -> Result<Answer<wire::ListActivityExecutionsResponse>, Reject> {
    let custom = &engine.namespaces.require(&request.namespace)?.search_attributes;
    let page = PageWanted {
        namespace: &request.namespace,
        size: request.page_size,
        token: &request.next_page_token,
        query: &request.query,
    };
    let (executions, next_page_token) = ACTIVITIES.list(engine, &page, |record| list_info(record, custom))?;
    Ok(Answer::Now(wire::ListActivityExecutionsResponse {
        executions,
        next_page_token,
    }))
}

pub(super) fn count(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::CountActivityExecutionsRequest,
) -> Result<Answer<wire::CountActivityExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let (count, groups) = ACTIVITIES.count(engine, &request.namespace, &request.query)?;
    let group = |group: Group| AggregationGroup {
        group_values: vec![group.value],
        count: group.count,
    };
    Ok(Answer::Now(wire::CountActivityExecutionsResponse {
        count,
        groups: groups.into_iter().map(group).collect(),
    }))
}
