//! Activities on their own: start, describe, wait for, cancel, terminate, delete.

use prost::Message as _;
use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::common::v1::{Link, OnConflictOptions, WorkflowExecution, link};
use temporalio_protos::temporal::api::enums::v1::{
    ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse,
};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use temporalio_protos::temporal::api::workflowservice::v1::{
    pause_activity_request, reset_activity_request, unpause_activity_request, update_activity_options_request,
};

use super::{Answer, activity_operations};
use crate::temporal::activity_options::{self, Fields, OfWorkflow};
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{Call, Engine, IdPolicies};
use crate::temporal::machine::standalone_activity::{CancelRequest, Parts, StartActivity, Wait};
use crate::temporal::reject::Reject;
use crate::temporal::standalone::ActivityRef;
use crate::temporal::token::ChangeToken;

/// The largest summary, in bytes (dynamic config `limit.userMetadataSummarySize`).
const MAX_SUMMARY_BYTES: usize = 400;

/// The largest details, in bytes (dynamic config `limit.userMetadataDetailsSize`).
const MAX_DETAILS_BYTES: usize = 20_000;

/// Links in one request (dynamic config `frontend.maxlinksPerRequest`).
const MAX_LINKS: usize = 10;

/// The largest link, in bytes (dynamic config `frontend.linkMaxSize`).
const MAX_LINK_BYTES: usize = 4_000;

pub(super) fn start(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::StartActivityExecutionRequest,
) -> Result<Answer<wire::StartActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if request.request_id.is_empty() {
        request.request_id = engine.entropy.uuid();
    }
    let options = options(&engine.config, &mut request)?;
    let policies = check_start(&engine.config, &request)?;
    let namespace = request.namespace.clone();
    let activity_id = request.activity_id.clone();
    let attach_links = request.on_conflict_options.is_some_and(|options| options.attach_links);
    let links = request.links.clone();
    let start = StartActivity {
        namespace: request.namespace,
        activity_id: request.activity_id,
        run_id: String::new(),
        activity_type: request.activity_type.unwrap_or_default().name,
        request_id: request.request_id,
        options,
        input: request.input,
        header: request.header,
        search_attributes: request.search_attributes,
        user_metadata: request.user_metadata,
        links: request.links,
    };
    let (activity, started) = engine.start_standalone(call.now, start, policies)?;
    if !started && attach_links && !links.is_empty() {
        engine.with_standalone(call.now, activity, |activity, _| activity.attach_links(links));
    }
    let run_id = engine
        .standalones
        .get(activity)
        .map(|activity| activity.run_id().to_owned())
        .unwrap_or_default();
    Ok(Answer::Now(wire::StartActivityExecutionResponse {
        run_id: run_id.clone(),
        started,
        link: Some(Link {
            variant: Some(link::Variant::Activity(link::Activity {
                namespace,
                activity_id,
                run_id,
            })),
        }),
    }))
}

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeActivityExecutionRequest,
) -> Result<Answer<wire::DescribeActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_id(&engine.config, &request.activity_id)?;
    if !request.long_poll_token.is_empty() && request.run_id.is_empty() {
        return invalid("run id is required when long poll token is provided");
    }
    check_run_id(&request.run_id)?;
    let activity = find(engine, &request.namespace, &request.activity_id, &request.run_id)?;
    let parts = Parts {
        input: request.include_input,
        outcome: request.include_outcome,
        heartbeat_details: request.include_heartbeat_details,
        last_failure: request.include_last_failure,
    };
    let wait = match request.long_poll_token.is_empty() {
        true => None,
        false => Some(Wait::Change {
            seen: seen(&request.long_poll_token, activity)?,
            parts,
        }),
    };
    match engine.standalones.get(activity) {
        Some(state) if wait.is_none_or(|wait| state.has(wait)) => Ok(Answer::Now(state.describe(call.now, parts))),
        _ => {
            if let Some(wait) = wait {
                engine.wait_for_standalone(call, activity, wait);
            }
            Ok(Answer::Later)
        }
    }
}

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PollActivityExecutionRequest,
) -> Result<Answer<wire::PollActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_id(&engine.config, &request.activity_id)?;
    check_run_id(&request.run_id)?;
    let activity = find(engine, &request.namespace, &request.activity_id, &request.run_id)?;
    match engine.standalones.get(activity).filter(|state| state.is_closed()) {
        Some(state) => Ok(Answer::Now(state.result())),
        None => {
            engine.wait_for_standalone(call, activity, Wait::Outcome);
            Ok(Answer::Later)
        }
    }
}

