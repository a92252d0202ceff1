//! Nexus endpoints: made, changed, deleted, looked up (`service/frontend/nexus_endpoint_client.go`).

use prost::Message as _;
use temporalio_protos::temporal::api::nexus::v1::endpoint_target::Variant;
use temporalio_protos::temporal::api::nexus::v1::{EndpointSpec, EndpointTarget};
use temporalio_protos::temporal::api::operatorservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::nexus::endpoint::{Endpoint, Spec, Target, UpdateRefusal};
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;

/// The longest name (dynamic config `limit.endpointNameMaxLength`), in bytes.
const MAX_NAME_LENGTH: usize = 200;

/// The longest URL (dynamic config `limit.endpointExternalURLMaxLength`), in bytes.
const MAX_URL_LENGTH: usize = 4 * 1024;

/// The largest description (dynamic config `limit.endpointDescriptionMaxSize`), in bytes.
const MAX_DESCRIPTION_SIZE: usize = 20_000;

/// Endpoints of a page, if the request doesn't say (dynamic config `limit.endpointListDefaultPageSize`).
const DEFAULT_PAGE_SIZE: i32 = 100;

/// The most endpoints of a page (dynamic config `limit.endpointListMaxPageSize`).
const MAX_PAGE_SIZE: i32 = 1_000;

pub(super) fn create(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::CreateNexusEndpointRequest,
) -> Result<Answer<wire::CreateNexusEndpointResponse>, Reject> {
    let spec = parse_spec(engine, request.spec)?;
    if engine.nexus.endpoints.is_taken(&spec.name) {
        return Err(Reject::AlreadyExists(format!(
            "error creating Nexus endpoint. Endpoint with name {} already registered",
            spec.name
        )));
    }
    let id = engine.entropy.uuid();
    let endpoint = engine.nexus.endpoints.create(call.now, id, spec).clone();
    Ok(Answer::Now(wire::CreateNexusEndpointResponse {
        endpoint: Some(describe(engine, &endpoint)),
    }))
}

pub(super) fn update(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateNexusEndpointRequest,
) -> Result<Answer<wire::UpdateNexusEndpointResponse>, Reject> {
    let spec = parse_spec(engine, request.spec)?;
    let updated = engine
        .nexus
        .endpoints
        .update(call.now, &request.id, request.version, spec);
    let endpoint = match updated {
        Ok(endpoint) => endpoint.clone(),
        Err(UpdateRefusal::NotFound) => {
            return Err(Reject::NotFound(format!(
                "error updating Nexus endpoint. endpoint ID {} not found",
                request.id
            )));
        }
        Err(UpdateRefusal::OtherVersion(expected)) => {
            return Err(Reject::FailedPrecondition(format!(
                "nexus endpoint version mismatch. received: {} expected {expected}",
                request.version
            )));
        }
    };
    Ok(Answer::Now(wire::UpdateNexusEndpointResponse {
        endpoint: Some(describe(engine, &endpoint)),
    }))
}

/// The version isn't compared, only looked at: so does Temporal.
pub(super) fn delete(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::DeleteNexusEndpointRequest,
) -> Result<Answer<wire::DeleteNexusEndpointResponse>, Reject> {
    let mut issues = id_issues(&request.id);
    if request.version <= 0 {
        issues.push("endpoint version is non-positive".to_owned());
    }
    refuse(&issues)?;
    match engine.nexus.endpoints.delete(&request.id) {
        true => Ok(Answer::Now(wire::DeleteNexusEndpointResponse {})),
        false => Err(Reject::NotFound(format!(
            "error deleting nexus endpoint with ID: {}",
            request.id
        ))),
    }
}

