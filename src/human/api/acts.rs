//! What ends a task, and the long poll that waits for its end.

use std::time::Duration;

use super::body::Body;
use super::query::Query;
use super::{Answer, Call, storable, tasks, view};
use crate::human::Human;
use crate::human::judging::{Submitted, Then};
use crate::human::reject::Reject;
use crate::human::task::{Event, Submission};

/// How long a poll waits unless told otherwise, and at most, in seconds.
const DEFAULT_POLL_SECONDS: i64 = 25;
const MAX_POLL_SECONDS: i64 = 30;

/// `POST /api/tasks/{id}/complete`.
pub(super) fn complete(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut fields = Body::read(&call.headers, &call.body)?.fields()?;
    let response = fields.dictionary("response");
    let by_email = fields.optional_string("completed_by_email");
    let via_channel = fields.optional_string("completed_via_channel");
    fields.finish()?;
    let is_embed = call.caller.is_embed_of(&call.id)?;
    let task = tasks::find(human, &call.id)?;
    if !is_embed {
        call.caller.require_task(task)?;
    }
    let by_email = by_email.as_ref().map(storable).transpose()?;
    // An empty address counts as none. A session has its user's, a token has none, and an embed token leaves it empty.
    let session = || human.users.get(call.caller.user_id()?)?.email.clone();
    let submission = Submission {
        response,
        by_email: match is_embed {
            true => by_email,
            false => by_email.filter(|email| !email.is_empty()).or_else(session),
        },
        by_user_id: call.caller.user_id().map(str::to_owned),
        via_channel: match is_embed {
            true => Some("embed".to_owned()),
            false => via_channel.as_ref().map(storable).transpose()?,
        },
        is_untold: false,
    };
    let id = call.id.clone();
    submit(human, call, &id, submission, |human, id, outcome| {
        outcome.and_then(|()| task_answer(human, id))
    })
}

/// Takes an answer in; `then` says how the request is answered, now or when the verdict is there.
pub(super) fn submit(
    human: &mut Human,
    call: &mut Call<'_>,
    id: &str,
    submission: Submission,
    then: Then,
) -> Result<Answer, Reject> {
    match human.submit(call.now, call.journal, id, submission, None) {
        Ok(Submitted::Done) => then(human, id, Ok(())),
        Ok(Submitted::Judging(number)) => {
            human.park_answer(number, call.ticket, call.envelope.clone(), then);
            Ok(Answer::Parked)
        }
        Err(reject) => then(human, id, Err(reject)),
    }
}

/// `POST /api/tasks/{id}/claim`: a claim needs a person, and a token is none. The real server looks at that first.
pub(super) fn claim(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_operator()?;
    let user_id = call.caller.user_id().ok_or(Reject::ClaimNeedsSession)?.to_owned();
    let email = human.users.get(&user_id).and_then(|user| user.email.clone());
    human.apply(call.now, call.journal, &call.id, Event::Claim { user_id, email })?;
    task_answer(human, &call.id)
}

/// `POST /api/tasks/{id}/cancel`. Any body is ignored.
pub(super) fn cancel(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_operator()?;
    human.apply(call.now, call.journal, &call.id, Event::Cancel)?;
    task_answer(human, &call.id)
}

fn task_answer(human: &Human, id: &str) -> Result<Answer, Reject> {
    Ok(Answer::Written {
        status: 200,
        body: tasks::read(human, id)?,
    })
}

/// `GET /api/tasks/{id}/poll`: at once if the task is over, else when it is, else after the timeout.
pub(super) fn poll(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let seconds = query.integer("timeout", DEFAULT_POLL_SECONDS, 1, Some(MAX_POLL_SECONDS));
    query.finish()?;
    let task = tasks::find(human, &call.id)?;
    call.caller.require_task(task)?;
    if task.status.is_terminal() {
        return poll_answer(human, &call.id);
    }
    let limit = Duration::from_secs(seconds.unsigned_abs());
    human.park_poll(call.now, call.ticket, call.id.clone(), limit, call.envelope.clone());
    Ok(Answer::Parked)
}

/// What a poll says of a task now.
pub(in crate::human) fn poll_answer(human: &Human, id: &str) -> Result<Answer, Reject> {
    Ok(Answer::Json {
        status: 200,
        body: view::poll(tasks::find(human, id)?),
    })
}
