//! What a worker may say of an update, and how Temporal refuses the rest.

use temporalio_common::protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use temporalio_common::protos::temporal::api::protocol::v1::Message as ProtocolMessage;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::{NAMESPACE, Server, attributes, finish, protocol_message, text, update_request};

fn acceptance() -> update::Acceptance {
    update::Acceptance {
        accepted_request_message_id: "one/request".to_owned(),
        accepted_request_sequencing_event_id: 5,
        ..Default::default()
    }
}

fn response() -> update::Response {
    update::Response {
        meta: Some(update::Meta {
            update_id: "one".to_owned(),
            ..Default::default()
        }),
        outcome: Some(update::Outcome {
            value: Some(update::outcome::Value::Success(text("done"))),
        }),
    }
}

fn accept(acceptance: &update::Acceptance) -> ProtocolMessage {
    protocol_message("one", "Acceptance", acceptance)
}

fn complete(response: &update::Response) -> ProtocolMessage {
    protocol_message("one", "Response", response)
}

fn reject() -> ProtocolMessage {
    protocol_message("one", "Rejection", &update::Rejection::default())
}

/// The words by which a worker's messages for the update `one` are refused.
fn refusal(messages: Vec<ProtocolMessage>) -> String {
    let mut server = Server::new();
    let run_id = server.start("u");
    server.work(vec![]);
    let _update = server.send("UpdateWorkflowExecution", &update_request("u", "one"));
    let task = server.poll().expect("there is a workflow task");
    let numbered = |(index, message): (usize, ProtocolMessage)| ProtocolMessage {
        id: index.to_string(),
        ..message
    };
    let messages = messages.into_iter().enumerate().map(numbered).collect();
    let request = wire::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        namespace: NAMESPACE.to_owned(),
        messages,
        ..Default::default()
    };
    let answer: Result<wire::RespondWorkflowTaskCompletedResponse, _> =
        server.call("RespondWorkflowTaskCompleted", &request);
    let message = answer.expect_err("the messages are bad").message();
    let events = server.history("u", &run_id);
    let failed = attributes!(events, 7, WorkflowTaskFailedEventAttributes);
    assert_eq!(
        failed.cause(),
        WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage
    );
    assert_eq!(failed.failure.expect("it says why").message, message);
    let words = message.strip_prefix("BadUpdateWorkflowExecutionMessage: ");
    words.unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn an_acceptance_names_the_request() {
    let unnamed = update::Acceptance {
        accepted_request_message_id: String::new(),
        ..acceptance()
    };
    let unsequenced = update::Acceptance {
        accepted_request_sequencing_event_id: 0,
        ..acceptance()
    };
    for (acceptance, field) in [
        (unnamed, "accepted_request_message_id"),
        (unsequenced, "accepted_request_sequencing_event_id"),
        (update::Acceptance::default(), "accepted_request_sequencing_event_id"),
    ] {
        let words = format!("invalid *update.Acceptance: {field} is not set");
        assert_eq!(refusal(vec![accept(&acceptance)]), words);
    }
}

#[test]
fn a_response_names_its_update_and_has_an_outcome() {
    let meta = |update_id: &str| {
        Some(update::Meta {
            update_id: update_id.to_owned(),
            ..Default::default()
        })
    };
    let bare = update::Response {
        meta: None,
        ..response()
    };
    let unnamed = update::Response {
        meta: meta(""),
        ..response()
    };
    let other = update::Response {
        meta: meta("two"),
        ..response()
    };
    let open = update::Response {
        outcome: None,
        ..response()
    };
    for (response, why) in [
        (bare, "meta is not set"),
        (unnamed, "meta.update_id is not set"),
        (other, "meta.update_id != one"),
        (open, "outcome is not set"),
    ] {
        let words = refusal(vec![accept(&acceptance()), complete(&response)]);
        assert_eq!(words, format!("invalid *update.Response: {why}"));
    }
}

#[test]
fn messages_come_in_the_order_of_an_updates_life() {
    let accepted = || accept(&acceptance());
    let completed = || complete(&response());
    for (messages, message, state) in [
        (vec![completed()], "Response", "Sent"),
        (vec![accepted(), accepted()], "Acceptance", "ProvisionallyAccepted"),
        (vec![accepted(), reject()], "Rejection", "ProvisionallyAccepted"),
        (
            vec![accepted(), completed(), completed()],
            "Response",
            "ProvisionallyCompleted",
        ),
        (vec![reject(), accepted()], "Acceptance", "ProvisionallyCompleted"),
    ] {
        let words = format!(
            "invalid state transition attempted for Update one: received *update.{message} message while in state \
             {state}"
        );
        assert_eq!(refusal(messages), words);
    }
}

#[test]
fn what_comes_after_the_end_of_the_run_is_not_looked_at() {
    let mut server = Server::new();
    let run_id = server.start("u");
    server.work(vec![]);
    let _update = server.send("UpdateWorkflowExecution", &update_request("u", "one"));
    let task = server.poll().expect("there is a workflow task");
    server.respond(&task, vec![finish()], vec![accept(&update::Acceptance::default())]);
    assert_eq!(server.types("u", &run_id).last(), Some(&"WORKFLOW_EXECUTION_COMPLETED"));
}