pub(super) fn get(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::GetNexusEndpointRequest,
) -> Result<Answer<wire::GetNexusEndpointResponse>, Reject> {
    refuse(&id_issues(&request.id))?;
    match engine.nexus.endpoints.get(&request.id) {
        Some(endpoint) => Ok(Answer::Now(wire::GetNexusEndpointResponse {
            endpoint: Some(describe(engine, endpoint)),
        })),
        None => Err(Reject::NotFound(format!(
            "Nexus endpoint with ID `{}` not found",
            request.id
        ))),
    }
}

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListNexusEndpointsRequest,
) -> Result<Answer<wire::ListNexusEndpointsResponse>, Reject> {
    let registry = &engine.nexus.endpoints;
    if !request.name.is_empty() {
        let found = registry.by_name(&request.name);
        return Ok(Answer::Now(wire::ListNexusEndpointsResponse {
            next_page_token: Vec::new(),
            endpoints: found.map(|endpoint| describe(engine, endpoint)).into_iter().collect(),
        }));
    }
    let invalid = |text: String| Err(Reject::InvalidArgument(text));
    let page_size = match request.page_size {
        0 => DEFAULT_PAGE_SIZE,
        size if size < 0 => return invalid("page_size is negative".to_owned()),
        size if size > MAX_PAGE_SIZE => return invalid(format!("page_size exceeds limit of {MAX_PAGE_SIZE}")),
        size => size,
    };
    let limit = usize::try_from(page_size).unwrap_or_default();
    let after = String::from_utf8_lossy(&request.next_page_token);
    let page: Vec<&Endpoint> = registry.page(&after, limit).collect();
    // A full page has a token even if nothing follows.
    let next_page_token = match page.last().filter(|_| page.len() == limit) {
        Some(last) => last.id.clone().into_bytes(),
        None => Vec::new(),
    };
    Ok(Answer::Now(wire::ListNexusEndpointsResponse {
        endpoints: page.into_iter().map(|endpoint| describe(engine, endpoint)).collect(),
        next_page_token,
    }))
}

fn describe(engine: &Engine, endpoint: &Endpoint) -> temporalio_protos::temporal::api::nexus::v1::Endpoint {
    let namespace = match &endpoint.spec.target {
        Target::Worker { namespace_id, .. } => engine.namespaces.by_id(namespace_id),
        Target::External { .. } => None,
    };
    endpoint.describe(namespace.map_or("", |namespace| &namespace.name))
}

fn parse_spec(engine: &Engine, spec: Option<EndpointSpec>) -> Result<Spec, Reject> {
    let spec = spec.unwrap_or_default();
    let mut issues = name_issues(&spec.name);
    let Some(EndpointTarget { variant: Some(variant) }) = spec.target else {
        issues.push("empty target variant".to_owned());
        return Err(Reject::InvalidArgument(issues.join(", ")));
    };
    let target = match variant {
        Variant::Worker(worker) => {
            let namespace = engine.namespaces.get(&worker.namespace);
            if worker.namespace.is_empty() {
                issues.push("target namespace not set".to_owned());
            } else if namespace.is_none() {
                return Err(Reject::FailedPrecondition(format!(
                    "could not verify namespace referenced by target exists: {}",
                    Reject::NamespaceNotFound(worker.namespace).message()
                )));
            }
            if let Err(reject) = queue_name::check(&engine.config, &worker.task_queue) {
                issues.push(format!("invalid target task queue: {:?}", reject.message()));
            }
            Target::Worker {
                namespace_id: namespace.map(|namespace| namespace.id.clone()).unwrap_or_default(),
                task_queue: worker.task_queue,
            }
        }
        Variant::External(external) => {
            issues.extend(url_issue(&external.url));
            Target::External { url: external.url }
        }
    };
    if spec.description.as_ref().map_or(0, |it| it.encoded_len()) > MAX_DESCRIPTION_SIZE {
        issues.push(format!("description size exceeds limit of {MAX_DESCRIPTION_SIZE}"));
    }
    refuse(&issues)?;
    Ok(Spec {
        name: spec.name,
        description: spec.description,
        target,
    })
}

