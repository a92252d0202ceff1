//! Versioning rules, the second generation: assignment rules give new workflows a build id, redirect rules send running ones
//! to another (Temporal: `matching/version_rule_helpers.go`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::{BuildIds, Facts, HybridClock};
use crate::temporal::config::DynamicConfig;
use crate::temporal::reject::Reject;

/// How long deleted rules are remembered (dynamic config `matching.wv.DeletedRuleRetentionTime`).
const DELETED_RULES_KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The ramp of a rule that takes all.
pub(crate) const FULL_RAMP: f32 = 100.0;

/// Gives new workflows a build id; the empty one stands for workers without versioning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AssignmentRule {
    pub(crate) target: String,
    /// Of 100 workflows, so many; the others ask the next rule.
    pub(crate) ramp_percentage: f32,
    pub(crate) created: HybridClock,
    deleted: Option<HybridClock>,
}

/// Sends what is on one build id to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedirectRule {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) created: HybridClock,
    pub(super) deleted: Option<HybridClock>,
}

/// A change of a queue's rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RulesUpdate {
    InsertAssignment {
        index: i32,
        target: String,
        ramp_percentage: f32,
    },
    ReplaceAssignment {
        index: i32,
        target: String,
        ramp_percentage: f32,
        force: bool,
    },
    DeleteAssignment {
        index: i32,
        force: bool,
    },
    AddRedirect {
        source: String,
        target: String,
    },
    ReplaceRedirect {
        source: String,
        target: String,
    },
    DeleteRedirect {
        source: String,
    },
    /// The build id takes all new workflows from now on.
    Commit {
        target: String,
        force: bool,
    },
}

impl AssignmentRule {
    fn is_active(&self) -> bool {
        self.deleted.is_none()
    }

    pub(super) fn is_fully_ramped(&self) -> bool {
        self.ramp_percentage == FULL_RAMP
    }
}

impl BuildIds {
    /// Stands for the last change.
    pub(crate) fn token(&self) -> Vec<u8> {
        self.clock.token()
    }

    /// The rules that hold, in the order in which they are asked.
    pub(crate) fn assignment_rules(&self) -> impl Iterator<Item = &AssignmentRule> {
        self.assignment_rules.iter().filter(|rule| rule.is_active())
    }

    /// The rules that hold, the latest first.
    pub(crate) fn redirect_rules(&self) -> impl Iterator<Item = &RedirectRule> {
        self.redirect_rules.iter().filter(|rule| rule.deleted.is_none())
    }

    /// What the queue knows after a change. A request without any forgets everything, sets too, as Temporal has it.
    pub(super) fn with_rules(
        &self,
        update: Option<&RulesUpdate>,
        token: &[u8],
        facts: Facts<'_>,
    ) -> Result<Self, Reject> {
        let (now, config) = (facts.now, facts.config);
        let expected = self.token();
        if token != expected {
            return Err(Reject::FailedPrecondition(format!(
                "provided conflict token '{}' does not match existing one '{}'",
                as_go_prints(token),
                as_go_prints(&expected)
            )));
        }
        let at = self.clock.next(now);
        let Some(update) = update else {
            return Ok(Self {
                clock: at,
                ..Self::default()
            });
        };
        let mut changed = Self {
            clock: at,
            ..self.clone()
        };
        match update {
            RulesUpdate::InsertAssignment {
                index,
                target,
                ramp_percentage,
            } => changed.insert_assignment(*index, target, *ramp_percentage, at, config),
            RulesUpdate::ReplaceAssignment {
                index,
                target,
                ramp_percentage,
                force,
            } => changed.replace_assignment(*index, target, *ramp_percentage, *force, at),
            RulesUpdate::DeleteAssignment { index, force } => changed.delete_assignment(*index, *force, at),
            RulesUpdate::AddRedirect { source, target } => changed.add_redirect(source, target, at, config),
            RulesUpdate::ReplaceRedirect { source, target } => changed.replace_redirect(source, target, at, config),
            RulesUpdate::DeleteRedirect { source } => changed.delete_redirect(source, at),
            RulesUpdate::Commit { target, force } => changed.commit(target, *force, at, facts),
        }?;
        let is_kept = |deleted: Option<HybridClock>| deleted.is_none_or(|at| now.since(at.time()) < DELETED_RULES_KEPT);
        changed.assignment_rules.retain(|rule| is_kept(rule.deleted));
        changed.redirect_rules.retain(|rule| is_kept(rule.deleted));
        Ok(changed)
    }

