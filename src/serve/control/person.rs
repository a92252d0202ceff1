//! A line of the script, in the words of scenario files and in those of the control API: whoever has one may write the other.

use awaithumans_temporal::wire::json::Json;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use super::problem::Problem;
use super::seconds::Seconds;
use crate::fault::Span;
use crate::human::{Human, Latency, Matcher, OfficeHours};
use crate::scenario::{TaskFilter, Ways};

/// What somebody does with the tasks that are for them: see `Humans::on` and `scenario::Person`. It isn't the latter, since an answer is kept
/// here as Python reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    does: Does,
    matches: Option<Matches>,
    task: Option<TaskFilter>,
    after_seconds: Option<Seconds>,
    after: Option<Latency>,
    hours: Option<OfficeHours>,
    again_after: Option<Span>,
    #[serde(default)]
    insists: bool,
    #[serde(default)]
    besides: bool,
    by: Option<String>,
    who: Option<String>,
    via: Option<String>,
    times: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Matches {
    Any,
    Title(String),
    TitleContains(String),
    Key(String),
    Assignee(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Does {
    Complete(Answer),
    Cancel,
    Never,
    RejectUntilExhausted,
    CompleteAfterRejections(AfterRejections),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AfterRejections {
    answer: Answer,
    rejections: u32,
}

/// A person's answer: an object, as Python reads it, so with big integers and in the order of its keys.
#[derive(Debug)]
pub(super) struct Answer(pub(super) Json);

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value(answer) if answer.is_object() => Ok(Self(answer)),
            Value(_) => Err(D::Error::custom("an answer is an object")),
        }
    }
}

/// Any value, as Python reads it.
#[derive(Debug)]
pub(super) struct Value(pub(super) Json);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Json::parse(raw.get().as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

impl Person {
    /// Puts the line into the script.
    pub(super) fn join(self, human: &mut Human) -> Result<(), Problem> {
        let matcher = match one_of(("matches", self.matches), ("task", self.task))? {
            Some(Either::Ours(matches)) => matches.matcher(),
            Some(Either::Scenarios(task)) => task.matcher(),
            None => Matcher::any(),
        };
        let after = match one_of(("after_seconds", self.after_seconds), ("after", self.after))? {
            Some(Either::Ours(Seconds(seconds))) => seconds.into(),
            Some(Either::Scenarios(after)) => after,
            None => Latency::default(),
        };
        let who = match one_of(("by", self.by), ("who", self.who))? {
            Some(Either::Ours(who) | Either::Scenarios(who)) => Some(who),
            None => None,
        };
        let mut people = human.people();
        let mut on = people.on(matcher).after(after);
        if let Some(email) = &who {
            on = on.by(email);
        }
        if let Some(channel) = &self.via {
            on = on.via(channel);
        }
        if let Some(times) = self.times {
            on = on.times(times);
        }
        let ways = Ways {
            hours: self.hours,
            again_after: self.again_after,
            insists: self.insists,
            besides: self.besides,
        };
        on = ways.add_to(on);
        match self.does {
            Does::Complete(Answer(answer)) => on.complete(answer),
            Does::Cancel => on.cancel(),
            Does::Never => on.never(),
            Does::RejectUntilExhausted => on.reject_until_exhausted(),
            Does::CompleteAfterRejections(AfterRejections {
                answer: Answer(answer),
                rejections,
            }) => on.complete_after_rejections(answer, rejections),
        }
        Ok(())
    }
}

impl Matches {
    fn matcher(&self) -> Matcher {
        match self {
            Self::Any => Matcher::any(),
            Self::Title(title) => Matcher::title(title),
            Self::TitleContains(part) => Matcher::title_contains(part),
            Self::Key(key) => Matcher::key(key),
            Self::Assignee(email) => Matcher::assignee(email),
        }
    }
}

/// The same said in one of two ways.
enum Either<T, U> {
    Ours(T),
    Scenarios(U),
}

/// What was said, if it was said once.
fn one_of<T, U>(ours: (&str, Option<T>), scenarios: (&str, Option<U>)) -> Result<Option<Either<T, U>>, Problem> {
    match (ours.1, scenarios.1) {
        (Some(_), Some(_)) => Err(Problem::InvalidField {
            field: format!("person.{}", scenarios.0),
            message: format!("`{}` and `{}` say the same", ours.0, scenarios.0),
            fix: "leave one of them out".to_owned(),
        }),
        (Some(value), None) => Ok(Some(Either::Ours(value))),
        (None, Some(value)) => Ok(Some(Either::Scenarios(value))),
        (None, None) => Ok(None),
    }
}
