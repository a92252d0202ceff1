//! Letters between runs, delivered first in first out inside the call that wrote them.

use super::parent_end::ParentEnd;
use super::{Engine, Started};
use crate::clock::Timestamp;
use crate::temporal::machine::external::Undeliverable;
use crate::temporal::run::{CancelRequest, Context, ParentLink, Run, RunRef, Signal, StartRun};
use crate::temporal::txn::{ChildRun, ChildStartFailure, Letter};
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::history::v1 as history;

/// Letters that one call may cause: a bound on cascades, far beyond what workflows do.
const MAX_LETTERS: usize = 1_000_000;

/// Resets in a row that the end of a child follows (Temporal: `maxResetRedirectCount`).
const MAX_RESETS: usize = 100;

/// Whom a workflow means by a signal or a cancellation.
struct Address {
    namespace: String,
    execution: Option<WorkflowExecution>,
    child_workflow_only: bool,
}

impl Engine {
    pub(super) fn deliver_mail(&mut self, now: Timestamp) {
        for _ in 0..MAX_LETTERS {
            let Some(letter) = self.mail.pop_front() else {
                return;
            };
            self.deliver(now, letter);
        }
    }

    fn deliver(&mut self, now: Timestamp, letter: Letter) {
        match letter {
            Letter::StartChild(start) => self.start_child(now, *start),
            Letter::ChildStarted { parent, outcome } => self.tell_parent(now, &parent, |run, context| {
                run.on_child_started(context, parent.initiated_event_id, outcome);
            }),
            Letter::ChildClosed {
                parent,
                first_run_id,
                child,
                outcome,
            } => {
                let parent = self.follow_resets(parent);
                self.tell_parent(now, &parent, |run, context| {
                    run.on_child_closed(context, parent.initiated_event_id, &first_run_id, &child, outcome);
                });
            }
            Letter::SignalExternal {
                from,
                initiated_event_id,
                attributes,
            } => self.signal_external(now, from, initiated_event_id, *attributes),
            Letter::CancelExternal {
                from,
                initiated_event_id,
                attributes,
            } => self.cancel_external(now, from, initiated_event_id, *attributes),
            Letter::StartNexusOperation(operation) => self.start_nexus_operation(now, operation),
            Letter::CancelNexusOperation(operation) => self.cancel_nexus_operation(now, operation),
            Letter::DeliverCallback { run, index } => self.deliver_callback(now, run, index),
            Letter::RetryUpdateWithStart(ticket) => self.retry_update_with_start(now, ticket),
            Letter::ParentClosed {
                child,
                terminate,
                parent,
            } => self.on_parent_closed(now, child, ParentEnd { terminate, parent }),
            Letter::WatchedRunEnded { first_run_id } => self.on_watched_run_ended(now, &first_run_id),
        }
    }

    fn start_child(&mut self, now: Timestamp, mut start: StartRun) {
        let Some(parent) = start.parent.clone() else {
            return;
        };
        let parent_open = parent
            .run
            .and_then(|run| self.runs.get(run))
            .is_some_and(Run::is_running);
        if !parent_open {
            return;
        }
        let outcome = match self.namespaces.get(&start.namespace) {
            None => Err(ChildStartFailure::NamespaceNotFound),
            Some(namespace) => {
                start.namespace_id = namespace.id.clone();
                // As Temporal makes it (`generateChildWorkflowRequestID`); the last number is the cluster's version.
                start.request_id = format!("{}:{}:0", parent.run_id, parent.initiated_event_id);
                self.start_child_run(now, start, parent.run)
            }
        };
        self.mail.push_back(Letter::ChildStarted { parent, outcome });
    }

    fn start_child_run(
        &mut self,
        now: Timestamp,
        mut start: StartRun,
        parent: Option<RunRef>,
    ) -> Result<ChildRun, ChildStartFailure> {
        if let Some(parent) = parent {
            self.inherit_versioning(parent, &mut start);
        }
        self.settle_versioning(&mut start);
        let (namespace, over) = (start.namespace.clone(), start.versioning.over.clone());
        self.check_override(&namespace, &start.task_queue, over.as_ref())
            .map_err(|_| ChildStartFailure::InvalidVersioningOverride)?;
        match self.start_run(now, start) {
            Ok(Started::New(run)) => {
                self.reactivate_version(now, &namespace, over.as_ref());
                Ok(self.child_run(run))
            }
            Ok(_) | Err(_) => Err(ChildStartFailure::AlreadyExists),
        }
    }

