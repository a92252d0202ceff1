//! One workflow run: its history and its machines. One file per thing that can happen to it.

mod activity;
mod activity_operations;
mod build_ids;
mod close;
mod describe;
mod external;
mod invariant;
mod limits;
mod message;
mod nexus;
mod nexus_reset;
mod options;
mod pause;
mod poll;
mod query;
mod rebuild;
mod reset;
mod reset_points;
mod speculative;
mod start;
mod time_skipping;
mod timers;
mod update;
mod versioning;
mod workflow_task;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::{ContinueAsNewInitiator, WorkflowExecutionStatus};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_protos::temporal::api::workflow::v1::OnConflictOptions;
use temporalio_protos::temporal::api::workflow::v1::ResetPointInfo;

pub(crate) use activity::{ActivityName, activity_task_not_found};
pub(crate) use activity_operations::Which;
pub(crate) use limits::Exceeded;
pub(crate) use message::{CancelRequest, Signal};
pub(crate) use options::{Mask, OptionsChange};
pub(crate) use pause::{Pause, PauseRequest};
pub(crate) use poll::HISTORY_PAGE_EVENTS;
pub(crate) use query::Query;
pub(crate) use reset::{Reapply, Reset};
pub(crate) use start::{DEFAULT_TASK_TIMEOUT, effective_run_timeout, effective_task_timeout};
pub(crate) use update::update_with_start_answer;
pub(crate) use versioning::Taking;
pub(crate) use workflow_task::{Completion, INLINE_REQUEST_ID};

use timers::Timers;

use super::config::DynamicConfig;
use super::engine::Namespaces;
use super::history::Log;
use super::machine::activity::Activity;
use super::machine::callback::CompletionCallback;
use super::machine::child_workflow::ChildWorkflow;
use super::machine::external::External;
use super::machine::nexus_operation::NexusOperation;
use super::machine::update::Update;
use super::machine::workflow_task::{Kind, WorkflowTask};
use super::nexus::Endpoints;
use super::rule::{RulesOfRun, WorkflowFacts};
use super::time_skipping::{Inherited, TimeSkipping};
use super::txn::{Effects, Ticket, Txn};
use super::versioning::{RunVersioning, StartVersioning};
use crate::clock::Timestamp;
use crate::entropy::Entropy;

/// Names a run inside the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunRef(pub(crate) u64);

/// Everything that a new run is made from: a client's start, a child's, or the next of a chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartRun {
    pub(crate) namespace: String,
    pub(crate) namespace_id: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    pub(crate) task_queue: String,
    pub(crate) input: Option<common::Payloads>,
    /// The signal that the run is started with.
    pub(crate) first_signal: Option<Box<Signal>>,
    pub(crate) header: Option<common::Header>,
    pub(crate) execution_timeout: Option<prost_types::Duration>,
    pub(crate) run_timeout: Option<prost_types::Duration>,
    pub(crate) task_timeout: Option<prost_types::Duration>,
    pub(crate) retry_policy: Option<common::RetryPolicy>,
    pub(crate) cron_schedule: String,
    pub(crate) memo: Option<common::Memo>,
    pub(crate) search_attributes: Option<common::SearchAttributes>,
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) id_reuse_policy: i32,
    pub(crate) id_conflict_policy: i32,
    pub(crate) parent: Option<ParentLink>,
    pub(crate) root: Option<common::WorkflowExecution>,
    pub(crate) continued: Option<Box<Continued>>,
    pub(crate) attempt: i32,
    /// The first run of the chain; empty if it is this one.
    pub(crate) first_run_id: String,
    /// The wait before the first workflow task: a start delay, a retry's wait, the minimum between two runs.
    pub(crate) first_task_backoff: Duration,
    /// When the whole chain of runs times out.
    pub(crate) execution_expiration: Option<Timestamp>,
    /// Whoever starts it takes its first workflow task along.
    pub(crate) eager: bool,
    pub(crate) priority: Option<common::Priority>,
    pub(crate) time_skipping: Option<common::TimeSkippingConfig>,
    /// The clock of the run before it, or of its parent.
    pub(crate) inherited_time: Option<Inherited>,
    pub(crate) user_metadata: Option<UserMetadata>,
    pub(crate) links: Vec<common::Link>,
    /// From the run before.
    pub(crate) reset_points: Vec<ResetPointInfo>,
    pub(crate) versioning: StartVersioning,
    /// Whom to tell when the chain of runs has ended.
    pub(crate) completion_callbacks: Vec<common::Callback>,
    /// What a run that is there already takes over from this request, if the policy is to use it.
    pub(crate) on_conflict: Option<OnConflictOptions>,
}