fn refuse(issues: &[String]) -> Result<(), Reject> {
    match issues.is_empty() {
        true => Ok(()),
        false => Err(Reject::InvalidArgument(issues.join(", "))),
    }
}

fn name_issues(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["endpoint name not set".to_owned()];
    }
    let mut issues = Vec::new();
    if name.len() > MAX_NAME_LENGTH {
        issues.push(format!("endpoint name exceeds length limit of {MAX_NAME_LENGTH}"));
    }
    let is_good = name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    if !is_good {
        issues.push(r#"endpoint name must match the regex: "^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$""#.to_owned());
    }
    issues
}

fn url_issue(url: &str) -> Option<String> {
    if url.is_empty() {
        return Some("empty target URL".to_owned());
    }
    if url.len() > MAX_URL_LENGTH {
        return Some(format!("target URL length exceeds limit of {MAX_URL_LENGTH}"));
    }
    match scheme(url) {
        Err(why) => Some(format!("invalid target URL: parse {url:?}: {why}")),
        Ok(scheme) if scheme == "http" || scheme == "https" => None,
        Ok(scheme) => Some(format!("invalid target URL scheme: {scheme:?}, expected http or https")),
    }
}

/// The scheme of a URL as Go's `url.Parse` sees it; empty if there is none.
fn scheme(url: &str) -> Result<String, &'static str> {
    if url.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL");
    }
    let end = url.find(|letter: char| !(letter.is_ascii_alphanumeric() || "+-.".contains(letter)));
    let scheme = match end {
        Some(0) if url.starts_with(':') => return Err("missing protocol scheme"),
        Some(end) if url[end..].starts_with(':') => &url[..end],
        _ => "",
    };
    if !scheme.is_empty() && !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err("first path segment in URL cannot contain colon");
    }
    Ok(scheme.to_lowercase())
}

fn id_issues(id: &str) -> Vec<String> {
    if id.is_empty() {
        return vec!["endpoint ID not set".to_owned()];
    }
    let issue = uuid_issue(id).map(|why| format!("malformed endpoint ID: {why:?}"));
    issue.into_iter().collect()
}

/// What Go's `uuid.Parse` has against an id, if anything.
pub(super) fn uuid_issue(id: &str) -> Option<String> {
    let hyphenated = |text: &str| {
        text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let is_good = match id.len() {
        32 => id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        36 => hyphenated(id),
        38 => id.get(1..37).is_some_and(hyphenated),
        45 => id.get(9..).is_some_and(hyphenated),
        length => return Some(format!("invalid UUID length: {length}")),
    };
    (!is_good).then(|| "invalid UUID format".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_urls_and_ids_are_refused_as_go_refuses_them() {
        for good in ["ab", "my-endpoint-1", "A9"] {
            assert_eq!(name_issues(good), [""; 0], "{good}");
        }
        for bad in ["a", "1a", "a-", "a_b", "ä1"] {
            assert_eq!(name_issues(bad).len(), 1, "{bad}");
        }
        assert_eq!(url_issue("https://x/y"), None);
        assert_eq!(url_issue("HTTP://x"), None);
        let scheme = |url: &str| url_issue(url).unwrap();
        assert_eq!(
            scheme("ftp://x"),
            "invalid target URL scheme: \"ftp\", expected http or https"
        );
        assert_eq!(scheme("x/y"), "invalid target URL scheme: \"\", expected http or https");
        assert_eq!(
            scheme(":x"),
            "invalid target URL: parse \":x\": missing protocol scheme"
        );
        assert_eq!(id_issues("x"), ["malformed endpoint ID: \"invalid UUID length: 1\""]);
        assert_eq!(
            id_issues(&"z".repeat(36)),
            ["malformed endpoint ID: \"invalid UUID format\""]
        );
        assert_eq!(id_issues("8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1"), [""; 0]);
    }
}
