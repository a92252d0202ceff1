//! Version sets, the first generation: build ids that may go on with each other's workflows. The last set of a queue is its
//! default, the last build id of a set is the one whose workers get tasks (Temporal: `matching/version_sets.go`).

use super::{BuildIds, HybridClock};
use crate::clock::Timestamp;
use crate::temporal::config::DynamicConfig;
use crate::temporal::reject::Reject;

/// A set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VersionSet {
    /// The build ids that the sets began with which this one was merged from, in order. The first names the set.
    founders: Vec<String>,
    pub(super) members: Vec<Member>,
    pub(super) became_default: HybridClock,
}

/// A build id of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) build_id: String,
    became_default: HybridClock,
}

/// A change of a queue's sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetsUpdate {
    /// A build id begins a set of its own, the default from now on.
    AddDefaultSet(String),
    /// A build id joins the set of another one, as its default.
    AddCompatible {
        new: String,
        existing: String,
        make_set_default: bool,
    },
    /// The set of this build id becomes the default.
    PromoteSet(String),
    /// This build id becomes the default of its set.
    PromoteBuildId(String),
    /// The second one's set joins the first one's.
    Merge { primary: String, secondary: String },
}

impl VersionSet {
    fn new(build_id: &str, at: HybridClock) -> Self {
        Self {
            founders: vec![build_id.to_owned()],
            members: vec![Member {
                build_id: build_id.to_owned(),
                became_default: at,
            }],
            became_default: at,
        }
    }

    /// By which the set is known to the queue's lanes.
    pub(super) fn name(&self) -> &str {
        self.founders.first().map_or("", String::as_str)
    }

    /// The build id whose workers get tasks.
    pub(super) fn default_build_id(&self) -> &str {
        self.members.last().map_or("", |member| &member.build_id)
    }

    fn promote(&mut self, index: usize, at: HybridClock) {
        let mut member = self.members.remove(index);
        member.became_default = at;
        self.members.push(member);
    }
}

impl BuildIds {
    /// The sets as clients see them: the last so many, or all if it is 0.
    pub(crate) fn describe_sets(&self, max_sets: usize) -> Vec<Vec<String>> {
        let skipped = match max_sets {
            0 => 0,
            max_sets => self.sets.len().saturating_sub(max_sets),
        };
        let members = |set: &VersionSet| set.members.iter().map(|it| it.build_id.clone()).collect();
        self.sets.iter().skip(skipped).map(members).collect()
    }

    /// What the queue knows after a change.
    pub(super) fn with_sets(
        &self,
        update: &SetsUpdate,
        now: Timestamp,
        config: &DynamicConfig,
    ) -> Result<Self, Reject> {
        let at = self.clock.next(now);
        let mut changed = Self {
            clock: at,
            ..self.clone()
        };
        match update {
            SetsUpdate::AddDefaultSet(build_id) => changed.add_default_set(build_id, at),
            SetsUpdate::AddCompatible {
                new,
                existing,
                make_set_default,
            } => changed.add_compatible(new, existing, *make_set_default, at),
            SetsUpdate::PromoteSet(build_id) => {
                let (set, _) = changed.require_member("targeted version", build_id)?;
                if set + 1 != changed.sets.len() {
                    changed.make_default(set, at);
                }
                Ok(())
            }
            SetsUpdate::PromoteBuildId(build_id) => {
                let (set, index) = changed.require_member("targeted version", build_id)?;
                if index + 1 != changed.sets[set].members.len() {
                    changed.sets[set].promote(index, at);
                }
                Ok(())
            }
            SetsUpdate::Merge { primary, secondary } => changed.merge(primary, secondary, at),
        }?;
        changed.check_limits(config)?;
        Ok(changed)
    }

    /// The set of a build id, and its place there.
    pub(super) fn find_member(&self, build_id: &str) -> Option<(usize, usize)> {
        self.sets.iter().enumerate().find_map(|(set, it)| {
            let index = it.members.iter().position(|member| member.build_id == build_id)?;
            Some((set, index))
        })
    }

