//! Lists and counts of workflow executions.

use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_protos::temporal::api::filter::v1::StartTimeFilter;
use temporalio_protos::temporal::api::workflow::v1::WorkflowExecutionInfo;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use wire::list_closed_workflow_executions_request::Filters as ClosedFilters;
use wire::list_open_workflow_executions_request::Filters as OpenFilters;

use super::Answer;
use super::archetype::{Archetype, PageWanted};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::visibility::attributes;
use crate::temporal::visibility::civil::Moment;
use crate::temporal::visibility::query::status_name;

/// What lists and counts of workflows are about.
const WORKFLOWS: Archetype = Archetype {
    division: None,
    names: &[],
    list_operation: "ListWorkflowExecutions",
    count_operation: "CountWorkflowExecutions",
};

/// Executions in one page from the archive (dynamic config `frontend.visibilityArchivalQueryMaxPageSize`).
const MAX_ARCHIVED_PAGE: i32 = 10_000;

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListWorkflowExecutionsRequest,
) -> Result<Answer<wire::ListWorkflowExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let (executions, next_page_token) = page(
        engine,
        &request.namespace,
        request.page_size,
        &request.next_page_token,
        &request.query,
    )?;
    Ok(Answer::Now(wire::ListWorkflowExecutionsResponse {
        executions,
        next_page_token,
    }))
}

pub(super) fn scan(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ScanWorkflowExecutionsRequest,
) -> Result<Answer<wire::ScanWorkflowExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let (executions, next_page_token) = page(
        engine,
        &request.namespace,
        request.page_size,
        &request.next_page_token,
        &request.query,
    )?;
    Ok(Answer::Now(wire::ScanWorkflowExecutionsResponse {
        executions,
        next_page_token,
    }))
}

pub(super) fn list_open(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListOpenWorkflowExecutionsRequest,
) -> Result<Answer<wire::ListOpenWorkflowExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let mut conditions = vec!["ExecutionStatus = 'Running'".to_owned()];
    conditions.extend(between("StartTime", request.start_time_filter.as_ref())?);
    conditions.extend(request.filters.map(|filter| match filter {
        OpenFilters::ExecutionFilter(execution) => equals("WorkflowId", &execution.workflow_id),
        OpenFilters::TypeFilter(kind) => equals("WorkflowType", &kind.name),
    }));
    let (executions, next_page_token) = page(
        engine,
        &request.namespace,
        request.maximum_page_size,
        &request.next_page_token,
        &conditions.join(" AND "),
    )?;
    Ok(Answer::Now(wire::ListOpenWorkflowExecutionsResponse {
        executions,
        next_page_token,
    }))
}

pub(super) fn list_closed(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListClosedWorkflowExecutionsRequest,
) -> Result<Answer<wire::ListClosedWorkflowExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let mut conditions = vec!["ExecutionStatus != 'Running'".to_owned()];
    conditions.extend(between("CloseTime", request.start_time_filter.as_ref())?);
    match request.filters {
        Some(ClosedFilters::ExecutionFilter(execution)) => {
            conditions.push(equals("WorkflowId", &execution.workflow_id));
        }
        Some(ClosedFilters::TypeFilter(kind)) => conditions.push(equals("WorkflowType", &kind.name)),
        Some(ClosedFilters::StatusFilter(filter)) => match Status::try_from(filter.status) {
            Ok(Status::Unspecified | Status::Running) => {
                return Err(Reject::InvalidArgument(
                    "StatusFilter must be specified and must be not Running.".to_owned(),
                ));
            }
            Ok(status) => conditions.push(equals("ExecutionStatus", &status_name(status))),
            Err(_) => conditions.push(equals("ExecutionStatus", &filter.status.to_string())),
        },
        None => {}
    }
    let (executions, next_page_token) = page(
        engine,
        &request.namespace,
        request.maximum_page_size,
        &request.next_page_token,
        &conditions.join(" AND "),
    )?;
    Ok(Answer::Now(wire::ListClosedWorkflowExecutionsResponse {
        executions,
        next_page_token,
    }))
}

