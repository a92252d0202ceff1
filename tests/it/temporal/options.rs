//! Changing a running workflow's options. Texts and events are those of `api/updateworkflowoptions/api.go`.

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::common::v1::{FastForwardConfig, Priority, TimeSkippingConfig};
use temporalio_common::protos::temporal::api::deployment::v1::WorkerDeploymentVersion;
use temporalio_common::protos::temporal::api::history::v1::WorkflowExecutionOptionsUpdatedEventAttributes as Updated;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflow::v1::versioning_override::{
    Override, PinnedOverride, PinnedOverrideBehavior,
};
use temporalio_common::protos::temporal::api::workflow::v1::{VersioningOverride, WorkflowExecutionOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::raw::{Raw, complete_workflow, execution, seconds};

fn request(options: WorkflowExecutionOptions, paths: &[&str]) -> wire::UpdateWorkflowExecutionOptionsRequest {
    wire::UpdateWorkflowExecutionOptionsRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        workflow_execution_options: Some(options),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        identity: "operator".to_owned(),
    }
}

impl Raw {
    pub(super) fn update_options(
        &mut self,
        options: WorkflowExecutionOptions,
        paths: &[&str],
    ) -> Result<WorkflowExecutionOptions, Reject> {
        self.call::<wire::UpdateWorkflowExecutionOptionsResponse>(
            "UpdateWorkflowExecutionOptions",
            &request(options, paths),
        )
        .map(|answer| answer.workflow_execution_options.unwrap())
    }

    fn updates(&self) -> Vec<Updated> {
        let updated = |attributes| match attributes {
            Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(it)) => Some(it),
            _ => None,
        };
        let events = self.events("w").into_iter();
        events.filter_map(|event| updated(event.attributes)).collect()
    }
}

fn started() -> Raw {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw
}