    pub(super) fn has_set_member(&self, build_id: &str) -> bool {
        self.find_member(build_id).is_some()
    }

    pub(super) fn set_members(&self) -> impl Iterator<Item = &str> {
        let members = self.sets.iter().flat_map(|set| &set.members);
        members.map(|member| member.build_id.as_str())
    }

    fn require_member(&self, what: &str, build_id: &str) -> Result<(usize, usize), Reject> {
        self.find_member(build_id)
            .ok_or_else(|| Reject::NotFound(format!("{what} {build_id} not found")))
    }

    fn add_default_set(&mut self, build_id: &str, at: HybridClock) -> Result<(), Reject> {
        let Some((set, _)) = self.find_member(build_id) else {
            self.sets.push(VersionSet::new(build_id, at));
            return Ok(());
        };
        match set + 1 == self.sets.len() && self.sets[set].members.len() == 1 {
            // The same request again.
            true => Ok(()),
            false => Err(Reject::InvalidArgument(format!("version {build_id} already exists"))),
        }
    }

    fn add_compatible(
        &mut self,
        new: &str,
        existing: &str,
        make_set_default: bool,
        at: HybridClock,
    ) -> Result<(), Reject> {
        let (set, _) = self.require_member("targeted compatible_version", existing)?;
        let Some((known_set, index)) = self.find_member(new) else {
            self.sets[set].members.push(Member {
                build_id: new.to_owned(),
                became_default: at,
            });
            if make_set_default {
                self.make_default(set, at);
            }
            return Ok(());
        };
        if known_set != set {
            return Err(Reject::InvalidArgument(format!(
                "{new} requested to be made compatible with {existing} but both versions exist and are incompatible"
            )));
        }
        let not_default = |of: &str| {
            let why = format!("version {new} already exists and is not default {of}");
            Err(Reject::InvalidArgument(why))
        };
        if make_set_default && set + 1 != self.sets.len() {
            return not_default("for queue");
        }
        match index + 1 == self.sets[set].members.len() {
            true => Ok(()),
            false => not_default("in set"),
        }
    }

    /// A real merge forgets the queue's rules, as Temporal's does (`MergeVersioningData`).
    fn merge(&mut self, primary: &str, secondary: &str, at: HybridClock) -> Result<(), Reject> {
        let (first, _) = self.require_member("targeted primary version", primary)?;
        let (second, _) = self.require_member("targeted secondary version", secondary)?;
        if first == second {
            return Ok(());
        }
        let joining = self.sets[second].clone();
        let set = &mut self.sets[first];
        if let Some(default) = set.members.last_mut() {
            default.became_default = at;
        }
        set.members.extend(joining.members);
        set.members.sort_by_key(|member| member.became_default);
        set.founders.extend(joining.founders);
        set.founders.sort();
        set.became_default = set.became_default.max(joining.became_default);
        self.sets.remove(second);
        self.sets.sort_by_key(|set| set.became_default);
        self.assignment_rules.clear();
        self.redirect_rules.clear();
        Ok(())
    }

    fn make_default(&mut self, set: usize, at: HybridClock) {
        let mut set = self.sets.remove(set);
        set.became_default = at;
        self.sets.push(set);
    }

