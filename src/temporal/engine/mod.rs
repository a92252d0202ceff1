//! The in-memory Temporal: the sole owner of namespaces, runs, queues and timers.
//!
//! Inputs come by [`Engine::handle_rpc`], [`Engine::handle_timeout`] and the `handle_*` of connections; each is carried
//! out to its end before the call returns. Answers leave by [`Engine::poll_output`].

mod batch;
mod build_ids;
mod deployment;
mod expiry;
mod faults;
mod hand_out;
mod look;
mod mail;
mod namespaces;
mod nexus;
mod nexus_operations;
mod operator;
mod parent_end;
mod parked;
mod polls;
mod reset;
mod retention;
mod runs;
mod schedules;
mod standalone;
mod start;
mod step;
mod time;
mod time_skipping;
mod update_with_start;
mod visibility;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(crate) use batch::input as batch_input;
pub use expiry::Patience;
pub(crate) use faults::{EngineFaults, WaitId};
pub(crate) use hand_out::{Hand, HandKey};
pub(crate) use look::ClosedRun;
pub(crate) use namespaces::{CLUSTER, Namespace, Namespaces};
pub(crate) use nexus_operations::OperationIdPolicies;
pub(crate) use parent_end::ParentEnd;
pub(crate) use parked::{Parked, ParkedAt};
pub(crate) use polls::PollingWorker;
pub(crate) use retention::Retained;
pub(crate) use runs::{Runs, is_uuid};
pub(crate) use standalone::IdPolicies;
pub(crate) use start::{Started, terminates_if_running};
pub(crate) use step::{history_answer, wants_close_event};
pub(crate) use update_with_start::UpdateWithStart;

use faults::Waits;

use super::batch::Batch;
use super::config::{DynamicConfig, DynamicConfigError};
use super::matching::{Matching, Task};
use super::nexus::Nexus;
use super::reject::Reject;
use super::rpc;
use super::run::{Exceeded, Run, RunRef};
use super::schedule::Schedules;
use super::standalone::Standalones;
use super::time_locks::TimeLocks;
use super::time_skipping::FastForwardWaits;
use super::timer::{Timer, TimerTable};
use super::txn::{Effects, Letter, Note, Ticket};
use super::versioning::Deployments;
use super::visibility::Visibility;
use super::worker::Workers;
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::moment::Happening;

/// How tasks go out to workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HandOut {
    /// One at a time, a seeded choice among those that are ready: the same seed gives the same run.
    #[default]
    Serial,
    /// All that are ready at once, as real servers do.
    Parallel,
}

/// The kinds of polls that a worker makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polls {
    /// For workflow tasks, on the task queue itself.
    pub workflow: bool,
    /// For workflow tasks, on the worker's own queue.
    pub sticky: bool,
    /// For activity tasks.
    pub activity: bool,
}

/// One RPC as it comes in.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Virtual time.
    pub now: Timestamp,
    /// By which the answer finds its way back.
    pub ticket: Ticket,
    /// The connection that it came by; its end frees what it held.
    pub connection: u64,
    /// `temporal.api.workflowservice.v1.WorkflowService`, for example.
    pub service: &'a str,
    /// `StartWorkflowExecution`, for example.
    pub method: &'a str,
}

/// An answer on its way to a client: the encoded message, or the refusal.
pub type Answer = (Ticket, Result<Vec<u8>, Reject>);

