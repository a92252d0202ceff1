//! Starting workflows, alone or with a signal.

use temporalio_protos::temporal::api::common::v1::{Payloads, RetryPolicy};
use temporalio_protos::temporal::api::enums::v1::{
    ContinueAsNewInitiator, EventType, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, callback, check_blob};
use crate::clock::Timestamp;
use crate::temporal::config::DynamicConfig;
use crate::temporal::cron;
use crate::temporal::engine::{Call, Engine, Started, terminates_if_running};
use crate::temporal::proto::{duration, proto_duration};
use crate::temporal::reject::Reject;
use crate::temporal::retry;
use crate::temporal::run::{Continued, Run, RunRef, Signal, StartRun, effective_run_timeout, effective_task_timeout};
use crate::temporal::versioning::{Override, StartVersioning};
use crate::temporal::{link, priority, queue_name};

pub(super) fn start(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::StartWorkflowExecutionRequest,
) -> Result<Answer<wire::StartWorkflowExecutionResponse>, Reject> {
    let wants_task = request.request_eager_execution;
    let (identity, request_id) = (request.identity.clone(), request.request_id.clone());
    let mut start = parse(engine, call.now, request)?;
    start.eager = wants_task && start.first_task_backoff.is_zero() && start.cron_schedule.is_empty();
    let (namespace, over) = (start.namespace.clone(), start.versioning.over.clone());
    let started = engine.start_run(call.now, start)?;
    if matches!(started, Started::New(_)) {
        engine.reactivate_version(call.now, &namespace, over.as_ref());
    }
    let eager_workflow_task = match wants_task && started.is_by_this_request() {
        true => engine.eager_task(call, started.run(), &identity),
        false => None,
    };
    let Some(run) = engine.runs.get(started.run()) else {
        return Err(Reject::NotFound("workflow execution not found".to_owned()));
    };
    let link = match started {
        Started::Attached(_) => {
            let updated = EventType::WorkflowExecutionOptionsUpdated;
            link::to_request(&run.start.namespace, &run.execution(), &request_id, updated)
        }
        Started::New(_) | Started::Retried(_) | Started::Existing(_) => {
            link::to_start(&run.start.namespace, &run.execution())
        }
    };
    Ok(Answer::Now(wire::StartWorkflowExecutionResponse {
        run_id: run.start.run_id.clone(),
        first_execution_run_id: run.first_run_id().to_owned(),
        started: started.is_by_this_request(),
        status: run.status as i32,
        eager_workflow_task,
        link: Some(link),
    }))
}

pub(super) fn signal_with_start(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::SignalWithStartWorkflowExecutionRequest,
) -> Result<Answer<wire::SignalWithStartWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_signal_fields(&engine.config, &mut request, call.now)?;
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
    check_blob(engine, signal.input.as_ref())?;
    let signal_request_id = signal.request_id.clone();
    let fails = request.workflow_id_conflict_policy == Conflict::Fail as i32;
    let mut start = parse(engine, call.now, as_start(request))?;
    if fails {
        return refuse(
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
        );
    }
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
        return Ok(Answer::Now(signal_with_start_answer(
            engine,
            started.run(),
            is_new,
            &signal_request_id,
        )));
    };
    let outcome = engine.with_run(call.now, run, |run, context| {
        run.signal(context, signal)?;
        // It doesn't wait for the start delay, unlike an ordinary signal.
        run.skip_first_task_backoff(context);
        Ok(())
    });
    outcome.unwrap_or(Err(Reject::workflow_completed()))?;
    Ok(Answer::Now(signal_with_start_answer(
        engine,
        run,
        false,
        &signal_request_id,
    )))
}

fn signal_with_start_answer(
    engine: &Engine,
    run: RunRef,
    started: bool,
    request_id: &str,
) -> wire::SignalWithStartWorkflowExecutionResponse {
    let run = engine.runs.get(run);
    let signaled = EventType::WorkflowExecutionSignaled;
    let link = |run: &Run| link::to_request(&run.start.namespace, &run.execution(), request_id, signaled);
    wire::SignalWithStartWorkflowExecutionResponse {
        signal_link: run.map(link),
        run_id: run.map(|run| run.start.run_id.clone()).unwrap_or_default(),
        first_execution_run_id: run.map(|run: &Run| run.first_run_id().to_owned()).unwrap_or_default(),
        started,
    }
}

