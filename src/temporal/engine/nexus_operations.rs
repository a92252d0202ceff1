//! Standalone nexus operations: started, stepped, waited for, forgotten.

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::{
    NexusOperationIdConflictPolicy as Conflict, NexusOperationIdReusePolicy as Reuse,
};

use super::retention::Ended;
use super::{Call, Engine, ParkedAt};
use crate::clock::Timestamp;
use crate::temporal::machine::standalone_nexus_operation::{StandaloneNexusOperation, StartOperation, Step, Wait};
use crate::temporal::nexus::OperationRef;
use crate::temporal::nexus::operations::not_found;
use crate::temporal::reject::Reject;
use crate::temporal::timer::NexusTimer;
use crate::temporal::txn::{Effects, Note, Ticket};

/// What to do if the operation id is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperationIdPolicies {
    pub(crate) reuse: Reuse,
    pub(crate) conflict: Conflict,
}

impl Engine {
    /// Starts an operation, as far as the policies let it. Gives it, and whether it is new.
    pub(crate) fn start_operation(
        &mut self,
        now: Timestamp,
        start: StartOperation,
        policies: OperationIdPolicies,
    ) -> Result<(OperationRef, bool), Reject> {
        if let Some(current) = self.nexus.operations.current(&start.namespace, &start.operation_id) {
            let is_retried = current.start().request_id == start.request_id;
            let use_existing = !current.is_closed() && policies.conflict == Conflict::UseExisting;
            if is_retried || use_existing {
                return Ok((current.name(), false));
            }
            let may_reuse = current.is_closed()
                && match policies.reuse {
                    Reuse::RejectDuplicate => false,
                    Reuse::AllowDuplicateFailedOnly => current.is_failed(),
                    Reuse::Unspecified | Reuse::AllowDuplicate => true,
                };
            if !may_reuse {
                return Err(Reject::NexusOperationExecutionAlreadyStarted {
                    start_request_id: current.start().request_id.clone(),
                    run_id: current.start().run_id.clone(),
                });
            }
        }
        Ok((self.create_operation(now, start), true))
    }

    /// Runs `body` on a standalone operation, applies its effects, and gives what it gives.
    pub(crate) fn with_operation<T>(
        &mut self,
        now: Timestamp,
        operation: OperationRef,
        body: impl FnOnce(&mut StandaloneNexusOperation, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let mut effects = Effects::default();
        let state = self.nexus.operations.get_mut(operation)?;
        let mut step = Step {
            now,
            effects: &mut effects,
            entropy: &mut self.entropy,
        };
        let was_closed = state.is_closed();
        let given = body(state, &mut step);
        if !was_closed && state.is_closed() {
            let note = format!("nexus operation {} {:?}", state.start().operation_id, state.status());
            effects.notes.push(Note::temporal(note));
            let namespace = state.start().namespace.clone();
            self.retain(now, &namespace, Ended::Operation(operation));
        }
        self.apply_operation(now, operation, effects);
        Some(given)
    }

    /// One of a standalone operation's clocks ran out.
    pub(super) fn fire_operation(&mut self, now: Timestamp, operation: OperationRef, clock: NexusTimer) {
        self.with_operation(now, operation, |operation, step| operation.on_timer(step, clock));
    }

    /// A client waits for something of an operation that hasn't come.
    pub(crate) fn wait_for_operation(&mut self, call: &Call<'_>, operation: OperationRef, wait: Wait) {
        self.park(
            call,
            match wait {
                Wait::Stage(_) => ParkedAt::OperationStage(operation),
                Wait::Change { .. } => ParkedAt::OperationChange(operation),
            },
        );
        if let Some(state) = self.nexus.operations.get_mut(operation) {
            state.waiters.push((call.ticket, wait));
        }
    }

    /// A client doesn't wait any more.
    pub(super) fn forget_operation_waiter(&mut self, operation: OperationRef, ticket: Ticket) {
        if let Some(state) = self.nexus.operations.get_mut(operation) {
            state.waiters.retain(|(waiter, _)| *waiter != ticket);
        }
    }

    /// Ends an operation if it runs, and forgets it.
    pub(crate) fn delete_operation(&mut self, now: Timestamp, operation: OperationRef) {
        self.with_operation(now, operation, |operation, step| {
            // One that has ended needs no end.
            operation
                .terminate(step, "Delete nexus operation execution", "", "")
                .ok();
        });
        let Some(removed) = self.nexus.operations.remove(operation) else {
            return;
        };
        for (ticket, _) in &removed.waiters {
            self.answer(*ticket, Err(not_found(&removed.start().operation_id)));
        }
        self.visibility
            .remove(&removed.start().namespace, &removed.start().run_id);
    }

    fn create_operation(&mut self, now: Timestamp, mut start: StartOperation) -> OperationRef {
        start.run_id = self.entropy.uuid_v7(now);
        let operation = self.nexus.operations.next_ref();
        self.notes.push(Note::temporal(format!(
            "nexus operation {} started ({}/{})",
            start.operation_id, start.service, start.operation
        )));
        let mut effects = Effects::default();
        let mut step = Step {
            now,
            effects: &mut effects,
            entropy: &mut self.entropy,
        };
        let state = StandaloneNexusOperation::schedule(&mut step, operation, start);
        self.nexus.operations.insert(state);
        self.apply_operation(now, operation, effects);
        operation
    }

    fn apply_operation(&mut self, now: Timestamp, operation: OperationRef, effects: Effects) {
        for (timer, deadline) in effects.timers {
            match deadline {
                Some(deadline) => self.timers.set(timer, deadline),
                None => self.timers.stop(timer),
            }
        }
        self.notes.extend(effects.notes);
        self.mail.extend(effects.mail);
        self.show_operation(operation);
        self.wake_operation_waiters(now, operation);
    }

    /// What lists know of an operation is what it is now.
    fn show_operation(&mut self, operation: OperationRef) {
        let Some(state) = self.nexus.operations.get(operation) else {
            return;
        };
        if let Some(namespace) = self.namespaces.get(&state.start().namespace) {
            self.visibility.put(state.record(&namespace.search_attributes));
        }
    }

    /// Answers those who wait for what has come.
    fn wake_operation_waiters(&mut self, now: Timestamp, operation: OperationRef) {
        let Some(state) = self.nexus.operations.get_mut(operation) else {
            return;
        };
        let waiters = std::mem::take(&mut state.waiters);
        let (ready, waiting): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|(_, wait)| state.has(*wait));
        state.waiters = waiting;
        let answers: Vec<(Ticket, Vec<u8>)> = ready
            .into_iter()
            .map(|(ticket, wait)| match wait {
                Wait::Stage(_) => (ticket, state.stage().encode_to_vec()),
                Wait::Change { parts, .. } => (ticket, state.describe(now, parts).encode_to_vec()),
            })
            .collect();
        for (ticket, answer) in answers {
            self.answer(ticket, Ok(answer));
        }
    }
}
