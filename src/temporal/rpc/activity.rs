//! Activity tasks: polled, kept alive, and reported on, by token or by id.

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::{Payloads, WorkerVersionStamp, WorkflowExecution};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::deployment::check_identity;
use super::task_queue::check_partition;
use super::workflow_task::polling_worker;
use super::{Answer, check_run_id};
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{Call, Engine, HandKey};
use crate::temporal::failure::{server_failure, too_large};
use crate::temporal::machine::activity::{HeartbeatAnswer, Report, Reporter};
use crate::temporal::matching::{Kind, QueueKey};
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;
use crate::temporal::run::{ActivityName, RunRef, activity_task_not_found};
use crate::temporal::standalone::ActivityRef;
use crate::temporal::token::TaskToken;

const HEARTBEAT_TOO_LARGE: &str = "Heartbeat details exceed size limit.";
const RESULT_TOO_LARGE: &str = "Complete result exceeds size limit.";
const CANCEL_DETAILS_TOO_LARGE: &str = "Cancel details exceed size limit.";

/// One activity, as its worker or a client names it.
#[derive(Clone, Debug)]
enum Target {
    OfWorkflow(RunRef, ActivityName),
    /// With the attempt, unless a client names it by id.
    Standalone(ActivityRef, Option<i32>),
}

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::PollActivityTaskQueueRequest,
) -> Result<Answer<wire::PollActivityTaskQueueResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let queue = queue_name::normalize(&engine.config, request.task_queue.as_mut())?;
    let name = queue.name.clone();
    check_identity(&engine.config, &request.identity)?;
    let options = request.deployment_options.as_ref();
    #[expect(deprecated, reason = "workers still send it")]
    let capabilities = request.worker_version_capabilities.as_ref();
    let mut worker = polling_worker(engine, request.identity.clone(), capabilities, options, Some(&*queue))?;
    check_partition(queue)?;
    let key = QueueKey {
        namespace: request.namespace.into(),
        kind: Kind::Activity,
        name: name.into(),
    };
    worker.instance_key = request.worker_instance_key;
    let metadata = request.task_queue_metadata;
    worker.max_tasks_per_second = metadata.and_then(|metadata| metadata.max_tasks_per_second);
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
    let target = by_token(engine, &request.namespace, &request.task_token)?;
    let answer = beat(engine, call, &target, request.details, &request.identity)?;
    Ok(Answer::Now(wire::RecordActivityTaskHeartbeatResponse {
        cancel_requested: answer.cancel_requested,
        activity_paused: answer.paused,
        activity_reset: answer.reset,
    }))
}

pub(super) fn heartbeat_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RecordActivityTaskHeartbeatByIdRequest,
) -> Result<Answer<wire::RecordActivityTaskHeartbeatByIdResponse>, Reject> {
    let target = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        request.activity_id,
    )?;
    let answer = beat(engine, call, &target, request.details, &request.identity)?;
    Ok(Answer::Now(wire::RecordActivityTaskHeartbeatByIdResponse {
        cancel_requested: answer.cancel_requested,
        activity_paused: answer.paused,
        activity_reset: answer.reset,
    }))
}

pub(super) fn completed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCompletedRequest,
) -> Result<Answer<wire::RespondActivityTaskCompletedResponse>, Reject> {
    let target = by_token(engine, &request.namespace, &request.task_token)?;
    #[allow(deprecated)]
    let reporter = reporter(&engine.config, request.identity, request.worker_version)?;
    report(
        engine,
        call,
        &target,
        completion(&engine.config, request.result),
        &reporter,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCompletedResponse {}))
}

pub(super) fn completed_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCompletedByIdRequest,
) -> Result<Answer<wire::RespondActivityTaskCompletedByIdResponse>, Reject> {
    let reporter = reporter(&engine.config, request.identity, None)?;
    let target = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        request.activity_id,
    )?;
    report(
        engine,
        call,
        &target,
        completion(&engine.config, request.result),
        &reporter,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCompletedByIdResponse {}))
}

pub(super) fn failed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskFailedRequest,
) -> Result<Answer<wire::RespondActivityTaskFailedResponse>, Reject> {
    let target = by_token(engine, &request.namespace, &request.task_token)?;
    let is_of_application =
        |failure: &Failure| matches!(failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(_)));
    if !request.failure.as_ref().is_none_or(is_of_application) {
        return Err(Reject::InvalidArgument(
            "Failure must have ApplicationFailureInfo.".to_owned(),
        ));
    }
    #[allow(deprecated)]
    let reporter = reporter(&engine.config, request.identity, request.worker_version)?;
    let (failure, failures) = failure(&engine.config, request.failure, request.last_heartbeat_details);
    report(engine, call, &target, failure, &reporter)?;
    Ok(Answer::Now(wire::RespondActivityTaskFailedResponse { failures }))
}

