//! Limits, low enough to be met. To play these on a real server, start it with [`LOW`]: fixtures/conformance/shapes/PROVENANCE.md.

use std::collections::HashMap;

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{self as commands, Command};
use temporalio_common::protos::temporal::api::common::v1::{
    ActivityType, Memo, Payloads, SearchAttributes, WorkflowExecution, WorkflowType,
};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, payload, payloads, seconds};

/// The settings that these bodies are played with.
const LOW: &[(&str, &str)] = &[
    ("limit.blobSize.error", "3000"),
    // Below what is warned of nothing is refused.
    ("limit.blobSize.warn", "500"),
    ("limit.memoSize.error", "1000"),
    ("limit.memoSize.warn", "500"),
    ("limit.historyCount.error", "30"),
    ("limit.historyCount.suggestContinueAsNew", "12"),
    ("limit.historySize.error", "10000"),
    ("limit.historySize.suggestContinueAsNew", "4000"),
    ("limit.numPendingActivities.error", "2"),
    ("limit.numPendingChildExecutions.error", "2"),
    ("limit.numPendingSignals.error", "2"),
    ("limit.numPendingCancelRequests.error", "2"),
    ("history.maximumBufferedEventsBatch", "5"),
    ("history.maximumSignalsPerExecution", "12"),
    ("history.maxInFlightUpdates", "2"),
    ("history.maxTotalUpdates", "4"),
    ("frontend.searchAttributesSizeOfValueLimit", "200"),
    ("frontend.searchAttributesTotalSizeLimit", "300"),
    ("system.transactionSizeLimit", "5000"),
];

on_both_arms![
    with LOW;
    history_count_refuses_a_signal,
    history_count_drops_an_answer,
    history_size_refuses_a_signal,
    history_suggests_to_continue_as_new,
    an_answer_too_large_to_be_written,
    too_many_events_held_back,
    too_many_pending,
    too_large_in_commands,
    too_large_in_requests,
    too_many_signals,
    too_many_updates_in_flight,
    too_many_updates_in_all,
    too_large_search_attributes,
];

fn text(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length))
}

fn large(length: usize) -> Option<Payloads> {
    Some(payloads(&text(length)))
}

fn timer(id: usize) -> Command {
    let attributes = commands::StartTimerCommandAttributes {
        timer_id: id.to_string(),
        start_to_fire_timeout: seconds(1_000),
    };
    command(CommandType::StartTimer, Does::StartTimerCommandAttributes(attributes))
}

fn activity(stage: &Stage<'_>, id: &str, input: Option<Payloads>) -> Command {
    let attributes = commands::ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType {
            name: "shape".to_owned(),
        }),
        task_queue: stage.queue(),
        start_to_close_timeout: seconds(1_000),
        input,
        ..Default::default()
    };
    command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