    fn child_run(&self, run: RunRef) -> ChildRun {
        ChildRun {
            run,
            run_id: self
                .runs
                .get(run)
                .map(|run| run.start.run_id.clone())
                .unwrap_or_default(),
        }
    }

    /// A parent that has been reset goes on in another run.
    fn follow_resets(&self, mut parent: ParentLink) -> ParentLink {
        for _ in 0..MAX_RESETS {
            let Some(run) = parent.run.and_then(|run| self.runs.get(run)) else {
                return parent;
            };
            if run.is_running() || run.reset_run_id.is_empty() {
                return parent;
            }
            parent.run = self.runs.by_run_id(&run.reset_run_id);
        }
        parent
    }

    fn tell_parent(&mut self, now: Timestamp, parent: &ParentLink, body: impl FnOnce(&mut Run, &mut Context<'_>)) {
        if let Some(run) = parent.run {
            self.step(now, run, body);
        }
    }

    fn signal_external(
        &mut self,
        now: Timestamp,
        from: RunRef,
        initiated_event_id: i64,
        attributes: history::SignalExternalWorkflowExecutionInitiatedEventAttributes,
    ) {
        let address = Address {
            namespace: attributes.namespace,
            execution: attributes.workflow_execution,
            child_workflow_only: attributes.child_workflow_only,
        };
        self.reach_external(now, from, initiated_event_id, &address, |run, context, sender| {
            let signal = Signal {
                name: attributes.signal_name,
                input: attributes.input,
                header: attributes.header,
                identity: "history-service".to_owned(),
                request_id: context.entropy.uuid(),
                from: Some(sender),
                ..Default::default()
            };
            run.signal_from(context, signal)
        });
    }

    fn cancel_external(
        &mut self,
        now: Timestamp,
        from: RunRef,
        initiated_event_id: i64,
        attributes: history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    ) {
        let address = Address {
            namespace: attributes.namespace,
            execution: attributes.workflow_execution,
            child_workflow_only: attributes.child_workflow_only,
        };
        self.reach_external(now, from, initiated_event_id, &address, |run, context, sender| {
            let request = CancelRequest {
                cause: attributes.reason,
                identity: "history-service".to_owned(),
                from: Some((sender, initiated_event_id)),
                ..Default::default()
            };
            run.request_cancel(context, request)
                .map_err(|_| Undeliverable::NotFound)
        });
    }

    /// Brings something to another workflow and tells the sender how it went.
    fn reach_external(
        &mut self,
        now: Timestamp,
        from: RunRef,
        initiated_event_id: i64,
        address: &Address,
        hand_over: impl FnOnce(&mut Run, &mut Context<'_>, WorkflowExecution) -> Result<(), Undeliverable>,
    ) {
        let sender = self.runs.get(from).map(Run::execution).unwrap_or_default();
        let outcome = self.target(address, &sender.workflow_id).and_then(|target| {
            self.with_run(now, target, |run, context| hand_over(run, context, sender))
                .unwrap_or(Err(Undeliverable::NotFound))
        });
        self.step(now, from, |run, context| {
            run.on_external_answered(context, initiated_event_id, outcome);
        });
    }

    /// The run that a workflow means, which must be a child of the sender if the address says so.
    fn target(&self, address: &Address, sender_workflow_id: &str) -> Result<RunRef, Undeliverable> {
        if self.namespaces.get(&address.namespace).is_none() {
            return Err(Undeliverable::NamespaceNotFound);
        }
        let run = self
            .runs
            .find(&address.namespace, address.execution.as_ref())
            .map_err(|_| Undeliverable::NotFound)?;
        match address.child_workflow_only && !run.is_child_of(sender_workflow_id) {
            true => Err(Undeliverable::NotFound),
            false => Ok(run.run),
        }
    }
}
