//! Completion callbacks to other servers.

use std::time::Duration;

use awaithumans_testkit::CallbackOutcome;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::common::v1::Callback;
use temporalio_common::protos::temporal::api::common::v1::callback::{Nexus, Variant};
use temporalio_common::protos::temporal::api::enums::v1::CallbackState;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_common::protos::temporal::api::workflow::v1::CallbackInfo;

use super::Server;
use super::server::{complete_command, start_with_callbacks};

const URL: &str = "http://elsewhere.test:80/done?for=me";

fn callback(header: &[(&str, &str)]) -> Callback {
    Callback {
        links: Vec::new(),
        variant: Some(Variant::Nexus(Nexus {
            url: URL.to_owned(),
            header: header
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        })),
    }
}

fn server() -> Server {
    let mut server = Server::start();
    let rules = json!([{"Pattern": "elsewhere.*", "AllowInsecure": true}]);
    server.configure("callback.allowedAddresses", &rules);
    server
}

/// A workflow that comes to this end, and has been called back for it.
fn end(server: &mut Server, header: &[(&str, &str)], command: command::command::Attributes) {
    let request = start_with_callbacks("w", vec![callback(header)]);
    server.start_workflow_with(request).expect("the address is allowed");
    let task = server.poll_workflow("w");
    server
        .complete_workflow_task(&task, vec![command])
        .expect("the command is good");
}

fn fail_command(message: &str) -> command::command::Attributes {
    command::command::Attributes::FailWorkflowExecutionCommandAttributes(
        command::FailWorkflowExecutionCommandAttributes {
            failure: Some(Failure {
                message: message.to_owned(),
                failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                    r#type: "Oops".to_owned(),
                    non_retryable: true,
                    ..Default::default()
                })),
                ..Default::default()
            }),
        },
    )
}

fn info(server: &mut Server) -> CallbackInfo {
    server.describe("w").callbacks.remove(0)
}

fn answer(status: u16) -> CallbackOutcome {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status.try_into().expect("it is a status");
    CallbackOutcome::Answered(response)
}

#[test]
fn the_result_is_posted_with_the_headers_of_nexus() {
    let mut server = server();
    end(
        &mut server,
        &[("Nexus-Operation-Token", "token"), ("X-Mine", "yes")],
        complete_command("42"),
    );
    assert_eq!(info(&mut server).state(), CallbackState::Scheduled);
    let (id, request) = server.poll_callback();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "http://elsewhere.test/done?for=me");
    assert_eq!(&request.body()[..], b"42");
    let run_id = server
        .describe("w")
        .workflow_execution_info
        .unwrap()
        .execution
        .unwrap()
        .run_id;
    let link = format!(
        "<temporal:///namespaces/default/workflows/w/{run_id}/history?eventID=1&eventType=WorkflowExecutionStarted\
         &referenceType=EventReference>; type=\"temporal.api.common.v1.Link.WorkflowEvent\""
    );
    let mut headers: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            ("nexus-link", link.as_str()),
            ("nexus-operation-close-time", "2023-11-14T22:13:20Z"),
            ("nexus-operation-start-time", "Tue, 14 Nov 2023 22:13:20 GMT"),
            ("nexus-operation-state", "succeeded"),
            ("nexus-operation-token", "token"),
            ("user-agent", "temporalio/server"),
            ("x-mine", "yes"),
        ]
    );
    server.called_back(id, answer(200));
    let info = info(&mut server);
    assert_eq!((info.state(), info.attempt), (CallbackState::Succeeded, 1));
    server.called_back(id, answer(500));
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn a_failure_is_posted_in_the_form_of_nexus() {
    let mut server = server();
    end(&mut server, &[("user-agent", "mine")], fail_command("a < b"));
    let (_, request) = server.poll_callback();
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("nexus-operation-state"), "failed");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("user-agent"), "mine");
    let text = String::from_utf8(request.body().to_vec()).unwrap();
    assert!(text.starts_with(r#"{"message":"a \u003c b","metadata":"#), "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        body,
        json!({
            "message": "a < b",
            "metadata": {"type": "temporal.api.failure.v1.Failure"},
            "details": {"applicationFailureInfo": {"type": "Oops", "nonRetryable": true}},
        })
    );
}