/// The in-memory Temporal server, as a value.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: DynamicConfig,
    pub(crate) namespaces: Namespaces,
    pub(crate) runs: Runs,
    pub(crate) standalones: Standalones,
    pub(crate) workers: Workers,
    pub(crate) matching: Matching,
    pub(crate) schedules: Schedules,
    pub(crate) deployments: Deployments,
    pub(crate) timers: TimerTable,
    /// The open runs whose workflow tasks keep failing: see `look.rs`.
    failing: BTreeSet<RunRef>,
    /// See [`Self::not_read_yet`].
    timers_read_until: Timestamp,
    pub(crate) entropy: Entropy,
    pub(crate) nexus: Nexus,
    pub(crate) hands: BTreeMap<HandKey, Hand>,
    pub(crate) parked: BTreeMap<Ticket, Parked>,
    pub(crate) fast_forward_waits: FastForwardWaits,
    /// What lists and counts know.
    pub(crate) visibility: Visibility,
    /// The runs that they don't know as they are now: see `visibility.rs`.
    to_list: BTreeSet<RunRef>,
    /// Batch operations at work.
    pub(crate) batches: BTreeMap<RunRef, Batch>,
    /// Parents' ends that are about to reach a child at work, by the child.
    pub(crate) parent_ends: BTreeMap<RunRef, ParentEnd>,
    /// Updates-with-start that wait for a run that was there already: they are tried once more if it closes.
    pub(crate) retryable: BTreeMap<Ticket, Box<UpdateWithStart>>,
    pub(crate) time_locks: TimeLocks,
    /// The limit by which the step of now has ended its run, for the answer to the RPC that it belongs to.
    pub(crate) exceeded: Option<Exceeded>,
    retained: Retained,
    hand_out: HandOut,
    /// Workers that are starting: nothing is handed out until all of their polls are there, in whatever order they come.
    starting_workers: usize,
    /// After the grace: don't wait for polls that were expected.
    ignore_expected_polls: bool,
    /// Seeded ids in the place of random ones that clients make: see [`Self::stable_id`].
    stable_ids: BTreeMap<String, String>,
    mail: VecDeque<Letter>,
    answers: VecDeque<Answer>,
    notes: Vec<Note>,
    happenings: Vec<Happening>,
    faults: EngineFaults,
    waits: Waits,
    /// Those of the last step, emptied.
    spare_effects: Effects,
}

impl Engine {
    /// A server with the namespace `default` and nothing in it.
    pub fn new(mut entropy: Entropy, hand_out: HandOut) -> Self {
        Self {
            config: DynamicConfig::default(),
            namespaces: Namespaces::with_default(&mut entropy),
            runs: Runs::default(),
            standalones: Standalones::default(),
            workers: Workers::default(),
            matching: Matching::default(),
            schedules: Schedules::default(),
            deployments: Deployments::default(),
            timers: TimerTable::default(),
            failing: BTreeSet::new(),
            timers_read_until: Timestamp::default(),
            entropy,
            nexus: Nexus::default(),
            hands: BTreeMap::new(),
            parked: BTreeMap::new(),
            fast_forward_waits: FastForwardWaits::default(),
            visibility: Visibility::default(),
            to_list: BTreeSet::new(),
            batches: BTreeMap::new(),
            parent_ends: BTreeMap::new(),
            retryable: BTreeMap::new(),
            time_locks: TimeLocks::default(),
            exceeded: None,
            retained: Retained::default(),
            hand_out,
            starting_workers: 0,
            ignore_expected_polls: false,
            stable_ids: BTreeMap::new(),
            mail: VecDeque::new(),
            answers: VecDeque::new(),
            notes: Vec::new(),
            happenings: Vec::new(),
            faults: EngineFaults::default(),
            waits: Waits::default(),
            spare_effects: Effects::default(),
        }
    }

    /// Sets one setting of Temporal's dynamic configuration, by its name there.
    ///
    /// # Errors
    /// If nothing here goes by that setting, or the value is of another type.
    pub fn set_dynamic_config(&mut self, name: &str, value: &serde_json::Value) -> Result<(), DynamicConfigError> {
        self.config.set(name, value)?;
        self.matching.follow(&self.config);
        self.namespaces.follow(&self.config);
        Ok(())
    }

    /// From now on, what ends in the namespace `default` is forgotten after this time. Without, it is kept for ever, whatever
    /// the namespace says of itself: no test should lose what it looks at. Namespaces that clients register or update do as they
    /// were told.
    pub fn set_retention(&mut self, retention: Duration) {
        self.namespaces.set_default_retention(retention);
    }

    /// Carries out one RPC. The answer leaves by [`Self::poll_output`], at once or when there is one.
    pub fn handle_rpc(&mut self, call: Call<'_>, request: &[u8]) {
        self.handle_time(call.now);
        self.ignore_expected_polls = false;
        self.exceeded = None;
        let answer = rpc::serve(self, call, request);
        match self.exceeded.take().map_or(answer, |exceeded| Err(exceeded.into())) {
            Ok(Some(answer)) => self.answers.push_back((call.ticket, Ok(answer))),
            Ok(None) => {}
            Err(reject) => {
                self.forget(call.now, call.ticket);
                self.answers.push_back((call.ticket, Err(reject)));
            }
        }
        self.settle(call.now);
    }

