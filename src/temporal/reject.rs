//! What Temporal refuses, as data: the gRPC code, the message and the typed detail that SDKs match on.

use prost::Message;
use temporalio_protos::google::rpc;
use temporalio_protos::temporal::api::enums::v1::{NamespaceState, ResourceExhaustedCause, ResourceExhaustedScope};
use temporalio_protos::temporal::api::errordetails::v1 as details;
use temporalio_protos::temporal::api::failure::v1::{Failure, MultiOperationExecutionAborted};
use tonic::Code;

use super::versioning::fingerprint32;

/// A refusal of one RPC.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reject {
    /// The request breaks a rule; the text names the field.
    InvalidArgument(String),
    /// A workflow, activity, task or update isn't there (any more).
    NotFound(String),
    /// The namespace isn't registered.
    NamespaceNotFound(String),
    /// The namespace is registered already.
    NamespaceAlreadyExists(String),
    /// The workflow id is taken, and the policies don't let it be reused.
    WorkflowExecutionAlreadyStarted {
        /// Temporal's sentence, which names the reason.
        message: String,
        /// The request id that started the run in the way.
        start_request_id: String,
        /// The run in the way.
        run_id: String,
        /// The first run of its chain.
        first_execution_run_id: String,
    },
    /// The activity id is taken, and the policies don't let it be reused.
    ActivityExecutionAlreadyStarted {
        /// The request id that started the activity in the way.
        start_request_id: String,
        /// The run in the way.
        run_id: String,
    },
    /// The nexus operation's id is taken, and the policies don't let it be reused.
    NexusOperationExecutionAlreadyStarted {
        /// The request id that started the operation in the way.
        start_request_id: String,
        /// The run in the way.
        run_id: String,
    },
    /// The namespace is deprecated or deleted, and the request needs it in one of these states.
    NamespaceInvalidState {
        /// Its name.
        namespace: String,
        /// The state it is in.
        state: NamespaceState,
        /// The states in which the request is served.
        allowed: Vec<NamespaceState>,
    },
    /// The state of the workflow doesn't allow it now.
    FailedPrecondition(String),
    /// A query came before the workflow could answer one.
    WorkflowNotReady(String),
    /// The query handler failed; the workflow itself is unharmed.
    QueryFailed {
        /// The handler's message.
        message: String,
        /// The handler's failure, if the SDK sent one.
        failure: Option<Box<Failure>>,
    },
    /// The caller's deadline, or the server's limit on a wait, passed.
    DeadlineExceeded(String),
    /// Something is there already that the request wants to make.
    AlreadyExists(String),
    /// The namespace doesn't have the feature.
    PermissionDenied(String),
    /// There are too many deployments, versions of one, or queues of one.
    DeploymentLimit(String),
    /// What Temporal itself calls an internal error.
    Internal(String),
    /// A limit of this server was reached.
    ResourceExhausted(String),
    /// So much of it is at work already that no more is taken.
    ConcurrentLimit(String),
    /// It can't be done just now, or a part of the server that the request needs refuses it.
    Unavailable(String),
    /// An error that Temporal itself doesn't classify.
    Unknown(String),
    /// This server doesn't serve the RPC; the text says why.
    Unimplemented(String),
    /// It didn't happen, but may if it is tried again.
    Aborted(String),
    /// A fault rule says so: the code and the words.
    Fault(Code, String),
    /// Pages of a workflow task's completion are missing: the worker sends all of them again.
    WorkflowTaskCompletionBufferLost(String),
    /// Workers of this build id get the tasks that a poll asks for.
    NewerBuildExists(String),
    /// An operation of several that weren't carried out, since another one failed.
    OperationAborted,
    /// One of several operations failed: for each of them why, or `None` where it was carried out.
    MultiOperation(Vec<Option<Self>>),
}

/// What clients are shown of an error that isn't one of Temporal's own, before its fingerprint.
const MASK: &str = "something went wrong, please retry";

impl Reject {
    /// As a client is shown it: of an error that Temporal doesn't expect only the fingerprint, of its text as Go's gRPC words it
    /// (`mask_internal_error.go`).
    pub(crate) fn masked(self) -> Self {
        let mask = |code: &str, text: String| match text.starts_with(MASK) {
            true => text,
            false => {
                let worded = format!("rpc error: code = {code} desc = {text}");
                format!("{MASK} ({:08x})", fingerprint32(worded.as_bytes()))
            }
        };
        match self {
            Self::Unknown(text) => Self::Unknown(mask("Unknown", text)),
            Self::Internal(text) => Self::Internal(mask("Internal", text)),
            other => other,
        }
    }