fn child(stage: &Stage<'_>, id: &str, input: Option<Payloads>, memo: Option<Memo>) -> Command {
    let attributes = commands::StartChildWorkflowExecutionCommandAttributes {
        workflow_id: stage.named(id),
        workflow_type: Some(WorkflowType {
            name: "shape".to_owned(),
        }),
        task_queue: stage.queue(),
        input,
        memo,
        ..Default::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        Does::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

fn signal_of(stage: &Stage<'_>, input: Option<Payloads>) -> Command {
    let attributes = commands::SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(WorkflowExecution {
            workflow_id: stage.named("nobody"),
            run_id: String::new(),
        }),
        signal_name: "hello".to_owned(),
        input,
        ..Default::default()
    };
    command(
        CommandType::SignalExternalWorkflowExecution,
        Does::SignalExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

fn cancel_of(stage: &Stage<'_>) -> Command {
    let attributes = commands::RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id: stage.named("nobody"),
        ..Default::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        Does::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

fn marker(length: usize) -> Command {
    let attributes = commands::RecordMarkerCommandAttributes {
        marker_name: "mark".to_owned(),
        details: [("details".to_owned(), payloads(&text(length)))].into(),
        ..Default::default()
    };
    command(
        CommandType::RecordMarker,
        Does::RecordMarkerCommandAttributes(attributes),
    )
}

fn memo(length: usize) -> Option<Memo> {
    Some(Memo {
        fields: [("note".to_owned(), payload(&text(length)))].into(),
    })
}

fn signalling(execution: &WorkflowExecution, input: Option<Payloads>) -> wire::SignalWorkflowExecutionRequest {
    wire::SignalWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        signal_name: "news".to_owned(),
        identity: "client".to_owned(),
        input,
        ..Default::default()
    }
}

/// Signals without a look at the answers, unless one is a refusal.
fn signal_often(stage: &mut Stage<'_>, execution: &WorkflowExecution, times: usize) {
    for _ in 0..times {
        stage.look::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &signalling(execution, None));
    }
}

fn history_count_refuses_a_signal(stage: &mut Stage<'_>) {
    let execution = stage.start("long");
    stage.work((1..=17).map(timer).collect());
    // One to a batch with a workflow task.
    signal_often(stage, &execution, 9);
    stage.signal(&execution, "too much");
    stage.signal(&execution, "too late");
    stage.history(&execution);
    stage.describe(&execution);
}

fn history_count_drops_an_answer(stage: &mut Stage<'_>) {
    let execution = stage.start("long");
    stage.work((1..=40).map(timer).collect());
    stage.history(&execution);
    stage.describe(&execution);
    // An end isn't too much.
    let execution = stage.start("ended");
    let mut all: Vec<Command> = (1..=40).map(timer).collect();
    all.push(complete("1"));
    stage.work(all);
    stage.describe(&execution);
}

fn history_size_refuses_a_signal(stage: &mut Stage<'_>) {
    let execution = stage.start("large");
    for _ in 0..5 {
        let request = signalling(&execution, large(2_500));
        stage.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request);
    }
    stage.describe(&execution);
    stage.history(&execution);
}

fn history_suggests_to_continue_as_new(stage: &mut Stage<'_>) {
    let execution = stage.start("long");
    stage.work((1..=5).map(timer).collect());
    stage.signal(&execution, "news");
    stage.work(vec![]);
    let request = signalling(&execution, large(2_500));
    stage.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request);
    stage.work(vec![]);
    stage.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request);
    stage.work(vec![]);
    stage.history(&execution);
}

fn an_answer_too_large_to_be_written(stage: &mut Stage<'_>) {
    let execution = stage.start("large");
    let commands = vec![activity(stage, "1", large(2_500)), activity(stage, "2", large(2_500))];
    let task = stage.poll();
    let request = stage.answering(&task, commands);
    // The size in the refusal depends on the ids.
    let refused = stage.refused("RespondWorkflowTaskCompleted", &request);
    assert!(refused.starts_with("transaction size of 5"), "{refused}");
    assert!(refused.ends_with(" bytes exceeds limit of 5000 bytes"), "{refused}");
    stage.describe(&execution);
}

