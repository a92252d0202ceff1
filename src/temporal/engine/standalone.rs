//! Standalone activities: started, stepped, waited for, forgotten.

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::{
    ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse,
};
use temporalio_protos::temporal::api::workflowservice::v1::PollActivityTaskQueueResponse;

use super::retention::Ended;
use super::{Call, Engine, HandKey, ParkedAt};
use crate::clock::Timestamp;
use crate::temporal::machine::standalone_activity::{StandaloneActivity, StartActivity, Step, Wait};
use crate::temporal::matching::Poller;
use crate::temporal::reject::Reject;
use crate::temporal::standalone::ActivityRef;
use crate::temporal::timer::ActivityTimer;
use crate::temporal::token::TaskToken;
use crate::temporal::txn::{Effects, Note, Ticket};

/// What to do if the activity id is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdPolicies {
    pub(crate) reuse: Reuse,
    pub(crate) conflict: Conflict,
}

impl Engine {
    /// Starts an activity, as far as the policies let it. Gives it, and whether it is new.
    pub(crate) fn start_standalone(
        &mut self,
        now: Timestamp,
        start: StartActivity,
        policies: IdPolicies,
    ) -> Result<(ActivityRef, bool), Reject> {
        if let Some(current) = self.standalones.current(&start.namespace, &start.activity_id) {
            let is_retried = current.request_id() == start.request_id;
            let use_existing = !current.is_closed() && policies.conflict == Conflict::UseExisting;
            if is_retried || use_existing {
                return Ok((current.activity(), false));
            }
            let may_reuse = current.is_closed()
                && match policies.reuse {
                    Reuse::RejectDuplicate => false,
                    Reuse::AllowDuplicateFailedOnly => current.is_failed(),
                    Reuse::Unspecified | Reuse::AllowDuplicate => true,
                };
            if !may_reuse {
                return Err(Reject::ActivityExecutionAlreadyStarted {
                    start_request_id: current.request_id().to_owned(),
                    run_id: current.run_id().to_owned(),
                });
            }
        }
        Ok((self.create_standalone(now, start), true))
    }

