//! Logging in and out, and the links that log people in.

use awaithumans_temporal::wire::json::{Json, Object};

use super::body::Body;
use super::envelope::http_date;
use super::query::Query;
use super::{Answer, Call};
use crate::human::Human;
use crate::human::links::Handoff;
use crate::human::pages;
use crate::human::reject::Reject;
use crate::human::session::{Session, forget_cookie};
use crate::human::users::{Details, User};

/// The one address from which a fake is called: over TCP it serves loopback only, and in-process there is none.
pub(super) const CLIENT_ADDRESS: &str = "127.0.0.1";

const TOO_MANY: Reject = Reject::TooManyAttempts("Too many login attempts. Try again in a few minutes.");
const WRONG: Reject = Reject::NotProven("Invalid credentials.");

/// `POST /api/auth/login`.
pub(super) fn login(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut fields = Body::read(&call.headers, &call.body)?.fields()?;
    let email = fields.string_of_length("email", 1, Some(320));
    let password = fields.string_of_length("password", 1, Some(200));
    fields.finish()?;
    let (email, password) = (super::storable(&email)?, super::storable(&password)?);
    let email_key = email.to_lowercase().trim().to_owned();
    let limits = &mut human.limits;
    let admitted = limits.login_per_address.admits(call.now, CLIENT_ADDRESS)
        && limits.login_per_email.admits(call.now, &email_key);
    if !admitted {
        return Err(TOO_MANY);
    }
    let user = human.users.by_email(&email).filter(|user| user.active);
    let session = user
        .filter(|user| user.has_this_password(&password))
        .map(session_of)
        .ok_or(WRONG)?;
    human.limits.login_per_email.forgive(&email_key);
    Ok(Answer::NoContent.with_cookie(cookie(human, call, &session)))
}

/// `POST /api/auth/logout`.
pub(super) fn logout(_human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    Ok(Answer::NoContent.with_cookie(forget_cookie(&http_date(call.now))))
}

/// `GET /api/auth/me`: what the directory says now of the user whom the cookie names.
pub(super) fn me(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let session = Session::of_request(&human.keys.session, call.now, &call.headers);
    let user = session
        .and_then(|session| human.users.get(&session.user_id))
        .filter(|user| user.active);
    let text = |field: fn(&User) -> Option<String>| user.and_then(field);
    let body = Object::new()
        .with("authenticated", user.is_some())
        .with("user_id", text(|user| Some(user.id.clone())))
        .with("email", text(|user| user.email.clone()))
        .with("display_name", text(|user| user.display_name.clone()))
        .with("is_operator", user.is_some_and(|user| user.is_operator));
    Ok(Answer::Json {
        status: 200,
        body: Json::from(body),
    })
}

/// `GET /api/auth/slack-handoff`: logs in the user whom a Slack message was for.
pub(super) fn slack_handoff(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let (user_id, task_id) = (query.required("u"), query.required("t"));
    let (expires_at, signature) = (query.required_integer("e"), query.required("s"));
    query.finish()?;
    let handoff = Handoff {
        who: &user_id,
        task_id: &task_id,
        expires_at,
    };
    if !handoff.is_valid(&human.keys.slack_handoff, call.now, &signature) {
        return Ok(expired("Slack notification"));
    }
    let user = human.users.get(&user_id).filter(|user| user.active);
    let gone = Reject::Forbidden("That user is no longer active. Ask an operator to re-add you to the directory.");
    let session = user.map(session_of).ok_or(gone)?;
    Ok(into_dashboard(human, call, &task_id, &session))
}

/// `GET /api/auth/email-handoff`: logs in whom an e-mail was for, adds them to the directory if they are new, and gives them the
/// task if it is nobody's.
pub(super) fn email_handoff(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut query = Query::parse(call.query.as_deref());
    let (to, task_id) = (query.required("to"), query.required("t"));
    let (expires_at, signature) = (query.required_integer("e"), query.required("s"));
    query.finish()?;
    let email = to.to_lowercase();
    let handoff = Handoff {
        who: &email,
        task_id: &task_id,
        expires_at,
    };
    // A bar would make two readings of what was signed.
    if to.contains('|') || !handoff.is_valid(&human.keys.email_handoff, call.now, &signature) {
        return Ok(expired("notification email"));
    }
    let user = match human.users.by_email(&email) {
        Some(user) => user,
        None => {
            let details = Details {
                email: Some(email.clone()),
                ..Details::default()
            };
            let id = human.secrets.uuid_hex();
            human.users.add(call.now, id, details)?
        }
    };
    if !user.active {
        return Err(Reject::Forbidden(
            "That reviewer is no longer active. Ask an operator to re-add you to the directory.",
        ));
    }
    let session = session_of(user);
    human.store.change(&task_id, |task| {
        if task.assigned_to_user_id.is_none() && !task.status.is_terminal() {
            task.assigned_to_user_id = Some(session.user_id.clone());
            task.assigned_to_email = Some(email);
        }
    });
    Ok(into_dashboard(human, call, &task_id, &session))
}

/// The session of a user who has just proven who they are.
pub(super) fn session_of(user: &User) -> Session {
    Session {
        user_id: user.id.clone(),
        is_operator: user.is_operator,
    }
}

/// The cookie that starts a session.
pub(super) fn cookie(human: &Human, call: &Call<'_>, session: &Session) -> String {
    session.set_cookie(&human.keys.session, call.now, human.config.is_secure())
}

fn into_dashboard(human: &Human, call: &Call<'_>, task_id: &str, session: &Session) -> Answer {
    let answer = Answer::Redirect {
        status: 303,
        location: format!("/task?id={task_id}"),
    };
    answer.with_cookie(cookie(human, call, session))
}

fn expired(source: &str) -> Answer {
    Answer::Page {
        status: 400,
        html: pages::handoff_expired(source).into(),
    }
}
