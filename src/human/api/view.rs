//! How stored things look in answers: every key, in the real server's order.

use awaithumans_temporal::wire::json::{Json, Object};

use crate::clock::Timestamp;
use crate::human::Human;
use crate::human::outbox::Delivery;
use crate::human::store::AuditEntry;
use crate::human::task::{Task, moment};
use crate::human::users::User;

/// A task, as `TaskResponse` writes it.
pub(super) fn task(human: &Human, task: &Task) -> Json {
    task_with_payload(human, task, task.payload.clone())
}

/// A task in a list, where a redacted payload is hidden.
pub(super) fn listed_task(human: &Human, task: &Task) -> Json {
    let payload = match task.redact_payload {
        true => Object::new().with("_redacted", true).into(),
        false => task.payload.clone(),
    };
    task_with_payload(human, task, payload)
}

fn task_with_payload(human: &Human, task: &Task, payload: Json) -> Json {
    let user = |id: &Option<String>| id.as_deref().and_then(|id| human.users.get(id));
    let (assignee, completer) = (user(&task.assigned_to_user_id), user(&task.completed_by_user_id));
    let slack = |user: Option<&User>| user.and_then(|user| user.slack_user_id.clone());
    let timeout_seconds = i64::try_from(task.timeout_seconds).unwrap_or(i64::MAX);
    Object::new()
        .with("id", task.id.as_str())
        .with("idempotency_key", task.idempotency_key.as_str())
        .with("task", task.title.as_str())
        .with("payload", payload)
        .with("payload_schema", task.payload_schema.clone())
        .with("response_schema", task.response_schema.clone())
        .with("form_definition", task.form_definition.clone())
        .with("task_metadata", task.task_metadata.clone())
        .with("status", task.status.as_str())
        .with("assign_to", task.assign_to.clone())
        .with("assigned_to_email", task.assigned_to_email.clone())
        .with("assigned_to_user_id", task.assigned_to_user_id.clone())
        .with("assigned_to_display_name", assignee.map(User::label))
        .with("assigned_to_slack_user_id", slack(assignee))
        .with("initial_response", task.initial_response.clone())
        .with("response", task.response.clone())
        .with("response_redacted_at", task.response_redacted_at.map(zulu))
        .with("redact_response_after_submit", task.redact_response_after_submit)
        .with(
            "verifier_result",
            task.verifier_result.as_ref().map(|result| result.to_json()),
        )
        .with("verification_attempt", task.verification_attempt)
        .with("timeout_seconds", timeout_seconds)
        .with("redact_payload", task.redact_payload)
        .with("created_at", zulu(task.created_at))
        .with("updated_at", zulu(task.updated_at))
        .with("completed_at", task.completed_at.map(zulu))
        .with("timed_out_at", task.timed_out_at.map(zulu))
        .with("completed_by_email", task.completed_by_email.clone())
        .with("completed_by_user_id", task.completed_by_user_id.clone())
        .with("completed_by_display_name", completer.map(User::label))
        .with("completed_by_slack_user_id", slack(completer))
        .with("completed_via_channel", task.completed_via_channel.clone())
        .into()
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
