//! Time skipping of single workflows: its configuration, and waiting for a fast-forward.

use temporalio_protos::temporal::api::common::v1::TimeSkippingConfig;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine, ParkedAt};
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::time_skipping::DEFAULT_MAX_SESSION_SKIPS;

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PollWorkflowExecutionTimeSkippingRequest,
) -> Result<Answer<wire::PollWorkflowExecutionTimeSkippingResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let found = engine
        .runs
        .find(&request.namespace, request.workflow_execution.as_ref());
    if let Err(refusal @ Reject::InvalidArgument(_)) = found {
        return Err(refusal);
    }
    check_id(&request.fast_forward_id)?;
    let run = found?;
    let answer = engine.fast_forward_waits.ask(
        call.ticket,
        &run.start.namespace,
        &run.start.workflow_id,
        &request.fast_forward_id,
        run.time_skipping.as_deref(),
        !run.is_running() && run.next_run_id.is_empty(),
    );
    match answer {
        Some(answer) => Ok(Answer::Now(answer)),
        None => {
            engine.park(call, ParkedAt::FastForward);
            Ok(Answer::Later)
        }
    }
}

/// Checks a configuration and fills in what it leaves open.
pub(super) fn check(config: Option<TimeSkippingConfig>) -> Result<Option<TimeSkippingConfig>, Reject> {
    let Some(mut config) = config else {
        return Ok(None);
    };
    if config.max_session_skip_count <= 0 {
        config.max_session_skip_count = DEFAULT_MAX_SESSION_SKIPS;
    }
    if let Some(fast_forward) = &config.fast_forward_config {
        if duration(fast_forward.duration.as_ref()).is_none() {
            return Err(Reject::InvalidArgument(
                "Time skipping config invalid: fast_forward duration must be positive".to_owned(),
            ));
        }
        check_id(&fast_forward.id)?;
        if !config.enabled {
            return Err(Reject::InvalidArgument(
                "time_skipping_config: cannot set fast_forward when enabled is false".to_owned(),
            ));
        }
    }
    Ok(Some(config))
}

fn check_id(fast_forward_id: &str) -> Result<(), Reject> {
    match fast_forward_id.trim().is_empty() {
        true => Err(Reject::InvalidArgument(
            "Time skipping config invalid: fast_forward_id must be set".to_owned(),
        )),
        false => Ok(()),
    }
}
