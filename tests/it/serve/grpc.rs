//! What is at the Temporal port beside Temporal, and what happens to bytes that are no calls.

use awaithumans_testkit::serve::{Ready, Time};
use futures_util::StreamExt;
use temporalio_common::protos::grpc::health::v1::HealthCheckRequest;
use temporalio_common::protos::grpc::health::v1::health_check_response::ServingStatus;
use temporalio_common::protos::grpc::health::v1::health_client::HealthClient;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::{channel, raw, served};

const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";

async fn still_works(ready: &Ready) {
    let info = raw(ready).await.get_system_info(wire::GetSystemInfoRequest {}).await;
    assert_eq!(info.unwrap().into_inner().server_version, "1.32.0");
}

#[tokio::test]
async fn health_answers_for_the_services_that_are_there() {
    let ready = served(Time::Manual).await;
    let mut health = HealthClient::new(channel(&ready).await);
    let asked = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    for service in ["", WORKFLOW, "temporal.api.operatorservice.v1.OperatorService"] {
        let answer = health.check(asked(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let refused = health.check(asked("no.such.Service")).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "unknown service"));

    let mut states = health.watch(asked(WORKFLOW)).await.unwrap().into_inner();
    assert_eq!(
        states.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let mut states = health.watch(asked("no.such.Service")).await.unwrap().into_inner();
    assert_eq!(
        states.message().await.unwrap().unwrap().status(),
        ServingStatus::ServiceUnknown
    );
}

async fn reflect(ready: &Ready, request: MessageRequest) -> MessageResponse {
    let mut reflection = ServerReflectionClient::new(channel(ready).await).max_decoding_message_size(usize::MAX);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    let requests = futures_util::stream::once(async { request });
    let mut answers = reflection.server_reflection_info(requests).await.unwrap().into_inner();
    answers.next().await.unwrap().unwrap().message_response.unwrap()
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_each() {
    let ready = served(Time::Manual).await;
    let listed = reflect(&ready, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else {
        panic!("{listed:?}");
    };
    let names: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
    assert!(names.iter().any(|name| name == WORKFLOW), "{names:?}");
    for name in names {
        let described = reflect(&ready, MessageRequest::FileContainingSymbol(name.clone())).await;
        let MessageResponse::FileDescriptorResponse(described) = described else {
            panic!("{name}: {described:?}");
        };
        assert!(!described.file_descriptor_proto.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_unimplemented() {
    let ready = served(Time::Manual).await;
    let mut grpc = tonic::client::Grpc::new(channel(&ready).await);
    for path in ["/no.such.Service/Method", "/nothing", "//"] {
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<wire::GetSystemInfoRequest, wire::GetSystemInfoResponse>::default();
        let request = Request::new(wire::GetSystemInfoRequest {});
        let refused = grpc
            .unary(request, PathAndQuery::from_static(path), codec)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
    still_works(&ready).await;
}

fn signal(bytes: usize) -> wire::SignalWorkflowExecutionRequest {
    wire::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        signal_name: "x".repeat(bytes),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_message_over_four_mebibytes_is_refused_in_grpc_gos_words() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    let refused = client
        .signal_workflow_execution(signal(4 * 1024 * 1024))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // The string, its tag and length, and the namespace with its own.
    let length = 4 * 1024 * 1024 + 5 + 9;
    assert_eq!(
        refused.message(),
        format!("grpc: received message larger than max ({length} vs. 4194304)")
    );
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    let refused = client.signal_workflow_execution(signal(5_000_000)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("larger than max"), "{refused:?}");
    let taken = client.signal_workflow_execution(signal(4_000_000)).await.unwrap_err();
    assert_eq!(taken.code(), Code::InvalidArgument, "{taken:?}");
}

#[tokio::test]
async fn an_answer_is_compressed_if_the_request_is() {
    let ready = served(Time::Manual).await;
    let asked = raw(&ready).await.accept_compressed(CompressionEncoding::Gzip);
    for (mut client, encoding) in [
        (asked.clone().send_compressed(CompressionEncoding::Gzip), Some("gzip")),
        (asked, None),
    ] {
        let answer = client.get_system_info(wire::GetSystemInfoRequest {}).await.unwrap();
        let told = answer.metadata().get("grpc-encoding").map(|it| it.to_str().unwrap());
        assert_eq!(told, encoding);
    }
}

#[tokio::test]
async fn bytes_that_are_no_http2_break_their_connection_and_nothing_else() {
    let ready = served(Time::Manual).await;
    let preface = &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..];
    for hostile in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0xff; 4096],
        &[preface, &[0xff; 256]].concat(),
        &[
            preface,
            b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\xff\xff\xff\x01\x05\x00\x00\x00\x01",
        ]
        .concat(),
    ] {
        let mut stream = TcpStream::connect(&ready.temporal).await.unwrap();
        // The server may have closed it already.
        let _ = stream.write_all(hostile).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    still_works(&ready).await;
}

#[tokio::test]
async fn a_deadline_that_is_none_is_refused() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    for hostile in ["", "soon", "999999999S", "-1S"] {
        let mut request = Request::new(wire::GetSystemInfoRequest {});
        request.metadata_mut().insert("grpc-timeout", hostile.parse().unwrap());
        let refused = client.get_system_info(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Internal, "{hostile:?}");
        assert!(refused.message().contains("grpc-timeout"), "{refused:?}");
    }
    still_works(&ready).await;
}