fn too_many_events_held_back(stage: &mut Stage<'_>) {
    let execution = stage.start("busy");
    let task = stage.poll();
    for name in ["1", "2", "3", "4", "5"] {
        stage.signal(&execution, name);
    }
    stage.describe(&execution);
    stage.signal(&execution, "6");
    stage.answer(&task, vec![]);
    stage.history(&execution);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn too_many_pending(stage: &mut Stage<'_>) {
    let three: [(&str, Vec<Command>); 4] = [
        ("activities", ["1", "2", "2"].map(|id| activity(stage, id, None)).into()),
        (
            "children",
            ["a", "b", "c"].map(|id| child(stage, id, None, None)).into(),
        ),
        ("signals", [(); 3].map(|()| signal_of(stage, None)).into()),
        ("cancels", [(); 3].map(|()| cancel_of(stage)).into()),
    ];
    for (name, commands) in three {
        let execution = stage.start(name);
        stage.work(commands);
        stage.history(&execution);
        stage.work(vec![complete("1")]);
    }
    // Two signals and two wishes are no more than two of each.
    let execution = stage.start("both");
    let both = vec![
        signal_of(stage, None),
        cancel_of(stage),
        signal_of(stage, None),
        cancel_of(stage),
        complete("1"),
    ];
    stage.work(both);
    stage.describe(&execution);
}

fn too_large_in_commands(stage: &mut Stage<'_>) {
    let failure = commands::FailWorkflowExecutionCommandAttributes {
        failure: Some(Failure {
            message: "x".repeat(3_000),
            ..Default::default()
        }),
    };
    let next = |input, memo| {
        let attributes = commands::ContinueAsNewWorkflowExecutionCommandAttributes {
            input,
            memo,
            ..Default::default()
        };
        command(
            CommandType::ContinueAsNewWorkflowExecution,
            Does::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
        )
    };
    let modify = |length| {
        let attributes = commands::ModifyWorkflowPropertiesCommandAttributes {
            upserted_memo: memo(length),
        };
        command(
            CommandType::ModifyWorkflowProperties,
            Does::ModifyWorkflowPropertiesCommandAttributes(attributes),
        )
    };
    let commands = [
        ("activity", activity(stage, "1", large(3_000))),
        ("child", child(stage, "child", large(3_000), None)),
        ("child-memo", child(stage, "child", None, memo(1_000))),
        ("signal", signal_of(stage, large(3_000))),
        ("marker", marker(3_000)),
        ("next", next(large(3_000), None)),
        ("next-memo", next(None, memo(1_000))),
        ("memo", modify(900)),
        ("memo-blob", modify(3_000)),
        ("memo-itself", modify(1_000)),
        ("result", complete(&text(3_000))),
        (
            "failure",
            command(
                CommandType::FailWorkflowExecution,
                Does::FailWorkflowExecutionCommandAttributes(failure),
            ),
        ),
    ];
    for (name, command) in commands {
        let mut request = stage.starting(name);
        request.memo = (name == "memo").then(|| Memo {
            fields: [("other".to_owned(), payload(&text(100)))].into(),
        });
        let execution = stage.start_as(&request);
        stage.work(vec![timer(1), command]);
        stage.history(&execution);
    }
}

fn too_large_in_requests(stage: &mut Stage<'_>) {
    let mut request = stage.starting("input");
    request.input = large(3_000);
    stage.start_as(&request);
    let mut request = stage.starting("memo");
    request.memo = memo(1_000);
    stage.start_as(&request);
    let execution = stage.start("plain");
    let request = signalling(&execution, large(3_000));
    stage.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request);
    let request = wire::SignalWithStartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: execution.workflow_id.clone(),
        workflow_type: Some(WorkflowType {
            name: "shape".to_owned(),
        }),
        task_queue: stage.queue(),
        signal_name: "news".to_owned(),
        signal_input: large(3_000),
        identity: "client".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::SignalWithStartWorkflowExecutionResponse>("SignalWithStartWorkflowExecution", &request);
    let request = wire::DescribeNamespaceRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    let described: wire::DescribeNamespaceResponse = stage.look("DescribeNamespace", &request).unwrap_or_default();
    let limits = described
        .namespace_info
        .and_then(|info| info.limits)
        .unwrap_or_default();
    assert_eq!(
        (limits.blob_size_limit_error, limits.memo_size_limit_error),
        (3_000, 1_000)
    );
    stage.work(vec![complete("1")]);
}

fn too_many_signals(stage: &mut Stage<'_>) {
    let execution = stage.start("popular");
    signal_often(stage, &execution, 12);
    stage.signal(&execution, "one more");
    stage.work(vec![complete("1")]);
    stage.describe(&execution);
}

