//! Time skipping of one run: how far its clock is ahead of the world's, what it may still skip, and who waits for it.
//!
//! Inside this server's virtual time each such run has a clock of its own, as in Temporal (`workflow/timeskipping.go`).

use std::collections::BTreeMap;
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::{
    TimeSkippingConfig, TimeSkippingFastForwardInfo, TimeSkippingInfo, TimeSkippingStatePropagation,
};
use temporalio_protos::temporal::api::enums::v1::FastForwardPollingResult as PollResult;
use temporalio_protos::temporal::api::workflowservice::v1::PollWorkflowExecutionTimeSkippingResponse;

use super::proto::{duration, proto_duration, timestamp};
use super::txn::Ticket;
use crate::clock::Timestamp;

/// Skips that one session may have if the client doesn't say (dynamic config `frontend.WorkflowTimeSkippingMaxSkipPerSession`).
pub(crate) const DEFAULT_MAX_SESSION_SKIPS: i32 = 200;

/// A run's own clock. A run that never could skip time has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeSkipping {
    /// `None` if only the time of a run before it, or of its parent, was handed on.
    config: Option<TimeSkippingConfig>,
    skipped: Duration,
    fast_forward: Option<FastForward>,
    session_skips: i32,
}

/// Where a fast-forward goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FastForward {
    /// On the run's clock.
    target: Timestamp,
    reached: bool,
}

/// What a run takes over of the clock of the one before it, or a child of its parent's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inherited {
    skipped: Duration,
    fast_forward_target: Option<Timestamp>,
    session_skips: i32,
}

/// One change of a run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// The moment that it skips to.
    pub(crate) target: Option<Timestamp>,
    /// The fast-forward has come to its end, and time skipping with it.
    pub(crate) disables: bool,
}

impl Inherited {
    /// How far the clock was ahead of the world's.
    pub(crate) fn skipped(self) -> Duration {
        self.skipped
    }

    /// As events write it.
    pub(crate) fn to_wire(self) -> TimeSkippingStatePropagation {
        TimeSkippingStatePropagation {
            initial_skipped_duration: (!self.skipped.is_zero()).then(|| proto_duration(self.skipped)),
            fast_forward_target_time: self.fast_forward_target.map(timestamp),
            initial_skip_count: self.session_skips,
        }
    }
}

impl TimeSkipping {
    /// The clock of a new run at `now` of the world's clock, if it needs one of its own.
    pub(crate) fn start(
        config: Option<TimeSkippingConfig>,
        inherited: Option<Inherited>,
        now: Timestamp,
    ) -> Option<Self> {
        let inherited = inherited.unwrap_or_default();
        if config.is_none() && inherited.skipped.is_zero() {
            return None;
        }
        let mut clock = Self {
            config,
            skipped: inherited.skipped,
            fast_forward: None,
            session_skips: inherited.session_skips,
        };
        clock.set_fast_forward(inherited.fast_forward_target, now + inherited.skipped);
        Some(clock)
    }

    /// A client changes the configuration, or takes it away: a new session begins, and a fast-forward from now on.
    pub(crate) fn configure(&mut self, config: Option<TimeSkippingConfig>, now: Timestamp) {
        self.config = config;
        self.set_fast_forward(None, now);
        self.session_skips = 0;
    }

    pub(crate) fn config(&self) -> Option<&TimeSkippingConfig> {
        self.config.as_ref()
    }

