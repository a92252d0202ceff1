//! What random workflow programs found ours to do differently (tests/conformance/history-diff), each as a small body of its own.

use std::collections::HashMap;

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, RequestCancelExternalWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::{CommandType, ParentClosePolicy};
use temporalio_common::protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_common::protos::temporal::api::workflow::v1::{VersioningOverride, WorkflowExecutionOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, payload, seconds};

on_both_arms![
    requests_to_nobody_fail,
    run_timeout_is_bounded_by_the_chain,
    child_gets_timeouts_of_its_own,
    fields_without_a_value_are_left_out,
    continued_as_new_without_a_wait,
    cancel_ends_start_delay,
    closed_run_shows_what_it_left_open,
    a_child_at_work_answers_before_its_parent_ends_it,
    signal_with_start_moves_the_request_id,
    reset_keeps_builds_and_options,
    chain_times_out_with_its_run,
    builds_are_listed,
];

fn requests_to_nobody_fail(stage: &mut Stage<'_>) {
    let execution = stage.start("lonely");
    let nobody = stage.named("nobody");
    stage.work(vec![command(
        CommandType::RequestCancelExternalWorkflowExecution,
        Does::RequestCancelExternalWorkflowExecutionCommandAttributes(
            RequestCancelExternalWorkflowExecutionCommandAttributes {
                workflow_id: nobody.clone(),
                ..Default::default()
            },
        ),
    )]);
    stage.work(vec![command(
        CommandType::SignalExternalWorkflowExecution,
        Does::SignalExternalWorkflowExecutionCommandAttributes(SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(common::WorkflowExecution {
                workflow_id: nobody,
                run_id: String::new(),
            }),
            signal_name: "news".to_owned(),
            ..Default::default()
        }),
    )]);
    let own_id = stage.named("lonely");
    stage.work(vec![child(&own_id)]);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn run_timeout_is_bounded_by_the_chain(stage: &mut Stage<'_>) {
    let mut request = stage.starting("unbounded");
    request.workflow_execution_timeout = seconds(600);
    let unbounded = stage.start_as(&request);
    let mut request = stage.starting("bounded");
    request.workflow_execution_timeout = seconds(5);
    request.workflow_run_timeout = seconds(600);
    let bounded = stage.start_as(&request);
    for execution in [unbounded, bounded] {
        stage.history(&execution);
        stage.describe(&execution);
    }
}

