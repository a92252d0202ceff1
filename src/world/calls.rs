//! The boundary of gRPC calls: before Temporal carries one out, and before its answer leaves.

use std::collections::{BTreeMap, BTreeSet};

use tonic::Code;

use super::later::{Later, Waiting};
use super::tasks::polled;
use super::{Output, World};
use crate::fault::{CallInfo, Fault, RuleId, Span};
use crate::temporal::{Answer, Call, HandOut, Reject, RunRef, Ticket, WaitId, answered_run};

/// Calls that a fault has struck.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Calls whose answer is lost: what their caller gets in its place, and the connection while there is one.
    lost: BTreeMap<Ticket, (Reject, Option<u64>, String)>,
    /// Calls after which their worker is killed, and when it is started again.
    deadly: BTreeMap<Ticket, (u64, Option<Span>)>,
    /// Callers that try again by themselves, in real time: time waits for them.
    retries: BTreeSet<(u64, String)>,
    /// Polls on their way, and the connection: when nobody waits for one any more, it must not take a task.
    delayed_polls: BTreeMap<Ticket, u64>,
}

impl Calls {
    pub(super) fn is_busy(&self) -> bool {
        !self.retries.is_empty()
    }

    pub(super) fn busy_with(&self) -> impl Iterator<Item = String> {
        let retries = self.retries.iter();
        retries.map(|(_, rpc)| format!("a client that is about to try {rpc} again"))
    }

    /// The connection is gone: nobody tries again.
    pub(super) fn forget(&mut self, connection: u64) {
        self.retries.retain(|(retrying, _)| *retrying != connection);
        self.delayed_polls.retain(|_, polling| *polling != connection);
        for (_, caller, _) in self.lost.values_mut() {
            *caller = caller.filter(|caller| *caller != connection);
        }
    }

    /// Nobody waits for the answer to this call any more.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        self.delayed_polls.remove(&ticket);
    }

    /// Whether a call that was delayed is carried out: what it does, it does, but a poll without a worker takes nothing.
    pub(super) fn arrives(&mut self, ticket: Ticket, method: &str) -> bool {
        polled(method).is_none() || self.delayed_polls.remove(&ticket).is_some()
    }

    /// The grace is over: gives who hasn't tried again.
    pub(super) fn release(&mut self) -> Vec<String> {
        let waited_for = self.busy_with().collect();
        self.retries.clear();
        waited_for
    }
}

/// Whether Temporal's SDKs try again after this code (sdk-core 0.10.1: `RETRYABLE_ERROR_CODES`).
fn is_retried(code: Code) -> bool {
    matches!(
        code,
        Code::DataLoss
            | Code::Internal
            | Code::Unknown
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
    )
}

impl World {
    pub(super) fn take_call(&mut self, call: Call<'_>, request: &[u8]) {
        if self.calls.is_busy() {
            let retry = (call.connection, call.method.to_owned());
            self.calls.retries.remove(&retry);
        }
        let struck = match self.faults.is_empty() {
            true => None,
            false => {
                let worker = self.worker_of(call.connection);
                self.faults.on_call(CallInfo {
                    rpc: call.method,
                    worker: &worker,
                })
            }
        };
        match struck {
            None => self.carry_call_out(call, request),
            Some((id, fault)) => self.strike_call(call, request, id, fault),
        }
    }

