//! Slack's routes, as a server without Slack's own credentials answers them: a fake has none, and there is no Slack to talk to.

use awaithumans_temporal::wire::json::Json;

use super::body::length_problem;
use super::query::Query;
use super::{Answer, Call};
use crate::human::Human;
use crate::human::links::quote_plus;
use crate::human::reject::Reject;
use crate::human::session::cookie;

/// The most characters of a workspace's id in a path.
const MAX_TEAM_ID: usize = 50;

/// The most characters of an error that a redirect hands on.
const MAX_ERROR: usize = 100;

const STATE_COOKIE: &str = "awaithumans_slack_oauth_state";

/// `POST /api/channels/slack/interactions`.
pub(super) fn interactions(_human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    Err(Reject::NotConfigured("Slack integration not configured."))
}

/// `GET /api/channels/slack/oauth/start`.
pub(super) fn oauth_start(human: &mut Human, _call: &mut Call<'_>) -> Result<Answer, Reject> {
    Err(Reject::NotConfigured(match human.slack.is_configured {
        true => {
            "Server is in single-workspace mode (SLACK_BOT_TOKEN is set). Unset it to enable the OAuth install flow."
        }
        false => {
            "Slack OAuth is not configured. Set AWAITHUMANS_SLACK_CLIENT_ID, SLACK_CLIENT_SECRET, SLACK_SIGNING_SECRET, and \
             SLACK_INSTALL_TOKEN."
        }
    }))
}

/// `GET /api/channels/slack/oauth/callback`.
pub(super) fn oauth_callback(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let query = Query::parse(call.query.as_deref());
    let said = |name: &str| query.get(name).filter(|text| !text.is_empty());
    if let Some(error) = said("error") {
        let error: String = error.chars().take(MAX_ERROR).collect();
        return Ok(Answer::Redirect {
            status: 307,
            location: human.public_url(&format!("/?slack_oauth_error={}", quote_plus(&error))),
        });
    }
    let (Some(_), Some(state)) = (said("code"), said("state")) else {
        return Err(Reject::BadRequest("Missing code or state.".to_owned()));
    };
    let expected = cookie(&call.headers, STATE_COOKIE).filter(|expected| !expected.is_empty());
    match expected {
        Some(expected) if !expected.is_ascii() || !state.is_ascii() => Err(Reject::Internal),
        // It matches, but was never signed: there is no secret to sign it with.
        Some(expected) if expected == state => Err(Reject::NotProven("Invalid OAuth state.")),
        _ => Err(Reject::NotProven("OAuth state mismatch.")),
    }
}

/// `GET /api/channels/slack/installations`.
pub(super) fn installations(_human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    Ok(Answer::Json {
        status: 200,
        body: Json::Array(Vec::new()),
    })
}

/// `GET /api/channels/slack/static-workspace`. With a bot token, a real server asks Slack, which doesn't know the token.
pub(super) fn static_workspace(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    call.caller.require_admin()?;
    Err(match human.slack.is_configured {
        true => Reject::Upstream(
            "Slack rejected auth.test for the static bot token. Token may be revoked or malformed — verify SLACK_BOT_TOKEN and \
             reinstall the app if needed.",
        ),
        false => Reject::NothingThere(
            "No static bot token configured. Set SLACK_BOT_TOKEN to use single-workspace mode, or install the app via OAuth."
                .to_owned(),
        ),
    })
}

/// `DELETE /api/channels/slack/installations/{team}`.
pub(super) fn uninstall(_human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    team(call)?;
    Err(Reject::NothingThere("Installation not found.".to_owned()))
}

/// `GET /api/channels/slack/installations/{team}/members`.
pub(super) fn members(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    team(call)?;
    Err(match human.slack.is_configured {
        true => Reject::Upstream(
            "Slack rejected users.list. The installation may be missing the 'users:read' scope, or the token was revoked. \
             Reinstall the workspace from Settings → Slack.",
        ),
        false => Reject::NothingThere(format!(
            "No Slack installation for team '{}'. Install the awaithumans app to this workspace first.",
            call.id
        )),
    })
}

fn team(call: &Call<'_>) -> Result<(), Reject> {
    call.caller.require_admin()?;
    match length_problem(&call.id.as_str().into(), 1, Some(MAX_TEAM_ID)) {
        Some(problem) => Err(Reject::Invalid(vec![problem.in_field("path", "team_id")])),
        None => Ok(()),
    }
}
