//! Workflow rules: what a namespace does to the activities that an operator's predicate means.

mod predicate;

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::rules::v1::workflow_rule_action::Variant;
use temporalio_protos::temporal::api::rules::v1::workflow_rule_spec::Trigger;
use temporalio_protos::temporal::api::rules::v1::{WorkflowRule, WorkflowRuleSpec};

use super::reject::Reject;
use super::visibility::civil::Moment;
use crate::clock::Timestamp;

pub(crate) use predicate::{ActivityFacts, WorkflowFacts};

/// Rules of one namespace (dynamic config `frontend.maxWorkflowRulesPerNamespace`).
pub(crate) const MAX_RULES: usize = 10;

/// The rules of one namespace, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    by_id: BTreeMap<String, WorkflowRule>,
}

impl Rules {
    /// Adds a rule. Nothing in it is checked but its id: a predicate that can't be read means no activity.
    pub(crate) fn create(&mut self, rule: WorkflowRule) -> Result<(), Reject> {
        let id = id_of(&rule).to_owned();
        let full = self.by_id.len() >= MAX_RULES;
        let leaves = self.first_to_expire().filter(|_| full).map(str::to_owned);
        if full && leaves.is_none() {
            return invalid(format!("Workflow Rule limit exceeded. Max: {MAX_RULES}"));
        }
        if self.by_id.contains_key(&id) && leaves.as_ref() != Some(&id) {
            return invalid("Workflow Rule with this ID already exists.");
        }
        if let Some(leaves) = leaves {
            self.by_id.remove(&leaves);
        }
        self.by_id.insert(id, rule);
        Ok(())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&WorkflowRule> {
        self.by_id.get(id)
    }

    /// The rule that a request names.
    pub(crate) fn find(&self, id: &str) -> Result<&WorkflowRule, Reject> {
        self.get(id).ok_or_else(not_found)
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), Reject> {
        self.by_id.remove(id).map(|_| ()).ok_or_else(not_found)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &WorkflowRule> {
        self.by_id.values()
    }

    /// What makes room for another rule. Temporal takes the one whose expiration is nearest, expired or not.
    fn first_to_expire(&self) -> Option<&str> {
        let with_end = self.by_id.iter().filter_map(|(id, rule)| {
            let end = rule.spec.as_ref()?.expiration_time.as_ref()?;
            Some((Moment::from_wire(end), id.as_str()))
        });
        with_end.min().map(|(_, id)| id)
    }
}

/// The rules of a run's namespace, and what they can know of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RulesOfRun<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) workflow: WorkflowFacts<'a>,
}

impl RulesOfRun<'_> {
    /// The rule that pauses an activity, if one does (Temporal: `ActivityMatchWorkflowRules`).
    pub(crate) fn pausing(&self, activity: &ActivityFacts<'_>, now: Timestamp) -> Option<String> {
        let now = Moment::at(now);
        let mut specs = self.rules.iter().filter_map(|rule| rule.spec.as_ref());
        let pausing = specs.find(|spec| {
            let ends = spec.expiration_time.as_ref().map(Moment::from_wire);
            pauses(spec) && ends.is_none_or(|ends| ends >= now) && self.means(spec, activity)
        });
        pausing.map(|spec| spec.id.clone())
    }

    fn means(&self, spec: &WorkflowRuleSpec, activity: &ActivityFacts<'_>) -> bool {
        let query = &spec.visibility_query;
        let Some(Trigger::ActivityStart(trigger)) = &spec.trigger else {
            return false;
        };
        (query.is_empty() || predicate::holds(query, &self.workflow)) && predicate::holds(&trigger.predicate, activity)
    }
}

fn pauses(spec: &WorkflowRuleSpec) -> bool {
    let mut variants = spec.actions.iter().map(|action| action.variant.as_ref());
    variants.any(|variant| matches!(variant, Some(Variant::ActivityPause(_))))
}

fn id_of(rule: &WorkflowRule) -> &str {
    rule.spec.as_ref().map_or("", |spec| &spec.id)
}

fn not_found() -> Reject {
    Reject::InvalidArgument("Workflow Rule with this ID not Found.".to_owned())
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}