    fn insert_assignment(
        &mut self,
        index: i32,
        target: &str,
        ramp: f32,
        at: HybridClock,
        config: &DynamicConfig,
    ) -> Result<(), Reject> {
        if index < 0 {
            return invalid("rule index cannot be negative");
        }
        self.check_assignment(target, ramp)?;
        let index = self.actual_index(index).unwrap_or(self.assignment_rules.len());
        self.assignment_rules.insert(index, assignment(target, ramp, at));
        self.check_assignment_count(config)
    }

    fn replace_assignment(
        &mut self,
        index: i32,
        target: &str,
        ramp: f32,
        force: bool,
        at: HybridClock,
    ) -> Result<(), Reject> {
        self.check_assignment(target, ramp)?;
        let had_full = self.had_fully_ramped();
        let actual = self.require_assignment(index)?;
        self.assignment_rules[actual].deleted = Some(at);
        self.assignment_rules.insert(actual, assignment(target, ramp, at));
        self.check_fully_ramped(had_full && !force)
    }

    fn delete_assignment(&mut self, index: i32, force: bool, at: HybridClock) -> Result<(), Reject> {
        let had_full = self.had_fully_ramped();
        let actual = self.require_assignment(index)?;
        self.assignment_rules[actual].deleted = Some(at);
        self.check_fully_ramped(had_full && !force)
    }

    fn add_redirect(
        &mut self,
        source: &str,
        target: &str,
        at: HybridClock,
        config: &DynamicConfig,
    ) -> Result<(), Reject> {
        self.check_redirect(source, target)?;
        if self.is_partially_assigned(source) {
            return breaks(
                "redirect rule source build ID cannot be the target of any partially-ramped assignment rule",
            );
        }
        if let Some(known) = self.redirect_rules().find(|rule| rule.source == source) {
            return Err(Reject::AlreadyExists(format!(
                "source {source} already redirects to target {}",
                known.target
            )));
        }
        self.redirect_rules.insert(0, redirect(source, target, at));
        let count = self.redirect_rules().count();
        if config.redirect_rules > 0 && count > config.redirect_rules {
            return exceeds("redirect rules", count, config.redirect_rules);
        }
        self.check_graph(config)
    }

    fn replace_redirect(
        &mut self,
        source: &str,
        target: &str,
        at: HybridClock,
        config: &DynamicConfig,
    ) -> Result<(), Reject> {
        self.check_redirect(source, target)?;
        self.delete_redirect(source, at)?;
        self.redirect_rules.insert(0, redirect(source, target, at));
        self.check_graph(config)
    }

    fn delete_redirect(&mut self, source: &str, at: HybridClock) -> Result<(), Reject> {
        let known = self
            .redirect_rules
            .iter_mut()
            .find(|rule| rule.deleted.is_none() && rule.source == source);
        match known {
            Some(rule) => {
                rule.deleted = Some(at);
                Ok(())
            }
            None => Err(Reject::NotFound(format!(
                "no redirect rule found with source ID {source}"
            ))),
        }
    }

    fn commit(&mut self, target: &str, force: bool, at: HybridClock, facts: Facts<'_>) -> Result<(), Reject> {
        if !facts.has_recent_poller && !force {
            return Err(Reject::FailedPrecondition(format!(
                "no versioned poller with build ID '{target}' seen within the last 1m10s, use force=true to commit anyways"
            )));
        }
        if self.has_set_member(target) {
            return breaks(TARGET_IN_SET);
        }
        for rule in self.assignment_rules.iter_mut().filter(|rule| rule.is_active()) {
            if rule.target == target || rule.is_fully_ramped() {
                rule.deleted = Some(at);
            }
        }
        self.assignment_rules.push(assignment(target, FULL_RAMP, at));
        self.check_assignment_count(facts.config)
    }

    /// What must hold of an assignment rule by itself.
    fn check_assignment(&self, target: &str, ramp: f32) -> Result<(), Reject> {
        if !(0.0..=FULL_RAMP).contains(&ramp) {
            return invalid("ramp percentage must be in range [0, 100]");
        }
        if self.has_set_member(target) {
            return breaks(TARGET_IN_SET);
        }
        match ramp != FULL_RAMP && self.is_redirect_source(target) {
            true => breaks(
                "update breaks requirement, this build ID cannot be the target of a partially-ramped assignment rule \
                 because it is the source of a redirect rule",
            ),
            false => Ok(()),
        }
    }

    /// What must hold of a redirect rule by itself.
    fn check_redirect(&self, source: &str, target: &str) -> Result<(), Reject> {
        if target.is_empty() {
            return invalid("the unversioned build ID cannot be the target of a redirect rule");
        }
        if self.has_set_member(source) {
            return breaks("update breaks requirement, source build ID is already a member of a version set");
        }
        match self.has_set_member(target) {
            true => breaks(TARGET_IN_SET),
            false => Ok(()),
        }
    }

