//! An event as it is kept: encoded. A decoded one takes some kilobytes, whatever is in it, and workflows that wait have
//! nothing else that is big.

use prost::{Message, length_delimiter_len};
use temporalio_protos::temporal::api::history::v1::HistoryEvent;

/// A shorter event can't have so many messages inside one another that it isn't decoded again: each takes two bytes, and
/// the decoder takes a hundred.
const SHALLOW_BYTES: usize = 128;

/// An event that is written.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Encoded(Box<[u8]>),
    /// A hostile failure with causes without end: what came in at the decoder's limit is beyond it inside an event.
    Deep(Box<HistoryEvent>),
}

impl Stored {
    pub(super) fn new(event: HistoryEvent) -> Self {
        let bytes = event.encode_to_vec();
        match bytes.len() <= SHALLOW_BYTES || HistoryEvent::decode(bytes.as_slice()).is_ok() {
            true => Self::Encoded(bytes.into()),
            false => Self::Deep(Box::new(event)),
        }
    }

    pub(super) fn event(&self) -> HistoryEvent {
        match self {
            // It is decoded before it is kept.
            Self::Encoded(bytes) => HistoryEvent::decode(&**bytes).unwrap_or_default(),
            Self::Deep(event) => HistoryEvent::clone(event),
        }
    }

    /// As the size of a history counts it: Temporal keeps each batch of events as one message, in which an event has a tag of
    /// a byte and its length.
    pub(super) fn size_bytes(&self) -> i64 {
        let bytes = match self {
            Self::Encoded(bytes) => bytes.len(),
            Self::Deep(event) => event.encoded_len(),
        };
        i64::try_from(1 + length_delimiter_len(bytes) + bytes).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::failure::v1::Failure;
    use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
    use temporalio_protos::temporal::api::history::v1::{ActivityTaskFailedEventAttributes, History};

    fn failed(causes: usize) -> HistoryEvent {
        let failure = (0..causes).fold(Failure::default(), |cause, _| Failure {
            cause: Some(Box::new(cause)),
            ..Default::default()
        });
        HistoryEvent {
            event_id: 7,
            attributes: Some(Attributes::ActivityTaskFailedEventAttributes(
                ActivityTaskFailedEventAttributes {
                    failure: Some(failure),
                    ..Default::default()
                },
            )),
            ..Default::default()
        }
    }

    #[test]
    fn an_event_comes_out_as_it_went_in_however_deep_it_is() {
        for causes in [0, 1, 40, 60, 95, 98, 99, 100, 200] {
            let event = failed(causes);
            let stored = Stored::new(event.clone());
            assert_eq!(stored.event(), event, "{causes}");
            let batch = History { events: vec![event] };
            assert_eq!(stored.size_bytes(), batch.encoded_len() as i64);
        }
    }
}
