//! Versioning of the first two generations: version sets, rules, and what workers may still get.

// Temporal calls all of it deprecated; the RPCs are served all the same.
#![allow(deprecated)]

use temporalio_protos::temporal::api::taskqueue::v1 as taskqueue;
use temporalio_protos::temporal::api::taskqueue::v1::build_id_assignment_rule::Ramp;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use wire::update_worker_build_id_compatibility_request::Operation as SetsOperation;
use wire::update_worker_versioning_rules_request::Operation as RulesOperation;

use super::Answer;
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::proto::timestamp;
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;
use crate::temporal::versioning::build_ids::{BuildIds, FULL_RAMP, RulesUpdate, SetsUpdate};

/// The longest build id in a rule, in bytes, whatever the settings.
const MAX_RULE_BUILD_ID_BYTES: usize = 255;

/// Build ids in one question (dynamic config `limit.reachabilityQueryBuildIds`).
const MAX_BUILD_IDS_ASKED: usize = 5;

const SETS_ARE_OFF: &str = "Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace.";
const RULES_ARE_OFF: &str = "Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace.";

pub(super) fn update_sets(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkerBuildIdCompatibilityRequest,
) -> Result<Answer<wire::UpdateWorkerBuildIdCompatibilityResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    require(engine.config.version_sets, SETS_ARE_OFF)?;
    let update = sets_update(&request, engine.config.build_id_bytes)?;
    check_queue_name(&engine.config, &request.task_queue)?;
    engine.update_version_sets(call.now, &request.namespace, &request.task_queue, &update)?;
    Ok(Answer::Now(wire::UpdateWorkerBuildIdCompatibilityResponse {}))
}

pub(super) fn get_sets(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::GetWorkerBuildIdCompatibilityRequest,
) -> Result<Answer<wire::GetWorkerBuildIdCompatibilityResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    require(engine.config.version_sets, SETS_ARE_OFF)?;
    check_queue_name(&engine.config, &request.task_queue)?;
    let known = engine.matching.build_ids(&request.namespace, &request.task_queue);
    let sets = known.describe_sets(usize::try_from(request.max_sets).unwrap_or_default());
    Ok(Answer::Now(wire::GetWorkerBuildIdCompatibilityResponse {
        major_version_sets: sets
            .into_iter()
            .map(|build_ids| taskqueue::CompatibleVersionSet { build_ids })
            .collect(),
    }))
}

pub(super) fn update_rules(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkerVersioningRulesRequest,
) -> Result<Answer<wire::UpdateWorkerVersioningRulesResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    require(engine.config.versioning_rules, RULES_ARE_OFF)?;
    request.operation.as_ref().map_or(Ok(()), check_rule)?;
    check_queue_name(&engine.config, &request.task_queue)?;
    let (namespace, queue) = (&request.namespace, &request.task_queue);
    let update = request.operation.map(rules_update).transpose()?;
    let known = engine.update_versioning_rules(call.now, namespace, queue, update.as_ref(), &request.conflict_token)?;
    Ok(Answer::Now(wire::UpdateWorkerVersioningRulesResponse {
        assignment_rules: assignment_rules(known),
        compatible_redirect_rules: redirect_rules(known),
        conflict_token: known.token(),
    }))
}

pub(super) fn get_rules(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::GetWorkerVersioningRulesRequest,
) -> Result<Answer<wire::GetWorkerVersioningRulesResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    require(engine.config.versioning_rules, RULES_ARE_OFF)?;
    check_queue_name(&engine.config, &request.task_queue)?;
    let known = engine.matching.build_ids(&request.namespace, &request.task_queue);
    Ok(Answer::Now(wire::GetWorkerVersioningRulesResponse {
        assignment_rules: assignment_rules(known),
        compatible_redirect_rules: redirect_rules(known),
        conflict_token: known.token(),
    }))
}

pub(super) fn task_reachability(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::GetWorkerTaskReachabilityRequest,
) -> Result<Answer<wire::GetWorkerTaskReachabilityResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    // As in Temporal: the setting is that of the sets, the words are those of the rules.
    require(engine.config.version_sets, RULES_ARE_OFF)?;
    check_question(engine, &request)?;
    let mut build_id_reachability = Vec::new();
    for build_id in &request.build_ids {
        let namespace = &request.namespace;
        let found = engine.reachability(
            call.now,
            namespace,
            build_id,
            &request.task_queues,
            request.reachability,
        )?;
        build_id_reachability.push(taskqueue::BuildIdReachability {
            build_id: build_id.clone(),
            task_queue_reachability: found
                .into_iter()
                .map(|(task_queue, reachability)| taskqueue::TaskQueueReachability {
                    task_queue,
                    reachability: reachability.into_iter().map(|it| it as i32).collect(),
                })
                .collect(),
        });
    }
    Ok(Answer::Now(wire::GetWorkerTaskReachabilityResponse {
        build_id_reachability,
    }))
}

