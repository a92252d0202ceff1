//! How stored things look in answers: every key, in the real server's order.

use std::fmt::{self, Write as _};

use awaithumans_temporal::wire::json::{Json, Object, WriteError, write_response_text};

use crate::clock::Timestamp;
use crate::human::Human;
use crate::human::outbox::Delivery;
use crate::human::store::AuditEntry;
use crate::human::task::{Task, moment};
use crate::human::users::User;

/// A task, as `TaskResponse` writes it.
pub(super) fn task(human: &Human, task: &Task) -> Result<String, WriteError> {
    let mut out = String::with_capacity(TASK_SIZE_BYTES);
    write_task(human, task, &task.payload, 0, &mut out)?;
    Ok(out)
}

/// Tasks in a list, where redacted payloads are hidden.
pub(super) fn tasks(human: &Human, tasks: &[&Task]) -> Result<String, WriteError> {
    let redacted = Object::new().with("_redacted", true).into();
    let mut out = String::with_capacity(2 + tasks.len() * TASK_SIZE_BYTES);
    out.push('[');
    for (place, task) in tasks.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let payload = if task.redact_payload { &redacted } else { &task.payload };
        write_task(human, task, payload, 1, &mut out)?;
    }
    out.push(']');
    Ok(out)
}

/// More than most tasks need.
const TASK_SIZE_BYTES: usize = 1_536;

/// Without a `Json` of it in between: for what an agent does all day, that was most of the work.
fn write_task(human: &Human, task: &Task, payload: &Json, depth: usize, out: &mut String) -> Result<(), WriteError> {
    let user = |id: &Option<String>| id.as_deref().and_then(|id| human.users.get(id));
    let (assignee, completer) = (user(&task.assigned_to_user_id), user(&task.completed_by_user_id));
    let label = |user: Option<&User>| Json::from(user.map(User::label));
    let slack = |user: Option<&User>| Json::from(user.and_then(|user| user.slack_user_id.clone()));
    let result = task.verifier_result.as_ref().map(|result| result.to_json());
    let timeout_seconds = i64::try_from(task.timeout_seconds).unwrap_or(i64::MAX);
    let mut object = Written::new(depth, out);
    object.text("id", &task.id);
    object.text("idempotency_key", &task.idempotency_key);
    object.text("task", &task.title);
    object.json("payload", payload)?;
    object.json("payload_schema", &task.payload_schema)?;
    object.json("response_schema", &task.response_schema)?;
    object.json("form_definition", &task.form_definition)?;
    object.json("task_metadata", &task.task_metadata)?;
    object.text("status", task.status.as_str());
    object.json("assign_to", &task.assign_to)?;
    object.optional_text("assigned_to_email", task.assigned_to_email.as_deref());
    object.optional_text("assigned_to_user_id", task.assigned_to_user_id.as_deref());
    object.json("assigned_to_display_name", &label(assignee))?;
    object.json("assigned_to_slack_user_id", &slack(assignee))?;
    object.json("initial_response", &task.initial_response)?;
    object.json("response", &task.response)?;
    object.optional_moment("response_redacted_at", task.response_redacted_at);
    object.literal("redact_response_after_submit", task.redact_response_after_submit);
    object.json("verifier_result", &result.into())?;
    object.literal("verification_attempt", task.verification_attempt);
    object.literal("timeout_seconds", timeout_seconds);
    object.literal("redact_payload", task.redact_payload);
    object.optional_moment("created_at", Some(task.created_at));
    object.optional_moment("updated_at", Some(task.updated_at));
    object.optional_moment("completed_at", task.completed_at);
    object.optional_moment("timed_out_at", task.timed_out_at);
    object.optional_text("completed_by_email", task.completed_by_email.as_deref());
    object.optional_text("completed_by_user_id", task.completed_by_user_id.as_deref());
    object.json("completed_by_display_name", &label(completer))?;
    object.json("completed_by_slack_user_id", &slack(completer))?;
    object.optional_text("completed_via_channel", task.completed_via_channel.as_deref());
    object.end();
    Ok(())
}

/// An object of an answer that is written field by field, as pydantic writes it. The keys are ours, and need no escapes.
struct Written<'a> {
    /// Of what stands in the object.
    depth: usize,
    separator: char,
    out: &'a mut String,
}

impl<'a> Written<'a> {
    /// Begins an object within so many arrays and objects.
    fn new(depth: usize, out: &'a mut String) -> Self {
        Self {
            depth: depth + 1,
            separator: '{',
            out,
        }
    }

