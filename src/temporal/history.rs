//! One run's history: event ids, the events held back while a workflow task is started, and pages.

mod pages;
mod stored;

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;

use super::command::Annotation;
use super::event::{event_type, is_buffered_during_workflow_task, is_result, worker_may_ignore};
use super::proto::timestamp;
use crate::clock::Timestamp;
use crate::moment::MomentKind;
use stored::Stored;

/// The id of an event that has none yet since it is held back. Temporal's `common.BufferedEventID`.
pub(crate) const BUFFERED_EVENT_ID: i64 = -123;

/// What events' task ids begin with. A server has its first range of 2^20 of them behind it when it can write one; they rise
/// along each history, and nobody may conclude more from them.
const FIRST_TASK_ID: i64 = 1 << 20;

/// The history of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    events: Vec<Stored>,
    held_back: Vec<HistoryEvent>,
    size_bytes: i64,
    committed_size_bytes: i64,
    /// The last event of each batch that was written at once, in order: a reset can only cut between two of them.
    batch_ends: Vec<i64>,
    /// The last event before those that the step of now wrote at its very end, if it did.
    before_late_flush: Option<i64>,
    /// What the engine hasn't heard of yet.
    fresh: Vec<Fresh>,
}

/// What an event tells those who wait for a moment.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) event_type: EventType,
    pub(crate) moment: Option<MomentKind>,
    /// The activity's type, the signal's or the timer's name, how the run ended.
    pub(crate) name: String,
}

/// A moment of a history, to go back to.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    events: usize,
    held_back: Vec<HistoryEvent>,
    size_bytes: i64,
    committed_size_bytes: i64,
    batch_ends: usize,
    fresh: usize,
}

impl Mark {
    /// The size that the history had, in bytes.
    pub(crate) fn size_bytes(&self) -> i64 {
        self.size_bytes
    }

    /// The events that there were, and those that waited.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.events, self.held_back.len())
    }
}

/// From the id of the event that started a thing to that of its started event.
type StartedIds = BTreeMap<i64, i64>;

/// The ids that held-back events got, as far as others must know them (Temporal: `event_store.wireEventIDs`).
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    pub(crate) started_ids: StartedIds,
    /// Request ids that came with an event, and the event's id.
    pub(crate) request_ids: Vec<(String, i64)>,
}

impl Log {
    /// The beginning of another history, up to and with this event.
    pub(crate) fn prefix(of: &Self, last_event_id: i64) -> Self {
        let count = usize::try_from(last_event_id).unwrap_or_default();
        let events = of.range(1, count).to_vec();
        let ends = of.batch_ends.iter().copied();
        let size_bytes = events.iter().map(Stored::size_bytes).sum();
        Self {
            events,
            held_back: Vec::new(),
            size_bytes,
            committed_size_bytes: size_bytes,
            batch_ends: ends.take_while(|end| *end <= last_event_id).collect(),
            before_late_flush: None,
            fresh: Vec::new(),
        }
    }

    /// A step is over: what it wrote was written at once, and what comes belongs to another batch.
    pub(crate) fn commit(&mut self) {
        self.end_batch();
        self.committed_size_bytes = self.size_bytes;
        self.before_late_flush = None;
    }

    /// What is flushed from now on is written at the very end of the step, when Temporal has counted its events already.
    pub(crate) fn note_late_flush(&mut self) {
        self.before_late_flush = Some(self.last_event_id());
    }

    /// The number of events, without those of [`Self::note_late_flush`].
    pub(crate) fn events_before_late_flush(&self) -> i64 {
        self.before_late_flush.unwrap_or_else(|| self.last_event_id())
    }

    /// As [`Self::size_bytes`], without what the step of now has written.
    pub(crate) fn committed_size_bytes(&self) -> i64 {
        self.committed_size_bytes
    }

    /// The step of now belongs to the one before, after which the history had this size: Temporal writes both at once.
    pub(crate) fn rejoin(&mut self, committed_size_bytes: i64) {
        self.committed_size_bytes = committed_size_bytes;
    }