pub(super) fn failed_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskFailedByIdRequest,
) -> Result<Answer<wire::RespondActivityTaskFailedByIdResponse>, Reject> {
    let reporter = reporter(&engine.config, request.identity, None)?;
    let target = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        request.activity_id,
    )?;
    let (failure, failures) = failure(&engine.config, request.failure, request.last_heartbeat_details);
    report(engine, call, &target, failure, &reporter)?;
    Ok(Answer::Now(wire::RespondActivityTaskFailedByIdResponse { failures }))
}

pub(super) fn canceled(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCanceledRequest,
) -> Result<Answer<wire::RespondActivityTaskCanceledResponse>, Reject> {
    let target = by_token(engine, &request.namespace, &request.task_token)?;
    #[allow(deprecated)]
    let reporter = reporter(&engine.config, request.identity, request.worker_version)?;
    report(
        engine,
        call,
        &target,
        cancellation(&engine.config, request.details),
        &reporter,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCanceledResponse {}))
}

pub(super) fn canceled_by_id(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondActivityTaskCanceledByIdRequest,
) -> Result<Answer<wire::RespondActivityTaskCanceledByIdResponse>, Reject> {
    let reporter = reporter(&engine.config, request.identity, None)?;
    let target = by_id(
        engine,
        &request.namespace,
        request.workflow_id,
        request.run_id,
        request.activity_id,
    )?;
    report(
        engine,
        call,
        &target,
        cancellation(&engine.config, request.details),
        &reporter,
    )?;
    Ok(Answer::Now(wire::RespondActivityTaskCanceledByIdResponse {}))
}

/// A result, or the failure that takes the place of one that is too large.
fn completion(config: &DynamicConfig, result: Option<Payloads>) -> Report {
    match is_too_large(config, result.as_ref()) {
        true => failed_for_good(RESULT_TOO_LARGE),
        false => Report::Completed(result),
    }
}

/// Details of a cancellation, or the failure that takes the place of those that are too large.
fn cancellation(config: &DynamicConfig, details: Option<Payloads>) -> Report {
    match is_too_large(config, details.as_ref()) {
        true => failed_for_good(CANCEL_DETAILS_TOO_LARGE),
        false => Report::Canceled(details),
    }
}

/// A failed attempt, and what the worker is told about the parts of it that are too large.
fn failure(
    config: &DynamicConfig,
    failure: Option<Failure>,
    heartbeat_details: Option<Payloads>,
) -> (Report, Vec<Failure>) {
    let mut complaints = Vec::new();
    let heartbeat_too_large = is_too_large(config, heartbeat_details.as_ref());
    if heartbeat_too_large {
        complaints.push(server_failure(HEARTBEAT_TOO_LARGE, true));
    }
    let failure = match failure {
        Some(failure) if failure.encoded_len() > config.blob_limit() => {
            let cut = too_large(&failure, config.blob_warn_bytes, true);
            complaints.push(cut.clone());
            Some(cut)
        }
        failure => failure,
    };
    let report = Report::Failed {
        failure,
        heartbeat_details: heartbeat_details.filter(|_| !heartbeat_too_large),
    };
    (report, complaints)
}

fn failed_for_good(why: &str) -> Report {
    Report::Failed {
        failure: Some(server_failure(why, true)),
        heartbeat_details: None,
    }
}

fn is_too_large(config: &DynamicConfig, payloads: Option<&Payloads>) -> bool {
    payloads.is_some_and(|payloads| payloads.encoded_len() > config.blob_limit())
}

/// A heartbeat. One that is too large ends the activity, and its worker hears that it should stop.
fn beat(
    engine: &mut Engine,
    call: &Call<'_>,
    target: &Target,
    details: Option<Payloads>,
    identity: &str,
) -> Result<HeartbeatAnswer, Reject> {
    if is_too_large(&engine.config, details.as_ref()) {
        let reporter = Reporter {
            identity: identity.to_owned(),
            worker_version: None,
        };
        report(engine, call, target, failed_for_good(HEARTBEAT_TOO_LARGE), &reporter)?;
        return Ok(HeartbeatAnswer {
            cancel_requested: true,
            ..HeartbeatAnswer::default()
        });
    }
    match target {
        Target::OfWorkflow(run, name) => engine
            .with_run(call.now, *run, |run, context| {
                run.heartbeat_activity(context, name, details, identity)
            })
            .unwrap_or_else(|| Err(activity_task_not_found())),
        Target::Standalone(activity, attempt) => engine
            .with_standalone(call.now, *activity, |activity, step| {
                activity.heartbeat(step, *attempt, details)
            })
            .unwrap_or_else(|| Err(activity_task_not_found())),
    }
}

