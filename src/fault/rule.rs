//! What a fault rule says: when it is armed, where it strikes, and how often. Plain data, the same from Rust, from a scenario file
//! and from the control API.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kinds::NO_ZEROTH;
use super::matching::{CallMatch, RequestMatch, TaskMatch, WebhookMatch};
use super::span::Span;
use crate::moment::{Moment, MomentKind};

/// A fault, when, and how often.
///
/// ```
/// use awaithumans_testkit::fault::Rule;
///
/// let rule: Rule = serde_json::from_str(
///     r#"{"when": {"on": "parked", "of": "refund-1"}, "fault": {"crash_worker": {"restart_after": "1h"}}}"#,
/// )
/// .unwrap();
/// assert_eq!(rule.to_string(), "crash_worker at parked of refund-1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// From when on; from the start if it isn't said. A fault without a place of its own, such as a crash, happens at that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// How often; once if it isn't said.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_once(times: &u32) -> bool {
    *times == 1
}

impl Rule {
    /// Once, from the start on.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            when: None,
            times: 1,
        }
    }

    /// From a moment on, or at it.
    #[must_use]
    pub fn when(mut self, when: impl Into<When>) -> Self {
        self.when = Some(when.into());
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Why the rule can never do what it says, and what would help.
    ///
    /// # Errors
    /// One line for people.
    pub fn check(&self) -> Result<(), String> {
        if self.times == 0 {
            return Err("a rule with `times = 0` never fires; leave `times` out for once".to_owned());
        }
        if let Some(when) = &self.when {
            when.check()?;
        }
        self.fault.check()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.name())?;
        if let Some(when) = &self.when {
            write!(f, " {when}")?;
        }
        match self.times {
            1 => Ok(()),
            times => write!(f, ", {times} times"),
        }
    }
}

/// A time since the start, or a moment, or a time after a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct When {
    /// So long after the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// When this happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<MomentKind>,
    /// To whom: see [`MomentKind`]; to anybody if it isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// How: see [`MomentKind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The how manieth time, counted from 1 and from when the rule was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    /// So long after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
}

impl When {
    /// So long after the start.
    pub fn at(at: impl Into<Span>) -> Self {
        Self {
            at: Some(at.into()),
            ..Self::default()
        }
    }

    /// So long after what it names.
    #[must_use]
    pub fn and_after(mut self, after: impl Into<Span>) -> Self {
        self.after = Some(after.into());
        self
    }

    /// The moment, if this isn't a time.
    pub fn moment(&self) -> Option<Moment> {
        self.on.map(|kind| Moment {
            kind,
            of: self.of.clone(),
            detail: self.detail.clone(),
            nth: self.nth.unwrap_or(1),
        })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match (self.at, self.on) {
            (Some(_), Some(_)) => Err("`when` has both `at` and `on`: leave one out".to_owned()),
            (None, None) => Err("`when` names neither a time (`at`) nor a moment (`on`)".to_owned()),
            (Some(_), None) if self.of.is_some() || self.detail.is_some() || self.nth.is_some() => {
                Err("`of`, `detail` and `nth` belong to a moment (`on`), not to a time (`at`)".to_owned())
            }
            _ if self.nth == Some(0) => Err(NO_ZEROTH.to_owned()),
            _ => Ok(()),
        }
    }
}

impl From<Moment> for When {
    fn from(moment: Moment) -> Self {
        Self {
            at: None,
            on: Some(moment.kind),
            of: moment.of,
            detail: moment.detail,
            nth: (moment.nth != 1).then_some(moment.nth),
            after: None,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at, self.moment()) {
            (Some(at), _) => write!(f, "at {at}")?,
            (None, Some(moment)) => write!(f, "at {moment}")?,
            (None, None) => {}
        }
        match self.after {
            Some(after) => write!(f, " and {after}"),
            None => Ok(()),
        }
    }
}