/// Checks a request and fills in what it leaves open.
pub(crate) fn parse(
    engine: &mut Engine,
    now: Timestamp,
    mut request: wire::StartWorkflowExecutionRequest,
) -> Result<StartRun, Reject> {
    if request.namespace.is_empty() {
        return refuse("Namespace is empty.");
    }
    let namespace = engine.namespaces.require_registered(&request.namespace)?;
    check_fields(&engine.config, &mut request, now)?;
    check_policies(&request)?;
    let mut search_attributes = request.search_attributes;
    namespace.check_search_attributes(&engine.config, search_attributes.as_mut())?;
    link::validate(&request.links)?;
    check_blob(engine, request.input.as_ref())?;
    if request.memo.as_ref().map_or(0, prost::Message::encoded_len) > engine.config.memo_limit() {
        return refuse("Memo size exceeds limit.");
    }
    if request.request_id.is_empty() {
        request.request_id = engine.entropy.uuid();
    }
    if request.request_eager_execution {
        // The history has it, as the request id of the first workflow task.
        request.request_id = engine.stable_id(request.request_id);
    }
    priority::check(request.priority.as_ref())?;
    let over = Override::parse(request.versioning_override.as_ref())?;
    let queue = request.task_queue.as_ref().map(|queue| queue.name.as_str());
    engine.check_override(&request.namespace, queue.unwrap_or_default(), over.as_ref())?;
    let completion_callbacks = callback::check(request.completion_callbacks, &engine.config)?;
    let time_skipping = super::time_skipping::check(request.time_skipping_config)?;
    let namespace = engine.namespaces.require(&request.namespace)?;
    let execution_timeout = duration(request.workflow_execution_timeout.as_ref());
    let run_timeout = effective_run_timeout(duration(request.workflow_run_timeout.as_ref()), execution_timeout);
    let task_timeout = effective_task_timeout(duration(request.workflow_task_timeout.as_ref()), run_timeout);
    Ok(StartRun {
        namespace: namespace.name.clone(),
        namespace_id: namespace.id.clone(),
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type.unwrap_or_default().name,
        task_queue: request.task_queue.unwrap_or_default().name,
        input: request.input,
        header: request.header,
        execution_timeout: request.workflow_execution_timeout,
        run_timeout: match run_timeout.is_zero() {
            true => request.workflow_run_timeout,
            false => Some(proto_duration(run_timeout)),
        },
        task_timeout: Some(proto_duration(task_timeout)),
        retry_policy: request.retry_policy.map(|policy| retry::with_defaults(Some(&policy))),
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes,
        identity: request.identity,
        request_id: request.request_id,
        id_reuse_policy: request.workflow_id_reuse_policy,
        id_conflict_policy: request.workflow_id_conflict_policy,
        attempt: 1,
        continued: handed_over(request.continued_failure, request.last_completion_result),
        first_task_backoff: duration(request.workflow_start_delay.as_ref()).unwrap_or_default(),
        priority: request.priority,
        time_skipping,
        user_metadata: request.user_metadata,
        links: callback::without_those_of(&completion_callbacks, request.links),
        completion_callbacks,
        versioning: StartVersioning {
            over,
            ..Default::default()
        },
        on_conflict: request.on_conflict_options,
        ..Default::default()
    })
}

/// What a starter hands over from an earlier run: a schedule does, since its runs are no chain.
fn handed_over(failure: Option<Failure>, last_completion_result: Option<Payloads>) -> Option<Box<Continued>> {
    let nothing = failure.is_none() && last_completion_result.is_none();
    let continued = Continued {
        run_id: String::new(),
        initiator: ContinueAsNewInitiator::Unspecified,
        failure,
        last_completion_result,
    };
    (!nothing).then(|| Box::new(continued))
}

/// In Temporal's own order (`prepareStartWorkflowRequest`).
fn check_fields(
    config: &DynamicConfig,
    request: &mut wire::StartWorkflowExecutionRequest,
    now: Timestamp,
) -> Result<(), Reject> {
    check_workflow_id(config, &request.workflow_id)?;
    check_retry_policy(request.retry_policy.as_ref())?;
    check_start_delay(&request.cron_schedule, request.workflow_start_delay.as_ref())?;
    cron::validate(&request.cron_schedule, now)?;
    match request.workflow_type.as_ref().map_or("", |it| &it.name) {
        "" => return refuse("WorkflowType is not set on request."),
        name if config.is_too_long(name) => return refuse("WorkflowType length exceeds limit."),
        _ => {}
    }
    queue_name::normalize_user_defined(config, request.task_queue.as_mut(), "")?;
    check_timeouts(request)?;
    match config.is_too_long(&request.request_id) {
        true => refuse("RequestId length exceeds limit."),
        false => Ok(()),
    }
}

