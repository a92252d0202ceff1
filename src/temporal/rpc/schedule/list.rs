//! Schedules in lists, their number, and the times at which one fires.

use temporalio_protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_protos::temporal::api::schedule::v1::ScheduleListEntry;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use crate::temporal::engine::{Call, Engine};
use crate::temporal::proto::{moment, timestamp};
use crate::temporal::reject::Reject;
use crate::temporal::rpc::Answer;
use crate::temporal::rpc::archetype::{Archetype, page_size};
use crate::temporal::schedule::{NAMESPACE_DIVISION_OF_SCHEDULES, SCHEDULE_ID, Schedule};
use crate::temporal::visibility::Page;
use crate::temporal::visibility::attributes;
use crate::temporal::visibility::query::{Extra, Query};
use crate::temporal::visibility::value::Value;

/// What lists and counts of schedules are about. They are workflows, for the database.
const SCHEDULES: Archetype = Archetype {
    division: Some(NAMESPACE_DIVISION_OF_SCHEDULES),
    names: &NAMES,
    list_operation: "ListWorkflowExecutions",
    count_operation: "CountWorkflowExecutions",
};

/// The condition on schedules that are there.
const OPEN: &str = "ExecutionStatus = 'Running'";

/// The names that queries for schedules add. All but the id are those of schedules of the new kind: the ones that are made
/// by default have no such values.
const NAMES: [Extra; 5] = [
    name(SCHEDULE_ID, IndexedValueType::Keyword),
    name("ScheduleNextActionTime", IndexedValueType::Datetime),
    name("ScheduleIdleCloseTime", IndexedValueType::Datetime),
    name("ScheduleRunningWorkflowCount", IndexedValueType::Int),
    name("ScheduleBufferedStartsCount", IndexedValueType::Int),
];

const fn name(name: &'static str, kind: IndexedValueType) -> Extra {
    Extra {
        name,
        field: name,
        kind,
    }
}

/// The most times that one answer names.
const MAX_MATCHING_TIMES: usize = 1_000;

pub(in crate::temporal::rpc) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListSchedulesRequest,
) -> Result<Answer<wire::ListSchedulesResponse>, Reject> {
    let query = open_schedules(engine, &request.namespace, &request.query, SCHEDULES.list_operation)?;
    let size = page_size(request.maximum_page_size);
    let after = Page::decode(&request.next_page_token).map_err(Reject::Unknown)?;
    let (records, next) = engine
        .visibility
        .list(&request.namespace, &query.filter, size, after.as_ref());
    let schedules = records.into_iter().filter_map(|record| {
        let Some(Value::Text(schedule_id)) = record.attribute(SCHEDULE_ID) else {
            return None;
        };
        engine.schedules.find(&request.namespace, schedule_id).map(entry)
    });
    Ok(Answer::Now(wire::ListSchedulesResponse {
        schedules: schedules.collect(),
        next_page_token: next.map(|next| next.encode()).unwrap_or_default(),
    }))
}

pub(in crate::temporal::rpc) fn count(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::CountSchedulesRequest,
) -> Result<Answer<wire::CountSchedulesResponse>, Reject> {
    let query = open_schedules(engine, &request.namespace, &request.query, SCHEDULES.count_operation)?;
    Ok(Answer::Now(wire::CountSchedulesResponse {
        count: engine.visibility.count(&request.namespace, &query.filter),
        ..Default::default()
    }))
}

/// Understands a query for schedules: it means open ones, and may name few of Temporal's own attributes.
fn open_schedules(engine: &Engine, namespace: &str, query: &str, operation: &str) -> Result<Query, Reject> {
    let understand = |query: &str| SCHEDULES.understand(engine, namespace, query, operation);
    if query.trim().is_empty() {
        return understand(OPEN);
    }
    let mine = |name: &&String| attributes::is_reserved(name) && *name != "TemporalSchedulePaused";
    if let Some(name) = understand(query)?.names.iter().find(mine) {
        return Err(Reject::InvalidArgument(format!(
            "invalid query filter for schedules: cannot filter on {name:?}"
        )));
    }
    // What isn't a condition alone, a GROUP BY for example, doesn't survive this; nor does it in Temporal.
    understand(&format!("{OPEN} AND ({query})"))
}

/// The schedule's workflow answers it as a query: what it refuses has the form of a failed one.
pub(in crate::temporal::rpc) fn list_matching_times(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ListScheduleMatchingTimesRequest,
) -> Result<Answer<wire::ListScheduleMatchingTimesResponse>, Reject> {
    let schedule = engine.schedule(call.now, &request.namespace, &request.schedule_id)?;
    let (Some(start), Some(end)) = (&request.start_time, &request.end_time) else {
        return Err(query_failed("missing or invalid query", "errorString"));
    };
    let (mut after, end) = (moment(start), moment(end));
    let mut times = Vec::new();
    while times.len() < MAX_MATCHING_TIMES {
        let next = schedule.spec().next(schedule.jitter_seed(), after).map_err(|_| {
            let why = "the schedule calendar specification has too many exclusions. Please modify the specification.";
            query_failed(why, "InvalidArgument")
        })?;
        let Some(firing) = next.filter(|firing| firing.actual <= end) else {
            break;
        };
        times.push(timestamp(firing.actual));
        after = firing.actual;
    }
    Ok(Answer::Now(wire::ListScheduleMatchingTimesResponse {
        start_time: times,
    }))
}

fn entry(schedule: &Schedule) -> ScheduleListEntry {
    ScheduleListEntry {
        schedule_id: schedule.schedule_id.clone(),
        // Present even where there is nothing in it: the server takes its own field out.
        memo: Some(schedule.memo().unwrap_or_default()),
        search_attributes: schedule.search_attributes(),
        info: Some(schedule.list_info()),
    }
}

fn query_failed(message: &str, error_type: &str) -> Reject {
    let failure = Failure {
        message: message.to_owned(),
        source: "GoSDK".to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: error_type.to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    };
    Reject::QueryFailed {
        message: message.to_owned(),
        failure: Some(Box::new(failure)),
    }
}
