//! What to do with actions that are due: which start now, which wait, which are skipped, and what ends what still runs.

use temporalio_protos::temporal::api::enums::v1::ScheduleOverlapPolicy as Overlap;

use crate::clock::Timestamp;

/// An action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// As the spec says it; the workflow id has it.
    pub(crate) nominal: Timestamp,
    /// With jitter.
    pub(crate) actual: Timestamp,
    /// As it was asked for: unspecified stands for the schedule's policy at the time when it is looked at.
    pub(crate) overlap: i32,
    /// By a trigger or a backfill, not by the spec.
    pub(crate) manual: bool,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Started whatever runs, and not watched.
    pub(crate) overlapping: Vec<Start>,
    /// Started since nothing runs.
    pub(crate) next: Option<Start>,
    /// Kept until what runs has ended.
    pub(crate) waiting: Vec<Start>,
    /// Ask what runs to cancel.
    pub(crate) cancel: bool,
    /// Terminate what runs.
    pub(crate) terminate: bool,
    /// How many were skipped.
    pub(crate) skipped: i64,
}

/// Decides over all actions that are due. `running`: whether a workflow that counts still runs.
pub(crate) fn plan(due: Vec<Start>, running: bool, resolve: impl Fn(i32) -> i32) -> Plan {
    let mut plan = Plan::default();
    for start in due {
        plan.add(start, running, Overlap::try_from(resolve(start.overlap)).ok());
    }
    if plan.cancel || plan.terminate {
        // They would be ended at once with the others.
        plan.overlapping.clear();
    }
    plan
}

impl Plan {
    fn add(&mut self, start: Start, running: bool, overlap: Option<Overlap>) {
        if overlap == Some(Overlap::AllowAll) {
            self.overlapping.push(start);
            return;
        }
        if !running && self.next.is_none() {
            self.next = Some(start);
            return;
        }
        match overlap {
            Some(Overlap::Skip) => self.skipped += 1,
            Some(Overlap::BufferOne) if self.waiting.is_empty() => self.waiting.push(start),
            Some(Overlap::BufferOne) => self.skipped += 1,
            Some(Overlap::BufferAll) => self.waiting.push(start),
            // What was about to start isn't running yet: the later one takes its place.
            Some(Overlap::CancelOther | Overlap::TerminateOther) if !running => self.next = Some(start),
            Some(Overlap::CancelOther) => {
                self.cancel = true;
                self.waiting.push(start);
            }
            Some(Overlap::TerminateOther) => {
                self.terminate = true;
                self.waiting.push(start);
            }
            // Not a policy at all: the server lets go of it without a word.
            Some(Overlap::Unspecified | Overlap::AllowAll) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(second: u64, overlap: Overlap) -> Start {
        let at = Timestamp::from_seconds(second);
        Start {
            nominal: at,
            actual: at,
            overlap: overlap as i32,
            manual: false,
        }
    }

    fn planned(overlap: Overlap, running: bool) -> Plan {
        let due = (1..=3).map(|second| start(second, overlap)).collect();
        plan(due, running, |policy| policy)
    }

    fn seconds(starts: &[Start]) -> Vec<u64> {
        starts.iter().map(|start| start.nominal.as_seconds()).collect()
    }

    /// Three are due at once: which start, which wait, how many are skipped, and whether what runs is ended.
    #[test]
    fn every_policy_with_and_without_a_running_workflow() {
        type Row<'a> = (Overlap, bool, Option<u64>, &'a [u64], i64);
        let table: [Row<'_>; 10] = [
            (Overlap::Skip, false, Some(1), &[], 2),
            (Overlap::Skip, true, None, &[], 3),
            (Overlap::BufferOne, false, Some(1), &[2], 1),
            (Overlap::BufferOne, true, None, &[1], 2),
            (Overlap::BufferAll, false, Some(1), &[2, 3], 0),
            (Overlap::BufferAll, true, None, &[1, 2, 3], 0),
            (Overlap::CancelOther, false, Some(3), &[], 0),
            (Overlap::CancelOther, true, None, &[1, 2, 3], 0),
            (Overlap::TerminateOther, false, Some(3), &[], 0),
            (Overlap::TerminateOther, true, None, &[1, 2, 3], 0),
        ];
        for (overlap, running, next, waiting, skipped) in table {
            let plan = planned(overlap, running);
            let started = plan.next.map(|start| start.nominal.as_seconds());
            assert_eq!(started, next, "{overlap:?} {running}");
            assert_eq!(seconds(&plan.waiting), waiting, "{overlap:?} {running}");
            assert_eq!(plan.skipped, skipped, "{overlap:?} {running}");
            assert_eq!(plan.cancel, running && overlap == Overlap::CancelOther);
            assert_eq!(plan.terminate, running && overlap == Overlap::TerminateOther);
            assert!(plan.overlapping.is_empty());
        }
        for running in [false, true] {
            assert_eq!(seconds(&planned(Overlap::AllowAll, running).overlapping), [1, 2, 3]);
        }
    }

    #[test]
    fn an_action_without_a_policy_has_the_schedules_and_nothing_overlaps_what_is_being_ended() {
        let due = vec![
            start(1, Overlap::AllowAll),
            start(2, Overlap::Unspecified),
            start(3, Overlap::BufferAll),
        ];
        let plan = plan(due, true, |policy| match policy {
            0 => Overlap::TerminateOther as i32,
            policy => policy,
        });
        assert!(plan.terminate && plan.overlapping.is_empty());
        assert_eq!(seconds(&plan.waiting), [2, 3]);
    }
}
