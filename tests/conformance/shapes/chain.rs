//! What becomes of a workflow id: ids taken, requests sent twice, retries, deletion.

use temporalio_common::protos::temporal::api::command::v1::FailWorkflowExecutionCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::common::v1::RetryPolicy;
use temporalio_common::protos::temporal::api::enums::v1::{
    CommandType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::workflow::v1::OnConflictOptions;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, seconds};

on_both_arms![
    eager_start,
    start_sent_twice,
    terminate_existing,
    use_existing_attaches_request,
    reuse_rejected,
    workflow_retries,
    start_delay,
    signal_ends_start_delay,
    deleted_while_running,
    deleted_when_closed,
    bad_starts,
];

/// The first workflow task comes with the answer to the start.
fn eager_start(stage: &mut Stage<'_>) {
    let mut request = stage.starting("eager");
    request.request_eager_execution = true;
    let started: Option<wire::StartWorkflowExecutionResponse> = stage.call("StartWorkflowExecution", &request);
    let Some(task) = started.and_then(|it| it.eager_workflow_task) else {
        return;
    };
    stage.answer(&task, vec![complete("1")]);
    stage.history(&task.workflow_execution.unwrap_or_default());
}

fn start_sent_twice(stage: &mut Stage<'_>) {
    let execution = stage.start("twice");
    stage.start("twice");
    let mut other = stage.starting("twice");
    other.request_id = "another".to_owned();
    stage.start_as(&other);
    stage.history(&execution);
    stage.describe(&execution);
}

fn terminate_existing(stage: &mut Stage<'_>) {
    let first = stage.start("same");
    let mut request = stage.starting("same");
    request.request_id = "second".to_owned();
    request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::TerminateExisting as i32;
    let second = stage.start_as(&request);
    stage.history(&first);
    stage.history(&second);
}

fn use_existing_attaches_request(stage: &mut Stage<'_>) {
    let execution = stage.start("same");
    let mut request = stage.starting("same");
    request.request_id = "second".to_owned();
    request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
    request.on_conflict_options = Some(OnConflictOptions {
        attach_request_id: true,
        attach_completion_callbacks: false,
        attach_links: false,
    });
    stage.start_as(&request);
    stage.start_as(&request);
    stage.work(vec![]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn reuse_rejected(stage: &mut Stage<'_>) {
    stage.start("once");
    stage.work(vec![complete("1")]);
    for policy in [
        WorkflowIdReusePolicy::RejectDuplicate,
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
    ] {
        let mut request = stage.starting("once");
        request.request_id = format!("again-{}", policy as i32);
        request.workflow_id_reuse_policy = policy as i32;
        stage.start_as(&request);
    }
}

fn workflow_retries(stage: &mut Stage<'_>) {
    let mut request = stage.starting("flaky");
    request.retry_policy = Some(RetryPolicy {
        initial_interval: seconds(1),
        maximum_attempts: 2,
        ..Default::default()
    });
    let first = stage.start_as(&request);
    let failure = || {
        command(
            CommandType::FailWorkflowExecution,
            Does::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
                failure: Some(Failure {
                    message: "no luck".to_owned(),
                    ..Default::default()
                }),
            }),
        )
    };
    stage.work(vec![failure()]);
    stage.work(vec![failure()]);
    stage.history(&first);
    stage.history(&stage.latest(&first));
}

fn start_delay(stage: &mut Stage<'_>) {
    let mut request = stage.starting("later");
    request.workflow_start_delay = seconds(2);
    let execution = stage.start_as(&request);
    stage.describe(&execution);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn signal_ends_start_delay(stage: &mut Stage<'_>) {
    let mut request = stage.starting("later");
    request.workflow_start_delay = seconds(2);
    let execution = stage.start_as(&request);
    stage.signal(&execution, "early");
    stage.history(&execution);
    let with_start = wire::SignalWithStartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: execution.workflow_id.clone(),
        workflow_type: request.workflow_type.clone(),
        task_queue: stage.queue(),
        signal_name: "with start".to_owned(),
        identity: "client".to_owned(),
        request_id: "signal-with-start".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::SignalWithStartWorkflowExecutionResponse>("SignalWithStartWorkflowExecution", &with_start);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn delete(stage: &mut Stage<'_>, name: &str, closed: bool) {
    let execution = stage.start(name);
    if closed {
        stage.work(vec![complete("1")]);
    }
    let request = wire::DeleteWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
    };
    stage.call::<wire::DeleteWorkflowExecutionResponse>("DeleteWorkflowExecution", &request);
    // The real server deletes a closed run when it has noted that it is done with all that came of the end.
    stage.pass(if closed { 90 } else { 3 });
    stage.describe(&execution);
    stage.call::<wire::DeleteWorkflowExecutionResponse>("DeleteWorkflowExecution", &request);
    stage.start(name);
}

fn deleted_while_running(stage: &mut Stage<'_>) {
    delete(stage, "open", false);
}

fn deleted_when_closed(stage: &mut Stage<'_>) {
    delete(stage, "closed", true);
}

/// Each with one thing wrong.
fn bad_starts(stage: &mut Stage<'_>) {
    type Break = fn(&mut wire::StartWorkflowExecutionRequest);
    let breaks: [Break; 14] = [
        |it| it.workflow_id.clear(),
        |it| it.workflow_id = "x".repeat(1_001),
        |it| it.workflow_type = None,
        |it| it.task_queue = None,
        |it| it.namespace.clear(),
        |it| it.namespace = "nowhere".to_owned(),
        |it| it.request_id = "x".repeat(1_001),
        |it| it.workflow_run_timeout = seconds(-1),
        |it| it.cron_schedule = "not a cron".to_owned(),
        |it| {
            it.cron_schedule = "* * * * *".to_owned();
            it.workflow_start_delay = seconds(1);
        },
        |it| it.workflow_start_delay = seconds(-1),
        |it| {
            it.retry_policy = Some(RetryPolicy {
                backoff_coefficient: 0.5,
                ..Default::default()
            });
        },
        |it| {
            it.workflow_id_reuse_policy = 4;
            it.workflow_id_conflict_policy = 1;
        },
        |it| {
            it.workflow_id_reuse_policy = 3;
            it.workflow_id_conflict_policy = 3;
        },
    ];
    for broken in breaks {
        let mut request = stage.starting("bad");
        broken(&mut request);
        stage.start_as(&request);
    }
}
