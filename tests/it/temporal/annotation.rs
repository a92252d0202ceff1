//! What a worker attaches to a command comes with the command's event, whatever the command.

use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Command;
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::sdk::v1::event_group_marker::{Label, Variant};
use temporalio_common::protos::temporal::api::sdk::v1::{EventGroupMarker, UserMetadata};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::wire_server::{QUEUE, Server, execution, in_envelope, queue, seconds};

fn payload(text: &str) -> common::Payload {
    common::Payload {
        data: text.as_bytes().to_vec(),
        ..Default::default()
    }
}

fn metadata(summary: &str) -> UserMetadata {
    UserMetadata {
        summary: Some(payload(summary)),
        details: None,
    }
}

fn marker(label: &str) -> EventGroupMarker {
    EventGroupMarker {
        variant: Some(Variant::Label(Label {
            label: Some(payload(label)),
            ..Default::default()
        })),
    }
}

/// A command of each kind that has an event of its own and leaves the workflow open.
fn commands() -> Vec<Command> {
    vec![
        Command::ScheduleActivityTaskCommandAttributes(command::ScheduleActivityTaskCommandAttributes {
            activity_id: "a".to_owned(),
            activity_type: Some(common::ActivityType {
                name: "type".to_owned(),
            }),
            task_queue: queue(QUEUE),
            start_to_close_timeout: seconds(5),
            ..Default::default()
        }),
        Command::RequestCancelActivityTaskCommandAttributes(command::RequestCancelActivityTaskCommandAttributes {
            scheduled_event_id: 1,
        }),
        Command::StartTimerCommandAttributes(command::StartTimerCommandAttributes {
            timer_id: "t".to_owned(),
            start_to_fire_timeout: seconds(5),
        }),
        Command::CancelTimerCommandAttributes(command::CancelTimerCommandAttributes {
            timer_id: "t".to_owned(),
        }),
        Command::RecordMarkerCommandAttributes(command::RecordMarkerCommandAttributes {
            marker_name: "m".to_owned(),
            ..Default::default()
        }),
        Command::StartChildWorkflowExecutionCommandAttributes(command::StartChildWorkflowExecutionCommandAttributes {
            workflow_id: "child".to_owned(),
            workflow_type: Some("type".to_owned().into()),
            task_queue: queue("nobody"),
            ..Default::default()
        }),
        Command::SignalExternalWorkflowExecutionCommandAttributes(
            command::SignalExternalWorkflowExecutionCommandAttributes {
                execution: execution("elsewhere"),
                signal_name: "s".to_owned(),
                ..Default::default()
            },
        ),
        Command::RequestCancelExternalWorkflowExecutionCommandAttributes(
            command::RequestCancelExternalWorkflowExecutionCommandAttributes {
                workflow_id: "elsewhere".to_owned(),
                ..Default::default()
            },
        ),
        Command::ModifyWorkflowPropertiesCommandAttributes(command::ModifyWorkflowPropertiesCommandAttributes {
            upserted_memo: Some(common::Memo {
                fields: [("key".to_owned(), payload("value"))].into(),
            }),
        }),
    ]
}

#[test]
fn every_commands_event_has_the_metadata_and_the_markers_of_the_command() {
    let mut server = Server::new();
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some("type".to_owned().into()),
        task_queue: queue(QUEUE),
        ..Default::default()
    };
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", start).unwrap();
    let task = server.workflow_task().unwrap();
    let labelled = |(number, attributes): (usize, Command)| command::Command {
        user_metadata: Some(metadata(&number.to_string())),
        event_group_markers: vec![marker(&number.to_string())],
        ..in_envelope(attributes)
    };
    let commands: Vec<command::Command> = commands().into_iter().enumerate().map(labelled).collect();
    let count = commands.len();
    let _: wire::RespondWorkflowTaskCompletedResponse = server
        .call(
            "RespondWorkflowTaskCompleted",
            wire::RespondWorkflowTaskCompletedRequest {
                task_token: task.task_token,
                namespace: "default".to_owned(),
                commands,
                ..Default::default()
            },
        )
        .unwrap();

    let events = server.events("w");
    assert!(events.len() >= 4 + count, "{events:?}");
    let of_commands = events.iter().skip(4).take(count);
    for (number, event) in of_commands.enumerate() {
        let number = number.to_string();
        assert_eq!(event.user_metadata, Some(metadata(&number)), "{event:?}");
        assert_eq!(event.event_group_markers, [marker(&number)], "{event:?}");
    }
    assert!(events[..4].iter().all(|event| event.event_group_markers.is_empty()));
    let child = server.events("child");
    assert_eq!(child[0].event_type(), EventType::WorkflowExecutionStarted);
    assert_eq!(
        child[0].user_metadata,
        Some(metadata("5")),
        "the child is described as its command is"
    );
}
