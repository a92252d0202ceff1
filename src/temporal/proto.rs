//! Between the engine's times and durations and the wire's.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::{Payload, Payloads};

use crate::clock::Timestamp;

/// A moment, as the wire writes it.
pub(crate) fn timestamp(moment: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(moment.as_seconds()).unwrap_or(i64::MAX),
        nanos: moment.subsecond_nanoseconds().cast_signed(),
    }
}

/// A moment from the wire; one outside of what virtual time covers is its nearest.
pub(crate) fn moment(wire: &prost_types::Timestamp) -> Timestamp {
    let seconds = u64::try_from(wire.seconds).unwrap_or(0);
    let nanoseconds = u64::try_from(wire.nanos).unwrap_or(0);
    Timestamp::from_seconds(seconds) + Duration::from_nanos(nanoseconds)
}

/// A duration, as the wire writes it.
pub(crate) fn proto_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: duration.subsec_nanos().cast_signed(),
    }
}

/// A duration from the wire; absent, zero and negative ones all mean "none".
pub(crate) fn duration(wire: Option<&prost_types::Duration>) -> Option<Duration> {
    let wire = wire?;
    let seconds = u64::try_from(wire.seconds).ok()?;
    let nanoseconds = u32::try_from(wire.nanos).ok()?;
    let duration = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(u64::from(nanoseconds)));
    (!duration.is_zero()).then_some(duration)
}

/// Whether a duration from the wire is below zero, which Temporal refuses everywhere.
pub(crate) fn is_negative(wire: Option<&prost_types::Duration>) -> bool {
    wire.is_some_and(|wire| wire.seconds < 0 || wire.nanos < 0)
}

/// One string as a JSON payload, as Temporal's own details are encoded.
pub(crate) fn string_payloads(text: &str) -> Payloads {
    Payloads {
        payloads: vec![Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: format!("{text:?}").into_bytes(),
            ..Default::default()
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_as_they_went() {
        let now = Timestamp::EPOCH_OF_TESTS + Duration::from_nanos(7);
        assert_eq!(moment(&timestamp(now)), now);
        let hostile = prost_types::Timestamp {
            seconds: -1,
            nanos: i32::MIN,
        };
        assert_eq!(moment(&hostile), Timestamp::default());
    }

    #[test]
    fn hostile_durations_mean_none() {
        let wire = |seconds, nanos| prost_types::Duration { seconds, nanos };
        assert_eq!(duration(None), None);
        assert_eq!(duration(Some(&wire(0, 0))), None);
        assert_eq!(duration(Some(&wire(-1, 0))), None);
        assert_eq!(duration(Some(&wire(1, -1))), None);
        assert!(is_negative(Some(&wire(1, -1))));
        assert_eq!(duration(Some(&wire(2, 5))), Some(Duration::new(2, 5)));
        assert!(duration(Some(&wire(i64::MAX, i32::MAX))).is_some());
    }
}