    /// The client of an RPC in flight went away.
    pub fn handle_abandoned(&mut self, now: Timestamp, ticket: Ticket) {
        self.forget(now, ticket);
        self.settle(now);
    }

    /// A connection is gone for good: its polls end, and the tasks in its hands are nobody's.
    pub fn handle_disconnected(&mut self, now: Timestamp, connection: u64) {
        let tickets: Vec<Ticket> = self
            .parked
            .iter()
            .filter(|(_, parked)| parked.connection == connection)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in tickets {
            self.forget(now, ticket);
        }
        self.time_locks.forget(connection);
        self.matching.retire(connection, None);
        self.hands.retain(|_, hand| hand.connection != connection);
        self.settle(now);
    }

    /// The grace is over: what is in workers' hands doesn't hold up the others any more. Gives who was waited for.
    pub fn release_blocked(&mut self, now: Timestamp) -> Vec<String> {
        let mut blocked: Vec<String> = Vec::new();
        for (key, hand) in &mut self.hands {
            if hand.is_at_work() {
                hand.released = true;
                blocked.push(hand.describe(key));
            }
        }
        if self.expects_poll() {
            blocked.push("a worker that doesn't poll its task queue".to_owned());
        }
        self.ignore_expected_polls = true;
        self.settle(now);
        blocked
    }

