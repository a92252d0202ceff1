//! Namespaces, and what the server says of itself.

use temporalio_client::grpc::{OperatorService, WorkflowService};
use temporalio_common::protos::temporal::api::namespace::v1::{NamespaceConfig, UpdateNamespaceInfo};
use temporalio_common::protos::temporal::api::operatorservice::v1::DeleteNamespaceRequest;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DeprecateNamespaceRequest, DescribeNamespaceRequest, GetSystemInfoRequest, ListNamespacesRequest,
    ListWorkflowExecutionsRequest, RegisterNamespaceRequest, StartWorkflowExecutionRequest, UpdateNamespaceRequest,
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

fn register(name: &str, retention_seconds: i64) -> RegisterNamespaceRequest {
    RegisterNamespaceRequest {
        namespace: name.to_owned(),
        workflow_execution_retention_period: Some(prost_types::Duration {
            seconds: retention_seconds,
            nanos: 0,
        }),
        ..Default::default()
    }
}

fn start_in(namespace: &str) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some("type".to_owned().into()),
        task_queue: Some(TaskQueue {
            name: "queue".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

// service/frontend/namespace_handler.go
#[tokio::test]
async fn what_a_namespace_cannot_be_is_refused_in_temporals_words() {
    let kit = Testkit::start().await;
    let mut client = kit.client().clone();
    let global = RegisterNamespaceRequest {
        is_global_namespace: true,
        ..register("n", 86_400)
    };
    let elsewhere = RegisterNamespaceRequest {
        active_cluster_name: "moon".to_owned(),
        ..register("n", 86_400)
    };
    for (request, why) in [
        (register("", 86_400), "Namespace not set on request."),
        (register(&"n".repeat(1_001), 86_400), "Namespace length exceeds limit."),
        (register("n", 3_599), "A valid retention period is not set on request."),
        (register("n", -1), "A valid retention period is not set on request."),
        (global, "Cannot register global namespace when not enabled"),
        (elsewhere, "Invalid cluster name: moon"),
    ] {
        let refused = client.register_namespace(request.into_request()).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, why));
    }
    let twice = client
        .register_namespace(register("default", 86_400).into_request())
        .await
        .unwrap_err();
    assert_eq!(
        (twice.code(), twice.message()),
        (Code::AlreadyExists, "Namespace \"default\" already exists")
    );
    let update = |config| UpdateNamespaceRequest {
        namespace: "default".to_owned(),
        config: Some(config),
        ..Default::default()
    };
    let short = NamespaceConfig {
        workflow_execution_retention_ttl: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let refused = client.update_namespace(update(short).into_request()).await.unwrap_err();
    assert_eq!(refused.message(), "A valid retention period is not set on request.");
    let unknown = UpdateNamespaceRequest {
        namespace: "default".to_owned(),
        delete_bad_binary: "abc".to_owned(),
        ..Default::default()
    };
    let refused = client.update_namespace(unknown.into_request()).await.unwrap_err();
    assert_eq!(refused.message(), "Bad binary checksum abc doesn't exists.");
    let aliases = |name: &str| NamespaceConfig {
        custom_search_attribute_aliases: [("Keyword03".to_owned(), name.to_owned())].into(),
        ..Default::default()
    };
    let updated = client
        .update_namespace(update(aliases("Mine")).into_request())
        .await
        .unwrap();
    let config = updated.into_inner().config.unwrap();
    assert_eq!(config.custom_search_attribute_aliases["Keyword03"], "Mine");
    let refused = client
        .update_namespace(update(aliases("Yours")).into_request())
        .await
        .unwrap_err();
    assert_eq!(
        refused.message(),
        "Custom search attribute field name already allocated."
    );
}

#[tokio::test]
async fn a_deprecated_namespace_starts_nothing_new() {
    let kit = Testkit::start().await;
    let mut client = kit.client().clone();
    client
        .start_workflow_execution(start_in("default").into_request())
        .await
        .unwrap();
    let deprecate = DeprecateNamespaceRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    client.deprecate_namespace(deprecate.into_request()).await.unwrap();
    let refused = client
        .start_workflow_execution(start_in("default").into_request())
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::FailedPrecondition,
            "Namespace has invalid state: Deprecated. Must be Registered."
        )
    );
    let list = ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let listed = client.list_workflow_executions(list.into_request()).await.unwrap();
    assert_eq!(listed.into_inner().executions.len(), 1);
}

// service/worker/deletenamespace
#[tokio::test]
async fn a_deleted_namespace_takes_its_workflows_along() {
    let kit = Testkit::start().await;
    let mut client = kit.client().clone();
    client
        .register_namespace(register("other", 86_400).into_request())
        .await
        .unwrap();
    client
        .start_workflow_execution(start_in("other").into_request())
        .await
        .unwrap();
    let id = client
        .describe_namespace(
            DescribeNamespaceRequest {
                namespace: "other".to_owned(),
                ..Default::default()
            }
            .into_request(),
        )
        .await
        .unwrap()
        .into_inner()
        .namespace_info
        .unwrap()
        .id;
    let delete = |name: &str| {
        DeleteNamespaceRequest {
            namespace: name.to_owned(),
            ..Default::default()
        }
        .into_request()
    };
    let deleted = client.delete_namespace(delete("other")).await.unwrap().into_inner();
    assert_eq!(deleted.deleted_namespace, format!("other-deleted-{}", &id[..5]));
    let gone = client
        .start_workflow_execution(start_in("other").into_request())
        .await
        .unwrap_err();
    assert_eq!(
        (gone.code(), gone.message()),
        (Code::NotFound, "Namespace other is not found.")
    );

    client
        .register_namespace(register("other", 86_400).into_request())
        .await
        .unwrap();
    let list = ListWorkflowExecutionsRequest {
        namespace: "other".to_owned(),
        ..Default::default()
    };
    let listed = client.list_workflow_executions(list.into_request()).await.unwrap();
    assert!(listed.into_inner().executions.is_empty());
    client
        .start_workflow_execution(start_in("other").into_request())
        .await
        .expect("the id is free again");

    let refused = client.delete_namespace(delete("temporal-system")).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::FailedPrecondition, "unable to delete system namespace")
    );
}
