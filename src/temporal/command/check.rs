//! Holds a parsed batch against the run, with the effects of its own earlier commands counted in.

use std::collections::BTreeSet;

use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;

use super::{Annotated, BadCommand, Close, Command, continue_as_new};
use crate::temporal::machine::update::State as UpdateState;
use crate::temporal::run::Run;

/// Activities, children, signals and cancellations that a run may have pending (dynamic config `limit.numPending*`).
pub(crate) const MAX_PENDING: usize = 2_000;

/// Nexus operations that a run may have pending (dynamic config `component.nexusoperations.limit.operation.concurrency`).
pub(crate) const MAX_NEXUS_OPERATIONS: usize = 30;

/// Checks the whole batch; nothing is changed.
pub(crate) fn check(commands: &[Annotated], run: &Run) -> Result<(), BadCommand> {
    let mut batch = Batch::new(run);
    commands.iter().try_for_each(|it| batch.admit(&it.command))
}

/// The run as it will be after the commands so far.
struct Batch<'a> {
    run: &'a Run,
    new_timers: BTreeSet<&'a str>,
    gone_timers: BTreeSet<&'a str>,
    new_activities: BTreeSet<&'a str>,
    new_children: usize,
    new_externals: usize,
    new_nexus_operations: usize,
    cancelled_nexus_operations: BTreeSet<i64>,
    accepted_updates: BTreeSet<&'a str>,
    /// Held-back events that the workflow hasn't seen.
    unseen_events: usize,
    next_event_id: i64,
}

