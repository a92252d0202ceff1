//! What a server is made with, by hand or from awaithumans' own environment variables.

use std::fmt;

use awaithumans_temporal::wire::json::Json;
use awaithumans_temporal::{PayloadKey, PayloadKeyError};

use super::notify::EmailDefaults;
use super::{Profile, Signer, Timing, api, python};
use crate::clock::Timestamp;

/// What all of awaithumans' variables begin with. Case doesn't matter in their names.
const PREFIX: &str = "AWAITHUMANS_";

/// What a fake server is made with.
#[non_exhaustive]
pub struct Config {
    /// Which awaithumans it behaves as.
    pub profile: Profile,
    /// The token that every caller must bear; nobody may bear an empty one.
    pub admin_token: String,
    /// The address that people's links lead to, and redirects when a request names no host. No path behind it.
    pub public_url: String,
    /// Signs callbacks.
    pub sign: Signer,
    /// The secret that sessions and links are signed with.
    pub payload_key: PayloadKey,
    /// The key `ah_sk_…` that may mint embed tokens; without one nobody may.
    pub service_key: Option<String>,
    /// The secret that embed tokens are signed with; without one there are none.
    pub embed_secret: Option<String>,
    /// The origins whose pages may show tasks in a frame, separated by commas. Read when it's needed, as in awaithumans: what is
    /// wrong with it shows as HTTP 500.
    pub parent_origins: String,
    /// The origins whose pages may call the server: `*`, or a list.
    pub cors_origins: Vec<String>,
    /// The word that `/api/status` says.
    pub environment: String,
    /// Who sends e-mails that name no identity.
    pub email: EmailDefaults,
    /// A bot token of a Slack workspace. Nothing is sent there: messages land in the inbox.
    pub slack_bot_token: Option<String>,
    /// Whether its schedulers tick, as the real ones do.
    pub timing: Timing,
    /// When the server was started: its schedulers tick every [`Profile::TICK`] from then on.
    pub started_at: Timestamp,
}

impl Config {
    /// The defaults, with a way to sign callbacks: today's profile, token `testkit-admin-token`, address
    /// `http://awaithumans.test`, the bytes 0 to 31 as payload key, started at [`Timestamp::EPOCH_OF_TESTS`].
    pub fn new(sign: Signer) -> Self {
        Self {
            profile: Profile::default(),
            admin_token: "testkit-admin-token".to_owned(),
            public_url: "http://awaithumans.test".to_owned(),
            sign,
            payload_key: PayloadKey::from_bytes(std::array::from_fn(|index| index as u8)),
            service_key: None,
            embed_secret: None,
            parent_origins: String::new(),
            cors_origins: vec!["*".to_owned()],
            environment: "development".to_owned(),
            email: EmailDefaults::default(),
            slack_bot_token: None,
            timing: Timing::default(),
            started_at: Timestamp::EPOCH_OF_TESTS,
        }
    }

    /// The defaults with a payload key, which signs callbacks as awaithumans does.
    pub fn with_key(payload_key: PayloadKey) -> Self {
        let key = payload_key.webhook_key();
        Self {
            payload_key,
            ..Self::new(Box::new(move |body| key.sign(body).to_string()))
        }
    }

    /// What a real server would make of these environment variables. Others than awaithumans' own are ignored, and so are those
    /// that mean nothing to a fake: host, port, database, log level and the secrets of Slack's and OAuth's own calls.
    ///
    /// # Errors
    /// Where the real server refuses to start, in its words.
    pub fn from_variables<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Self, ConfigError>
    where
        N: AsRef<str>,
        V: Into<String>,
    {
        let variables = Variables::of(variables);
        variables.check_types()?;
        let public_url = variables.get("PUBLIC_URL").unwrap_or("http://localhost:3001");
        check_public_url(public_url)?;
        let cors_origins = cors_origins(variables.get("CORS_ORIGINS").unwrap_or("*"));
        let payload_key = variables.payload_key(&cors_origins)?;
        let owned = |name: &str| variables.get(name).map(str::to_owned);
        Ok(Self {
            admin_token: owned("ADMIN_API_TOKEN").unwrap_or_default(),
            public_url: public_url.to_owned(),
            service_key: owned("SERVICE_API_KEY"),
            embed_secret: owned("EMBED_SIGNING_SECRET"),
            parent_origins: owned("EMBED_PARENT_ORIGINS").unwrap_or_default(),
            cors_origins,
            environment: owned("ENVIRONMENT").unwrap_or_else(|| "development".to_owned()),
            email: EmailDefaults {
                transport: owned("EMAIL_TRANSPORT"),
                from_email: owned("EMAIL_FROM"),
                from_name: owned("EMAIL_FROM_NAME"),
                reply_to: owned("EMAIL_REPLY_TO"),
                smtp_host: owned("SMTP_HOST"),
                resend_key: owned("RESEND_KEY"),
            },
            slack_bot_token: owned("SLACK_BOT_TOKEN"),
            ..Self::with_key(payload_key)
        })
    }

