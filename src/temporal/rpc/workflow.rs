//! A workflow as a whole: describe and terminate.

use temporalio_protos::temporal::api::workflow::v1::pending_activity_info::pause_info::PausedBy;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_execution};
use crate::temporal::engine::{Call, Engine, Namespace};
use crate::temporal::link;
use crate::temporal::reject::Reject;

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeWorkflowExecutionRequest,
) -> Result<Answer<wire::DescribeWorkflowExecutionResponse>, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    let run = engine.runs.find(&request.namespace, request.execution.as_ref())?;
    let mut described = run.describe(call.now);
    name_pausing_rules(namespace, &mut described);
    Ok(Answer::Now(described))
}

/// Says who made the rules that have activities paused, and why, as long as there are these rules.
fn name_pausing_rules(namespace: &Namespace, described: &mut wire::DescribeWorkflowExecutionResponse) {
    let pauses = described.pending_activities.iter_mut();
    for pause in pauses.filter_map(|activity| activity.pause_info.as_mut()) {
        if let Some(PausedBy::Rule(by)) = &mut pause.paused_by
            && let Some(rule) = namespace.rules.get(&by.rule_id)
        {
            by.identity.clone_from(&rule.created_by_identity);
            by.reason.clone_from(&rule.description);
        }
    }
}

pub(super) fn terminate(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::TerminateWorkflowExecutionRequest,
) -> Result<Answer<wire::TerminateWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let execution = request.workflow_execution.as_ref();
    check_execution(execution)?;
    link::validate(&request.links)?;
    let first_run_id = &request.first_execution_run_id;
    let found = engine
        .runs
        .find_latest_of(&request.namespace, execution, first_run_id)?;
    if !found.is_running() {
        return Err(Reject::workflow_completed());
    }
    if !first_run_id.is_empty() && found.first_run_id() != first_run_id {
        return Err(Reject::NotFound("workflow execution not found".to_owned()));
    }
    let run = found.run;
    let reason = or(&request.reason, "terminated by user via frontend");
    let identity = or(&request.identity, "frontend-service");
    engine.with_run(call.now, run, |run, context| {
        run.terminate(context, reason, request.details, identity, request.links);
    });
    Ok(Answer::Now(wire::TerminateWorkflowExecutionResponse {}))
}

/// What a client left out is said by the server.
fn or<'a>(value: &'a str, default: &'a str) -> &'a str {
    match value {
        "" => default,
        value => value,
    }
}