    fn strike_call(&mut self, call: Call<'_>, request: &[u8], id: RuleId, fault: Fault) {
        let rpc = call.method;
        match fault {
            Fault::FailCall { code, .. } => {
                let code = Code::from(code);
                self.note_fired(id, &format!("{rpc} is refused with {code:?}"));
                self.expect_retry(call.connection, rpc, code);
                let reject = Reject::Fault(code, "refused by a fault rule of the test".to_owned());
                self.outputs.push_back(Output::Rpc((call.ticket, Err(reject))));
            }
            Fault::LoseReply { code, .. } => {
                let code = Code::from(code);
                self.note_fired(id, &format!("{rpc} is carried out, and its answer is lost ({code:?})"));
                let reject = Reject::Fault(code, "the answer was lost by a fault rule of the test".to_owned());
                self.calls
                    .lost
                    .insert(call.ticket, (reject, Some(call.connection), rpc.to_owned()));
                self.carry_call_out(call, request);
            }
            Fault::DelayCall { by, .. } | Fault::SlowWorker { by, .. } => {
                self.note_fired(id, &format!("{rpc} takes {by} to arrive"));
                self.delay_call(call, request, by);
            }
            Fault::CrashWorkerBefore { restart_after, .. } => {
                self.note_fired(id, &format!("the worker dies before its {rpc}"));
                self.kill(call.connection, restart_after);
            }
            Fault::CrashWorkerAfter { restart_after, .. } => {
                self.note_fired(id, &format!("the worker dies after its {rpc}"));
                self.calls.deadly.insert(call.ticket, (call.connection, restart_after));
                self.carry_call_out(call, request);
            }
            other => debug_assert!(false, "{} doesn't strike calls", other.name()),
        }
    }

    /// Time waits until the caller has tried again. Over a network there are callers that don't, and nobody who would end the wait.
    fn expect_retry(&mut self, connection: u64, rpc: &str, code: Code) {
        if is_retried(code) && self.hand_out == HandOut::Serial {
            self.calls.retries.insert((connection, rpc.to_owned()));
        }
    }

    fn delay_call(&mut self, call: Call<'_>, request: &[u8], by: Span) {
        let is_poll = polled(call.method).is_some();
        // Whoever has called waits for time to pass, and isn't at work; but who polls may be.
        let caller = match self.temporal.identity_of(call.connection).is_some() {
            _ if is_poll => Waiting::Worker(self.temporal.begin_late_poll(call.connection)),
            true => Waiting::Worker(self.begin_wait(&[call.connection], answered_run(call.method, request))),
            false => Waiting::Client(self.receivers_wait()),
        };
        let later = Later::Call {
            ticket: call.ticket,
            connection: call.connection,
            service: call.service.to_owned(),
            method: call.method.to_owned(),
            request: request.to_vec(),
            caller,
        };
        self.later.set(self.now + by.get(), later);
        if is_poll {
            self.calls.delayed_polls.insert(call.ticket, call.connection);
        }
    }

    /// Something that the workers of these connections have asked for is delayed: they wait for time to pass, with all that they hold.
    pub(super) fn begin_wait(&mut self, connections: &[u64], answered: Option<RunRef>) -> WaitId {
        let now = self.temporal_now();
        let wait = self.temporal.begin_wait(now, connections, answered);
        self.tasks.begin_wait(wait, connections);
        wait
    }

    /// It has come.
    pub(super) fn end_wait(&mut self, wait: WaitId) {
        self.temporal.end_wait(wait);
        self.tasks.end_wait(wait);
    }

    /// A delayed call has come: whoever waited for it goes on.
    pub(super) fn end_delay(&mut self, caller: Waiting) {
        match caller {
            Waiting::Worker(wait) => self.end_wait(wait),
            Waiting::Client(attempts) => self.receivers_go_on(attempts),
        }
    }

    pub(super) fn carry_call_out(&mut self, call: Call<'_>, request: &[u8]) {
        self.tasks.note_call(&call, request);
        self.temporal.handle_rpc(call, request);
    }

    /// An answer leaves, unless it is lost.
    pub(super) fn give_answer(&mut self, (ticket, answer): Answer) {
        if let Some((connection, restart_after)) = self.calls.deadly.remove(&ticket) {
            self.tasks.forget(ticket);
            self.kill(connection, restart_after);
            return;
        }
        if let Some((reject, connection, rpc)) = self.calls.lost.remove(&ticket) {
            self.tasks.forget(ticket);
            if let Some(connection) = connection {
                // A task that was in the answer is in nobody's hands.
                self.temporal.lose_hands(self.temporal_now(), connection);
                self.expect_retry(connection, &rpc, reject.code());
            }
            self.outputs.push_back(Output::Rpc((ticket, Err(reject))));
            return;
        }
        self.give_task(ticket, answer);
    }
}