    /// Whether cookies are for https only.
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("profile", &self.profile)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

/// Why a real server wouldn't start with these variables. The texts are its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable isn't of its type.
    #[error("{}", settings_text(.0))]
    Types(Vec<WrongType>),
    /// The address is empty.
    #[error(
        "AWAITHUMANS_PUBLIC_URL is unset. Set it to the base URL the dashboard is reachable at, e.g. http://localhost:3001 in \
         dev or https://reviews.your-company.com in production."
    )]
    PublicUrlMissing,
    /// The address isn't scheme, host and port alone.
    #[error(
        "AWAITHUMANS_PUBLIC_URL='{url}' is not a base URL — it must be scheme + host + optional port, with no path. A common \
         mistake is pasting the full Slack OAuth callback URL (`/api/channels/slack/oauth/callback`) into this variable; use \
         just the host portion. Examples:\n  http://localhost:3001\n  https://reviews.your-company.com\n  \
         https://abcd1234.ngrok-free.app"
    )]
    PublicUrlNotBase {
        /// What was given.
        url: String,
    },
    /// No payload key, though Slack's OAuth is on.
    #[error(
        "Slack OAuth is enabled (SLACK_CLIENT_ID is set) but PAYLOAD_KEY is not. Tokens cannot be encrypted at rest without \
         it. Generate one with: python -c 'import secrets; print(secrets.token_urlsafe(32))' and set AWAITHUMANS_PAYLOAD_KEY."
    )]
    SlackWithoutPayloadKey,
    /// No payload key.
    #[error(
        "AWAITHUMANS_PAYLOAD_KEY is required — session cookies and encrypted-at-rest columns both derive their keys from it. \
         Generate one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
    )]
    PayloadKeyMissing,
    /// `*` stands beside other origins.
    #[error(
        "AWAITHUMANS_CORS_ORIGINS contains '*' alongside explicit origins. Browsers reject this combination, and our auth \
         middleware would flip credentials ON because the list isn't a bare '*'. Use either '*' alone (no credentials) or a \
         fully-explicit https:// list."
    )]
    CorsOriginsMixed,
    /// An origin without TLS that isn't this machine, or none at all.
    #[error(
        "AWAITHUMANS_CORS_ORIGINS contains an unsafe origin: '{origin}'. Plain http:// origins outside localhost would carry \
         session cookies in cleartext to whichever site the operator listed. Use https:// only (or http://localhost / \
         http://127.0.0.1 for local dev)."
    )]
    CorsOriginUnsafe {
        /// What was given.
        origin: String,
    },
    /// The payload key isn't base64.
    #[error(
        "AWAITHUMANS_PAYLOAD_KEY is not valid base64. Regenerate with: python -c 'import secrets; \
         print(secrets.token_urlsafe(32))'"
    )]
    PayloadKeyNotBase64,
    /// The payload key isn't of 32 bytes.
    #[error(
        "AWAITHUMANS_PAYLOAD_KEY must decode to 32 bytes; got {size_bytes}. Generate with: python -c 'import secrets; \
         print(secrets.token_urlsafe(32))'"
    )]
    PayloadKeySize {
        /// What it decodes to.
        size_bytes: usize,
    },
}

/// A variable that isn't of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongType {
    /// The name, without awaithumans' prefix.
    pub name: &'static str,
    /// What was given.
    pub value: String,
    kind: &'static str,
    message: String,
}

/// pydantic's words.
fn settings_text(problems: &[WrongType]) -> String {
    let plural = if problems.len() == 1 { "" } else { "s" };
    let mut text = format!("{} validation error{plural} for Settings", problems.len());
    for problem in problems {
        let (name, kind, message, value) = (
            problem.name,
            problem.kind,
            &problem.message,
            python::quoted(&problem.value),
        );
        text.push_str(&format!(
            "\n{name}\n  {message} [type={kind}, input_value={value}, input_type=str]\n    For further information visit \
             https://errors.pydantic.dev/2.14/v/{kind}"
        ));
    }
    text
}

