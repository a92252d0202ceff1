//! From an event's attributes to its type: the one place that knows.

use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;

/// The event type that goes with these attributes.
pub(crate) fn event_type(attributes: &Attributes) -> EventType {
    use Attributes as A;
    match attributes {
        A::WorkflowExecutionStartedEventAttributes(_) => EventType::WorkflowExecutionStarted,
        A::WorkflowExecutionCompletedEventAttributes(_) => EventType::WorkflowExecutionCompleted,
        A::WorkflowExecutionFailedEventAttributes(_) => EventType::WorkflowExecutionFailed,
        A::WorkflowExecutionTimedOutEventAttributes(_) => EventType::WorkflowExecutionTimedOut,
        A::WorkflowTaskScheduledEventAttributes(_) => EventType::WorkflowTaskScheduled,
        A::WorkflowTaskStartedEventAttributes(_) => EventType::WorkflowTaskStarted,
        A::WorkflowTaskCompletedEventAttributes(_) => EventType::WorkflowTaskCompleted,
        A::WorkflowTaskTimedOutEventAttributes(_) => EventType::WorkflowTaskTimedOut,
        A::WorkflowTaskFailedEventAttributes(_) => EventType::WorkflowTaskFailed,
        A::ActivityTaskScheduledEventAttributes(_) => EventType::ActivityTaskScheduled,
        A::ActivityTaskStartedEventAttributes(_) => EventType::ActivityTaskStarted,
        A::ActivityTaskCompletedEventAttributes(_) => EventType::ActivityTaskCompleted,
        A::ActivityTaskFailedEventAttributes(_) => EventType::ActivityTaskFailed,
        A::ActivityTaskTimedOutEventAttributes(_) => EventType::ActivityTaskTimedOut,
        A::TimerStartedEventAttributes(_) => EventType::TimerStarted,
        A::TimerFiredEventAttributes(_) => EventType::TimerFired,
        A::ActivityTaskCancelRequestedEventAttributes(_) => EventType::ActivityTaskCancelRequested,
        A::ActivityTaskCanceledEventAttributes(_) => EventType::ActivityTaskCanceled,
        A::TimerCanceledEventAttributes(_) => EventType::TimerCanceled,
        A::MarkerRecordedEventAttributes(_) => EventType::MarkerRecorded,
        A::WorkflowExecutionSignaledEventAttributes(_) => EventType::WorkflowExecutionSignaled,
        A::WorkflowExecutionTerminatedEventAttributes(_) => EventType::WorkflowExecutionTerminated,
        A::WorkflowExecutionCancelRequestedEventAttributes(_) => EventType::WorkflowExecutionCancelRequested,
        A::WorkflowExecutionCanceledEventAttributes(_) => EventType::WorkflowExecutionCanceled,
        A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_) => {
            EventType::RequestCancelExternalWorkflowExecutionInitiated
        }
        A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(_) => {
            EventType::RequestCancelExternalWorkflowExecutionFailed
        }
        A::ExternalWorkflowExecutionCancelRequestedEventAttributes(_) => {
            EventType::ExternalWorkflowExecutionCancelRequested
        }
        A::WorkflowExecutionContinuedAsNewEventAttributes(_) => EventType::WorkflowExecutionContinuedAsNew,
        A::StartChildWorkflowExecutionInitiatedEventAttributes(_) => EventType::StartChildWorkflowExecutionInitiated,
        A::StartChildWorkflowExecutionFailedEventAttributes(_) => EventType::StartChildWorkflowExecutionFailed,
        A::ChildWorkflowExecutionStartedEventAttributes(_) => EventType::ChildWorkflowExecutionStarted,
        A::ChildWorkflowExecutionCompletedEventAttributes(_) => EventType::ChildWorkflowExecutionCompleted,
        A::ChildWorkflowExecutionFailedEventAttributes(_) => EventType::ChildWorkflowExecutionFailed,
        A::ChildWorkflowExecutionCanceledEventAttributes(_) => EventType::ChildWorkflowExecutionCanceled,
        A::ChildWorkflowExecutionTimedOutEventAttributes(_) => EventType::ChildWorkflowExecutionTimedOut,
        A::ChildWorkflowExecutionTerminatedEventAttributes(_) => EventType::ChildWorkflowExecutionTerminated,
        A::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => {
            EventType::SignalExternalWorkflowExecutionInitiated
        }
        A::SignalExternalWorkflowExecutionFailedEventAttributes(_) => EventType::SignalExternalWorkflowExecutionFailed,
        A::ExternalWorkflowExecutionSignaledEventAttributes(_) => EventType::ExternalWorkflowExecutionSignaled,
        A::UpsertWorkflowSearchAttributesEventAttributes(_) => EventType::UpsertWorkflowSearchAttributes,
        A::WorkflowExecutionUpdateAcceptedEventAttributes(_) => EventType::WorkflowExecutionUpdateAccepted,
        A::WorkflowExecutionUpdateRejectedEventAttributes(_) => EventType::WorkflowExecutionUpdateRejected,
        A::WorkflowExecutionUpdateCompletedEventAttributes(_) => EventType::WorkflowExecutionUpdateCompleted,
        A::WorkflowPropertiesModifiedExternallyEventAttributes(_) => EventType::WorkflowPropertiesModifiedExternally,
        A::ActivityPropertiesModifiedExternallyEventAttributes(_) => EventType::ActivityPropertiesModifiedExternally,
        A::WorkflowPropertiesModifiedEventAttributes(_) => EventType::WorkflowPropertiesModified,
        A::WorkflowExecutionUpdateAdmittedEventAttributes(_) => EventType::WorkflowExecutionUpdateAdmitted,
        A::NexusOperationScheduledEventAttributes(_) => EventType::NexusOperationScheduled,
        A::NexusOperationStartedEventAttributes(_) => EventType::NexusOperationStarted,
        A::NexusOperationCompletedEventAttributes(_) => EventType::NexusOperationCompleted,
        A::NexusOperationFailedEventAttributes(_) => EventType::NexusOperationFailed,
        A::NexusOperationCanceledEventAttributes(_) => EventType::NexusOperationCanceled,
        A::NexusOperationTimedOutEventAttributes(_) => EventType::NexusOperationTimedOut,
        A::NexusOperationCancelRequestedEventAttributes(_) => EventType::NexusOperationCancelRequested,
        A::WorkflowExecutionOptionsUpdatedEventAttributes(_) => EventType::WorkflowExecutionOptionsUpdated,
        A::NexusOperationCancelRequestCompletedEventAttributes(_) => EventType::NexusOperationCancelRequestCompleted,
        A::NexusOperationCancelRequestFailedEventAttributes(_) => EventType::NexusOperationCancelRequestFailed,
        A::WorkflowExecutionPausedEventAttributes(_) => EventType::WorkflowExecutionPaused,
        A::WorkflowExecutionUnpausedEventAttributes(_) => EventType::WorkflowExecutionUnpaused,
        A::WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => {
            EventType::WorkflowExecutionTimeSkippingTransitioned
        }
    }
}

