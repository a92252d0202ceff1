//! The server's state as a value: what a real server has in its database, in its clients' mailboxes and nowhere else.
//!
//! A field that is added to [`Human`] doesn't compile until it says below whether it is part of that; one that is added to a store
//! is written by itself. tests/snapshot.rs holds a restored server to one that was restarted.

use std::collections::BTreeSet;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use super::identities::Identities;
use super::outbox::Outbox;
use super::store::Store;
use super::users::Users;
use super::{Human, Notification};
use crate::clock::{TimerQueue, Timestamp};
use crate::entropy::Entropy;
use crate::journal::Journal;

/// The state of a fake awaithumans server at one moment: tasks and their audit trail, callbacks, users, identities, used
/// links, and the notifications that were sent. Written and read by serde, with a number for its format.
///
/// The process isn't part of it: long polls, limits of logins and the phase of the schedulers are forgotten, as when a real
/// server restarts. Nor is the test: scripts of people and of the verifier stay with the server that has them. The ids of what comes next
/// go on where they were.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    format: Format,
    taken_at: Timestamp,
    entropy: Entropy,
    secrets: Entropy,
    tasks: Store,
    callbacks: Outbox,
    users: Users,
    identities: Identities,
    inbox: Vec<Notification>,
    used_links: BTreeSet<String>,
}

impl Snapshot {
    /// When it was taken, in virtual time.
    pub fn taken_at(&self) -> Timestamp {
        self.taken_at
    }

    /// The same state, as of another moment.
    #[cfg(feature = "serve")]
    pub(crate) fn taken_as_of(mut self, moment: Timestamp) -> Self {
        self.taken_at = moment;
        self
    }
}

/// Why a snapshot can't be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Time doesn't go back: what the snapshot says has happened can't lie ahead.
    #[error("the snapshot was taken at {taken_at}, and it is only {now}: advance to that moment first")]
    FromTheFuture {
        /// The snapshot's moment.
        taken_at: Timestamp,
        /// The world's.
        now: Timestamp,
    },
}

impl Human {
    /// The state at this moment. A callback under way counts as not delivered: it is tried again 10 s after it was taken, as by a
    /// real server that is killed meanwhile.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let Self {
            entropy,
            secrets,
            store,
            outbox,
            users,
            identities,
            inbox,
            used_links,
            // From the environment, and what is made of it.
            config: _,
            keys: _,
            slack: _,
            // The test's.
            people: _,
            verifier: _,
            unplanned: _,
            // The process's.
            request_ids: _,
            setup_token: _,
            limits: _,
            timers: _,
            expiries: _,
            webhook_tick: _,
            ticks: _,
            polls: _,
            judging: _,
            next_judging: _,
            outputs: _,
            running: _,
        } = self;
        let mut callbacks = outbox.clone();
        callbacks.crash();
        Snapshot {
            format: Format,
            taken_at: now,
            entropy: entropy.clone(),
            secrets: secrets.clone(),
            tasks: store.clone(),
            callbacks,
            users: users.clone(),
            identities: identities.clone(),
            inbox: inbox.clone(),
            used_links: used_links.clone(),
        }
    }

    /// Puts a state in the place of this server's, and starts it: long polls break off, the schedulers tick from `now` on, and open
    /// tasks are matched against the script anew, each as of its creation. Whose turn was before the snapshot has had it.
    ///
    /// # Errors
    /// [`RestoreError::FromTheFuture`]; nothing has changed then.
    pub fn restore(&mut self, now: Timestamp, journal: &mut Journal, snapshot: Snapshot) -> Result<(), RestoreError> {
        let taken_at = snapshot.taken_at;
        if taken_at > now {
            return Err(RestoreError::FromTheFuture { taken_at, now });
        }
        self.forget_process();
        let Snapshot {
            format: Format,
            taken_at: _,
            entropy,
            secrets,
            tasks,
            callbacks,
            users,
            identities,
            inbox,
            used_links,
        } = snapshot;
        self.request_ids = Entropy::new(entropy.clone().next_u64());
        self.entropy = entropy;
        self.secrets = secrets;
        self.store = tasks;
        self.outbox.replace(callbacks);
        self.users = users;
        self.identities = identities;
        self.inbox = inbox;
        self.used_links = used_links;
        self.timers = TimerQueue::default();
        self.webhook_tick = None;
        self.expiries.clear();
        self.unplanned.clear();
        self.take_up_open_tasks(now, taken_at);
        self.running = false;
        self.start(now, journal);
        Ok(())
    }

    /// Oldest first, so that what happens at one moment keeps its order.
    fn take_up_open_tasks(&mut self, now: Timestamp, taken_at: Timestamp) {
        let tasks = self.store.oldest_first();
        let open: Vec<_> = tasks.filter(|task| !task.status.is_terminal()).cloned().collect();
        for task in open {
            self.set_expiry(now, &task.id, task.timeout_at());
            self.plan_person_unless_done(task.id, taken_at);
        }
    }
}

/// The number of the format, which a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format;

const FORMAT: u64 = 1;

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(FORMAT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            FORMAT => Ok(Self),
            newer @ 2.. => Err(D::Error::custom(format!(
                "it has format {newer}, which a newer release of awaithumans-testkit writes; this one reads format {FORMAT}"
            ))),
            0 => Err(D::Error::custom("there is no format 0")),
        }
    }
}

/// JSON as the text that Python writes: serde's data model holds neither big integers nor lone surrogates nor `NaN`.
pub(super) mod json_text {
    use awaithumans_temporal::wire::json::Json;

    use super::{Deserialize, Deserializer, Serializer};

    pub(in crate::human) fn serialize<S: Serializer>(json: &Json, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(json)
    }

    pub(in crate::human) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        let text = String::deserialize(deserializer)?;
        Json::parse(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// A callback's body, which is ASCII: the text that Python writes.
pub(super) mod bytes_text {
    use bytes::Bytes;

    use super::{Deserialize, Deserializer, Serializer};

    pub(in crate::human) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(bytes).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }

    pub(in crate::human) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        String::deserialize(deserializer).map(Bytes::from)
    }
}