/// What a setting that isn't text must be.
#[derive(Clone, Copy)]
enum Type {
    Integer,
    Boolean,
}

/// The settings that aren't text, in the order in which the real server reads them.
const TYPED: [(&str, Type); 6] = [
    ("PORT", Type::Integer),
    ("ALLOW_EPHEMERAL_DB", Type::Boolean),
    ("SMTP_PORT", Type::Integer),
    ("SMTP_USE_TLS", Type::Boolean),
    ("SMTP_START_TLS", Type::Boolean),
    ("MAX_PAYLOAD_SIZE_MB", Type::Integer),
];

/// awaithumans' variables, names in upper case and without the prefix.
struct Variables(Vec<(String, String)>);

impl Variables {
    fn of<N: AsRef<str>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.as_ref().to_ascii_uppercase();
            Some((name.strip_prefix(PREFIX)?.to_owned(), value.into()))
        });
        Self(ours.collect())
    }

    /// The last one of a name.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(present, _)| present == name);
        found.map(|(_, value)| value.as_str())
    }

    fn check_types(&self) -> Result<(), ConfigError> {
        let problems: Vec<_> = TYPED
            .iter()
            .filter_map(|(name, kind)| self.wrong_type(name, *kind))
            .collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Types(problems)),
        }
    }

    fn wrong_type(&self, name: &'static str, kind: Type) -> Option<WrongType> {
        let value = Json::from(self.get(name)?);
        let (kind, message) = match kind {
            Type::Integer => api::integer(&value)
                .err()
                .map(|refusal| (refusal.kind, refusal.message))?,
            Type::Boolean => api::boolean(&value)
                .err()
                .map(|(kind, message)| (kind, message.to_owned()))?,
        };
        Some(WrongType {
            name,
            value: self.get(name)?.to_owned(),
            kind,
            message,
        })
    }

    /// The payload key. A missing one is noticed before bad origins, a bad one after them.
    fn payload_key(&self, cors_origins: &[String]) -> Result<PayloadKey, ConfigError> {
        let text = self.get("PAYLOAD_KEY").unwrap_or_default();
        if text.is_empty() {
            let slack = self.get("SLACK_CLIENT_ID").is_some_and(|id| !id.is_empty());
            return Err(match slack {
                true => ConfigError::SlackWithoutPayloadKey,
                false => ConfigError::PayloadKeyMissing,
            });
        }
        check_cors_origins(cors_origins)?;
        PayloadKey::from_base64(text).map_err(|error| match error {
            PayloadKeyError::WrongSize { size_bytes } => ConfigError::PayloadKeySize { size_bytes },
            _ => ConfigError::PayloadKeyNotBase64,
        })
    }
}

fn check_public_url(url: &str) -> Result<(), ConfigError> {
    if url.is_empty() {
        return Err(ConfigError::PublicUrlMissing);
    }
    // Python's `$` matches before a last line feed.
    let line = url.strip_suffix('\n').unwrap_or(url);
    let base = line.strip_suffix('/').unwrap_or(line);
    let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    match rest.is_some_and(is_host_and_port) {
        true => Ok(()),
        false => Err(ConfigError::PublicUrlNotBase { url: url.to_owned() }),
    }
}

fn cors_origins(text: &str) -> Vec<String> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins.map(str::to_owned).collect()
}

fn check_cors_origins(origins: &[String]) -> Result<(), ConfigError> {
    if origins == ["*"] {
        return Ok(());
    }
    for origin in origins {
        if origin == "*" {
            return Err(ConfigError::CorsOriginsMixed);
        }
        let local = |rest: &str| matches!(rest.split(':').next(), Some("localhost" | "127.0.0.1"));
        let fits = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
            (Some(rest), _) => is_host_and_port(rest),
            (_, Some(rest)) => is_host_and_port(rest) && local(rest),
            _ => false,
        };
        if !fits {
            return Err(ConfigError::CorsOriginUnsafe { origin: origin.clone() });
        }
    }
    Ok(())
}

/// `host` or `host:port`, where a host is letters, digits, dots and dashes.
fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    !host.is_empty() && host.bytes().all(is_host) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests;
