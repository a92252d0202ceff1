//! Giving tasks to workers, and knowing which worker has what.

use std::borrow::Cow;

use prost::Message as _;
use temporalio_protos::temporal::api::workflowservice::v1::{
    PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse,
};

use super::{Call, Engine, HandOut, WaitId};
use crate::clock::Timestamp;
use crate::temporal::matching::{Kind, Match, Poller, QueueKey, Task};
use crate::temporal::run::{Run, RunRef, Taking};
use crate::temporal::standalone::ActivityRef;
use crate::temporal::token::TaskToken;
use crate::temporal::txn::Note;
use crate::temporal::versioning::Version;
use crate::temporal::versioning::build_ids::{StartingWorker, stamp_of};

/// The attempt that a worker may take before any queue has the task.
const FIRST_ATTEMPT: i32 = 1;

/// Names a task in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HandKey {
    Workflow(RunRef),
    /// By run, scheduled event and attempt.
    Activity(RunRef, i64, i32),
    Query(RunRef, String),
    /// A nexus request, by its number.
    Nexus(u64),
    /// An activity without a workflow, by attempt.
    Standalone(ActivityRef, i32),
}

/// Who has a task.
#[derive(Clone, Debug)]
pub(crate) struct Hand {
    pub(crate) connection: u64,
    pub(crate) identity: String,
    /// What the task is, in plain words.
    pub(crate) what: Cow<'static, str>,
    /// Of which workflow, if it is of one.
    pub(crate) workflow_id: Option<String>,
    /// The grace is over, or a fault has lost the task: nothing waits for it any more.
    pub(crate) released: bool,
    /// What the worker has asked for and a fault delays: as long as there is anything, the worker waits for time to pass.
    pub(crate) waits: Vec<WaitId>,
}

impl Hand {
    /// Whether its worker is at work, so that time stands still.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.released && self.waits.is_empty()
    }

    /// In plain words, for reports.
    pub(crate) fn describe(&self, _key: &HandKey) -> String {
        match &self.workflow_id {
            Some(workflow_id) => format!("worker {} with {} of workflow {workflow_id}", self.identity, self.what),
            None => format!("worker {} with {}", self.identity, self.what),
        }
    }
}

impl Engine {
    /// Parallel hand-out: all that can go out goes out.
    pub(super) fn hand_out_tasks(&mut self, now: Timestamp) {
        while self.starting_workers == 0 && self.hand_out_one(now) {}
    }

    /// Gives one task to one poll, or drops it if it is stale. `false` if there is none.
    pub(super) fn hand_out_one(&mut self, now: Timestamp) -> bool {
        let faults = &self.faults;
        let found = self
            .matching
            .take_match(now, &mut self.entropy, |key| faults.reorders(&key.name));
        let Some(found) = found else {
            return false;
        };
        if found.reordered {
            self.faults.note_reordered(&found.key.name);
        }
        self.hand_over(now, found);
        self.deliver_mail(now);
        true
    }

    /// Gives a task to a poll. A stale task is dropped, and the poll goes on waiting.
    fn hand_over(&mut self, now: Timestamp, found: Match) {
        let answer = match &found.task {
            Task::Workflow {
                run,
                scheduled_event_id,
                ..
            } => self.start_workflow_task(now, *run, *scheduled_event_id, &found),
            Task::Activity {
                run,
                scheduled_event_id,
                attempt,
                ..
            } => self.start_activity_task(now, *run, *scheduled_event_id, *attempt, &found),
            Task::Nexus { number, .. } => self.start_nexus_task(now, *number, &found.poller),
            Task::Standalone { activity, attempt, .. } => {
                self.start_standalone_task(now, *activity, *attempt, &found.poller)
            }
            Task::Query { run, query_id, .. } => self.start_query_task(*run, query_id, &found),
        };
        match answer {
            Some(answer) => self.answer(found.poller.ticket, Ok(answer)),
            None => self.repark(now, found),
        }
    }

