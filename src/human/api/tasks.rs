//! Creating, reading, listing and deleting tasks.

use awaithumans_temporal::wire::json::{Json, WriteError};

use super::body::{Body, Fields};
use super::query::Query;
use super::{Answer, Call, storable, view};
use crate::human::register::Assignment;
use crate::human::reject::Reject;
use crate::human::task::{Status, Task};
use crate::human::{Human, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, router, short};
use crate::journal::Party;

/// How many tasks a list shows unless told otherwise, and at most.
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// `POST /api/tasks`: a new task, or the one that its key has already.
pub(super) fn create(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let body = Body::read(&call.headers, &call.body)?;
    call.caller.require_admin()?;
    let wanted = NewTask::parse(body.fields()?)?;
    if let Some(task) = human.store.by_key(&wanted.idempotency_key) {
        let line = format!(
            "key {} asked for again: same task {}, {} (idempotent replay)",
            wanted.idempotency_key,
            short(&task.id),
            task.status.as_str()
        );
        call.journal.headline(call.now, Party::Awaithumans, line);
        let body = view::task(human, task).map_err(unwritable)?;
        return Ok(Answer::Replayed { body });
    }
    let id = human.entropy.uuid_hex();
    let task = wanted.into_task(human, id.clone(), call)?;
    let told = task.notify.is_some().then(|| task.clone());
    human.add_task(call.now, call.journal, task);
    if let Some(task) = told {
        human.notify(call.now, call.journal, &task);
    }
    Ok(Answer::Written {
        status: 201,
        body: read(human, &id)?,
    })
}

/// `GET /api/tasks/{id}`. The payload is shown, redacted or not.
pub(super) fn get(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    if !call.caller.is_embed_of(&call.id)? {
        call.caller.require_task(find(human, &call.id)?)?;
    }
    Ok(Answer::Written {
        status: 200,
        body: read(human, &call.id)?,
    })
}

/// The task's JSON, which every act on it answers with.
pub(super) fn read(human: &Human, id: &str) -> Result<String, Reject> {
    view::task(human, find(human, id)?).map_err(unwritable)
}

/// What can't be written becomes the real server's 500.
fn unwritable(_: WriteError) -> Reject {
    Reject::Internal
}

/// The task of an id.
pub(super) fn find<'a>(human: &'a Human, id: &str) -> Result<&'a Task, Reject> {
    human
        .store
        .get(id)
        .ok_or_else(|| Reject::TaskNotFound { id: id.to_owned() })
}

/// `GET /api/tasks`, newest first. Of tasks of one moment the later one comes first.
pub(super) fn list(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let status = query.one_of("status", &Status::ALL, Status::as_str);
    let mut assigned_to = query.get("assigned_to").map(str::to_owned);
    let mut unassigned = query.boolean_or_false("unassigned");
    let terminal = query.boolean_or_false("terminal");
    let limit = query.integer("limit", DEFAULT_LIMIT, 1, Some(MAX_LIMIT));
    let offset = query.integer("offset", 0, 0, None);
    let query_offset = query.get("offset").map(str::to_owned);
    query.finish()?;
    if call.caller.is_embed() {
        return Err(Reject::Forbidden("embed_token_cannot_list_tasks"));
    }
    // A reviewer sees their own tasks, whatever they ask for.
    let own = call.caller.user_id().filter(|_| !call.caller.sees_all());
    if own.is_some() {
        (assigned_to, unassigned) = (None, false);
    }
    // SQLite can't hold what is more than 64 bits, which was read as the most that is less.
    if offset == i64::MAX && !query_offset.is_some_and(|text| is_most_of_64_bits(&text)) {
        return Err(Reject::Internal);
    }
    let is_wanted = |found: Status, to: &Assignment| {
        let of_status = match status {
            Some(status) => found == status,
            None => !terminal || found.is_terminal(),
        };
        let of_assignee = || match &assigned_to {
            _ if unassigned => to.user_id.is_none() && to.email.is_none(),
            Some(search) => is_assigned(human, to, search),
            None => true,
        };
        of_status && of_assignee() && (own.is_none() || to.user_id.as_deref() == own)
    };
    let wants_all = status.is_none() && !terminal && !unassigned && assigned_to.is_none() && own.is_none();
    let (store, offset, limit) = (&human.store, offset as usize, limit as usize);
    let page: Vec<&Task> = match wants_all {
        true => store.newest_first_from(offset).take(limit).collect(),
        false => store.newest_wanted_first_from(offset, is_wanted).take(limit).collect(),
    };
    Ok(Answer::Written {
        status: 200,
        body: view::tasks(human, &page).map_err(unwritable)?,
    })
}

/// Whether a number that pydantic reads as an integer is exactly the greatest one of 64 bits.
fn is_most_of_64_bits(text: &str) -> bool {
    let whole = text
        .trim()
        .trim_start_matches('+')
        .split('.')
        .next()
        .unwrap_or_default();
    whole.replace('_', "").trim_start_matches('0') == i64::MAX.to_string()
}

/// The task's address; or its user's address, Slack id or part of the display name.
fn is_assigned(human: &Human, to: &Assignment, search: &str) -> bool {
    if to.email.as_deref() == Some(search) {
        return true;
    }
    let needle = search.trim();
    let user = to.user_id.as_deref().and_then(|id| human.users.get(id));
    let Some(user) = user.filter(|_| !needle.is_empty()) else {
        return false;
    };
    let is = |text: &Option<String>| text.as_deref() == Some(needle);
    let pattern = format!("%{}%", needle.to_lowercase());
    let named = |name: &str| is_like(&name.to_ascii_lowercase(), &pattern);
    is(&user.email) || is(&user.slack_user_id) || user.display_name.as_deref().is_some_and(named)
}

