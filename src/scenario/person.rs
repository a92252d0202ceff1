//! What somebody does with the tasks that are for them.

use serde::{Deserialize, Serialize};

use crate::fault::Span;
use crate::human::{Human, Latency, Matcher, OfficeHours, On};

/// One line of a script: what a person does with the tasks that match. Of several lines the first that matches a task counts, and all
/// that act besides.
///
/// ```
/// use awaithumans_testkit::scenario::Person;
///
/// let person: Person = serde_json::from_str(
///     r#"{"task": {"title_contains": "Refund"}, "after": "2d", "does": {"complete": {"approved": true}}}"#,
/// )
/// .unwrap();
/// assert_eq!(person.to_string(), "after 2d somebody completes tasks whose title has “Refund”");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct Person {
    /// What they do.
    pub does: Does,
    /// How long after the task was created; at once if it isn't said.
    #[serde(default)]
    pub after: Latency,
    /// When they are at work; always if it isn't said. Who would act outside of these hours acts when they begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<OfficeHours>,
    /// The same once more so long after, as by a double click, whatever has become of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_after: Option<Span>,
    /// Acts on a task that is over, too, as from a page that was opened before: the server refuses that.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insists: bool,
    /// Acts besides the first line that matches: two people have the same task.
    #[serde(default, skip_serializing_if = "is_false")]
    pub besides: bool,
    /// Which tasks; all if it isn't said.
    #[serde(default, skip_serializing_if = "TaskFilter::is_any")]
    pub task: TaskFilter,
    /// Who it is, by e-mail address; the assignee if it isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What a person does with a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Does {
    /// Answers with this object.
    Complete(serde_json::Value),
    /// Cancels the task.
    Cancel,
    /// Nothing, ever.
    Never,
    /// Answers, and the verifier rejects it, until no attempt is left.
    RejectUntilExhausted,
    /// Answers with this object; the verifier rejects it so often, and then accepts it.
    CompleteAfterRejections {
        /// The answer.
        answer: serde_json::Value,
        /// How often it is rejected.
        rejections: u32,
    },
}

/// Which tasks. What isn't said isn't asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct TaskFilter {
    /// The idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A part of the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_contains: Option<String>,
    /// The assignee's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
}

impl TaskFilter {
    /// Whether it takes every task.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn matcher(&self) -> Matcher {
        let wanted = self.clone();
        Matcher::custom(&self.to_string(), move |task| {
            let is = |wanted: &Option<String>, there: &str| wanted.as_ref().is_none_or(|wanted| wanted == there);
            is(&wanted.key, &task.idempotency_key)
                && is(&wanted.title, &task.title)
                && is(&wanted.assignee, task.assigned_to_email.as_deref().unwrap_or_default())
                && wanted
                    .title_contains
                    .as_ref()
                    .is_none_or(|part| task.title.contains(part))
        })
    }
}

impl std::fmt::Display for TaskFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_any() {
            return f.write_str("every task");
        }
        f.write_str("tasks")?;
        let parts = [
            (" of key ", &self.key),
            (" titled ", &self.title),
            (" whose title has ", &self.title_contains),
            (" for ", &self.assignee),
        ];
        for (words, wanted) in parts {
            if let Some(wanted) = wanted {
                write!(f, "{words}“{wanted}”")?;
            }
        }
        Ok(())
    }
}

impl Person {
    /// Somebody who does this with every task, so long after it was created.
    pub fn new(does: Does, after: impl Into<Latency>) -> Self {
        Self {
            does,
            after: after.into(),
            hours: None,
            again_after: None,
            insists: false,
            besides: false,
            task: TaskFilter::default(),
            who: None,
        }
    }

    /// Puts the line into the script.
    pub(crate) fn join(&self, human: &mut Human) {
        let mut people = human.people();
        let mut on = people.on(self.task.matcher()).after(self.after);
        if let Some(who) = &self.who {
            on = on.by(who);
        }
        let ways = Ways {
            hours: self.hours.clone(),
            again_after: self.again_after,
            insists: self.insists,
            besides: self.besides,
        };
        on = ways.add_to(on);
        match &self.does {
            Does::Complete(response) => on.complete(response.clone()),
            Does::Cancel => on.cancel(),
            Does::Never => on.never(),
            Does::RejectUntilExhausted => on.reject_until_exhausted(),
            Does::CompleteAfterRejections { answer, rejections } => {
                on.complete_after_rejections(answer.clone(), *rejections);
            }
        }
    }
}

/// In which ways somebody acts, whatever it is that they do.
pub(crate) struct Ways {
    pub(crate) hours: Option<OfficeHours>,
    pub(crate) again_after: Option<Span>,
    pub(crate) insists: bool,
    pub(crate) besides: bool,
}

impl Ways {
    pub(crate) fn add_to(self, mut on: On<'_>) -> On<'_> {
        if let Some(hours) = self.hours {
            on = on.at_work(hours);
        }
        if let Some(delay) = self.again_after {
            on = on.clicks_again_after(delay.get());
        }
        if self.insists {
            on = on.insists();
        }
        if self.besides {
            on = on.besides();
        }
        on
    }
}

impl std::fmt::Display for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = self.who.as_deref().unwrap_or("somebody");
        let does = match self.does {
            Does::Complete(_) => "completes",
            Does::Cancel => "cancels",
            Does::Never => "never answers",
            Does::RejectUntilExhausted => "is rejected until exhausted over",
            Does::CompleteAfterRejections { .. } => "is rejected at first, and then completes",
        };
        write!(f, "after {} {who} {does} {}", self.after, self.task)?;
        if let Some(hours) = &self.hours {
            write!(f, ", from {hours}")?;
        }
        if let Some(delay) = self.again_after {
            write!(f, ", again {delay} later")?;
        }
        if self.insists {
            f.write_str(", from an old page")?;
        }
        if self.besides {
            f.write_str(", besides others")?;
        }
        Ok(())
    }
}