    /// How far the run's clock is ahead of the world's.
    pub(crate) fn skipped(&self) -> Duration {
        self.skipped
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.enabled)
    }

    /// Where a fast-forward goes that is still under way.
    pub(crate) fn fast_forward_target(&self) -> Option<Timestamp> {
        let fast_forward = self.fast_forward.filter(|_| self.is_enabled())?;
        (!fast_forward.reached).then_some(fast_forward.target)
    }

    /// What an idle run does that waits for these moments. Nothing while one of them has come and is about to be told.
    pub(crate) fn next_transition(
        &self,
        now: Timestamp,
        moments: impl Iterator<Item = Timestamp>,
    ) -> Option<Transition> {
        let fast_forward = self.fast_forward_target();
        let next = moments.min();
        if [next, fast_forward].into_iter().flatten().any(|moment| moment <= now) {
            return None;
        }
        match (next, fast_forward) {
            (Some(next), Some(end)) if next < end => Some(next),
            (_, Some(end)) => {
                return Some(Transition {
                    target: Some(end),
                    disables: true,
                });
            }
            (next, None) => next,
        }
        .map(|next| Transition {
            target: Some(next),
            disables: false,
        })
    }

    /// Carries out a change at `now` of the run's clock.
    pub(crate) fn apply(&mut self, transition: Transition, now: Timestamp) {
        if let Some(target) = transition.target {
            self.skipped = self.skipped.saturating_add(target.since(now));
        }
        self.session_skips = self.session_skips.saturating_add(1);
        let Some(config) = self.config.as_mut() else {
            return;
        };
        if let Some(fast_forward) = self.fast_forward.as_mut().filter(|_| transition.disables) {
            fast_forward.reached = true;
            config.enabled = false;
        }
        if self.session_skips >= config.max_session_skip_count {
            config.enabled = false;
        }
    }

    /// What the next run of the chain starts with: the same clock and the same session.
    pub(crate) fn for_next_run(&self) -> (Option<TimeSkippingConfig>, Option<Inherited>) {
        let config = self.config.clone().filter(|config| config.enabled);
        let inherited = Inherited {
            skipped: self.skipped,
            fast_forward_target: self.fast_forward_target(),
            session_skips: if config.is_some() { self.session_skips } else { 0 },
        };
        (config, (inherited != Inherited::default()).then_some(inherited))
    }

    /// What a child starts with: the same clock, and a session of its own without a fast-forward.
    pub(crate) fn for_child(&self) -> (Option<TimeSkippingConfig>, Option<Inherited>) {
        let config = self
            .config
            .as_ref()
            .filter(|config| config.enabled && !config.disable_propagation)
            .map(|config| TimeSkippingConfig {
                enabled: true,
                max_session_skip_count: config.max_session_skip_count,
                ..Default::default()
            });
        let inherited = Inherited {
            skipped: self.skipped,
            ..Default::default()
        };
        (config, (inherited != Inherited::default()).then_some(inherited))
    }

    /// As `DescribeWorkflowExecution` shows it at `now` of the run's clock: Temporal 1.32 leaves out the rest.
    pub(crate) fn describe(&self, now: Timestamp) -> TimeSkippingInfo {
        TimeSkippingInfo {
            current_time: Some(timestamp(now)),
            effective_config: self.config.clone(),
            ..Default::default()
        }
    }

    fn set_fast_forward(&mut self, inherited_target: Option<Timestamp>, now: Timestamp) {
        let config = self.config.as_ref().filter(|config| config.enabled);
        let wait = config
            .and_then(|config| config.fast_forward_config.as_ref())
            .and_then(|fast_forward| duration(fast_forward.duration.as_ref()));
        self.fast_forward = wait.map(|wait| FastForward {
            target: inherited_target.unwrap_or(now + wait),
            reached: false,
        });
    }

    fn fast_forward_info(&self) -> Option<TimeSkippingFastForwardInfo> {
        let fast_forward = self.fast_forward?;
        let config = self
            .config
            .as_ref()
            .and_then(|config| config.fast_forward_config.clone())
            .unwrap_or_default();
        Some(TimeSkippingFastForwardInfo {
            fast_forward_duration: config.duration,
            fast_forward_id: config.id,
            target_time: Some(timestamp(fast_forward.target)),
            has_completed: fast_forward.reached,
        })
    }
}

/// Clients that wait for the end of a fast-forward, whichever run of its chain comes to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FastForwardWaits {
    waits: BTreeMap<Ticket, Wait>,
}

#[derive(Clone, Debug)]
struct Wait {
    namespace: String,
    workflow_id: String,
    fast_forward_id: String,
    target: Timestamp,
    /// The fast-forward as it was when the client asked.
    pending: Option<TimeSkippingFastForwardInfo>,
}

const ID_MISMATCH: &str = "the requested fast_forward_id does not match the execution's current fast-forward";
const RESET: &str = "the fast-forward was reset";
const EXECUTION_ENDED: &str = "the execution ended before the fast-forward completed";
const DISABLED: &str = "time skipping was disabled before the fast-forward completed";

