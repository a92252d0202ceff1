//! Links that prove by themselves who may follow them: the magic links of an e-mail, and the way into the dashboard.

use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, Object};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::Key;
use super::task::Task;
use crate::clock::Timestamp;
use crate::entropy::Entropy;

/// How long a magic link works. Source: `MAGIC_LINK_MAX_AGE_SECONDS`.
const MAGIC_LINK_AGE: Duration = Duration::from_secs(86_400);

/// The path of a magic link, before its token.
pub(crate) const ACTION_PATH: &str = "/api/channels/email/action/";

/// What a magic link answers, and for whom.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) task_id: String,
    pub(crate) field: String,
    pub(crate) value: Json,
    pub(crate) recipient: Option<String>,
    /// Names the link: each works once.
    pub(crate) jti: String,
}

impl Answer {
    /// The token of a link that works from `now` on, for a day.
    pub(crate) fn to_token(&self, key: &Key, now: Timestamp) -> String {
        let expires_at = (now + MAGIC_LINK_AGE).as_seconds();
        let mut body = Object::new()
            .with("e", i64::try_from(expires_at).unwrap_or(i64::MAX))
            .with("f", self.field.as_str())
            .with("j", self.jti.as_str());
        if let Some(recipient) = self.recipient.as_deref().filter(|recipient| !recipient.is_empty()) {
            body = body.with("r", recipient);
        }
        let body = body.with("t", self.task_id.as_str()).with("v", self.value.clone());
        key.seal(Json::from(body).to_compact().as_bytes())
    }

    /// What a link says, if this server made it and it still works.
    pub(crate) fn from_token(key: &Key, now: Timestamp, token: &str) -> Option<Self> {
        let body = Json::parse(&key.open(token)?).ok()?;
        let expires_at = Timestamp::from_seconds(body.get("e")?.as_i64()?.unsigned_abs());
        (now <= expires_at).then_some(())?;
        let text = |key: &str| body.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            task_id: text("t")?,
            field: text("f")?,
            value: body.get("v")?.clone(),
            recipient: text("r"),
            jti: text("j")?,
        })
    }
}

/// A text that can't be guessed, as `secrets.token_urlsafe` makes it of 16 bytes.
pub(crate) fn token_16(entropy: &mut Entropy) -> String {
    URL_SAFE_NO_PAD.encode(entropy.bytes16())
}

/// A text that can't be guessed, as `secrets.token_urlsafe` makes it of 32 bytes.
pub(crate) fn token_32(entropy: &mut Entropy) -> String {
    let bytes = [entropy.bytes16(), entropy.bytes16()].concat();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A way into the dashboard: for whom, to which task, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handoff<'a> {
    /// An address or a user's id.
    pub(crate) who: &'a str,
    pub(crate) task_id: &'a str,
    /// In seconds since the Unix epoch, as the link spells it.
    pub(crate) expires_at: i64,
}

impl<'a> Handoff<'a> {
    /// A way to a task that works for as long as the task waits.
    pub(crate) fn to_task(who: &'a str, task: &'a Task) -> Self {
        Self {
            who,
            task_id: &task.id,
            expires_at: i64::try_from(task.timeout_at().as_seconds()).unwrap_or(i64::MAX),
        }
    }

    fn message(&self) -> Vec<u8> {
        format!("{}|{}|{}", self.who, self.task_id, self.expires_at).into_bytes()
    }

    /// The link's query for an e-mail. Its signature is of the address in lower case.
    pub(crate) fn email_query(&self, key: &Key) -> String {
        let lower = self.who.to_lowercase();
        let signature = key.sign(&Handoff { who: &lower, ..*self }.message());
        let (to, task) = (quote_plus(self.who), quote_plus(self.task_id));
        format!("to={to}&t={task}&e={}&s={}", self.expires_at, quote_plus(&signature))
    }

    /// The link's query for a Slack message.
    pub(crate) fn slack_query(&self, key: &Key) -> String {
        let (user, task) = (quote_plus(self.who), quote_plus(self.task_id));
        let signature = quote_plus(&key.sign(&self.message()));
        format!("u={user}&t={task}&e={}&s={signature}", self.expires_at)
    }

    /// Whether the signature is this server's, and the time isn't over.
    pub(crate) fn is_valid(&self, key: &Key, now: Timestamp, signature: &str) -> bool {
        let deadline = u64::try_from(self.expires_at).map(Timestamp::from_seconds);
        key.verify(&self.message(), signature) && deadline.is_ok_and(|deadline| now <= deadline)
    }
}

/// Python's `urllib.parse.quote_plus`.
pub(crate) fn quote_plus(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH_OF_TESTS;

    #[test]
    fn a_magic_link_works_for_a_day() {
        let key = Key::new(b"k");
        let answer = Answer {
            task_id: "t1".to_owned(),
            field: "ok".to_owned(),
            value: false.into(),
            recipient: Some("é@x.y".to_owned()),
            jti: "j1".to_owned(),
        };
        let token = answer.to_token(&key, NOW);
        let body = key.open(&token).unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"e":1767312000,"f":"ok","j":"j1","r":"\u00e9@x.y","t":"t1","v":false}"#
        );
        assert_eq!(Answer::from_token(&key, NOW + MAGIC_LINK_AGE, &token), Some(answer));
        assert_eq!(
            Answer::from_token(&key, NOW + MAGIC_LINK_AGE + Duration::from_nanos(1), &token),
            None
        );
        assert_eq!(Answer::from_token(&Key::new(b"other"), NOW, &token), None);
    }

    #[test]
    fn a_handoff_is_for_one_person_and_task_and_ends() {
        let key = Key::new(b"k");
        let handoff = Handoff {
            who: "Rev+1@x.y",
            task_id: "t1",
            expires_at: 1_767_225_660,
        };
        let query = handoff.email_query(&key);
        assert!(query.starts_with("to=Rev%2B1%40x.y&t=t1&e=1767225660&s="), "{query}");
        let signature = query.rsplit_once('=').unwrap().1;
        let lower = Handoff {
            who: "rev+1@x.y",
            ..handoff.clone()
        };
        let last = NOW + Duration::from_secs(60);
        assert!(lower.is_valid(&key, last, signature));
        assert!(!lower.is_valid(&key, last + Duration::from_nanos(1), signature));
        for other in [
            Handoff {
                who: "x",
                ..lower.clone()
            },
            Handoff {
                task_id: "t2",
                ..lower.clone()
            },
            Handoff {
                expires_at: 1_767_225_661,
                ..lower.clone()
            },
        ] {
            assert!(!other.is_valid(&key, NOW, signature), "{other:?}");
        }
    }

    #[test]
    fn queries_are_quoted_as_python_quotes_them() {
        assert_eq!(quote_plus("é x&~*_.-"), "%C3%A9+x%26~%2A_.-");
    }
}
