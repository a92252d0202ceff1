//! Options of a run that a client may change while it runs.

use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::workflow::v1::WorkflowExecutionOptions;

use super::{Context, Run};
use crate::temporal::history::NewEvent;
use crate::temporal::versioning::Override;

/// Which options a client changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask {
    pub(crate) versioning_override: bool,
    pub(crate) priority: bool,
    pub(crate) priority_key: bool,
    pub(crate) fairness_key: bool,
    pub(crate) fairness_weight: bool,
    pub(crate) time_skipping: bool,
}

/// New options, checked, and which of them count.
#[derive(Clone, Debug)]
pub(crate) struct OptionsChange {
    pub(crate) options: WorkflowExecutionOptions,
    pub(crate) mask: Mask,
}

impl Run {
    /// Changes options; gives all of them as they are then. Nothing is written if nothing changes.
    pub(crate) fn update_options(
        &mut self,
        context: &mut Context<'_>,
        change: OptionsChange,
        identity: String,
    ) -> WorkflowExecutionOptions {
        let options = self.change_workflow_options(context, change, identity);
        self.settle(context, false);
        options
    }

    /// As [`Self::update_options`], as a part of another step.
    pub(super) fn change_workflow_options(
        &mut self,
        context: &mut Context<'_>,
        OptionsChange { options: news, mask }: OptionsChange,
        identity: String,
    ) -> WorkflowExecutionOptions {
        let over = match mask.versioning_override {
            true => Override::parse(news.versioning_override.as_ref()).ok().flatten(),
            false => self.versioning.over().cloned(),
        };
        let current = self.options();
        // A fast-forward counts from now on, even if it is the same again.
        let fast_forward = mask.time_skipping
            && news
                .time_skipping_config
                .as_ref()
                .is_some_and(|config| config.fast_forward_config.is_some());
        let merged = merge(current.clone(), news, mask);
        let time_skipping_updated = fast_forward || merged.time_skipping_config != current.time_skipping_config;
        if merged == current && !time_skipping_updated {
            return merged;
        }
        let event = NewEvent::from(history::WorkflowExecutionOptionsUpdatedEventAttributes {
            versioning_override: merged.versioning_override.clone(),
            unset_versioning_override: merged.versioning_override.is_none(),
            identity,
            priority: merged.priority.clone(),
            time_skipping_config: merged.time_skipping_config.clone(),
            time_skipping_config_updated: time_skipping_updated,
            ..Default::default()
        });
        let (_, mut txn) = self.open(context);
        txn.emit(event);
        self.set_versioning_override(context, over);
        if merged.priority.is_some() {
            self.start.priority.clone_from(&merged.priority);
        }
        if time_skipping_updated {
            self.configure_time(context, merged.time_skipping_config.clone());
        }
        merged
    }

    /// What an event of this kind says, in a history that goes on in this run.
    pub(super) fn take_options(
        &mut self,
        updated: &history::WorkflowExecutionOptionsUpdatedEventAttributes,
        event_id: i64,
    ) {
        let over = Override::parse(updated.versioning_override.as_ref()).ok().flatten();
        if over.is_some() || updated.unset_versioning_override {
            self.versioning.set_override(over);
        }
        if updated.priority.is_some() {
            self.start.priority.clone_from(&updated.priority);
        }
        if !updated.attached_request_id.is_empty() {
            self.attached_request_ids
                .insert(updated.attached_request_id.clone(), event_id);
        }
    }

    fn options(&self) -> WorkflowExecutionOptions {
        WorkflowExecutionOptions {
            versioning_override: self.versioning.over().map(Override::to_wire),
            priority: self.start.priority.clone(),
            time_skipping_config: self.time_skipping.as_ref().and_then(|clock| clock.config().cloned()),
        }
    }
}

fn merge(mut into: WorkflowExecutionOptions, from: WorkflowExecutionOptions, mask: Mask) -> WorkflowExecutionOptions {
    if mask.versioning_override {
        into.versioning_override = from.versioning_override;
    }
    let news = from.priority.clone().unwrap_or_default();
    if mask.priority {
        into.priority = from.priority;
    }
    if mask.priority_key {
        into.priority.get_or_insert_default().priority_key = news.priority_key;
    }
    if mask.fairness_key {
        into.priority.get_or_insert_default().fairness_key = news.fairness_key;
    }
    if mask.fairness_weight {
        into.priority.get_or_insert_default().fairness_weight = news.fairness_weight;
    }
    if mask.time_skipping {
        into.time_skipping_config = from.time_skipping_config;
    }
    into
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::common::v1::Priority;

    #[test]
    fn only_what_the_mask_names_is_taken_over() {
        let priority = |priority_key, fairness_key: &str| Priority {
            priority_key,
            fairness_key: fairness_key.to_owned(),
            ..Default::default()
        };
        let into = WorkflowExecutionOptions {
            priority: Some(priority(1, "old")),
            ..Default::default()
        };
        let from = WorkflowExecutionOptions {
            priority: Some(priority(5, "new")),
            ..Default::default()
        };
        let with = |mask| merge(into.clone(), from.clone(), mask).priority;
        let key = Mask {
            priority_key: true,
            ..Default::default()
        };
        assert_eq!(with(Mask::default()), Some(priority(1, "old")));
        assert_eq!(with(key), Some(priority(5, "old")));
        let whole = Mask {
            priority: true,
            ..Default::default()
        };
        assert_eq!(with(whole), Some(priority(5, "new")));
        assert_eq!(merge(into, WorkflowExecutionOptions::default(), whole).priority, None);
    }
}