    /// Runs `body` on a standalone activity, applies its effects, and gives what it gives.
    pub(crate) fn with_standalone<T>(
        &mut self,
        now: Timestamp,
        activity: ActivityRef,
        body: impl FnOnce(&mut StandaloneActivity, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let mut effects = Effects::default();
        let state = self.standalones.get_mut(activity)?;
        let was_offered = state.is_offered();
        let mut step = Step {
            now,
            effects: &mut effects,
        };
        let was_closed = state.is_closed();
        let given = body(state, &mut step);
        if !was_closed && state.is_closed() {
            let namespace = state.namespace().to_owned();
            self.retain(now, &namespace, Ended::Activity(activity));
        }
        self.apply_standalone(now, activity, effects, was_offered);
        Some(given)
    }

    /// One of a standalone activity's clocks ran out.
    pub(super) fn fire_standalone(&mut self, now: Timestamp, activity: ActivityRef, clock: ActivityTimer) {
        self.with_standalone(now, activity, |activity, step| activity.on_timer(step, clock));
    }

    /// Gives a standalone activity's task to a worker; `None` if the task is stale.
    pub(super) fn take_standalone(
        &mut self,
        now: Timestamp,
        activity: ActivityRef,
        attempt: i32,
        poller: &Poller,
    ) -> Option<PollActivityTaskQueueResponse> {
        let taken = self.with_standalone(now, activity, |activity, step| {
            activity.take(step, attempt, &poller.identity)
        })?;
        let state = self.standalones.get(activity).filter(|_| taken)?;
        let token = TaskToken::Standalone { activity, attempt };
        Some(PollActivityTaskQueueResponse {
            task_token: token.encode(),
            ..state.task()
        })
    }

    /// A client waits for something of an activity that hasn't come.
    pub(crate) fn wait_for_standalone(&mut self, call: &Call<'_>, activity: ActivityRef, wait: Wait) {
        self.park(
            call,
            match wait {
                Wait::Outcome => ParkedAt::ActivityOutcome(activity),
                Wait::Change { .. } => ParkedAt::ActivityChange(activity),
            },
        );
        if let Some(state) = self.standalones.get_mut(activity) {
            state.waiters.push((call.ticket, wait));
        }
    }

    /// A client doesn't wait any more.
    pub(super) fn forget_standalone_waiter(&mut self, activity: ActivityRef, ticket: Ticket) {
        if let Some(state) = self.standalones.get_mut(activity) {
            state.waiters.retain(|(waiter, _)| *waiter != ticket);
        }
    }

    /// Ends an activity if it runs, and forgets it.
    pub(crate) fn delete_standalone(&mut self, now: Timestamp, activity: ActivityRef) {
        self.with_standalone(now, activity, |activity, step| {
            // One that has ended needs no end.
            activity.terminate(step, "Delete activity execution", "", "").ok();
        });
        let left = self.standalones.get_mut(activity).map(|state| {
            let refused = crate::temporal::standalone::not_found(state.activity_id());
            (std::mem::take(&mut state.waiters), refused)
        });
        for (ticket, refused) in left
            .into_iter()
            .flat_map(|(waiters, refused)| waiters.into_iter().map(move |(ticket, _)| (ticket, refused.clone())))
        {
            self.answer(ticket, Err(refused));
        }
        if let Some(state) = self.standalones.get(activity) {
            self.visibility.remove(state.namespace(), state.run_id());
        }
        self.standalones.remove(activity);
    }

    fn create_standalone(&mut self, now: Timestamp, mut start: StartActivity) -> ActivityRef {
        start.run_id = self.entropy.uuid_v7(now);
        let activity = self.standalones.next_ref();
        self.notes.push(Note::temporal(format!(
            "activity {} started ({})",
            start.activity_id, start.activity_type
        )));
        let mut effects = Effects::default();
        let mut step = Step {
            now,
            effects: &mut effects,
        };
        let state = StandaloneActivity::start(&mut step, activity, start);
        self.standalones.insert(state);
        self.apply_standalone(now, activity, effects, false);
        activity
    }

    fn apply_standalone(&mut self, now: Timestamp, activity: ActivityRef, effects: Effects, was_offered: bool) {
        for (timer, deadline) in effects.timers {
            match deadline {
                Some(deadline) => self.timers.set(timer, deadline),
                None => self.timers.stop(timer),
            }
        }
        self.notes.extend(effects.notes);
        let Some(state) = self.standalones.get(activity) else {
            return;
        };
        let namespace = state.namespace().to_owned();
        let dispatch = state.dispatch_of_task();
        if was_offered && !state.is_offered() {
            self.matching.withdraw_standalone(&namespace, &state.queue(), activity);
        }
        let current = state.is_in_progress().then(|| state.attempt());
        self.hands.retain(
            |key, _| !matches!(key, HandKey::Standalone(of, attempt) if *of == activity && Some(*attempt) != current),
        );
        for task in effects.tasks {
            self.matching.add(now, &namespace, task, dispatch.clone());
        }
        self.show_standalone(activity);
        self.wake_standalone_waiters(now, activity);
    }

    /// Lists know the activity as it is now.
    fn show_standalone(&mut self, activity: ActivityRef) {
        if let Some(state) = self.standalones.get(activity)
            && let Some(namespace) = self.namespaces.get(state.namespace())
        {
            self.visibility.put(state.visible(&namespace.search_attributes));
        }
    }

    /// Answers those who wait for what has come.
    fn wake_standalone_waiters(&mut self, now: Timestamp, activity: ActivityRef) {
        let Some(state) = self.standalones.get_mut(activity) else {
            return;
        };
        let waiters = std::mem::take(&mut state.waiters);
        let (ready, waiting): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|(_, wait)| state.has(*wait));
        state.waiters = waiting;
        let answers: Vec<(Ticket, Vec<u8>)> = ready
            .into_iter()
            .map(|(ticket, wait)| match wait {
                Wait::Outcome => (ticket, state.result().encode_to_vec()),
                Wait::Change { parts, .. } => (ticket, state.describe(now, parts).encode_to_vec()),
            })
            .collect();
        for (ticket, answer) in answers {
            self.answer(ticket, Ok(answer));
        }
    }
}