impl FastForwardWaits {
    /// What there is to say at once to a client that asks for a fast-forward; else it waits. `ended`: the run is closed,
    /// and none follows.
    pub(crate) fn ask(
        &mut self,
        ticket: Ticket,
        namespace: &str,
        workflow_id: &str,
        fast_forward_id: &str,
        clock: Option<&TimeSkipping>,
        ended: bool,
    ) -> Option<PollWorkflowExecutionTimeSkippingResponse> {
        let target = clock
            .and_then(|clock| clock.fast_forward)
            .map(|fast_forward| fast_forward.target);
        let wait = Wait {
            namespace: namespace.to_owned(),
            workflow_id: workflow_id.to_owned(),
            fast_forward_id: fast_forward_id.to_owned(),
            target: target.unwrap_or_default(),
            pending: clock.and_then(TimeSkipping::fast_forward_info),
        };
        let answer = wait.answer(clock, ended);
        if answer.is_none() {
            self.waits.insert(ticket, wait);
        }
        answer
    }

    /// A fast-forward of a workflow has changed, or its last run has ended: the answers to those who waited for that.
    pub(crate) fn tell(
        &mut self,
        namespace: &str,
        workflow_id: &str,
        clock: &TimeSkipping,
        ended: bool,
    ) -> Vec<(Ticket, PollWorkflowExecutionTimeSkippingResponse)> {
        let concerned = |wait: &&Wait| wait.namespace == namespace && wait.workflow_id == workflow_id;
        let answers: Vec<_> = self
            .waits
            .iter()
            .filter(|(_, wait)| concerned(wait))
            .filter_map(|(ticket, wait)| Some((*ticket, wait.answer(Some(clock), ended)?)))
            .collect();
        for (ticket, _) in &answers {
            self.waits.remove(ticket);
        }
        answers
    }

    /// A client has waited as long as it may.
    pub(crate) fn expire(&mut self, ticket: Ticket) -> Option<PollWorkflowExecutionTimeSkippingResponse> {
        let wait = self.waits.remove(&ticket)?;
        Some(PollWorkflowExecutionTimeSkippingResponse {
            fast_forward_polling_result: PollResult::PollTimeout as i32,
            fast_forward_info: wait.pending,
            ..Default::default()
        })
    }

    /// Whether this call waits.
    pub(crate) fn has(&self, ticket: Ticket) -> bool {
        self.waits.contains_key(&ticket)
    }

    /// A client went away.
    pub(crate) fn forget(&mut self, ticket: Ticket) {
        self.waits.remove(&ticket);
    }
}

