//! Holds a parsed batch against the run, with the effects of its own earlier commands counted in.

use std::collections::BTreeSet;

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::{Memo, SearchAttributes};
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::{Annotated, BadCommand, Close, Command, continue_as_new, size};
use crate::temporal::config::DynamicConfig;
use crate::temporal::payload::upsert;
use crate::temporal::run::Run;
use crate::temporal::visibility::validate::check_sizes;

/// Checks the whole batch; nothing is changed.
pub(crate) fn check(commands: &[Annotated], run: &Run, config: &DynamicConfig) -> Result<(), BadCommand> {
    let mut batch = Batch::new(run, config);
    commands.iter().try_for_each(|it| batch.admit(&it.command))
}

/// The run as it will be after the commands so far.
struct Batch<'a> {
    run: &'a Run,
    config: &'a DynamicConfig,
    new_timers: BTreeSet<&'a str>,
    gone_timers: BTreeSet<&'a str>,
    new_activities: BTreeSet<&'a str>,
    new_children: usize,
    new_signals: usize,
    new_cancels: usize,
    /// Memo and search attributes as they will be; `None` as long as they are the run's.
    memo: Option<Memo>,
    search_attributes: Option<SearchAttributes>,
    new_nexus_operations: usize,
    cancelled_nexus_operations: BTreeSet<i64>,
    updates: super::updates::Updates<'a>,
    /// Held-back events that the workflow hasn't seen.
    unseen_events: usize,
    next_event_id: i64,
}

impl<'a> Batch<'a> {
    fn new(run: &'a Run, config: &'a DynamicConfig) -> Self {
        Self {
            run,
            config,
            new_timers: BTreeSet::new(),
            gone_timers: BTreeSet::new(),
            new_activities: BTreeSet::new(),
            new_children: 0,
            new_signals: 0,
            new_cancels: 0,
            memo: None,
            search_attributes: None,
            new_nexus_operations: 0,
            cancelled_nexus_operations: BTreeSet::new(),
            updates: super::updates::Updates::default(),
            unseen_events: run.log.held_back().len(),
            next_event_id: run.log.next_event_id(),
        }
    }

    fn admit(&mut self, command: &'a Command) -> Result<(), BadCommand> {
        let counted_first = matches!(command, Command::SignalExternal(_) | Command::Close(_));
        if !counted_first {
            size::check(command, self.config)?;
        }
        self.admit_sized(command)?;
        match counted_first {
            true => size::check(command, self.config),
            false => Ok(()),
        }
    }

    fn admit_sized(&mut self, command: &'a Command) -> Result<(), BadCommand> {
        match command {
            Command::StartTimer { timer_id, .. } => self.start_timer(timer_id),
            Command::CancelTimer { timer_id } => self.cancel_timer(timer_id),
            Command::ScheduleActivity(schedule) => {
                let attributes = &schedule.attributes;
                #[allow(deprecated)]
                let stays = attributes.use_workflow_build_id;
                let what = (Cause::BadScheduleActivityAttributes, "Activity");
                self.stay_on_queue(what, stays, attributes.task_queue.as_ref())?;
                self.schedule_activity(&attributes.activity_id)
            }
            Command::RequestCancelActivity { scheduled_event_id } => self.cancel_activity(*scheduled_event_id),
            Command::StartChild(attributes) => {
                #[allow(deprecated)]
                let stays = attributes.inherit_build_id;
                let what = (Cause::BadStartChildExecutionAttributes, "StartChildWorkflowExecution");
                self.stay_on_queue(what, stays, attributes.task_queue.as_ref())?;
                self.start_child(&attributes.workflow_id)
            }
            Command::SignalExternal(_) => self.signal_external(),
            Command::CancelExternal(_) => self.cancel_external(),
            Command::ScheduleNexusOperation(..) => self.schedule_nexus_operation(),
            Command::CancelNexusOperation { scheduled_event_id } => self.cancel_nexus_operation(*scheduled_event_id),
            Command::AcceptUpdate(update_id, acceptance) => self.updates.accept(self.run, update_id, acceptance),
            Command::RejectUpdate(update_id, _) => self.updates.reject(self.run, update_id),
            Command::CompleteUpdate(update_id, response) => self.updates.complete(self.run, update_id, response),
            Command::Close(close) => self.close(close),
            Command::UpsertSearchAttributes(attributes) => self.upsert_search_attributes(attributes),
            Command::ModifyMemo(memo) => self.modify_memo(memo),
            Command::RecordMarker(_) => Ok(()),
        }
    }

