//! Who calls, and what they may do: the admin token, an operator or a reviewer with a session, the holder of an embed token.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Human;
use super::embed;
use super::reject::Reject;
use super::session::Session;
use super::task::Task;
use crate::clock::Timestamp;

/// Paths that need nobody to be known. Source: `_PUBLIC_PREFIXES` of awaithumans 0.1.12.
const PUBLIC_PREFIXES: [&str; 12] = [
    "/api/auth/",
    "/api/setup/",
    "/api/health",
    "/api/version",
    "/api/docs",
    "/api/redoc",
    "/api/openapi.json",
    "/api/channels/slack/oauth/",
    "/api/channels/slack/interactions",
    "/api/channels/slack/events",
    "/api/channels/email/action/",
    "/api/embed/",
];

const ADMIN_TOKEN: HeaderName = HeaderName::from_static("x-admin-token");

/// What service keys begin with: they are for minting embed tokens only.
pub(crate) const SERVICE_KEY_PREFIX: &str = "ah_sk_";

/// Who calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// Bears the admin token.
    is_admin: bool,
    /// Bears the admin token in its own header, which counts beside an embed token (measured).
    has_admin_header: bool,
    session: Option<Session>,
    /// The only task that an embed token opens.
    embedded_task: Option<String>,
}

impl Caller {
    /// Finds out who calls, or that a path needs somebody and nobody does. An embed token is looked at first, on every path.
    pub(crate) fn identify(human: &Human, now: Timestamp, path: &str, headers: &HeaderMap) -> Result<Self, Reject> {
        let bearer = bearer(headers);
        let mut caller = Self::default();
        if let (Some(token), Some(secret)) = (bearer.and_then(embed_token), secret(human)) {
            let task_id = embed::verify(secret, now, token).map_err(|reason| Reject::InvalidEmbedToken { reason })?;
            caller.embedded_task = Some(task_id);
            caller.has_admin_header =
                admin_header(headers).is_some_and(|token| is_admin_token(human, token) == Ok(true));
            return Ok(caller);
        }
        let is_public = !path.starts_with("/api/") || PUBLIC_PREFIXES.iter().any(|prefix| path.starts_with(prefix));
        if is_public {
            return Ok(caller);
        }
        let supplied = bearer.or_else(|| admin_header(headers));
        caller.is_admin = supplied.map_or(Ok(false), |token| is_admin_token(human, token))?;
        if !caller.is_admin {
            caller.session = Session::of_request(&human.keys.session, now, headers);
        }
        match caller.is_admin || caller.session.is_some() {
            true => Ok(caller),
            false => Err(Reject::Unauthenticated),
        }
    }

    /// Agents and operators only, where the route itself is closed to others.
    pub(crate) fn require_admin(&self) -> Result<(), Reject> {
        match self.is_admin || self.has_admin_header || self.is_operator() {
            true => Ok(()),
            false => Err(Reject::Forbidden("Admin access required.")),
        }
    }

    /// Agents and operators only, where the route is open but what it does isn't.
    pub(crate) fn require_operator(&self) -> Result<(), Reject> {
        match self.sees_all() {
            true => Ok(()),
            false => Err(Reject::Forbidden("Operator access required.")),
        }
    }

    /// Agents, operators, and whom the task was assigned to.
    pub(crate) fn require_task(&self, task: &Task) -> Result<(), Reject> {
        let is_assignee = self.user_id().is_some() && self.user_id() == task.assigned_to_user_id.as_deref();
        match self.sees_all() || is_assignee {
            true => Ok(()),
            false => Err(Reject::Forbidden("You don't have access to this task.")),
        }
    }

    /// Whether an embed token calls, and if so refuses it any task but its own.
    pub(crate) fn is_embed_of(&self, task_id: &str) -> Result<bool, Reject> {
        match &self.embedded_task {
            None => Ok(false),
            Some(own) if own == task_id => Ok(true),
            Some(_) => Err(Reject::Forbidden("task_outside_token_scope")),
        }
    }

    pub(crate) fn is_embed(&self) -> bool {
        self.embedded_task.is_some()
    }

    /// Whether all tasks are shown.
    pub(crate) fn sees_all(&self) -> bool {
        self.is_admin || self.is_operator()
    }

    /// The user who is logged in; a token is nobody.
    pub(crate) fn user_id(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.user_id.as_str())
    }

    fn is_operator(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_operator)
    }
}

/// What follows `Bearer `, whose case doesn't matter.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)?;
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn admin_header(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(ADMIN_TOKEN).map(HeaderValue::as_bytes)
}

/// A bearer token that has the form of an embed token.
fn embed_token(bearer: &[u8]) -> Option<&str> {
    let token = std::str::from_utf8(bearer).ok()?;
    let has_form = token.bytes().filter(|byte| *byte == b'.').count() == 2;
    (has_form && !token.starts_with(SERVICE_KEY_PREFIX)).then_some(token)
}

fn secret(human: &Human) -> Option<&str> {
    human.config.embed_secret.as_deref().filter(|secret| !secret.is_empty())
}

/// Python's `compare_digest` raises on text beyond ASCII (recorded).
fn is_admin_token(human: &Human, supplied: &[u8]) -> Result<bool, Reject> {
    let token = human.config.admin_token.as_bytes();
    if token.is_empty() || supplied.is_empty() {
        return Ok(false);
    }
    match supplied.is_ascii() && token.is_ascii() {
        true => Ok(supplied == token),
        false => Err(Reject::Internal),
    }
}
