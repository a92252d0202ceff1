//! Creating, reading, listing and deleting tasks.

use awaithumans_temporal::wire::json::{Json, Text};

use super::body::{Fields, Query};
use super::{Answer, Call, view};
use crate::human::reject::Reject;
use crate::human::task::{Status, Task};
use crate::human::{Human, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, short};
use crate::journal::Party;

/// How many tasks a list shows unless told otherwise, and at most.
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// `POST /api/tasks`: a new task, or the one that its key has already.
pub(super) fn create(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let wanted = NewTask::parse(call)?;
    if let Some(task) = human.store.by_key(&wanted.idempotency_key) {
        let line = format!(
            "key {} asked for again: same task {}, {} (idempotent replay)",
            wanted.idempotency_key,
            short(&task.id),
            task.status.as_str()
        );
        call.journal.headline(call.now, Party::Awaithumans, line);
        return Ok(Answer::Replayed {
            body: view::task(human, task),
        });
    }
    let id = human.entropy.uuid_hex();
    let task = wanted.into_task(human, id.clone(), call)?;
    human.add_task(call.now, call.journal, task);
    Ok(Answer::Json {
        status: 201,
        body: read(human, &id)?,
    })
}

/// `GET /api/tasks/{id}`. The payload is shown, redacted or not.
pub(super) fn get(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    Ok(Answer::Json {
        status: 200,
        body: read(human, &call.id)?,
    })
}

/// The task's JSON, which every act on it answers with.
pub(super) fn read(human: &Human, id: &str) -> Result<Json, Reject> {
    match human.store.get(id) {
        Some(task) => Ok(view::task(human, task)),
        None => Err(Reject::TaskNotFound { id: id.to_owned() }),
    }
}

/// `GET /api/tasks`, newest first. Of tasks of one moment the later one comes first.
pub(super) fn list(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let status = query.one_of("status", &Status::ALL, Status::as_str);
    let assigned_to = query.get("assigned_to").map(str::to_owned);
    let unassigned = query.boolean_or_false("unassigned");
    let terminal = query.boolean_or_false("terminal");
    let limit = query.integer("limit", DEFAULT_LIMIT, 1, Some(MAX_LIMIT));
    let offset = query.integer("offset", 0, 0, None);
    query.finish()?;
    // SQLite can't hold it.
    if offset == i64::MAX {
        return Err(Reject::Internal);
    }
    let wanted = |task: &&Task| {
        let of_status = match status {
            Some(status) => task.status == status,
            None => !terminal || task.status.is_terminal(),
        };
        let of_assignee = match &assigned_to {
            _ if unassigned => task.assigned_to_user_id.is_none() && task.assigned_to_email.is_none(),
            Some(search) => is_assigned(human, task, search),
            None => true,
        };
        of_status && of_assignee
    };
    let newest_first = human.store.oldest_first().rev().filter(wanted);
    let page = newest_first.skip(offset as usize).take(limit as usize);
    Ok(Answer::Json {
        status: 200,
        body: Json::Array(page.map(|task| view::listed_task(human, task)).collect()),
    })
}

/// The address, or part of the display name, which here is the address too.
fn is_assigned(human: &Human, task: &Task, search: &str) -> bool {
    let needle = search.trim().to_lowercase();
    let display_name = human.people.display_name(task.assigned_to_user_id.as_deref());
    task.assigned_to_email.as_deref() == Some(search)
        || (!needle.is_empty() && display_name.is_some_and(|name| name.to_lowercase().contains(&needle)))
}

/// `DELETE /api/tasks/{id}`.
pub(super) fn delete(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    human.remove_task(call.now, call.journal, &call.id)?;
    Ok(Answer::NoContent)
}

/// `GET /api/tasks/{id}/audit`, oldest first.
pub(super) fn audit(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    read(human, &call.id)?;
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
    fn parse(call: &Call<'_>) -> Result<Self, Reject> {
        let mut fields = Fields::parse(&call.headers, &call.body)?;
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

    fn into_task(self, human: &Human, id: String, call: &Call<'_>) -> Result<Task, Reject> {
        let assigned_to_email = self.assignee()?;
        let user_id = assigned_to_email
            .as_deref()
            .and_then(|email| human.people.known_user_id(email));
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
            assigned_to_user_id: user_id.map(str::to_owned),
            assigned_to_email,
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

    /// The address that the task goes to: the one in `assign_to`, or the only one in `notify`. Source: `task_router.py`;
    /// roles and pools pick from a directory of users, which the fake server doesn't have yet.
    fn assignee(&self) -> Result<Option<String>, Reject> {
        match self.assign_to.get("email").unwrap_or(&Json::Null) {
            Json::String(email) if email.as_str() != Some("") => return storable(email).map(Some),
            // The column of the database turns a number into text, and can't hold a list or an object (recorded).
            number @ (Json::Int(_) | Json::Float(_)) if number.to_compact() != "0" => {
                return Ok(Some(number.to_compact()));
            }
            Json::Array(values) if !values.is_empty() => return Err(Reject::Internal),
            Json::Object(object) if !object.is_empty() => return Err(Reject::Internal),
            _ => {}
        }
        let only = match self.notify.as_deref() {
            Some([only]) => only.split_once(':'),
            _ => None,
        };
        let email = only
            .filter(|(channel, target)| (*channel == "email" || channel.starts_with("email+")) && !target.is_empty());
        Ok(email.map(|(_, target)| target.to_owned()))
    }
}

/// A text for a column of the database, which can't hold a lone surrogate (the real server answers 500).
fn storable(text: &Text) -> Result<String, Reject> {
    text.as_str().map(str::to_owned).ok_or(Reject::Internal)
}
