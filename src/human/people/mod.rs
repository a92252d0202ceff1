//! Scripted people: who answers which task, when, and how.
//!
//! - `latency.rs`: how long they take; `office_hours.rs`: when they are at work; `acting.rs`: they act

mod acting;
mod latency;
mod office_hours;

use std::fmt;
use std::time::Duration;

use awaithumans_temporal::wire::json::Json;
use sha2::{Digest as _, Sha256};

use super::task::Task;
use crate::clock::Timestamp;
use crate::entropy::Entropy;

pub(super) use acting::Turn;
pub use latency::Latency;
pub use office_hours::{Day, OfficeHours};

/// The address of a person that a script doesn't name, for tasks that are assigned to nobody.
pub const SOMEBODY: &str = "somebody@example.com";

/// Which tasks a behaviour is for.
pub struct Matcher {
    what: String,
    matches: Box<dyn Fn(&Task) -> bool + Send + Sync>,
}

impl Matcher {
    /// Every task.
    pub fn any() -> Self {
        Self::custom("any task", |_| true)
    }

    /// Tasks of exactly this title.
    pub fn title(title: &str) -> Self {
        let wanted = title.to_owned();
        Self::custom(&format!("title “{title}”"), move |task| task.title == wanted)
    }

    /// Tasks whose title contains this.
    pub fn title_contains(part: &str) -> Self {
        let wanted = part.to_owned();
        Self::custom(&format!("title with “{part}”"), move |task| {
            task.title.contains(&wanted)
        })
    }

    /// The task of this idempotency key.
    pub fn key(idempotency_key: &str) -> Self {
        let wanted = idempotency_key.to_owned();
        Self::custom(&format!("key {idempotency_key}"), move |task| {
            task.idempotency_key == wanted
        })
    }

    /// Tasks that went to this address.
    pub fn assignee(email: &str) -> Self {
        let wanted = email.to_owned();
        Self::custom(&format!("assigned to {email}"), move |task| {
            task.assigned_to_email.as_deref() == Some(&wanted)
        })
    }

    /// Tasks that the closure accepts; `what` describes them in reports.
    pub fn custom(what: &str, matches: impl Fn(&Task) -> bool + Send + Sync + 'static) -> Self {
        Self {
            what: what.to_owned(),
            matches: Box::new(matches),
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matcher").field(&self.what).finish()
    }
}

/// What a person does with a task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    Complete(Json),
    Cancel,
    Never,
    RejectUntilExhausted,
    /// The verifier refuses so many answers, and accepts the next one.
    CompleteAfterRejections(Json, u32),
}

/// One line of the script.
#[derive(Debug)]
pub(crate) struct ScriptLine {
    matcher: Matcher,
    times: Option<u32>,
    pub(crate) after: Latency,
    pub(crate) hours: Option<OfficeHours>,
    pub(crate) again_after: Option<Duration>,
    pub(crate) insists: bool,
    pub(crate) besides: bool,
    pub(crate) email: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) act: Act,
}

impl ScriptLine {
    pub(crate) fn new(matcher: Matcher) -> Self {
        Self {
            matcher,
            times: None,
            after: Latency::default(),
            hours: None,
            again_after: None,
            insists: false,
            besides: false,
            email: None,
            channel: None,
            act: Act::Never,
        }
    }

    /// Who acts on a task: the one named, else the assignee, else [`SOMEBODY`].
    fn email_for(&self, task: &Task) -> String {
        let named = self.email.clone().or_else(|| task.assigned_to_email.clone());
        named.unwrap_or_else(|| SOMEBODY.to_owned())
    }
}

/// The script: for each task the first line that matches, in the order in which they were added, and all lines that act besides.
///
/// ```
/// use awaithumans_testkit::human::{Matcher, People};
/// use std::time::Duration;
///
/// let mut people = People::default();
/// people.on(Matcher::title_contains("refund")).after(Duration::from_secs(2 * 86_400)).complete(serde_json::json!({"approved": true}));
/// people.on(Matcher::any()).never();
/// ```
#[derive(Debug, Default)]
pub struct People {
    behaviours: Vec<ScriptLine>,
    /// From which latencies are drawn.
    seed: u64,
}

