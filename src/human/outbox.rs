//! The queue of callbacks: what is due, what is under way, and when a failed one goes out again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::profile::Profile;
use crate::clock::Timestamp;
use crate::lookup::Lookup;

/// How long after each failed attempt the next one is due; the last one is repeated. Source:
/// `WEBHOOK_RETRY_BACKOFF_SECONDS` of awaithumans 0.1.12, whose schedule was also measured.
pub const RETRY_BACKOFF_SECONDS: [u64; 13] = [
    30, 60, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 86_400, 86_400,
];

/// From this age on, a callback that fails is given up. Source: `WEBHOOK_RETRY_MAX_AGE_SECONDS`.
pub const RETRY_MAX_AGE: Duration = Duration::from_secs(3 * 86_400);

/// How many callbacks one tick of the scheduler takes. Source: `process_due_deliveries`.
pub const BATCH_SIZE: usize = 50;

/// How long a receiver has to answer; the sender enforces it. A callback under way can't be taken again for as long.
/// Source: `WEBHOOK_DELIVERY_TIMEOUT_SECONDS`.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a callback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// To be sent, for the first time or again.
    Pending,
    /// The receiver answered with a status below 400.
    Succeeded,
    /// Given up.
    Abandoned,
}

impl DeliveryStatus {
    /// All of them, in the order in which awaithumans declares them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Succeeded, Self::Abandoned];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One callback. Body and signature are fixed when it is queued, so every attempt sends the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Delivery {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The task that ended.
    pub task_id: String,
    /// Where it goes, as the task's creator spelled it.
    pub url: String,
    /// The body, see [`Webhook`](awaithumans_temporal::wire::webhook::Webhook).
    #[serde(with = "super::state::bytes_text")]
    pub body: Bytes,
    /// The header `X-Awaithumans-Signature`.
    pub signature: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How many attempts were made.
    pub attempt_count: u32,
    /// When the next attempt is due; while one is under way, when it may be taken again.
    pub next_attempt_at: Timestamp,
    /// When the first attempt ended.
    pub first_attempted_at: Option<Timestamp>,
    /// When the last attempt ended.
    pub last_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed, as httpx words it.
    pub last_error: Option<String>,
    /// What the receiver answered at the last attempt, if it did.
    pub last_status_code: Option<u16>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Names one attempt to deliver a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// How an attempt to deliver a callback ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver answered with this HTTP status. Redirects are not followed, and count as delivered.
    Answered(u16),
    /// There was no answer; the text is what httpx would say, such as `ConnectError: All connection attempts failed`.
    Failed(String),
}

/// What a finished attempt means for its callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    RetriedIn(Duration),
    Abandoned,
    NotRetried,
}

/// The queue. One callback is under way at a time, as the real scheduler does it; without ticks as many as one tick takes.
///
/// The rows are the database's; all else is made of them, or is forgotten when the process ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Rows")]
pub(crate) struct Outbox {
    #[serde(skip)]
    profile: Profile,
    /// By sequence, so that the newest, which are asked for most, lie together.
    rows: BTreeMap<u64, Box<Delivery>>,
    #[serde(skip)]
    by_id: Lookup<String, u64>,
    /// The pending rows by the time at which they are due, batches aside.
    #[serde(skip)]
    due: BTreeSet<(Timestamp, u64)>,
    #[serde(skip)]
    batch: VecDeque<u64>,
    #[serde(skip)]
    under_way: BTreeMap<AttemptId, u64>,
    /// Whether the tick that took the batch is still at work.
    #[serde(skip)]
    is_ticking: bool,
    /// The scheduler rests after a tick that took something.
    #[serde(skip)]
    not_before: Timestamp,
    #[serde(skip)]
    next_attempt: u64,
}

/// What an [`Outbox`] is written as.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: BTreeMap<u64, Box<Delivery>>,
}

impl TryFrom<Rows> for Outbox {
    type Error = String;

