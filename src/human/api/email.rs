//! Senders of e-mail, for operators; and the links in e-mails that answer a task.

use awaithumans_temporal::wire::json::{Json, Object};

use super::body::Body;
use super::{Answer, Call, acts, storable};
use crate::human::identities::{Identity, check_transport};
use crate::human::links::{ACTION_PATH, Answer as Click};
use crate::human::reject::Reject;
use crate::human::task::Submission;
use crate::human::{Human, pages, python, short};
use crate::journal::Party;

/// The most characters of an identity's id.
const MAX_IDENTITY_ID: usize = 100;

/// `POST /api/channels/email/identities`: adds one, or replaces the one of this id.
pub(super) fn put_identity(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let body = Body::read(&call.headers, &call.body)?;
    call.caller.require_admin()?;
    let mut fields = body.fields()?;
    let id = fields.string_of_length("id", 1, Some(MAX_IDENTITY_ID));
    let display_name = fields.string("display_name");
    let from_email = fields.string("from_email");
    let from_name = fields.optional_string("from_name");
    let reply_to = fields.optional_string("reply_to");
    let transport = fields.string("transport");
    let settings = fields.dictionary("transport_config");
    fields.finish()?;
    let identity = Identity {
        id: storable(&id)?,
        display_name: storable(&display_name)?,
        from_email: storable(&from_email)?,
        from_name: from_name.as_ref().map(storable).transpose()?,
        reply_to: reply_to.as_ref().map(storable).transpose()?,
        transport: storable(&transport)?,
    };
    check_transport(&identity.transport, &settings)?;
    let answer = identity_answer(&identity);
    human.identities.put(identity);
    Ok(answer)
}

/// `GET /api/channels/email/identities`, oldest first.
pub(super) fn list_identities(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    Ok(Answer::Json {
        status: 200,
        body: Json::Array(human.identities.oldest_first().map(identity_json).collect()),
    })
}

/// `GET /api/channels/email/identities/{id}`.
pub(super) fn get_identity(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    human
        .identities
        .get(&call.id)
        .map(identity_answer)
        .ok_or_else(no_identity)
}

/// `DELETE /api/channels/email/identities/{id}`. The empty answer says that it is a page (measured).
pub(super) fn delete_identity(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    match human.identities.remove(&call.id) {
        true => Ok(Answer::Page {
            status: 204,
            html: "".into(),
        }),
        false => Err(no_identity()),
    }
}

/// `GET /api/channels/email/action/{token}`: asks whether the answer is meant; nothing is changed.
pub(super) fn confirm_action(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let Some(click) = Click::from_token(&human.keys.magic_link, call.now, &call.id) else {
        let message = "This link is invalid or has expired. Open the dashboard to review the task instead.";
        return Ok(done(400, message));
    };
    let Some(task) = human.store.get(&click.task_id) else {
        return Ok(done(404, "The task linked to this email no longer exists."));
    };
    if task.status.is_terminal() {
        let status = task.status.as_str().replace('_', " ");
        return Ok(done(200, &format!("This task was already {status}.")));
    }
    let label = match click.value.as_bool() {
        Some(true) => "Yes".to_owned(),
        Some(false) => "No".to_owned(),
        None => python::str(&click.value),
    };
    Ok(Answer::Page {
        status: 200,
        html: pages::confirm(&task.title, &label, &format!("{ACTION_PATH}{}", call.id)).into(),
    })
}

/// `POST /api/channels/email/action/{token}`: answers the task. The link is used up, whatever comes of the answer; and no
/// callback is queued, so an agent that waits for one isn't told (recorded).
pub(super) fn submit_action(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let Some(click) = Click::from_token(&human.keys.magic_link, call.now, &call.id) else {
        return Ok(done(400, "This link is invalid or has expired."));
    };
    if !human.used_links.insert(click.jti) {
        let message = "This link has already been used. If you need to change the response, open the dashboard.";
        return Ok(done(410, message));
    }
    let user = click.recipient.as_deref().and_then(|email| human.users.by_email(email));
    let submission = Submission {
        response: Object::new().with(&click.field, click.value).into(),
        by_user_id: user.filter(|user| user.active).map(|user| user.id.clone()),
        by_email: click.recipient,
        via_channel: Some("email".to_owned()),
        is_untold: true,
    };
    let who = submission.by_email.as_deref().unwrap_or("somebody");
    let line = format!(
        "{who} answers task {} by magic link: {}",
        short(&click.task_id),
        submission.response
    );
    call.journal.headline(call.now, Party::Person, line);
    acts::submit(human, call, &click.task_id, submission, |_, _, outcome| match outcome {
        Ok(()) => Ok(done(200, "Response recorded. Thanks for reviewing.")),
        Err(Reject::TaskAlreadyTerminal { .. }) => Ok(done(200, "This task was already completed.")),
        Err(reject) => Err(reject),
    })
}

fn done(status: u16, message: &str) -> Answer {
    Answer::Page {
        status,
        html: pages::done(message).into(),
    }
}

fn no_identity() -> Reject {
    Reject::NothingThere("Identity not found.".to_owned())
}

fn identity_answer(identity: &Identity) -> Answer {
    Answer::Json {
        status: 200,
        body: identity_json(identity),
    }
}

/// An identity as `IdentityResponse` writes it: never with the transport's settings.
fn identity_json(identity: &Identity) -> Json {
    Object::new()
        .with("id", identity.id.as_str())
        .with("display_name", identity.display_name.as_str())
        .with("from_email", identity.from_email.as_str())
        .with("from_name", identity.from_name.clone())
        .with("reply_to", identity.reply_to.clone())
        .with("transport", identity.transport.as_str())
        .with("verified", false)
        .with("verified_at", Json::Null)
        .into()
}
