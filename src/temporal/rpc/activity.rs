//! Activity tasks: polled, kept alive, and reported on, by token or by id.

use temporalio_protos::temporal::api::common::v1::{Payloads, WorkflowExecution};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::deployment::check_identity;
use super::workflow_task::polling_worker;
use super::{Answer, check_length};
use crate::temporal::engine::{Call, Engine, HandKey};
use crate::temporal::machine::activity::Report;
use crate::temporal::matching::{Kind, QueueKey};
use crate::temporal::reject::Reject;
use crate::temporal::run::RunRef;
use crate::temporal::token::TaskToken;

/// One attempt of one activity.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    run: RunRef,
    scheduled_event_id: i64,
    attempt: i32,
}

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PollActivityTaskQueueRequest,
) -> Result<Answer<wire::PollActivityTaskQueueResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let queue = request.task_queue.as_ref();
    let name = queue.map(|queue| queue.name.clone()).unwrap_or_default();
    if name.is_empty() {
        return Err(Reject::InvalidArgument("TaskQueue is not set on request.".to_owned()));
    }
    check_length("TaskQueue", &name)?;
    check_identity(&request.identity)?;
    let options = request.deployment_options.as_ref();
    #[expect(deprecated, reason = "workers still send it")]
    let capabilities = request.worker_version_capabilities.as_ref();
    let mut worker = polling_worker(request.identity.clone(), capabilities, options, queue)?;
    let key = QueueKey {
        namespace: request.namespace,
        kind: Kind::Activity,
        name,
    };
    worker.instance_key = request.worker_instance_key;
    if engine.matching.is_shut_down(call.now, &worker.instance_key) {
        return Ok(Answer::Now(Default::default()));
    }
    engine.park_poll(call, key, worker)?;
    Ok(Answer::Later)
}

pub(super) fn heartbeat(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RecordActivityTaskHeartbeatRequest,
) -> Result<Answer<wire::RecordActivityTaskHeartbeatResponse>, Reject> {
    let attempt = by_token(&request.task_token)?;
    let cancel_requested = beat(engine, call, attempt, request.details)?;
    Ok(Answer::Now(wire::RecordActivityTaskHeartbeatResponse {
        cancel_requested,
        ..Default::default()
    }))
}

pub(super) fn heartbeat_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RecordActivityTaskHeartbeatByIdRequest,
) -> Result<Answer<wire::RecordActivityTaskHeartbeatByIdResponse>, Reject> {
    let attempt = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    let cancel_requested = beat(engine, call, attempt, request.details)?;
    Ok(Answer::Now(wire::RecordActivityTaskHeartbeatByIdResponse {
        cancel_requested,
        ..Default::default()
    }))
}

pub(super) fn completed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCompletedRequest,
) -> Result<Answer<wire::RespondActivityTaskCompletedResponse>, Reject> {
    let attempt = by_token(&request.task_token)?;
    report(
        engine,
        call,
        attempt,
        Report::Completed(request.result),
        &request.identity,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCompletedResponse {}))
}

pub(super) fn completed_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCompletedByIdRequest,
) -> Result<Answer<wire::RespondActivityTaskCompletedByIdResponse>, Reject> {
    let attempt = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    report(
        engine,
        call,
        attempt,
        Report::Completed(request.result),
        &request.identity,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCompletedByIdResponse {}))
}

pub(super) fn failed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskFailedRequest,
) -> Result<Answer<wire::RespondActivityTaskFailedResponse>, Reject> {
    let attempt = by_token(&request.task_token)?;
    fail(
        engine,
        call,
        attempt,
        request.failure,
        request.last_heartbeat_details,
        &request.identity,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskFailedResponse::default()))
}

pub(super) fn failed_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskFailedByIdRequest,
) -> Result<Answer<wire::RespondActivityTaskFailedByIdResponse>, Reject> {
    let attempt = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    fail(
        engine,
        call,
        attempt,
        request.failure,
        request.last_heartbeat_details,
        &request.identity,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskFailedByIdResponse::default()))
}

pub(super) fn canceled(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCanceledRequest,
) -> Result<Answer<wire::RespondActivityTaskCanceledResponse>, Reject> {
    let attempt = by_token(&request.task_token)?;
    report(
        engine,
        call,
        attempt,
        Report::Canceled(request.details),
        &request.identity,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCanceledResponse {}))
}

pub(super) fn canceled_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCanceledByIdRequest,
) -> Result<Answer<wire::RespondActivityTaskCanceledByIdResponse>, Reject> {
    let attempt = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    report(
        engine,
        call,
        attempt,
        Report::Canceled(request.details),
        &request.identity,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCanceledByIdResponse {}))
}

fn fail(
    engine: &mut Engine,
    call: &Call<'_>,
    attempt: Attempt,
    failure: Option<Failure>,
    last_heartbeat_details: Option<Payloads>,
    identity: &str,
) -> Result<(), Reject> {
    if last_heartbeat_details.is_some() {
        beat(engine, call, attempt, last_heartbeat_details)?;
    }
    report(
        engine,
        call,
        attempt,
        Report::Failed(failure.unwrap_or_default()),
        identity,
    )
}

fn beat(engine: &mut Engine, call: &Call<'_>, attempt: Attempt, details: Option<Payloads>) -> Result<bool, Reject> {
    engine
        .with_run(call.now, attempt.run, |run, context| {
            run.heartbeat_activity(context, attempt.scheduled_event_id, attempt.attempt, details)
        })
        .unwrap_or_else(|| Err(not_found()))
}

fn report(
    engine: &mut Engine,
    call: &Call<'_>,
    attempt: Attempt,
    report: Report,
    identity: &str,
) -> Result<(), Reject> {
    engine
        .with_run(call.now, attempt.run, |run, context| {
            run.report_activity(context, attempt.scheduled_event_id, attempt.attempt, report, identity)
        })
        .unwrap_or_else(|| Err(not_found()))?;
    engine
        .hands
        .remove(&HandKey::Activity(attempt.run, attempt.scheduled_event_id));
    Ok(())
}

fn by_token(token: &[u8]) -> Result<Attempt, Reject> {
    match TaskToken::decode(token) {
        Some(TaskToken::Activity {
            run,
            scheduled_event_id,
            attempt,
        }) => Ok(Attempt {
            run,
            scheduled_event_id,
            attempt,
        }),
        _ => Err(Reject::InvalidArgument("error deserializing task token".to_owned())),
    }
}

fn by_id(
    engine: &Engine,
    namespace: &str,
    workflow_id: String,
    run_id: String,
    activity_id: &str,
) -> Result<Attempt, Reject> {
    engine.namespaces.require(namespace)?;
    if activity_id.is_empty() {
        return Err(Reject::InvalidArgument("ActivityId is not set on request.".to_owned()));
    }
    let execution = WorkflowExecution { workflow_id, run_id };
    let run = engine.runs.find(namespace, Some(&execution))?;
    let (scheduled_event_id, attempt) = run.activity_by_id(activity_id).ok_or_else(not_found)?;
    Ok(Attempt {
        run: run.run,
        scheduled_event_id,
        attempt,
    })
}

fn not_found() -> Reject {
    Reject::NotFound("invalid activityID or activity already timed out or invoking workflow is completed".to_owned())
}