impl People {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            behaviours: Vec::new(),
            seed,
        }
    }

    /// Starts a line of the script. It counts once it says what is done.
    pub fn on(&mut self, matcher: Matcher) -> On<'_> {
        On {
            people: self,
            behaviour: ScriptLine::new(matcher),
        }
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: ScriptLine) {
        self.behaviours.push(line);
    }

    /// Forgets the script. What was planned for tasks that exist stays planned.
    pub fn clear(&mut self) {
        for behaviour in &mut self.behaviours {
            behaviour.times = Some(0);
        }
    }

    /// The places of the lines for a new task; counts their use.
    fn plan(&mut self, task: &Task) -> Vec<usize> {
        let mut has_first = false;
        let mut places = Vec::new();
        for (place, behaviour) in self.behaviours.iter_mut().enumerate() {
            let fits = behaviour.times != Some(0) && (behaviour.matcher.matches)(task);
            if !fits || (has_first && !behaviour.besides) {
                continue;
            }
            has_first |= !behaviour.besides;
            if let Some(times) = &mut behaviour.times {
                *times -= 1;
            }
            places.push(place);
        }
        places
    }

    fn behaviour(&self, place: usize) -> Option<&ScriptLine> {
        self.behaviours.get(place)
    }

    /// When the person of a line acts who turns to a task at `from`, for the so manieth time; never for some.
    fn acts_at(&self, place: usize, task: &Task, turn: u32, from: Timestamp) -> Option<Timestamp> {
        let behaviour = self.behaviour(place).filter(|behaviour| behaviour.act != Act::Never)?;
        let taken = behaviour.after.draw(&mut self.draws(place, task, turn));
        let ready = from + taken;
        Some(behaviour.hours.as_ref().map_or(ready, |hours| hours.next_open(ready)))
    }

    /// The draws for one turn of one person at one task: other tasks and other people don't shift them, nor do they shift any id.
    fn draws(&self, place: usize, task: &Task, turn: u32) -> Entropy {
        let mut hash = Sha256::new();
        hash.update(task.idempotency_key.as_bytes());
        hash.update((place as u64).to_be_bytes());
        hash.update(turn.to_be_bytes());
        let digest = hash.finalize();
        let stream = digest
            .iter()
            .take(8)
            .fold(0, |stream, byte| (stream << 8) | u64::from(*byte));
        Entropy::stream(self.seed, stream)
    }
}

/// A line of the script that doesn't say yet what is done.
#[derive(Debug)]
#[must_use = "say what the person does: complete, cancel, never, reject_until_exhausted or complete_after_rejections"]
pub struct On<'a> {
    people: &'a mut People,
    behaviour: ScriptLine,
}

impl On<'_> {
    /// How long after the task was created the person acts; at once, if this isn't said.
    pub fn after(mut self, latency: impl Into<Latency>) -> Self {
        self.behaviour.after = latency.into();
        self
    }

    /// When the person is at work: who would act outside of these hours acts when they begin again.
    pub fn at_work(mut self, hours: OfficeHours) -> Self {
        self.behaviour.hours = Some(hours);
        self
    }

    /// The person does the same once more so long after, as by a double click, whatever has become of the task.
    pub fn clicks_again_after(mut self, delay: Duration) -> Self {
        self.behaviour.again_after = Some(delay);
        self
    }

    /// The person acts on a task that is over, too, as from a page that was opened before: the server refuses that. Otherwise they see
    /// that it is over.
    pub fn insists(mut self) -> Self {
        self.behaviour.insists = true;
        self
    }

    /// The person acts besides the first line that matches: two people have the same task, and the first answer counts.
    pub fn besides(mut self) -> Self {
        self.behaviour.besides = true;
        self
    }

    /// Only for the first `count` tasks that match.
    pub fn times(mut self, count: u32) -> Self {
        self.behaviour.times = Some(count);
        self
    }

    /// Who acts. Otherwise the task's assignee does, or [`SOMEBODY`].
    pub fn by(mut self, email: &str) -> Self {
        self.behaviour.email = Some(email.to_owned());
        self
    }

    /// Through what, such as `slack`. Otherwise nothing is said, as with an answer from the dashboard (measured).
    pub fn via(mut self, channel: &str) -> Self {
        self.behaviour.channel = Some(channel.to_owned());
        self
    }

    /// The person answers with this object.
    pub fn complete(self, response: impl Into<Json>) {
        self.act(Act::Complete(response.into()));
    }

    /// The person cancels the task.
    pub fn cancel(self) {
        self.act(Act::Cancel);
    }

    /// Nobody answers.
    pub fn never(self) {
        self.act(Act::Never);
    }

    /// The person answers `{}` and the verifier refuses it, again and again, [`On::after`] apart, until no attempt is left.
    /// The task needs a `verifier_config`.
    pub fn reject_until_exhausted(self) {
        self.act(Act::RejectUntilExhausted);
    }

    /// The person answers with this object; the verifier refuses it so often, [`On::after`] apart, and then accepts it. The task needs a
    /// `verifier_config`.
    pub fn complete_after_rejections(self, response: impl Into<Json>, rejections: u32) {
        self.act(Act::CompleteAfterRejections(response.into(), rejections));
    }

    fn act(mut self, act: Act) {
        self.behaviour.act = act;
        self.people.add(self.behaviour);
    }
}
