//! The registry: what it takes, what it refuses and in which words.

use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::operatorservice::v1 as wire;
use tonic::Code;

use super::Server;
use super::server::{OPERATOR, worker_target};

const NOBODY: &str = "8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1";

fn spec(name: &str, queue: &str) -> nexus::EndpointSpec {
    nexus::EndpointSpec {
        name: name.to_owned(),
        description: None,
        target: Some(worker_target("default", queue)),
    }
}

fn external(url: &str) -> nexus::EndpointTarget {
    use nexus::endpoint_target::{External, Variant};
    nexus::EndpointTarget {
        variant: Some(Variant::External(External { url: url.to_owned() })),
    }
}

#[test]
fn an_endpoint_is_made_found_changed_and_deleted() {
    let mut server = Server::without_endpoint();
    let created = server
        .create_endpoint("greeter", worker_target("default", "queue"))
        .unwrap();
    assert_eq!(created.version, 1);
    assert_eq!(created.url_prefix, format!("/nexus/endpoints/{}/services", created.id));
    assert!(created.created_time.is_some() && created.last_modified_time.is_none());

    let by_id = wire::GetNexusEndpointRequest { id: created.id.clone() };
    let found: wire::GetNexusEndpointResponse = server.call(OPERATOR, "GetNexusEndpoint", &by_id).unwrap();
    assert_eq!(found.endpoint, Some(created.clone()));

    let change = wire::UpdateNexusEndpointRequest {
        id: created.id.clone(),
        version: 1,
        spec: Some(spec("greeter", "elsewhere")),
    };
    let changed: wire::UpdateNexusEndpointResponse = server.call(OPERATOR, "UpdateNexusEndpoint", &change).unwrap();
    let changed = changed.endpoint.unwrap();
    assert_eq!((changed.version, changed.spec), (2, change.spec.clone()));
    assert!(changed.last_modified_time.is_some());
    let again: Result<wire::UpdateNexusEndpointResponse, _> = server.call(OPERATOR, "UpdateNexusEndpoint", &change);
    let again = again.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition);
    assert_eq!(
        again.message(),
        "nexus endpoint version mismatch. received: 1 expected 2"
    );

    let delete = wire::DeleteNexusEndpointRequest {
        id: created.id.clone(),
        version: 1,
    };
    let _: wire::DeleteNexusEndpointResponse = server.call(OPERATOR, "DeleteNexusEndpoint", &delete).unwrap();
    let gone: Result<wire::GetNexusEndpointResponse, _> = server.call(OPERATOR, "GetNexusEndpoint", &by_id);
    let gone = gone.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(
        gone.message(),
        format!("Nexus endpoint with ID `{}` not found", created.id)
    );
}

#[test]
fn a_name_is_taken_once() {
    let mut server = Server::without_endpoint();
    server.create_endpoint("greeter", external("https://x")).unwrap();
    let refused = server.create_endpoint("greeter", external("https://y")).unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(
        refused.message(),
        "error creating Nexus endpoint. Endpoint with name greeter already registered"
    );
}

#[test]
fn what_is_wrong_is_said_all_at_once() {
    let mut server = Server::without_endpoint();
    let refused = |server: &mut Server, name: &str, target| {
        let reject = server.create_endpoint(name, target).unwrap_err();
        (reject.code(), reject.message())
    };
    assert_eq!(
        refused(&mut server, "", worker_target("", "")),
        (
            Code::InvalidArgument,
            "endpoint name not set, target namespace not set, invalid target task queue: \"taskQueue is not set\""
                .to_owned()
        )
    );
    assert_eq!(
        refused(&mut server, "a_b", external("ftp://x")),
        (
            Code::InvalidArgument,
            "endpoint name must match the regex: \"^[a-zA-Z][a-zA-Z0-9\\\\-]*[a-zA-Z0-9]$\", invalid target URL scheme: \
             \"ftp\", expected http or https"
                .to_owned()
        )
    );
    assert_eq!(
        refused(&mut server, "good", nexus::EndpointTarget::default()),
        (Code::InvalidArgument, "empty target variant".to_owned())
    );
    assert_eq!(
        refused(&mut server, "good", worker_target("nowhere", "queue")),
        (
            Code::FailedPrecondition,
            "could not verify namespace referenced by target exists: Namespace nowhere is not found.".to_owned()
        )
    );
}

#[test]
fn ids_and_versions_are_looked_at_before_the_registry_is() {
    let mut server = Server::without_endpoint();
    let delete = |server: &mut Server, id: &str, version| {
        let request = wire::DeleteNexusEndpointRequest {
            id: id.to_owned(),
            version,
        };
        let answer: Result<wire::DeleteNexusEndpointResponse, _> =
            server.call(OPERATOR, "DeleteNexusEndpoint", &request);
        let reject = answer.unwrap_err();
        (reject.code(), reject.message())
    };
    assert_eq!(
        delete(&mut server, "", 0),
        (
            Code::InvalidArgument,
            "endpoint ID not set, endpoint version is non-positive".to_owned()
        )
    );
    assert_eq!(
        delete(&mut server, "x", 1),
        (
            Code::InvalidArgument,
            "malformed endpoint ID: \"invalid UUID length: 1\"".to_owned()
        )
    );
    assert_eq!(
        delete(&mut server, NOBODY, 1),
        (
            Code::NotFound,
            format!("error deleting nexus endpoint with ID: {NOBODY}")
        )
    );
}

#[test]
fn lists_come_in_pages_or_by_name() {
    let mut server = Server::without_endpoint();
    for name in ["one", "two", "three"] {
        server.create_endpoint(name, external("https://x")).unwrap();
    }
    let list = |server: &mut Server, page_size, next_page_token: Vec<u8>, name: &str| {
        let request = wire::ListNexusEndpointsRequest {
            page_size,
            next_page_token,
            name: name.to_owned(),
        };
        server.call::<wire::ListNexusEndpointsResponse>(OPERATOR, "ListNexusEndpoints", &request)
    };
    let first = list(&mut server, 2, Vec::new(), "").unwrap();
    assert_eq!(first.endpoints.len(), 2);
    let second = list(&mut server, 2, first.next_page_token, "").unwrap();
    assert_eq!(second.endpoints.len(), 1);
    assert_eq!(second.next_page_token, b"");
    assert!(first.endpoints[1].id < second.endpoints[0].id);
    let full = list(&mut server, 3, Vec::new(), "").unwrap();
    assert_ne!(
        full.next_page_token, b"",
        "a full page has a token though nothing follows"
    );
    assert_eq!(list(&mut server, 0, Vec::new(), "two").unwrap().endpoints.len(), 1);
    assert_eq!(list(&mut server, 0, Vec::new(), "four").unwrap().endpoints.len(), 0);
    assert_eq!(
        list(&mut server, -1, Vec::new(), "").unwrap_err().message(),
        "page_size is negative"
    );
    assert_eq!(
        list(&mut server, 1_001, Vec::new(), "").unwrap_err().message(),
        "page_size exceeds limit of 1000"
    );
}