    fn key(&mut self, key: &str) {
        self.out.push(self.separator);
        self.separator = ',';
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    fn json(&mut self, key: &str, value: &Json) -> Result<(), WriteError> {
        self.key(key);
        value.write_response(self.depth, self.out)
    }

    fn text(&mut self, key: &str, text: &str) {
        self.optional_text(key, Some(text));
    }

    fn optional_text(&mut self, key: &str, text: Option<&str>) {
        self.key(key);
        match text {
            Some(text) => write_response_text(text, self.out),
            None => self.out.push_str("null"),
        }
    }

    /// A number or a truth value, which JSON spells as Rust does.
    fn literal(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        self.push(format_args!("{value}"));
    }

    fn optional_moment(&mut self, key: &str, timestamp: Option<Timestamp>) {
        self.key(key);
        match timestamp {
            Some(timestamp) => self.push(format_args!("\"{}Z\"", moment(timestamp))),
            None => self.out.push_str("null"),
        }
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        // Writing into a String can't fail.
        let _ = self.out.write_fmt(text);
    }

    fn end(self) {
        self.out.push('}');
    }
}

/// What a long poll says: the answer only when the task is over.
pub(super) fn poll(task: &Task) -> Json {
    let over = task.status.is_terminal();
    Object::new()
        .with("status", task.status.as_str())
        .with("response", if over { task.response.clone() } else { Json::Null })
        .with("completed_at", task.completed_at.filter(|_| over).map(zulu))
        .with("timed_out_at", task.timed_out_at.filter(|_| over).map(zulu))
        .into()
}

/// A line of the audit trail, as `AuditEntryResponse` writes it.
pub(super) fn audit_entry(task_id: &str, line: &AuditEntry) -> Json {
    Object::new()
        .with("id", line.id.as_str())
        .with("task_id", task_id)
        .with("from_status", line.from_status.map(|status| status.as_str()))
        .with("to_status", line.entry.to_status.as_str())
        .with("action", line.entry.action.as_ref())
        .with("actor_type", line.entry.actor_type.as_ref())
        .with("actor_email", line.entry.actor_email.clone())
        .with("channel", line.entry.channel.clone())
        .with("extra_data", line.entry.extra_data.clone())
        .with("created_at", zulu(line.created_at))
        .into()
}

/// A callback in a list: no date has a zone, since SQLite forgets it.
pub(super) fn delivery(row: &Delivery) -> Json {
    delivery_with(row, naive)
}

/// A callback just made due by hand: the two dates written with it still know their zone (measured).
pub(super) fn redelivered(row: &Delivery) -> Json {
    delivery_with(row, zulu)
}

fn delivery_with(row: &Delivery, fresh: fn(Timestamp) -> String) -> Json {
    Object::new()
        .with("id", row.id.as_str())
        .with("task_id", row.task_id.as_str())
        .with("url", row.url.as_str())
        .with("status", row.status.as_str())
        .with("attempt_count", i64::from(row.attempt_count))
        .with("next_attempt_at", fresh(row.next_attempt_at))
        .with("first_attempted_at", row.first_attempted_at.map(naive))
        .with("last_attempt_at", row.last_attempt_at.map(naive))
        .with("last_error", row.last_error.clone())
        .with("last_status_code", row.last_status_code.map(i64::from))
        .with("created_at", naive(row.created_at))
        .with("updated_at", fresh(row.updated_at))
        .into()
}

/// A user, as `UserResponse` writes one: never with the password.
pub(super) fn user(user: &User) -> Json {
    Object::new()
        .with("id", user.id.as_str())
        .with("display_name", user.display_name.clone())
        .with("email", user.email.clone())
        .with("slack_team_id", user.slack_team_id.clone())
        .with("slack_user_id", user.slack_user_id.clone())
        .with("role", user.role.clone())
        .with("access_level", user.access_level.clone())
        .with("pool", user.pool.clone())
        .with("is_operator", user.is_operator)
        .with("has_password", user.has_password())
        .with("active", user.active)
        .with("last_assigned_at", user.last_assigned_at.map(naive))
        .with("created_at", naive(user.created_at))
        .with("updated_at", naive(user.updated_at))
        .into()
}

fn naive(timestamp: Timestamp) -> String {
    moment(timestamp).to_string()
}

fn zulu(timestamp: Timestamp) -> String {
    format!("{}Z", moment(timestamp))
}
