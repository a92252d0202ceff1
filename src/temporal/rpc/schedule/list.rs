//! Schedules in lists, their number, and the times at which one fires.

use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_protos::temporal::api::schedule::v1::ScheduleListEntry;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use crate::temporal::engine::{Call, Engine};
use crate::temporal::proto::{moment, timestamp};
use crate::temporal::reject::Reject;
use crate::temporal::rpc::Answer;
use crate::temporal::schedule::{Schedule, ScheduleRef};

/// The most entries of one page (dynamic config `frontend.visibilityMaxPageSize`).
const MAX_PAGE_SIZE: usize = 1_000;

/// The most times that one answer names.
const MAX_MATCHING_TIMES: usize = 1_000;

pub(in crate::temporal::rpc) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListSchedulesRequest,
) -> Result<Answer<wire::ListSchedulesResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    refuse_query(&request.query)?;
    let size = usize::try_from(request.maximum_page_size)
        .ok()
        .filter(|size| (1..=MAX_PAGE_SIZE).contains(size))
        .unwrap_or(MAX_PAGE_SIZE);
    let before = parse_page_token(&request.next_page_token)?;
    let mut rest = engine
        .schedules
        .open(&request.namespace)
        .filter(|schedule| before.is_none_or(|before| schedule.reference < before));
    let page: Vec<&Schedule> = rest.by_ref().take(size).collect();
    let next_page_token = match (page.last(), rest.next()) {
        (Some(last), Some(_)) => last.reference.0.to_be_bytes().to_vec(),
        _ => Vec::new(),
    };
    Ok(Answer::Now(wire::ListSchedulesResponse {
        schedules: page.into_iter().map(entry).collect(),
        next_page_token,
    }))
}

pub(in crate::temporal::rpc) fn count(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::CountSchedulesRequest,
) -> Result<Answer<wire::CountSchedulesResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    refuse_query(&request.query)?;
    let count = engine.schedules.open(&request.namespace).count();
    Ok(Answer::Now(wire::CountSchedulesResponse {
        count: i64::try_from(count).unwrap_or(i64::MAX),
        ..Default::default()
    }))
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

fn parse_page_token(token: &[u8]) -> Result<Option<ScheduleRef>, Reject> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = token
        .try_into()
        .map_err(|_| Reject::InvalidArgument("Invalid NextPageToken.".to_owned()))?;
    Ok(Some(ScheduleRef(u64::from_be_bytes(bytes))))
}

fn refuse_query(query: &str) -> Result<(), Reject> {
    match query.trim().is_empty() {
        true => Ok(()),
        false => Err(Reject::Unimplemented(
            "awaithumans-testkit doesn't serve queries over schedules yet".to_owned(),
        )),
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