    fn try_from(Rows { rows }: Rows) -> Result<Self, String> {
        let mut outbox = Self::new(Profile::default());
        for (sequence, row) in &rows {
            if row.status == DeliveryStatus::Pending {
                outbox.due.insert((row.next_attempt_at, *sequence));
            }
            if outbox.by_id.insert(row.id.clone(), *sequence).is_some() || *sequence == u64::MAX {
                return Err(format!(
                    "callback {:?} is there twice, or can't be number {sequence}",
                    row.id
                ));
            }
        }
        outbox.rows = rows;
        Ok(outbox)
    }
}

impl Outbox {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            rows: BTreeMap::new(),
            by_id: Lookup::default(),
            due: BTreeSet::new(),
            batch: VecDeque::new(),
            under_way: BTreeMap::new(),
            is_ticking: false,
            not_before: Timestamp::default(),
            next_attempt: 0,
        }
    }

    /// Queues a callback that is due now.
    pub(crate) fn enqueue(&mut self, delivery: Delivery) {
        let sequence = self.rows.last_key_value().map_or(0, |(last, _)| last + 1);
        self.due.insert((delivery.next_attempt_at, sequence));
        self.by_id.insert(delivery.id.clone(), sequence);
        self.rows.insert(sequence, Box::new(delivery));
    }

    /// When the scheduler has something to take; `None` while as many are under way as may be, or for ever.
    pub(crate) fn next_due(&self, most_under_way: usize) -> Option<Timestamp> {
        if self.taken() >= most_under_way {
            return None;
        }
        self.due.first().map(|(due, _)| (*due).max(self.not_before))
    }

    /// One tick: takes what is due. Within a tick callbacks go out in the order of their ids, as SQLite gives them back.
    pub(crate) fn tick(&mut self, now: Timestamp, most_under_way: usize) {
        let room = match most_under_way {
            1 => BATCH_SIZE,
            most => most.saturating_sub(self.taken()),
        };
        let claimed: Vec<_> = self
            .due
            .iter()
            .take_while(|(due, _)| *due <= now)
            .take(room)
            .copied()
            .collect();
        self.is_ticking |= !claimed.is_empty();
        for entry in &claimed {
            self.due.remove(entry);
            if let Some(row) = self.rows.get_mut(&entry.1) {
                row.next_attempt_at = now + DELIVERY_TIMEOUT;
                row.updated_at = now;
            }
        }
        let mut claimed: Vec<u64> = claimed.into_iter().map(|(_, sequence)| sequence).collect();
        let id = |sequence: &u64| self.rows.get(sequence).map(|row| row.id.as_str());
        claimed.sort_by(|one, other| id(one).cmp(&id(other)));
        self.batch.extend(claimed);
    }

    /// Callbacks that a tick has taken and that aren't done yet.
    fn taken(&self) -> usize {
        self.under_way.len() + self.batch.len()
    }

    /// The next callback of the batch, now under way; `None` while as many are as may be, or when the batch is done.
    pub(crate) fn start_next(&mut self, most_under_way: usize) -> Option<(AttemptId, &Delivery)> {
        if self.under_way.len() >= most_under_way {
            return None;
        }
        let sequence = self.batch.pop_front()?;
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        self.under_way.insert(attempt, sequence);
        self.rows.get(&sequence).map(|row| (attempt, &**row))
    }

    /// Records how an attempt ended; `None` if it isn't under way.
    pub(crate) fn record(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        outcome: &DeliveryOutcome,
    ) -> Option<(Verdict, &Delivery)> {
        let sequence = self.under_way.remove(&attempt)?;
        let row = self.rows.get_mut(&sequence)?;
        row.attempt_count = row.attempt_count.saturating_add(1);
        row.last_attempt_at = Some(now);
        row.first_attempted_at.get_or_insert(now);
        row.updated_at = now;
        let delivered = match outcome {
            DeliveryOutcome::Answered(status) => {
                row.last_status_code = Some(*status);
                row.last_error = (*status >= 400).then(|| format!("HTTP {status}"));
                *status < 400
            }
            DeliveryOutcome::Failed(error) => {
                row.last_status_code = None;
                row.last_error = Some(error.clone());
                false
            }
        };
        let verdict = if delivered {
            row.status = DeliveryStatus::Succeeded;
            Verdict::Delivered
        } else if !self.profile.queues_webhooks() {
            row.status = DeliveryStatus::Abandoned;
            Verdict::NotRetried
        } else if now.since(row.created_at) >= RETRY_MAX_AGE {
            row.status = DeliveryStatus::Abandoned;
            Verdict::Abandoned
        } else {
            let delay = backoff(row.attempt_count);
            row.next_attempt_at = now + delay;
            self.due.insert((row.next_attempt_at, sequence));
            Verdict::RetriedIn(delay)
        };
        Some((verdict, row))
    }

    /// An attempt broke the tick: awaithumans records nothing, and whatever the tick had taken waits until its claim expires.
    pub(crate) fn crash_tick(&mut self, attempt: AttemptId) {
        let taken = self.under_way.remove(&attempt);
        self.give_back(taken);
    }

    /// The process ends: what was taken waits until its claim expires.
    pub(crate) fn crash(&mut self) {
        let taken = std::mem::take(&mut self.under_way);
        self.give_back(taken.into_values());
    }

    fn give_back(&mut self, taken: impl IntoIterator<Item = u64>) {
        for sequence in taken.into_iter().chain(std::mem::take(&mut self.batch)) {
            if let Some(row) = self.rows.get(&sequence) {
                self.due.insert((row.next_attempt_at, sequence));
            }
        }
    }

    /// Whether a tick that took something has just ended: the scheduler rests from then on.
    pub(crate) fn end_tick(&mut self, now: Timestamp, rest: Duration) -> bool {
        let has_ended = self.is_ticking && self.taken() == 0;
        if has_ended {
            self.is_ticking = false;
            self.not_before = now + rest;
        }
        has_ended
    }

    /// A new scheduler, which hasn't ticked yet.
    pub(crate) fn restart(&mut self) {
        self.is_ticking = false;
        self.not_before = Timestamp::default();
    }

    /// The queue of a process that has stopped takes the place of this one, which has stopped as well.
    pub(crate) fn replace(&mut self, other: Self) {
        // Attempts that are still under way must not be taken for new ones.
        let (profile, next_attempt) = (self.profile, self.next_attempt);
        *self = Self {
            profile,
            next_attempt,
            ..other
        };
    }

    /// Makes a callback due now, whatever became of it. The count of attempts and the age stay (measured). One that the tick under way
    /// has taken goes out with it, and how that ends decides.
    pub(crate) fn redeliver(&mut self, now: Timestamp, id: &str) -> Option<&Delivery> {
        let sequence = *self.by_id.get(id)?;
        let row = self.rows.get_mut(&sequence)?;
        self.due.remove(&(row.next_attempt_at, sequence));
        row.status = DeliveryStatus::Pending;
        row.next_attempt_at = now;
        row.updated_at = now;
        let is_taken = self.batch.contains(&sequence) || self.under_way.values().any(|current| *current == sequence);
        if !is_taken {
            self.due.insert((now, sequence));
        }
        Some(row)
    }

    /// All callbacks, oldest first.
    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.rows.values().map(Box::as_ref)
    }
}

