use awaithumans_temporal::wire::json::{Json, Object, Text};

use super::task::Status;

const TROUBLESHOOTING: &str = "https://docs.awaithumans.dev/troubleshooting";

/// Why a request is refused: data only, turned into an answer in one place. Source of codes and texts: the exceptions of
/// awaithumans 0.1.12, and the recordings for what FastAPI says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reject {
    /// No valid token.
    Unauthenticated,
    /// No such path.
    NotFound,
    /// A path that exists, for another method.
    MethodNotAllowed {
        allow: &'static str,
    },
    /// A path that exists without its last slash.
    Redirect {
        location: String,
    },
    /// The body isn't even decodable.
    UnreadableBody,
    /// Fields that pydantic refuses.
    Invalid(Vec<Problem>),
    /// A bearer token has no identity to claim with.
    ClaimNeedsSession,
    TaskNotFound {
        id: String,
    },
    TaskAlreadyTerminal {
        id: String,
        status: Status,
    },
    TaskAlreadyClaimed {
        id: String,
    },
    DeliveryNotFound,
    /// `verifier_config` as stored isn't one.
    VerifierConfigInvalid {
        detail: String,
    },
    VerifierProviderUnknown {
        provider: String,
    },
    VerifierProviderError {
        provider: String,
        detail: String,
    },
    /// The real server raises something that it doesn't expect.
    Internal,
}

impl Reject {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Redirect { .. } => 307,
            Self::UnreadableBody | Self::ClaimNeedsSession => 400,
            Self::Unauthenticated => 401,
            Self::NotFound | Self::TaskNotFound { .. } | Self::DeliveryNotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::TaskAlreadyTerminal { .. } | Self::TaskAlreadyClaimed { .. } => 409,
            Self::Invalid(_) | Self::VerifierConfigInvalid { .. } | Self::VerifierProviderUnknown { .. } => 422,
            Self::Internal => 500,
            Self::VerifierProviderError { .. } => 502,
        }
    }

    /// The body; `None` for an empty one.
    pub(crate) fn body(&self) -> Option<Json> {
        Some(match self {
            Self::Redirect { .. } => return None,
            Self::Unauthenticated => detail("Authentication required."),
            Self::NotFound => detail("Not Found"),
            Self::MethodNotAllowed { .. } => detail("Method Not Allowed"),
            Self::UnreadableBody => detail("There was an error parsing the body"),
            Self::ClaimNeedsSession => detail(
                "Claim requires a logged-in operator session. Admin bearer tokens have no user identity to assign.",
            ),
            Self::DeliveryNotFound => detail("Webhook delivery not found."),
            Self::Invalid(problems) => {
                let problems = problems.iter().map(Problem::to_json).collect();
                Object::new().with("detail", Json::Array(problems)).into()
            }
            Self::TaskNotFound { id } => error("TASK_NOT_FOUND", &format!("Task '{id}' not found.")),
            Self::TaskAlreadyTerminal { id, status } => error(
                "TASK_ALREADY_TERMINAL",
                &format!("Task '{id}' is already in terminal status '{}'.", status.as_str()),
            ),
            Self::TaskAlreadyClaimed { id } => error(
                "TASK_ALREADY_CLAIMED",
                &format!("Task '{id}' was already claimed by another user."),
            ),
            Self::VerifierConfigInvalid { detail } => error(
                "VERIFIER_CONFIG_INVALID",
                &format!("The task's stored verifier_config doesn't match the current schema: {detail}"),
            ),
            Self::VerifierProviderUnknown { provider } => error(
                "VERIFIER_PROVIDER_UNKNOWN",
                &format!(
                    "Unknown verifier provider '{provider}'. Supported providers: anthropic, azure, azure_openai, claude, \
                     gemini, google, openai."
                ),
            ),
            Self::VerifierProviderError { provider, detail } => error(
                "VERIFIER_PROVIDER_ERROR",
                &format!("Verifier provider '{provider}' failed: {detail}"),
            ),
            Self::Internal => error("INTERNAL_ERROR", "An unexpected error occurred."),
        })
    }
}

fn detail(text: &str) -> Json {
    Object::new().with("detail", text).into()
}

/// The documentation's anchor is the code in lower case with dashes, for every code.
fn error(code: &str, message: &str) -> Json {
    let anchor = code.to_ascii_lowercase().replace('_', "-");
    Object::new()
        .with("error", code)
        .with("message", message)
        .with("docs", format!("{TROUBLESHOOTING}#{anchor}"))
        .into()
}

/// One entry of a 422: what pydantic found wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// pydantic's name of the error.
    pub(crate) kind: &'static str,
    /// The path to the value: `body` or `query`, then names and places.
    pub(crate) location: Vec<Json>,
    pub(crate) message: String,
    /// What was there instead.
    pub(crate) input: Json,
    /// The numbers in the message.
    pub(crate) context: Option<Object>,
}

impl Problem {
    /// A problem of a field of the body.
    pub(crate) fn in_body(field: &str, kind: &'static str, message: impl Into<String>, input: Json) -> Self {
        Self {
            kind,
            location: vec!["body".into(), field.into()],
            message: message.into(),
            input,
            context: None,
        }
    }

    /// The same problem, one step further down.
    pub(crate) fn under(mut self, step: impl Into<Json>) -> Self {
        self.location.push(step.into());
        self
    }

    fn to_json(&self) -> Json {
        let mut object = Object::new()
            .with("type", self.kind)
            .with("loc", Json::Array(self.location.clone()))
            .with("msg", self.message.as_str())
            .with("input", self.input.clone());
        if let Some(context) = &self.context {
            object.insert(Text::from("ctx"), context.clone().into());
        }
        object.into()
    }
}
