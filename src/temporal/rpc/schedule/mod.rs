//! Schedules: made, looked at, changed, asked for actions, deleted.

mod check;
mod list;

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

pub(super) use list::{count, list, list_matching_times};

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::proto::timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::schedule::{self, FIRST_CONFLICT_TOKEN, NewSchedule, Update, Wake};

/// The longest note of a pause, in bytes (`common.ScheduleNotesSizeLimit`).
const MAX_NOTE_LENGTH: usize = 1_000;

pub(super) fn create(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::CreateScheduleRequest,
) -> Result<Answer<wire::CreateScheduleResponse>, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    check::workflow_id(&engine.config, &schedule::workflow_id(&request.schedule_id))?;
    if request.request_id.is_empty() {
        return Err(Reject::InvalidArgument("RequestId is not set on request.".to_owned()));
    }
    check::request_id(&engine.config, &request.request_id)?;
    check::blob_size(&engine.config, request.encoded_len())?;
    let mut schedule = request.schedule.unwrap_or_default();
    let spec = check::spec(schedule.spec.take())?;
    check::workflow(&engine.config, namespace, &mut schedule)?;
    namespace.check_search_attributes(&engine.config, request.search_attributes.as_mut())?;
    let new = NewSchedule {
        namespace: namespace.name.clone(),
        namespace_id: namespace.id.clone(),
        schedule_id: request.schedule_id,
        request_id: request.request_id,
        definition: check::definition(spec, schedule),
        memo: request.memo,
        search_attributes: request.search_attributes,
    };
    engine.create_schedule(call.now, new, request.initial_patch)?;
    Ok(Answer::Now(wire::CreateScheduleResponse {
        conflict_token: token(FIRST_CONFLICT_TOKEN),
    }))
}

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeScheduleRequest,
) -> Result<Answer<wire::DescribeScheduleResponse>, Reject> {
    let schedule = engine.schedule(call.now, &request.namespace, &request.schedule_id)?;
    if !schedule.is_open() {
        return Err(Reject::NotFound("schedule not found".to_owned()));
    }
    let running = engine.running_of_schedule(schedule);
    let reference = schedule.reference;
    let outdated = running.len() < schedule.running().len();
    let answer = wire::DescribeScheduleResponse {
        schedule: Some(schedule.described()),
        info: Some(schedule.described_info(running)),
        memo: schedule.memo(),
        search_attributes: schedule.search_attributes(),
        conflict_token: token(schedule.conflict_token()),
    };
    if outdated {
        // The answer is as the schedule knows things; then it is told to look.
        engine.wake_schedule(call.now, reference, Wake::Refresh);
    }
    Ok(Answer::Now(answer))
}

pub(super) fn update(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::UpdateScheduleRequest,
) -> Result<Answer<wire::UpdateScheduleResponse>, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    check::request_id(&engine.config, &request.request_id)?;
    let size = request.encoded_len();
    let mut schedule = request.schedule.unwrap_or_default();
    check::workflow(&engine.config, namespace, &mut schedule)?;
    let spec = check::spec(schedule.spec.take())?;
    namespace.check_search_attributes(&engine.config, request.search_attributes.as_mut())?;
    let definition = check::definition(spec, schedule);
    if definition.workflow().is_none() {
        return Err(Reject::InvalidArgument(
            "Only StartWorkflow action is supported for schedules".to_owned(),
        ));
    }
    check::blob_size(&engine.config, size)?;
    if request.memo.is_some() {
        return Err(Reject::FailedPrecondition(
            "memo updates are not supported on workflow-backed schedules".to_owned(),
        ));
    }
    let reference = engine.open_schedule(call.now, &request.namespace, &request.schedule_id)?;
    let update = Update {
        definition,
        conflict_token: parse_token(&request.conflict_token),
        search_attributes: request.search_attributes,
    };
    engine.wake_schedule(call.now, reference, Wake::Update(Box::new(update)));
    Ok(Answer::Now(wire::UpdateScheduleResponse {}))
}

pub(super) fn patch(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PatchScheduleRequest,
) -> Result<Answer<wire::PatchScheduleResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let Some(mut patch) = request.patch else {
        return Err(Reject::InvalidArgument("Patch is not set on request.".to_owned()));
    };
    check::request_id(&engine.config, &request.request_id)?;
    if patch.pause.len().max(patch.unpause.len()) > MAX_NOTE_LENGTH {
        return Err(Reject::InvalidArgument("Schedule notes exceeds limit.".to_owned()));
    }
    if let Some(trigger) = &mut patch.trigger_immediately {
        trigger.scheduled_time.get_or_insert_with(|| timestamp(call.now));
    }
    check::blob_size(&engine.config, patch.encoded_len())?;
    let reference = engine.open_schedule(call.now, &request.namespace, &request.schedule_id)?;
    engine.wake_schedule(call.now, reference, Wake::Patch(Box::new(patch)));
    Ok(Answer::Now(wire::PatchScheduleResponse {}))
}

pub(super) fn delete(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteScheduleRequest,
) -> Result<Answer<wire::DeleteScheduleResponse>, Reject> {
    let reference = engine.open_schedule(call.now, &request.namespace, &request.schedule_id)?;
    engine.close_schedule(call.now, reference, WorkflowExecutionStatus::Terminated);
    Ok(Answer::Now(wire::DeleteScheduleResponse {}))
}

/// A conflict token: eight bytes, the big end first.
fn token(value: i64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// 0, which fits everything, if there are fewer than eight bytes.
fn parse_token(token: &[u8]) -> i64 {
    token.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}
