//! Numbers about tasks, for the dashboard.

use std::collections::BTreeMap;
use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, Object};

use super::query::Query;
use super::{Answer, Call};
use crate::clock::Timestamp;
use crate::human::Human;
use crate::human::reject::Reject;
use crate::human::task::{Status, Task, moment};

/// How far back the numbers by day and channel go unless told otherwise, and at most, in days.
const DEFAULT_WINDOW_DAYS: i64 = 30;
const MAX_WINDOW_DAYS: i64 = 365;

const DAY: Duration = Duration::from_secs(86_400);

/// `GET /api/stats/tasks`, for whoever is known at all.
pub(super) fn tasks(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let days = query.integer("window_days", DEFAULT_WINDOW_DAYS, 1, Some(MAX_WINDOW_DAYS));
    query.finish()?;
    let mut totals = Counts::default();
    for task in human.tasks() {
        totals.add(task.status.as_str());
    }
    let window = DAY * u32::try_from(days).unwrap_or(u32::MAX);
    let earliest = Timestamp::from_nanoseconds(call.now.as_nanoseconds().saturating_sub(window.as_nanos() as u64));
    let recent: Vec<&Task> = human.tasks().filter(|task| task.created_at >= earliest).collect();
    let body = Object::new()
        .with("window_days", days)
        .with("generated_at", format!("{}+00:00", moment(call.now)))
        .with("totals", totals.clone())
        .with("completion_rate", completion_rate(&totals))
        .with("avg_completion_seconds", average_seconds(&recent))
        .with("by_day", by_day(&recent, call.now, days))
        .with("by_channel", by_channel(&recent));
    Ok(Answer::Json {
        status: 200,
        body: body.into(),
    })
}

/// How many there are of each name, in the order in which they first came.
#[derive(Clone, Debug, Default)]
struct Counts(Vec<(String, i64)>);

impl Counts {
    fn add(&mut self, name: &str) {
        match self.0.iter_mut().find(|(present, _)| present == name) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name.to_owned(), 1)),
        }
    }

    fn of(&self, name: &str) -> i64 {
        self.0
            .iter()
            .find(|(present, _)| present == name)
            .map_or(0, |(_, count)| *count)
    }
}

impl From<Counts> for Json {
    fn from(counts: Counts) -> Self {
        let entries = counts.0.iter();
        entries
            .fold(Object::new(), |object, (name, count)| object.with(name, *count))
            .into()
    }
}

/// Of the tasks that are over, the part that somebody completed.
fn completion_rate(totals: &Counts) -> Json {
    let over = Status::ALL.into_iter().filter(|status| status.is_terminal());
    match over.map(|status| totals.of(status.as_str())).sum::<i64>() {
        0 => Json::Null,
        over => Json::Float(totals.of(Status::Completed.as_str()) as f64 / over as f64),
    }
}

fn average_seconds(tasks: &[&Task]) -> Json {
    let completed = tasks.iter().filter(|task| task.status == Status::Completed);
    let seconds: Vec<f64> = completed
        .filter_map(|task| {
            let microseconds = task
                .completed_at?
                .as_microseconds()
                .saturating_sub(task.created_at.as_microseconds());
            Some(microseconds as f64 / 1e6)
        })
        .collect();
    match seconds.len() {
        0 => Json::Null,
        count => Json::Float(seconds.iter().sum::<f64>() / count as f64),
    }
}

fn by_day(tasks: &[&Task], now: Timestamp, days: i64) -> Json {
    let day = |time: Timestamp| time.as_seconds() / DAY.as_secs();
    let mut counts: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for task in tasks {
        counts.entry(day(task.created_at)).or_default().0 += 1;
        if let Some(completed_at) = task.completed_at {
            counts.entry(day(completed_at)).or_default().1 += 1;
        }
    }
    let rows = (0..days.unsigned_abs()).rev().map(|ago| {
        let wanted = day(now).saturating_sub(ago);
        let date = moment(Timestamp::from_seconds(wanted * DAY.as_secs())).to_string();
        let (created, completed) = counts.get(&wanted).copied().unwrap_or_default();
        Object::new()
            .with("date", date.split('T').next().unwrap_or_default())
            .with("created", created)
            .with("completed", completed)
            .into()
    });
    Json::Array(rows.collect())
}

fn by_channel(tasks: &[&Task]) -> Counts {
    let mut counts = Counts::default();
    for task in tasks.iter().filter(|task| task.status == Status::Completed) {
        let channel = task
            .completed_via_channel
            .as_deref()
            .filter(|channel| !channel.is_empty());
        counts.add(channel.unwrap_or("unknown"));
    }
    counts
}
