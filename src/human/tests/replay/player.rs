use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use awaithumans_temporal::wire::key::PayloadKey;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};

use super::facts::{self, Cell};
use super::receiver::Receiver;
use super::recording::{Recording, Row};
use super::secrets::{self, SetupToken};
use super::substitution::Substitution;
use super::{TOKEN, by_sql, language_model};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::human::{AttemptId, Config, DELIVERY_TIMEOUT, DeliveryOutcome, Human, Output, Profile};
use crate::journal::Journal;

/// How an exchange or a webhook came out.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Topic and line.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_receipt: bool,
    pub(super) difference: Option<String>,
}

/// A fake server in the place of a recorded one, in virtual time.
pub(super) struct Player<'a> {
    recording: &'a Recording,
    rows: Vec<&'a Row>,
    host: String,
    human: Human,
    journal: Journal,
    now: Timestamp,
    substitution: Substitution,
    setup_token: SetupToken,
    ticket: u64,
    /// The requests that have no answer yet.
    asked: BTreeMap<u64, &'a Row>,
    receiver: Receiver,
    /// What the receiver will answer, by time.
    answers: BTreeMap<(Timestamp, AttemptId), DeliveryOutcome>,
    sent: Vec<(Timestamp, Request<Bytes>)>,
    /// The ids of recorded deliveries, by the ids of their tasks.
    delivery_ids: BTreeMap<String, String>,
    ticks: Ticks,
    outcomes: Vec<Outcome>,
    /// Cells of the state machine in which a timeout passes: they are looked at in the end.
    timeouts: Vec<Cell>,
    /// What differs from the measurements.
    wrong: Vec<String>,
}