    /// A worker that doesn't have the run in its cache replays it.
    fn note_replay(&mut self, run: RunRef, identity: &str) {
        let Some(run) = self.runs.get(run) else {
            return;
        };
        if run.machines.workflow_task.last_completed_started_event_id() > 0 {
            self.notes.push(Note::worker(format!(
                "{identity} replays workflow {} from its history",
                run.start.workflow_id
            )));
        }
    }

    /// A stale task took nobody's time: it doesn't count for the queue's rate limit.
    fn repark(&mut self, now: Timestamp, found: Match) {
        self.matching.give_back(now, &found.key, &found.dispatch);
        self.matching.park_first(found.key, found.poller);
    }

    fn start_workflow_task(
        &mut self,
        now: Timestamp,
        run: RunRef,
        scheduled_event_id: i64,
        found: &Match,
    ) -> Option<Vec<u8>> {
        let poller = &found.poller;
        let started = self.with_run(now, run, |run, context| {
            let version = poller.version.as_ref();
            let started = run.has_scheduled_task(scheduled_event_id)
                && run.prepare_workflow_task(taking(found))
                && run.start_workflow_task(
                    context,
                    scheduled_event_id,
                    &poller.identity,
                    None,
                    starting_worker(found),
                );
            if started {
                run.follow_worker(context, version, found.route.revision);
            }
            started
        })?;
        if !started {
            return None;
        }
        let sticky = self.runs.get(run)?.machines.workflow_task.sticky().is_some();
        if !sticky {
            self.note_replay(run, &poller.identity);
        }
        self.take_in_hand(HandKey::Workflow(run), poller, "a workflow task".into());
        let (run, token) = self.started_task(run)?;
        Some(run.encoded_workflow_task_response(token, sticky))
    }

    /// The answer for the workflow task that has just been started.
    pub(crate) fn workflow_task_response(
        &mut self,
        run: RunRef,
        sticky: bool,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        let (run, token) = self.started_task(run)?;
        Some(run.workflow_task_response(token, sticky))
    }

    fn started_task(&mut self, run_ref: RunRef) -> Option<(&mut Run, TaskToken)> {
        let run = self.runs.get_mut(run_ref)?;
        let task = &run.machines.workflow_task;
        let token = TaskToken::Workflow {
            run: run_ref,
            scheduled_event_id: task.scheduled_event_id(),
            started_event_id: task.started_event_id(),
            attempt: task.attempt(),
        };
        Some((run, token))
    }

    /// The first workflow task, for whoever started the run and wanted it along.
    pub(crate) fn eager_task(
        &mut self,
        call: &Call<'_>,
        run: RunRef,
        identity: &str,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        let found = self.runs.get(run).filter(|run| run.has_eager_task())?;
        let hand = Hand {
            connection: call.connection,
            identity: identity.to_owned(),
            what: "a workflow task".into(),
            workflow_id: Some(found.start.workflow_id.clone()),
            released: false,
            waits: Vec::new(),
        };
        self.put_in_hand(HandKey::Workflow(run), hand, "");
        self.workflow_task_response(run, false)
    }

    fn start_activity_task(
        &mut self,
        now: Timestamp,
        run: RunRef,
        scheduled_event_id: i64,
        attempt: i32,
        found: &Match,
    ) -> Option<Vec<u8>> {
        let poller = &found.poller;
        let worker = starting_worker(found);
        let wanted = self.wanted_version(run);
        let started = self.with_run(now, run, |run, context| {
            let wanted = (wanted.0.as_ref(), wanted.1);
            run.is_running()
                && run.has_scheduled_activity(scheduled_event_id, attempt)
                && !run.is_stopped_by_rule(context, scheduled_event_id)
                && run.prepare_activity_task(context, taking(found), wanted)
                && run.admits_to_activity(scheduled_event_id, &worker)
                && run.start_activity(context, scheduled_event_id, attempt, &poller.identity, &worker)
        })?;
        if !started {
            return None;
        }
        if let (Some(run), Some(version)) = (self.runs.get_mut(run), &poller.version)
            && let Some(activity) = run.machines.activities.get_mut(&scheduled_event_id)
        {
            activity.set_deployment_version(version.clone());
        }
        let response = self.activity_task_response(run, scheduled_event_id)?;
        let what = activity_in_words(&response);
        let activity_type = response.activity_type.clone().unwrap_or_default().name;
        let key = HandKey::Activity(run, scheduled_event_id, attempt);
        self.take_activity_in_hand(key, poller, what.into(), &activity_type);
        Some(response.encode_to_vec())
    }

