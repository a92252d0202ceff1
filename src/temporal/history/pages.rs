//! A history in pages, as clients and workers get it.

use temporalio_protos::temporal::api::history::v1::HistoryEvent;

use super::Log;
use super::stored::Stored;

impl Log {
    /// Events from `first_event_id` on, at most `limit`, and the id after the last of them.
    pub(crate) fn page(&self, first_event_id: i64, limit: usize) -> (Vec<HistoryEvent>, i64) {
        let range = self.range(first_event_id, limit);
        let events = range.iter().map(Stored::event).collect();
        (events, self.next_after(first_event_id, range.len()))
    }

    /// As [`Self::page`], as an encoded `History`.
    pub(crate) fn encoded_page(&self, first_event_id: i64, limit: usize) -> (Vec<u8>, i64) {
        let range = self.range(first_event_id, limit);
        let size_bytes: i64 = range.iter().map(Stored::size_bytes).sum();
        let mut history = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
        range.iter().for_each(|event| event.write_to(&mut history));
        (history, self.next_after(first_event_id, range.len()))
    }

    fn next_after(&self, first_event_id: i64, count: usize) -> i64 {
        let first = usize::try_from(first_event_id.max(1) - 1).unwrap_or(usize::MAX);
        (first.min(self.events.len()) + count + 1) as i64
    }

    pub(super) fn range(&self, first_event_id: i64, limit: usize) -> &[Stored] {
        let first = usize::try_from(first_event_id.max(1) - 1)
            .unwrap_or(usize::MAX)
            .min(self.events.len());
        let last = first.saturating_add(limit).min(self.events.len());
        &self.events[first..last]
    }
}
