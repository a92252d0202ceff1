//! Exchanges recorded from a real awaithumans, played against the fake one: statuses, headers and bodies must be the same,
//! byte for byte, but for ids and times.

use std::collections::BTreeMap;
use std::time::Duration;

use awaithumans_temporal::wire::json::Json;
use base64::Engine as _;
use bytes::Bytes;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::human::{Config, DeliveryOutcome, Human, Output, Verdict};
use crate::journal::Journal;

const TOKEN: &str = "golden-admin-token-0123456789";

#[test]
fn recorded_exchanges_are_answered_as_recorded() {
    let exchanges = Exchanges::load();
    assert!(exchanges.rows.len() > 500);
    let mut played: BTreeMap<&str, Player> = BTreeMap::new();
    let mut differences = Vec::new();
    for row in &exchanges.rows {
        let topic = row["topic"].as_str().unwrap();
        let player = played.entry(topic).or_insert_with(Player::new);
        if let Err(difference) = player.play(&exchanges, row) {
            differences.push(format!("{topic}: {}\n{difference}", row["name"]));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {}:\n{}",
        differences.len(),
        exchanges.rows.len(),
        differences.join("\n")
    );
}

struct Exchanges {
    short: Vec<(String, String)>,
    rows: Vec<Value>,
}

impl Exchanges {
    fn load() -> Self {
        let mut lines = include_str!("../../../fixtures/awaithumans-0.1.12/exchanges.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let first = lines.next().unwrap();
        let short = first["short"].as_object().unwrap();
        Self {
            short: short
                .iter()
                .map(|(short, long)| (short.clone(), long.as_str().unwrap().to_owned()))
                .collect(),
            rows: lines.collect(),
        }
    }

    fn expand(&self, text: &Value) -> String {
        let mut text = text.as_str().unwrap_or_default().to_owned();
        for (short, long) in &self.short {
            text = text.replace(short, long);
        }
        text
    }
}

struct Player {
    human: Human,
    journal: Journal,
    now: Timestamp,
    ticket: u64,
    /// Recorded ids of tasks, and ours.
    ids: Vec<(String, String)>,
}

impl Player {
    fn new() -> Self {
        let mut config = Config::new(Box::new(|_| "sha256=00".to_owned()));
        config.admin_token = TOKEN.to_owned();
        config.public_url = "http://localhost:17200".to_owned();
        let mut human = Human::new(config, Entropy::new(1));
        human.verifier().decide(stub_verdict);
        Self {
            human,
            journal: Journal::default(),
            // Times with microseconds, so that they are as long as the recorded ones.
            now: Timestamp::EPOCH_OF_TESTS + Duration::from_micros(123_456),
            ticket: 0,
            ids: Vec::new(),
        }
    }

    fn play(&mut self, exchanges: &Exchanges, row: &Value) -> Result<(), String> {
        self.now += Duration::from_micros(10_001);
        if row["name"].as_str().unwrap().contains("after delivery") {
            self.deliver();
        }
        let response = self.send(self.request(exchanges, row));
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        if row["status"] == 201 {
            self.learn_id(exchanges, row, &body);
        }
        let expected_status = row["status"].as_u64().unwrap();
        if u64::from(response.status().as_u16()) != expected_status {
            return Err(format!(
                "  status {} instead of {expected_status}: {body}",
                response.status()
            ));
        }
        if row.get("created").is_some() {
            return Ok(());
        }
        compare(
            "body",
            &self.normalized(&body, false),
            &self.normalized(&exchanges.expand(&row["response"]), true),
        )?;
        compare_headers(row, response.headers())
    }

    fn request(&self, exchanges: &Exchanges, row: &Value) -> http::Request<Bytes> {
        let body = match row.get("body_b64") {
            Some(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded.as_str().unwrap())
                .unwrap(),
            None => exchanges.expand(&row["body"]).into_bytes(),
        };
        let mut request = http::Request::builder()
            .method(row["method"].as_str().unwrap())
            .uri(self.ours(row["path"].as_str().unwrap()))
            .header("host", "127.0.0.1:17200");
        if row["token"] == true {
            request = request.header("authorization", format!("Bearer {TOKEN}"));
        }
        if row["json"] == true {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in row["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.body(Bytes::from(body)).unwrap()
    }

    fn send(&mut self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        self.ticket += 1;
        self.human
            .handle_request(self.now, &mut self.journal, self.ticket, request);
        loop {
            while let Some(output) = self.human.poll_output() {
                if let Output::Reply { ticket, response } = output {
                    assert_eq!(ticket, self.ticket);
                    return response;
                }
            }
            // A long poll: its end is the only thing that is near.
            self.now = self
                .human
                .poll_timeout()
                .expect("a reply, or something due")
                .max(self.now);
            self.human.handle_timeout(self.now, &mut self.journal);
        }
    }

    /// Lets the callbacks that are queued succeed.
    fn deliver(&mut self) {
        self.now += Duration::from_secs(5);
        while self.human.poll_timeout().is_some_and(|due| due <= self.now) {
            self.human.handle_timeout(self.now, &mut self.journal);
            while let Some(output) = self.human.poll_output() {
                if let Output::Deliver { attempt, .. } = output {
                    let outcome = DeliveryOutcome::Answered(200);
                    self.human
                        .handle_delivered(self.now, &mut self.journal, attempt, outcome);
                }
            }
        }
    }

    fn learn_id(&mut self, exchanges: &Exchanges, row: &Value, body: &str) {
        let id_of = |text: &str| {
            serde_json::from_str::<Value>(text).ok()?["id"]
                .as_str()
                .map(str::to_owned)
        };
        let recorded = row["created"].as_str().map(str::to_owned);
        let recorded = recorded.or_else(|| id_of(&exchanges.expand(&row["response"]))).unwrap();
        if let Some(ours) = id_of(body)
            && !self.ids.iter().any(|(known, _)| *known == recorded)
        {
            self.ids.push((recorded, ours));
        }
    }

    fn ours(&self, text: &str) -> String {
        self.ids
            .iter()
            .fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    /// Text with ids and times replaced by what they have in common.
    fn normalized(&self, text: &str, is_recorded: bool) -> String {
        let mut text = text.to_owned();
        for (place, (recorded, ours)) in self.ids.iter().enumerate() {
            text = text.replace(if is_recorded { recorded } else { ours }, &format!("<task {place}>"));
        }
        hide(
            &hide(&text, "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "<id>"),
            "dddd-dd-ddTdd:dd:dd.dddddd",
            "<time>",
        )
    }
}

/// The stand-in for a language model that the recordings were made with: the answer says what it is to say.
fn stub_verdict(response: &Json) -> Option<Verdict> {
    match response.get("verdict")?.as_str()? {
        "reject" => Some(Verdict::Reject("stub rejects: too vague".to_owned())),
        "boom" => Some(Verdict::Outage(
            "stub provider outage: upstream said [REDACTED] no".to_owned(),
        )),
        "notool" => Some(Verdict::Outage(
            "Claude returned no tool_use block — model contract may have changed.".to_owned(),
        )),
        "odd" => Some(Verdict::Reject("42".to_owned())),
        _ => None,
    }
}

/// Replaces whatever fits a shape: `d` stands for a digit, `h` for a hexadecimal one.
fn hide(text: &str, shape: &str, by: &str) -> String {
    let fits = |byte: u8, wanted: u8| match wanted {
        b'd' => byte.is_ascii_digit(),
        b'h' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        other => byte == other,
    };
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let window = rest.as_bytes().get(..shape.len());
        if window.is_some_and(|window| {
            window
                .iter()
                .zip(shape.bytes())
                .all(|(byte, wanted)| fits(*byte, wanted))
        }) {
            out.push_str(by);
            rest = &rest[shape.len()..];
        } else {
            let mut characters = rest.chars();
            out.extend(characters.next());
            rest = characters.as_str();
        }
    }
    out
}

fn compare_headers(row: &Value, found: &http::HeaderMap) -> Result<(), String> {
    let mut expected: BTreeMap<String, String> = [
        ("server", "uvicorn"),
        ("content-type", "application/json"),
        ("vary", "Origin"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in row["response_headers"].as_object().unwrap() {
        match value.as_str() {
            Some(value) => expected.insert(name.clone(), value.to_owned()),
            None => expected.remove(name),
        };
    }
    let mut found: BTreeMap<String, String> = found
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    found.remove("date");
    found.remove("x-request-id");
    compare("headers", &format!("{found:?}"), &format!("{expected:?}"))
}

fn compare(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let same = found
        .bytes()
        .zip(expected.bytes())
        .take_while(|(found, expected)| found == expected)
        .count();
    let around = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[same.saturating_sub(60)..(same + 140).min(text.len())]).into_owned()
    };
    Err(format!(
        "  {what} differs at {same}\n    ours: {}\n    real: {}",
        around(found),
        around(expected)
    ))
}
