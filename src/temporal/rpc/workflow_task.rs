//! Workflow tasks: polled, answered, failed.

use temporalio_protos::temporal::api::common::v1::{WorkerVersionCapabilities, WorkerVersionStamp};
use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use temporalio_protos::temporal::api::enums::v1::{TaskQueueKind, WorkflowTaskFailedCause};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use super::deployment::{check_identity, check_worker};
use super::task_queue::check_partition;
use crate::temporal::engine::{Call, Engine, HandKey, PollingWorker};
use crate::temporal::matching::{Kind, QueueKey};
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Completion, INLINE_REQUEST_ID, RunRef};
use crate::temporal::token::TaskToken;
use crate::temporal::versioning::build_ids::StartingWorker;
use crate::temporal::versioning::{Version, versioned};

/// The revision that such a task knows of: none, since it has asked no queue.
const INLINE_REVISION: i64 = -1;

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::PollWorkflowTaskQueueRequest,
) -> Result<Answer<wire::PollWorkflowTaskQueueResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_identity(&engine.config, &request.identity)?;
    let options = request.deployment_options.as_ref();
    #[expect(deprecated, reason = "workers still send it")]
    let capabilities = request.worker_version_capabilities.as_ref();
    let queue = request.task_queue.as_ref();
    let mut worker = polling_worker(engine, request.identity.clone(), capabilities, options, queue)?;
    let queue = queue_name::normalize(&engine.config, request.task_queue.as_mut())?;
    check_partition(queue)?;
    let name = std::mem::take(&mut queue.name);
    let name = match worker.is_sticky {
        true => engine.stable_id(name),
        false => name,
    };
    let key = QueueKey {
        namespace: request.namespace.into(),
        kind: Kind::Workflow,
        name: name.into(),
    };
    worker.instance_key = request.worker_instance_key;
    if engine.matching.is_shut_down(call.now, &worker.instance_key) {
        return Ok(Answer::Now(Default::default()));
    }
    engine.park_poll(call, key, worker)?;
    Ok(Answer::Later)
}

pub(super) fn completed(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::RespondWorkflowTaskCompletedRequest,
) -> Result<Answer<wire::RespondWorkflowTaskCompletedResponse>, Reject> {
    check_completion(engine, &request)?;
    let run = started_task(engine, &request.task_token)?;
    if request.intermediate_page {
        return page(engine, call, run, request);
    }
    let identity = request.identity.clone();
    let wants_next = request.return_new_workflow_task;
    #[expect(deprecated, reason = "workers still send it")]
    let worker_version = request.worker_version_stamp.clone();
    if let Some(sticky) = request.sticky_attributes.as_mut()
        && let Some(queue) = sticky.worker_task_queue.as_mut()
    {
        queue.name = engine.stable_id(std::mem::take(&mut queue.name));
    }
    let hand = engine.hands.remove(&HandKey::Workflow(run));
    let (speculative, seen_before) = last_completed(engine, run);
    let size_before = engine.runs.get(run).map_or(0, |run| run.log.committed_size_bytes());
    let completion = engine
        .with_run(call.now, run, |run, context| {
            run.complete_workflow_task(context, request)
        })
        .unwrap_or_else(|| Err(task_not_found()))?;
    let mut response = wire::RespondWorkflowTaskCompletedResponse::default();
    if speculative && last_completed(engine, run).1 == seen_before {
        // A speculative task that is as if it had never been: the worker must forget its events.
        response.reset_history_event_id = seen_before;
    }
    if completion == Completion::NextTask && wants_next {
        let started = engine.with_run(call.now, run, |run, context| {
            let scheduled_event_id = run.machines.workflow_task.scheduled_event_id();
            let request_id = Some(INLINE_REQUEST_ID.to_owned());
            run.learn_target(None, INLINE_REVISION);
            run.log.rejoin(size_before);
            let worker = StartingWorker {
                stamp: run.inline_stamp(worker_version),
                is_sticky: run.machines.workflow_task.sticky().is_some(),
                redirected_from: None,
            };
            run.start_workflow_task(context, scheduled_event_id, &identity, request_id, worker)
        });
        if started == Some(true) {
            // This worker has just had the run: it gets what it hasn't seen, whether it has a queue of its own or not.
            response.workflow_task = engine.workflow_task_response(run, true);
            if let Some(hand) = &hand {
                engine.put_in_hand(HandKey::Workflow(run), hand.clone(), "");
            }
        }
    }
    response.activity_tasks = engine.start_eager_activities(call.now, run, hand.as_ref(), &identity);
    Ok(Answer::Now(response))
}

/// A part of an answer that is too large for one message: the task stays in its worker's hands, unless it is refused.
fn page(
    engine: &mut Engine,
    call: &Call<'_>,
    run: RunRef,
    request: wire::RespondWorkflowTaskCompletedRequest,
) -> Result<Answer<wire::RespondWorkflowTaskCompletedResponse>, Reject> {
    let taken = engine
        .with_run(call.now, run, |run, context| run.take_page(context, request))
        .unwrap_or_else(|| Err(task_not_found()));
    if taken.is_err() {
        engine.hands.remove(&HandKey::Workflow(run));
    }
    taken.map(|()| Answer::Now(Default::default()))
}

