//! The life of one schedule: what it does when it wakes, and when it wakes again.
//!
//! Temporal's scheduler is a workflow that sleeps until its next firing, a request, or the end of a run that it waits for.
//! Each time it does the same: [`Schedule::begin`], then [`Schedule::plan`] until nothing is due, then
//! [`Schedule::finish`]. Starting and ending workflows is the engine's business.

use std::collections::VecDeque;
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::{
    ScheduleOverlapPolicy as Overlap, WorkflowExecutionStatus as Status,
};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::schedule::v1 as wire;
use temporalio_protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;

use super::ScheduleRef;
use super::buffer::{self, Plan, Start};
use super::canonical::nanoseconds;
use super::spec::{Firing, Spec};
use super::upcoming::Upcoming;
use crate::clock::Timestamp;
use crate::temporal::proto::{moment, proto_duration};

/// How late an action may be, unless the schedule says otherwise.
const DEFAULT_CATCHUP_WINDOW: Duration = Duration::from_secs(365 * 86_400);

/// The least that a schedule may say.
const MIN_CATCHUP_WINDOW: Duration = Duration::from_secs(10);

/// How long a schedule that has nothing more to do stays.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);

/// The most actions, and the most backfills, that wait.
const MAX_BUFFER_SIZE: usize = 1_000;

/// How many actions of backfills one waking takes.
const BACKFILLS_PER_WAKING: u32 = 10;

/// How many of the last actions are kept.
const RECENT_ACTIONS: usize = 10;

/// The conflict token of a new schedule.
pub(crate) const FIRST_CONFLICT_TOKEN: i64 = 1;

/// Everything that a new schedule is made from.
#[derive(Clone, Debug)]
pub(crate) struct NewSchedule {
    pub(crate) namespace: String,
    pub(crate) namespace_id: String,
    pub(crate) schedule_id: String,
    pub(crate) request_id: String,
    pub(crate) definition: Definition,
    pub(crate) memo: Option<common::Memo>,
    pub(crate) search_attributes: Option<common::SearchAttributes>,
}

/// What a client says of a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) spec: Spec,
    pub(crate) action: wire::ScheduleAction,
    pub(crate) policies: wire::SchedulePolicies,
    pub(crate) state: wire::ScheduleState,
}

/// A new definition for a schedule that is there.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) definition: Definition,
    /// 0: whatever happened meanwhile.
    pub(crate) conflict_token: i64,
    /// `None`: as they are.
    pub(crate) search_attributes: Option<common::SearchAttributes>,
}

/// Why a schedule wakes.
#[derive(Clone, Debug)]
pub(crate) enum Wake {
    /// It begins, or its time has come.
    Time,
    /// A client asks for actions, or for a pause.
    Patch(Box<wire::SchedulePatch>),
    /// A client changes it.
    Update(Box<Update>),
    /// Somebody saw that a run isn't running any more.
    Refresh,
    /// The run that it waited for has ended.
    Ended(Box<Ended>),
}

/// How a chain of runs ended that the schedule had started.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) workflow_id: String,
    /// Unspecified if the run isn't there any more.
    pub(crate) status: Status,
    pub(crate) result: Option<common::Payloads>,
    pub(crate) failure: Option<Failure>,
}

/// What follows when a schedule has done what there was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It sleeps until then, or until somebody wakes it.
    Until(Option<Timestamp>),
    /// It had nothing to do for long, and is gone.
    Over,
}

/// A schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) reference: ScheduleRef,
    /// Of the workflow that it is, in Temporal.
    pub(crate) run_id: String,
    /// Running; terminated if it was deleted, completed if it was over.
    pub(crate) status: Status,
    pub(crate) namespace: String,
    pub(crate) schedule_id: String,
    pub(crate) request_id: String,
    pub(crate) memo: Option<common::Memo>,
    pub(crate) search_attributes: Option<common::SearchAttributes>,
    /// When it was deleted, or was over.
    pub(crate) closed_at: Option<Timestamp>,
    /// The run whose end it waits for.
    pub(crate) watching: Option<common::WorkflowExecution>,
    pub(super) definition: Definition,
    pub(super) info: Info,
    pub(super) conflict_token: i64,
    /// Up to here firings have been dealt with.
    pub(super) last_processed: Timestamp,
    pub(super) buffered: Vec<Start>,
    pub(super) upcoming: Upcoming,
    pub(super) jitter_seed: String,
    backfills: VecDeque<Backfill>,
    needs_refresh: bool,
    next_wakeup: Option<Timestamp>,
    last_completion_result: Option<common::Payloads>,
    continued_failure: Option<Failure>,
}

