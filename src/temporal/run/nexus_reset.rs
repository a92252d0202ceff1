//! A reset's nexus operations: what the kept history says of them, and what of the rest happens again.
//!
//! Facts: `Apply` and `CherryPick` in Temporal's `components/nexusoperations/events.go`.

use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes as A;

use super::{Context, Run};
use crate::clock::Timestamp;
use crate::temporal::history::NewEvent;
use crate::temporal::machine::nexus_operation::NexusOperation;
use crate::temporal::proto::moment;

impl Run {
    /// What an event says of an operation. `false` if it says nothing of any.
    pub(super) fn replay_nexus(&mut self, attributes: &A, id: i64, at: Timestamp) -> bool {
        let operations = &mut self.machines.nexus_operations;
        match attributes {
            A::NexusOperationScheduledEventAttributes(it) => {
                operations.insert(id, NexusOperation::restore(it.clone(), id, at));
            }
            A::NexusOperationStartedEventAttributes(it) => {
                if let Some(operation) = operations.get_mut(&it.scheduled_event_id) {
                    operation.restore_started(it, at);
                }
            }
            A::NexusOperationCancelRequestedEventAttributes(it) => {
                if let Some(operation) = operations.get_mut(&it.scheduled_event_id) {
                    operation.restore_cancel_request(id, at);
                }
            }
            A::NexusOperationCancelRequestCompletedEventAttributes(it) => {
                self.replay_cancel_answer(it.scheduled_event_id, at, Ok(()));
            }
            A::NexusOperationCancelRequestFailedEventAttributes(it) => {
                self.replay_cancel_answer(it.scheduled_event_id, at, Err(it.failure.clone()));
            }
            _ => match end_of(attributes) {
                Some((scheduled_event_id, _)) => drop(operations.remove(&scheduled_event_id)),
                None => return false,
            },
        }
        true
    }

    fn replay_cancel_answer(
        &mut self,
        scheduled_event_id: i64,
        at: Timestamp,
        outcome: Result<(), Option<temporalio_protos::temporal::api::failure::v1::Failure>>,
    ) {
        let operation = self.machines.nexus_operations.get_mut(&scheduled_event_id);
        if let Some(cancellation) = operation.and_then(|it| it.cancellation.as_mut()) {
            cancellation.restore_answered(at, outcome);
        }
    }

    /// An operation that was pending at the point of the reset has started or ended since: its event comes again, without its
    /// links. `false` if the event isn't of that kind.
    pub(super) fn reapply_nexus(&mut self, context: &mut Context<'_>, event: &HistoryEvent, attributes: &A) -> bool {
        let at = event.event_time.as_ref().map(moment).unwrap_or_default();
        let operations = &mut self.machines.nexus_operations;
        let happens = match attributes {
            A::NexusOperationStartedEventAttributes(started) => operations
                .get_mut(&started.scheduled_event_id)
                .filter(|operation| is_of(operation, &started.request_id))
                .is_some_and(|operation| operation.restore_started(started, at)),
            _ => {
                let Some((scheduled_event_id, request_id)) = end_of(attributes) else {
                    return false;
                };
                let pending = operations.get(&scheduled_event_id);
                let ends = pending.is_some_and(|operation| is_of(operation, request_id));
                ends && operations.remove(&scheduled_event_id).is_some()
            }
        };
        if happens {
            let (_, mut txn) = self.open(context);
            txn.emit(NewEvent::from(attributes.clone()));
        }
        true
    }
}

/// Older events don't name the request.
fn is_of(operation: &NexusOperation, request_id: &str) -> bool {
    request_id.is_empty() || operation.attributes().request_id == request_id
}

/// The operation whose end an event tells, and its request.
fn end_of(attributes: &A) -> Option<(i64, &str)> {
    match attributes {
        A::NexusOperationCompletedEventAttributes(it) => Some((it.scheduled_event_id, &it.request_id)),
        A::NexusOperationFailedEventAttributes(it) => Some((it.scheduled_event_id, &it.request_id)),
        A::NexusOperationCanceledEventAttributes(it) => Some((it.scheduled_event_id, &it.request_id)),
        A::NexusOperationTimedOutEventAttributes(it) => Some((it.scheduled_event_id, &it.request_id)),
        _ => None,
    }
}
