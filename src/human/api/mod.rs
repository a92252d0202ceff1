//! The HTTP routes: a table, what happens before and after every route, and one file for each family.

mod acts;
mod auth;
mod body;
mod deliveries;
mod email;
mod embed;
mod envelope;
mod meta;
mod query;
mod setup;
mod slack;
mod stats;
mod tasks;
mod users;
mod view;

pub(super) use acts::poll_answer;
pub(super) use body::{boolean, in_range, integer};
pub(super) use envelope::Envelope;
#[cfg(feature = "serve")]
pub(crate) use envelope::http_date;
pub(crate) use envelope::internal_error;
pub(super) use query::percent_decode;

use std::borrow::Cow;

use awaithumans_temporal::wire::json::{Json, Text};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, Uri};

use super::Human;
use super::access::Caller;
use super::embed::parse_allowlist;
use super::reject::Reject;
use crate::clock::Timestamp;
use crate::journal::{Journal, Party};

/// The routes, in the order in which the real server registers them: the method of the first one on a path is the only one
/// that a 405 allows (measured).
const ROUTES: [Route; 46] = [
    document("/api/openapi.json", meta::openapi),
    document("/api/docs", meta::docs),
    document("/api/redoc", meta::redoc),
    reading("POST", "/api/auth/login", auth::login),
    route("POST", "/api/auth/logout", auth::logout),
    route("GET", "/api/auth/me", auth::me),
    route("GET", "/api/auth/slack-handoff", auth::slack_handoff),
    route("GET", "/api/auth/email-handoff", auth::email_handoff),
    route("GET", "/api/status", meta::status),
    route("GET", "/api/stats/tasks", stats::tasks),
    reading("POST", "/api/tasks", tasks::create),
    route("GET", "/api/tasks", tasks::list),
    route("GET", "/api/tasks/{id}", tasks::get),
    reading("POST", "/api/tasks/{id}/complete", acts::complete),
    route("POST", "/api/tasks/{id}/claim", acts::claim),
    route("POST", "/api/tasks/{id}/cancel", acts::cancel),
    route("DELETE", "/api/tasks/{id}", tasks::delete),
    route("GET", "/api/tasks/{id}/poll", acts::poll),
    route("GET", "/api/tasks/{id}/audit", tasks::audit),
    route("GET", "/api/health", meta::health),
    route("GET", "/api/version", meta::version),
    reading("POST", "/api/channels/slack/interactions", slack::interactions),
    route("GET", "/api/channels/slack/oauth/start", slack::oauth_start),
    route("GET", "/api/channels/slack/oauth/callback", slack::oauth_callback),
    route("GET", "/api/channels/slack/installations", slack::installations),
    route("GET", "/api/channels/slack/static-workspace", slack::static_workspace),
    route("DELETE", "/api/channels/slack/installations/{id}", slack::uninstall),
    route("GET", "/api/channels/slack/installations/{id}/members", slack::members),
    reading("POST", "/api/channels/email/identities", email::put_identity),
    route("GET", "/api/channels/email/identities", email::list_identities),
    route("GET", "/api/channels/email/identities/{id}", email::get_identity),
    route("DELETE", "/api/channels/email/identities/{id}", email::delete_identity),
    route("GET", "/api/channels/email/action/{id}", email::confirm_action),
    route("POST", "/api/channels/email/action/{id}", email::submit_action),
    reading("POST", "/api/admin/users", users::create),
    route("GET", "/api/admin/users", users::list),
    route("GET", "/api/admin/users/{id}", users::get),
    reading("PATCH", "/api/admin/users/{id}", users::update),
    route("DELETE", "/api/admin/users/{id}", users::delete),
    reading("POST", "/api/admin/users/{id}/password", users::set_password),
    route("DELETE", "/api/admin/users/{id}/password", users::clear_password),
    route("GET", "/api/setup/status", setup::status),
    reading("POST", "/api/setup/operator", setup::create_operator),
    route("GET", "/api/admin/webhook-deliveries", deliveries::list),
    route(
        "POST",
        "/api/admin/webhook-deliveries/{id}/redeliver",
        deliveries::redeliver,
    ),
    reading("POST", "/api/embed/tokens", embed::mint),
];

struct Route {
    method: &'static str,
    /// What a 405 allows.
    allow: &'static str,
    pattern: &'static str,
    /// Whether it waits for the body of a request.
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "in process, bodies are there"))]
    reads_body: bool,
    handler: Handler,
}

type Handler = fn(&mut Human, &mut Call<'_>) -> Result<Answer, Reject>;

const fn route(method: &'static str, pattern: &'static str, handler: Handler) -> Route {
    Route {
        method,
        allow: method,
        pattern,
        reads_body: false,
        handler,
    }
}

/// A route that reads the body. The others answer before it is there.
const fn reading(method: &'static str, pattern: &'static str, handler: Handler) -> Route {
    Route {
        reads_body: true,
        ..route(method, pattern, handler)
    }
}

/// A route that FastAPI itself adds: it answers to `HEAD` too.
const fn document(pattern: &'static str, handler: Handler) -> Route {
    Route {
        method: "GET",
        allow: "HEAD, GET",
        pattern,
        reads_body: false,
        handler,
    }
}

/// A request on its way to its route.
struct Call<'a> {
    now: Timestamp,
    journal: &'a mut Journal,
    ticket: u64,
    headers: HeaderMap,
    query: Option<String>,
    body: Bytes,
    /// What stands in the path for `{id}`.
    id: String,
    caller: Caller,
    envelope: Envelope,
}