/// What a schedule tells about itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Info {
    pub(super) action_count: i64,
    pub(super) missed_catchup_window: i64,
    pub(super) overlap_skipped: i64,
    pub(super) buffer_dropped: i64,
    /// By the first run of each chain.
    pub(super) running: Vec<common::WorkflowExecution>,
    pub(super) recent: VecDeque<Taken>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Option<Timestamp>,
}

/// An action that was taken.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) scheduled: Timestamp,
    pub(super) taken_at: Timestamp,
    pub(super) execution: common::WorkflowExecution,
    /// As far as the schedule has noticed.
    pub(super) status: Status,
}

#[derive(Clone, Copy, Debug)]
struct Backfill {
    start: Timestamp,
    end: Timestamp,
    overlap: i32,
}

impl Definition {
    /// Sets the defaults, so that clients see them.
    fn fill_in(&mut self) {
        let policies = &mut self.policies;
        if policies.overlap_policy == Overlap::Unspecified as i32 {
            policies.overlap_policy = Overlap::Skip as i32;
        }
        policies.catchup_window = Some(proto_duration(catchup_window(policies)));
    }

    /// The workflow that the schedule starts.
    pub(crate) fn workflow(&self) -> Option<&NewWorkflowExecutionInfo> {
        let Some(Action::StartWorkflow(workflow)) = &self.action.action else {
            return None;
        };
        Some(workflow)
    }
}

impl Schedule {
    pub(crate) fn new(reference: ScheduleRef, run_id: String, new: NewSchedule, now: Timestamp) -> Self {
        let mut definition = new.definition;
        definition.fill_in();
        Self {
            reference,
            run_id,
            status: Status::Running,
            jitter_seed: format!("{}-{}", new.namespace_id, new.schedule_id),
            namespace: new.namespace,
            schedule_id: new.schedule_id,
            request_id: new.request_id,
            memo: new.memo,
            search_attributes: new.search_attributes,
            closed_at: None,
            watching: None,
            definition,
            info: Info {
                created_at: now,
                ..Default::default()
            },
            conflict_token: FIRST_CONFLICT_TOKEN,
            last_processed: now,
            buffered: Vec::new(),
            upcoming: Upcoming::default(),
            backfills: VecDeque::new(),
            needs_refresh: false,
            next_wakeup: None,
            last_completion_result: None,
            continued_failure: None,
        }
    }

    // Getters.

