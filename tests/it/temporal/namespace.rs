//! Namespaces, and what the server says of itself.

use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::namespace::v1::UpdateNamespaceInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, GetSystemInfoRequest, ListNamespacesRequest, RegisterNamespaceRequest,
    UpdateNamespaceRequest,
};
use tonic::{Code, IntoRequest};

use awaithumans_testkit::Testkit;

#[tokio::test]
async fn namespaces_are_registered_described_listed_and_updated() {
    let kit = Testkit::start().await;
    let mut client = kit.client().clone();
    let register = RegisterNamespaceRequest {
        namespace: "other".to_owned(),
        description: "another one".to_owned(),
        workflow_execution_retention_period: Some(prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        }),
        ..Default::default()
    };
    client
        .register_namespace(register.clone().into_request())
        .await
        .unwrap();
    let twice = client.register_namespace(register.into_request()).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);

    let describe = || {
        DescribeNamespaceRequest {
            namespace: "other".to_owned(),
            ..Default::default()
        }
        .into_request()
    };
    let described = client.describe_namespace(describe()).await.unwrap().into_inner();
    assert_eq!(described.namespace_info.unwrap().description, "another one");

    let listed = client
        .list_namespaces(ListNamespacesRequest::default().into_request())
        .await
        .unwrap()
        .into_inner();
    let mut names: Vec<_> = listed
        .namespaces
        .into_iter()
        .map(|it| it.namespace_info.unwrap().name)
        .collect();
    names.sort();
    assert!(
        names.contains(&"default".to_owned()) && names.contains(&"other".to_owned()),
        "{names:?}"
    );

    let update = UpdateNamespaceRequest {
        namespace: "other".to_owned(),
        update_info: Some(UpdateNamespaceInfo {
            description: "changed".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    client.update_namespace(update.into_request()).await.unwrap();
    let described = client.describe_namespace(describe()).await.unwrap().into_inner();
    assert_eq!(described.namespace_info.unwrap().description, "changed");

    let nowhere = DescribeNamespaceRequest {
        namespace: "nowhere".to_owned(),
        ..Default::default()
    };
    let refused = client.describe_namespace(nowhere.into_request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("nowhere"));
}

#[tokio::test]
async fn the_server_says_what_it_can() {
    let kit = Testkit::start().await;
    let mut client = kit.client().clone();
    let info = client
        .get_system_info(GetSystemInfoRequest::default().into_request())
        .await
        .unwrap()
        .into_inner();
    assert!(info.server_version.starts_with("1."), "{}", info.server_version);
    assert!(info.capabilities.unwrap().internal_error_differentiation);
}