/// As a server answers whose cluster has no archive, which is what every dev server is.
pub(super) fn list_archived(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListArchivedWorkflowExecutionsRequest,
) -> Result<Answer<wire::ListArchivedWorkflowExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let why = match request.page_size > MAX_ARCHIVED_PAGE {
        true => format!("PageSize is larger than allowed {MAX_ARCHIVED_PAGE}."),
        false => "Cluster is not configured for visibility archival.".to_owned(),
    };
    Err(Reject::InvalidArgument(why))
}

pub(super) fn count(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::CountWorkflowExecutionsRequest,
) -> Result<Answer<wire::CountWorkflowExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    engine.catch_up_with_lists();
    let (count, groups) = WORKFLOWS.count(engine, &request.namespace, &request.query)?;
    Ok(Answer::Now(wire::CountWorkflowExecutionsResponse {
        count,
        groups: groups
            .into_iter()
            .map(|group| wire::count_workflow_executions_response::AggregationGroup {
                group_values: vec![group.value],
                count: group.count,
            })
            .collect(),
    }))
}

/// The attributes of the cluster: Temporal's own, and the places for custom ones.
pub(super) fn search_attributes(
    _: &mut Engine,
    _: &Call<'_>,
    _: wire::GetSearchAttributesRequest,
) -> Result<Answer<wire::GetSearchAttributesResponse>, Reject> {
    let known = attributes::own().map(|(name, kind)| (name.to_owned(), kind));
    let keys = known
        .chain(attributes::places())
        .map(|(name, kind)| (name, kind as i32));
    Ok(Answer::Now(wire::GetSearchAttributesResponse { keys: keys.collect() }))
}

/// A page of the workflow executions that a query means, and the token of the next one.
pub(crate) fn page(
    engine: &mut Engine,
    namespace: &str,
    size: i32,
    token: &[u8],
    query: &str,
) -> Result<(Vec<WorkflowExecutionInfo>, Vec<u8>), Reject> {
    engine.catch_up_with_lists();
    let custom = &engine.namespaces.require(namespace)?.search_attributes;
    let page = PageWanted {
        namespace,
        size,
        token,
        query,
    };
    WORKFLOWS.list(engine, &page, |record| record.info(custom))
}

/// How many workflow executions a query means.
pub(crate) fn count_of(engine: &mut Engine, namespace: &str, query: &str) -> Result<i64, Reject> {
    engine.catch_up_with_lists();
    Ok(WORKFLOWS.count(engine, namespace, query)?.0)
}

/// A value as Temporal puts it into a query: as it is, so that a quote in it ends it.
fn equals(name: &str, value: &str) -> String {
    format!("{name} = '{value}'")
}

fn between(name: &str, filter: Option<&StartTimeFilter>) -> Result<Option<String>, Reject> {
    let moment = |wire: Option<&prost_types::Timestamp>| wire.map(Moment::from_wire);
    let earliest = moment(filter.and_then(|filter| filter.earliest_time.as_ref()));
    let latest = moment(filter.and_then(|filter| filter.latest_time.as_ref()));
    Ok(match (earliest, latest) {
        (Some(earliest), Some(latest)) if earliest > latest => {
            return Err(Reject::InvalidArgument(
                "EarliestTime in StartTimeFilter should not be larger than LatestTime.".to_owned(),
            ));
        }
        (Some(earliest), Some(latest)) => Some(format!(
            "{name} BETWEEN '{}' AND '{}'",
            earliest.written(),
            latest.written()
        )),
        (Some(earliest), None) => Some(format!("{name} >= '{}'", earliest.written())),
        (None, Some(latest)) => Some(format!("{name} <= '{}'", latest.written())),
        (None, None) => None,
    })
}
