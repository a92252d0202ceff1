//! Faults that happen at a moment: crashes, restarts, clocks.

use std::time::Duration;

use super::later::Later;
use super::{Output, World};
use crate::fault::{ClockOf, Fault, RuleId, Span, Waiting};
use crate::journal::Party;
use crate::moment::{Happening, MomentKind};

impl World {
    /// Lets an event happen, if there is anything that it could strike.
    pub(super) fn fire_event(&mut self, id: RuleId) {
        let Some(active) = self.faults.get_mut(id).filter(|active| !active.is_spent()) else {
            return;
        };
        active.fired += 1;
        let fault = active.rule.fault.clone();
        let struck = match fault {
            Fault::CrashWorker { worker, restart_after } => self.crash_worker(id, worker.as_deref(), restart_after),
            Fault::EvictWorkflow { workflow } => self.evict(id, workflow.as_deref()),
            Fault::RestartServer => self.restart_server(id),
            Fault::StopServer { duration } => self.stop_server(id, duration),
            Fault::JumpClock { by } => {
                self.note_fired(id, &format!("all clocks jump {by} ahead"));
                self.now += by.get();
                self.temporal.handle_time(self.temporal_now());
                true
            }
            Fault::SkewClock { party, by } => self.skew(id, party, by),
            Fault::HoldClock { until } => {
                self.note_fired(id, &format!("the clock stands still until {until}"));
                self.moments.held_clock = until.moment().map(|moment| Waiting::new(moment, id));
                true
            }
            other => {
                debug_assert!(false, "{} is no event", other.name());
                false
            }
        };
        if let Some(active) = self.faults.get_mut(id).filter(|_| !struck) {
            active.fired -= 1;
        }
    }

    /// A worker's connection breaks, with all that it held.
    pub(super) fn kill(&mut self, connection: u64, restart_after: Option<Span>) {
        let identity = self.worker_of(connection);
        self.disconnect(connection);
        self.outputs.push_back(Output::Cut { connection });
        self.note(Party::Worker, format!("{identity} is killed"));
        let crashed = Happening::new(MomentKind::WorkerCrashed, identity.clone(), "");
        self.journal.happened(self.now, crashed);
        let restarts_at = restart_after.map(|after| self.now + after.get());
        if !identity.is_empty() {
            self.killed.insert(identity.clone(), restarts_at);
        }
        if let Some(at) = restarts_at {
            self.later.set(at, Later::StartWorker { identity });
        }
    }

    /// The identity of the worker whose connection it is; empty if it is a client's.
    pub(super) fn worker_of(&self, connection: u64) -> String {
        self.temporal.identity_of(connection).unwrap_or_default().to_owned()
    }

    /// A killed worker is to be started. Time stands still until it polls.
    pub(super) fn start_worker(&mut self, identity: String) {
        self.temporal.begin_worker_start();
        self.outputs.push_back(Output::StartWorker { identity });
    }

    fn crash_worker(&mut self, id: RuleId, worker: Option<&str>, restart_after: Option<Span>) -> bool {
        let connections = self.temporal.worker_connections();
        let found = connections
            .into_iter()
            .find(|(_, identity)| worker.is_none_or(|wanted| wanted == identity));
        let Some((connection, identity)) = found else {
            return false;
        };
        self.note_fired(id, &format!("worker {identity} dies"));
        self.kill(connection, restart_after);
        true
    }

    fn evict(&mut self, id: RuleId, workflow: Option<&str>) -> bool {
        let now = self.temporal_now();
        let evicted = self.temporal.evict(now, workflow);
        if evicted > 0 {
            let whom = workflow.unwrap_or("all workflows");
            self.note_fired(id, &format!("workers lose {whom} from their caches"));
        }
        evicted > 0
    }

    fn restart_server(&mut self, id: RuleId) -> bool {
        if !self.human.is_running() {
            return false;
        }
        self.note_fired(id, "the awaithumans server restarts");
        let (human, now, journal) = self.human_mut();
        human.restart(now, journal);
        true
    }

    fn stop_server(&mut self, id: RuleId, duration: Span) -> bool {
        if !self.human.is_running() {
            return false;
        }
        self.note_fired(id, &format!("the awaithumans server is down for {duration}"));
        let (human, now, journal) = self.human_mut();
        human.stop(now, journal);
        self.later.set(self.now + duration.get(), Later::StartServer);
        true
    }

    fn skew(&mut self, id: RuleId, party: ClockOf, by: Span) -> bool {
        let (whose, ahead): (&str, &mut Duration) = match party {
            ClockOf::Awaithumans => ("the awaithumans server's", &mut self.ahead.human),
            ClockOf::Temporal => ("Temporal's", &mut self.ahead.temporal),
        };
        *ahead += by.get();
        self.note_fired(id, &format!("{whose} clock is {by} ahead"));
        self.temporal.handle_time(self.temporal_now());
        true
    }
}
