//! The executable: its ready line, its ports, its end.

use std::process::Stdio;

use awaithumans_temporal::{Awaithumans, PayloadKey, ReqwestTransport};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1 as operator;
use temporalio_common::protos::temporal::api::operatorservice::v1::operator_service_client::OperatorServiceClient;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_awaithumans-testkit"));
    command
        .args(arguments)
        .env_remove("AWAITHUMANS_PAYLOAD_KEY")
        .env_remove("AWAITHUMANS_ADMIN_API_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(super) const ANY_PORTS: [&str; 7] = [
    "serve",
    "--temporal-port",
    "0",
    "--awaithumans-port",
    "0",
    "--ui-port",
    "0",
];

pub(super) async fn ready_line(child: &mut Child) -> serde_json::Value {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await.unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

pub(super) fn text<'a>(ready: &'a serde_json::Value, field: &str) -> &'a str {
    ready[field].as_str().unwrap_or_else(|| panic!("{field} in {ready}"))
}

#[tokio::test]
async fn the_ready_line_says_where_everything_is_and_a_signal_ends_it() {
    for signal in ["-TERM", "-INT"] {
        let mut child = command(&[&ANY_PORTS[..], &["--seed", "7"]].concat()).spawn().unwrap();
        let ready = ready_line(&mut child).await;
        assert_eq!(ready["seed"], 7);

        let mut temporal = WorkflowServiceClient::connect(format!("http://{}", text(&ready, "temporal")))
            .await
            .unwrap();
        let info = temporal.get_system_info(wire::GetSystemInfoRequest {}).await.unwrap();
        assert_eq!(info.into_inner().server_version, "1.32.0");

        let token = text(&ready, "admin_token").to_owned();
        let human = Awaithumans::new(text(&ready, "awaithumans"), Some(token), ReqwestTransport::default());
        assert!(human.get_task("none").await.unwrap_err().to_string().contains("404"));
        PayloadKey::from_base64(text(&ready, "payload_key")).unwrap();

        let address = text(&ready, "ui").strip_prefix("http://").unwrap();
        let mut page = tokio::net::TcpStream::connect(address).await.unwrap();
        page.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut html = String::new();
        page.read_to_string(&mut html).await.unwrap();
        assert!(html.starts_with("HTTP/1.1 200 OK"), "{html}");
        assert!(html.contains(text(&ready, "temporal")), "{html}");

        super::signal(&child, signal).await;
        let status = child.wait().await.unwrap();
        assert!(status.success(), "{signal}: {status}");
    }
}

#[tokio::test]
async fn keys_come_from_the_environment_and_a_bad_one_is_named() {
    let key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    let mut child = command(&ANY_PORTS)
        .env("AWAITHUMANS_PAYLOAD_KEY", key)
        .env("AWAITHUMANS_ADMIN_API_TOKEN", "s3cret")
        .spawn()
        .unwrap();
    let ready = ready_line(&mut child).await;
    assert_eq!(
        (text(&ready, "payload_key"), text(&ready, "admin_token")),
        (key, "s3cret")
    );
    child.kill().await.unwrap();

    let bad = command(&ANY_PORTS)
        .env("AWAITHUMANS_PAYLOAD_KEY", "AQID")
        .output()
        .await
        .unwrap();
    assert!(!bad.status.success());
    assert_eq!(bad.stdout, b"");
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(
        said.contains("AWAITHUMANS_PAYLOAD_KEY must decode to 32 bytes"),
        "{said}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(&["serve", "--temporal-port", &port]).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&format!("the Temporal port {port} can't be taken")),
        "{said}"
    );
}

#[tokio::test]
async fn search_attributes_are_there_from_the_start_and_a_bad_type_is_named() {
    let arguments = [&ANY_PORTS[..], &["--search-attribute", "CustomerId=Keyword"]].concat();
    let mut child = command(&arguments).spawn().unwrap();
    let ready = ready_line(&mut child).await;
    let mut operator = OperatorServiceClient::connect(format!("http://{}", text(&ready, "temporal")))
        .await
        .unwrap();
    let request = operator::ListSearchAttributesRequest {
        namespace: "default".to_owned(),
    };
    let listed = operator.list_search_attributes(request).await.unwrap().into_inner();
    let kind = IndexedValueType::Keyword as i32;
    assert_eq!(listed.custom_attributes.get("CustomerId"), Some(&kind));

    let arguments = [&ANY_PORTS[..], &["--search-attribute", "CustomerId=String"]].concat();
    let output = command(&arguments).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("\"String\" is none of the types Text, Keyword"), "{said}");
}
