//! Scripted people: who answers which task, when, and how.

use std::fmt;
use std::time::Duration;

use awaithumans_temporal::wire::json::Json;

use super::task::Task;

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
}

/// One line of the script.
#[derive(Debug)]
pub(crate) struct Behaviour {
    matcher: Matcher,
    times: Option<u32>,
    pub(crate) after: Duration,
    pub(crate) email: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) act: Act,
}

impl Behaviour {
    /// Who acts on a task: the one named, else the assignee, else [`SOMEBODY`].
    pub(crate) fn email_for(&self, task: &Task) -> String {
        let named = self.email.clone().or_else(|| task.assigned_to_email.clone());
        named.unwrap_or_else(|| SOMEBODY.to_owned())
    }
}

/// The script: for each task the first behaviour that matches, in the order in which they were added.
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
    behaviours: Vec<Behaviour>,
}

impl People {
    /// Starts a line of the script. It counts once it says what is done.
    pub fn on(&mut self, matcher: Matcher) -> On<'_> {
        On {
            people: self,
            behaviour: Behaviour {
                matcher,
                times: None,
                after: Duration::ZERO,
                email: None,
                channel: None,
                act: Act::Never,
            },
        }
    }

    /// Forgets the script. What was planned for tasks that exist stays planned.
    pub fn clear(&mut self) {
        for behaviour in &mut self.behaviours {
            behaviour.times = Some(0);
        }
    }

    /// The place of the behaviour for a new task; counts its use.
    pub(crate) fn plan(&mut self, task: &Task) -> Option<usize> {
        let fits = |behaviour: &Behaviour| behaviour.times != Some(0) && (behaviour.matcher.matches)(task);
        let place = self.behaviours.iter().position(fits)?;
        if let Some(times) = &mut self.behaviours[place].times {
            *times -= 1;
        }
        Some(place)
    }

    pub(crate) fn behaviour(&self, place: usize) -> Option<&Behaviour> {
        self.behaviours.get(place)
    }
}

/// A line of the script that doesn't say yet what is done.
#[derive(Debug)]
#[must_use = "say what the person does: complete, cancel, never or reject_until_exhausted"]
pub struct On<'a> {
    people: &'a mut People,
    behaviour: Behaviour,
}

impl On<'_> {
    /// How long after the task was created the person acts; at once, if this isn't said.
    pub fn after(mut self, delay: Duration) -> Self {
        self.behaviour.after = delay;
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

    fn act(mut self, act: Act) {
        self.behaviour.act = act;
        self.people.behaviours.push(self.behaviour);
    }
}
