//! Workflow rules: create, describe, delete, list.
//!
//! As on a server with `frontend.workflowRulesAPIsEnabled`. Its 1.32.0 reads neither the request id nor `force_scan` of a
//! new rule, so the same request again is refused, and what runs already meets a rule only with its next attempt.

use temporalio_protos::temporal::api::rules::v1::WorkflowRule;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::proto::timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::rule::Rules;

pub(super) fn create(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::CreateWorkflowRuleRequest,
) -> Result<Answer<wire::CreateWorkflowRuleResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let Some(spec) = request.spec else {
        return invalid("Rule Specification is not set.");
    };
    check_id(&spec.id)?;
    if engine.config.is_too_long(&spec.id) {
        return invalid("Workflow Rule Id length exceeds limit.");
    }
    let rule = WorkflowRule {
        create_time: Some(timestamp(call.now)),
        spec: Some(spec),
        created_by_identity: request.identity,
        description: request.description,
    };
    rules_of(engine, &request.namespace)?.create(rule.clone())?;
    Ok(Answer::Now(wire::CreateWorkflowRuleResponse {
        rule: Some(rule),
        ..Default::default()
    }))
}

pub(super) fn describe(
    engine: &mut Engine,
    _call: &Call<'_>,
    request: wire::DescribeWorkflowRuleRequest,
) -> Result<Answer<wire::DescribeWorkflowRuleResponse>, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    check_id(&request.rule_id)?;
    let rule = namespace.rules.find(&request.rule_id)?.clone();
    Ok(Answer::Now(wire::DescribeWorkflowRuleResponse { rule: Some(rule) }))
}

pub(super) fn delete(
    engine: &mut Engine,
    _call: &Call<'_>,
    request: wire::DeleteWorkflowRuleRequest,
) -> Result<Answer<wire::DeleteWorkflowRuleResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_id(&request.rule_id)?;
    rules_of(engine, &request.namespace)?.delete(&request.rule_id)?;
    Ok(Answer::Now(wire::DeleteWorkflowRuleResponse {}))
}

/// All of them at once, as there; the order is the ids', which there is a matter of chance.
pub(super) fn list(
    engine: &mut Engine,
    _call: &Call<'_>,
    request: wire::ListWorkflowRulesRequest,
) -> Result<Answer<wire::ListWorkflowRulesResponse>, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    Ok(Answer::Now(wire::ListWorkflowRulesResponse {
        rules: namespace.rules.iter().cloned().collect(),
        ..Default::default()
    }))
}

fn rules_of<'a>(engine: &'a mut Engine, namespace: &str) -> Result<&'a mut Rules, Reject> {
    match engine.namespaces.get_mut(namespace) {
        Some(found) => Ok(&mut found.rules),
        None => Err(Reject::NamespaceNotFound(namespace.to_owned())),
    }
}

fn check_id(id: &str) -> Result<(), Reject> {
    match id.is_empty() {
        true => invalid("Workflow Rule ID is not set."),
        false => Ok(()),
    }
}

fn invalid<T>(why: &str) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.to_owned()))
}
