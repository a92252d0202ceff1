//! Starting workflows, alone or with a signal.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::Payloads;
use temporalio_protos::temporal::api::enums::v1::{
    ContinueAsNewInitiator, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, callback, check_length};
use crate::temporal::engine::{Call, Engine, Started, terminates_if_running};
use crate::temporal::priority;
use crate::temporal::proto::{duration, is_negative, proto_duration};
use crate::temporal::reject::Reject;
use crate::temporal::retry;
use crate::temporal::run::{Continued, DEFAULT_TASK_TIMEOUT, MAX_TASK_TIMEOUT, Run, RunRef, Signal, StartRun};
use crate::temporal::versioning::{Override, StartVersioning};

pub(super) fn start(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::StartWorkflowExecutionRequest,
) -> Result<Answer<wire::StartWorkflowExecutionResponse>, Reject> {
    let start = parse(engine, request)?;
    let (namespace, over) = (start.namespace.clone(), start.versioning.over.clone());
    let started = engine.start_run(call.now, start)?;
    if matches!(started, Started::New(_)) {
        engine.reactivate_version(call.now, &namespace, over.as_ref());
    }
    let Some(run) = engine.runs.get(started.run()) else {
        return Err(Reject::NotFound("workflow execution not found".to_owned()));
    };
    Ok(Answer::Now(wire::StartWorkflowExecutionResponse {
        run_id: run.start.run_id.clone(),
        first_execution_run_id: run.first_run_id().to_owned(),
        started: started.is_by_this_request(),
        status: run.status as i32,
        ..Default::default()
    }))
}

pub(super) fn signal_with_start(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SignalWithStartWorkflowExecutionRequest,
) -> Result<Answer<wire::SignalWithStartWorkflowExecutionResponse>, Reject> {
    if request.signal_name.is_empty() {
        return Err(Reject::InvalidArgument("SignalName is not set on request.".to_owned()));
    }
    check_length("SignalName", &request.signal_name)?;
    let signal = Signal {
        name: request.signal_name.clone(),
        input: request.signal_input.clone(),
        header: request.header.clone(),
        identity: request.identity.clone(),
        request_id: engine.stable_id(request.request_id.clone()),
        links: request.links.clone(),
        ..Default::default()
    };
    // Every other policy signals an open run, the one by default included.
    let start_decides = [Conflict::TerminateExisting as i32, Conflict::Fail as i32]
        .contains(&request.workflow_id_conflict_policy)
        || terminates_if_running(request.workflow_id_reuse_policy);
    let mut start = parse(engine, as_start(request))?;
    let running = engine
        .runs
        .current(&start.namespace, &start.workflow_id)
        .filter(|run| run.is_running() && !start_decides)
        .map(|run| run.run);
    let Some(run) = running else {
        start.first_signal = Some(Box::new(signal));
        let (namespace, over) = (start.namespace.clone(), start.versioning.over.clone());
        let started = engine.start_run(call.now, start)?;
        engine.reactivate_version(call.now, &namespace, over.as_ref());
        let is_new = matches!(started, Started::New(_));
        return Ok(Answer::Now(signal_with_start_answer(engine, started.run(), is_new)));
    };
    let outcome = engine.with_run(call.now, run, |run, context| {
        run.signal(context, signal)?;
        // It doesn't wait for the start delay, unlike an ordinary signal.
        run.skip_first_task_backoff(context);
        Ok(())
    });
    outcome.unwrap_or(Err(Reject::workflow_completed()))?;
    Ok(Answer::Now(signal_with_start_answer(engine, run, false)))
}

fn signal_with_start_answer(
    engine: &Engine,
    run: RunRef,
    started: bool,
) -> wire::SignalWithStartWorkflowExecutionResponse {
    let run = engine.runs.get(run);
    wire::SignalWithStartWorkflowExecutionResponse {
        run_id: run.map(|run| run.start.run_id.clone()).unwrap_or_default(),
        first_execution_run_id: run.map(|run: &Run| run.first_run_id().to_owned()).unwrap_or_default(),
        started,
        ..Default::default()
    }
}