    /// The gRPC status code.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_) => Code::InvalidArgument,
            Self::NotFound(_) | Self::NamespaceNotFound(_) => Code::NotFound,
            Self::NamespaceAlreadyExists(_)
            | Self::AlreadyExists(_)
            | Self::WorkflowExecutionAlreadyStarted { .. }
            | Self::ActivityExecutionAlreadyStarted { .. }
            | Self::NexusOperationExecutionAlreadyStarted { .. } => Code::AlreadyExists,
            Self::PermissionDenied(_) => Code::PermissionDenied,
            Self::Internal(_) => Code::Internal,
            Self::FailedPrecondition(_) | Self::WorkflowNotReady(_) | Self::NamespaceInvalidState { .. } => {
                Code::FailedPrecondition
            }
            Self::QueryFailed { .. } => Code::InvalidArgument,
            Self::NewerBuildExists(_) => Code::OutOfRange,
            Self::DeadlineExceeded(_) => Code::DeadlineExceeded,
            Self::ResourceExhausted(_) | Self::DeploymentLimit(_) | Self::ConcurrentLimit(_) => Code::ResourceExhausted,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Unknown(_) => Code::Unknown,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Aborted(_) | Self::OperationAborted | Self::WorkflowTaskCompletionBufferLost(_) => Code::Aborted,
            Self::Fault(code, _) => *code,
            Self::MultiOperation(operations) => operations
                .iter()
                .flatten()
                .find(|reject| **reject != Self::OperationAborted)
                .map_or(Code::Aborted, Self::code),
        }
    }

    /// The gRPC status message.
    pub fn message(&self) -> String {
        match self {
            Self::InvalidArgument(message)
            | Self::NotFound(message)
            | Self::FailedPrecondition(message)
            | Self::WorkflowNotReady(message)
            | Self::DeadlineExceeded(message)
            | Self::ResourceExhausted(message)
            | Self::AlreadyExists(message)
            | Self::PermissionDenied(message)
            | Self::DeploymentLimit(message)
            | Self::Internal(message)
            | Self::ConcurrentLimit(message)
            | Self::Unavailable(message)
            | Self::Unknown(message)
            | Self::Unimplemented(message)
            | Self::Aborted(message)
            | Self::Fault(_, message)
            | Self::WorkflowTaskCompletionBufferLost(message)
            | Self::WorkflowExecutionAlreadyStarted { message, .. }
            | Self::QueryFailed { message, .. } => message.clone(),
            Self::NamespaceNotFound(name) => format!("Namespace {name} is not found."),
            Self::ActivityExecutionAlreadyStarted { .. } => "activity execution already started".to_owned(),
            Self::NexusOperationExecutionAlreadyStarted {
                start_request_id,
                run_id,
            } => format!("nexus operation execution already started: request_id={start_request_id}, run_id={run_id}"),
            Self::NamespaceAlreadyExists(name) => format!("Namespace {name:?} already exists"),
            Self::NewerBuildExists(build_id) => format!("Task queue has a newer compatible build: {build_id:?}"),
            Self::NamespaceInvalidState { state, allowed, .. } => {
                let allowed: Vec<String> = allowed.iter().copied().map(state_name).collect();
                format!(
                    "Namespace has invalid state: {}. Must be {}.",
                    state_name(*state),
                    allowed.join(" or ")
                )
            }
            Self::OperationAborted => "Operation was aborted.".to_owned(),
            Self::MultiOperation(_) => "Update-with-Start could not be executed.".to_owned(),
        }
    }

    /// The bytes of `grpc-status-details-bin`: a `google.rpc.Status` with Temporal's typed detail. Empty if there is none.
    pub fn details(&self) -> Vec<u8> {
        let Some(detail) = self.detail() else {
            return Vec::new();
        };
        rpc::Status {
            code: self.code() as i32,
            message: self.message(),
            details: vec![detail],
        }
        .encode_to_vec()
    }

    fn detail(&self) -> Option<prost_types::Any> {
        match self {
            Self::NotFound(_) => Some(any("NotFoundFailure", &details::NotFoundFailure::default())),
            Self::NamespaceNotFound(namespace) => Some(any(
                "NamespaceNotFoundFailure",
                &details::NamespaceNotFoundFailure {
                    namespace: namespace.clone(),
                },
            )),
            Self::NamespaceInvalidState {
                namespace,
                state,
                allowed,
            } => Some(any(
                "NamespaceInvalidStateFailure",
                &details::NamespaceInvalidStateFailure {
                    namespace: namespace.clone(),
                    state: *state as i32,
                    allowed_states: allowed.iter().map(|state| *state as i32).collect(),
                },
            )),
            Self::ConcurrentLimit(_) => Some(any(
                "ResourceExhaustedFailure",
                &details::ResourceExhaustedFailure {
                    cause: ResourceExhaustedCause::ConcurrentLimit as i32,
                    scope: ResourceExhaustedScope::Namespace as i32,
                },
            )),
            Self::NamespaceAlreadyExists(_) => Some(any(
                "NamespaceAlreadyExistsFailure",
                &details::NamespaceAlreadyExistsFailure {},
            )),
            Self::WorkflowExecutionAlreadyStarted {
                start_request_id,
                run_id,
                first_execution_run_id,
                ..
            } => Some(any(
                "WorkflowExecutionAlreadyStartedFailure",
                &details::WorkflowExecutionAlreadyStartedFailure {
                    start_request_id: start_request_id.clone(),
                    run_id: run_id.clone(),
                    first_execution_run_id: first_execution_run_id.clone(),
                },
            )),
            Self::PermissionDenied(_) => Some(any(
                "PermissionDeniedFailure",
                &details::PermissionDeniedFailure::default(),
            )),
            Self::DeploymentLimit(_) => Some(any(
                "ResourceExhaustedFailure",
                &details::ResourceExhaustedFailure {
                    cause: ResourceExhaustedCause::WorkerDeploymentLimits as i32,
                    scope: ResourceExhaustedScope::Namespace as i32,
                },
            )),
            Self::ActivityExecutionAlreadyStarted {
                start_request_id,
                run_id,
            } => Some(any(
                "ActivityExecutionAlreadyStartedFailure",
                &details::ActivityExecutionAlreadyStartedFailure {
                    start_request_id: start_request_id.clone(),
                    run_id: run_id.clone(),
                },
            )),
            Self::NexusOperationExecutionAlreadyStarted {
                start_request_id,
                run_id,
            } => Some(any(
                "NexusOperationExecutionAlreadyStartedFailure",
                &details::NexusOperationExecutionAlreadyStartedFailure {
                    start_request_id: start_request_id.clone(),
                    run_id: run_id.clone(),
                },
            )),
            Self::WorkflowNotReady(_) => Some(any("WorkflowNotReadyFailure", &details::WorkflowNotReadyFailure {})),
            Self::QueryFailed { failure, .. } => Some(any(
                "QueryFailedFailure",
                &details::QueryFailedFailure {
                    failure: failure.as_deref().cloned(),
                },
            )),
            Self::WorkflowTaskCompletionBufferLost(_) => Some(any(
                "WorkflowTaskCompletionBufferLostFailure",
                &details::WorkflowTaskCompletionBufferLostFailure {},
            )),
            Self::NewerBuildExists(build_id) => Some(any(
                "NewerBuildExistsFailure",
                &details::NewerBuildExistsFailure {
                    default_build_id: build_id.clone(),
                },
            )),
            Self::OperationAborted => Some(prost_types::Any {
                type_url: "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted".to_owned(),
                value: MultiOperationExecutionAborted {}.encode_to_vec(),
            }),
            Self::MultiOperation(operations) => Some(any(
                "MultiOperationExecutionFailure",
                &details::MultiOperationExecutionFailure {
                    statuses: operations.iter().map(operation_status).collect(),
                },
            )),
            _ => None,
        }
    }

    /// The workflow execution isn't in the namespace at all.
    pub(crate) fn workflow_not_found(workflow_id: &str) -> Self {
        Self::NotFound(format!("workflow not found for ID: {workflow_id}"))
    }

    /// The workflow execution has ended under an update that it hadn't taken yet.
    pub(crate) fn update_aborted_by_close() -> Self {
        Self::NotFound("workflow update was aborted by closing workflow".to_owned())
    }

    /// The workflow execution has ended, and the request needs it open.
    pub(crate) fn workflow_completed() -> Self {
        Self::NotFound("workflow execution already completed".to_owned())
    }
}

/// `NAMESPACE_STATE_DELETED` as Temporal's texts write it: `Deleted`.
fn state_name(state: NamespaceState) -> String {
    let name = state.as_str_name().trim_start_matches("NAMESPACE_STATE_");
    let (first, rest) = name.split_at(name.len().min(1));
    format!("{first}{}", rest.to_lowercase())
}

/// One operation's own status inside the detail of a refused multi-operation.
fn operation_status(reject: &Option<Reject>) -> details::multi_operation_execution_failure::OperationStatus {
    let Some(reject) = reject else {
        return details::multi_operation_execution_failure::OperationStatus::default();
    };
    details::multi_operation_execution_failure::OperationStatus {
        code: reject.code() as i32,
        message: reject.message(),
        details: reject.detail().into_iter().collect(),
    }
}

fn any<M: Message>(name: &str, message: &M) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/temporal.api.errordetails.v1.{name}"),
        value: message.encode_to_vec(),
    }
}