    /// What goes by the build id of a workflow must be on the workflow's queue, unless rules gave it that build id.
    fn stay_on_queue(
        &self,
        (cause, what): (Cause, &str),
        stays: bool,
        queue: Option<&TaskQueue>,
    ) -> Result<(), BadCommand> {
        let is_assigned = !self.run.versioning.build.assigned().is_empty();
        let name = queue.map_or("", |queue| &queue.name);
        match !is_assigned && stays && !name.is_empty() && name != self.run.start.task_queue {
            true => Err(BadCommand::new(
                cause,
                format!("{what} with UseCompatibleVersion cannot run on different task queue."),
            )),
            false => Ok(()),
        }
    }

    fn start_timer(&mut self, timer_id: &'a str) -> Result<(), BadCommand> {
        let machines = &self.run.machines;
        let known = machines.timers.find(timer_id).is_some() && !self.gone_timers.contains(timer_id);
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
        let running = self.run.machines.timers.find(timer_id).is_some();
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
        let pending = machines.activities.len() + self.new_activities.len();
        let cause = Cause::PendingActivitiesLimitExceeded;
        within(pending, self.config.pending_activities, cause, "pending activities")?;
        if machines.activity_ids.contains_key(activity_id) || !self.new_activities.insert(activity_id) {
            return Err(BadCommand::new(
                Cause::ScheduleActivityDuplicateId,
                invalid("add-activitytask-scheduled-event", format!("ActivityID: {activity_id}")),
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
        let pending = self.run.machines.children.len() + self.new_children;
        self.new_children += 1;
        let cause = Cause::PendingChildWorkflowsLimitExceeded;
        let what = "pending child workflow executions";
        within(pending, self.config.pending_children, cause, what)
    }

    fn signal_external(&mut self) -> Result<(), BadCommand> {
        let externals = self.run.machines.externals.values();
        let pending = externals.filter(|it| it.is_signal()).count() + self.new_signals;
        self.new_signals += 1;
        let cause = Cause::PendingSignalsLimitExceeded;
        let what = "pending signals to external workflows";
        within(pending, self.config.pending_signals, cause, what)
    }

    fn cancel_external(&mut self) -> Result<(), BadCommand> {
        let externals = self.run.machines.externals.values();
        let pending = externals.filter(|it| !it.is_signal()).count() + self.new_cancels;
        self.new_cancels += 1;
        let cause = Cause::PendingRequestCancelLimitExceeded;
        let what = "pending requests to cancel external workflows";
        within(pending, self.config.pending_cancels, cause, what)
    }

    fn upsert_search_attributes(&mut self, news: &SearchAttributes) -> Result<(), BadCommand> {
        let current = || self.run.start.search_attributes.clone().unwrap_or_default();
        let merged = self.search_attributes.get_or_insert_with(current);
        upsert(&mut merged.indexed_fields, &news.indexed_fields);
        check_sizes(merged, self.config).map_err(|why| BadCommand::too_large(Cause::BadSearchAttributes, why))
    }

    fn modify_memo(&mut self, news: &Memo) -> Result<(), BadCommand> {
        let current = || self.run.start.memo.clone().unwrap_or_default();
        let merged = self.memo.get_or_insert_with(current);
        upsert(&mut merged.fields, &news.fields);
        match merged.encoded_len() > self.config.memo_limit() {
            true => Err(BadCommand::too_large(
                Cause::BadModifyWorkflowPropertiesAttributes,
                "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.",
            )),
            false => Ok(()),
        }
    }

    fn schedule_nexus_operation(&mut self) -> Result<(), BadCommand> {
        if self.run.machines.nexus_operations.len() + self.new_nexus_operations >= self.config.nexus_operations {
            return Err(BadCommand::new(
                Cause::PendingNexusOperationsLimitExceeded,
                format!(
                    "workflow has reached the pending nexus operation limit of {} for this namespace",
                    self.config.nexus_operations
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

    fn close(&mut self, close: &Close) -> Result<(), BadCommand> {
        if self.unseen_events > 0 {
            return Err(BadCommand::unhandled_command());
        }
        self.updates.close();
        match close {
            Close::ContinueAsNew(attributes) => {
                continue_as_new::check(attributes, &self.run.start, self.config)?;
                #[allow(deprecated)]
                let stays = attributes.inherit_build_id;
                let what = (Cause::BadContinueAsNewAttributes, "ContinueAsNew");
                self.stay_on_queue(what, stays, attributes.task_queue.as_ref())
            }
            Close::Complete(_) | Close::Fail(_) | Close::Cancel(_) => Ok(()),
        }
    }
}

/// As Temporal words what the run's state doesn't allow.
fn invalid(action: &str, what: String) -> String {
    format!("invalid history builder state for action: {action}, {what}")
}

/// Whether there may be one more; a limit of 0 is none.
fn within(pending: usize, limit: usize, cause: Cause, what: &str) -> Result<(), BadCommand> {
    match limit == 0 || pending < limit {
        true => Ok(()),
        false => Err(BadCommand::new(
            cause,
            format!("the number of {what}, {pending}, has reached the per-workflow limit of {limit}"),
        )),
    }
}