/// Whether an SDK from before this kind of event may pass over it (Temporal: `WorkerMayIgnore` in `historybuilder`).
pub(crate) fn worker_may_ignore(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::WorkflowExecutionOptionsUpdated
            | E::WorkflowExecutionPaused
            | E::WorkflowExecutionUnpaused
            | E::WorkflowExecutionTimeSkippingTransitioned
            | E::NexusOperationCancelRequestCompleted
            | E::NexusOperationCancelRequestFailed
    )
}

/// Whether an event waits while a workflow task is started, so that the worker's commands come first.
///
/// Events that a workflow task itself writes are never held back (Temporal 1.32, `history_builder.bufferEvent`).
pub(crate) fn is_buffered_during_workflow_task(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::WorkflowExecutionSignaled
            | E::WorkflowExecutionCancelRequested
            | E::WorkflowExecutionOptionsUpdated
            | E::WorkflowExecutionPaused
            | E::WorkflowExecutionUnpaused
            | E::WorkflowExecutionTimeSkippingTransitioned
            | E::WorkflowExecutionUpdateAdmitted
            | E::TimerFired
            | E::ActivityTaskStarted
            | E::ActivityTaskCompleted
            | E::ActivityTaskFailed
            | E::ActivityTaskTimedOut
            | E::ActivityTaskCanceled
            | E::StartChildWorkflowExecutionFailed
            | E::ChildWorkflowExecutionStarted
            | E::ChildWorkflowExecutionCompleted
            | E::ChildWorkflowExecutionFailed
            | E::ChildWorkflowExecutionCanceled
            | E::ChildWorkflowExecutionTimedOut
            | E::ChildWorkflowExecutionTerminated
            | E::RequestCancelExternalWorkflowExecutionFailed
            | E::ExternalWorkflowExecutionCancelRequested
            | E::SignalExternalWorkflowExecutionFailed
            | E::ExternalWorkflowExecutionSignaled
            | E::NexusOperationStarted
            | E::NexusOperationCompleted
            | E::NexusOperationFailed
            | E::NexusOperationTimedOut
            | E::NexusOperationCanceled
            | E::NexusOperationCancelRequestCompleted
            | E::NexusOperationCancelRequestFailed
    )
}

/// Whether an event ends an activity, a child workflow or a nexus operation.
///
/// Of the events held back these come last, whatever the order in which they arrived (`history_builder.reorderBuffer`).
pub(crate) fn is_result(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::ActivityTaskCompleted
            | E::ActivityTaskFailed
            | E::ActivityTaskTimedOut
            | E::ActivityTaskCanceled
            | E::ChildWorkflowExecutionCompleted
            | E::ChildWorkflowExecutionFailed
            | E::ChildWorkflowExecutionCanceled
            | E::ChildWorkflowExecutionTimedOut
            | E::ChildWorkflowExecutionTerminated
            | E::NexusOperationCompleted
            | E::NexusOperationFailed
            | E::NexusOperationTimedOut
            | E::NexusOperationCanceled
    )
}