/// What the recordings need: their tests wrote into the database.
#[cfg(test)]
impl Outbox {
    /// Gives a callback another id.
    pub(crate) fn rename(&mut self, id: &str, new_id: &str) {
        if let Some(sequence) = self.by_id.remove(id) {
            self.by_id.insert(new_id.to_owned(), sequence);
            if let Some(row) = self.rows.get_mut(&sequence) {
                new_id.clone_into(&mut row.id);
            }
        }
    }

    /// Deletes callbacks.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Delivery) -> bool) {
        self.rows.retain(|_, row| keep(row));
        self.due.retain(|(_, sequence)| self.rows.contains_key(sequence));
        self.by_id.retain(|_, sequence| self.rows.contains_key(sequence));
        self.batch.retain(|sequence| self.rows.contains_key(sequence));
    }

    /// Changes the age of a task's callback.
    pub(crate) fn set_created(&mut self, task_id: &str, created_at: Timestamp) {
        for row in self.rows.values_mut().filter(|row| row.task_id == task_id) {
            row.created_at = created_at;
        }
    }
}

/// How long to wait after the attempt of this number, counted from 1.
fn backoff(attempt_count: u32) -> Duration {
    let place = (attempt_count.max(1) - 1) as usize;
    let seconds = RETRY_BACKOFF_SECONDS[place.min(RETRY_BACKOFF_SECONDS.len() - 1)];
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn delivery(id: &str) -> Delivery {
        Delivery {
            id: id.to_owned(),
            task_id: format!("task of {id}"),
            url: "http://receiver/".to_owned(),
            body: Bytes::from_static(b"{}"),
            signature: "sha256=00".to_owned(),
            status: DeliveryStatus::Pending,
            attempt_count: 0,
            next_attempt_at: START,
            first_attempted_at: None,
            last_attempt_at: None,
            last_error: None,
            last_status_code: None,
            created_at: START,
            updated_at: START,
        }
    }

    fn start(outbox: &mut Outbox) -> (AttemptId, String) {
        let (attempt, delivery) = outbox.start_next(1).expect("something to send");
        (attempt, delivery.id.clone())
    }

    #[test]
    fn a_failing_callback_climbs_the_ladder_until_it_is_three_days_old() {
        let mut outbox = Outbox::new(Profile::V0_1_12);
        outbox.enqueue(delivery("a"));
        let mut delays = Vec::new();
        while let Some(due) = outbox.next_due(1) {
            outbox.tick(due, 1);
            let (attempt, _) = start(&mut outbox);
            let (verdict, _) = outbox.record(due, attempt, &DeliveryOutcome::Answered(503)).unwrap();
            match verdict {
                Verdict::RetriedIn(delay) => delays.push(delay.as_secs()),
                other => assert_eq!(other, Verdict::Abandoned),
            }
        }
        assert_eq!(delays, RETRY_BACKOFF_SECONDS);
        let row = outbox.oldest_first().next().unwrap();
        assert_eq!((row.status, row.attempt_count), (DeliveryStatus::Abandoned, 14));
        assert_eq!(row.last_error.as_deref(), Some("HTTP 503"));

        // Sent again by hand it is still too old: one attempt, and abandoned again.
        let later = START + RETRY_MAX_AGE * 2;
        outbox.redeliver(later, "a").unwrap();
        outbox.tick(later, 1);
        let (attempt, _) = start(&mut outbox);
        let (verdict, row) = outbox.record(later, attempt, &DeliveryOutcome::Answered(500)).unwrap();
        assert_eq!((verdict, row.attempt_count), (Verdict::Abandoned, 15));
    }

    #[test]
    fn one_is_under_way_at_a_time_and_fifty_go_out_in_a_tick() {
        let mut outbox = Outbox::new(Profile::V0_1_12);
        for number in 0..60 {
            outbox.enqueue(delivery(&format!("{:02}", 59 - number)));
        }
        outbox.tick(START, 1);
        assert_eq!(outbox.next_due(1), None);
        let mut sent = Vec::new();
        while let Some((attempt, row)) = outbox.start_next(1) {
            sent.push(row.id.clone());
            assert!(outbox.start_next(1).is_none());
            outbox.record(START, attempt, &DeliveryOutcome::Answered(302)).unwrap();
        }
        assert_eq!(sent.len(), BATCH_SIZE);
        assert!(sent.is_sorted());
        let later = START + Duration::from_secs(3);
        assert_eq!(
            (
                outbox.end_tick(later, Profile::TICK),
                outbox.end_tick(later, Profile::TICK)
            ),
            (true, false)
        );
        assert_eq!(outbox.next_due(1), Some(later + Profile::TICK));
    }

    #[test]
    fn as_many_as_may_be_are_under_way_together() {
        let mut outbox = Outbox::new(Profile::V0_1_12);
        for id in ["a", "b", "c", "d"] {
            outbox.enqueue(delivery(id));
        }
        outbox.tick(START, 3);
        let mut started = || outbox.start_next(3).map(|(attempt, row)| (attempt, row.id.clone()));
        let attempts: Vec<_> = std::iter::from_fn(&mut started).collect();
        assert_eq!(
            attempts.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        assert_eq!(outbox.next_due(3), None);
        let answered = DeliveryOutcome::Answered(200);
        assert_eq!(outbox.record(START, attempts[1].0, &answered).unwrap().1.id, "b");
        assert_eq!(outbox.next_due(3), Some(START));

        // One whose address can't be read takes only those along that wait behind it.
        outbox.tick(START, 3);
        let (attempt, id) = started_last(&mut outbox);
        assert_eq!(id, "d");
        outbox.crash_tick(attempt);
        assert!(outbox.record(START, attempt, &answered).is_none());
        assert!(outbox.record(START, attempts[2].0, &answered).is_some());

        // The end of the process takes all.
        outbox.crash();
        assert!(outbox.record(START, attempts[0].0, &answered).is_none());
        assert_eq!(outbox.next_due(3), Some(START + DELIVERY_TIMEOUT));
    }

    fn started_last(outbox: &mut Outbox) -> (AttemptId, String) {
        let (attempt, row) = outbox.start_next(3).expect("there is room for another one");
        (attempt, row.id.clone())
    }

    #[test]
    fn a_crash_leaves_what_was_taken_to_be_taken_again_when_the_claim_expires() {
        let mut outbox = Outbox::new(Profile::V0_1_12);
        outbox.enqueue(delivery("a"));
        outbox.enqueue(delivery("b"));
        outbox.tick(START, 1);
        let (attempt, _) = start(&mut outbox);
        outbox.crash_tick(attempt);
        assert!(outbox.record(START, attempt, &DeliveryOutcome::Answered(200)).is_none());
        assert_eq!(outbox.next_due(1), Some(START + DELIVERY_TIMEOUT));
    }

    #[test]
    fn what_a_tick_has_taken_goes_out_once_even_if_it_is_made_due_again() {
        let mut outbox = Outbox::new(Profile::V0_1_12);
        outbox.enqueue(delivery("a"));
        outbox.enqueue(delivery("b"));
        outbox.tick(START, 1);
        let (attempt, first) = start(&mut outbox);
        for id in ["a", "b"] {
            let row = outbox.redeliver(START + Duration::from_secs(1), id).unwrap();
            assert_eq!(row.next_attempt_at, START + Duration::from_secs(1));
        }
        outbox.record(START, attempt, &DeliveryOutcome::Answered(200)).unwrap();
        let (attempt, second) = start(&mut outbox);
        outbox.record(START, attempt, &DeliveryOutcome::Answered(200)).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("a", "b"));
        assert!(outbox.oldest_first().all(|row| row.status == DeliveryStatus::Succeeded));
        assert_eq!(outbox.next_due(1), None);
    }

    #[test]
    fn the_old_profile_tries_once() {
        let mut outbox = Outbox::new(Profile::V0_1_0);
        outbox.enqueue(delivery("a"));
        outbox.tick(START, 1);
        let (attempt, _) = start(&mut outbox);
        let failed = DeliveryOutcome::Failed("ConnectError: All connection attempts failed".to_owned());
        let (verdict, _) = outbox.record(START, attempt, &failed).unwrap();
        assert_eq!(verdict, Verdict::NotRetried);
        assert_eq!(outbox.next_due(1), None);
    }
}
