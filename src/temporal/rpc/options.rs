//! Changing a running workflow's options.

use temporalio_protos::temporal::api::common::v1::Priority;
use temporalio_protos::temporal::api::enums::v1::VersioningBehavior;
use temporalio_protos::temporal::api::workflow::v1::post_reset_operation::UpdateWorkflowOptions;
use temporalio_protos::temporal::api::workflow::v1::versioning_override::{Override as Kind, PinnedOverrideBehavior};
use temporalio_protos::temporal::api::workflow::v1::{VersioningOverride, WorkflowExecutionOptions};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_run_id, time_skipping};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::run::{Mask, OptionsChange, Run, RunRef};
use crate::temporal::versioning::Override;

/// The longest fairness key, in bytes.
const MAX_FAIRNESS_KEY: usize = 64;

/// Every path that a mask may name: the fields of `WorkflowExecutionOptions`, all the way down.
const PATHS: &[&str] = &[
    "versioning_override",
    "versioning_override.pinned",
    "versioning_override.pinned.behavior",
    "versioning_override.pinned.version",
    "versioning_override.pinned.version.build_id",
    "versioning_override.pinned.version.deployment_name",
    "versioning_override.auto_upgrade",
    "versioning_override.one_time",
    "versioning_override.one_time.target_deployment_version",
    "versioning_override.one_time.target_deployment_version.build_id",
    "versioning_override.one_time.target_deployment_version.deployment_name",
    "versioning_override.behavior",
    "versioning_override.deployment",
    "versioning_override.deployment.series_name",
    "versioning_override.deployment.build_id",
    "versioning_override.pinned_version",
    "priority",
    "priority.priority_key",
    "priority.fairness_key",
    "priority.fairness_weight",
    "time_skipping_config",
    "time_skipping_config.enabled",
    "time_skipping_config.fast_forward_config",
    "time_skipping_config.fast_forward_config.id",
    "time_skipping_config.fast_forward_config.duration",
    "time_skipping_config.fast_forward_config.duration.seconds",
    "time_skipping_config.fast_forward_config.duration.nanos",
    "time_skipping_config.disable_propagation",
    "time_skipping_config.max_session_skip_count",
];

pub(super) fn update(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkflowExecutionOptionsRequest,
) -> Result<Answer<wire::UpdateWorkflowExecutionOptionsResponse>, Reject> {
    let invalid = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    engine.namespaces.require(&request.namespace)?;
    let execution = request.workflow_execution.unwrap_or_default();
    if execution.workflow_id.is_empty() {
        return invalid("WorkflowId is not set on request.");
    }
    let Some(mask) = request.update_mask else {
        return invalid("UpdateMask is required");
    };
    let Some(mut options) = request.workflow_execution_options else {
        return invalid("WorkflowExecutionOptions is required");
    };
    check_paths(&mask.paths)?;
    check_priority(options.priority.as_ref())?;
    options.time_skipping_config = time_skipping::check(options.time_skipping_config)?;
    check_run_id(&execution.run_id)?;
    let run = engine.runs.find(&request.namespace, Some(&execution))?;
    if !run.is_running() {
        return Err(Reject::workflow_completed());
    }
    if let Some(versioning_override) = options.versioning_override.as_mut() {
        fill_in_version(run, versioning_override)?;
    }
    let run = run.run;
    let change = check_change(engine, call, run, options, &mask.paths)?;
    let options = engine.with_run(call.now, run, |run, context| {
        run.update_options(context, change, request.identity)
    });
    Ok(Answer::Now(wire::UpdateWorkflowExecutionOptionsResponse {
        workflow_execution_options: options,
        ..Default::default()
    }))
}

/// What a client wants changed after a reset.
pub(super) fn after_reset(
    engine: &mut Engine,
    call: &Call<'_>,
    base: RunRef,
    operation: UpdateWorkflowOptions,
) -> Result<OptionsChange, Reject> {
    let mask = operation.update_mask.unwrap_or_default();
    check_paths(&mask.paths)?;
    let mut options = operation.workflow_execution_options.unwrap_or_default();
    options.time_skipping_config = time_skipping::check(options.time_skipping_config)?;
    check_change(engine, call, base, options, &mask.paths)
}