fn updating(execution: &WorkflowExecution, id: &str) -> wire::UpdateWorkflowExecutionRequest {
    wire::UpdateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        wait_policy: Some(update::WaitPolicy { lifecycle_stage: 3 }),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: id.to_owned(),
                identity: "client".to_owned(),
            }),
            input: Some(update::Input {
                name: "ask".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn too_many_updates_in_flight(stage: &mut Stage<'_>) {
    let execution = stage.start("popular");
    let _task = stage.poll();
    let _waiting = ["1", "2"].map(|id| stage.begin("UpdateWorkflowExecution", &updating(&execution, id)));
    // The real server has them by then.
    stage.pass(1);
    stage.call::<wire::UpdateWorkflowExecutionResponse>("UpdateWorkflowExecution", &updating(&execution, "3"));
}

fn too_many_updates_in_all(stage: &mut Stage<'_>) {
    let execution = stage.start("popular");
    stage.work(vec![]);
    for id in ["1", "2", "3", "4"] {
        let waiting = stage.begin("UpdateWorkflowExecution", &updating(&execution, id));
        let task = stage.poll();
        let mut request = stage.answering(&task, vec![]);
        request.messages = answers(&task);
        stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
        stage.finish::<wire::UpdateWorkflowExecutionResponse>(waiting);
    }
    stage.call::<wire::UpdateWorkflowExecutionResponse>("UpdateWorkflowExecution", &updating(&execution, "5"));
    stage.signal(&execution, "end");
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

/// Accepts and completes every update of a task.
fn answers(
    task: &wire::PollWorkflowTaskQueueResponse,
) -> Vec<temporalio_common::protos::temporal::api::protocol::v1::Message> {
    use prost::Message as _;
    use temporalio_common::protos::temporal::api::protocol::v1::Message;
    use temporalio_common::protos::temporal::api::protocol::v1::message::SequencingId;
    let mut messages = Vec::new();
    for asked in &task.messages {
        let body = asked.body.clone().unwrap_or_default();
        let request = update::Request::decode(body.value.as_slice()).expect("it is an update");
        let meta = request.meta.clone();
        let accepted = update::Acceptance {
            accepted_request_message_id: asked.id.clone(),
            accepted_request_sequencing_event_id: match asked.sequencing_id {
                Some(SequencingId::EventId(event_id)) => event_id,
                _ => 0,
            },
            accepted_request: Some(request),
        };
        let response = update::Response {
            meta,
            outcome: Some(update::Outcome {
                value: Some(update::outcome::Value::Success(payloads("1"))),
            }),
        };
        for (name, value) in [
            ("Acceptance", accepted.encode_to_vec()),
            ("Response", response.encode_to_vec()),
        ] {
            messages.push(Message {
                id: format!("{}/{name}", asked.protocol_instance_id),
                protocol_instance_id: asked.protocol_instance_id.clone(),
                body: Some(prost_types::Any {
                    type_url: format!("type.googleapis.com/temporal.api.update.v1.{name}"),
                    value,
                }),
                ..Default::default()
            });
        }
    }
    messages
}

fn too_large_search_attributes(stage: &mut Stage<'_>) {
    let attributes = |lengths: &[(&str, usize)]| {
        let fields = lengths.iter().map(|(name, length)| {
            let value = match *name {
                "BinaryChecksums" => format!("[{}]", text(*length)),
                _ => text(*length),
            };
            ((*name).to_owned(), payload(&value))
        });
        Some(SearchAttributes {
            indexed_fields: HashMap::from_iter(fields),
        })
    };
    let upsert = |attributes| {
        let attributes = commands::UpsertWorkflowSearchAttributesCommandAttributes {
            search_attributes: attributes,
        };
        command(
            CommandType::UpsertWorkflowSearchAttributes,
            Does::UpsertWorkflowSearchAttributesCommandAttributes(attributes),
        )
    };
    let mut request = stage.starting("value");
    request.search_attributes = attributes(&[("BatcherUser", 200)]);
    stage.start_as(&request);
    let mut request = stage.starting("all");
    request.search_attributes = attributes(&[("BatcherUser", 150), ("BinaryChecksums", 150)]);
    stage.start_as(&request);
    let mut request = stage.starting("upsert");
    request.search_attributes = attributes(&[("BinaryChecksums", 150)]);
    let execution = stage.start_as(&request);
    stage.work(vec![upsert(attributes(&[("BatcherUser", 200)]))]);
    stage.history(&execution);
    let execution = stage.start("child");
    let mut command = child(stage, "child", None, None);
    if let Some(Does::StartChildWorkflowExecutionCommandAttributes(child)) = &mut command.attributes {
        child.search_attributes = attributes(&[("BatcherUser", 200)]);
    }
    stage.work(vec![command]);
    stage.history(&execution);
}
