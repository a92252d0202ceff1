//! Server reflection, v1 and v1alpha, from the descriptors that temporalio-protos ships.

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic_reflection::server::Builder;

use super::grpc::hand_to;

/// The descriptors of all of Temporal's API.
const DESCRIPTORS: &[u8] = include_bytes!(env!("TEMPORAL_DESCRIPTOR_PATH"));

/// The services that this server lists.
const SERVICES: [&str; 6] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "temporal.api.operatorservice.v1.OperatorService",
    "temporal.api.testservice.v1.TestService",
    "temporal.api.workflowservice.v1.WorkflowService",
];

pub(super) fn owns(path: &str) -> bool {
    path.starts_with("/grpc.reflection.")
}

/// The service is made for each stream: reading the descriptors takes milliseconds, holding them takes megabytes, and people ask
/// seldom.
pub(super) async fn answer(request: Request<Body>) -> Response<Body> {
    let unreadable = |error| Status::internal(format!("the descriptors can't be read: {error}")).into_http();
    match request.uri().path().starts_with("/grpc.reflection.v1alpha.") {
        true => match builder().build_v1alpha() {
            Ok(service) => hand_to(service, request).await,
            Err(error) => unreadable(error),
        },
        false => match builder().build_v1() {
            Ok(service) => hand_to(service, request).await,
            Err(error) => unreadable(error),
        },
    }
}

fn builder() -> Builder<'static> {
    SERVICES
        .iter()
        .fold(Builder::configure(), |builder, service| {
            builder.with_service_name(*service)
        })
        .include_reflection_service(false)
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
}
