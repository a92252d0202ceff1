use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use serde::Deserialize;

use crate::clock::Timestamp;

macro_rules! topics {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../fixtures/awaithumans-0.1.12/exchanges/", $name, ".jsonl")))),*]
    };
}

/// The recorded topics.
const TOPICS: [(&str, &str); 21] = topics![
    "01_meta",
    "02_create",
    "03_validation",
    "04_idempotency",
    "05_get_list",
    "06_complete",
    "07_cancel_claim_audit_delete",
    "08_poll",
    "09_auth",
    "10_embed",
    "11_users_identities",
    "12_assign_notify",
    "13_verifier",
    "14_timed_out",
    "15_webhook_failures",
    "16_poison",
    "17_state_machine",
    "18_poison_callback",
    "19_boot_options",
    "20_slack_handoff",
    "21_contention",
];

/// A row of the fixtures; PROVENANCE.md says what the keys mean. It is an exchange, a webhook's receipt, something done by SQL, a
/// restart, or a measurement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) server: String,
    #[serde(default)]
    pub(super) at: u64,
    #[serde(default)]
    ms: f64,
    #[serde(default)]
    pub(super) method: String,
    #[serde(default)]
    pub(super) path: String,
    #[serde(default)]
    pub(super) token: bool,
    #[serde(default)]
    pub(super) json: bool,
    #[serde(default)]
    pub(super) headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    body_b64: Option<String>,
    parts: Option<Vec<(String, usize)>>,
    pub(super) status: Option<serde_json::Value>,
    pub(super) response_headers: Option<Vec<(String, Option<String>)>>,
    #[serde(default)]
    response: String,
    response_parts: Option<Vec<(String, usize)>>,
    pub(super) receipt: Option<String>,
    pub(super) sql: Option<String>,
    #[serde(default)]
    pub(super) task: String,
    #[serde(default)]
    pub(super) tasks: Vec<String>,
    #[serde(default)]
    pub(super) created_at: String,
    #[serde(default)]
    pub(super) new_id: String,
    /// The place in `statemachine.json` of what this measured.
    pub(super) cell: Option<usize>,
    #[serde(default)]
    pub(super) restart: bool,
    pub(super) fact: Option<serde_json::Value>,
    /// Topic and line, `05_get_list 12`.
    #[serde(skip)]
    pub(super) id: String,
}

impl Row {
    /// When the real server had done it, as near as can be told: requests that wait for something, and those that raced with
    /// others, count from their start, all others from their end.
    pub(super) fn happened_at(&self) -> Timestamp {
        let waits = self.path.contains("/poll") || self.body.contains("\"sleep") || self.name.starts_with("concurrent");
        let took_microseconds = if waits { 0.0 } else { self.ms * 1_000.0 };
        // No time ends on a whole second, so that all are as long as the recorded ones.
        Timestamp::from_nanoseconds(self.at * 1_000_000 + 321_000) + Duration::from_micros(took_microseconds as u64)
    }
}

/// All that was recorded.
pub(super) struct Recording {
    abbreviations: Vec<(String, String)>,
    rows: Vec<Row>,
}

impl Recording {
    pub(super) fn load() -> Self {
        let abbreviations = include_str!("../../../../fixtures/awaithumans-0.1.12/abbreviations.json");
        let mut rows = Vec::new();
        for (topic, lines) in TOPICS {
            for (place, line) in lines.lines().enumerate() {
                let mut row: Row =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{topic} {}: {error}", place + 1));
                row.id = format!("{topic} {}", place + 1);
                rows.push(row);
            }
        }
        // Written longest first: an abbreviation may stand in the text of those before it.
        let abbreviations = serde_json::from_str(abbreviations).unwrap();
        Self { abbreviations, rows }
    }

    /// The recorded servers.
    pub(super) fn servers(&self) -> Vec<&str> {
        let mut servers: BTreeMap<&str, u64> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| !row.server.is_empty()) {
            servers.entry(&row.server).or_insert(row.at);
        }
        servers.into_keys().collect()
    }

    /// What happened at a server, in order.
    pub(super) fn of_server(&self, server: &str) -> Vec<&Row> {
        let mut rows: Vec<_> = self.rows.iter().filter(|row| row.server == server).collect();
        rows.sort_by_key(|row| row.happened_at());
        rows
    }

    /// A measurement.
    pub(super) fn fact(&self, topic: &str, name: &str) -> &serde_json::Value {
        let mut rows = self.rows.iter();
        let found = rows.find(|row| row.id.starts_with(topic) && row.name == name && row.fact.is_some());
        found.and_then(|row| row.fact.as_ref()).expect("a recorded fact")
    }

    /// The body of a request.
    pub(super) fn request_body(&self, row: &Row) -> Bytes {
        match &row.body_b64 {
            Some(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .unwrap()
                .into(),
            None => self.expand(&row.body, row.parts.as_deref()).into(),
        }
    }

    /// The body of a webhook.
    pub(super) fn webhook_body(&self, row: &Row) -> String {
        self.expand(&row.body, None)
    }

    /// The body of an answer.
    pub(super) fn response_body(&self, row: &Row) -> String {
        self.expand(&row.response, row.response_parts.as_deref())
    }

    fn expand(&self, text: &str, parts: Option<&[(String, usize)]>) -> String {
        if let Some(parts) = parts {
            return parts.iter().map(|(text, times)| text.repeat(*times)).collect();
        }
        let mut text = text.to_owned();
        for (short, long) in &self.abbreviations {
            if text.contains(short) {
                text = text.replace(short, long);
            }
        }
        text
    }
}
