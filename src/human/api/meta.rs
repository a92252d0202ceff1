//! What the server says of itself. The three version strings differ, as they do in awaithumans 0.1.12.

use awaithumans_temporal::wire::json::Object;

use super::{Answer, Call};
use crate::human::Human;
use crate::human::reject::Reject;

const VERSION: &str = "0.1.11";
const STATUS_VERSION: &str = "0.1.1";

const OPENAPI: &str = include_str!("../../../fixtures/awaithumans-0.1.12/openapi.json");
const DOCS: &str = include_str!("../../../fixtures/awaithumans-0.1.12/pages/docs.html");
const REDOC: &str = include_str!("../../../fixtures/awaithumans-0.1.12/pages/redoc.html");

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
        .with("environment", human.config.environment.as_str())
        .with("public_url", human.config.public_url.as_str())
        .with("auth_enabled", true)
        .with("payload_encryption_enabled", true)
        .with("admin_token_enabled", !human.config.admin_token.is_empty())
        .with(
            "slack_mode",
            if human.slack.is_configured {
                "single-workspace"
            } else {
                "off"
            },
        )
        .with("email_transport", human.config.email.transport.clone())
        .with("email_from", human.config.email.from_email.clone()))
}

/// `GET /api/openapi.json`, as recorded.
pub(super) fn openapi(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    Ok(Answer::Document(OPENAPI))
}

/// `GET /api/docs`, as recorded.
pub(super) fn docs(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    Ok(page(DOCS))
}

/// `GET /api/redoc`, as recorded.
pub(super) fn redoc(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    Ok(page(REDOC))
}

fn page(html: &'static str) -> Answer {
    Answer::Page {
        status: 200,
        html: html.into(),
    }
}

fn ok(body: Object) -> Result<Answer, Reject> {
    Ok(Answer::Json {
        status: 200,
        body: body.into(),
    })
}