impl StartRun {
    /// The first run of a cron string waits for its first moment.
    pub(crate) fn begin_cron(&mut self, now: Timestamp) {
        if self.cron_schedule.is_empty() {
            return;
        }
        self.first_task_backoff = super::cron::backoff(&self.cron_schedule, now, now).unwrap_or_default();
        let continued = self.continued.get_or_insert_default();
        continued.initiator = ContinueAsNewInitiator::CronSchedule;
    }
}

/// What a run takes over from the one before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Continued {
    pub(crate) run_id: String,
    pub(crate) initiator: ContinueAsNewInitiator,
    pub(crate) failure: Option<Failure>,
    pub(crate) last_completion_result: Option<common::Payloads>,
}

/// A child's way back to its parent.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParentLink {
    pub(crate) run: Option<RunRef>,
    pub(crate) namespace: String,
    pub(crate) namespace_id: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) initiated_event_id: i64,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) run: RunRef,
    /// What it was started with; memo and search attributes change with the run.
    pub(crate) start: Box<StartRun>,
    pub(crate) started_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) status: WorkflowExecutionStatus,
    pub(crate) log: Log,
    pub(crate) machines: Machines,
    pub(crate) versioning: RunVersioning,
    /// What it still waited for when it ended: clients are shown it ever after.
    left_open: Option<Box<describe::Pending>>,
    /// The run that went on where this one ended.
    pub(crate) next_run_id: String,
    /// The latest run that was made from this one's history.
    pub(crate) reset_run_id: String,
    /// It was made from another one's history.
    pub(crate) is_reset: bool,
    /// When it times out by itself.
    run_expiration: Option<Timestamp>,
    /// RPCs that wait for an event.
    pub(crate) history_waiters: Vec<Ticket>,
    pub(crate) cancel_requested: bool,
    /// Who paused it, if anybody did.
    pub(crate) pause: Option<Pause>,
    /// Its own clock, if it has ever skipped time or may.
    pub(crate) time_skipping: Option<Box<TimeSkipping>>,
    /// A start delay or a retry's wait lasts: events only gather.
    in_first_task_backoff: bool,
    cancel_request_id: String,
    /// The event that the request id of its start stands for: the first, or the signal's of a signal with start.
    start_request_event_id: i64,
    /// Request ids of starts that found this run, and the event that each led to; not its own start's.
    attached_request_ids: BTreeMap<String, i64>,
    signal_request_ids: BTreeSet<String>,
    /// In the order of their creation.
    reset_points: Vec<ResetPointInfo>,
    signal_count: u64,
}

/// The machines of a run, by the key with which commands and events name them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machines {
    pub(crate) workflow_task: WorkflowTask,
    /// By scheduled event id. Boxed, since a map has room for eleven, and most runs have one at a time.
    pub(crate) activities: BTreeMap<i64, Box<Activity>>,
    /// From the ids that the workflow gave its activities to their scheduled events.
    pub(crate) activity_ids: BTreeMap<String, i64>,
    /// Activities of the workflow task just completed, which its worker wants at once.
    pub(crate) eager_activities: Vec<i64>,
    pub(crate) timers: Timers,
    /// By initiated event id.
    pub(crate) children: BTreeMap<i64, ChildWorkflow>,
    /// Signals and cancellations to others, by initiated event id.
    pub(crate) externals: BTreeMap<i64, External>,
    /// By scheduled event id.
    pub(crate) nexus_operations: BTreeMap<i64, NexusOperation>,
    /// In the order in which they were attached. They outlive the run.
    pub(crate) callbacks: Vec<CompletionCallback>,
    /// By update id, in the order of `update_order`.
    pub(crate) updates: BTreeMap<String, Update>,
    pub(crate) update_order: Vec<String>,
    /// Queries that wait for an answer.
    pub(crate) queries: BTreeMap<String, Query>,
}