    fn check_assignment_count(&self, config: &DynamicConfig) -> Result<(), Reject> {
        let count = self.assignment_rules().count();
        match config.assignment_rules > 0 && count > config.assignment_rules {
            true => exceeds("assignment rules", count, config.assignment_rules),
            false => Ok(()),
        }
    }

    fn check_fully_ramped(&self, required: bool) -> Result<(), Reject> {
        match required && !self.assignment_rules().any(AssignmentRule::is_fully_ramped) {
            true => breaks(
                "at least one fully-ramped assignment rule must exist (use force=true to bypass this requirement and set \
                 the unversioned queue as the default)",
            ),
            false => Ok(()),
        }
    }

    /// Redirect rules may not lead in a circle, nor too many of them to one build id.
    fn check_graph(&self, config: &DynamicConfig) -> Result<(), Reject> {
        let leads_back = |rule: &RedirectRule| self.terminal(&rule.source).is_none();
        if self.redirect_rules().any(leads_back) {
            return breaks("update would break acyclic requirement");
        }
        for rule in self.redirect_rules() {
            let count = upstream(&rule.target, self.redirect_rules()).len();
            if count > config.upstream_build_ids {
                return exceeds("upstream build ids", count, config.upstream_build_ids);
            }
        }
        Ok(())
    }

    /// Where redirect rules lead from a build id; `None` if they lead in a circle.
    pub(super) fn terminal<'a>(&'a self, build_id: &'a str) -> Option<&'a str> {
        let mut at = build_id;
        for _ in 0..=self.redirect_rules.len() {
            match self.redirect_rules().find(|rule| rule.source == at) {
                Some(rule) => at = &rule.target,
                None => return Some(at),
            }
        }
        None
    }

    pub(super) fn is_redirect_source(&self, build_id: &str) -> bool {
        self.redirect_rules().any(|rule| rule.source == build_id)
    }

    fn is_partially_assigned(&self, build_id: &str) -> bool {
        self.assignment_rules()
            .any(|rule| !rule.is_fully_ramped() && rule.target == build_id)
    }

    /// Whether some rule takes, or took, all: Temporal counts the deleted ones that it remembers.
    fn had_fully_ramped(&self) -> bool {
        self.assignment_rules.iter().any(AssignmentRule::is_fully_ramped)
    }

    /// The place of a rule whose index counts only rules that hold.
    fn actual_index(&self, index: i32) -> Option<usize> {
        let index = usize::try_from(index).ok()?;
        let active = self
            .assignment_rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.is_active());
        active.map(|(actual, _)| actual).nth(index)
    }

    fn require_assignment(&self, index: i32) -> Result<usize, Reject> {
        self.actual_index(index).ok_or_else(|| {
            Reject::InvalidArgument(format!(
                "rule index {index} is out of bounds for assignment rule list of length {}",
                self.assignment_rules().count()
            ))
        })
    }
}

const TARGET_IN_SET: &str = "update breaks requirement, target build ID is already a member of a version set";

/// The build ids from which redirect rules lead to one, however far.
fn upstream<'a>(build_id: &str, rules: impl Iterator<Item = &'a RedirectRule>) -> BTreeSet<&'a str> {
    let rules: Vec<&RedirectRule> = rules.collect();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut at: Vec<&str> = vec![build_id];
    while let Some(target) = at.pop() {
        for rule in rules.iter().filter(|rule| rule.target == target) {
            if rule.source != build_id && found.insert(&rule.source) {
                at.push(&rule.source);
            }
        }
    }
    found
}

fn assignment(target: &str, ramp_percentage: f32, created: HybridClock) -> AssignmentRule {
    AssignmentRule {
        target: target.to_owned(),
        ramp_percentage,
        created,
        deleted: None,
    }
}

fn redirect(source: &str, target: &str, created: HybridClock) -> RedirectRule {
    RedirectRule {
        source: source.to_owned(),
        target: target.to_owned(),
        created,
        deleted: None,
    }
}

/// Bytes as Go's `%v` has them: `[24 1]`.
fn as_go_prints(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(" "))
}

fn invalid(why: &str) -> Result<(), Reject> {
    Err(Reject::InvalidArgument(why.to_owned()))
}

fn breaks(why: &str) -> Result<(), Reject> {
    Err(Reject::FailedPrecondition(why.to_owned()))
}

fn exceeds(what: &str, count: usize, limit: usize) -> Result<(), Reject> {
    breaks(&format!(
        "update exceeds number of {what} permitted in namespace ({count}/{limit})"
    ))
}