    /// The next answer to send.
    pub fn poll_output(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// Lines for the timeline, since the last call.
    pub fn take_notes(&mut self) -> impl Iterator<Item = Note> {
        self.notes.drain(..)
    }

    /// What has happened, by name, since the last call.
    pub fn take_happenings(&mut self) -> impl Iterator<Item = Happening> {
        self.happenings.drain(..)
    }

    /// Serial hand-out: gives one task to a worker, if none has one. Gives whether it did.
    ///
    /// The driver asks for it, and only while the test waits: else a worker would run beside the test's own code.
    pub fn hand_out_next(&mut self, now: Timestamp) -> bool {
        if self.is_busy() {
            return false;
        }
        let hands = self.hands.len();
        while self.hands.len() == hands && self.hand_out_one(now) {}
        self.await_rate_limits();
        self.hands.len() != hands
    }

    /// Whether a worker is at work, or about to ask for a task that waits for it.
    pub fn is_busy(&self) -> bool {
        self.starting_workers > 0
            || self.nexus.outgoing.len() > 0
            || self.hands.values().any(Hand::is_at_work)
            || self.expects_poll()
    }

    /// Whether a task waits for a poll that is sure to come, and not by a fault later.
    fn expects_poll(&self) -> bool {
        !self.ignore_expected_polls && self.matching.expects_poll(|connection| !self.waits.is_late(connection))
    }

    /// Whether a completion callback is on its way to another server.
    pub fn is_calling_back(&self) -> bool {
        self.nexus.outgoing.len() > 0
    }

    /// Whether nothing moves by itself: no task is in a worker's hands or about to be.
    pub fn is_idle(&self) -> bool {
        !self.is_busy() && !self.matching.has_match()
    }

    /// What isn't idle, in plain words.
    pub fn busy_with(&self) -> Vec<String> {
        let callbacks = (0..self.nexus.outgoing.len()).map(|_| "a completion callback on its way".to_owned());
        let hands = self.hands.iter().filter(|(_, hand)| hand.is_at_work());
        callbacks.chain(hands.map(|(key, hand)| hand.describe(key))).collect()
    }

    /// Whether a client waits for anything that a worker must do.
    pub fn has_parked_client(&self) -> bool {
        self.parked.values().any(|parked| parked.at != ParkedAt::Queue)
    }

    /// Whether a client waits for the end of a run or of an activity, for an update or for a fast-forward.
    pub fn has_waiting_client(&self) -> bool {
        self.parked.values().any(Parked::waits_for_result)
    }

    /// How often schedules have fired since the first of those clients began to wait who wait for a result.
    pub fn firings_during_wait(&self) -> u64 {
        let waiting = self.parked.values().filter(|parked| parked.waits_for_result());
        let before = waiting.map(|parked| parked.firings_before).min();
        before.map_or(0, |before| self.schedules.fired().saturating_sub(before))
    }

    /// Refuses every client that waits for a result or sleeps: nothing can move any more.
    pub fn refuse_waiting(&mut self, report: &str) {
        let tickets: Vec<Ticket> = self
            .parked
            .iter()
            .filter(|(_, parked)| parked.waits_for_result() || parked.at == ParkedAt::Sleep)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in tickets {
            let now = Timestamp::default();
            self.forget(now, ticket);
            self.answers
                .push_back((ticket, Err(Reject::FailedPrecondition(report.to_owned()))));
        }
    }

    /// A worker is starting: tasks wait until [`Self::end_worker_start`].
    pub fn begin_worker_start(&mut self) {
        self.starting_workers += 1;
    }

    /// The worker polls all its queues.
    pub fn end_worker_start(&mut self, now: Timestamp) {
        self.starting_workers = self.starting_workers.saturating_sub(1);
        self.settle(now);
    }

    /// Whether a task waits on a queue that no worker polls. What a killed worker left on its own queue, and others have done since, doesn't.
    pub fn has_unserved_task(&self) -> bool {
        self.matching
            .backlog()
            .any(|(_, task, served)| !served && self.is_wanted(task))
    }

    /// Whether anybody still waits for a task.
    fn is_wanted(&self, task: &Task) -> bool {
        match task {
            Task::Workflow {
                run,
                queue,
                scheduled_event_id,
                ..
            } => self
                .runs
                .get(*run)
                .is_some_and(|run| run.awaits_worker(queue, *scheduled_event_id)),
            _ => true,
        }
    }

    /// Whether an RPC waits for something that hasn't come.
    pub fn is_parked(&self, ticket: Ticket) -> bool {
        self.parked.contains_key(&ticket)
    }

    /// Whether a worker's polls are all there: on its own queue for workflow tasks, on a sticky one, and for activities.
    pub fn is_polled(&self, connection: u64, task_queue: &str, wanted: Polls) -> bool {
        use super::matching::Kind;
        let mut found = Polls::default();
        for key in self.matching.parked(connection) {
            match (key.kind, key.name == task_queue) {
                (Kind::Workflow, true) => found.workflow = true,
                (Kind::Workflow, false) => found.sticky = true,
                (Kind::Activity, _) => found.activity = true,
                (Kind::Nexus, _) => {}
            }
        }
        found.workflow >= wanted.workflow && found.sticky >= wanted.sticky && found.activity >= wanted.activity
    }

    /// All runs, in the order in which they were started.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// A seeded id in the place of a random one, the same for the same: SDKs make request ids, update ids and the ends of
    /// sticky queues' names from the operating system's randomness, and histories show them. Only with serial
    /// hand-out, where the same seed must give the same bytes; other ids pass as they are.
    pub(crate) fn stable_id(&mut self, id: String) -> String {
        let Some(start) = (self.hand_out == HandOut::Serial)
            .then(|| runs::random_tail(&id))
            .flatten()
        else {
            return id;
        };
        if let Some(stable) = self.stable_ids.get(&id) {
            return stable.clone();
        }
        let with_hyphens = id[start..].contains('-');
        let tail = match with_hyphens {
            true => self.entropy.uuid(),
            false => self.entropy.uuid_hex(),
        };
        let stable = format!("{}{tail}", &id[..start]);
        self.stable_ids.insert(id, stable.clone());
        stable
    }

    /// An RPC waits.
    pub(crate) fn park(&mut self, call: &Call<'_>, at: ParkedAt) {
        self.parked.insert(
            call.ticket,
            Parked {
                connection: call.connection,
                at,
                firings_before: self.schedules.fired(),
            },
        );
    }

    /// Forgets an RPC in flight, wherever it waits.
    pub(crate) fn forget(&mut self, now: Timestamp, ticket: Ticket) {
        let Some(parked) = self.parked.remove(&ticket) else {
            return;
        };
        self.retryable.remove(&ticket);
        match parked.at {
            ParkedAt::Queue => {
                self.matching.unpark(now, ticket);
            }
            ParkedAt::History { run, .. } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.history_waiters.retain(|waiter| *waiter != ticket);
                }
            }
            ParkedAt::Update(run) => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.forget_update_waiter(ticket);
                }
            }
            ParkedAt::Query(run) => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.forget_query(ticket);
                }
            }
            ParkedAt::ActivityOutcome(activity) | ParkedAt::ActivityChange(activity) => {
                self.forget_standalone_waiter(activity, ticket);
            }
            ParkedAt::OperationStage(operation) | ParkedAt::OperationChange(operation) => {
                self.forget_operation_waiter(operation, ticket);
            }
            ParkedAt::FastForward => self.fast_forward_waits.forget(ticket),
            ParkedAt::Sleep => self.forget_sleeper(ticket),
        }
    }

    /// An answer to an RPC that waited.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: Result<Vec<u8>, Reject>) {
        self.parked.remove(&ticket);
        self.retryable.remove(&ticket);
        self.answers.push_back((ticket, answer));
    }

    fn fire(&mut self, now: Timestamp, timer: Timer) {
        use temporalio_protos::temporal::api::enums::v1::TimeoutType;
        match timer {
            Timer::WorkflowExecutionTimeout(run) => self.step(now, run, |run, context| run.time_out(context, true)),
            Timer::WorkflowRunTimeout(run) => self.step(now, run, |run, context| run.time_out(context, false)),
            Timer::FirstWorkflowTask(run) => self.step(now, run, Run::on_first_workflow_task),
            Timer::WorkflowTaskStartToClose(run) => {
                self.hands.remove(&HandKey::Workflow(run));
                self.step(now, run, |run, context| {
                    run.on_workflow_task_timeout(context, TimeoutType::StartToClose);
                });
            }
            Timer::WorkflowTaskScheduleToStart(run) => self.step(now, run, |run, context| {
                run.on_workflow_task_timeout(context, TimeoutType::ScheduleToStart);
            }),
            Timer::QueryScheduleToStart(run) => {
                self.with_run(now, run, Run::on_queries_not_fetched);
            }
            Timer::FastForward(run) => self.step(now, run, Run::on_fast_forward),
            Timer::Batch(run) => self.go_on_with_batch(now, run),
            Timer::ParentEnd(child) => self.on_parent_end(now, child),
            Timer::User(run, started_event_id) => {
                self.step(now, run, |run, context| run.on_user_timer(context, started_event_id));
            }
            Timer::NexusOperation(run, scheduled_event_id, clock) => self.step(now, run, |run, context| {
                run.on_nexus_timer(context, scheduled_event_id, clock);
            }),
            Timer::StandaloneNexusOperation(operation, clock) => self.fire_operation(now, operation, clock),
            Timer::NexusRequest(number) => self.on_nexus_request_timeout(now, number),
            Timer::Callback(run, index) => {
                self.with_run(now, run, |run, context| run.on_callback_timer(context, index));
            }
            Timer::Activity(run, scheduled_event_id, clock) => {
                self.free_activity(run, scheduled_event_id);
                self.step(now, run, |run, context| {
                    run.on_activity_timer(context, scheduled_event_id, clock);
                });
            }
            Timer::Schedule(schedule) => self.fire_schedule(now, schedule),
            Timer::Standalone(activity, clock) => self.fire_standalone(now, activity, clock),
            Timer::Sleep(ticket) => self.wake(ticket),
            Timer::RateLimit => self.matching.release(now),
        }
    }

    /// Lets everything happen that follows from the last step.
    fn settle(&mut self, now: Timestamp) {
        self.deliver_mail(now);
        if self.hand_out == HandOut::Parallel {
            self.hand_out_tasks(now);
        }
        self.await_rate_limits();
    }

    /// Keeps the timer at the moment when the first queue that is held back may go on.
    fn await_rate_limits(&mut self) {
        match self.matching.next_release() {
            Some(moment) => self.timers.set_if_other(Timer::RateLimit, moment),
            None if self.matching.has_limits() => self.timers.stop(Timer::RateLimit),
            // Nobody has ever asked for one.
            None => {}
        }
    }
}
