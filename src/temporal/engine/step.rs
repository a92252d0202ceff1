//! One step of one run, from the run's own code to everything it wants done.

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::HistoryEventFilterType;
use temporalio_protos::temporal::api::history::v1::History;
use temporalio_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryResponse;

use super::deployment::dispatch;
use super::retention::Ended;
use super::{Engine, HandKey, ParkedAt};
use crate::clock::Timestamp;
use crate::temporal::batch::TASK_QUEUE;
use crate::temporal::matching::Task;
use crate::temporal::run::{Context, Run, RunRef};
use crate::temporal::token::HistoryToken;
use crate::temporal::txn::{Effects, Ticket};

impl Engine {
    /// Runs `body` on a run and applies its effects. Nothing happens if there is no such run or it has ended.
    pub(crate) fn step(&mut self, now: Timestamp, run: RunRef, body: impl FnOnce(&mut Run, &mut Context<'_>)) {
        let open = self.runs.get(run).is_some_and(Run::is_running);
        if open {
            self.with_run(now, run, body);
        }
    }

    /// Runs `body` on a run, open or not, applies its effects, and gives what it gives; nothing if there is no such run, or
    /// if the step would make it too large: then it is terminated instead.
    pub(crate) fn with_run<T>(
        &mut self,
        now: Timestamp,
        run_ref: RunRef,
        body: impl FnOnce(&mut Run, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let run = self.runs.get_mut(run_ref)?;
        let mut effects = std::mem::take(&mut self.spare_effects);
        let ahead = run.skipped();
        let before = run.snapshot_near_limits(&self.config);
        let speculated = run.speculated();
        let mut context = Context {
            now: now + ahead,
            effects: &mut effects,
            namespaces: &self.namespaces,
            entropy: &mut self.entropy,
            endpoints: &self.nexus.endpoints,
            config: &self.config,
        };
        let was_running = run.is_running();
        let mut given = Some(body(run, &mut context));
        run.keep_speculated(&mut context, speculated);
        if let Some(exceeded) = run.exceeds_limits(&context, before.as_ref()) {
            run.end_instead(&mut context, before, exceeded);
            self.exceeded = Some(exceeded);
            given = None;
        }
        if run.limit_held_back(&mut context) {
            // Its worker may be at it still, for nothing.
            self.hands.remove(&HandKey::Workflow(run_ref));
        }
        if was_running && !run.is_running() {
            run.after_updates(&mut context);
        }
        let has_ended = was_running && !run.is_running();
        run.skip_time(&mut context);
        effects.ahead = ahead;
        run.log.commit();
        if has_ended {
            let namespace = run.start.namespace.clone();
            self.retain(now, &namespace, Ended::Run(run_ref));
        }
        self.apply_effects(now, run_ref, effects);
        given
    }

    pub(super) fn apply_effects(&mut self, now: Timestamp, run: RunRef, mut effects: Effects) -> Option<RunRef> {
        for (timer, deadline) in effects.timers.drain(..) {
            match deadline {
                Some(deadline) => self.timers.set(timer, self.not_read_yet(deadline - effects.ahead)),
                None => self.timers.stop(timer),
            }
        }
        if !effects.hurry.is_zero() {
            self.timers.hurry(run, effects.hurry);
        }
        self.notes.append(&mut effects.notes);
        self.tell_happenings(run, &mut effects.happenings);
        self.match_tasks(now, run, &mut effects);
        self.mail.extend(effects.mail.drain(..));
        for (ticket, reply) in effects.replies.drain(..) {
            self.answer(ticket, reply);
        }
        if effects.visible {
            self.show(run);
        }
        self.after_close(run);
        self.note_whether_it_keeps_failing(run);
        self.tell_fast_forward_waiters(run, effects.fast_forward_changed);
        self.wake_history_waiters(run);
        let next_run = effects.next_run.take();
        self.spare_effects = effects.emptied();
        next_run.map(|mut start| {
            self.settle_versioning(&mut start);
            self.create_run(now, *start)
        })
    }

    /// Gives what a step has for workers to their queues, and takes back what isn't for them any more: queues and scheduled events.
    fn match_tasks(&mut self, now: Timestamp, run: RunRef, effects: &mut Effects) {
        if effects.withdrawn.is_empty() && effects.tasks.is_empty() {
            return;
        }
        let Some(found) = self.runs.get(run) else {
            return;
        };
        for (queue, scheduled_event_id) in effects.withdrawn.drain(..) {
            self.matching
                .withdraw_activity(&found.start.namespace, &queue, run, scheduled_event_id);
        }
        // The server's own worker doesn't poll.
        let for_workers = |task: &Task| task.queue() != TASK_QUEUE;
        for task in effects.tasks.drain(..).filter(for_workers) {
            let Some(found) = self.runs.get(run) else {
                return;
            };
            let dispatch = dispatch(found, &task);
            let namespace = &found.start.namespace;
            if let Some(build_id) = self.matching.add(now, namespace, task.clone(), dispatch) {
                self.note_assigned(run, &task, &build_id);
            }
        }
    }

    /// A run that has ended holds no timers, and no worker is busy for it.
    pub(super) fn after_close(&mut self, run: RunRef) {
        if self.runs.get(run).is_none_or(Run::is_running) {
            return;
        }
        self.timers.stop_all_of(run);
        self.batches.remove(&run);
        self.tell_watcher(run);
        self.hands.retain(|key, _| match key {
            HandKey::Workflow(owner) | HandKey::Activity(owner, ..) => *owner != run,
            HandKey::Query(..) | HandKey::Nexus(_) | HandKey::Standalone(..) => true,
        });
    }

    /// Answers those who wait for an event that has come.
    pub(super) fn wake_history_waiters(&mut self, run_ref: RunRef) {
        let Some(run) = self.runs.get(run_ref) else {
            return;
        };
        let ready: Vec<(Ticket, Vec<u8>)> = run
            .history_waiters
            .iter()
            .filter_map(|ticket| match self.parked.get(ticket)?.at {
                ParkedAt::History {
                    next_event_id,
                    close,
                    page_size,
                    ..
                } => {
                    let answer = history_answer(run, next_event_id, close, page_size)?;
                    Some((*ticket, answer.encode_to_vec()))
                }
                _ => None,
            })
            .collect();
        if ready.is_empty() {
            return;
        }
        if let Some(run) = self.runs.get_mut(run_ref) {
            run.history_waiters
                .retain(|waiter| ready.iter().all(|(ticket, _)| ticket != waiter));
        }
        for (ticket, answer) in ready {
            self.answer(ticket, Ok(answer));
        }
    }
}

/// What a client that waits for events gets, if there is anything to get.
pub(crate) fn history_answer(
    run: &Run,
    next_event_id: i64,
    close: bool,
    page_size: usize,
) -> Option<GetWorkflowExecutionHistoryResponse> {
    if close {
        let event = run.log.close_event()?;
        return Some(GetWorkflowExecutionHistoryResponse {
            history: Some(History { events: vec![event] }),
            ..Default::default()
        });
    }
    let (events, next) = run.log.page(next_event_id, page_size);
    if events.is_empty() && run.is_running() {
        return None;
    }
    let more = run.is_running() || next <= run.log.last_event_id();
    let next_page_token = match more {
        true => HistoryToken {
            run_id: run.start.run_id.clone(),
            next_event_id: next,
            last_event_id: None,
        }
        .encode(),
        false => Vec::new(),
    };
    Some(GetWorkflowExecutionHistoryResponse {
        history: Some(History { events }),
        next_page_token,
        ..Default::default()
    })
}

/// Whether a request is for the last event only.
pub(crate) fn wants_close_event(filter: i32) -> bool {
    filter == HistoryEventFilterType::CloseEvent as i32
}
