//! Bad input: an error of the right code that names the field, never a panic, and the engine works afterwards.

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Reject, Support, Timestamp, table};
use proptest::prelude::*;
use prost::Message;
use temporalio_common::protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";

fn engine() -> Engine {
    Engine::new(Entropy::stream(0, 1), HandOut::Serial)
}

/// Makes one call; `None` if it is parked.
fn call(engine: &mut Engine, service: &str, method: &str, request: &[u8]) -> Option<Result<Vec<u8>, Reject>> {
    let call = Call {
        now: Timestamp::EPOCH_OF_TESTS,
        ticket: 1,
        connection: 1,
        service,
        method,
    };
    engine.handle_rpc(call, request);
    let answer = engine.poll_output().map(|(_, answer)| answer);
    engine.handle_abandoned(Timestamp::EPOCH_OF_TESTS, 1);
    answer
}

fn refused(engine: &mut Engine, method: &str, request: &impl Message) -> Reject {
    match call(engine, WORKFLOW, method, &request.encode_to_vec()) {
        Some(Err(reject)) => reject,
        other => panic!("{method} wasn't refused: {other:?}"),
    }
}

fn start(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: "queue".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[track_caller]
fn still_works(engine: &mut Engine) {
    let answer = call(
        engine,
        WORKFLOW,
        "StartWorkflowExecution",
        &start("afterwards").encode_to_vec(),
    );
    assert!(
        matches!(
            answer,
            Some(Ok(_) | Err(Reject::WorkflowExecutionAlreadyStarted { .. }))
        ),
        "{answer:?}"
    );
}

#[test]
fn an_unknown_service_or_method_is_unimplemented_by_name() {
    let mut engine = engine();
    for (service, method) in [
        ("no.such.Service", "StartWorkflowExecution"),
        (WORKFLOW, "NoSuchMethod"),
        ("", ""),
    ] {
        let reject = call(&mut engine, service, method, b"").unwrap().unwrap_err();
        assert_eq!(reject.code(), Code::Unimplemented);
        assert!(reject.message().contains(method) && reject.message().contains(service));
    }
    still_works(&mut engine);
}

#[test]
fn an_rpc_that_is_not_served_says_so_by_name() {
    let mut engine = engine();
    for rpc in table().iter().filter(|rpc| rpc.support() != Support::Served) {
        let reject = call(&mut engine, rpc.service(), rpc.method(), b"")
            .unwrap()
            .unwrap_err();
        assert_eq!(reject.code(), Code::Unimplemented);
        assert!(reject.message().contains(rpc.method()));
        if let Support::Refused(words) = rpc.support() {
            assert_eq!(reject.message(), words);
        }
    }
}

#[test]
fn bytes_that_are_no_message_are_refused_by_every_rpc() {
    let mut engine = engine();
    for rpc in table().iter().filter(|rpc| rpc.support() == Support::Served) {
        let reject = call(&mut engine, rpc.service(), rpc.method(), b"\xff\xff\xff\xff")
            .unwrap()
            .unwrap_err();
        assert_eq!(reject.code(), Code::InvalidArgument, "{}", rpc.method());
        assert!(reject.message().contains(rpc.method()), "{}", reject.message());
    }
    still_works(&mut engine);
}

#[test]
fn an_empty_request_is_answered_by_every_rpc() {
    let mut engine = engine();
    for rpc in table().iter().filter(|rpc| rpc.support() == Support::Served) {
        if let Some(Err(reject)) = call(&mut engine, rpc.service(), rpc.method(), b"") {
            let no_network = rpc.method() == "AddOrUpdateRemoteCluster" && reject.code() == Code::Unavailable;
            assert!(
                no_network || matches!(reject.code(), Code::InvalidArgument | Code::NotFound),
                "{}: {reject:?}",
                rpc.method()
            );
            assert!(!reject.message().is_empty());
        }
    }
    still_works(&mut engine);
}

#[test]
fn a_missing_field_is_named() {
    let mut engine = engine();
    let without = |change: fn(&mut wire::StartWorkflowExecutionRequest)| {
        let mut request = start("id");
        change(&mut request);
        request
    };
    for (field, request) in [
        ("Namespace", without(|it| it.namespace.clear())),
        ("WorkflowId", without(|it| it.workflow_id.clear())),
        ("WorkflowType", without(|it| it.workflow_type = None)),
        ("taskQueue", without(|it| it.task_queue = None)),
    ] {
        let reject = refused(&mut engine, "StartWorkflowExecution", &request);
        assert_eq!(reject.code(), Code::InvalidArgument, "{field}");
        assert!(reject.message().contains(field), "{field}: {}", reject.message());
    }
    still_works(&mut engine);
}

#[test]
fn an_id_that_is_too_long_is_refused_by_name() {
    let mut engine = engine();
    let reject = refused(&mut engine, "StartWorkflowExecution", &start(&"x".repeat(1_001)));
    assert_eq!(reject.code(), Code::InvalidArgument);
    assert!(
        reject
            .message()
            .contains("WorkflowId exceeds maximum allowed length (1001/1000)"),
        "{}",
        reject.message()
    );
    assert!(
        call(
            &mut engine,
            WORKFLOW,
            "StartWorkflowExecution",
            &start(&"x".repeat(1_000)).encode_to_vec()
        )
        .unwrap()
        .is_ok()
    );
}

#[test]
fn an_unknown_namespace_is_not_found_by_name() {
    let mut engine = engine();
    let mut request = start("id");
    "nowhere".clone_into(&mut request.namespace);
    let reject = refused(&mut engine, "StartWorkflowExecution", &request);
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (Code::NotFound, "Namespace nowhere is not found.")
    );
}

