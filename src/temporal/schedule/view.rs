//! How a schedule looks to clients.

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::schedule::v1 as wire;

use super::canonical::fill_in_ranges;
use super::scheduler::{Schedule, Taken};
use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;

/// How many firings a description announces.
const FUTURE_ACTIONS: usize = 10;

/// How many of the next firings, and of the last actions, an entry of a list has.
const ACTIONS_IN_LIST: usize = 5;

/// How many calendars, exclusions and intervals an entry of a list has, of each.
const SPECS_IN_LIST: usize = 10;

impl Schedule {
    /// The definition with all its defaults.
    pub(crate) fn described(&self) -> wire::Schedule {
        let mut spec = self.definition.spec.canonical().clone();
        fill_in_ranges(&mut spec);
        wire::Schedule {
            spec: Some(spec),
            action: Some(self.definition.action.clone()),
            policies: Some(self.definition.policies),
            state: Some(self.definition.state.clone()),
        }
    }

    /// What it has done and will do; `running` as they are known to run.
    pub(crate) fn described_info(&self, running: Vec<common::WorkflowExecution>) -> wire::ScheduleInfo {
        let info = &self.info;
        wire::ScheduleInfo {
            action_count: info.action_count,
            missed_catchup_window: info.missed_catchup_window,
            overlap_skipped: info.overlap_skipped,
            buffer_dropped: info.buffer_dropped,
            buffer_size: i64::try_from(self.buffered.len()).unwrap_or(i64::MAX),
            running_workflows: running,
            recent_actions: info.recent.iter().map(Taken::to_wire).collect(),
            future_action_times: self.future_actions(FUTURE_ACTIONS),
            create_time: Some(timestamp(info.created_at)),
            update_time: info.updated_at.map(timestamp),
            ..Default::default()
        }
    }

    /// The entry of a list.
    pub(crate) fn list_info(&self) -> wire::ScheduleListInfo {
        let mut spec = self.definition.spec.canonical().clone();
        spec.timezone_data = Vec::new();
        spec.exclude_structured_calendar.truncate(SPECS_IN_LIST);
        spec.structured_calendar.truncate(SPECS_IN_LIST);
        spec.interval.truncate(SPECS_IN_LIST);
        fill_in_ranges(&mut spec);
        let recent = &self.info.recent;
        let older = recent.len().saturating_sub(ACTIONS_IN_LIST);
        wire::ScheduleListInfo {
            spec: Some(spec),
            workflow_type: self.workflow().and_then(|workflow| workflow.workflow_type.clone()),
            notes: self.definition.state.notes.clone(),
            paused: self.is_paused(),
            recent_actions: recent.iter().skip(older).map(Taken::to_wire).collect(),
            future_action_times: self.future_actions_in_list(),
            ..Default::default()
        }
    }

    /// The memo that the client gave it.
    pub(crate) fn memo(&self) -> Option<common::Memo> {
        self.memo.clone().filter(|memo| !memo.fields.is_empty())
    }

    /// The search attributes that clients gave it.
    pub(crate) fn search_attributes(&self) -> Option<common::SearchAttributes> {
        self.search_attributes
            .clone()
            .filter(|attributes| !attributes.indexed_fields.is_empty())
    }

    fn future_actions(&self, count: usize) -> Vec<prost_types::Timestamp> {
        let (spec, seed) = (self.spec(), self.jitter_seed());
        self.future(count, |after| {
            spec.next(seed, after).ok().flatten().map(|firing| firing.actual)
        })
    }

    /// As the scheduler itself sees them, which remembers firings that jitter has put off.
    fn future_actions_in_list(&self) -> Vec<prost_types::Timestamp> {
        let mut upcoming = self.upcoming.clone();
        let (spec, seed, base) = (self.spec(), self.jitter_seed(), self.last_processed);
        self.future(ACTIONS_IN_LIST, |after| {
            upcoming.next(spec, seed, base, after).map(|firing| firing.actual)
        })
    }

    /// Firings from the last one on, as many as may still lead to actions.
    fn future(
        &self,
        count: usize,
        mut next: impl FnMut(Timestamp) -> Option<Timestamp>,
    ) -> Vec<prost_types::Timestamp> {
        let state = &self.definition.state;
        let limit = match state.limited_actions {
            true => usize::try_from(state.remaining_actions).unwrap_or(0),
            false => usize::MAX,
        };
        let mut times = Vec::new();
        let mut after = self.skip_to_update(self.last_processed);
        while times.len() < count.min(limit) {
            let Some(actual) = next(after) else {
                break;
            };
            if self.is_since_update(actual) {
                times.push(timestamp(actual));
            }
            after = actual;
        }
        times
    }
}

impl Taken {
    fn to_wire(&self) -> wire::ScheduleActionResult {
        wire::ScheduleActionResult {
            schedule_time: Some(timestamp(self.scheduled)),
            actual_time: Some(timestamp(self.taken_at)),
            start_workflow_result: Some(self.execution.clone()),
            start_workflow_status: self.status as i32,
        }
    }
}