impl<'a> Player<'a> {
    pub(super) fn new(recording: &'a Recording, server: &'a str) -> Self {
        let rows = recording.of_server(server);
        let bodies: Vec<_> = rows.iter().map(|row| recording.response_body(row)).collect();
        let started_at = rows[0].happened_at() - Duration::from_secs(3);
        let port = port(server);
        Self {
            recording,
            ticks: Ticks::of(&rows, &bodies),
            delivery_ids: bodies.iter().flat_map(|body| delivery_ids(body)).collect(),
            rows,
            host: format!("127.0.0.1:{port}"),
            human: human(server, port, started_at),
            journal: Journal::default(),
            now: started_at,
            substitution: Substitution::default(),
            setup_token: SetupToken::default(),
            ticket: 0,
            asked: BTreeMap::new(),
            receiver: Receiver::default(),
            answers: BTreeMap::new(),
            sent: Vec::new(),
            outcomes: Vec::new(),
            timeouts: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Plays everything, then holds the webhooks to the receipts, and the rest to the measurements.
    pub(super) fn play(mut self) -> Vec<Outcome> {
        for place in 0..self.rows.len() {
            let row = self.rows[place];
            self.advance_to(row.happened_at());
            let cell = Cell::of(row, &self.human, &self.substitution);
            if row.restart {
                self.human.restart(self.now, &mut self.journal);
            } else if row.sql.is_some() {
                if let Err(difference) = by_sql::apply(&mut self.human, self.now, row, &self.substitution) {
                    self.note(row, Err(difference));
                }
            } else if row.receipt.is_none() {
                self.ask(row);
            }
            self.settle();
            self.name_deliveries();
            match cell {
                Some(cell) if row.sql.is_some() => self.timeouts.push(cell),
                cell => self.wrong.extend(cell.and_then(|cell| cell.difference(&self.human))),
            }
            if row.sql.as_deref() == Some("delete delivery") {
                self.wrong.extend(facts::about_poison(&self.human));
            }
        }
        // Long polls end, and webhooks that were due arrive.
        self.advance_to(self.now + Duration::from_secs(60));
        for row in std::mem::take(&mut self.asked).into_values() {
            self.note(row, Err("  no answer".to_owned()));
        }
        for cell in std::mem::take(&mut self.timeouts) {
            self.wrong.extend(cell.difference(&self.human));
        }
        self.compare_receipts();
        self.wrong.extend(facts::about_webhooks(
            self.recording,
            &self.rows,
            &self.sent,
            &self.human,
        ));
        assert!(
            self.wrong.is_empty(),
            "server {}:\n{}",
            self.rows[0].server,
            self.wrong.join("\n")
        );
        self.outcomes
    }

    fn note(&mut self, row: &Row, difference: Result<(), String>) {
        self.outcomes.push(Outcome {
            id: row.id.clone(),
            name: row.name.clone(),
            is_receipt: row.receipt.is_some(),
            difference: difference.err(),
        });
    }

    /// Lets time pass: the receiver's answers, and what is due at the server, in order.
    fn advance_to(&mut self, until: Timestamp) {
        loop {
            self.ticks.set_phases(&mut self.human, self.now);
            let answer = self.answers.keys().next().map(|(at, _)| *at);
            let due = self.human.poll_timeout();
            let moves = self.ticks.next();
            let Some(next) = [answer, due, moves]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            if answer == Some(next) {
                let ((_, attempt), outcome) = self.answers.pop_first().unwrap();
                self.human
                    .handle_delivered(self.now, &mut self.journal, attempt, outcome);
            } else if due == Some(next) {
                self.human.handle_timeout(self.now, &mut self.journal);
            }
            self.settle();
        }
        self.now = self.now.max(until);
    }

    fn ask(&mut self, row: &'a Row) {
        self.ticket += 1;
        self.learn_newest(row);
        match self.request(row) {
            Ok(request) => {
                self.asked.insert(self.ticket, row);
                self.human
                    .handle_request(self.now, &mut self.journal, self.ticket, request);
            }
            Err(error) => self.note(row, Err(format!("  no such request: {error}"))),
        }
    }

    /// The scripts read the ids of some tasks from the database, since the answers to their creation were 500: always the newest.
    fn learn_newest(&mut self, row: &Row) {
        let id = row.path.strip_prefix("/api/tasks/").and_then(|rest| rest.get(..32));
        let unknown = id.filter(|id| self.substitution.ours(id).is_none() && id.bytes().any(|byte| byte != b'0'));
        let newest = self.human.tasks().next_back().map(|task| task.id.clone());
        if let (Some(recorded), Some(ours)) = (unknown, newest)
            && self.substitution.recorded(&ours).is_none()
        {
            self.substitution.learn(recorded, &ours);
        }
    }

    fn request(&mut self, row: &Row) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::builder()
            .method(row.method.as_str())
            .uri(secrets::path(&self.human, &mut self.substitution, &row.path))
            .header("host", &self.host);
        if row.token {
            request = request.header("authorization", format!("Bearer {TOKEN}"));
        }
        if row.json {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &row.headers {
            // Python writes headers in Latin-1.
            let value: Vec<u8> = self
                .substitution
                .translate(value)
                .chars()
                .map(|character| u8::try_from(character).unwrap())
                .collect();
            request = request.header(name, HeaderValue::from_bytes(&value)?);
        }
        let body = self.recording.request_body(row);
        request.body(match std::str::from_utf8(&body) {
            Ok(text) => {
                let text = self.setup_token.translate(&self.human, row, text);
                self.substitution.translate(&text).into()
            }
            Err(_) => body,
        })
    }

    fn settle(&mut self) {
        while let Some(output) = self.human.poll_output() {
            match output {
                Output::Reply { ticket, response } => {
                    let row = self.asked.remove(&ticket).expect("one answer to each request");
                    let compared = self.compare(row, &response);
                    self.note(row, compared);
                }
                Output::Dropped { ticket } => {
                    let row = self.asked.remove(&ticket).expect("one answer to each request");
                    self.note(row, Err("  dropped".to_owned()));
                }
                Output::Deliver { attempt, request, .. } => {
                    let (delay, outcome) = self.receiver.answer(request.uri());
                    self.answers.insert((self.now + delay, attempt), outcome);
                    self.sent.push((self.now, request));
                }
            }
        }
    }

    /// Gives deliveries the ids that the recorded ones had, since they go out in the order of their ids.
    fn name_deliveries(&mut self) {
        let unnamed: Vec<_> = self
            .human
            .deliveries()
            .filter_map(|delivery| {
                let task = self.substitution.recorded(&delivery.task_id)?;
                let wanted = self.delivery_ids.get(task)?;
                (*wanted != delivery.id).then(|| (delivery.id.clone(), wanted.clone()))
            })
            .collect();
        for (ours, recorded) in unnamed {
            self.human.outbox.rename(&ours, &recorded);
        }
    }

    fn compare(&mut self, row: &Row, response: &Response<Bytes>) -> Result<(), String> {
        let body = std::str::from_utf8(response.body()).map_err(|error| error.to_string())?;
        let recorded = row
            .status
            .as_ref()
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default();
        if u64::from(response.status().as_u16()) != recorded {
            let body: String = body.chars().take(300).collect();
            return Err(format!("  status {} instead of {recorded}: {body}", response.status()));
        }
        let recorded = secrets::with_our_average(&self.recording.response_body(row), body);
        self.substitution.compare("body", &recorded, body)?;
        self.compare_headers(row, response)
    }

    fn compare_headers(&mut self, row: &Row, response: &Response<Bytes>) -> Result<(), String> {
        let usual = [
            ("server", Some("uvicorn")),
            ("content-length", None),
            ("content-type", Some("application/json")),
            ("vary", Some("Origin")),
            ("x-request-id", None),
        ];
        let has_body = !response.body().is_empty();
        let default = || {
            usual
                .iter()
                .filter(|(name, _)| has_body || !name.starts_with("content"))
                .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                .collect()
        };
        let expected = row.response_headers.clone().unwrap_or_else(default);
        let found: Vec<_> = named(response.headers());
        let names = |headers: &mut dyn Iterator<Item = &str>| headers.collect::<Vec<_>>().join(", ");
        self.substitution.compare(
            "the order of headers",
            &names(&mut expected.iter().map(|(name, _)| name.as_str())),
            &names(&mut found.iter().map(|(name, _)| name.as_str())),
        )?;
        for ((name, value), (_, found)) in expected.iter().zip(&found) {
            let usual = usual
                .iter()
                .find(|(usual, _)| usual == name)
                .and_then(|(_, value)| *value);
            match (value.as_deref().or(usual), name.as_str()) {
                (Some(value), _) => self.substitution.compare(name, value, found)?,
                (None, "content-length") if *found == response.body().len().to_string() => {}
                (None, "x-request-id") if found.len() == 16 && found.bytes().all(|byte| byte.is_ascii_hexdigit()) => {}
                _ => return Err(format!("  {name}: {found}")),
            }
        }
        Ok(())
    }

    fn compare_receipts(&mut self) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let key = payload_key(&self.rows[0].server).webhook_key();
        for place in 0..self.rows.len() {
            let row = self.rows[place];
            let Some(line) = &row.receipt else { continue };
            let count = seen.entry(line.clone()).or_default();
            *count += 1;
            let mut sent = self
                .sent
                .iter()
                .map(|(_, request)| request)
                .filter(|request| request_line(request) == *line);
            let compared = match sent.nth(*count - 1).cloned() {
                Some(request) => self.compare_receipt(row, &request, |body| key.sign(body).to_string()),
                None => Err(format!("  {line} was sent {} times", *count - 1)),
            };
            self.note(row, compared);
        }
    }

    fn compare_receipt(
        &mut self,
        row: &Row,
        request: &Request<Bytes>,
        sign: impl Fn(&[u8]) -> String,
    ) -> Result<(), String> {
        let recorded = self.recording.webhook_body(row);
        let body = std::str::from_utf8(request.body()).map_err(|error| error.to_string())?;
        self.substitution.compare("body", &recorded, body)?;
        let headers = named(request.headers());
        let spelled = |headers: &[(String, String)]| {
            let lines = headers
                .iter()
                .map(|(name, value)| format!("{}: {value}\n", name.to_lowercase()));
            lines.collect::<String>()
        };
        let signed = |headers: &[(String, String)], body: &[u8]| {
            let signature = sign(body);
            let mut lines = spelled(headers);
            assert!(lines.contains(&signature), "signed with the server's key: {lines}");
            lines = lines.replace(&signature, "<signature>");
            lines
        };
        let (recorded, ours) = (
            signed(&row.headers, recorded.as_bytes()),
            signed(&headers, body.as_bytes()),
        );
        self.substitution.compare("headers", &recorded, &ours)
    }
}

/// When the real schedulers ticked, as far as it can be told; between two such times they drift.
#[derive(Debug)]
struct Ticks {
    webhooks: BTreeSet<Timestamp>,
    timeouts: BTreeSet<Timestamp>,
}

impl Ticks {
    fn of(rows: &[&Row], bodies: &[String]) -> Self {
        let slightly = Duration::from_millis(30);
        let mut webhooks: BTreeSet<_> = rows
            .iter()
            .filter(|row| row.receipt.is_some())
            .map(|row| row.happened_at() - slightly)
            .collect();
        let mut timeouts = BTreeSet::new();
        for body in bodies {
            // A callback that was delivered can be taken again ten seconds after its tick.
            for row in body.split(r#""status":"succeeded""#).skip(1) {
                webhooks.extend(
                    times_after(row, r#""next_attempt_at":""#)
                        .first()
                        .map(|at| *at - DELIVERY_TIMEOUT),
                );
            }
            webhooks.extend(
                times_after(body, r#""last_attempt_at":""#)
                    .into_iter()
                    .map(|at| at - slightly),
            );
            timeouts.extend(times_after(body, r#""timed_out_at":""#));
        }
        Self {
            webhooks: first_of_bursts(webhooks),
            timeouts: first_of_bursts(timeouts),
        }
    }

    /// The next time at which the phases change: shortly after the tick that is known next.
    fn next(&self) -> Option<Timestamp> {
        let firsts = [&self.webhooks, &self.timeouts].map(|ticks| ticks.first().map(|tick| *tick + Profile::TICK / 2));
        firsts.into_iter().flatten().min()
    }

    fn set_phases(&mut self, human: &mut Human, now: Timestamp) {
        for ticks in [&mut self.webhooks, &mut self.timeouts] {
            while ticks.first().is_some_and(|tick| *tick + Profile::TICK / 2 <= now) {
                ticks.pop_first();
            }
        }
        human.set_tick_phases(now, self.timeouts.first().copied(), self.webhooks.first().copied());
    }
}

/// The first time of each burst.
fn first_of_bursts(times: BTreeSet<Timestamp>) -> BTreeSet<Timestamp> {
    let mut before = Timestamp::default();
    let is_first = |time: &Timestamp| time.since(std::mem::replace(&mut before, *time)) > Duration::from_secs(2);
    times.into_iter().filter(is_first).collect()
}

/// The times behind a key.
fn times_after(text: &str, key: &str) -> Vec<Timestamp> {
    let spelled = text.split(key).skip(1).filter_map(|rest| rest.get(..26));
    let parsed = spelled.filter_map(|time| format!("{time}Z").parse::<jiff::Timestamp>().ok());
    parsed
        .map(|time| Timestamp::from_nanoseconds(u64::try_from(time.as_nanosecond()).unwrap()))
        .collect()
}

/// Pairs of a task and its delivery in a list of deliveries.
fn delivery_ids(body: &str) -> Vec<(String, String)> {
    let rows: Vec<&str> = body.split(r#"{"id":""#).skip(1).collect();
    let pair = |row: &&str| {
        let (id, rest) = row.split_at_checked(32)?;
        let task = rest.strip_prefix(r#"","task_id":""#)?.get(..32)?;
        let is_delivery = rest.get(32..)?.contains(r#"","url":"#);
        is_delivery.then(|| (task.to_owned(), id.to_owned()))
    };
    rows.iter().filter_map(pair).collect()
}

fn named(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

pub(super) fn request_line(request: &Request<Bytes>) -> String {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    format!("{} {path} HTTP/1.1", request.method())
}

/// The port on which a recorded server listened.
fn port(server: &str) -> u16 {
    match server {
        "A" => 17_200,
        "B" => 17_201,
        "C" => 17_202,
        "S" => 17_205,
        "P" => 17_206,
        _ => 17_207,
    }
}

/// The key of a recorded server: bytes 0 to 31, but for topic 19, which tried every spelling of a key.
fn payload_key(server: &str) -> PayloadKey {
    let spelled = match server {
        "url-safe padded" => "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "url-safe unpadded" => "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "standard padded" => "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "standard unpadded" => "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        _ => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    };
    spelled.parse().unwrap()
}

/// A server as the recorded one was configured.
fn human(server: &str, port: u16, started_at: Timestamp) -> Human {
    let mut config = Config::with_key(payload_key(server));
    config.admin_token = TOKEN.to_owned();
    config.public_url = format!("http://localhost:{port}");
    config.started_at = started_at;
    if server == "B" || server == "S" {
        config.embed_secret = Some("golden-embed-secret-0123456789abcdef".to_owned());
        config.service_key = Some("ah_sk_0123456789abcdef0123456789abcdef01234567".to_owned());
        config.parent_origins = "http://localhost:3000,https://acme.example".to_owned();
    }
    let mut human = Human::new(config, Entropy::new(1));
    language_model::instruct(human.verifier(), server);
    human
}
