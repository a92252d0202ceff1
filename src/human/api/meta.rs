//! What the server says of itself. The three version strings differ, as they do in awaithumans 0.1.12.

use awaithumans_temporal::wire::json::{Json, Object};

use super::{Answer, Call};
use crate::human::Human;
use crate::human::reject::Reject;

const VERSION: &str = "0.1.11";
const STATUS_VERSION: &str = "0.1.1";

/// `GET /api/health`.
pub(super) fn health(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    ok(Object::new().with("status", "ok").with("version", VERSION))
}

/// `GET /api/version`.
pub(super) fn version(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    ok(Object::new().with("name", "awaithumans").with("version", VERSION))
}

/// `GET /api/status`.
pub(super) fn status(human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    ok(Object::new()
        .with("version", STATUS_VERSION)
        .with("environment", "development")
        .with("public_url", human.config.public_url.as_str())
        .with("auth_enabled", true)
        .with("payload_encryption_enabled", true)
        .with("admin_token_enabled", !human.config.admin_token.is_empty())
        .with("slack_mode", "off")
        .with("email_transport", Json::Null)
        .with("email_from", Json::Null))
}

/// `GET /api/setup/status`: as after the first operator was set up.
pub(super) fn setup_status(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    ok(Object::new().with("needs_setup", false).with("token_active", false))
}

fn ok(body: Object) -> Result<Answer, Reject> {
    Ok(Answer::Json {
        status: 200,
        body: body.into(),
    })
}
