//! The HTTP routes: a table, what happens before and after every route, and one file for each family.

mod acts;
mod body;
mod deliveries;
mod meta;
mod tasks;
mod view;

pub(super) use acts::poll_answer;
pub(super) use body::percent_decode;

use awaithumans_temporal::wire::json::Json;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, LOCATION, ORIGIN, SERVER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::Human;
use super::reject::Reject;
use crate::clock::Timestamp;
use crate::journal::{Journal, Party};

/// The routes, in the order in which the real server registers them: the method of the first one on a path is the only one
/// that a 405 allows (measured).
const ROUTES: [Route; 15] = [
    route("GET", "/api/status", meta::status),
    route("POST", "/api/tasks", tasks::create),
    route("GET", "/api/tasks", tasks::list),
    route("GET", "/api/tasks/{id}", tasks::get),
    route("POST", "/api/tasks/{id}/complete", acts::complete),
    route("POST", "/api/tasks/{id}/claim", acts::claim),
    route("POST", "/api/tasks/{id}/cancel", acts::cancel),
    route("DELETE", "/api/tasks/{id}", tasks::delete),
    route("GET", "/api/tasks/{id}/poll", acts::poll),
    route("GET", "/api/tasks/{id}/audit", tasks::audit),
    route("GET", "/api/health", meta::health),
    route("GET", "/api/version", meta::version),
    route("GET", "/api/admin/webhook-deliveries", deliveries::list),
    route(
        "POST",
        "/api/admin/webhook-deliveries/{id}/redeliver",
        deliveries::redeliver,
    ),
    route("GET", "/api/setup/status", meta::setup_status),
];

/// Paths that need no token. Source: `_PUBLIC_PREFIXES` of awaithumans 0.1.12.
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

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ADMIN_TOKEN: HeaderName = HeaderName::from_static("x-admin-token");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");
const REQUEST_METHOD: HeaderName = HeaderName::from_static("access-control-request-method");
const REQUEST_HEADERS: HeaderName = HeaderName::from_static("access-control-request-headers");

struct Route {
    method: &'static str,
    pattern: &'static str,
    handler: Handler,
}