    fn check_limits(&self, config: &DynamicConfig) -> Result<(), Reject> {
        let exceeded = |what: &str, count: usize, limit: usize| {
            Err(Reject::FailedPrecondition(format!(
                "update would exceed number of {what} permitted in namespace dynamic config ({count}/{limit})"
            )))
        };
        let build_ids = self.set_members().count();
        let (max_sets, max_build_ids) = (config.version_sets_of_queue, config.build_ids_of_queue);
        if max_sets > 0 && self.sets.len() > max_sets {
            return exceeded("compatible version sets", self.sets.len(), max_sets);
        }
        match max_build_ids > 0 && build_ids > max_build_ids {
            true => exceeded("build IDs", build_ids, max_build_ids),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(updates: &[SetsUpdate]) -> Result<BuildIds, Reject> {
        let mut build_ids = BuildIds::default();
        for update in updates {
            build_ids = build_ids.with_sets(update, Timestamp::EPOCH_OF_TESTS, &DynamicConfig::default())?;
        }
        Ok(build_ids)
    }

    fn add(build_id: &str) -> SetsUpdate {
        SetsUpdate::AddDefaultSet(build_id.to_owned())
    }

    fn join(new: &str, existing: &str, make_set_default: bool) -> SetsUpdate {
        SetsUpdate::AddCompatible {
            new: new.to_owned(),
            existing: existing.to_owned(),
            make_set_default,
        }
    }

    #[track_caller]
    fn assert_sets(updates: &[SetsUpdate], expected: &[&[&str]]) {
        assert_eq!(after(updates).unwrap().describe_sets(0), expected);
    }

    #[test]
    fn the_default_is_always_last() {
        assert_sets(&[add("1"), add("2")], &[&["1"], &["2"]]);
        assert_sets(&[add("1"), add("2"), join("1.1", "1", false)], &[&["1", "1.1"], &["2"]]);
        assert_sets(&[add("1"), add("2"), join("1.1", "1", true)], &[&["2"], &["1", "1.1"]]);
        assert_sets(
            &[add("1"), add("2"), SetsUpdate::PromoteSet("1".to_owned())],
            &[&["2"], &["1"]],
        );
        assert_sets(
            &[
                add("1"),
                join("1.1", "1", false),
                SetsUpdate::PromoteBuildId("1".to_owned()),
            ],
            &[&["1.1", "1"]],
        );
    }

    #[test]
    fn a_merged_set_keeps_the_default_of_the_first_one() {
        let merge = SetsUpdate::Merge {
            primary: "1".to_owned(),
            secondary: "2".to_owned(),
        };
        assert_sets(
            &[add("1"), join("1.1", "1", false), add("2"), add("3"), merge],
            &[&["1", "2", "1.1"], &["3"]],
        );
    }

    #[test]
    fn the_last_sets_are_shown_if_not_all_are_asked_for() {
        let build_ids = after(&[add("1"), add("2"), add("3")]).unwrap();
        assert_eq!(build_ids.describe_sets(1), [["3"]]);
        assert_eq!(build_ids.describe_sets(9).len(), 3);
    }

    #[test]
    fn what_contradicts_the_sets_is_refused() {
        let cases = [
            (vec![add("1"), add("2"), add("1")], "version 1 already exists"),
            (vec![join("2", "1", false)], "targeted compatible_version 1 not found"),
            (
                vec![add("1"), add("2"), join("1", "2", false)],
                "1 requested to be made compatible with 2 but both versions exist and are incompatible",
            ),
            (
                vec![add("1"), join("1.1", "1", false), add("2"), join("1.1", "1", true)],
                "version 1.1 already exists and is not default for queue",
            ),
            (
                vec![add("1"), join("1.1", "1", false), join("1", "1.1", false)],
                "version 1 already exists and is not default in set",
            ),
        ];
        for (updates, expected) in cases {
            assert_eq!(after(&updates).unwrap_err().message(), expected);
        }
    }

    #[test]
    fn sets_and_build_ids_have_limits() {
        let sets: Vec<SetsUpdate> = (0..=10).map(|number| add(&number.to_string())).collect();
        assert_eq!(
            after(&sets).unwrap_err().message(),
            "update would exceed number of compatible version sets permitted in namespace dynamic config (11/10)"
        );
        let mut joins = vec![add("0")];
        joins.extend((1..=100).map(|number| join(&number.to_string(), "0", false)));
        assert_eq!(
            after(&joins).unwrap_err().message(),
            "update would exceed number of build IDs permitted in namespace dynamic config (101/100)"
        );
    }
}