    /// The answer for the activity task that has just been started.
    fn activity_task_response(&self, run: RunRef, scheduled_event_id: i64) -> Option<PollActivityTaskQueueResponse> {
        let run_state = self.runs.get(run)?;
        let activity = run_state.machines.activities.get(&scheduled_event_id)?;
        let token = TaskToken::Activity {
            run,
            scheduled_event_id,
            attempt: activity.attempt(),
        };
        Some(run_state.activity_task_response(activity, token))
    }

    /// Activities that a workflow task asked for and that its worker takes at once: their tasks.
    ///
    /// In serial hand-out a worker has one task at a time, so that the same seed gives the same run: it gets the first
    /// one, unless it gets its next workflow task already. The others go to the queue, as when a worker has no more room.
    pub(crate) fn start_eager_activities(
        &mut self,
        now: Timestamp,
        run: RunRef,
        hand: Option<&Hand>,
        identity: &str,
    ) -> Vec<PollActivityTaskQueueResponse> {
        let has_eager = |run: &Run| !run.machines.eager_activities.is_empty();
        if !self.runs.get(run).is_some_and(has_eager) {
            return Vec::new();
        }
        let eager = self
            .with_run(now, run, |run, _| run.take_eager_activities())
            .unwrap_or_default();
        let mut tasks = Vec::new();
        for scheduled_event_id in eager {
            let has_room = !self.faults.forbids_eager()
                && (self.hand_out == HandOut::Parallel
                    || (tasks.is_empty() && !self.hands.contains_key(&HandKey::Workflow(run))));
            if !has_room {
                self.with_run(now, run, |run, context| run.offer_activity(context, scheduled_event_id));
                continue;
            }
            let started = self.with_run(now, run, |run, context| {
                // The worker that asks for it is where the workflow is.
                let worker = StartingWorker {
                    stamp: stamp_of(run.versioning.build.assigned()),
                    ..Default::default()
                };
                run.start_activity(context, scheduled_event_id, FIRST_ATTEMPT, identity, &worker)
            });
            let task = self.activity_task_response(run, scheduled_event_id);
            let Some(task) = task.filter(|_| started == Some(true)) else {
                continue;
            };
            if let Some(hand) = hand {
                let in_hand = Hand {
                    what: activity_in_words(&task).into(),
                    workflow_id: task.workflow_execution.as_ref().map(|it| it.workflow_id.clone()),
                    ..hand.clone()
                };
                let key = HandKey::Activity(run, scheduled_event_id, FIRST_ATTEMPT);
                let activity_type = task.activity_type.clone().unwrap_or_default().name;
                self.put_in_hand(key, in_hand, &activity_type);
            }
            tasks.push(task);
        }
        tasks
    }

    /// Nobody waits for workers whose attempt of a run's activity was ended by somebody else.
    pub(crate) fn free_ended_activities(&mut self, run: RunRef) {
        let Some(state) = self.runs.get(run) else {
            return;
        };
        let activities = &state.machines.activities;
        let is_current = |id: &i64, attempt: &i32| {
            activities
                .get(id)
                .is_some_and(|activity| activity.is_started() && activity.attempt() == *attempt)
        };
        self.hands.retain(|key, _| match key {
            HandKey::Activity(of, id, attempt) if *of == run => is_current(id, attempt),
            _ => true,
        });
    }

    /// Nobody has an activity any more, whatever the attempt.
    pub(crate) fn free_activity(&mut self, run: RunRef, scheduled_event_id: i64) {
        self.hands
            .retain(|key, _| !matches!(key, HandKey::Activity(of, id, _) if *of == run && *id == scheduled_event_id));
    }

