//! The first start: whoever has the token from the log becomes the first operator.

use awaithumans_temporal::wire::json::{Json, Object};

use super::auth::{CLIENT_ADDRESS, cookie, session_of};
use super::body::Body;
use super::{Answer, Call, storable};
use crate::human::Human;
use crate::human::reject::Reject;
use crate::human::users::{Details, NewPassword};

/// `GET /api/setup/status`.
pub(super) fn status(human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    let needs_setup = human.users.is_empty();
    let body = Object::new()
        .with("needs_setup", needs_setup)
        .with("token_active", needs_setup && human.setup_token.is_some());
    Ok(Answer::Json {
        status: 200,
        body: Json::from(body),
    })
}

/// `POST /api/setup/operator`: once, and only while there is no user at all.
pub(super) fn create_operator(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let mut fields = Body::read(&call.headers, &call.body)?.fields()?;
    let token = fields.string_of_length("token", 1, None);
    let email = fields.string_of_length("email", 1, Some(320));
    let password = fields.string_of_length("password", 8, None);
    let display_name = fields.optional_string("display_name");
    fields.finish()?;
    if !human.limits.setup_per_address.admits(call.now, CLIENT_ADDRESS) {
        return Err(Reject::TooManyAttempts(
            "Too many setup attempts. Try again in a few minutes.",
        ));
    }
    if !human.users.is_empty() {
        human.setup_token = None;
        return Err(Reject::SetupAlreadyCompleted);
    }
    // Python's `compare_digest` raises on text beyond ASCII.
    let token = token
        .as_str()
        .filter(|token| token.is_ascii())
        .ok_or(Reject::Internal)?;
    if human.setup_token.as_deref() != Some(token) {
        return Err(Reject::InvalidSetupToken);
    }
    let details = Details {
        display_name: display_name.as_ref().map(storable).transpose()?,
        email: Some(storable(&email)?),
        is_operator: Some(true),
        password: Some(NewPassword {
            text: storable(&password)?,
            salt: human.secrets.bytes16(),
        }),
        ..Details::default()
    };
    let id = human.secrets.uuid_hex();
    let user = human.users.add(call.now, id, details)?;
    let session = session_of(user);
    let body = Object::new()
        .with("user_id", user.id.as_str())
        .with("email", user.email.clone().unwrap_or_default());
    human.setup_token = None;
    let answer = Answer::Json {
        status: 201,
        body: body.into(),
    };
    Ok(answer.with_cookie(cookie(human, call, &session)))
}
