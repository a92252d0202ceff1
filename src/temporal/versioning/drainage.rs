//! Whether workflows are still pinned to a version that takes no new ones.
//!
//! A real server looks every three minutes. Here the looks are worked out when somebody asks, so that a version that can't drain
//! keeps no clock running.

use std::time::Duration;

use temporalio_protos::temporal::api::deployment::v1::VersionDrainageInfo;
use temporalio_protos::temporal::api::enums::v1::VersionDrainageStatus as Status;

use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;

/// The time between two looks, and before the first (dynamic config
/// `matching.wv.VersionDrainageStatusRefreshInterval` and `…VisibilityGracePeriod`).
const INTERVAL: Duration = Duration::from_secs(180);

/// What is known of a version's drainage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drainage {
    pub(super) status: Status,
    changed: Timestamp,
    checked: Timestamp,
}

/// The runs that are pinned to a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PinnedRuns {
    /// Whether one of them is open.
    pub(crate) open: bool,
    /// When the last of them closed.
    pub(crate) last_closed: Option<Timestamp>,
}

impl Drainage {
    pub(super) fn begin(at: Timestamp) -> Self {
        Self::of(Status::Draining, at)
    }

    pub(super) fn of(status: Status, at: Timestamp) -> Self {
        Self {
            status,
            changed: at,
            checked: at,
        }
    }

    pub(super) fn is_draining(self) -> bool {
        self.status == Status::Draining
    }

    /// Catches up with the looks that were due until now.
    pub(super) fn check(&mut self, now: Timestamp, pinned: PinnedRuns) {
        let looks = now.since(self.checked).as_nanos() / INTERVAL.as_nanos();
        if looks == 0 {
            return;
        }
        let last_look = self.after(looks);
        if pinned.open {
            self.checked = last_look;
            return;
        }
        let empty_since = pinned.last_closed.unwrap_or_default();
        let waits = empty_since.since(self.checked).as_nanos().div_ceil(INTERVAL.as_nanos());
        let drained = self.after(waits.max(1));
        if drained > now {
            self.checked = last_look;
        } else {
            *self = Self::of(Status::Drained, drained);
        }
    }

    pub(super) fn to_wire(self) -> VersionDrainageInfo {
        VersionDrainageInfo {
            status: self.status as i32,
            last_changed_time: Some(timestamp(self.changed)),
            last_checked_time: Some(timestamp(self.checked)),
        }
    }

    fn after(&self, looks: u128) -> Timestamp {
        self.checked + INTERVAL.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn checked(now: u64, pinned: PinnedRuns) -> (Status, Timestamp, Timestamp) {
        let mut drainage = Drainage::begin(at(1_000));
        drainage.check(at(now), pinned);
        (drainage.status, drainage.changed, drainage.checked)
    }

    #[test]
    fn without_workflows_a_version_has_drained_at_the_first_look() {
        let none = PinnedRuns::default();
        assert_eq!(checked(1_179, none), (Status::Draining, at(1_000), at(1_000)));
        assert_eq!(checked(1_180, none), (Status::Drained, at(1_180), at(1_180)));
        assert_eq!(checked(9_999, none), (Status::Drained, at(1_180), at(1_180)));
    }

    #[test]
    fn an_open_workflow_keeps_it_draining() {
        let open = PinnedRuns {
            open: true,
            last_closed: None,
        };
        assert_eq!(checked(1_600, open), (Status::Draining, at(1_000), at(1_540)));
    }

    #[test]
    fn it_has_drained_at_the_first_look_after_the_last_workflow() {
        let closed = PinnedRuns {
            open: false,
            last_closed: Some(at(1_200)),
        };
        assert_eq!(checked(1_359, closed), (Status::Draining, at(1_000), at(1_180)));
        assert_eq!(checked(1_360, closed), (Status::Drained, at(1_360), at(1_360)));
    }
}