pub(super) fn request_cancel(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RequestCancelActivityExecutionRequest,
) -> Result<Answer<wire::RequestCancelActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_id(&engine.config, &request.activity_id)?;
    check_by(&engine.config, &request.request_id, &request.identity)?;
    check_run_id(&request.run_id)?;
    check_reason(&engine.config, &request.reason)?;
    let activity = find(engine, &request.namespace, &request.activity_id, &request.run_id)?;
    let cancel = CancelRequest {
        identity: request.identity,
        request_id: given_or_new(engine, request.request_id),
        reason: request.reason,
    };
    engine
        .with_standalone(call.now, activity, |activity, step| {
            activity.request_cancel(step, cancel)
        })
        .unwrap_or(Ok(()))?;
    Ok(Answer::Now(wire::RequestCancelActivityExecutionResponse {}))
}

pub(super) fn terminate(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::TerminateActivityExecutionRequest,
) -> Result<Answer<wire::TerminateActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_id(&engine.config, &request.activity_id)?;
    check_by(&engine.config, &request.request_id, &request.identity)?;
    check_run_id(&request.run_id)?;
    check_reason(&engine.config, &request.reason)?;
    let activity = find(engine, &request.namespace, &request.activity_id, &request.run_id)?;
    let request_id = given_or_new(engine, request.request_id);
    engine
        .with_standalone(call.now, activity, |activity, step| {
            activity.terminate(step, &request.reason, &request.identity, &request_id)
        })
        .unwrap_or(Ok(()))?;
    Ok(Answer::Now(wire::TerminateActivityExecutionResponse {}))
}

pub(super) fn delete(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteActivityExecutionRequest,
) -> Result<Answer<wire::DeleteActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_id(&engine.config, &request.activity_id)?;
    check_run_id(&request.run_id)?;
    let activity = find(engine, &request.namespace, &request.activity_id, &request.run_id)?;
    engine.delete_standalone(call.now, activity);
    Ok(Answer::Now(wire::DeleteActivityExecutionResponse {}))
}

pub(super) fn pause(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PauseActivityExecutionRequest,
) -> Result<Answer<wire::PauseActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_operation(
        &engine.config,
        &request.workflow_id,
        &request.request_id,
        &request.activity_id,
        &request.identity,
    )?;
    check_run_id(&request.run_id)?;
    check_reason(&engine.config, &request.reason)?;
    let forwarded = wire::PauseActivityRequest {
        namespace: request.namespace,
        execution: execution(request.workflow_id, request.run_id),
        identity: request.identity,
        activity: Some(pause_activity_request::Activity::Id(request.activity_id)),
        reason: request.reason,
        request_id: given_or_new(engine, request.request_id),
    };
    activity_operations::pause(engine, call, forwarded)?;
    Ok(Answer::Now(wire::PauseActivityExecutionResponse {}))
}

pub(super) fn unpause(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::UnpauseActivityExecutionRequest,
) -> Result<Answer<wire::UnpauseActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_operation(
        &engine.config,
        &request.workflow_id,
        &request.request_id,
        &request.activity_id,
        &request.identity,
    )?;
    check_run_id(&request.run_id)?;
    check_jitter(request.jitter.as_mut())?;
    let forwarded = wire::UnpauseActivityRequest {
        namespace: request.namespace,
        execution: execution(request.workflow_id, request.run_id),
        identity: request.identity,
        activity: Some(unpause_activity_request::Activity::Id(request.activity_id)),
        jitter: request.jitter,
        ..Default::default()
    };
    activity_operations::unpause(engine, call, forwarded)?;
    Ok(Answer::Now(wire::UnpauseActivityExecutionResponse {}))
}

pub(super) fn reset(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::ResetActivityExecutionRequest,
) -> Result<Answer<wire::ResetActivityExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_operation(
        &engine.config,
        &request.workflow_id,
        &request.request_id,
        &request.activity_id,
        &request.identity,
    )?;
    check_run_id(&request.run_id)?;
    check_jitter(request.jitter.as_mut())?;
    let forwarded = wire::ResetActivityRequest {
        namespace: request.namespace,
        execution: execution(request.workflow_id, request.run_id),
        identity: request.identity,
        activity: Some(reset_activity_request::Activity::Id(request.activity_id)),
        reset_heartbeat: request.reset_heartbeat,
        keep_paused: request.keep_paused,
        jitter: request.jitter,
        restore_original_options: request.restore_original_options,
    };
    activity_operations::reset(engine, call, forwarded)?;
    Ok(Answer::Now(wire::ResetActivityExecutionResponse {}))
}