#[test]
fn garbage_in_the_place_of_a_task_token() {
    let mut engine = engine();
    for token in [&b""[..], b"garbage", &[0xff; 64], b"{\"run\":1}"] {
        let task_token = token.to_vec();
        let namespace = "default".to_owned();
        let rejects = [
            refused(
                &mut engine,
                "RespondWorkflowTaskCompleted",
                &wire::RespondWorkflowTaskCompletedRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
            refused(
                &mut engine,
                "RespondWorkflowTaskFailed",
                &wire::RespondWorkflowTaskFailedRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
            refused(
                &mut engine,
                "RespondActivityTaskCompleted",
                &wire::RespondActivityTaskCompletedRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
            refused(
                &mut engine,
                "RespondActivityTaskFailed",
                &wire::RespondActivityTaskFailedRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
            refused(
                &mut engine,
                "RespondActivityTaskCanceled",
                &wire::RespondActivityTaskCanceledRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
            refused(
                &mut engine,
                "RecordActivityTaskHeartbeat",
                &wire::RecordActivityTaskHeartbeatRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
            refused(
                &mut engine,
                "RespondQueryTaskCompleted",
                &wire::RespondQueryTaskCompletedRequest {
                    task_token: task_token.clone(),
                    namespace: namespace.clone(),
                    ..Default::default()
                },
            ),
        ];
        for reject in rejects {
            assert_eq!(reject.code(), Code::InvalidArgument, "{reject:?}");
            assert!(reject.message().to_lowercase().contains("task token"), "{reject:?}");
        }
    }
    still_works(&mut engine);
}

#[test]
fn a_run_id_that_is_none() {
    let mut engine = engine();
    still_works(&mut engine);
    let describe = |run_id: &str| wire::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: "afterwards".to_owned(),
            run_id: run_id.to_owned(),
        }),
    };
    let reject = refused(&mut engine, "DescribeWorkflowExecution", &describe("no uuid"));
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (Code::InvalidArgument, "Invalid RunId.")
    );
    let reject = refused(
        &mut engine,
        "DescribeWorkflowExecution",
        &describe("00000000-0000-0000-0000-000000000000"),
    );
    assert_eq!(reject.code(), Code::NotFound);
}

#[test]
fn durations_beyond_reason_are_no_panic() {
    let mut engine = engine();
    let times = [
        (i64::MAX, i32::MAX),
        (i64::MIN, i32::MIN),
        (-1, 0),
        (0, -1),
        (i64::MAX, 0),
        (0, i32::MAX),
    ];
    for (index, (seconds, nanos)) in times.into_iter().enumerate() {
        let duration = Some(prost_types::Duration { seconds, nanos });
        let mut request = start(&format!("time-{index}"));
        request.workflow_execution_timeout = duration;
        request.workflow_run_timeout = duration;
        request.workflow_task_timeout = duration;
        request.workflow_start_delay = duration;
        drop(call(
            &mut engine,
            WORKFLOW,
            "StartWorkflowExecution",
            &request.encode_to_vec(),
        ));
        while let Some(at) = engine.poll_timeout() {
            engine.handle_timeout(at);
        }
    }
    still_works(&mut engine);
}

/// What may end the namespace, so that nothing starts in it afterwards.
const ENDS: [&str; 3] = ["DeprecateNamespace", "UpdateNamespace", "DeleteNamespace"];

/// Sends the same bytes to every RPC.
fn everything_is_answered(bytes: &[u8]) {
    let mut lasting = engine();
    still_works(&mut lasting);
    for rpc in table() {
        let mut ending = engine();
        let engine = match ENDS.contains(&rpc.method()) {
            true => &mut ending,
            false => &mut lasting,
        };
        drop(call(engine, rpc.service(), rpc.method(), bytes));
    }
    still_works(&mut lasting);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        everything_is_answered(&bytes);
    }

    /// Fields of protobuf messages with strings and small numbers in them: what gets past the decoder.
    #[test]
    fn any_fields_are_answered(fields in proptest::collection::vec((1u32..30, "(default|queue|afterwards|[a-z]{0,8})"), 0..12)) {
        let mut bytes = Vec::new();
        for (tag, text) in &fields {
            prost::encoding::string::encode(*tag, text, &mut bytes);
        }
        everything_is_answered(&bytes);
    }
}
