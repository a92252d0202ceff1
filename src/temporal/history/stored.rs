//! An event as it is kept: encoded. A decoded one takes some kilobytes, whatever is in it, and workflows that wait have
//! nothing else that is big.

use prost::{Message, encode_length_delimiter, length_delimiter_len};
use temporalio_protos::temporal::api::common::v1::ActivityType;
use temporalio_protos::temporal::api::history::v1::HistoryEvent;

/// With fewer causes an event can't have so many messages inside one another that it isn't decoded again: the decoder takes a hundred.
const SHALLOW_CAUSES: usize = 64;

/// The tag of `Failure.cause`, the only field of an event by which a message comes to be inside its own kind.
const CAUSE: u8 = 0x22;

/// The tag of `History.events`.
const EVENTS: u8 = 0x0A;

/// An event that is written.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Encoded(Box<[u8]>),
    /// A hostile failure with causes without end: what came in at the decoder's limit is beyond it inside an event.
    Deep(Box<HistoryEvent>),
}

/// What is read of an event for the name of the activity that it scheduled.
#[derive(prost::Message)]
struct ActivityScheduled {
    #[prost(message, optional, tag = "15")]
    attributes: Option<ActivityScheduledAttributes>,
}

#[derive(prost::Message)]
struct ActivityScheduledAttributes {
    #[prost(message, optional, tag = "2")]
    activity_type: Option<ActivityType>,
}

impl Stored {
    pub(super) fn new(event: &HistoryEvent) -> Self {
        let bytes = event.encode_to_vec();
        // As many causes at most: the byte stands for other things, too, and each cause has a length as well.
        let has_room = bytes.len() >= 2 * SHALLOW_CAUSES;
        let is_shallow = !has_room || count_of(CAUSE, &bytes) < SHALLOW_CAUSES;
        match is_shallow || HistoryEvent::decode(bytes.as_slice()).is_ok() {
            true => Self::Encoded(bytes.into()),
            false => Self::Deep(Box::new(event.clone())),
        }
    }

    pub(super) fn event(&self) -> HistoryEvent {
        match self {
            // It is decoded before it is kept.
            Self::Encoded(bytes) => HistoryEvent::decode(&**bytes).unwrap_or_default(),
            Self::Deep(event) => HistoryEvent::clone(event),
        }
    }

    /// The type of the activity that the event scheduled; empty if it scheduled none.
    pub(super) fn activity_type(&self) -> String {
        let Self::Encoded(bytes) = self else {
            return String::new();
        };
        let scheduled = ActivityScheduled::decode(&**bytes).unwrap_or_default();
        let activity_type = scheduled.attributes.and_then(|attributes| attributes.activity_type);
        activity_type.unwrap_or_default().name
    }

    /// Writes the event as one of a `History`.
    pub(super) fn write_to(&self, history: &mut Vec<u8>) {
        history.push(EVENTS);
        match self {
            Self::Encoded(bytes) => {
                // A vector takes any length.
                let _ = encode_length_delimiter(bytes.len(), history);
                history.extend_from_slice(bytes);
            }
            Self::Deep(event) => history.extend_from_slice(&event.encode_length_delimited_to_vec()),
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

/// In pieces whose count fits a byte: so the processor looks at many bytes at once.
fn count_of(wanted: u8, bytes: &[u8]) -> usize {
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte == wanted)).sum::<u8>();
    bytes.chunks(128).map(|piece| usize::from(count(piece))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::history_json::descriptor;
    use prost_reflect::{Kind, MessageDescriptor};
    use temporalio_protos::temporal::api::failure::v1::Failure;
    use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
    use temporalio_protos::temporal::api::history::v1::{
        ActivityTaskFailedEventAttributes, ActivityTaskScheduledEventAttributes, History,
    };

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

    /// What [`CAUSE`] and [`SHALLOW_CAUSES`] say of Temporal's protobuf: without causes nothing is deep.
    #[test]
    fn only_the_cause_of_a_failure_is_a_message_inside_its_own_kind() {
        /// How deep messages of this kind can be, and the fields by which they come to be inside their own kind.
        fn walk(
            kind: &MessageDescriptor,
            above: &mut Vec<String>,
            own_kind: &mut BTreeSet<(String, String, u32)>,
        ) -> usize {
            above.push(kind.full_name().to_owned());
            let mut depth = 0;
            for field in kind.fields() {
                let Kind::Message(of) = field.kind() else {
                    continue;
                };
                if above.iter().any(|name| name == of.full_name()) {
                    own_kind.insert((kind.full_name().to_owned(), of.full_name().to_owned(), field.number()));
                } else {
                    depth = depth.max(walk(&of, above, own_kind));
                }
            }
            above.pop();
            depth + 1
        }

        let mut own_kind = BTreeSet::new();
        let depth = walk(&descriptor(), &mut Vec::new(), &mut own_kind);

        let failure = "temporal.api.failure.v1.Failure".to_owned();
        let length_delimited = 2;
        assert_eq!(own_kind, [(failure.clone(), failure, u32::from(CAUSE >> 3))].into());
        assert_eq!(CAUSE & 7, length_delimited);
        assert!(depth + SHALLOW_CAUSES < 100, "{depth}");
    }

    #[test]
    fn the_name_of_an_activity_is_read_from_the_event_that_scheduled_it_and_from_no_other() {
        let activity_type = Some(ActivityType { name: "pay".to_owned() });
        let scheduled = HistoryEvent {
            attributes: Some(Attributes::ActivityTaskScheduledEventAttributes(
                ActivityTaskScheduledEventAttributes {
                    activity_id: "7".to_owned(),
                    activity_type,
                    ..Default::default()
                },
            )),
            ..failed(0)
        };
        assert_eq!(Stored::new(&scheduled).activity_type(), "pay");
        assert_eq!(Stored::new(&failed(3)).activity_type(), "");
        assert_eq!(Stored::new(&failed(200)).activity_type(), "");
    }

    #[test]
    fn an_event_comes_out_as_it_went_in_however_deep_it_is() {
        for causes in [0, 1, 40, 60, 95, 98, 99, 100, 200] {
            let event = failed(causes);
            let stored = Stored::new(&event);
            assert_eq!(stored.event(), event, "{causes}");
            let batch = History { events: vec![event] };
            assert_eq!(stored.size_bytes(), batch.encoded_len() as i64);
            let mut written = Vec::new();
            stored.write_to(&mut written);
            assert_eq!(written, batch.encode_to_vec());
        }
    }
}