/// Holds the override against the workers that there are; the version that it names is in use from now on.
fn check_change(
    engine: &mut Engine,
    call: &Call<'_>,
    run: RunRef,
    options: WorkflowExecutionOptions,
    paths: &[String],
) -> Result<OptionsChange, Reject> {
    let over = Override::parse(options.versioning_override.as_ref())?;
    let start = engine.runs.get(run).map(|run| run.start.clone()).unwrap_or_default();
    engine.check_override(&start.namespace, &start.task_queue, over.as_ref())?;
    let mask = parse_mask(paths)?;
    if mask.versioning_override {
        engine.reactivate_version(call.now, &start.namespace, over.as_ref());
    }
    Ok(OptionsChange { options, mask })
}

fn check_paths(paths: &[String]) -> Result<(), Reject> {
    match paths.iter().find(|path| !PATHS.contains(&path.as_str())) {
        Some(path) => Err(Reject::InvalidArgument(format!(
            "error parsing UpdateMask: proto: invalid path {path:?} for message \
             \"temporal.api.workflow.v1.WorkflowExecutionOptions\""
        ))),
        None => Ok(()),
    }
}

/// What Temporal asks of every priority.
fn check_priority(priority: Option<&Priority>) -> Result<(), Reject> {
    let Some(priority) = priority else {
        return Ok(());
    };
    let why = if priority.priority_key < 0 {
        "priority key can't be negative"
    } else if priority.fairness_key.len() > MAX_FAIRNESS_KEY {
        "fairness key length exceeds limit"
    } else if priority.fairness_weight < 0.0 {
        "must be greater than zero"
    } else {
        return Ok(());
    };
    Err(Reject::InvalidArgument(why.to_owned()))
}

/// Overrides and clocks change as a whole; a priority by its fields, too.
fn parse_mask(paths: &[String]) -> Result<Mask, Reject> {
    let has = |path: &str| paths.iter().any(|it| it == path);
    let refuse = |why: &str| Err(Reject::InvalidArgument(format!("error applying update_options: {why}")));
    // The pair of older clients, which means the whole.
    let pair = ["versioning_override.behavior", "versioning_override.deployment"];
    if has(pair[0]) != has(pair[1]) {
        return refuse("versioning_override fields must be updated together");
    }
    for path in paths {
        if path.starts_with("versioning_override.") && !pair.contains(&path.as_str()) {
            return refuse("versioning_override doesn't support partial updates");
        }
    }
    if paths.iter().any(|path| path.starts_with("time_skipping_config.")) {
        return refuse("time_skipping_config doesn't support partial update");
    }
    Ok(Mask {
        versioning_override: has("versioning_override") || has(pair[0]),
        priority: has("priority"),
        priority_key: has("priority.priority_key"),
        fairness_key: has("priority.fairness_key"),
        fairness_weight: has("priority.fairness_weight"),
        time_skipping: has("time_skipping_config"),
    })
}

/// Pinned without a version means pinned to where the run is pinned already.
fn fill_in_version(run: &Run, wire: &mut VersioningOverride) -> Result<(), Reject> {
    let Some(Kind::Pinned(pinned)) = wire.r#override.as_mut() else {
        return Ok(());
    };
    if pinned.behavior == PinnedOverrideBehavior::Unspecified as i32 || pinned.version.is_some() {
        return Ok(());
    }
    let behavior = run.versioning.behavior();
    let version = run
        .versioning
        .version()
        .filter(|_| behavior == VersioningBehavior::Pinned);
    match version {
        Some(version) => pinned.version = Some(version.to_wire()),
        None => {
            let behavior = match behavior {
                VersioningBehavior::AutoUpgrade => "AutoUpgrade",
                VersioningBehavior::Pinned => "Pinned",
                VersioningBehavior::Unspecified => "Unspecified",
            };
            return Err(Reject::FailedPrecondition(format!(
                "must specify a specific pinned override version because workflow with id {} has behavior {behavior} \
                 and is not yet pinned to any version",
                run.start.workflow_id,
            )));
        }
    }
    Ok(())
}
