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
    /// The provider's SDK isn't installed.
    VerifierProviderUnavailable {
        provider: &'static str,
        extra: &'static str,
    },
    /// An environment variable isn't set.
    VerifierApiKeyMissing {
        variable: String,
    },
    VerifierEndpointMissing {
        variable: String,
    },
    /// The caller is known, and may not.
    Forbidden(&'static str),
    /// Something isn't as it must be, in the route's own words.
    BadRequest(String),
    /// Something isn't there, in the route's own words.
    NothingThere(String),
    /// What the route needs isn't configured.
    NotConfigured(&'static str),
    /// A third party refuses, in the route's words.
    Upstream(&'static str),
    /// Nobody has this address and password, or what a link proves isn't so.
    NotProven(&'static str),
    /// Too many attempts.
    TooManyAttempts(&'static str),
    /// An embed token that opens nothing.
    InvalidEmbedToken {
        reason: String,
    },
    EmbedOriginNotAllowed {
        origin: String,
    },
    ServiceKeyNotFound,
    UserNotFound {
        id: String,
    },
    UserAlreadyExists {
        conflict: &'static str,
    },
    UserNoAddress,
    /// The last active operator would be gone.
    LastOperator {
        action: &'static str,
    },
    SetupAlreadyCompleted,
    InvalidSetupToken,
    /// The real server raises something that it doesn't expect.
    Internal,
}

impl Reject {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Redirect { .. } => 307,
            Self::UnreadableBody
            | Self::ClaimNeedsSession
            | Self::BadRequest(_)
            | Self::EmbedOriginNotAllowed { .. } => 400,
            Self::Unauthenticated | Self::NotProven(_) | Self::InvalidEmbedToken { .. } | Self::ServiceKeyNotFound => {
                401
            }
            Self::Forbidden(_) | Self::InvalidSetupToken => 403,
            Self::NotFound
            | Self::NothingThere(_)
            | Self::TaskNotFound { .. }
            | Self::DeliveryNotFound
            | Self::UserNotFound { .. } => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::TaskAlreadyTerminal { .. }
            | Self::TaskAlreadyClaimed { .. }
            | Self::UserAlreadyExists { .. }
            | Self::LastOperator { .. }
            | Self::SetupAlreadyCompleted => 409,
            Self::TooManyAttempts(_) => 429,
            Self::UserNoAddress => 422,
            Self::NotConfigured(_) => 503,
            Self::Invalid(_) | Self::VerifierConfigInvalid { .. } | Self::VerifierProviderUnknown { .. } => 422,
            Self::VerifierProviderUnavailable { .. }
            | Self::VerifierApiKeyMissing { .. }
            | Self::VerifierEndpointMissing { .. }
            | Self::Internal => 500,
            Self::VerifierProviderError { .. } | Self::Upstream(_) => 502,
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
            Self::VerifierProviderUnavailable { provider, extra } => error(
                "VERIFIER_PROVIDER_UNAVAILABLE",
                &format!(
                    "Verifier provider '{provider}' requires the [{extra}] extra. Install with: pip install \
                     \"awaithumans[{extra}]\""
                ),
            ),
            Self::VerifierApiKeyMissing { variable } => error(
                "VERIFIER_API_KEY_MISSING",
                &format!(
                    "Verifier API key not configured. Set the '{variable}' environment variable on the awaithumans server \
                     (not in the agent process)."
                ),
            ),
            Self::VerifierEndpointMissing { variable } => error(
                "VERIFIER_ENDPOINT_MISSING",
                &format!(
                    "Verifier endpoint URL not configured. Set the '{variable}' environment variable on the awaithumans \
                     server."
                ),
            ),
            Self::Forbidden(text)
            | Self::NotConfigured(text)
            | Self::Upstream(text)
            | Self::NotProven(text)
            | Self::TooManyAttempts(text) => detail(text),
            Self::BadRequest(text) | Self::NothingThere(text) => detail(text),
            // The middleware that looks at embed tokens has a form of its own.
            Self::InvalidEmbedToken { reason } => Object::new()
                .with(
                    "error",
                    Object::new()
                        .with("code", "INVALID_EMBED_TOKEN")
                        .with("message", format!("Invalid embed token: {reason}.")),
                )
                .into(),
            Self::EmbedOriginNotAllowed { .. }
            | Self::ServiceKeyNotFound
            | Self::UserNotFound { .. }
            | Self::UserAlreadyExists { .. }
            | Self::UserNoAddress
            | Self::LastOperator { .. }
            | Self::SetupAlreadyCompleted
            | Self::InvalidSetupToken => self.directory_error(),
            Self::Internal => error("INTERNAL_ERROR", "An unexpected error occurred."),
        })
    }

    /// What is said of users, of setting up and of embed tokens.
    fn directory_error(&self) -> Json {
        match self {
            Self::EmbedOriginNotAllowed { origin } => error(
                "EMBED_ORIGIN_NOT_ALLOWED",
                &format!("Origin '{origin}' is not in the embed allowlist."),
            ),
            Self::ServiceKeyNotFound => error("SERVICE_KEY_NOT_FOUND", "Service key not recognised or revoked."),
            Self::UserNotFound { id } => error("USER_NOT_FOUND", &format!("User '{id}' not found.")),
            Self::UserAlreadyExists { conflict } => error(
                "USER_ALREADY_EXISTS",
                &format!(
                    "A user with this {conflict} already exists. Each email and each (slack_team_id, slack_user_id) pair is \
                     unique across the directory."
                ),
            ),
            Self::LastOperator { action } => error(
                "LAST_OPERATOR",
                &format!(
                    "Can't {action} the last active operator — at least one operator must remain so the dashboard stays \
                     manageable. Promote another user to operator first."
                ),
            ),
            Self::SetupAlreadyCompleted => error(
                "SETUP_ALREADY_COMPLETED",
                "First-run setup has already been completed. Sign in with your operator credentials via /api/auth/login \
                 instead.",
            ),
            Self::InvalidSetupToken => error(
                "INVALID_SETUP_TOKEN",
                "Invalid setup token. The token is printed to the server log on startup; restart the server to generate a \
                 fresh one.",
            ),
            _ => error(
                "USER_NO_ADDRESS",
                "A user must have at least one delivery address: either an email or a (slack_team_id, slack_user_id) pair. \
                 Rows with neither can't be reached by any channel.",
            ),
        }
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