    /// The largest part of what the step of now has written that would be written at once, in bytes.
    pub(crate) fn largest_batch_bytes(&self, since: &Mark) -> usize {
        let mut begin = since.events;
        let ends = self
            .batch_ends
            .iter()
            .map(|end| usize::try_from(*end).unwrap_or_default());
        let ends = ends.filter(|end| *end > since.events).chain([self.events.len()]);
        let mut largest = 0;
        for end in ends {
            let batch = self.events.get(begin..end).unwrap_or_default();
            largest = largest.max(batch.iter().map(Stored::size_bytes).sum());
            begin = end;
        }
        usize::try_from(largest).unwrap_or_default()
    }

    /// Where the history stands.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            events: self.events.len(),
            held_back: self.held_back.clone(),
            size_bytes: self.size_bytes,
            committed_size_bytes: self.committed_size_bytes,
            batch_ends: self.batch_ends.len(),
            fresh: self.fresh.len(),
        }
    }

    /// Takes back what was written since.
    pub(crate) fn go_back(&mut self, mark: Mark) {
        self.events.truncate(mark.events);
        self.batch_ends.truncate(mark.batch_ends);
        self.fresh.truncate(mark.fresh);
        self.before_late_flush = None;
        self.held_back = mark.held_back;
        self.size_bytes = mark.size_bytes;
        self.committed_size_bytes = mark.committed_size_bytes;
    }

    fn end_batch(&mut self) {
        let last = self.last_event_id();
        if last > 0 && self.batch_ends.last() != Some(&last) {
            self.batch_ends.push(last);
        }
    }

    /// Whether a batch ends with this event.
    pub(crate) fn is_batch_end(&self, event_id: i64) -> bool {
        self.batch_ends.binary_search(&event_id).is_ok()
    }

    /// The id that the next event will get.
    pub(crate) fn next_event_id(&self) -> i64 {
        self.events.len() as i64 + 1
    }

    /// The id of the last event, 0 if there is none.
    pub(crate) fn last_event_id(&self) -> i64 {
        self.events.len() as i64
    }

    /// All events that have an id, in order.
    pub(crate) fn events(&self) -> Vec<HistoryEvent> {
        self.events.iter().map(Stored::event).collect()
    }

    /// The event that began the run.
    pub(crate) fn first(&self) -> Option<HistoryEvent> {
        self.events.first().map(Stored::event)
    }

    /// The sum of the events' encoded sizes, in bytes.
    pub(crate) fn size_bytes(&self) -> i64 {
        self.size_bytes
    }

    /// The events that there are, and those that wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.events.len(), self.held_back.len())
    }

    /// Whether events wait for the started workflow task to end.
    pub(crate) fn has_held_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// The sum of their encoded sizes, in bytes.
    pub(crate) fn held_back_bytes(&self) -> usize {
        self.held_back.iter().map(prost::Message::encoded_len).sum()
    }

    /// The events that wait.
    pub(crate) fn held_back(&self) -> &[HistoryEvent] {
        &self.held_back
    }

    /// Adds an event; its type, id and time are derived here and nowhere else.
    ///
    /// Gives the event's id, or [`BUFFERED_EVENT_ID`] if it is held back.
    pub(crate) fn emit(&mut self, now: Timestamp, mut event: NewEvent) -> i64 {
        // Events are large, so it is completed where it is.
        let NewEvent { event, at } = &mut event;
        let event_type = event.attributes.as_ref().map(event_type).unwrap_or_default();
        let fresh = self.tell(event_type, event.attributes.as_ref());
        self.fresh.push(fresh);
        event.event_time = Some(timestamp(at.unwrap_or(now)));
        event.event_type = event_type as i32;
        event.worker_may_ignore = worker_may_ignore(event_type);
        if is_buffered_during_workflow_task(event_type) {
            event.event_id = BUFFERED_EVENT_ID;
            self.held_back.push(std::mem::take(event));
            return BUFFERED_EVENT_ID;
        }
        event.event_id = self.next_event_id();
        self.append(event)
    }

    /// What was emitted since the last call.
    pub(crate) fn take_fresh(&mut self) -> impl Iterator<Item = Fresh> {
        self.fresh.drain(..)
    }

    fn tell(&self, event_type: EventType, attributes: Option<&Attributes>) -> Fresh {
        use Attributes as A;
        use MomentKind as M;
        let untold = Fresh {
            event_type,
            moment: None,
            name: String::new(),
        };
        let Some(attributes) = attributes else {
            return untold;
        };
        let (moment, name) = match attributes {
            A::WorkflowExecutionSignaledEventAttributes(signaled) => (M::SignalRecorded, signaled.signal_name.clone()),
            A::WorkflowTaskCompletedEventAttributes(_) => (M::WorkflowTaskCompleted, String::new()),
            A::TimerFiredEventAttributes(fired) => (M::TimerFired, fired.timer_id.clone()),
            A::ActivityTaskCompletedEventAttributes(it) => (M::ActivityCompleted, self.activity(it.scheduled_event_id)),
            A::ActivityTaskFailedEventAttributes(it) => (M::ActivityFailed, self.activity(it.scheduled_event_id)),
            A::ActivityTaskTimedOutEventAttributes(it) => (M::ActivityTimedOut, self.activity(it.scheduled_event_id)),
            A::WorkflowExecutionCompletedEventAttributes(_) => (M::WorkflowClosed, "completed".to_owned()),
            A::WorkflowExecutionFailedEventAttributes(_) => (M::WorkflowClosed, "failed".to_owned()),
            A::WorkflowExecutionCanceledEventAttributes(_) => (M::WorkflowClosed, "canceled".to_owned()),
            A::WorkflowExecutionTerminatedEventAttributes(_) => (M::WorkflowClosed, "terminated".to_owned()),
            A::WorkflowExecutionTimedOutEventAttributes(_) => (M::WorkflowClosed, "timed_out".to_owned()),
            A::WorkflowExecutionContinuedAsNewEventAttributes(_) => (M::WorkflowClosed, "continued_as_new".to_owned()),
            _ => return untold,
        };
        Fresh {
            event_type,
            moment: Some(moment),
            name,
        }
    }

    /// The type of the activity that this event scheduled.
    fn activity(&self, scheduled_event_id: i64) -> String {
        let place = usize::try_from(scheduled_event_id - 1).ok();
        let scheduled = place.and_then(|place| self.events.get(place));
        scheduled.map(Stored::activity_type).unwrap_or_default()
    }

    /// Puts on an event what a worker attached to its command. Nothing happens if there is no such event.
    pub(crate) fn annotate(&mut self, event_id: i64, annotation: Annotation) {
        if annotation.user_metadata.is_none() && annotation.event_group_markers.is_empty() {
            return;
        }
        let index = usize::try_from(event_id - 1).ok();
        let Some(stored) = index.and_then(|index| self.events.get_mut(index)) else {
            return;
        };
        let mut event = stored.event();
        event.user_metadata = annotation.user_metadata.or(event.user_metadata);
        event.event_group_markers = annotation.event_group_markers;
        self.size_bytes -= stored.size_bytes();
        *stored = Stored::new(&event);
        self.size_bytes += stored.size_bytes();
    }

    /// Gives the events that were held back their ids and places: results last, else in order of arrival.
    pub(crate) fn flush(&mut self) -> Flushed {
        let mut events = std::mem::take(&mut self.held_back);
        events.sort_by_key(|event| is_result(event.event_type()));
        let mut flushed = Flushed::default();
        for event in &mut events {
            event.event_id = self.next_event_id();
            let event_id = event.event_id;
            match event.attributes.as_mut() {
                Some(Attributes::ActivityTaskStartedEventAttributes(started)) => {
                    flushed.started_ids.insert(started.scheduled_event_id, event_id);
                }
                Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(started)) => {
                    flushed.started_ids.insert(started.initiated_event_id, event_id);
                }
                Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(updated)) => {
                    flushed.note_request(&updated.attached_request_id, event_id);
                }
                Some(Attributes::WorkflowExecutionSignaledEventAttributes(signaled)) => {
                    flushed.note_request(&signaled.request_id, event_id);
                }
                Some(attributes) => link_to_started(attributes, &flushed.started_ids),
                None => {}
            }
            self.append(event);
        }
        flushed
    }

    /// Takes back a timer's fired event that is held back: the workflow has cancelled the timer meanwhile.
    pub(crate) fn take_held_back_timer(&mut self, timer_id: &str) -> Option<i64> {
        let (index, started_event_id) = self.held_back_timer(timer_id)?;
        self.held_back.remove(index);
        Some(started_event_id)
    }

    /// Where a timer's fired event is held back, and its started event's id.
    pub(crate) fn held_back_timer(&self, timer_id: &str) -> Option<(usize, i64)> {
        self.held_back
            .iter()
            .enumerate()
            .find_map(|(index, event)| match &event.attributes {
                Some(Attributes::TimerFiredEventAttributes(fired)) if fired.timer_id == timer_id => {
                    Some((index, fired.started_event_id))
                }
                _ => None,
            })
    }

    /// Whether the event is held back by which this nexus operation ended.
    pub(crate) fn has_held_back_nexus_end(&self, scheduled_event_id: i64) -> bool {
        use Attributes as A;
        self.held_back.iter().any(|event| {
            let ended = match &event.attributes {
                Some(A::NexusOperationCompletedEventAttributes(end)) => end.scheduled_event_id,
                Some(A::NexusOperationFailedEventAttributes(end)) => end.scheduled_event_id,
                Some(A::NexusOperationCanceledEventAttributes(end)) => end.scheduled_event_id,
                Some(A::NexusOperationTimedOutEventAttributes(end)) => end.scheduled_event_id,
                _ => return false,
            };
            ended == scheduled_event_id
        })
    }

    /// Drops what is held back: the run has been closed from outside.
    pub(crate) fn discard_held_back(&mut self) {
        self.held_back.clear();
    }

    /// The event that ended the run, if it has ended.
    pub(crate) fn close_event(&self) -> Option<HistoryEvent> {
        let last = self.events.last().map(Stored::event);
        last.filter(|event| is_close(event.event_type()))
    }

    /// Events are large: who writes one lends it.
    fn append(&mut self, event: &mut HistoryEvent) -> i64 {
        let event_id = event.event_id;
        event.task_id = FIRST_TASK_ID + event_id;
        // Temporal's own rule: what follows a started workflow task is never in one batch with it.
        let ends_batch = event.event_type() == EventType::WorkflowTaskStarted;
        let stored = Stored::new(event);
        self.size_bytes += stored.size_bytes();
        self.events.push(stored);
        if ends_batch {
            self.end_batch();
        }
        event_id
    }
}