/// A child takes neither its parent's limits nor an empty memo.
fn child_gets_timeouts_of_its_own(stage: &mut Stage<'_>) {
    let plain = stage.named("plain");
    let bounded = stage.named("bounded");
    let mut limited = child(&bounded);
    if let Some(Does::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut limited.attributes {
        attributes.workflow_execution_timeout = seconds(5);
        attributes.memo = Some(common::Memo::default());
    }
    for (name, workflow_id, child) in [("one", plain.clone(), child(&plain)), ("other", bounded, limited)] {
        let mut request = stage.starting(name);
        request.task_queue.get_or_insert_default().name += name;
        request.workflow_run_timeout = seconds(900);
        request.workflow_task_timeout = seconds(30);
        let parent = stage.start_as(&request);
        let mut polling = stage.polling();
        polling.task_queue = request.task_queue;
        let task: Option<wire::PollWorkflowTaskQueueResponse> = stage.call("PollWorkflowTaskQueue", &polling);
        stage.answer(&task.unwrap_or_default(), vec![child]);
        // On the real server the child starts a little later.
        stage.pass(1);
        stage.history(&parent);
        stage.history(&common::WorkflowExecution {
            workflow_id,
            run_id: String::new(),
        });
    }
}

fn fields_without_a_value_are_left_out(stage: &mut Stage<'_>) {
    let mut request = stage.starting("empty");
    request.memo = Some(common::Memo {
        fields: HashMap::from([("nothing".to_owned(), payload("null"))]),
    });
    let empty = stage.start_as(&request);
    let mut request = stage.starting("half");
    request.memo = Some(common::Memo {
        fields: HashMap::from([
            ("nothing".to_owned(), payload("[]")),
            ("something".to_owned(), payload("1")),
        ]),
    });
    let half = stage.start_as(&request);
    for execution in [empty, half] {
        stage.history(&execution);
        stage.describe(&execution);
    }
}

/// The event says what the command said; the minimum between two runs is the next run's affair, and so are its metadata.
fn continued_as_new_without_a_wait(stage: &mut Stage<'_>) {
    let mut request = stage.starting("again");
    request.workflow_execution_timeout = seconds(600);
    request.workflow_task_timeout = seconds(30);
    request.user_metadata = Some(UserMetadata {
        summary: Some(payload("\"what it is\"")),
        details: None,
    });
    let first = stage.start_as(&request);
    stage.work(vec![command(
        CommandType::ContinueAsNewWorkflowExecution,
        Does::ContinueAsNewWorkflowExecutionCommandAttributes(
            ContinueAsNewWorkflowExecutionCommandAttributes::default(),
        ),
    )]);
    stage.history(&first);
    let second = stage.latest(&first);
    // How long the second run waits depends on how long the first one took: what is written down leaves it out.
    let task = stage.look_for_task();
    stage.settle(&task, vec![complete("1")]);
    stage.describe(&second);
}

fn cancel_ends_start_delay(stage: &mut Stage<'_>) {
    let mut request = stage.starting("delayed");
    request.workflow_start_delay = seconds(3600);
    let execution = stage.start_as(&request);
    let cancel = wire::RequestCancelWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        identity: "client".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::RequestCancelWorkflowExecutionResponse>("RequestCancelWorkflowExecution", &cancel);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn closed_run_shows_what_it_left_open(stage: &mut Stage<'_>) {
    let parent = stage.start("leaver");
    let left = stage.named("left");
    let mut abandoned = child(&left);
    if let Some(Does::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut abandoned.attributes {
        attributes.parent_close_policy = ParentClosePolicy::Abandon as i32;
    }
    stage.work(vec![abandoned]);
    let activity = command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: "left".to_owned(),
            activity_type: Some(common::ActivityType {
                name: "shape".to_owned(),
            }),
            task_queue: stage.queue(),
            start_to_close_timeout: seconds(60),
            ..Default::default()
        }),
    );
    // The child's own first task, then the parent's news of it, in either order.
    for _ in 0..2 {
        let task = stage.look_for_task();
        let is_parent = task.workflow_execution.as_ref().map(|it| &it.workflow_id) == Some(&parent.workflow_id);
        let commands = if is_parent { vec![activity.clone()] } else { vec![] };
        stage.settle(&task, commands);
    }
    stage.signal(&parent, "news");
    let terminate = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(parent.clone()),
        identity: "client".to_owned(),
        reason: "enough".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::TerminateWorkflowExecutionResponse>("TerminateWorkflowExecution", &terminate);
    stage.describe(&parent);
}