fn priority(priority_key: i32, fairness_key: &str) -> WorkflowExecutionOptions {
    WorkflowExecutionOptions {
        priority: Some(Priority {
            priority_key,
            fairness_key: fairness_key.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn override_with(kind: Override) -> WorkflowExecutionOptions {
    WorkflowExecutionOptions {
        versioning_override: Some(VersioningOverride {
            r#override: Some(kind),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn skipping(fast_forward: Option<&str>, enabled: bool) -> WorkflowExecutionOptions {
    WorkflowExecutionOptions {
        time_skipping_config: Some(TimeSkippingConfig {
            enabled,
            fast_forward_config: fast_forward.map(|id| FastForwardConfig {
                id: id.to_owned(),
                duration: seconds(60),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Reject>) -> (Code, String) {
    let reject = answer.unwrap_err();
    (reject.code(), reject.message())
}

#[test]
fn a_priority_changes_as_a_whole_or_by_its_fields() {
    let mut raw = started();
    let whole = raw.update_options(priority(2, "a"), &["priority"]).unwrap();
    assert_eq!(whole.priority, priority(2, "a").priority);
    let by_field = raw
        .update_options(priority(5, "b"), &["priority.fairness_key"])
        .unwrap();
    assert_eq!(by_field.priority, priority(2, "b").priority);
    let updates = raw.updates();
    assert_eq!(updates.len(), 2);
    assert_eq!(
        updates[1].priority,
        priority(2, "b").priority,
        "the event has the whole"
    );
    assert_eq!(updates[0].identity, "operator");
    assert!(updates[0].unset_versioning_override && updates[0].versioning_override.is_none());
    assert!(!updates[0].time_skipping_config_updated);
    let described = raw.describe("w").workflow_execution_info.unwrap();
    assert_eq!(described.priority, priority(2, "b").priority);
    let event = raw.events("w").pop().unwrap();
    assert!(event.worker_may_ignore);
    assert!(
        raw.describe("w").pending_workflow_task.is_some(),
        "the first one; none is added"
    );
}

#[test]
fn nothing_is_written_if_nothing_changes() {
    let mut raw = started();
    raw.update_options(priority(2, "a"), &["priority"]).unwrap();
    let same = raw.update_options(priority(2, "a"), &["priority"]).unwrap();
    assert_eq!(same.priority, priority(2, "a").priority);
    raw.update_options(priority(4, "z"), &[]).unwrap();
    assert_eq!(raw.updates().len(), 1);
}

#[test]
fn time_skipping_changes_as_a_whole_and_a_fast_forward_counts_each_time() {
    let mut raw = started();
    let options = raw
        .update_options(skipping(Some("ff"), true), &["time_skipping_config"])
        .unwrap();
    let config = options.time_skipping_config.unwrap();
    assert_eq!((config.enabled, config.max_session_skip_count), (true, 200));
    raw.update_options(skipping(Some("ff"), true), &["time_skipping_config"])
        .unwrap();
    raw.update_options(skipping(None, false), &["time_skipping_config"])
        .unwrap();
    raw.update_options(skipping(None, false), &["time_skipping_config"])
        .unwrap();
    let updates = raw.updates();
    assert_eq!(updates.len(), 3, "the same again matters only with a fast-forward");
    assert!(updates.iter().all(|it| it.time_skipping_config_updated));
    assert!(!updates[2].time_skipping_config.as_ref().unwrap().enabled);
    raw.update_options(WorkflowExecutionOptions::default(), &["time_skipping_config"])
        .unwrap();
    let last = raw.updates().pop().unwrap();
    assert!(last.time_skipping_config_updated && last.time_skipping_config.is_none());
}

#[test]
fn an_override_is_kept_shown_and_taken_back() {
    let mut raw = started();
    let shown = |raw: &mut Raw| {
        let info = raw.describe("w").workflow_execution_info.unwrap().versioning_info;
        info.and_then(|it| it.versioning_override).and_then(|it| it.r#override)
    };
    let auto = override_with(Override::AutoUpgrade(true));
    let merged = raw.update_options(auto.clone(), &["versioning_override"]).unwrap();
    assert_eq!(merged.versioning_override, auto.versioning_override);
    assert_eq!(shown(&mut raw), Some(Override::AutoUpgrade(true)));
    assert_eq!(raw.updates()[0].versioning_override, auto.versioning_override);
    assert!(!raw.updates()[0].unset_versioning_override);
    raw.update_options(priority(3, ""), &["priority"]).unwrap();
    assert_eq!(
        shown(&mut raw),
        Some(Override::AutoUpgrade(true)),
        "what the mask leaves out stays"
    );
    raw.update_options(WorkflowExecutionOptions::default(), &["versioning_override"])
        .unwrap();
    assert!(raw.updates()[2].unset_versioning_override);
    assert_eq!(shown(&mut raw), None);
}

#[test]
fn bad_overrides_are_refused() {
    let mut raw = started();
    let pinned = |behavior, version: Option<&str>| {
        override_with(Override::Pinned(PinnedOverride {
            behavior: behavior as i32,
            version: version.map(|build_id| WorkerDeploymentVersion {
                build_id: build_id.to_owned(),
                deployment_name: "d".to_owned(),
            }),
        }))
    };
    for (code, text, options) in [
        (
            Code::InvalidArgument,
            "auto-upgrade override must be true",
            override_with(Override::AutoUpgrade(false)),
        ),
        (
            Code::InvalidArgument,
            "must specify pinned override behavior if override is pinned.",
            pinned(PinnedOverrideBehavior::Unspecified, Some("1")),
        ),
        (
            Code::InvalidArgument,
            "must provide version if override is pinned.",
            pinned(PinnedOverrideBehavior::Unspecified, None),
        ),
        (
            Code::FailedPrecondition,
            "must specify a specific pinned override version because workflow with id w has behavior Unspecified and is \
             not yet pinned to any version",
            pinned(PinnedOverrideBehavior::Pinned, None),
        ),
        (
            Code::FailedPrecondition,
            "Pinned version 'd:1' is not present in task queue 'raw' of type 'Workflow'",
            pinned(PinnedOverrideBehavior::Pinned, Some("1")),
        ),
        (
            Code::InvalidArgument,
            "must provide target deployment version if override is one-time.",
            override_with(Override::OneTime(Default::default())),
        ),
        (
            Code::InvalidArgument,
            "override behavior is required",
            WorkflowExecutionOptions {
                versioning_override: Some(VersioningOverride::default()),
                ..Default::default()
            },
        ),
    ] {
        let answer = raw.update_options(options, &["versioning_override"]);
        assert_eq!(refusal(answer), (code, text.to_owned()));
    }
    assert!(raw.updates().is_empty());
}

#[test]
fn bad_masks_are_refused() {
    let mut raw = started();
    for (text, path) in [
        (
            "error parsing UpdateMask: proto: invalid path \"prio\" for message \
             \"temporal.api.workflow.v1.WorkflowExecutionOptions\"",
            "prio",
        ),
        (
            "error applying update_options: versioning_override doesn't support partial updates",
            "versioning_override.pinned",
        ),
        (
            "error applying update_options: versioning_override fields must be updated together",
            "versioning_override.behavior",
        ),
        (
            "error applying update_options: time_skipping_config doesn't support partial update",
            "time_skipping_config.enabled",
        ),
    ] {
        let answer = raw.update_options(WorkflowExecutionOptions::default(), &[path]);
        assert_eq!(refusal(answer), (Code::InvalidArgument, text.to_owned()), "{path}");
    }
}

#[test]
fn requests_are_checked_in_temporals_order() {
    let mut raw = started();
    let call = |raw: &mut Raw, request: &wire::UpdateWorkflowExecutionOptionsRequest| {
        refusal(raw.call::<wire::UpdateWorkflowExecutionOptionsResponse>("UpdateWorkflowExecutionOptions", request))
    };
    let invalid = |text: &str| (Code::InvalidArgument, text.to_owned());
    let mut bad = request(WorkflowExecutionOptions::default(), &["priority"]);
    bad.workflow_execution = None;
    assert_eq!(call(&mut raw, &bad), invalid("WorkflowId is not set on request."));
    let mut bad = request(WorkflowExecutionOptions::default(), &["priority"]);
    bad.update_mask = None;
    assert_eq!(call(&mut raw, &bad), invalid("UpdateMask is required"));
    let mut bad = request(WorkflowExecutionOptions::default(), &["priority"]);
    bad.workflow_execution_options = None;
    assert_eq!(call(&mut raw, &bad), invalid("WorkflowExecutionOptions is required"));
    for (text, options) in [
        ("priority key can't be negative", priority(-1, "")),
        ("fairness key length exceeds limit", priority(1, &"x".repeat(65))),
        (
            "Time skipping config invalid: fast_forward_id must be set",
            skipping(Some(" "), true),
        ),
        (
            "time_skipping_config: cannot set fast_forward when enabled is false",
            skipping(Some("ff"), false),
        ),
    ] {
        assert_eq!(refusal(raw.update_options(options, &["priority"])), invalid(text));
    }
    raw.work(vec![complete_workflow()]);
    assert_eq!(
        refusal(raw.update_options(priority(1, ""), &["priority"])),
        (Code::NotFound, "workflow execution already completed".to_owned())
    );
}