#[test]
fn what_fails_is_tried_again_after_a_backoff_unless_that_makes_no_sense() {
    let mut server = server();
    end(&mut server, &[], complete_command("42"));
    let (id, first) = server.poll_callback();
    server.called_back(id, CallbackOutcome::Failed("EOF".to_owned()));
    let waiting = info(&mut server);
    assert_eq!((waiting.state(), waiting.attempt), (CallbackState::BackingOff, 1));
    let failure = waiting.last_attempt_failure.expect("it failed");
    assert_eq!(failure.message, format!("Post {URL:?}: EOF"));
    let next = waiting.next_attempt_schedule_time.expect("it is tried again");
    let wait = next.seconds - waiting.last_attempt_complete_time.expect("it was tried").seconds;
    assert!((0..=1).contains(&wait), "{wait}");

    server.advance(Duration::from_secs(2));
    let (id, again) = server.poll_callback();
    assert_eq!(again.body(), first.body());
    assert_eq!(info(&mut server).next_attempt_schedule_time, None);
    server.called_back(id, answer(503));
    server.advance(Duration::from_secs(3));
    let (id, _) = server.poll_callback();
    server.called_back(id, answer(404));
    let failed = info(&mut server);
    assert_eq!((failed.state(), failed.attempt), (CallbackState::Failed, 3));
    let failure = failed.last_attempt_failure.expect("it failed");
    assert_eq!(failure.message, "handler error (NOT_FOUND)");
    let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else {
        panic!("{failure:?}");
    };
    assert!(info.non_retryable);
    server.advance(Duration::from_secs(3_600));
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn a_header_that_http_has_no_form_for_is_never_sent() {
    let mut server = server();
    end(&mut server, &[("two words", "x")], complete_command("42"));
    let info = info(&mut server);
    assert_eq!(info.state(), CallbackState::BackingOff);
    assert_eq!(
        info.last_attempt_failure.expect("it failed").message,
        format!("Post {URL:?}: net/http: invalid header field name \"two words\"")
    );
}

#[test]
fn a_server_that_keeps_failing_is_left_alone_for_a_minute() {
    let mut server = server();
    end(&mut server, &[], complete_command("42"));
    for _ in 0..6 {
        let id = server.await_callback();
        server.called_back(id, answer(503));
    }
    let failed_at = server.now;
    // The seventh attempt is due by now.
    server.advance(Duration::from_secs(33));
    let held = info(&mut server);
    assert_eq!((held.state(), held.attempt), (CallbackState::Scheduled, 6));
    assert_eq!(held.next_attempt_schedule_time, None);
    assert!(server.violations().is_empty());

    let id = server.await_callback();
    let waited_seconds = server.now.since(failed_at).as_secs();
    // It is let through when it asks again after the minute: the longest wait in between is 22.8 s.
    assert!((60..=84).contains(&waited_seconds), "{waited_seconds}");
    server.called_back(id, answer(200));
    let arrived = info(&mut server);
    assert_eq!((arrived.state(), arrived.attempt), (CallbackState::Succeeded, 7));
}

#[test]
fn refusals_for_good_keep_nobody_waiting() {
    let mut server = server();
    for number in 0..7 {
        let request = start_with_callbacks(&format!("w-{number}"), vec![callback(&[])]);
        server.start_workflow_with(request).expect("the address is allowed");
        let task = server.poll_workflow(&format!("w-{number}"));
        let completed = server.complete_workflow_task(&task, vec![complete_command("42")]);
        completed.expect("the command is good");
        let (id, _) = server.poll_callback();
        server.called_back(id, answer(404));
    }
}