impl Flushed {
    fn note_request(&mut self, request_id: &str, event_id: i64) {
        if !request_id.is_empty() {
            self.request_ids.push((request_id.to_owned(), event_id));
        }
    }
}

/// An event before it has an id and a time.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    event: HistoryEvent,
    at: Option<Timestamp>,
}

impl NewEvent {
    pub(crate) fn attributes(&self) -> Option<&Attributes> {
        self.event.attributes.as_ref()
    }

    /// With the summary and details that the caller attached.
    pub(crate) fn with_user_metadata(
        mut self,
        user_metadata: Option<temporalio_protos::temporal::api::sdk::v1::UserMetadata>,
    ) -> Self {
        self.event.user_metadata = user_metadata;
        self
    }

    /// With links to other executions.
    pub(crate) fn with_links(mut self, links: Vec<temporalio_protos::temporal::api::common::v1::Link>) -> Self {
        self.event.links = links;
        self
    }

    /// With another time than now.
    pub(crate) fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }
}

impl<A: Into<Attributes>> From<A> for NewEvent {
    fn from(attributes: A) -> Self {
        Self {
            event: HistoryEvent {
                attributes: Some(attributes.into()),
                ..Default::default()
            },
            at: None,
        }
    }
}

/// Whether an event of this type ends a run.
pub(crate) fn is_close(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::WorkflowExecutionCompleted
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionTerminated
            | E::WorkflowExecutionTimedOut
            | E::WorkflowExecutionContinuedAsNew
    )
}

