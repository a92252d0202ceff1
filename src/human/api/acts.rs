//! What ends a task, and the long poll that waits for its end.

use std::time::Duration;

use super::body::{Fields, Query};
use super::{Answer, Call, tasks, view};
use crate::human::Human;
use crate::human::reject::Reject;
use crate::human::task::{Event, Submission};

/// How long a poll waits unless told otherwise, and at most, in seconds.
const DEFAULT_POLL_SECONDS: i64 = 25;
const MAX_POLL_SECONDS: i64 = 30;

/// `POST /api/tasks/{id}/complete`.
pub(super) fn complete(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let response = fields.dictionary("response");
    let by_email = fields.optional_string("completed_by_email");
    let via_channel = fields.optional_string("completed_via_channel");
    fields.finish()?;
    let storable =
        |text: &awaithumans_temporal::wire::json::Text| text.as_str().map(str::to_owned).ok_or(Reject::Internal);
    let submission = Submission {
        response,
        // An empty address counts as none, and a bearer token has no address of its own.
        by_email: by_email
            .as_ref()
            .map(storable)
            .transpose()?
            .filter(|email| !email.is_empty()),
        by_user_id: None,
        via_channel: via_channel.as_ref().map(storable).transpose()?,
    };
    human.submit(call.now, call.journal, &call.id, submission, None)?;
    answer_with_task(human, call)
}

/// `POST /api/tasks/{id}/claim`: a claim needs a person, and a token is none. The real server looks at that first.
pub(super) fn claim(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    Err(Reject::ClaimNeedsSession)
}

/// `POST /api/tasks/{id}/cancel`. Any body is ignored.
pub(super) fn cancel(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    human.apply(call.now, call.journal, &call.id, Event::Cancel)?;
    answer_with_task(human, call)
}

fn answer_with_task(human: &Human, call: &Call<'_>) -> Result<Answer, Reject> {
    Ok(Answer::Json {
        status: 200,
        body: tasks::read(human, &call.id)?,
    })
}

/// `GET /api/tasks/{id}/poll`: at once if the task is over, else when it is, else after the timeout.
pub(super) fn poll(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let seconds = query.integer("timeout", DEFAULT_POLL_SECONDS, 1, Some(MAX_POLL_SECONDS));
    query.finish()?;
    let task = human
        .store
        .get(&call.id)
        .ok_or_else(|| Reject::TaskNotFound { id: call.id.clone() })?;
    if task.status.is_terminal() {
        return poll_answer(human, &call.id);
    }
    let limit = Duration::from_secs(seconds.unsigned_abs());
    human.park_poll(call.now, call.ticket, call.id.clone(), limit, call.envelope.clone());
    Ok(Answer::Parked)
}

/// What a poll says of a task now.
pub(in crate::human) fn poll_answer(human: &Human, id: &str) -> Result<Answer, Reject> {
    let task = human
        .store
        .get(id)
        .ok_or_else(|| Reject::TaskNotFound { id: id.to_owned() })?;
    Ok(Answer::Json {
        status: 200,
        body: view::poll(task),
    })
}