fn report(
    engine: &mut Engine,
    call: &Call<'_>,
    target: &Target,
    report: Report,
    reporter: &Reporter,
) -> Result<(), Reject> {
    match target {
        Target::OfWorkflow(run, name) => report_of_workflow(engine, call, *run, name, report, reporter),
        Target::Standalone(activity, attempt) => {
            if let Some(attempt) = attempt {
                engine.hands.remove(&HandKey::Standalone(*activity, *attempt));
            }
            engine
                .with_standalone(call.now, *activity, |activity, step| {
                    activity.report(step, *attempt, report, &reporter.identity)
                })
                .unwrap_or_else(|| Err(activity_task_not_found()))
        }
    }
}

fn report_of_workflow(
    engine: &mut Engine,
    call: &Call<'_>,
    run: RunRef,
    name: &ActivityName,
    report: Report,
    reporter: &Reporter,
) -> Result<(), Reject> {
    // Whatever comes of the report: its worker is done with the attempt.
    if let ActivityName::Attempt {
        scheduled_event_id,
        attempt,
    } = *name
    {
        engine
            .hands
            .remove(&HandKey::Activity(run, scheduled_event_id, attempt));
    }
    engine
        .with_run(call.now, run, |run, context| {
            run.report_activity(context, name, report, reporter)
        })
        .unwrap_or_else(|| Err(activity_task_not_found()))?;
    if let ActivityName::Id(_) = name {
        engine.free_ended_activities(run);
    }
    Ok(())
}

fn reporter(
    config: &DynamicConfig,
    identity: String,
    worker_version: Option<WorkerVersionStamp>,
) -> Result<Reporter, Reject> {
    check_identity(config, &identity)?;
    Ok(Reporter {
        identity,
        worker_version,
    })
}

/// The attempt that a worker's token is for. The namespace may be left out; it must not be another one.
fn by_token(engine: &Engine, namespace: &str, token: &[u8]) -> Result<Target, Reject> {
    engine.namespaces.check_length(namespace)?;
    if token.is_empty() {
        return Err(Reject::InvalidArgument("Task token not set on request.".to_owned()));
    }
    let (of, target) = match TaskToken::decode(token) {
        Some(TaskToken::Activity {
            run,
            scheduled_event_id,
            attempt,
        }) => {
            let name = ActivityName::Attempt {
                scheduled_event_id,
                attempt,
            };
            let of = engine.runs.get(run).map(|run| &run.start.namespace);
            (of.map(String::as_str), Target::OfWorkflow(run, name))
        }
        Some(TaskToken::Standalone { activity, attempt }) => {
            let of = engine.standalones.get(activity).map(|activity| activity.namespace());
            (of, Target::Standalone(activity, Some(attempt)))
        }
        _ => return Err(Reject::InvalidArgument("Error deserializing task token.".to_owned())),
    };
    let is_known = engine.namespaces.get(namespace).is_some();
    match of {
        Some(of) if of != namespace && is_known => Err(Reject::InvalidArgument(
            "Operation requested with a token from a different namespace.".to_owned(),
        )),
        _ => Ok(target),
    }
}

/// The activity that a client names: of a workflow, or on its own if it names none.
fn by_id(
    engine: &Engine,
    namespace: &str,
    workflow_id: String,
    run_id: String,
    activity_id: String,
) -> Result<Target, Reject> {
    engine.namespaces.require(namespace)?;
    if activity_id.is_empty() {
        return Err(Reject::InvalidArgument("ActivityId is not set on request.".to_owned()));
    }
    if workflow_id.is_empty() {
        let activity = engine.standalones.find(namespace, &activity_id, &run_id)?;
        return Ok(Target::Standalone(activity.activity(), None));
    }
    check_run_id(&run_id)?;
    let execution = WorkflowExecution { workflow_id, run_id };
    let run = engine.runs.find(namespace, Some(&execution))?.run;
    Ok(Target::OfWorkflow(run, ActivityName::Id(activity_id)))
}
