//! `grpc.health.v1`, as grpc-go serves it in front of Temporal.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Ready, ready};
use futures_util::stream::{self, BoxStream};
use http::{Request, Response};
use prost::Message as _;
use temporalio_protos::grpc::health::v1::health_check_response::ServingStatus;
use temporalio_protos::grpc::health::v1::{HealthCheckRequest, HealthCheckResponse};
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};

use super::grpc::AsBytes;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The services whose health can be asked for; the empty name is the server as a whole.
const SERVICES: [&str; 3] = [
    "",
    "temporal.api.workflowservice.v1.WorkflowService",
    "temporal.api.operatorservice.v1.OperatorService",
];

pub(super) fn owns(path: &str) -> bool {
    path == CHECK || path == WATCH
}

pub(super) async fn answer(request: Request<Body>) -> Response<Body> {
    match request.uri().path() == WATCH {
        true => Grpc::new(AsBytes).server_streaming(Watch, request).await,
        false => Grpc::new(AsBytes).unary(Check, request).await,
    }
}

/// The state of a service, once.
struct Check;

impl UnaryService<Bytes> for Check {
    type Response = Bytes;
    type Future = Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        ready(match is_served(request.get_ref()) {
            Ok(true) => Ok(tonic::Response::new(health(ServingStatus::Serving))),
            Ok(false) => Err(Status::not_found("unknown service")),
            Err(status) => Err(status),
        })
    }
}

/// The state of a service, and then nothing: it never changes. One that isn't there may come, as far as grpc-go knows.
struct Watch;

impl ServerStreamingService<Bytes> for Watch {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        ready(is_served(request.get_ref()).map(|served| {
            let first = match served {
                true => health(ServingStatus::Serving),
                false => health(ServingStatus::ServiceUnknown),
            };
            let states = stream::once(ready(Ok(first))).chain(stream::pending());
            tonic::Response::new(states.boxed())
        }))
    }
}

fn is_served(request: &Bytes) -> Result<bool, Status> {
    let request = HealthCheckRequest::decode(request.clone())
        .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))?;
    Ok(SERVICES.contains(&request.service.as_str()))
}

fn health(status: ServingStatus) -> Bytes {
    HealthCheckResponse { status: status as i32 }.encode_to_vec().into()
}