/// Everything that can go wrong, by the boundary at which it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    // gRPC calls to Temporal.
    /// Temporal refuses a call before it does anything.
    FailCall {
        /// Which.
        #[serde(default)]
        call: CallMatch,
        /// With which code.
        #[serde(default)]
        code: Code,
    },
    /// Temporal carries a call out, and the caller gets this code instead of the answer.
    LoseReply {
        /// Which.
        #[serde(default)]
        call: CallMatch,
        /// With which code.
        #[serde(default)]
        code: Code,
    },
    /// A call takes its time on the way to Temporal.
    DelayCall {
        /// Which.
        #[serde(default)]
        call: CallMatch,
        /// How long.
        by: Span,
    },
    // Tasks on their way to workers.
    /// A worker never learns of a task that Temporal has given it: it times out.
    DropTask {
        /// Which.
        #[serde(default)]
        task: TaskMatch,
    },
    /// A worker gets an activity's task a second time, when it has answered the first.
    DuplicateTask {
        /// Which; activities only.
        #[serde(default)]
        task: TaskMatch,
    },
    /// Of a queue's tasks the newest goes out first.
    ReorderTasks {
        /// Of which queue; of any if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task_queue: Option<String>,
    },
    // Workers.
    /// A worker is killed.
    CrashWorker {
        /// Which, by its identity; any one if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
        /// When it is started again, with an empty cache; never if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after: Option<Span>,
    },
    /// A worker is killed before a call of its is carried out: the work is done, and nobody learns of it.
    CrashWorkerBefore {
        /// Which call.
        call: CallMatch,
        /// When it is started again; never if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after: Option<Span>,
    },
    /// A worker is killed after a call of its was carried out, and before it has the answer.
    CrashWorkerAfter {
        /// Which call.
        call: CallMatch,
        /// When it is started again; never if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after: Option<Span>,
    },
    /// A worker takes its time over what it does: its answers come later.
    SlowWorker {
        /// Which, by its identity; any one if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
        /// By how much each answer is late.
        by: Span,
    },
    /// Workers lose what they have of a workflow in their caches: the next workflow task goes to any worker, with the whole history.
    EvictWorkflow {
        /// Which; all if it isn't said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workflow: Option<String>,
    },
    // Webhooks.
    /// A webhook never arrives; its sender gives up after ten seconds.
    LoseWebhook {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
    },
    /// A webhook arrives, and its sender never learns of it.
    LoseWebhookAnswer {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
    },
    /// A webhook takes its time on the way. Its sender gives up after ten seconds; it arrives all the same.
    DelayWebhook {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
        /// How long.
        by: Span,
    },
    /// A webhook is held on its way until something happens. Its sender gives up after ten seconds; it arrives all the same.
    HoldWebhook {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
        /// Until when.
        until: When,
    },
    /// The same bytes arrive again later: seconds later a duplicate, days later a replay.
    RepeatWebhook {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
        /// How much later.
        #[serde(default)]
        after: Span,
    },
    /// One bit of a webhook's body is another.
    FlipWebhookBit {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
        /// The place of the bit, modulo the length of the body.
        #[serde(default)]
        bit: u64,
    },
    /// A webhook is signed with another key.
    MissignWebhook {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
    },
    /// A webhook's URL names another workflow.
    MisdirectWebhook {
        /// Which.
        #[serde(default)]
        webhook: WebhookMatch,
        /// Which workflow `?wf=` names.
        workflow: String,
    },
    /// The receiver answers with this HTTP status, and does nothing.
    ReceiverAnswers {
        /// To which webhook.
        #[serde(default)]
        webhook: WebhookMatch,
        /// The status.
        status: u16,
    },
    /// The receiver takes the webhook and never answers.
    ReceiverHangs {
        /// To which webhook.
        #[serde(default)]
        webhook: WebhookMatch,
    },
    /// The receiver closes the socket without an answer.
    ReceiverCloses {
        /// To which webhook.
        #[serde(default)]
        webhook: WebhookMatch,
    },
    /// The testkit's receiver dies between verifying a webhook and signalling the workflow.
    ReceiverCrashes {
        /// To which webhook.
        #[serde(default)]
        webhook: WebhookMatch,
    },
    // The awaithumans server.
    /// The server restarts.
    RestartServer,
    /// The server is down for a while.
    StopServer {
        /// How long.
        #[serde(rename = "for")]
        duration: Span,
    },
    /// The server answers a request with this status, and does nothing.
    FailRequest {
        /// Which.
        #[serde(default)]
        request: RequestMatch,
        /// The status.
        #[serde(default = "internal_server_error")]
        status: u16,
    },
    /// The server can't get at its database, as under load: it answers `INTERNAL_ERROR` (500) after a while, and does nothing.
    FailDatabase {
        /// For which request.
        #[serde(default)]
        request: RequestMatch,
        /// Why, which says how long it takes.
        how: DatabaseFailure,
    },
    /// The server does what a request asks for, and the connection breaks before the answer.
    LoseResponse {
        /// Which.
        #[serde(default)]
        request: RequestMatch,
    },
    /// A request takes its time on the way to the server.
    DelayRequest {
        /// Which.
        #[serde(default)]
        request: RequestMatch,
        /// How long.
        by: Span,
    },
    // Clocks.
    /// All clocks jump ahead, as after a machine was suspended: what was due meanwhile is late.
    JumpClock {
        /// How far.
        by: Span,
    },
    /// One party's clock is ahead of the others' from now on.
    SkewClock {
        /// Whose.
        party: ClockOf,
        /// How far.
        by: Span,
    },
    /// Time stands still until something happens.
    HoldClock {
        /// Until when; a moment, since no time would come.
        until: When,
    },
}

fn internal_server_error() -> u16 {
    500
}

/// Why the awaithumans server can't get at its database. Seen on a real one (0.1.12 with its own SQLite file): with 16 answers at a time 36 of 120
/// were refused for want of a connection, and of 300 beside other load one because of a lock. Both answers are the same, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatabaseFailure {
    /// All 15 connections are in use, and stay so for the 30 s that a request waits for one (SQLAlchemy's `QueuePool` as it comes: 5, and 10 more).
    PoolExhausted,
    /// Somebody else writes, for longer than the 5 s that a request waits for the lock (`sqlite3`'s own timeout).
    Locked,
}

impl DatabaseFailure {
    /// How long the server takes to give up.
    pub const fn patience(self) -> Span {
        match self {
            Self::PoolExhausted => Span::from_seconds(30),
            Self::Locked => Span::from_seconds(5),
        }
    }
}

/// Whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClockOf {
    /// The awaithumans server.
    Awaithumans,
    /// The Temporal server.
    Temporal,
}

/// A gRPC status code, as gRPC writes its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are gRPC's own")]
#[expect(clippy::exhaustive_enums, reason = "gRPC has these and no others")]
pub enum Code {
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    #[default]
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl From<Code> for tonic::Code {
    fn from(code: Code) -> Self {
        match code {
            Code::Cancelled => Self::Cancelled,
            Code::Unknown => Self::Unknown,
            Code::InvalidArgument => Self::InvalidArgument,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Aborted => Self::Aborted,
            Code::OutOfRange => Self::OutOfRange,
            Code::Unimplemented => Self::Unimplemented,
            Code::Internal => Self::Internal,
            Code::Unavailable => Self::Unavailable,
            Code::DataLoss => Self::DataLoss,
            Code::Unauthenticated => Self::Unauthenticated,
        }
    }
}