    pub(crate) fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.definition.state.paused
    }

    pub(crate) fn conflict_token(&self) -> i64 {
        self.conflict_token
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.definition.spec
    }

    pub(crate) fn jitter_seed(&self) -> &str {
        &self.jitter_seed
    }

    /// The workflow that the schedule starts.
    pub(crate) fn workflow(&self) -> Option<&NewWorkflowExecutionInfo> {
        self.definition.workflow()
    }

    /// The runs that count as running, by the first of each chain.
    pub(crate) fn running(&self) -> &[common::WorkflowExecution] {
        &self.info.running
    }

    /// What its last run left for the next one: a result, a failure. Runs that may overlap get neither.
    pub(crate) fn inheritance(&self, start: &Start) -> (Option<common::Payloads>, Option<Failure>) {
        match start.overlap == Overlap::AllowAll as i32 {
            true => (None, None),
            false => (self.last_completion_result.clone(), self.continued_failure.clone()),
        }
    }

    /// Who it is in the histories of others.
    pub(crate) fn identity(&self) -> String {
        format!("temporal-scheduler-{}-{}", self.namespace, self.schedule_id)
    }

    // Handlers.

    /// Deals with the time that has passed, and with what woke it.
    pub(crate) fn begin(&mut self, now: Timestamp, wake: Wake) {
        match &wake {
            Wake::Ended(ended) => self.on_ended(ended),
            Wake::Refresh => self.needs_refresh = true,
            Wake::Time | Wake::Patch(_) | Wake::Update(_) => {}
        }
        let (next, last) = self.process_range(self.last_processed, now, Overlap::Unspecified as i32);
        (self.next_wakeup, self.last_processed) = (next, last);
        match wake {
            Wake::Patch(patch) => self.on_patch(now, &patch),
            Wake::Update(update) => {
                self.on_update(now, *update);
                let (next, _) = self.process_range(self.last_processed, now, Overlap::Unspecified as i32);
                self.next_wakeup = next;
            }
            Wake::Time | Wake::Refresh | Wake::Ended(_) => {}
        }
        self.process_backfills();
    }

    /// Whether it must look at its runs before it decides. Asking answers it.
    pub(crate) fn take_refresh(&mut self) -> bool {
        std::mem::take(&mut self.needs_refresh)
    }

    /// Decides over what is due; `None` if nothing is.
    pub(crate) fn plan(&mut self) -> Option<Plan> {
        let due = std::mem::take(&mut self.buffered);
        if due.is_empty() || self.workflow().is_none() {
            return None;
        }
        let plan = buffer::plan(due, !self.info.running.is_empty(), |overlap| self.resolve(overlap));
        self.buffered.clone_from(&plan.waiting);
        self.info.overlap_skipped += plan.skipped;
        Some(plan)
    }

    /// Whether an action may be taken now; it counts against the limit.
    pub(crate) fn take_action(&mut self, start: &Start) -> bool {
        if start.manual {
            return true;
        }
        let allowed = self.may_act();
        if allowed && self.definition.state.limited_actions {
            self.definition.state.remaining_actions -= 1;
            self.conflict_token += 1;
        }
        allowed
    }

    /// A workflow has been started. `counts`: others wait for its end.
    pub(crate) fn record(&mut self, now: Timestamp, start: &Start, execution: common::WorkflowExecution, counts: bool) {
        self.info.action_count += 1;
        self.info.recent.push_back(Taken {
            scheduled: start.actual,
            taken_at: now,
            execution: execution.clone(),
            status: Status::Running,
        });
        if self.info.recent.len() > RECENT_ACTIONS {
            self.info.recent.pop_front();
        }
        if counts {
            self.info.running.push(execution);
        }
    }

    /// A chain of runs has ended that it had started.
    pub(crate) fn on_ended(&mut self, ended: &Ended) {
        let running = &mut self.info.running;
        if let Some(index) = running.iter().position(|run| run.workflow_id == ended.workflow_id) {
            running.remove(index);
        }
        let mut recent = self.info.recent.iter_mut();
        if let Some(taken) = recent.find(|taken| taken.execution.workflow_id == ended.workflow_id) {
            taken.status = ended.status;
        }
        self.pause_on_failure(ended);
        if ended.result.is_some() {
            self.last_completion_result.clone_from(&ended.result);
            self.continued_failure = None;
        } else if ended.failure.is_some() {
            self.continued_failure.clone_from(&ended.failure);
        }
    }

    /// The run whose end must be watched, since actions wait for it.
    pub(crate) fn wants_to_watch(&self) -> Option<&common::WorkflowExecution> {
        let waits = !self.buffered.is_empty() && self.watching.is_none();
        self.info.running.first().filter(|_| waits)
    }

    /// All that was due is done.
    pub(crate) fn finish(&mut self, now: Timestamp) -> Rest {
        if self.expiry(self.next_wakeup).is_some_and(|expiry| expiry <= now) {
            return Rest::Over;
        }
        let wakeup = match () {
            () if self.has_overlapping_backfills() => Some(now + Duration::from_secs(1)),
            () if !self.may_act() => None,
            () => self.next_wakeup,
        };
        Rest::Until(self.expiry(wakeup).or(wakeup))
    }

    // What a waking consists of.

    /// Puts every firing up to `end` into the buffer. Gives the first one after `end`, and up to where firings are done.
    fn process_range(&mut self, start: Timestamp, end: Timestamp, overlap: i32) -> (Option<Timestamp>, Timestamp) {
        if !self.may_act() {
            // The time of a pause isn't made up for.
            return (self.firing_after(end).map(|firing| firing.actual), end);
        }
        let mut last = start;
        let mut next = self.firing_after(self.skip_to_update(start));
        while let Some(firing) = next.filter(|firing| firing.actual <= end) {
            if self.is_since_update(firing.actual) {
                if end.since(firing.actual) > catchup_window(&self.definition.policies) {
                    self.info.missed_catchup_window += 1;
                } else {
                    self.add_start(firing, overlap, false);
                    last = firing.actual;
                }
            }
            next = self.firing_after(firing.actual);
        }
        (next.map(|firing| firing.actual), last)
    }

    /// Takes a few actions of the backfills that were asked for, and keeps the rest for later.
    fn process_backfills(&mut self) {
        let mut left = BACKFILLS_PER_WAKING;
        while left > 0
            // Only half of the buffer is for backfills.
            && self.buffered.len() < MAX_BUFFER_SIZE / 2
            && let Some(mut backfill) = self.backfills.pop_front()
        {
            while let Some(firing) = self.firing_after(backfill.start).filter(|it| it.actual <= backfill.end) {
                self.add_start(firing, backfill.overlap, true);
                backfill.start = firing.actual;
                left -= 1;
                if left == 0 {
                    self.backfills.push_front(backfill);
                    break;
                }
            }
        }
    }

    fn on_patch(&mut self, now: Timestamp, patch: &wire::SchedulePatch) {
        if let Some(trigger) = &patch.trigger_immediately {
            let at = trigger.scheduled_time.as_ref().map_or(now, moment);
            let firing = Firing {
                nominal: at,
                actual: at,
            };
            self.add_start(firing, trigger.overlap_policy, true);
        }
        for request in &patch.backfill_request {
            self.add_backfill(request);
        }
        for (note, paused) in [(&patch.pause, true), (&patch.unpause, false)] {
            if !note.is_empty() {
                self.set_paused(paused, note.clone());
            }
        }
    }

    fn add_backfill(&mut self, request: &wire::BackfillRequest) {
        if self.backfills.len() >= MAX_BUFFER_SIZE {
            self.info.buffer_dropped += 1;
            return;
        }
        let at = |time: &Option<prost_types::Timestamp>| time.as_ref().map_or(Timestamp::default(), moment);
        self.backfills.push_back(Backfill {
            // The start belongs to the range.
            start: at(&request.start_time) - Duration::from_millis(1),
            end: at(&request.end_time),
            overlap: request.overlap_policy,
        });
    }

    /// A change that was made on the ground of an old state is dropped without a word.
    fn on_update(&mut self, now: Timestamp, update: Update) {
        if update.conflict_token != 0 && update.conflict_token != self.conflict_token {
            return;
        }
        self.definition = update.definition;
        self.definition.fill_in();
        self.upcoming.clear();
        if update.search_attributes.is_some() {
            self.search_attributes = update.search_attributes;
        }
        self.info.updated_at = Some(now);
        self.conflict_token += 1;
    }

    fn pause_on_failure(&mut self, ended: &Ended) {
        if !self.definition.policies.pause_on_failure || self.is_paused() {
            return;
        }
        let id = &ended.workflow_id;
        let note = match ended.status {
            Status::Failed => {
                let message = ended.failure.as_ref().map_or("", |failure| &failure.message);
                format!("paused due to workflow failure: {id}: {message}")
            }
            Status::TimedOut => format!("paused due to workflow timeout: {id}"),
            _ => return,
        };
        self.set_paused(true, note);
    }

    fn set_paused(&mut self, paused: bool, note: String) {
        self.definition.state.paused = paused;
        self.definition.state.notes = note;
        self.conflict_token += 1;
    }

    fn add_start(&mut self, firing: Firing, overlap: i32, manual: bool) {
        if self.buffered.len() >= MAX_BUFFER_SIZE {
            self.info.buffer_dropped += 1;
            return;
        }
        self.buffered.push(Start {
            nominal: firing.nominal,
            actual: firing.actual,
            overlap,
            manual,
        });
        self.needs_refresh = true;
    }

    fn firing_after(&mut self, after: Timestamp) -> Option<Firing> {
        let spec = &self.definition.spec;
        self.upcoming.next(spec, &self.jitter_seed, after, after)
    }

    /// Firings before the last update don't count.
    pub(super) fn is_since_update(&self, actual: Timestamp) -> bool {
        self.info.updated_at.is_none_or(|updated| updated <= actual)
    }

    /// From where to look for firings after `start`, if those before the last update don't count: years may lie between.
    pub(super) fn skip_to_update(&self, start: Timestamp) -> Timestamp {
        let margin = self.definition.spec.max_jitter() + Duration::from_secs(1);
        let updated = self.info.updated_at.map_or(start, |updated| updated - margin);
        start.max(updated)
    }

    fn resolve(&self, overlap: i32) -> i32 {
        match overlap == Overlap::Unspecified as i32 {
            true => self.definition.policies.overlap_policy,
            false => overlap,
        }
    }

    /// Whether the spec's own firings lead to actions.
    fn may_act(&self) -> bool {
        let state = &self.definition.state;
        !state.paused && (!state.limited_actions || state.remaining_actions > 0)
    }

    fn has_overlapping_backfills(&self) -> bool {
        let overlap = self.backfills.front().map(|backfill| self.resolve(backfill.overlap));
        overlap == Some(Overlap::AllowAll as i32)
    }

    /// When it will be over, if it has nothing more to do.
    fn expiry(&self, wakeup: Option<Timestamp>) -> Option<Timestamp> {
        let busy = wakeup.is_some() && self.may_act();
        if self.is_paused() || busy || self.has_overlapping_backfills() {
            return None;
        }
        let last_action = self.info.recent.back().map(|taken| taken.taken_at);
        let last_event = [last_action, self.info.updated_at].into_iter().flatten().max();
        Some(last_event.unwrap_or_default().max(self.info.created_at) + RETENTION)
    }
}

fn catchup_window(policies: &wire::SchedulePolicies) -> Duration {
    policies
        .catchup_window
        .as_ref()
        .map_or(DEFAULT_CATCHUP_WINDOW, |window| {
            let nanoseconds = u64::try_from(nanoseconds(Some(window))).unwrap_or(0);
            Duration::from_nanos(nanoseconds).max(MIN_CATCHUP_WINDOW)
        })
}