    fn start_standalone_task(
        &mut self,
        now: Timestamp,
        activity: ActivityRef,
        attempt: i32,
        poller: &Poller,
    ) -> Option<Vec<u8>> {
        let response = self.take_standalone(now, activity, attempt, poller)?;
        let what = activity_in_words(&response);
        let activity_type = response.activity_type.clone().unwrap_or_default().name;
        self.take_activity_in_hand(
            HandKey::Standalone(activity, attempt),
            poller,
            what.into(),
            &activity_type,
        );
        Some(response.encode_to_vec())
    }

    /// The version that the routing of a workflow's own queue wants for it, and the revision that says so.
    fn wanted_version(&self, run: RunRef) -> (Option<Version>, i64) {
        let Some(run) = self.runs.get(run) else {
            return (None, 0);
        };
        let key = QueueKey {
            namespace: run.start.namespace.as_str().into(),
            kind: Kind::Workflow,
            name: run.start.task_queue.as_str().into(),
        };
        let target = self
            .matching
            .routing(&key)
            .map(|it| it.target(&run.start.workflow_id, false));
        target.map_or((None, 0), |(version, revision)| (version.cloned(), revision))
    }

    fn start_query_task(&mut self, run_ref: RunRef, query_id: &str, found: &Match) -> Option<Vec<u8>> {
        let run = self.runs.get(run_ref)?;
        let query = run.machines.queries.get(query_id)?.query.clone();
        let what = format!("query {}", query.query_type);
        let token = TaskToken::Query {
            run: run_ref,
            query_id: query_id.to_owned(),
        };
        let sticky = run.machines.workflow_task.sticky();
        // Between question and answer a client may have reset it.
        let sticky = sticky.is_some_and(|sticky| sticky.queue == found.key.name);
        let response = run.query_task_response(token, query, sticky);
        self.take_in_hand(HandKey::Query(run_ref, query_id.to_owned()), &found.poller, what.into());
        Some(response.encode_to_vec())
    }

    pub(super) fn take_in_hand(&mut self, key: HandKey, poller: &Poller, what: Cow<'static, str>) {
        self.take_activity_in_hand(key, poller, what, "");
    }

    fn take_activity_in_hand(&mut self, key: HandKey, poller: &Poller, what: Cow<'static, str>, activity_type: &str) {
        let run = match &key {
            HandKey::Workflow(run) | HandKey::Activity(run, ..) | HandKey::Query(run, _) => Some(*run),
            HandKey::Nexus(number) => self
                .nexus
                .requests
                .get(*number)
                .and_then(|request| request.caller.operation.run()),
            HandKey::Standalone(..) => None,
        };
        let run = run.and_then(|run| self.runs.get(run));
        let hand = Hand {
            connection: poller.connection,
            identity: poller.identity.clone(),
            what,
            workflow_id: run.map(|run| run.start.workflow_id.clone()),
            released: false,
            waits: Vec::new(),
        };
        self.put_in_hand(key, hand, activity_type);
    }

    /// A worker has a task from now on.
    pub(crate) fn put_in_hand(&mut self, key: HandKey, hand: Hand, activity_type: &str) {
        self.tell_hand(&key, &hand, activity_type);
        let hand = Hand {
            released: false,
            waits: self.waits_of(&key, hand.connection),
            ..hand
        };
        self.hands.insert(key, hand);
    }
}

/// What a run must know before a worker takes one of its tasks.
fn taking(found: &Match) -> Taking<'_> {
    Taking {
        directive: &found.dispatch.directive,
        stamp: found.dispatch.stamp,
        version: found.poller.version.as_ref(),
        is_sticky: found.sticky && found.poller.is_sticky,
        target: found.route.target.as_ref(),
        revision: found.route.revision,
    }
}

/// The same by build ids.
fn starting_worker(found: &Match) -> StartingWorker {
    let is_redirected = !found.sticky && found.route.assigned != found.poller.group.build_id();
    StartingWorker {
        stamp: found.poller.worker_version.clone(),
        redirected_from: is_redirected.then(|| found.route.assigned.clone()),
        is_sticky: found.sticky,
    }
}

fn activity_in_words(task: &PollActivityTaskQueueResponse) -> String {
    let type_name = task.activity_type.as_ref().map(|it| it.name.as_str());
    format!("activity {} (attempt {})", type_name.unwrap_or_default(), task.attempt)
}
