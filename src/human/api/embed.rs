//! Embed tokens: a page of another origin gets one for each task that it shows.

use awaithumans_temporal::wire::json::Object;
use http::header::HOST;

use super::body::Body;
use super::{Answer, Call, storable};
use crate::clock::Timestamp;
use crate::human::Human;
use crate::human::access::{SERVICE_KEY_PREFIX, bearer};
use crate::human::embed::{Wish, allows, mint as mint_token, parse_allowlist};
use crate::human::reject::Reject;
use crate::human::task::moment;

/// `POST /api/embed/tokens`, for the holder of the service key.
pub(super) fn mint(human: &mut Human, call: &mut Call<'_>) -> Result<Answer, Reject> {
    let body = Body::read(&call.headers, &call.body)?;
    let supplied = bearer(&call.headers).filter(|key| key.starts_with(SERVICE_KEY_PREFIX.as_bytes()));
    let known = human.config.service_key.as_deref().map(str::as_bytes);
    if supplied.is_none() || supplied != known {
        return Err(Reject::ServiceKeyNotFound);
    }
    let wish = wish(body)?;
    let secret = human.config.embed_secret.clone().filter(|secret| !secret.is_empty());
    let secret = secret.ok_or(Reject::NotConfigured("embed_signing_not_configured"))?;
    let allowlist = parse_allowlist(&human.config.parent_origins).ok_or(Reject::Internal)?;
    if !allows(&allowlist, &wish.parent_origin).ok_or(Reject::Internal)? {
        return Err(Reject::EmbedOriginNotAllowed {
            origin: wish.parent_origin,
        });
    }
    if human.store.get(&wish.task_id).is_none() {
        return Err(Reject::TaskNotFound { id: wish.task_id });
    }
    let (token, expires_at) = mint_token(&secret, call.now, &mut human.secrets, &wish);
    let host = call.headers.get(HOST).and_then(|host| host.to_str().ok());
    let base = host.map_or_else(|| human.public_url(""), |host| format!("http://{host}"));
    let expires_at = moment(Timestamp::from_seconds(expires_at.unsigned_abs()));
    let body = Object::new()
        .with("embed_token", token.as_str())
        .with("embed_url", format!("{base}/embed?id={}#token={token}", wish.task_id))
        .with("expires_at", format!("{expires_at}+00:00"));
    Ok(Answer::Json {
        status: 200,
        body: body.into(),
    })
}

fn wish(body: Body) -> Result<Wish, Reject> {
    let mut fields = body.fields()?;
    let task_id = fields.string_of_length("task_id", 1, Some(64));
    let sub = fields.optional_string_of_length("sub", 0, Some(256));
    let parent_origin = fields.string_of_length("parent_origin", 1, Some(256));
    let age_seconds = fields.optional_integer_from("ttl_seconds", 0);
    fields.finish()?;
    Ok(Wish {
        task_id: storable(&task_id)?,
        sub: sub.as_ref().map(storable).transpose()?,
        parent_origin: storable(&parent_origin)?,
        age_seconds,
    })
}
