//! A run that skips the time in which it has nothing to do.

use temporalio_protos::temporal::api::common::v1::TimeSkippingConfig;
use temporalio_protos::temporal::api::history::v1 as history;

use super::{Context, Run};
use crate::clock::Timestamp;
use crate::temporal::history::NewEvent;
use crate::temporal::proto::{duration, timestamp};
use crate::temporal::time_skipping::{Inherited, TimeSkipping, Transition};
use crate::temporal::timer::Timer;

impl Run {
    /// How far its clock is ahead of the world's.
    pub(crate) fn skipped(&self) -> std::time::Duration {
        self.time_skipping
            .as_ref()
            .map(|clock| clock.skipped())
            .unwrap_or_default()
    }

    /// At the end of every step: an idle run that may skips to the next moment that matters to it.
    pub(crate) fn skip_time(&mut self, context: &mut Context<'_>) {
        let Some(clock) = self.time_skipping.as_ref().filter(|clock| clock.is_enabled()) else {
            return;
        };
        if !self.is_idle(context.now) {
            return;
        }
        if let Some(transition) = clock.next_transition(context.now, self.moments()) {
            self.change_clock(context, transition);
        }
    }

    /// The target time of a fast-forward has come without a skip: time skipping ends, whatever the run is doing.
    pub(crate) fn on_fast_forward(&mut self, context: &mut Context<'_>) {
        let pending = self
            .time_skipping
            .as_ref()
            .and_then(|clock| clock.fast_forward_target());
        if pending.is_some() {
            let transition = Transition {
                target: None,
                disables: true,
            };
            self.change_clock(context, transition);
        }
    }

    /// The next run of a chain is on the clock of the one before it from its first event on.
    pub(super) fn continue_clock(&self, context: &mut Context<'_>) {
        if self.start.continued.is_some()
            && let Some(inherited) = self.start.inherited_time
        {
            context.now += inherited.skipped();
        }
    }

    /// The run starts with what it has from before, and only now is on its own clock.
    pub(super) fn start_clock(&mut self, context: &mut Context<'_>) {
        let inherited = self.start.inherited_time.take();
        let clock = TimeSkipping::start(self.start.time_skipping.take(), inherited, self.started_at);
        self.time_skipping = clock.map(Box::new);
        let skipped = self.skipped();
        if self.start.continued.is_none() {
            context.now += skipped;
        }
        // The next run of a chain begins on the clock of the one before it, and Temporal 1.32 moves its start on yet again:
        // its start, its delay and its timeouts lie that much too late (seen on the real server).
        self.started_at = match self.start.continued {
            Some(_) => context.now + skipped,
            None => context.now,
        };
        // Temporal adds it even to an expiration that comes from the run before and has it already.
        if let Some(expiration) = self.start.execution_expiration.as_mut() {
            *expiration += skipped;
        }
        self.watch_fast_forward(context);
    }

    /// A client has new wishes about time.
    pub(super) fn configure_time(&mut self, context: &mut Context<'_>, config: Option<TimeSkippingConfig>) {
        match self.time_skipping.as_mut() {
            Some(clock) => clock.configure(config, context.now),
            None => self.time_skipping = TimeSkipping::start(config, None, context.now).map(Box::new),
        }
        self.watch_fast_forward(context);
        context.effects.fast_forward_changed = true;
    }

    /// What the next run of the chain takes over.
    pub(super) fn time_for_next_run(&self) -> (Option<TimeSkippingConfig>, Option<Inherited>) {
        self.time_skipping
            .as_ref()
            .map(|clock| clock.for_next_run())
            .unwrap_or_default()
    }

    /// What a child takes over.
    pub(crate) fn time_for_child(&self) -> (Option<TimeSkippingConfig>, Option<Inherited>) {
        self.time_skipping
            .as_ref()
            .map(|clock| clock.for_child())
            .unwrap_or_default()
    }

    fn change_clock(&mut self, context: &mut Context<'_>, transition: Transition) {
        let event = NewEvent::from(history::WorkflowExecutionTimeSkippingTransitionedEventAttributes {
            target_time: transition.target.map(timestamp),
            disabled_after_fast_forward: transition.disables,
            // Temporal 1.32 reads the run's own clock for this one, too.
            wall_clock_time: Some(timestamp(context.now)),
        });
        let (_, mut txn) = self.open(context);
        txn.emit(event);
        let before = self.skipped();
        if let Some(clock) = self.time_skipping.as_mut() {
            clock.apply(transition, context.now);
        }
        context.effects.hurry = self.skipped().saturating_sub(before);
        if transition.disables {
            context.effects.fast_forward_changed = true;
            context.effects.timers.push((Timer::FastForward(self.run), None));
        }
        self.settle(context, false);
    }

    fn watch_fast_forward(&self, context: &mut Context<'_>) {
        let target = self
            .time_skipping
            .as_ref()
            .and_then(|clock| clock.fast_forward_target());
        context.effects.timers.push((Timer::FastForward(self.run), target));
    }

    /// Whether nothing is on its way that would make the workflow move.
    fn is_idle(&self, now: Timestamp) -> bool {
        let machines = &self.machines;
        self.is_running()
            && !self.is_paused()
            && !machines.workflow_task.is_pending()
            && machines.children.is_empty()
            && machines.externals.is_empty()
            && machines.nexus_operations.is_empty()
            && machines
                .activities
                .values()
                .all(|activity| activity.retries_at().is_some_and(|at| now < at))
    }

    /// The moments that an idle run waits for.
    fn moments(&self) -> impl Iterator<Item = Timestamp> {
        let machines = &self.machines;
        let begin = self.started_at + self.start.first_task_backoff;
        let first_task = self.in_first_task_backoff.then_some(begin);
        let had_task = machines.workflow_task.last_completed_started_event_id() > 0;
        let run_end = duration(self.start.run_timeout.as_ref()).map(|limit| begin + limit);
        let ends = [run_end, self.start.execution_expiration]
            .into_iter()
            .flatten()
            .filter(move |_| had_task);
        machines
            .timers
            .iter()
            .map(|timer| timer.fires_at())
            .chain(
                machines
                    .activities
                    .values()
                    .filter_map(|activity| activity.retries_at()),
            )
            .chain(first_task)
            .chain(ends)
    }
}