fn require(is_on: bool, refusal: &str) -> Result<(), Reject> {
    match is_on {
        true => Ok(()),
        false => Err(Reject::PermissionDenied(refusal.to_owned())),
    }
}

/// Refuses what can't be a task queue's name (Temporal: `tqid.NormalizeAndValidate`).
fn check_queue_name(config: &DynamicConfig, name: &str) -> Result<(), Reject> {
    let mut queue = taskqueue::TaskQueue {
        name: name.to_owned(),
        ..Default::default()
    };
    queue_name::normalize(config, Some(&mut queue)).map(|_| ())
}

/// What a request wants of the sets. All that it lacks is told at once.
fn sets_update(request: &wire::UpdateWorkerBuildIdCompatibilityRequest, longest: usize) -> Result<SetsUpdate, Reject> {
    let mut lacks = Vec::new();
    let mut need = |build_id: &str, field: &str| {
        if build_id.is_empty() {
            lacks.push(format!("`{field}` to be set"));
        } else if build_id.len() > longest && field != "existing_compatible_version" {
            lacks.push(format!(" Worker build IDs to be no larger than {longest} characters"));
        }
    };
    if request.task_queue.is_empty() {
        need("", "task_queue");
    }
    match &request.operation {
        Some(SetsOperation::AddNewCompatibleBuildId(add)) => {
            need(&add.new_build_id, "add_new_compatible_version");
            need(&add.existing_compatible_build_id, "existing_compatible_version");
        }
        Some(SetsOperation::AddNewBuildIdInNewDefaultSet(id)) => need(id, "add_new_version_id_in_new_default_set"),
        Some(SetsOperation::PromoteSetByBuildId(id)) => need(id, "promote_set_by_version_id"),
        Some(SetsOperation::PromoteBuildIdWithinSet(id)) => need(id, "promote_version_id_within_set"),
        Some(SetsOperation::MergeSets(_)) => {}
        None => lacks.push("an operation to be specified".to_owned()),
    }
    match request.operation.clone().filter(|_| lacks.is_empty()) {
        Some(SetsOperation::AddNewBuildIdInNewDefaultSet(id)) => Ok(SetsUpdate::AddDefaultSet(id)),
        Some(SetsOperation::AddNewCompatibleBuildId(add)) => Ok(SetsUpdate::AddCompatible {
            new: add.new_build_id,
            existing: add.existing_compatible_build_id,
            make_set_default: add.make_set_default,
        }),
        Some(SetsOperation::PromoteSetByBuildId(id)) => Ok(SetsUpdate::PromoteSet(id)),
        Some(SetsOperation::PromoteBuildIdWithinSet(id)) => Ok(SetsUpdate::PromoteBuildId(id)),
        Some(SetsOperation::MergeSets(merge)) => Ok(SetsUpdate::Merge {
            primary: merge.primary_set_build_id,
            secondary: merge.secondary_set_build_id,
        }),
        None => Err(Reject::InvalidArgument(format!(
            "request to update worker build ID compatability requires: , {}",
            lacks.join(", ")
        ))),
    }
}

/// Refuses build ids that are too long for any rule.
fn check_rule(operation: &RulesOperation) -> Result<(), Reject> {
    let assigned = |rule: &Option<taskqueue::BuildIdAssignmentRule>| {
        let rule = rule.as_ref();
        vec![rule.map(|rule| rule.target_build_id.len()).unwrap_or_default()]
    };
    let redirected = |rule: &Option<taskqueue::CompatibleBuildIdRedirectRule>| {
        rule.as_ref()
            .map(|rule| vec![rule.target_build_id.len(), rule.source_build_id.len()])
            .unwrap_or_default()
    };
    let lengths = match operation {
        RulesOperation::InsertAssignmentRule(insert) => assigned(&insert.rule),
        RulesOperation::ReplaceAssignmentRule(replace) => assigned(&replace.rule),
        RulesOperation::AddCompatibleRedirectRule(add) => redirected(&add.rule),
        // The source, which must be there already, is let through.
        RulesOperation::ReplaceCompatibleRedirectRule(replace) => {
            redirected(&replace.rule).into_iter().take(1).collect()
        }
        RulesOperation::CommitBuildId(commit) => vec![commit.target_build_id.len()],
        RulesOperation::DeleteAssignmentRule(_) | RulesOperation::DeleteCompatibleRedirectRule(_) => Vec::new(),
    };
    match lengths.into_iter().find(|length| *length > MAX_RULE_BUILD_ID_BYTES) {
        Some(length) => Err(Reject::InvalidArgument(format!(
            "BuildId must be <= {MAX_RULE_BUILD_ID_BYTES} characters, was {length}"
        ))),
        None => Ok(()),
    }
}