/// Checks a request and fills in what it leaves open.
pub(crate) fn parse(engine: &Engine, request: wire::StartWorkflowExecutionRequest) -> Result<StartRun, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    check_fields(&request)?;
    check_policies(&request)?;
    priority::check(request.priority.as_ref())?;
    let over = Override::parse(request.versioning_override.as_ref())?;
    let queue = request.task_queue.as_ref().map(|queue| queue.name.as_str());
    engine.check_override(&request.namespace, queue.unwrap_or_default(), over.as_ref())?;
    let completion_callbacks = callback::check(request.completion_callbacks)?;
    let execution_timeout = duration(request.workflow_execution_timeout.as_ref());
    let run_timeout = duration(request.workflow_run_timeout.as_ref());
    let run_timeout = match (run_timeout, execution_timeout) {
        (Some(run), Some(execution)) => Some(run.min(execution)),
        (run, _) => run,
    };
    let task_timeout = duration(request.workflow_task_timeout.as_ref())
        .unwrap_or(DEFAULT_TASK_TIMEOUT)
        .min(MAX_TASK_TIMEOUT)
        .min(run_timeout.unwrap_or(Duration::MAX));
    Ok(StartRun {
        namespace: namespace.name.clone(),
        namespace_id: namespace.id.clone(),
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type.unwrap_or_default().name,
        task_queue: request.task_queue.unwrap_or_default().name,
        input: request.input,
        header: request.header,
        execution_timeout: request.workflow_execution_timeout,
        run_timeout: run_timeout.map(proto_duration).or(request.workflow_run_timeout),
        task_timeout: Some(proto_duration(task_timeout)),
        retry_policy: request.retry_policy.map(|policy| retry::with_defaults(Some(&policy))),
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        identity: request.identity,
        request_id: request.request_id,
        id_reuse_policy: request.workflow_id_reuse_policy,
        id_conflict_policy: request.workflow_id_conflict_policy,
        attempt: 1,
        continued: handed_over(request.continued_failure, request.last_completion_result),
        first_task_backoff: duration(request.workflow_start_delay.as_ref()).unwrap_or_default(),
        priority: Some(request.priority.unwrap_or_default()),
        user_metadata: request.user_metadata,
        links: callback::without_those_of(&completion_callbacks, request.links),
        completion_callbacks,
        versioning: StartVersioning {
            over,
            ..Default::default()
        },
        ..Default::default()
    })
}

/// What a starter hands over from an earlier run: a schedule does, since its runs are no chain.
fn handed_over(failure: Option<Failure>, last_completion_result: Option<Payloads>) -> Option<Continued> {
    let nothing = failure.is_none() && last_completion_result.is_none();
    (!nothing).then_some(Continued {
        run_id: String::new(),
        initiator: ContinueAsNewInitiator::Unspecified,
        failure,
        last_completion_result,
    })
}

fn check_fields(request: &wire::StartWorkflowExecutionRequest) -> Result<(), Reject> {
    let missing = |field: &str| Err(Reject::InvalidArgument(format!("{field} is not set on request.")));
    let type_name = request
        .workflow_type
        .as_ref()
        .map(|it| it.name.as_str())
        .unwrap_or_default();
    let queue = request
        .task_queue
        .as_ref()
        .map(|it| it.name.as_str())
        .unwrap_or_default();
    if request.workflow_id.is_empty() {
        return missing("WorkflowId");
    }
    if type_name.is_empty() {
        return missing("WorkflowType");
    }
    if queue.is_empty() {
        return missing("TaskQueue");
    }
    check_length("WorkflowId", &request.workflow_id)?;
    check_length("WorkflowType", type_name)?;
    check_length("TaskQueue", queue)?;
    check_length("RequestId", &request.request_id)?;
    for (field, value) in [
        ("WorkflowExecutionTimeout", &request.workflow_execution_timeout),
        ("WorkflowRunTimeout", &request.workflow_run_timeout),
        ("WorkflowTaskTimeout", &request.workflow_task_timeout),
        ("WorkflowStartDelay", &request.workflow_start_delay),
    ] {
        if is_negative(value.as_ref()) {
            return Err(Reject::InvalidArgument(format!(
                "An invalid {field} is set on request. It can't be negative."
            )));
        }
    }
    match &request.retry_policy {
        Some(policy) => retry::validate(policy),
        None => Ok(()),
    }
}

fn check_policies(request: &wire::StartWorkflowExecutionRequest) -> Result<(), Reject> {
    if !request.cron_schedule.is_empty() {
        return Err(Reject::Unimplemented(
            "awaithumans-testkit doesn't serve cron_schedule yet: cron comes with the complete API".to_owned(),
        ));
    }
    if terminates_if_running(request.workflow_id_reuse_policy)
        && request.workflow_id_conflict_policy != Conflict::Unspecified as i32
    {
        return Err(Reject::InvalidArgument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together \
             with a WorkflowIDConflictPolicy."
                .to_owned(),
        ));
    }
    if request.workflow_id_reuse_policy == Reuse::RejectDuplicate as i32
        && request.workflow_id_conflict_policy == Conflict::TerminateExisting as i32
    {
        return Err(Reject::InvalidArgument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with \
             WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING."
                .to_owned(),
        ));
    }
    Ok(())
}

fn as_start(request: wire::SignalWithStartWorkflowExecutionRequest) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        links: request.links,
        priority: request.priority,
        versioning_override: request.versioning_override,
        ..Default::default()
    }
}