pub(super) fn update_options(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateActivityExecutionOptionsRequest,
) -> Result<Answer<wire::UpdateActivityExecutionOptionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_operation(
        &engine.config,
        &request.workflow_id,
        &request.request_id,
        &request.activity_id,
        &request.identity,
    )?;
    check_run_id(&request.run_id)?;
    check_update(&request)?;
    let forwarded = wire::UpdateActivityOptionsRequest {
        namespace: request.namespace,
        execution: execution(request.workflow_id, request.run_id),
        identity: request.identity,
        activity: Some(update_activity_options_request::Activity::Id(request.activity_id)),
        activity_options: request.activity_options,
        update_mask: request.update_mask,
        restore_original: request.restore_original,
    };
    let activity_options = match activity_operations::update_options(engine, call, forwarded)? {
        Answer::Now(updated) => updated.activity_options,
        Answer::Later => None,
    };
    Ok(Answer::Now(wire::UpdateActivityExecutionOptionsResponse {
        activity_options,
    }))
}

/// The options of a new activity, filled in and checked.
fn options(
    config: &DynamicConfig,
    request: &mut wire::StartActivityExecutionRequest,
) -> Result<ActivityOptions, Reject> {
    activity_options::cap(request.start_delay.as_mut())
        .map_err(|why| Reject::InvalidArgument(format!("invalid StartDelay: {why}")))?;
    let mut options = ActivityOptions {
        task_queue: request.task_queue.take(),
        schedule_to_close_timeout: request.schedule_to_close_timeout,
        schedule_to_start_timeout: request.schedule_to_start_timeout,
        start_to_close_timeout: request.start_to_close_timeout,
        heartbeat_timeout: request.heartbeat_timeout,
        retry_policy: Some(request.retry_policy.take().unwrap_or_default()),
        priority: request.priority.take(),
        start_delay: request.start_delay,
    };
    let type_name = request.activity_type.clone().unwrap_or_default().name;
    let no_workflow = OfWorkflow {
        run_timeout: std::time::Duration::ZERO,
        task_queue: "",
        config,
    };
    activity_options::normalize(&request.activity_id, &type_name, &mut options, &no_workflow)?;
    Ok(options)
}

/// What can be refused about a start beside its options (Temporal: `validateAndNormalizeStartRequest`).
fn check_start(config: &DynamicConfig, request: &wire::StartActivityExecutionRequest) -> Result<IdPolicies, Reject> {
    check_by(config, &request.request_id, &request.identity)?;
    if request
        .input
        .as_ref()
        .is_some_and(|input| input.encoded_len() > config.blob_limit())
    {
        return invalid("input exceeds length limit");
    }
    let metadata = request.user_metadata.clone().unwrap_or_default();
    for (name, payload, limit) in [
        ("summary", metadata.summary, MAX_SUMMARY_BYTES),
        ("details", metadata.details, MAX_DETAILS_BYTES),
    ] {
        let length = payload.map_or(0, |payload| payload.encoded_len());
        if length > limit {
            return invalid(format!(
                "user_metadata.{name} exceeds size limit. Length={length} Limit={limit}"
            ));
        }
    }
    if !request.completion_callbacks.is_empty() {
        return invalid("completion callbacks are not enabled for this namespace");
    }
    check_links(&request.links)?;
    check_on_conflict(request.on_conflict_options.as_ref(), &request.links)?;
    let reuse = Reuse::try_from(request.id_reuse_policy).map_err(|_| unsupported("reuse", request.id_reuse_policy))?;
    let conflict = Conflict::try_from(request.id_conflict_policy)
        .map_err(|_| unsupported("conflict", request.id_conflict_policy))?;
    Ok(IdPolicies { reuse, conflict })
}

