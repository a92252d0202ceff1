//! Operations on a workflow's pending activities: pause, let go on, reset, change the options.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use temporalio_protos::temporal::api::workflowservice::v1::pause_activity_request::Activity as ToPause;
use temporalio_protos::temporal::api::workflowservice::v1::reset_activity_request::Activity as ToReset;
use temporalio_protos::temporal::api::workflowservice::v1::unpause_activity_request::Activity as ToUnpause;
use temporalio_protos::temporal::api::workflowservice::v1::update_activity_options_request::Activity as ToUpdate;

use super::{Answer, check_run_id};
use crate::temporal::activity_options::Fields;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::machine::activity::{Pause, Reset, Unpause};
use crate::temporal::priority;
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Context, Run, Which};

pub(super) fn pause(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PauseActivityRequest,
) -> Result<Answer<wire::PauseActivityResponse>, Reject> {
    let which = request.activity.map(|activity| match activity {
        ToPause::Id(id) => Which::Id(id),
        ToPause::Type(type_name) => Which::Type(type_name),
    });
    let pause = Pause {
        at: call.now,
        identity: request.identity,
        reason: request.reason,
        request_id: request.request_id,
        rule_id: None,
    };
    let target = target(engine, &request.namespace, request.execution.as_ref(), which)?;
    operate(engine, call, &target, |run, context| {
        run.pause_activities(context, &target.which, &pause)
    })?;
    Ok(Answer::Now(wire::PauseActivityResponse {}))
}

pub(super) fn unpause(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UnpauseActivityRequest,
) -> Result<Answer<wire::UnpauseActivityResponse>, Reject> {
    let which = request.activity.map(|activity| match activity {
        ToUnpause::Id(id) => Which::Id(id),
        ToUnpause::Type(type_name) => Which::Type(type_name),
        ToUnpause::UnpauseAll(_) => Which::All,
    });
    let how = Unpause {
        reset_attempts: request.reset_attempts,
        reset_heartbeat: request.reset_heartbeat,
        jitter: jitter(request.jitter.as_ref()),
    };
    let target = target(engine, &request.namespace, request.execution.as_ref(), which)?;
    operate(engine, call, &target, |run, context| {
        run.unpause_activities(context, &target.which, how)
    })?;
    Ok(Answer::Now(wire::UnpauseActivityResponse {}))
}

pub(super) fn reset(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ResetActivityRequest,
) -> Result<Answer<wire::ResetActivityResponse>, Reject> {
    let which = request.activity.map(|activity| match activity {
        ToReset::Id(id) => Which::Id(id),
        ToReset::Type(type_name) => Which::Type(type_name),
        ToReset::MatchAll(_) => Which::All,
    });
    let how = Reset {
        reset_heartbeat: request.reset_heartbeat,
        keep_paused: request.keep_paused,
        restore_options: request.restore_original_options,
        jitter: jitter(request.jitter.as_ref()),
    };
    let target = target(engine, &request.namespace, request.execution.as_ref(), which)?;
    operate(engine, call, &target, |run, context| {
        run.reset_activities(context, &target.which, how)
    })?;
    Ok(Answer::Now(wire::ResetActivityResponse {}))
}

pub(super) fn update_options(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateActivityOptionsRequest,
) -> Result<Answer<wire::UpdateActivityOptionsResponse>, Reject> {
    let which = request.activity.map(|activity| match activity {
        ToUpdate::Id(id) => Which::Id(id),
        ToUpdate::Type(type_name) => Which::Type(type_name),
        ToUpdate::MatchAll(_) => Which::All,
    });
    let target = target(engine, &request.namespace, request.execution.as_ref(), which)?;
    priority::check(request.activity_options.as_ref().and_then(|it| it.priority.as_ref()))?;
    let fields = request.update_mask.as_ref().map(Fields::parse);
    if request.restore_original && fields.as_ref().is_some_and(|fields| !fields.is_empty()) {
        return invalid("Both UpdateMask and RestoreOriginal are provided");
    }
    let options = operate(engine, call, &target, |run, context| {
        if request.restore_original {
            return run.restore_activity_options(context, &target.which);
        }
        run.check_running()?;
        let Some(from) = &request.activity_options else {
            return invalid("ActivityOptions are not provided");
        };
        run.check_pending(&target.which)?;
        let Some(fields) = &fields else {
            return invalid("UpdateMask is not provided");
        };
        run.update_activity_options(context, &target.which, from, fields)
    })?;
    Ok(Answer::Now(wire::UpdateActivityOptionsResponse {
        activity_options: Some(options),
    }))
}

/// The activities that a request means.
struct Target<'a> {
    namespace: &'a str,
    execution: &'a WorkflowExecution,
    which: Which,
}

fn target<'a>(
    engine: &Engine,
    namespace: &'a str,
    execution: Option<&'a WorkflowExecution>,
    which: Option<Which>,
) -> Result<Target<'a>, Reject> {
    engine.namespaces.require(namespace)?;
    let Some(execution) = execution.filter(|execution| !execution.workflow_id.is_empty()) else {
        return invalid("WorkflowId is not set on request.");
    };
    match which {
        Some(which) => Ok(Target {
            namespace,
            execution,
            which,
        }),
        None => invalid("Either Activity.Id or Activity.Type should be set on request."),
    }
}

fn operate<T>(
    engine: &mut Engine,
    call: &Call<'_>,
    target: &Target<'_>,
    operation: impl FnOnce(&mut Run, &mut Context<'_>) -> Result<T, Reject>,
) -> Result<T, Reject> {
    check_run_id(&target.execution.run_id)?;
    let run = engine.runs.find(target.namespace, Some(target.execution))?.run;
    let operated = engine
        .with_run(call.now, run, operation)
        .unwrap_or_else(|| Err(Reject::workflow_completed()))?;
    // Nothing comes of the attempt that a worker has at what is reset.
    engine.free_ended_activities(run);
    Ok(operated)
}

fn jitter(wire: Option<&prost_types::Duration>) -> Duration {
    duration(wire).unwrap_or_default()
}

fn invalid<T>(why: &str) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.to_owned()))
}