type Handler = fn(&mut Human, &mut Call<'_>) -> Result<Answer, Reject>;

const fn route(method: &'static str, pattern: &'static str, handler: Handler) -> Route {
    Route {
        method,
        pattern,
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
    envelope: Envelope,
}

/// What a route gives back.
#[derive(Debug)]
pub(super) enum Answer {
    /// A JSON body.
    Json { status: u16, body: Json },
    /// 201 for a task that existed already.
    Replayed { body: Json },
    /// 204.
    NoContent,
    /// The answer comes later.
    Parked,
}

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    request_id: HeaderValue,
    cross_origin: bool,
    head: bool,
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
    let envelope = Envelope::of(&parts.method, &parts.headers, &fresh_id);
    if let Some(response) = preflight(now, &envelope, &parts.method, &parts.headers) {
        return Some(response);
    }
    let path = percent_decode(parts.uri.path());
    let mut call = Call {
        now,
        journal,
        ticket,
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
        id: String::new(),
        envelope: envelope.clone(),
    };
    let answer = authenticate(human, &path, &call.headers)
        .and_then(|()| find(human, &parts.method, &path, &parts.uri, &mut call))
        .and_then(|handler| handler(human, &mut call));
    human.send_next(now, call.journal);
    match answer {
        Ok(Answer::Parked) => None,
        answer => Some(envelope.respond(now, answer)),
    }
}

/// Lets a public path or a valid token through. Source: `DashboardAuthMiddleware`.
fn authenticate(human: &Human, path: &str, headers: &HeaderMap) -> Result<(), Reject> {
    let public = !path.starts_with("/api/") || PUBLIC_PREFIXES.iter().any(|prefix| path.starts_with(prefix));
    if public {
        return Ok(());
    }
    let authorization = headers
        .get(AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let bearer = authorization
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    let supplied = match bearer {
        Some(_) => authorization[7..].trim_ascii(),
        None => headers.get(ADMIN_TOKEN).map(HeaderValue::as_bytes).unwrap_or_default(),
    };
    // Python's compare_digest raises on text beyond ASCII (recorded).
    if !supplied.is_ascii() {
        return Err(Reject::Internal);
    }
    let token = human.config.admin_token.as_bytes();
    match !token.is_empty() && supplied == token {
        true => Ok(()),
        false => Err(Reject::Unauthenticated),
    }
}

/// The route's handler; what stands for `{id}` goes into the call.
fn find(human: &Human, method: &Method, path: &str, uri: &Uri, call: &mut Call<'_>) -> Result<Handler, Reject> {
    let mut allow = None;
    for route in &ROUTES {
        let Some(id) = matches(route.pattern, path) else {
            continue;
        };
        if route.method == method.as_str() {
            call.id = id;
            return Ok(route.handler);
        }
        allow.get_or_insert(route.method);
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
fn matches(pattern: &str, path: &str) -> Option<String> {
    let mut id = String::new();
    let mut wanted = pattern.split('/');
    let mut found = path.split('/');
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(id),
            (Some("{id}"), Some(segment)) if !segment.is_empty() => segment.clone_into(&mut id),
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return None,
        }
    }
}

/// The answer to a browser that asks before it asks. Source: recording "cors preflight".
fn preflight(now: Timestamp, envelope: &Envelope, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
    if method != Method::OPTIONS || !envelope.cross_origin || !headers.contains_key(REQUEST_METHOD) {
        return None;
    }
    let mut response = start(now, 200);
    let out = response.headers_mut();
    out.insert(
        VARY,
        HeaderValue::from_static(
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
             Access-Control-Request-Private-Network",
        ),
    );
    out.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let methods = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY");
    out.insert(HeaderName::from_static("access-control-allow-methods"), methods);
    out.insert(
        HeaderName::from_static("access-control-max-age"),
        HeaderValue::from_static("600"),
    );
    if let Some(asked) = headers.get(REQUEST_HEADERS) {
        out.insert(HeaderName::from_static("access-control-allow-headers"), asked.clone());
    }
    out.insert(CONTENT_LENGTH, HeaderValue::from_static("2"));
    out.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    out.insert(REQUEST_ID, envelope.request_id.clone());
    *response.body_mut() = Bytes::from_static(b"OK");
    Some(response)
}

impl Envelope {
    fn of(method: &Method, headers: &HeaderMap, fresh_id: &str) -> Self {
        // The real server takes 16 digits of a UUID.
        let fresh = || HeaderValue::from_str(fresh_id.get(..16).unwrap_or(fresh_id)).ok();
        let request_id = headers.get(REQUEST_ID).cloned().or_else(fresh);
        Self {
            request_id: request_id.unwrap_or(HeaderValue::from_static("0")),
            cross_origin: headers.contains_key(ORIGIN),
            head: method == Method::HEAD,
        }
    }

    /// Turns an answer or a refusal into bytes. What can't be written becomes the real server's 500.
    pub(super) fn respond(&self, now: Timestamp, answer: Result<Answer, Reject>) -> Response<Bytes> {
        let written = match answer {
            Ok(answer) => self.write_answer(now, answer),
            Err(Reject::Internal) => None,
            Err(reject) => self.write_reject(now, &reject),
        };
        // The 500 comes from outside of the middlewares: neither `vary` nor `x-request-id`.
        written.unwrap_or_else(|| {
            let body = Reject::Internal
                .body()
                .and_then(|body| body.to_utf8().ok())
                .unwrap_or_default();
            let mut response = start(now, 500);
            set_json(&mut response, body);
            response
        })
    }

    fn write_answer(&self, now: Timestamp, answer: Answer) -> Option<Response<Bytes>> {
        let (status, body, replayed) = match answer {
            Answer::Json { status, body } => (status, Some(body), false),
            Answer::Replayed { body } => (201, Some(body), true),
            Answer::NoContent | Answer::Parked => (204, None, false),
        };
        let mut response = start(now, status);
        if let Some(body) = body {
            set_json(&mut response, body.to_response().ok()?);
        }
        if replayed {
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Some(self.finish(response))
    }

    fn write_reject(&self, now: Timestamp, reject: &Reject) -> Option<Response<Bytes>> {
        let mut response = start(now, reject.status());
        match reject {
            Reject::MethodNotAllowed { allow } => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            }
            Reject::Redirect { location } => {
                let headers = response.headers_mut();
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                headers.insert(LOCATION, HeaderValue::from_str(location).ok()?);
            }
            _ => {}
        }
        if let Some(body) = reject.body() {
            set_json(&mut response, body.to_utf8().ok()?);
        }
        Some(self.finish(response))
    }

    fn finish(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let headers = response.headers_mut();
        if self.cross_origin {
            headers.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.insert(REQUEST_ID, self.request_id.clone());
        if self.head {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

/// A response with the headers that uvicorn puts first.
fn start(now: Timestamp, status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        headers.insert(DATE, date);
    }
    headers.insert(SERVER, HeaderValue::from_static("uvicorn"));
    response
}

fn set_json(response: &mut Response<Bytes>, body: String) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Bytes::from(body);
}

/// Virtual time in the form of the `date` header.
fn http_date(now: Timestamp) -> String {
    let seconds = i64::try_from(now.as_seconds()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_patterns_segment_by_segment() {
        assert_eq!(
            matches("/api/tasks/{id}/poll", "/api/tasks/ä b/poll").as_deref(),
            Some("ä b")
        );
        assert_eq!(matches("/api/tasks", "/api/tasks").as_deref(), Some(""));
        for path in ["/api/tasks/", "/api/tasks/a/b", "/api//tasks", "/api/tasks//poll", ""] {
            assert_eq!(matches("/api/tasks/{id}", path), None, "{path}");
        }
    }

    #[test]
    fn dates_are_virtual() {
        assert_eq!(http_date(Timestamp::EPOCH_OF_TESTS), "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(http_date(Timestamp::MAX), "Sun, 21 Jul 2554 23:34:33 GMT");
    }
}
