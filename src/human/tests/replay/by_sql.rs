//! What the recording scripts did to the real server's database, done to the fake one.

use super::recording::Row;
use super::substitution::Substitution;
use crate::clock::Timestamp;
use crate::human::{Human, Status};

/// Does what a row says.
pub(super) fn apply(human: &mut Human, now: Timestamp, row: &Row, substitution: &Substitution) -> Result<(), String> {
    let ours = |recorded: &str| substitution.ours(recorded).unwrap_or(recorded).to_owned();
    let task = ours(&row.task);
    match row.sql.as_deref() {
        Some("expire") => {
            if human.store.get(&task).is_none_or(|task| task.status.is_terminal()) {
                return Ok(());
            }
            human.set_expiry(now, &task, now);
        }
        Some("status") => {
            let wanted = row.status.as_ref().and_then(|status| status.as_str());
            let status = Status::ALL.into_iter().find(|status| Some(status.as_str()) == wanted);
            let status = status.ok_or("no such status")?;
            let changed = human.store.change(&task, |task| task.status = status);
            changed.ok_or("the task isn't there")?;
        }
        Some("keep deliveries") => {
            let kept: Vec<_> = row.tasks.iter().map(|task| ours(task)).collect();
            human.outbox.retain(|delivery| kept.contains(&delivery.task_id));
        }
        Some("delivery created") => {
            let at: jiff::civil::DateTime = row.created_at.parse().map_err(|error| format!("{error}"))?;
            let at = at
                .to_zoned(jiff::tz::TimeZone::UTC)
                .map_err(|error| format!("{error}"))?;
            let seconds = u64::try_from(at.timestamp().as_second()).map_err(|error| format!("{error}"))?;
            human.outbox.set_created(&task, Timestamp::from_seconds(seconds));
        }
        Some("delivery id") => {
            let delivery = human.deliveries().find(|delivery| delivery.task_id == task);
            let id = delivery
                .map(|delivery| delivery.id.clone())
                .ok_or("the delivery isn't there")?;
            human.outbox.rename(&id, &row.new_id);
        }
        Some("delete delivery") => human.outbox.retain(|delivery| delivery.task_id != task),
        other => return Err(format!("{other:?} isn't known")),
    }
    human.set_webhook_tick(now);
    Ok(())
}