impl<'a> Batch<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
            run,
            new_timers: BTreeSet::new(),
            gone_timers: BTreeSet::new(),
            new_activities: BTreeSet::new(),
            new_children: 0,
            new_externals: 0,
            new_nexus_operations: 0,
            cancelled_nexus_operations: BTreeSet::new(),
            accepted_updates: BTreeSet::new(),
            unseen_events: run.log.held_back().len(),
            next_event_id: run.log.next_event_id(),
        }
    }

    fn admit(&mut self, command: &'a Command) -> Result<(), BadCommand> {
        match command {
            Command::StartTimer { timer_id, .. } => self.start_timer(timer_id),
            Command::CancelTimer { timer_id } => self.cancel_timer(timer_id),
            Command::ScheduleActivity(schedule) => self.schedule_activity(&schedule.attributes.activity_id),
            Command::RequestCancelActivity { scheduled_event_id } => self.cancel_activity(*scheduled_event_id),
            Command::StartChild(attributes) => self.start_child(&attributes.workflow_id),
            Command::SignalExternal(_) => self.external(
                Cause::PendingSignalsLimitExceeded,
                "pending signals to external workflows",
            ),
            Command::CancelExternal(_) => self.external(
                Cause::PendingRequestCancelLimitExceeded,
                "pending requests to cancel external workflows",
            ),
            Command::ScheduleNexusOperation(..) => self.schedule_nexus_operation(),
            Command::CancelNexusOperation { scheduled_event_id } => self.cancel_nexus_operation(*scheduled_event_id),
            Command::AcceptUpdate(update_id, _) => self.accept_update(update_id),
            Command::RejectUpdate(update_id, _) => self.reject_update(update_id),
            Command::CompleteUpdate(update_id, _) => self.complete_update(update_id),
            Command::Close(close) => self.close(close),
            Command::RecordMarker(_) | Command::UpsertSearchAttributes(_) | Command::ModifyMemo(_) => Ok(()),
        }
    }

    fn start_timer(&mut self, timer_id: &'a str) -> Result<(), BadCommand> {
        let machines = &self.run.machines;
        let known = machines.timer_ids.contains_key(timer_id) && !self.gone_timers.contains(timer_id);
        if known || !self.new_timers.insert(timer_id) {
            return Err(BadCommand::new(
                Cause::StartTimerDuplicateId,
                invalid("add-timer-started-event", format!("TimerID: {timer_id}")),
            ));
        }
        Ok(())
    }

    fn cancel_timer(&mut self, timer_id: &'a str) -> Result<(), BadCommand> {
        if self.new_timers.remove(timer_id) {
            return Ok(());
        }
        let running = self.run.machines.timer_ids.contains_key(timer_id);
        let fired_unseen = self.run.log.held_back_timer(timer_id).is_some();
        if !(running || fired_unseen) || !self.gone_timers.insert(timer_id) {
            return Err(BadCommand::new(
                Cause::BadCancelTimerAttributes,
                invalid("add-timer-canceled-event", format!("TimerID: {timer_id}")),
            ));
        }
        self.unseen_events -= usize::from(fired_unseen);
        Ok(())
    }

    fn schedule_activity(&mut self, activity_id: &'a str) -> Result<(), BadCommand> {
        let machines = &self.run.machines;
        if machines.activity_ids.contains_key(activity_id) || !self.new_activities.insert(activity_id) {
            return Err(BadCommand::new(
                Cause::ScheduleActivityDuplicateId,
                invalid("add-activitytask-scheduled-event", format!("ActivityID: {activity_id}")),
            ));
        }
        if machines.activities.len() + self.new_activities.len() > MAX_PENDING {
            return Err(BadCommand::new(
                Cause::PendingActivitiesLimitExceeded,
                too_many("pending activities"),
            ));
        }
        Ok(())
    }

    /// An activity that has ended may be cancelled in vain; one that never was can't.
    fn cancel_activity(&self, scheduled_event_id: i64) -> Result<(), BadCommand> {
        if scheduled_event_id <= 0 || scheduled_event_id >= self.next_event_id {
            // Activities of this same batch have ids that the worker can't know; it never sends those.
            return Err(BadCommand::new(
                Cause::BadRequestCancelActivityAttributes,
                match scheduled_event_id <= 0 {
                    true => "ScheduledEventId is not set on RequestCancelActivityTaskCommand.".to_owned(),
                    false => invalid(
                        "add-activitytask-cancel-requested-event",
                        format!("ScheduledEventID: {scheduled_event_id}"),
                    ),
                },
            ));
        }
        Ok(())
    }

    fn start_child(&mut self, _workflow_id: &str) -> Result<(), BadCommand> {
        self.new_children += 1;
        if self.run.machines.children.len() + self.new_children > MAX_PENDING {
            return Err(BadCommand::new(
                Cause::PendingChildWorkflowsLimitExceeded,
                too_many("pending child workflow executions"),
            ));
        }
        Ok(())
    }

    fn external(&mut self, cause: Cause, what: &str) -> Result<(), BadCommand> {
        self.new_externals += 1;
        if self.run.machines.externals.len() + self.new_externals > MAX_PENDING {
            return Err(BadCommand::new(cause, too_many(what)));
        }
        Ok(())
    }

    fn schedule_nexus_operation(&mut self) -> Result<(), BadCommand> {
        if self.run.machines.nexus_operations.len() + self.new_nexus_operations >= MAX_NEXUS_OPERATIONS {
            return Err(BadCommand::new(
                Cause::PendingNexusOperationsLimitExceeded,
                format!(
                    "workflow has reached the pending nexus operation limit of {MAX_NEXUS_OPERATIONS} for this namespace"
                ),
            ));
        }
        self.new_nexus_operations += 1;
        Ok(())
    }

    /// An operation whose end is held back may be cancelled: the worker couldn't know.
    fn cancel_nexus_operation(&mut self, scheduled_event_id: i64) -> Result<(), BadCommand> {
        let bad = |why: String| Err(BadCommand::new(Cause::BadRequestCancelNexusOperationAttributes, why));
        let ends_unseen = self.run.log.has_held_back_nexus_end(scheduled_event_id);
        match self.run.machines.nexus_operations.get(&scheduled_event_id) {
            None if ends_unseen => Ok(()),
            None => bad(format!(
                "requested cancelation for a non-existing or already completed operation with scheduled event ID of \
                 {scheduled_event_id}"
            )),
            Some(operation) if operation.is_closed() && !ends_unseen => bad(format!(
                "requested cancelation for an already complete operation with scheduled event ID of {scheduled_event_id}"
            )),
            Some(operation)
                if operation.cancellation.is_some() || !self.cancelled_nexus_operations.insert(scheduled_event_id) =>
            {
                bad(format!(
                    "cancelation was already requested for an operation with scheduled event ID {scheduled_event_id}"
                ))
            }
            Some(_) => Ok(()),
        }
    }

    fn accept_update(&mut self, update_id: &'a str) -> Result<(), BadCommand> {
        match self.update_state(update_id)? {
            UpdateState::Sent if self.accepted_updates.insert(update_id) => Ok(()),
            _ => Err(bad_update(update_id, "can't be accepted now")),
        }
    }

    fn reject_update(&self, update_id: &'a str) -> Result<(), BadCommand> {
        match self.update_state(update_id)? {
            UpdateState::Sent if !self.accepted_updates.contains(update_id) => Ok(()),
            _ => Err(bad_update(update_id, "can't be rejected now")),
        }
    }

    fn complete_update(&self, update_id: &'a str) -> Result<(), BadCommand> {
        match self.update_state(update_id)? {
            UpdateState::Accepted => Ok(()),
            UpdateState::Sent if self.accepted_updates.contains(update_id) => Ok(()),
            _ => Err(bad_update(update_id, "can't be completed now")),
        }
    }

    fn close(&self, close: &Close) -> Result<(), BadCommand> {
        if self.unseen_events > 0 {
            return Err(BadCommand::unhandled_command());
        }
        match close {
            Close::ContinueAsNew(attributes) => continue_as_new::check(attributes, &self.run.start),
            Close::Complete(_) | Close::Fail(_) | Close::Cancel(_) => Ok(()),
        }
    }

    fn update_state(&self, update_id: &str) -> Result<UpdateState, BadCommand> {
        match self.run.machines.updates.get(update_id) {
            Some(update) => Ok(update.state()),
            None => Err(bad_update(
                update_id,
                "wasn't found on the server. This is most likely a transient error which will be resolved \
                 automatically by retries",
            )),
        }
    }
}

/// As Temporal words what the run's state doesn't allow.
fn invalid(action: &str, what: String) -> String {
    format!("invalid history builder state for action: {action}, {what}")
}

fn too_many(what: &str) -> String {
    format!("the number of {what}, {MAX_PENDING}, has reached the per-workflow limit of {MAX_PENDING}")
}

fn bad_update(update_id: &str, why: &str) -> BadCommand {
    BadCommand::new(
        Cause::BadUpdateWorkflowExecutionMessage,
        format!("update {update_id} {why}"),
    )
}
