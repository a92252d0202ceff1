//! Both fakes over TCP: with real clients and a real worker, and with clients that mean harm.

mod binary;
mod campaign;
mod control;
mod control_docs;
mod faults;
mod grpc;
mod long_poll;
mod outside;
mod raw_http;
mod state;
mod test_service;
mod workflow;

use awaithumans_testkit::serve::{Options, Ready, Server, Time};
use temporalio_client::{Client, ClientOptions, ConnectionOptions};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tonic::transport::Channel;

/// A server on free ports, for as long as the test runs.
async fn served(time: Time) -> Ready {
    let options = Options {
        time,
        ..Options::on_free_ports()
    };
    let server = Server::bind(options).await.expect("there are free ports");
    let ready = server.ready().clone();
    spawn(async move {
        server.run().await.expect("it serves until the test ends");
    });
    ready
}

/// Sends a signal to a process: `-TERM`.
async fn signal(child: &tokio::process::Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    assert!(
        tokio::process::Command::new("kill")
            .args([signal, &id])
            .status()
            .await
            .unwrap()
            .success()
    );
}

/// A client without any SDK, on a connection of its own.
async fn raw(ready: &Ready) -> WorkflowServiceClient<Channel> {
    WorkflowServiceClient::new(channel(ready).await)
}

async fn channel(ready: &Ready) -> Channel {
    Channel::from_shared(format!("http://{}", ready.temporal))
        .expect("an address makes a URL")
        .connect()
        .await
        .expect("the server takes connections")
}

/// The SDK's client.
async fn client(ready: &Ready) -> Client {
    let target = url::Url::parse(&format!("http://{}", ready.temporal)).expect("an address makes a URL");
    let connection = temporalio_client::Connection::connect(ConnectionOptions::new(target).build())
        .await
        .expect("the server takes connections");
    Client::new(connection, ClientOptions::new("default").build()).expect("default client options are valid")
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.to_owned(),
        ..Default::default()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server and its clients on sockets; no test depends on their timing"
)]
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}