/// What a route gives back.
#[derive(Debug)]
pub(super) enum Answer {
    /// A JSON body.
    Json { status: u16, body: Json },
    /// A JSON body that is written already.
    Written { status: u16, body: String },
    /// 201 for a task that existed already, and its JSON.
    Replayed { body: String },
    /// 204.
    NoContent,
    /// A page for people.
    Page { status: u16, html: Cow<'static, str> },
    /// A JSON document as it was recorded.
    Document(&'static str),
    /// Leads somewhere else.
    Redirect { status: u16, location: String },
    /// Another answer, with a cookie.
    WithCookie { cookie: String, answer: Box<Answer> },
    /// The answer comes later.
    Parked,
}

impl Answer {
    fn with_cookie(self, cookie: String) -> Self {
        Self::WithCookie {
            cookie,
            answer: Box::new(self),
        }
    }
}

/// Answers a request; `None` for a long poll that was parked.
pub(super) fn handle(
    human: &mut Human,
    now: Timestamp,
    journal: &mut Journal,
    ticket: u64,
    request: Request<Bytes>,
) -> Option<Response<Bytes>> {
    let (parts, body) = request.into_parts();
    let fresh_id = human.request_ids.uuid_hex();
    let mut envelope = Envelope::of(&human.config, &parts.method, &parts.headers, &fresh_id);
    if let Some(response) = envelope.preflight(now, &parts.method, &parts.headers) {
        return Some(response);
    }
    let path = percent_decode(parts.uri.path());
    let caller = match Caller::identify(human, now, &path, &parts.headers) {
        Ok(caller) => caller,
        Err(reject) => return Some(envelope.respond(now, Err(reject))),
    };
    if path.starts_with("/embed") {
        match parse_allowlist(&human.config.parent_origins) {
            Some(allowlist) => envelope.frame_only_in(&allowlist),
            None => return Some(envelope.respond(now, Err(Reject::Internal))),
        }
    }
    let mut call = Call {
        now,
        journal,
        ticket,
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
        id: String::new(),
        caller,
        envelope: envelope.clone(),
    };
    let answer = find(human, &parts.method, &path, &parts.uri, &mut call).and_then(|handler| handler(human, &mut call));
    human.send_next(now, call.journal);
    match answer {
        Ok(Answer::Parked) => None,
        answer => Some(envelope.respond(now, answer)),
    }
}

/// Whether a request's body is waited for: only if its route reads it, and nothing refuses it before.
#[cfg(feature = "serve")]
pub(super) fn reads_body(human: &Human, now: Timestamp, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let path = percent_decode(uri.path());
    let mut routes = ROUTES
        .iter()
        .filter(|route| route.reads_body && route.method == method.as_str());
    routes.any(|route| matches(route.pattern, &path).is_some()) && Caller::identify(human, now, &path, headers).is_ok()
}

/// A text for a column of the database, which can't hold a lone surrogate (the real server answers 500).
fn storable(text: &Text) -> Result<String, Reject> {
    text.as_str().map(str::to_owned).ok_or(Reject::Internal)
}

/// The route's handler; what stands for `{id}` goes into the call.
fn find(human: &Human, method: &Method, path: &str, uri: &Uri, call: &mut Call<'_>) -> Result<Handler, Reject> {
    let mut allow = None;
    for route in &ROUTES {
        let Some(id) = matches(route.pattern, path) else {
            continue;
        };
        let is_head = method == Method::HEAD && route.allow != route.method;
        if route.method == method.as_str() || is_head {
            id.clone_into(&mut call.id);
            return Ok(route.handler);
        }
        allow.get_or_insert(route.allow);
    }
    if let Some(allow) = allow {
        return Err(Reject::MethodNotAllowed { allow });
    }
    let other = match path.strip_suffix('/') {
        Some(_) => path.trim_end_matches('/').to_owned(),
        None => format!("{path}/"),
    };
    if ROUTES.iter().any(|route| matches(route.pattern, &other).is_some()) {
        return Err(redirect(human, &other, uri, &call.headers));
    }
    let line = format!("no route for {method} {path}: 404 (the fake server doesn't have it)");
    call.journal.headline(call.now, Party::Awaithumans, line);
    Err(Reject::NotFound)
}

/// Starlette sends a path with one slash too many to the path without.
fn redirect(human: &Human, path: &str, uri: &Uri, headers: &HeaderMap) -> Reject {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let base = host.map_or_else(|| human.config.public_url.clone(), |host| format!("http://{host}"));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}{path}{query}", base.trim_end_matches('/'));
    Reject::Redirect { location }
}

/// Whether a decoded path fits a pattern; gives what stands for `{id}`, or an empty text.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let after = after.strip_prefix("id}")?;
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_patterns_segment_by_segment() {
        assert_eq!(matches("/api/tasks/{id}/poll", "/api/tasks/ä b/poll"), Some("ä b"));
        assert_eq!(matches("/api/tasks", "/api/tasks"), Some(""));
        for path in ["/api/tasks/", "/api/tasks/a/b", "/api//tasks", "/api/tasks//poll", ""] {
            assert_eq!(matches("/api/tasks/{id}", path), None, "{path}");
        }
    }
}