fn rules_update(operation: RulesOperation) -> Result<RulesUpdate, Reject> {
    let redirect = |rule: Option<taskqueue::CompatibleBuildIdRedirectRule>| rule.unwrap_or_default();
    Ok(match operation {
        RulesOperation::InsertAssignmentRule(insert) => {
            let (target, ramp_percentage) = assignment(insert.rule)?;
            RulesUpdate::InsertAssignment {
                index: insert.rule_index,
                target,
                ramp_percentage,
            }
        }
        RulesOperation::ReplaceAssignmentRule(replace) => {
            let (target, ramp_percentage) = assignment(replace.rule)?;
            RulesUpdate::ReplaceAssignment {
                index: replace.rule_index,
                target,
                ramp_percentage,
                force: replace.force,
            }
        }
        RulesOperation::DeleteAssignmentRule(delete) => RulesUpdate::DeleteAssignment {
            index: delete.rule_index,
            force: delete.force,
        },
        RulesOperation::AddCompatibleRedirectRule(add) => {
            let rule = redirect(add.rule);
            RulesUpdate::AddRedirect {
                source: rule.source_build_id,
                target: rule.target_build_id,
            }
        }
        RulesOperation::ReplaceCompatibleRedirectRule(replace) => {
            let rule = redirect(replace.rule);
            RulesUpdate::ReplaceRedirect {
                source: rule.source_build_id,
                target: rule.target_build_id,
            }
        }
        RulesOperation::DeleteCompatibleRedirectRule(delete) => RulesUpdate::DeleteRedirect {
            source: delete.source_build_id,
        },
        RulesOperation::CommitBuildId(commit) => RulesUpdate::Commit {
            target: commit.target_build_id,
            force: commit.force,
        },
    })
}

/// The target and the ramp of an assignment rule; one without a ramp takes all. Without any rule Temporal's code fails.
fn assignment(rule: Option<taskqueue::BuildIdAssignmentRule>) -> Result<(String, f32), Reject> {
    let Some(rule) = rule else {
        return Err(Reject::Internal(
            "something went wrong, please retry (afa7a8eb)".to_owned(),
        ));
    };
    let ramp = match rule.ramp {
        Some(Ramp::PercentageRamp(ramp)) => ramp.ramp_percentage,
        None => FULL_RAMP,
    };
    Ok((rule.target_build_id, ramp))
}

fn assignment_rules(known: &BuildIds) -> Vec<taskqueue::TimestampedBuildIdAssignmentRule> {
    let rules = known.assignment_rules();
    rules
        .map(|rule| taskqueue::TimestampedBuildIdAssignmentRule {
            rule: Some(taskqueue::BuildIdAssignmentRule {
                target_build_id: rule.target.clone(),
                ramp: Some(Ramp::PercentageRamp(taskqueue::RampByPercentage {
                    ramp_percentage: rule.ramp_percentage,
                })),
            }),
            create_time: Some(timestamp(rule.created.time())),
        })
        .collect()
}

fn redirect_rules(known: &BuildIds) -> Vec<taskqueue::TimestampedCompatibleBuildIdRedirectRule> {
    let rules = known.redirect_rules();
    rules
        .map(|rule| taskqueue::TimestampedCompatibleBuildIdRedirectRule {
            rule: Some(taskqueue::CompatibleBuildIdRedirectRule {
                source_build_id: rule.source.clone(),
                target_build_id: rule.target.clone(),
            }),
            create_time: Some(timestamp(rule.created.time())),
        })
        .collect()
}

/// Refuses a question about reachability that can't be answered.
fn check_question(engine: &Engine, request: &wire::GetWorkerTaskReachabilityRequest) -> Result<(), Reject> {
    let invalid = |why: String| Err(Reject::InvalidArgument(why));
    if request.build_ids.is_empty() {
        return invalid("Must query at least one build ID (or empty string for unversioned worker)".to_owned());
    }
    if request.build_ids.len() > MAX_BUILD_IDS_ASKED {
        return invalid(format!(
            "Too many build ids queried at once, limit: {MAX_BUILD_IDS_ASKED}"
        ));
    }
    if request
        .build_ids
        .iter()
        .any(|it| it.len() > engine.config.build_id_bytes)
    {
        return invalid("Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.".to_owned());
    }
    if request.build_ids.iter().any(String::is_empty) && request.task_queues.is_empty() {
        return invalid(
            "Cannot get reachability of an unversioned worker without specifying at least one task queue (empty build ID \
             is interpereted as unversioned)"
                .to_owned(),
        );
    }
    let mut queues = request.task_queues.iter();
    queues.try_for_each(|queue| check_queue_name(&engine.config, queue))
}