/// SQL's `LIKE`, as SQLite has it: `%` stands for any text, `_` for any character, and the case of ASCII doesn't matter.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where the last `%` was, and how much it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(place) {
            Some('%') => {
                star = Some((place, at));
                place += 1;
            }
            Some(wanted) if *wanted == '_' || wanted.eq_ignore_ascii_case(&text[at]) => {
                at += 1;
                place += 1;
            }
            _ => match &mut star {
                Some((percent, from)) => {
                    *from += 1;
                    (at, place) = (*from, *percent + 1);
                }
                None => return false,
            },
        }
    }
    pattern[place..].iter().all(|rest| *rest == '%')
}

/// `DELETE /api/tasks/{id}`.
pub(super) fn delete(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    human.remove_task(call.now, call.journal, &call.id)?;
    Ok(Answer::NoContent)
}

/// `GET /api/tasks/{id}/audit`, oldest first.
pub(super) fn audit(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_task(find(human, &call.id)?)?;
    let trail = human.store.audit_trail(&call.id);
    Ok(Answer::Json {
        status: 200,
        body: Json::Array(trail.iter().map(|line| view::audit_entry(&call.id, line)).collect()),
    })
}

/// What a caller asks for: `CreateTaskRequest`.
struct NewTask {
    title: String,
    payload: Json,
    payload_schema: Json,
    response_schema: Json,
    form_definition: Json,
    timeout_seconds: u64,
    idempotency_key: String,
    assign_to: Json,
    notify: Option<Vec<String>>,
    verifier_config: Json,
    redact_payload: bool,
    callback_url: Option<String>,
    task_metadata: Json,
    initial_response: Json,
    redact_response_after_submit: bool,
}

impl NewTask {
    /// Reads the fields in the order of the model, which is the order of the refusals.
    fn parse(mut fields: Fields) -> Result<Self, Reject> {
        let title = fields.string("task");
        let payload = fields.dictionary("payload");
        let payload_schema = fields.dictionary("payload_schema");
        let response_schema = fields.dictionary("response_schema");
        let form_definition = fields.optional_dictionary("form_definition");
        let timeout = fields.integer_between("timeout_seconds", MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS);
        let idempotency_key = fields.string("idempotency_key");
        let assign_to = fields.optional_dictionary("assign_to");
        let notify = fields.optional_strings("notify");
        let verifier_config = fields.optional_dictionary("verifier_config");
        let redact_payload = fields.boolean_or_false("redact_payload");
        let callback_url = fields.optional_string("callback_url");
        let task_metadata = fields.optional_dictionary_of_strings("task_metadata");
        let initial_response = fields.optional_dictionary("initial_response");
        let redact_response_after_submit = fields.boolean_or_false("redact_response_after_submit");
        fields.finish()?;
        let notify = notify.map(|routes| routes.iter().map(storable).collect()).transpose()?;
        Ok(Self {
            title: storable(&title)?,
            payload,
            payload_schema,
            response_schema,
            form_definition,
            timeout_seconds: timeout.unsigned_abs(),
            idempotency_key: storable(&idempotency_key)?,
            assign_to,
            notify,
            verifier_config,
            redact_payload,
            callback_url: callback_url.as_ref().map(storable).transpose()?,
            task_metadata,
            initial_response,
            redact_response_after_submit,
        })
    }

    fn into_task(self, human: &mut Human, id: String, call: &Call<'_>) -> Result<Task, Reject> {
        let notify = self.notify.as_deref();
        let assignee = router::assign(&mut human.users, &human.slack, call.now, &self.assign_to, notify)?;
        Ok(Task {
            id,
            idempotency_key: self.idempotency_key,
            title: self.title,
            payload: self.payload,
            payload_schema: self.payload_schema,
            response_schema: self.response_schema,
            form_definition: self.form_definition,
            task_metadata: self.task_metadata,
            status: Status::Created,
            assign_to: self.assign_to,
            assigned_to_user_id: assignee.user_id,
            assigned_to_email: assignee.email,
            notify: self.notify,
            initial_response: self.initial_response,
            response: Json::Null,
            response_redacted_at: None,
            redact_response_after_submit: self.redact_response_after_submit,
            verifier_config: self.verifier_config,
            verifier_result: None,
            verification_attempt: 0,
            timeout_seconds: self.timeout_seconds,
            redact_payload: self.redact_payload,
            callback_url: self.callback_url,
            created_at: call.now,
            updated_at: call.now,
            completed_at: None,
            timed_out_at: None,
            completed_by_email: None,
            completed_by_user_id: None,
            completed_via_channel: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_offset_is_told_from_one_beyond_it() {
        for most in [
            "9223372036854775807",
            "+9_223372036854775807.0",
            " 09223372036854775807",
        ] {
            assert!(is_most_of_64_bits(most), "{most}");
        }
        assert!(!is_most_of_64_bits("9223372036854775808"));
    }

    #[test]
    fn names_are_searched_as_sqlite_does() {
        for (text, pattern) in [
            ("rita reviewer", "%rev%"),
            ("rita", "%r_ta%"),
            ("a%b", "%%%"),
            ("", "%"),
            ("aab", "%ab%"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("rita", "%tia%"), ("", "%a%"), ("ab", "a"), ("abc", "%b")] {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }
}
