//! What stands around every answer: request ids, what browsers ask for, dates; and how an answer becomes bytes.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION, ORIGIN, SERVER, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::Answer;
use crate::clock::Timestamp;
use crate::human::Config;
use crate::human::reject::Reject;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");
const ALLOW_CREDENTIALS: HeaderName = HeaderName::from_static("access-control-allow-credentials");
const ALLOW_HEADERS: HeaderName = HeaderName::from_static("access-control-allow-headers");
const ALLOW_METHODS: HeaderName = HeaderName::from_static("access-control-allow-methods");
const MAX_AGE: HeaderName = HeaderName::from_static("access-control-max-age");
const REQUEST_METHOD: HeaderName = HeaderName::from_static("access-control-request-method");
const REQUEST_HEADERS: HeaderName = HeaderName::from_static("access-control-request-headers");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const CONTENT_SECURITY: HeaderName = HeaderName::from_static("content-security-policy");
const REFERRER: HeaderName = HeaderName::from_static("referrer-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const SNIFFING: HeaderName = HeaderName::from_static("x-content-type-options");

/// What a page of another origin may send.
const CORS_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY";
const CORS_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
                         Access-Control-Request-Private-Network";

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub(in crate::human) struct Envelope {
    request_id: HeaderValue,
    cross_origin: Option<CrossOrigin>,
    /// Which pages may frame the answer.
    content_security: Option<HeaderValue>,
    head: bool,
}

/// What the page of another origin that asks is told.
#[derive(Clone, Debug)]
struct CrossOrigin {
    /// `*`, or the origin that was asked about, if it is in the list.
    allowed: Option<HeaderValue>,
    /// Cookies are let through wherever the list isn't just `*`.
    with_credentials: bool,
}

impl CrossOrigin {
    fn of(config: &Config, headers: &HeaderMap) -> Option<Self> {
        let origin = headers.get(ORIGIN)?;
        let all = config.cors_origins == ["*"];
        let listed = || {
            config
                .cors_origins
                .iter()
                .any(|listed| listed.as_bytes() == origin.as_bytes())
        };
        let allowed = match all {
            true => Some(HeaderValue::from_static("*")),
            false => listed().then(|| origin.clone()),
        };
        Some(Self {
            allowed,
            with_credentials: !all,
        })
    }

    fn write(&self, out: &mut HeaderMap) {
        if self.with_credentials {
            out.insert(ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(origin) = &self.allowed {
            out.insert(ALLOW_ORIGIN, origin.clone());
        }
    }
}

impl Envelope {
    pub(super) fn of(config: &Config, method: &Method, headers: &HeaderMap, fresh_id: &str) -> Self {
        // The real server takes 16 digits of a UUID.
        let fresh = || HeaderValue::from_str(fresh_id.get(..16).unwrap_or(fresh_id)).ok();
        let request_id = headers.get(REQUEST_ID).cloned().or_else(fresh);
        Self {
            request_id: request_id.unwrap_or(HeaderValue::from_static("0")),
            cross_origin: CrossOrigin::of(config, headers),
            content_security: None,
            head: method == Method::HEAD,
        }
    }

    /// Only pages of these origins may frame the answer.
    pub(super) fn frame_only_in(&mut self, origins: &[String]) {
        let ancestors = match origins {
            [] => "'none'".to_owned(),
            origins => origins.join(" "),
        };
        let policy = format!(
            "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self' \
             https://fonts.gstatic.com; img-src 'self' data:; connect-src 'self'; frame-src 'none'; frame-ancestors {ancestors}"
        );
        self.content_security = HeaderValue::from_str(&policy).ok();
    }

    /// The answer to a browser that asks before it asks. Source: recording "cors preflight", and Starlette's middleware.
    pub(super) fn preflight(&self, now: Timestamp, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
        let cross_origin = self.cross_origin.as_ref()?;
        let wanted = headers.get(REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let refused = [
            (cross_origin.allowed.is_none(), "origin"),
            (
                !CORS_METHODS
                    .split(", ")
                    .any(|method| method.as_bytes() == wanted.as_bytes()),
                "method",
            ),
            (headers.contains_key(REQUEST_PRIVATE_NETWORK), "private-network"),
        ];
        let refused: Vec<_> = refused.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        let text = match refused.as_slice() {
            [] => "OK".to_owned(),
            refused => format!("Disallowed CORS {}", refused.join(", ")),
        };
        let mut response = start(now, if refused.is_empty() { 200 } else { 400 });
        let out = response.headers_mut();
        out.insert(VARY, HeaderValue::from_static(CORS_VARY));
        // `*` comes first, an origin that is named comes last.
        if !cross_origin.with_credentials {
            cross_origin.write(out);
        }
        out.insert(ALLOW_METHODS, HeaderValue::from_static(CORS_METHODS));
        out.insert(MAX_AGE, HeaderValue::from_static("600"));
        cross_origin.write(out);
        if let Some(asked) = headers.get(REQUEST_HEADERS) {
            out.insert(ALLOW_HEADERS, asked.clone());
        }
        out.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        out.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        out.insert(REQUEST_ID, self.request_id.clone());
        *response.body_mut() = Bytes::from(text);
        Some(response)
    }

    /// Turns an answer or a refusal into bytes. What can't be written becomes the real server's 500.
    pub(in crate::human) fn respond(&self, now: Timestamp, answer: Result<Answer, Reject>) -> Response<Bytes> {
        let written = match answer {
            Ok(answer) => self.write_answer(now, answer),
            Err(Reject::Internal) => None,
            Err(reject) => self.write_reject(now, &reject),
        };
        written.unwrap_or_else(|| internal_error(now))
    }

    fn write_answer(&self, now: Timestamp, answer: Answer) -> Option<Response<Bytes>> {
        let mut response = start(now, 200);
        fill(&mut response, answer)?;
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
        if let Some(policy) = &self.content_security {
            headers.insert(CONTENT_SECURITY, policy.clone());
            headers.insert(REFERRER, HeaderValue::from_static("no-referrer"));
            let permissions = "geolocation=(), microphone=(), camera=(), payment=()";
            headers.insert(PERMISSIONS, HeaderValue::from_static(permissions));
            headers.insert(SNIFFING, HeaderValue::from_static("nosniff"));
        }
        if let Some(cross_origin) = &self.cross_origin {
            cross_origin.write(headers);
        }
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.insert(REQUEST_ID, self.request_id.clone());
        if self.head {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

/// Writes an answer into a response that has only uvicorn's headers; `None` for what can't be written.
fn fill(response: &mut Response<Bytes>, answer: Answer) -> Option<()> {
    let mut set_status = |status: u16| *response.status_mut() = status_code(status);
    match answer {
        Answer::Json { status, body } => {
            set_status(status);
            set_json(response, body.to_response().ok()?);
        }
        Answer::Written { status, body } => {
            set_status(status);
            set_json(response, body);
        }
        Answer::Replayed { body } => {
            set_status(201);
            set_json(response, body);
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Answer::NoContent | Answer::Parked => set_status(204),
        Answer::Page { status, html } => {
            set_status(status);
            let headers = response.headers_mut();
            if status != 204 {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(html.len()));
            }
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            *response.body_mut() = match html {
                std::borrow::Cow::Borrowed(html) => Bytes::from_static(html.as_bytes()),
                std::borrow::Cow::Owned(html) => Bytes::from(html),
            };
        }
        Answer::Document(text) => {
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.body_mut() = Bytes::from_static(text.as_bytes());
        }
        Answer::Redirect { status, location } => {
            set_status(status);
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            headers.insert(LOCATION, HeaderValue::from_str(&location).ok()?);
        }
        Answer::WithCookie { cookie, answer } => {
            fill(response, *answer)?;
            response
                .headers_mut()
                .insert(SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
        }
    }
    Some(())
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer when a handler raises what nobody expects. It comes from outside of the middlewares: neither `vary` nor `x-request-id`.
pub(crate) fn internal_error(now: Timestamp) -> Response<Bytes> {
    let body = Reject::Internal
        .body()
        .and_then(|body| body.to_utf8().ok())
        .unwrap_or_default();
    let mut response = start(now, 500);
    set_json(&mut response, body);
    response
}

/// A response with the headers that uvicorn puts first.
fn start(now: Timestamp, status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status_code(status);
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

/// Virtual time in the form of the `date` header. Every answer has one, and jiff's `strftime` takes longer than all its other headers.
pub(crate) fn http_date(now: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = i64::try_from(now.as_seconds()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    let moment = jiff::tz::Offset::UTC.to_datetime(moment);
    let name = |names: &[&'static str], place: i8| names.get(usize::try_from(place).unwrap_or_default()).copied();
    let mut date = String::with_capacity(29);
    date.push_str(name(&DAYS, moment.weekday().to_monday_zero_offset()).unwrap_or_default());
    date.push_str(", ");
    push_two_digits(&mut date, moment.day());
    date.push(' ');
    date.push_str(name(&MONTHS, moment.month() - 1).unwrap_or_default());
    date.push(' ');
    let year = moment.year();
    push_two_digits(&mut date, (year / 100) as i8);
    push_two_digits(&mut date, (year % 100) as i8);
    for (before, number) in [(' ', moment.hour()), (':', moment.minute()), (':', moment.second())] {
        date.push(before);
        push_two_digits(&mut date, number);
    }
    date.push_str(" GMT");
    date
}

fn push_two_digits(text: &mut String, number: i8) {
    let digit = |number: u8| char::from(b'0' + number % 10);
    text.extend([digit(number.unsigned_abs() / 10), digit(number.unsigned_abs())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_virtual() {
        assert_eq!(http_date(Timestamp::EPOCH_OF_TESTS), "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(http_date(Timestamp::MAX), "Sun, 21 Jul 2554 23:34:33 GMT");
        for day in 0..1_000 {
            let moment = Timestamp::from_seconds(day * (86_400 + 3_607));
            let jiff = jiff::Timestamp::from_second(moment.as_seconds() as i64).unwrap();
            let expected = jiff.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            assert_eq!(http_date(moment), expected);
        }
    }
}