/// As [`check_fields`], in the order and the words of `ValidateSignalWithStartRequest`.
fn check_signal_fields(
    config: &DynamicConfig,
    request: &mut wire::SignalWithStartWorkflowExecutionRequest,
    now: Timestamp,
) -> Result<(), Reject> {
    cron::validate(&request.cron_schedule, now)?;
    check_workflow_id(config, &request.workflow_id)?;
    if request.signal_name.is_empty() {
        return refuse("signal not set");
    }
    check_maximum(config, "signal name", &request.signal_name)?;
    let type_name = request.workflow_type.as_ref().map_or("", |it| &it.name);
    if type_name.is_empty() {
        return refuse("workflow type not set");
    }
    check_maximum(config, "workflow type name", type_name)?;
    queue_name::normalize_user_defined(config, request.task_queue.as_mut(), "")?;
    check_maximum(config, "Request ID", &request.request_id)
}

fn check_workflow_id(config: &DynamicConfig, workflow_id: &str) -> Result<(), Reject> {
    if workflow_id.is_empty() {
        return refuse("WorkflowId is not set on request.");
    }
    check_maximum(config, "WorkflowId", workflow_id)
}

fn check_maximum(config: &DynamicConfig, field: &str, value: &str) -> Result<(), Reject> {
    match config.is_too_long(value) {
        true => refuse(&format!(
            "{field} exceeds maximum allowed length ({}/{})",
            value.len(),
            config.id_bytes
        )),
        false => Ok(()),
    }
}

fn check_retry_policy(policy: Option<&RetryPolicy>) -> Result<(), Reject> {
    policy.map_or(Ok(()), |policy| retry::validate(&retry::with_defaults(Some(policy))))
}

fn check_start_delay(cron_schedule: &str, delay: Option<&prost_types::Duration>) -> Result<(), Reject> {
    if !cron_schedule.is_empty() && delay.is_some() {
        return refuse("CronSchedule and WorkflowStartDelay may not be used together.");
    }
    check_duration("WorkflowStartDelaySeconds", delay)
}

fn check_timeouts(request: &wire::StartWorkflowExecutionRequest) -> Result<(), Reject> {
    check_duration(
        "WorkflowExecutionTimeoutSeconds",
        request.workflow_execution_timeout.as_ref(),
    )?;
    check_duration("WorkflowRunTimeoutSeconds", request.workflow_run_timeout.as_ref())?;
    check_duration("WorkflowTaskTimeoutSeconds", request.workflow_task_timeout.as_ref())
}

fn check_duration(field: &str, value: Option<&prost_types::Duration>) -> Result<(), Reject> {
    let Some(value) = value else {
        return Ok(());
    };
    let (seconds, nanos) = (value.seconds, value.nanos);
    let why = if (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
        "duration has seconds and nanos with different signs"
    } else if seconds < 0 || nanos < 0 {
        "negative duration"
    } else {
        return Ok(());
    };
    refuse(&format!("An invalid {field} is set on request. cause: {why}"))
}

fn refuse<T>(text: &str) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(text.to_owned()))
}

fn check_policies(request: &wire::StartWorkflowExecutionRequest) -> Result<(), Reject> {
    let options = request.on_conflict_options.unwrap_or_default();
    if options.attach_completion_callbacks && !options.attach_request_id {
        return Err(Reject::InvalidArgument(
            "attaching request ID is required for attaching completion callbacks".to_owned(),
        ));
    }
    if terminates_if_running(request.workflow_id_reuse_policy)
        && request.workflow_id_conflict_policy != Conflict::Unspecified as i32
    {
        return Err(Reject::InvalidArgument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together \
             with a WorkflowIDConflictPolicy"
                .to_owned(),
        ));
    }
    if request.workflow_id_reuse_policy == Reuse::RejectDuplicate as i32
        && request.workflow_id_conflict_policy == Conflict::TerminateExisting as i32
    {
        return Err(Reject::InvalidArgument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with \
             WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"
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
        time_skipping_config: request.time_skipping_config,
        ..Default::default()
    }
}
