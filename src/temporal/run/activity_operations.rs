//! What clients do to a run's pending activities: one, those of a type, or all.

use std::collections::BTreeSet;
use std::time::Duration;

use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::common::v1::Payload;

use super::{Context, Run};
use crate::temporal::activity_options::{Fields, OfWorkflow};
use crate::temporal::machine::activity::{Activity, Pause, Reset, Unpause};
use crate::temporal::reject::Reject;
use crate::temporal::txn::Txn;

/// The search attribute that says what is paused (Temporal: `sadefs.TemporalPauseInfo`).
const PAUSE_INFO: &str = "TemporalPauseInfo";

/// Which activities a client means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Id(String),
    Type(String),
    All,
}

impl Run {
    /// Pauses activities: all that are meant, or none if one of them can't be.
    pub(crate) fn pause_activities(
        &mut self,
        context: &mut Context<'_>,
        which: &Which,
        pause: &Pause,
    ) -> Result<(), Reject> {
        let mut unpaused = Vec::new();
        for scheduled_event_id in self.meant(which)? {
            if let Some(activity) = self.machines.activities.get(&scheduled_event_id)
                && activity.check_pause(&pause.request_id)?
            {
                unpaused.push(scheduled_event_id);
            }
        }
        self.operate(context, &unpaused, |activity, txn| activity.pause(txn, pause.clone()));
        Ok(())
    }

    /// Lets those go on that are paused.
    pub(crate) fn unpause_activities(
        &mut self,
        context: &mut Context<'_>,
        which: &Which,
        how: Unpause,
    ) -> Result<(), Reject> {
        let meant = self.meant(which)?;
        self.operate(context, &meant, |activity, txn| activity.unpause(txn, how));
        Ok(())
    }

    /// Lets activities begin anew.
    pub(crate) fn reset_activities(
        &mut self,
        context: &mut Context<'_>,
        which: &Which,
        how: Reset,
    ) -> Result<(), Reject> {
        let meant = self.meant(which)?;
        self.operate(context, &meant, |activity, txn| activity.reset(txn, how));
        Ok(())
    }

    /// Changes the options of activities: of all that are meant, or of none if the options are bad for one. Gives those
    /// of the last.
    pub(crate) fn update_activity_options(
        &mut self,
        context: &mut Context<'_>,
        which: &Which,
        from: &ActivityOptions,
        fields: &Fields,
    ) -> Result<ActivityOptions, Reject> {
        let (workflow_task_queue, config) = (self.start.task_queue.clone(), context.config);
        self.change_options(context, which, |activity| {
            let of = OfWorkflow {
                run_timeout: Duration::ZERO,
                task_queue: &workflow_task_queue,
                config,
            };
            activity.options_with(from, fields, &of)
        })
    }

    /// Gives activities back the options with which they were scheduled. Gives those of the last.
    pub(crate) fn restore_activity_options(
        &mut self,
        context: &mut Context<'_>,
        which: &Which,
    ) -> Result<ActivityOptions, Reject> {
        self.change_options(context, which, |activity| Ok(activity.original_options()))
    }

    /// Says in the search attributes which types of activities are paused (`updatePauseInfoSearchAttribute`).
    pub(crate) fn note_paused_activities(&mut self) {
        let paused = self
            .machines
            .activities
            .values()
            .filter(|activity| activity.is_paused());
        let entries: BTreeSet<String> = paused
            .map(|activity| format!("property:activityType={}", activity.type_name()))
            .collect();
        let fields = &mut self.start.search_attributes.get_or_insert_default().indexed_fields;
        match entries.is_empty() {
            true => fields.remove(PAUSE_INFO),
            false => fields.insert(PAUSE_INFO.to_owned(), keyword_list(&entries)),
        };
    }

    fn change_options(
        &mut self,
        context: &mut Context<'_>,
        which: &Which,
        options_of: impl Fn(&Activity) -> Result<ActivityOptions, Reject>,
    ) -> Result<ActivityOptions, Reject> {
        let mut changes = Vec::new();
        for scheduled_event_id in self.meant(which)? {
            if let Some(activity) = self.machines.activities.get(&scheduled_event_id) {
                changes.push((scheduled_event_id, options_of(activity)?));
            }
        }
        let last = changes.last().map(|(_, options)| options.clone());
        let (machines, mut txn) = self.open(context);
        for (scheduled_event_id, options) in changes {
            if let Some(activity) = machines.activities.get_mut(&scheduled_event_id) {
                activity.set_options(&mut txn, options);
            }
        }
        last.ok_or_else(activity_not_found)
    }

    fn operate(
        &mut self,
        context: &mut Context<'_>,
        meant: &[i64],
        mut operation: impl FnMut(&mut Activity, &mut Txn<'_>),
    ) {
        let (machines, mut txn) = self.open(context);
        let mut pauses_changed = false;
        for scheduled_event_id in meant {
            if let Some(activity) = machines.activities.get_mut(scheduled_event_id) {
                let was_paused = activity.is_paused();
                operation(activity, &mut txn);
                pauses_changed |= activity.is_paused() != was_paused;
            }
        }
        if pauses_changed {
            self.note_paused_activities();
        }
    }

    /// Refuses a run that has ended.
    pub(crate) fn check_running(&self) -> Result<(), Reject> {
        match self.is_running() {
            true => Ok(()),
            false => Err(Reject::workflow_completed()),
        }
    }

    /// Refuses if no pending activity is meant.
    pub(crate) fn check_pending(&self, which: &Which) -> Result<(), Reject> {
        self.meant(which).map(|_| ())
    }

    /// The scheduled events of the pending activities that are meant: at least one.
    fn meant(&self, which: &Which) -> Result<Vec<i64>, Reject> {
        self.check_running()?;
        let machines = &self.machines;
        let meant: Vec<i64> = match which {
            Which::Id(id) => machines.activity_ids.get(id).copied().into_iter().collect(),
            Which::Type(type_name) => machines
                .activities
                .iter()
                .filter(|(_, activity)| activity.type_name() == type_name)
                .map(|(id, _)| *id)
                .collect(),
            Which::All => machines.activities.keys().copied().collect(),
        };
        match meant.is_empty() {
            true => Err(activity_not_found()),
            false => Ok(meant),
        }
    }
}

/// No pending activity is meant (`consts.ErrActivityNotFound`).
fn activity_not_found() -> Reject {
    Reject::NotFound(
        "Can't find pending activity with such ID. Invalid activityID or activity already completed".to_owned(),
    )
}

/// A list of keywords as the server encodes a search attribute.
fn keyword_list(entries: &BTreeSet<String>) -> Payload {
    let quoted: Vec<String> = entries.iter().map(|entry| format!("{entry:?}")).collect();
    Payload {
        metadata: [
            ("encoding".to_owned(), b"json/plain".to_vec()),
            ("type".to_owned(), b"KeywordList".to_vec()),
        ]
        .into(),
        data: format!("[{}]", quoted.join(",")).into_bytes(),
        ..Default::default()
    }
}