impl Wait {
    fn answer(&self, clock: Option<&TimeSkipping>, ended: bool) -> Option<PollWorkflowExecutionTimeSkippingResponse> {
        let info = clock.and_then(TimeSkipping::fast_forward_info);
        let target = clock
            .and_then(|clock| clock.fast_forward)
            .map(|fast_forward| fast_forward.target);
        let (result, failed_reason) = match &info {
            Some(info) if info.fast_forward_id != self.fast_forward_id => (PollResult::FastForwardFailed, ID_MISMATCH),
            None => (PollResult::FastForwardFailed, ID_MISMATCH),
            Some(_) if target != Some(self.target) => (PollResult::FastForwardFailed, RESET),
            Some(info) if info.has_completed => (PollResult::FastForwardCompleted, ""),
            Some(_) if ended => (PollResult::FastForwardFailed, EXECUTION_ENDED),
            Some(_) if !clock.is_some_and(TimeSkipping::is_enabled) => (PollResult::FastForwardFailed, DISABLED),
            Some(_) => return None,
        };
        Some(PollWorkflowExecutionTimeSkippingResponse {
            fast_forward_polling_result: result as i32,
            failed_reason: failed_reason.to_owned(),
            fast_forward_info: info,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::common::v1::FastForwardConfig;

    const NOW: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn config(fast_forward: Option<u64>) -> TimeSkippingConfig {
        TimeSkippingConfig {
            enabled: true,
            fast_forward_config: fast_forward.map(|wait| FastForwardConfig {
                id: "ff".to_owned(),
                duration: Some(proto_duration(seconds(wait))),
            }),
            max_session_skip_count: 2,
            ..Default::default()
        }
    }

    fn clock(fast_forward: Option<u64>) -> TimeSkipping {
        TimeSkipping::start(Some(config(fast_forward)), None, NOW).unwrap()
    }

    fn next(clock: &TimeSkipping, now: Timestamp, moments: &[u64]) -> Option<(Option<u64>, bool)> {
        let transition = clock.next_transition(now, moments.iter().map(|at| NOW + seconds(*at)))?;
        Some((
            transition.target.map(|target| target.since(NOW).as_secs()),
            transition.disables,
        ))
    }

    #[test]
    fn a_fast_forward_bounds_what_is_skipped() {
        let free = clock(None);
        assert_eq!(next(&free, NOW, &[30, 20]), Some((Some(20), false)));
        assert_eq!(next(&free, NOW, &[]), None);
        let bound = clock(Some(25));
        assert_eq!(next(&bound, NOW, &[30, 20]), Some((Some(20), false)));
        assert_eq!(next(&bound, NOW, &[30]), Some((Some(25), true)));
        assert_eq!(next(&bound, NOW, &[25]), Some((Some(25), true)));
        assert_eq!(next(&bound, NOW, &[]), Some((Some(25), true)));
        assert_eq!(next(&bound, NOW + seconds(20), &[20, 22]), None, "one is about to fire");
    }

    #[test]
    fn a_session_ends_with_its_last_skip_and_begins_anew_with_a_configuration() {
        let mut clock = clock(None);
        let skip = |by| Transition {
            target: Some(NOW + seconds(by)),
            disables: false,
        };
        clock.apply(skip(10), NOW);
        assert!(clock.is_enabled());
        clock.apply(skip(15), NOW + seconds(10));
        assert_eq!((clock.skipped(), clock.is_enabled()), (seconds(15), false));
        assert_eq!(clock.for_next_run().0, None, "only the time is handed on");
        assert_eq!(clock.for_next_run().1.map(|it| it.session_skips), Some(0));
        clock.configure(Some(config(None)), NOW + seconds(15));
        assert_eq!(clock.for_next_run().1.map(|it| it.session_skips), Some(0));
        assert!(clock.is_enabled());
    }

    #[test]
    fn a_child_has_the_clock_but_neither_the_fast_forward_nor_the_skips() {
        let mut clock = clock(Some(60));
        let transition = Transition {
            target: Some(NOW + seconds(10)),
            disables: false,
        };
        clock.apply(transition, NOW);
        let (next_config, next) = clock.for_next_run();
        assert_eq!(next_config, Some(config(Some(60))));
        let next = next.unwrap().to_wire();
        assert_eq!(next.initial_skip_count, 1);
        assert_eq!(next.fast_forward_target_time, Some(timestamp(NOW + seconds(60))));
        let (child_config, child) = clock.for_child();
        assert_eq!(child_config, Some(config(None)));
        let child = child.unwrap().to_wire();
        assert_eq!(child.initial_skipped_duration, Some(proto_duration(seconds(10))));
        assert_eq!((child.initial_skip_count, child.fast_forward_target_time), (0, None));
    }

    #[test]
    fn who_waits_for_a_fast_forward_hears_what_became_of_it() {
        let mut waits = FastForwardWaits::default();
        let mut clock = clock(Some(60));
        let unknown = waits.ask(1, "default", "w", "other", Some(&clock), false).unwrap();
        assert_eq!(unknown.failed_reason, ID_MISMATCH);
        assert_eq!(waits.ask(2, "default", "w", "ff", Some(&clock), false), None);
        assert_eq!(waits.ask(3, "default", "other", "ff", Some(&clock), false), None);
        clock.configure(Some(config(Some(90))), NOW);
        let told = waits.tell("default", "w", &clock, false);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0, told[0].1.failed_reason.as_str()), (2, RESET));
        assert_eq!(waits.ask(4, "default", "w", "ff", Some(&clock), false), None);
        assert_eq!(
            waits.tell("default", "w", &clock, true)[0].1.failed_reason,
            EXECUTION_ENDED
        );
        let transition = Transition {
            target: None,
            disables: true,
        };
        clock.apply(transition, NOW);
        let done = waits.ask(5, "default", "w", "ff", Some(&clock), true).unwrap();
        assert_eq!(done.fast_forward_polling_result(), PollResult::FastForwardCompleted);
    }
}