/// Fills in the id of the started event, which had none when the result was written.
fn link_to_started(attributes: &mut Attributes, started_ids: &StartedIds) {
    use Attributes as A;
    let (origin, started) = match attributes {
        A::ActivityTaskCompletedEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ActivityTaskFailedEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ActivityTaskTimedOutEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ActivityTaskCanceledEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionCompletedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionFailedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionCanceledEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionTimedOutEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionTerminatedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        _ => return,
    };
    if *started == BUFFERED_EVENT_ID
        && let Some(event_id) = started_ids.get(&origin)
    {
        *started = *event_id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::history::v1 as history;

    fn types(log: &Log) -> Vec<EventType> {
        log.events().iter().map(HistoryEvent::event_type).collect()
    }

    #[test]
    fn held_back_events_come_in_order_with_results_last_and_linked() {
        let mut log = Log::default();
        let now = Timestamp::EPOCH_OF_TESTS;
        log.emit(now, history::WorkflowExecutionStartedEventAttributes::default().into());
        log.emit(
            now,
            history::ActivityTaskStartedEventAttributes {
                scheduled_event_id: 5,
                ..Default::default()
            }
            .into(),
        );
        log.emit(
            now,
            history::ActivityTaskCompletedEventAttributes {
                scheduled_event_id: 5,
                started_event_id: BUFFERED_EVENT_ID,
                ..Default::default()
            }
            .into(),
        );
        log.emit(now, history::WorkflowExecutionSignaledEventAttributes::default().into());
        assert_eq!(log.last_event_id(), 1);

        let started = log.flush().started_ids;

        assert_eq!(
            types(&log),
            [
                EventType::WorkflowExecutionStarted,
                EventType::ActivityTaskStarted,
                EventType::WorkflowExecutionSignaled,
                EventType::ActivityTaskCompleted
            ]
        );
        assert_eq!(started.get(&5), Some(&2));
        let Some(Attributes::ActivityTaskCompletedEventAttributes(completed)) = &log.events()[3].attributes else {
            panic!("{:?}", log.events()[3]);
        };
        assert_eq!(completed.started_event_id, 2);
        assert!(!log.has_held_back());
    }

    #[test]
    fn pages_never_pass_the_end() {
        let mut log = Log::default();
        for _ in 0..3 {
            log.emit(
                Timestamp::EPOCH_OF_TESTS,
                history::MarkerRecordedEventAttributes::default().into(),
            );
        }
        assert_eq!(log.page(1, 2).0.len(), 2);
        assert_eq!(log.page(1, 2).1, 3);
        assert_eq!(log.page(3, 2).0.len(), 1);
        assert_eq!(log.page(99, 2).0.len(), 0);
        assert_eq!(log.page(-5, usize::MAX).0.len(), 3);
    }

    #[test]
    fn a_prefix_knows_where_its_batches_end() {
        let now = Timestamp::EPOCH_OF_TESTS;
        let mut log = Log::default();
        log.emit(now, history::WorkflowExecutionStartedEventAttributes::default().into());
        log.emit(now, history::WorkflowTaskScheduledEventAttributes::default().into());
        log.commit();
        log.commit();
        log.emit(now, history::WorkflowTaskStartedEventAttributes::default().into());
        log.emit(now, history::WorkflowTaskCompletedEventAttributes::default().into());
        log.commit();
        let ends = |log: &Log| (0..=5).filter(|id| log.is_batch_end(*id)).collect::<Vec<_>>();
        assert_eq!(ends(&log), [2, 3, 4]);

        let prefix = Log::prefix(&log, 3);

        assert_eq!(prefix.last_event_id(), 3);
        assert_eq!(ends(&prefix), [2, 3]);
        assert!(prefix.size_bytes() < log.size_bytes());
    }
}