fn check_on_conflict(options: Option<&OnConflictOptions>, links: &[Link]) -> Result<(), Reject> {
    let Some(options) = options else {
        return Ok(());
    };
    if options.attach_completion_callbacks && !options.attach_request_id {
        return invalid("on_conflict_options: attach_completion_callbacks requires attach_request_id to be set");
    }
    if options.attach_request_id && links.is_empty() {
        return invalid("on_conflict_options: attach_request_id requires at least one completion callback or link");
    }
    Ok(())
}

fn check_links(links: &[Link]) -> Result<(), Reject> {
    if links.len() > MAX_LINKS {
        return invalid(format!(
            "cannot attach more than {MAX_LINKS} links per request, got {}",
            links.len()
        ));
    }
    match links
        .iter()
        .map(Link::encoded_len)
        .find(|length| *length > MAX_LINK_BYTES)
    {
        Some(length) => invalid(format!("link exceeds allowed size of {MAX_LINK_BYTES}, got {length}")),
        None => Ok(()),
    }
}

/// Operations on a standalone activity are switched off in Temporal by default (dynamic config
/// `history.enableStandaloneActivityOperatorCommands`); those on a workflow's go on to where they are served.
fn check_operation(
    config: &DynamicConfig,
    workflow_id: &str,
    request_id: &str,
    activity_id: &str,
    identity: &str,
) -> Result<(), Reject> {
    if workflow_id.is_empty() {
        return Err(Reject::Unimplemented(
            "Standalone activity operator commands are disabled".to_owned(),
        ));
    }
    check_id(config, activity_id)?;
    check_by(config, request_id, identity)
}

/// What this RPC refuses and `UpdateActivityOptions` doesn't.
fn check_update(request: &wire::UpdateActivityExecutionOptionsRequest) -> Result<(), Reject> {
    let names_fields = request.update_mask.as_ref().is_some_and(|mask| !mask.paths.is_empty());
    if request.restore_original {
        return match names_fields {
            true => invalid("Both UpdateMask and RestoreOriginal are provided"),
            false => Ok(()),
        };
    }
    if request.activity_options.is_none() {
        return invalid("ActivityOptions are not provided");
    }
    let Some(mask) = &request.update_mask else {
        return invalid("UpdateMask is not provided");
    };
    if !names_fields {
        return invalid("UpdateMask must specify at least one path");
    }
    match Fields::first_unknown(mask) {
        Some(path) => invalid(format!("unsupported update_mask path: {path:?}")),
        None => Ok(()),
    }
}

fn check_id(config: &DynamicConfig, activity_id: &str) -> Result<(), Reject> {
    if activity_id.is_empty() {
        return invalid("activity ID is required");
    }
    config.check_length("activity ID", activity_id)
}

fn check_by(config: &DynamicConfig, request_id: &str, identity: &str) -> Result<(), Reject> {
    config.check_length("request ID", request_id)?;
    config.check_length("identity", identity)
}

fn check_run_id(run_id: &str) -> Result<(), Reject> {
    match run_id.is_empty() || crate::temporal::engine::is_uuid(run_id) {
        true => Ok(()),
        false => invalid("invalid run id: must be a valid UUID"),
    }
}

fn check_reason(config: &DynamicConfig, reason: &str) -> Result<(), Reject> {
    match reason.len() > config.blob_limit() {
        true => invalid("reason exceeds length limit"),
        false => Ok(()),
    }
}

fn check_jitter(jitter: Option<&mut prost_types::Duration>) -> Result<(), Reject> {
    activity_options::cap(jitter).map_err(|why| Reject::InvalidArgument(format!("invalid jitter: {why}")))
}

fn find(engine: &Engine, namespace: &str, activity_id: &str, run_id: &str) -> Result<ActivityRef, Reject> {
    Ok(engine.standalones.find(namespace, activity_id, run_id)?.activity())
}

/// What a client has seen of this activity.
fn seen(token: &[u8], activity: ActivityRef) -> Result<i64, Reject> {
    match ChangeToken::decode(token) {
        Some(token) if token.activity == activity => Ok(token.seen),
        Some(_) => invalid("long poll token does not match execution"),
        None => invalid("invalid long poll token"),
    }
}

fn given_or_new(engine: &mut Engine, request_id: String) -> String {
    match request_id.is_empty() {
        true => engine.entropy.uuid(),
        false => request_id,
    }
}

fn execution(workflow_id: String, run_id: String) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id, run_id })
}

fn unsupported(policy: &str, value: i32) -> Reject {
    Reject::InvalidArgument(format!("unsupported ID {policy} policy: {value}"))
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}
