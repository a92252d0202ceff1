//! The dashboard's session: a cookie that says who somebody is, signed.

use awaithumans_temporal::wire::json::{Json, Object};
use http::HeaderMap;
use http::header::COOKIE;

use super::keys::Key;
use crate::clock::Timestamp;

/// Source: `DASHBOARD_SESSION_COOKIE_NAME`.
const NAME: &str = "awaithumans_session";

/// Seven days. Source: `DASHBOARD_SESSION_MAX_AGE_SECONDS`.
const MAX_AGE_SECONDS: u64 = 7 * 86_400;

/// Who a cookie says that somebody is. A user who was changed or deleted since keeps the session, as in awaithumans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) is_operator: bool,
}

impl Session {
    /// The header `set-cookie` that starts the session. `secure` where the server's address is https.
    pub(crate) fn set_cookie(&self, key: &Key, now: Timestamp, secure: bool) -> String {
        let expires_at = now.as_seconds().saturating_add(MAX_AGE_SECONDS);
        let body = Object::new()
            .with("e", i64::try_from(expires_at).unwrap_or(i64::MAX))
            .with("o", self.is_operator)
            .with("u", self.user_id.as_str());
        let value = key.seal(Json::from(body).to_compact().as_bytes());
        let secure = if secure { "; Secure" } else { "" };
        format!("{NAME}={value}; HttpOnly; Max-Age={MAX_AGE_SECONDS}; Path=/; SameSite=lax{secure}")
    }

    /// The session that a request's cookie carries, if it is signed by this server and not over.
    pub(crate) fn of_request(key: &Key, now: Timestamp, headers: &HeaderMap) -> Option<Self> {
        let body = Json::parse(&key.open(&cookie(headers, NAME)?)?).ok()?;
        let expires_at = Timestamp::from_seconds(body.get("e")?.as_i64()?.unsigned_abs());
        (now <= expires_at).then_some(())?;
        Some(Self {
            user_id: body.get("u")?.as_str()?.to_owned(),
            is_operator: body.get("o")?.as_bool()?,
        })
    }
}

/// The header `set-cookie` that makes a browser forget its session; `date` is now, in the form of the `date` header. The session
/// itself stays valid (recorded).
pub(crate) fn forget_cookie(date: &str) -> String {
    format!("{NAME}=\"\"; expires={date}; Max-Age=0; Path=/; SameSite=lax")
}

/// The last cookie of a name, without quotes around its value.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.split_once('='));
    let found = pairs.rfind(|(present, _)| present.trim() == name);
    found.map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn request(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn a_session_lasts_seven_days() {
        let key = Key::new(b"k");
        let session = Session {
            user_id: "u1".to_owned(),
            is_operator: true,
        };
        let cookie = session.set_cookie(&key, START, true);
        assert!(cookie.ends_with("; HttpOnly; Max-Age=604800; Path=/; SameSite=lax; Secure"));
        let headers = request(cookie.split(';').next().unwrap());
        let last = START + Duration::from_secs(MAX_AGE_SECONDS);
        assert_eq!(Session::of_request(&key, last, &headers), Some(session));
        assert_eq!(
            Session::of_request(&key, last + Duration::from_nanos(1), &headers),
            None
        );
        assert_eq!(Session::of_request(&Key::new(b"other"), START, &headers), None);
    }

    #[test]
    fn the_last_cookie_of_a_name_counts_and_quotes_are_taken_off() {
        assert_eq!(cookie(&request("a=1; b=2; a=\"3\""), "a").as_deref(), Some("3"));
        assert_eq!(cookie(&request("ab=1"), "a"), None);
    }
}