pub(super) fn failed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondWorkflowTaskFailedRequest,
) -> Result<Answer<wire::RespondWorkflowTaskFailedResponse>, Reject> {
    engine.namespaces.check_length(&request.namespace)?;
    check_identity(&engine.config, &request.identity)?;
    // Unlike who completes a task, who fails one hears that the run has ended.
    if let Some(TaskToken::Workflow { run, .. }) = TaskToken::decode(&request.task_token)
        && engine.runs.get(run).is_some_and(|run| !run.is_running())
    {
        return Err(Reject::workflow_completed());
    }
    let run = started_task(engine, &request.task_token)?;
    engine.hands.remove(&HandKey::Workflow(run));
    let cause = WorkflowTaskFailedCause::try_from(request.cause).unwrap_or(WorkflowTaskFailedCause::Unspecified);
    #[expect(deprecated, reason = "workers still send it")]
    let stamp = request.worker_version;
    engine.with_run(call.now, run, |run, context| {
        run.fail_workflow_task(context, cause, request.failure, &request.identity, stamp);
    });
    Ok(Answer::Now(wire::RespondWorkflowTaskFailedResponse {}))
}

pub(super) fn reset_sticky(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ResetStickyTaskQueueRequest,
) -> Result<Answer<wire::ResetStickyTaskQueueResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let found = engine.runs.find(&request.namespace, request.execution.as_ref())?;
    if !found.is_running() {
        return Err(Reject::workflow_completed());
    }
    let run = found.run;
    engine.with_run(call.now, run, |run, _| run.reset_sticky());
    Ok(Answer::Now(wire::ResetStickyTaskQueueResponse {}))
}

fn check_completion(engine: &Engine, request: &wire::RespondWorkflowTaskCompletedRequest) -> Result<(), Reject> {
    engine.namespaces.check_length(&request.namespace)?;
    check_identity(&engine.config, &request.identity)?;
    #[expect(deprecated, reason = "workers still send it")]
    let stamp = request.worker_version_stamp.as_ref();
    let (uses_versioning, build_id) = stamp.map_or((false, ""), |it| (it.use_versioning, it.build_id.as_str()));
    let sticky = request.sticky_attributes.as_ref();
    let queue = sticky.and_then(|sticky| sticky.worker_task_queue.as_ref());
    let options = request.deployment_options.as_ref();
    check_worker(&engine.config, uses_versioning, build_id, options, queue)
}

/// What a poll says of its worker, if that is allowed.
pub(super) fn polling_worker(
    engine: &Engine,
    identity: String,
    capabilities: Option<&WorkerVersionCapabilities>,
    options: Option<&WorkerDeploymentOptions>,
    queue: Option<&TaskQueue>,
) -> Result<PollingWorker, Reject> {
    let (uses_versioning, build_id, series) = capabilities.map_or((false, "", ""), |it| {
        (
            it.use_versioning,
            it.build_id.as_str(),
            it.deployment_series_name.as_str(),
        )
    });
    check_worker(&engine.config, uses_versioning, build_id, options, queue)?;
    let by_options = options.and_then(versioned);
    // A worker of an older kind names its deployment in the old field, or has none.
    let names_deployment = by_options.is_some() || (uses_versioning && !series.is_empty());
    let by_capabilities = (uses_versioning && !series.is_empty()).then(|| Version::new(series, build_id));
    Ok(PollingWorker {
        identity,
        instance_key: String::new(),
        options: options.cloned(),
        capabilities: capabilities.cloned(),
        max_tasks_per_second: None,
        stamp: (!names_deployment && !build_id.is_empty()).then(|| WorkerVersionStamp {
            build_id: build_id.to_owned(),
            use_versioning: uses_versioning,
        }),
        version: by_options.or(by_capabilities),
        build_id: (uses_versioning && !names_deployment).then(|| build_id.to_owned()),
        normal_queue: queue.map(|queue| queue.normal_name.clone()).unwrap_or_default(),
        is_sticky: queue.is_some_and(|queue| queue.kind == TaskQueueKind::Sticky as i32),
    })
}

/// Whether the task is speculative, and the id of the started event of the last one that the history has as completed.
fn last_completed(engine: &Engine, run: RunRef) -> (bool, i64) {
    let task = engine.runs.get(run).map(|run| &run.machines.workflow_task);
    task.map_or((false, 0), |task| {
        (task.is_speculative(), task.last_completed_started_event_id())
    })
}

fn started_task(engine: &Engine, token: &[u8]) -> Result<RunRef, Reject> {
    let Some(TaskToken::Workflow {
        run,
        scheduled_event_id,
        started_event_id,
        attempt,
    }) = TaskToken::decode(token)
    else {
        return Err(Reject::InvalidArgument("error deserializing task token".to_owned()));
    };
    let current = engine
        .runs
        .get(run)
        .is_some_and(|run| run.has_started_task(scheduled_event_id, started_event_id, attempt));
    match current {
        true => Ok(run),
        false => Err(task_not_found()),
    }
}

fn task_not_found() -> Reject {
    Reject::NotFound("Workflow task not found.".to_owned())
}
