//! What the scripts measured beside exchanges and webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use super::player::request_line;
use super::recording::{Recording, Row};
use super::substitution::Substitution;
use crate::clock::Timestamp;
use crate::human::{DeliveryStatus, Human, RETRY_BACKOFF_SECONDS};

/// A cell of the measured state machine.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Measured {
    pub(super) from: String,
    pub(super) action: String,
    /// The status afterwards, `(gone)` for none.
    to: String,
    /// How many webhooks were queued.
    hooks: usize,
    /// Of the action `audit`: action, statuses before and after, kind of actor, and channel of each line.
    audit: Option<Vec<Vec<Value>>>,
}

/// All cells, in the order in which they were measured.
pub(super) fn cells() -> Vec<Measured> {
    let table = include_str!("../../../../fixtures/awaithumans-0.1.12/statemachine.json");
    serde_json::from_str(table).unwrap()
}

/// A cell that is being played.
#[derive(Debug)]
pub(super) struct Cell {
    measured: Measured,
    task_id: String,
    hooks_before: usize,
}

impl Cell {
    /// The cell that a row measures, as things are before it.
    pub(super) fn of(row: &Row, human: &Human, substitution: &Substitution) -> Option<Self> {
        let number = row.cell?;
        let measured = cells().swap_remove(number);
        let task_id = substitution.ours(&row.task).unwrap_or_default().to_owned();
        Some(Self {
            measured,
            hooks_before: hooks(human, &task_id),
            task_id,
        })
    }

    /// How things now differ from what was measured.
    pub(super) fn difference(&self, human: &Human) -> Option<String> {
        let Measured {
            from,
            action,
            to,
            hooks: measured_hooks,
            audit,
        } = &self.measured;
        let status = human.task(&self.task_id).map_or("(gone)", |task| task.status.as_str());
        let queued = hooks(human, &self.task_id) - self.hooks_before;
        let trail = self.trail(human);
        let same = status == to && queued == *measured_hooks && audit.as_ref().is_none_or(|audit| *audit == trail);
        (!same).then(|| {
            format!(
                "{from}, {action}: {status}, {queued} webhooks, {trail:?} instead of {:?}",
                self.measured
            )
        })
    }

    fn trail(&self, human: &Human) -> Vec<Vec<Value>> {
        let lines = human.store.audit_trail(&self.task_id).iter();
        let columns = lines.map(|line| {
            [
                Some(line.entry.action.as_ref()),
                line.from_status.map(|status| status.as_str()),
                Some(line.entry.to_status.as_str()),
                Some(line.entry.actor_type.as_ref()),
                line.entry.channel.as_deref(),
            ]
        });
        columns.map(|columns| columns.map(Value::from).to_vec()).collect()
    }
}

fn hooks(human: &Human, task_id: &str) -> usize {
    human
        .deliveries()
        .filter(|delivery| delivery.task_id == task_id)
        .count()
}

/// Topic 18, before the delivery that breaks the tick was deleted: those of its batch with lower ids went out once, those with
/// higher ones never, and nothing was recorded of it.
pub(super) fn about_poison(human: &Human) -> Vec<String> {
    let poison = format!("8{}", "0".repeat(31));
    let mut rows = human
        .deliveries()
        .filter(|delivery| delivery.url.contains("one-poison-url-") || delivery.id == poison);
    let wrong = rows.by_ref().filter(|row| {
        // The one that only found out when the tick was went out before.
        let goes_out = row.url.ends_with("-sync") || row.id < poison;
        let expected = match goes_out {
            true => (DeliveryStatus::Succeeded, 1),
            false => (DeliveryStatus::Pending, 0),
        };
        (row.status, row.attempt_count) != expected
    });
    wrong.map(|row| format!("poison: {row:?}")).collect()
}

/// How often each webhook was sent, and when.
pub(super) fn about_webhooks(
    recording: &Recording,
    rows: &[&Row],
    sent: &[(Timestamp, Request<Bytes>)],
    human: &Human,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in rows.iter().filter_map(|row| row.receipt.clone()) {
        counts.entry(line).or_default().0 += 1;
    }
    for (_, request) in sent {
        counts.entry(request_line(request)).or_default().1 += 1;
    }
    // Of server C only some receipts were recorded; of P and of what came after S's restart none.
    let is_complete = |line: &str| !matches!(rows[0].server.as_str(), "C" | "P") && !line.contains("/cb/sm-223");
    for (line, (recorded, ours)) in &counts {
        if is_complete(line) && *recorded > 0 && recorded != ours {
            wrong.push(format!("{line} was sent {ours} times instead of {recorded}"));
        }
    }
    for never in ["/cb/deleted", "/cb/magic", "/cb/other"] {
        if counts.contains_key(&format!("POST {never} HTTP/1.1")) {
            wrong.push(format!("{never} was sent"));
        }
    }
    match rows[0].server.as_str() {
        "C" => {
            let flaky: Vec<_> = sent
                .iter()
                .filter(|(_, request)| request.uri().path().starts_with("/flaky/"))
                .collect();
            let gap = flaky.last().unwrap().0.since(flaky[0].0);
            let measured = recording.fact("15", "flaky receiver: natural retry")["gap_s"]
                .as_f64()
                .unwrap();
            if flaky.len() != 2 || gap.abs_diff(Duration::from_secs_f64(measured)) > Duration::from_secs(5) {
                wrong.push(format!(
                    "the flaky receiver was tried {} times, {gap:?} apart",
                    flaky.len()
                ));
            }
        }
        "P" if human.deliveries().any(|row| row.status == DeliveryStatus::Pending) => {
            wrong.push("deliveries are pending although the one that broke the tick is gone".to_owned());
        }
        "S" => {
            let measured = recording.fact("17", "deliveries")["rows"].as_u64().unwrap();
            // And one more after the restart.
            if sent.len() as u64 != measured + 1 || !counts.contains_key("POST /cb/sm-223 HTTP/1.1") {
                wrong.push(format!("{} webhooks instead of {measured} and one more", sent.len()));
            }
        }
        _ => {}
    }
    wrong
}

#[test]
fn the_waits_between_attempts_are_those_that_were_measured() {
    let recording = Recording::load();
    let fact = recording.fact("15", "backoff walk: redeliver does NOT reset attempt_count");
    let steps = fact["schedule"].as_array().unwrap();
    assert_eq!(steps.len(), 15);
    for step in steps {
        let attempt = usize::try_from(step["attempt"].as_u64().unwrap()).unwrap();
        let wait = RETRY_BACKOFF_SECONDS[(attempt - 1).min(RETRY_BACKOFF_SECONDS.len() - 1)];
        assert_eq!(
            step["next_in_s"].as_f64().unwrap(),
            wait as f64,
            "after attempt {attempt}"
        );
    }
}

#[test]
fn every_cell_of_the_state_machine_is_played() {
    let recording = Recording::load();
    let rows = recording.of_server("S");
    let mut played: Vec<_> = rows.iter().filter_map(|row| row.cell).collect();
    played.sort_unstable();
    let cells = cells();
    assert_eq!(played, (0..cells.len()).collect::<Vec<_>>());
    assert_eq!(
        cells.len(),
        12 * 14 + 6 * 9,
        "statuses and actions, without and with a verifier"
    );
    assert_eq!(cells.iter().filter(|cell| cell.audit.is_some()).count(), 12);
}
