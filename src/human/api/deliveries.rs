//! The queue of callbacks, for operators.

use awaithumans_temporal::wire::json::Json;

use super::query::Query;
use super::{Answer, Call, view};
use crate::human::outbox::{Delivery, DeliveryStatus};
use crate::human::reject::Reject;
use crate::human::{Human, short};
use crate::journal::Party;

/// How many callbacks a list shows unless told otherwise, and at most.
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 500;

/// `GET /api/admin/webhook-deliveries`, those changed last first.
pub(super) fn list(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let status = query.one_of("status", &DeliveryStatus::ALL, DeliveryStatus::as_str);
    let limit = query.integer("limit", DEFAULT_LIMIT, 1, Some(MAX_LIMIT));
    query.finish()?;
    call.caller.require_operator()?;
    let wanted = |row: &&Delivery| status.is_none_or(|status| row.status == status);
    let mut rows: Vec<&Delivery> = human.outbox.oldest_first().rev().filter(wanted).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.updated_at));
    Ok(Answer::Json {
        status: 200,
        body: Json::Array(rows.into_iter().take(limit as usize).map(view::delivery).collect()),
    })
}

/// `POST /api/admin/webhook-deliveries/{id}/redeliver`.
pub(super) fn redeliver(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_operator()?;
    let row = human
        .outbox
        .redeliver(call.now, &call.id)
        .ok_or(Reject::DeliveryNotFound)?;
    let line = format!("webhook for task {} is due again, by hand", short(&row.task_id));
    call.journal.headline(call.now, Party::Awaithumans, line);
    Ok(Answer::Json {
        status: 200,
        body: view::redelivered(row),
    })
}