impl Machines {
    /// A closed activity is forgotten.
    pub(crate) fn remove_activity(&mut self, scheduled_event_id: i64) {
        self.eager_activities.retain(|eager| *eager != scheduled_event_id);
        if let Some(activity) = self.activities.remove(&scheduled_event_id) {
            self.activity_ids.remove(activity.activity_id());
        }
    }
}

/// What a step of a run may use: the time on its clock, the effects it writes, and the source of ids.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) effects: &'a mut Effects,
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) entropy: &'a mut Entropy,
    /// The nexus endpoints that commands may name.
    pub(crate) endpoints: &'a Endpoints,
    /// The settings in force.
    pub(crate) config: &'a DynamicConfig,
}

impl Run {
    /// Whether the run is open, paused or not.
    pub(crate) fn is_running(&self) -> bool {
        matches!(
            self.status,
            WorkflowExecutionStatus::Running | WorkflowExecutionStatus::Paused
        )
    }

    /// The workflow id and the run id.
    pub(crate) fn execution(&self) -> common::WorkflowExecution {
        common::WorkflowExecution {
            workflow_id: self.start.workflow_id.clone(),
            run_id: self.start.run_id.clone(),
        }
    }

    /// The first run of the chain.
    pub(crate) fn first_run_id(&self) -> &str {
        match self.start.first_run_id.as_str() {
            "" => &self.start.run_id,
            first_run_id => first_run_id,
        }
    }

    /// How long a worker gets for a workflow task.
    pub(crate) fn task_timeout(&self) -> Duration {
        super::proto::duration(self.start.task_timeout.as_ref()).unwrap_or(start::DEFAULT_TASK_TIMEOUT)
    }

    /// Splits the run into its machines and the place where they write.
    pub(crate) fn open<'a>(&'a mut self, context: &'a mut Context<'_>) -> (&'a mut Machines, Txn<'a>) {
        let rules = context
            .namespaces
            .get(&self.start.namespace)
            .map(|namespace| RulesOfRun {
                rules: &namespace.rules,
                workflow: WorkflowFacts {
                    workflow_id: &self.start.workflow_id,
                    workflow_type: &self.start.workflow_type,
                    status: self.status,
                    started_at: self.started_at,
                },
            });
        let txn = Txn {
            now: context.now,
            run: self.run,
            effects: context.effects,
            entropy: context.entropy,
            config: context.config,
            rules,
            log: &mut self.log,
        };
        (&mut self.machines, txn)
    }

    /// Something happened that the workflow must hear of: after every step from outside.
    fn settle(&mut self, context: &mut Context<'_>, wake: bool) {
        if !self.is_running() {
            return;
        }
        if self.log.has_held_back() {
            self.write_speculative_task(context);
        }
        let pending = self.machines.workflow_task.is_pending();
        if wake && !pending && !self.in_first_task_backoff {
            self.schedule_workflow_task(context, Kind::Normal);
        } else if !self.machines.workflow_task.is_started() {
            self.log.note_late_flush();
            self.flush();
        }
    }

    /// Gives the held-back events their ids and tells the machines.
    fn flush(&mut self) -> bool {
        if !self.log.has_held_back() {
            return false;
        }
        let flushed = self.log.flush();
        self.place_requests(flushed.request_ids);
        for (initiated_event_id, event_id) in flushed.started_ids {
            if let Some(child) = self.machines.children.get_mut(&initiated_event_id) {
                child.set_started_event_id(event_id);
            }
        }
        true
    }

    /// The events of the request ids that are known have their ids now. A signal's counts too, if it came with the start's
    /// own.
    fn place_requests(&mut self, request_ids: Vec<(String, i64)>) {
        for (request_id, event_id) in request_ids {
            if let Some(attached) = self.attached_request_ids.get_mut(&request_id) {
                *attached = event_id;
            } else if request_id == self.start.request_id {
                self.start_request_event_id = event_id;
            }
        }
    }

    fn schedule_workflow_task(&mut self, context: &mut Context<'_>, kind: Kind) {
        if self.machines.workflow_task.is_pending() || !self.is_running() {
            return;
        }
        let fresh_events = self.flush();
        if self.is_paused() {
            return;
        }
        let timeout = self.task_timeout();
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        machines
            .workflow_task
            .schedule(&mut txn, kind, &queue, timeout, fresh_events);
    }
}