/// Both answers are under way at once. The parent closes first; its end comes to the child only after what the child's
/// worker has answered.
fn a_child_at_work_answers_before_its_parent_ends_it(stage: &mut Stage<'_>) {
    let policies = [
        ("terminated", ParentClosePolicy::Terminate, vec![]),
        ("completed", ParentClosePolicy::RequestCancel, vec![complete("2")]),
    ];
    for (name, policy, commands) in policies {
        let parent = stage.start(&format!("parent-{name}"));
        let workflow_id = stage.named(name);
        let mut attached = child(&workflow_id);
        if let Some(Does::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut attached.attributes {
            attributes.parent_close_policy = policy as i32;
        }
        stage.work(vec![attached]);
        // The child's own first task and the parent's news of it, in either order.
        let tasks = [stage.look_for_task(), stage.look_for_task()];
        let is_parents = |task: &&wire::PollWorkflowTaskQueueResponse| {
            task.workflow_execution.as_ref().map(|it| &it.workflow_id) == Some(&parent.workflow_id)
        };
        let (parents, childs): (Vec<_>, Vec<_>) = tasks.iter().partition(is_parents);
        let answers = [(parents[0], vec![complete("1")]), (childs[0], commands)];
        let sent = answers.map(|(task, commands)| {
            let answer = stage.answering(task, commands);
            stage.begin("RespondWorkflowTaskCompleted", &answer)
        });
        for pending in sent {
            stage.finish::<wire::RespondWorkflowTaskCompletedResponse>(pending);
        }
        stage.pass(1);
        stage.history(&common::WorkflowExecution {
            workflow_id,
            run_id: String::new(),
        });
    }
}

fn signal_with_start_moves_the_request_id(stage: &mut Stage<'_>) {
    let request = wire::SignalWithStartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: stage.named("signalled"),
        workflow_type: Some(common::WorkflowType {
            name: "shape".to_owned(),
        }),
        task_queue: stage.queue(),
        identity: "client".to_owned(),
        request_id: "both".to_owned(),
        signal_name: "news".to_owned(),
        ..Default::default()
    };
    let started: Option<wire::SignalWithStartWorkflowExecutionResponse> =
        stage.call("SignalWithStartWorkflowExecution", &request);
    let execution = common::WorkflowExecution {
        workflow_id: request.workflow_id,
        run_id: started.map(|it| it.run_id).unwrap_or_default(),
    };
    stage.history(&execution);
    stage.describe(&execution);
}

fn reset_keeps_builds_and_options(stage: &mut Stage<'_>) {
    let execution = stage.start("reset");
    work_of_build(stage, vec![]);
    stage.signal(&execution, "first");
    work_of_build(stage, vec![]);
    let update = wire::UpdateWorkflowExecutionOptionsRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        workflow_execution_options: Some(WorkflowExecutionOptions {
            versioning_override: Some(VersioningOverride {
                r#override: Some(
                    temporalio_common::protos::temporal::api::workflow::v1::versioning_override::Override::AutoUpgrade(
                        true,
                    ),
                ),
                ..Default::default()
            }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["versioning_override".to_owned()],
        }),
        identity: "client".to_owned(),
    };
    stage.call::<wire::UpdateWorkflowExecutionOptionsResponse>("UpdateWorkflowExecutionOptions", &update);
    let reset = wire::ResetWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        reason: "again".to_owned(),
        workflow_task_finish_event_id: 7,
        request_id: "reset".to_owned(),
        identity: "client".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::ResetWorkflowExecutionResponse>("ResetWorkflowExecution", &reset);
    let latest = stage.latest(&execution);
    stage.history(&latest);
    stage.describe(&latest);
}

fn chain_times_out_with_its_run(stage: &mut Stage<'_>) {
    let mut request = stage.starting("short");
    request.workflow_execution_timeout = seconds(1);
    let execution = stage.start_as(&request);
    stage.pass(3);
    stage.history(&execution);
}

fn builds_are_listed(stage: &mut Stage<'_>) {
    let execution = stage.start("built");
    work_of_build(stage, vec![]);
    // Lists lag behind on the real server.
    stage.pass(2);
    let request = wire::ListWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: format!("WorkflowId = '{}'", execution.workflow_id),
        ..Default::default()
    };
    stage.call::<wire::ListWorkflowExecutionsResponse>("ListWorkflowExecutions", &request);
}

fn child(workflow_id: &str) -> Command {
    command(
        CommandType::StartChildWorkflowExecution,
        Does::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes {
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(common::WorkflowType {
                name: "shape".to_owned(),
            }),
            ..Default::default()
        }),
    )
}

/// A worker says which build it is, without using versioning.
fn work_of_build(stage: &mut Stage<'_>, commands: Vec<Command>) {
    let task = stage.poll();
    let mut request = stage.answering(&task, commands);
    #[expect(deprecated, reason = "what SDKs send that don't use versioning")]
    let stamp = &mut request.worker_version_stamp;
    *stamp = Some(common::WorkerVersionStamp {
        build_id: "build-1".to_owned(),
        use_versioning: false,
    });
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
}
