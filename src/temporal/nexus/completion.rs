//! How an operation that goes on elsewhere tells its caller that it is done.

use temporalio_protos::temporal::api::common::v1::{Link, Payload};
use temporalio_protos::temporal::api::failure::v1::Failure;

use crate::clock::Timestamp;
use crate::temporal::nexus::{OperationId, OperationRef};
use crate::temporal::run::RunRef;

/// The header by which a callback finds the operation (`common/nexus/callback_token.go`).
pub(crate) const TOKEN_HEADER: &str = "temporal-callback-token";

/// The header that names the operation, for a completion that overtakes the answer to the start.
pub(crate) const OPERATION_TOKEN_HEADER: &str = "nexus-operation-token";

/// The longest operation token, in bytes (dynamic config `…limit.operation.token.length`).
pub(crate) const MAX_OPERATION_TOKEN_LENGTH: usize = 4_096;

/// Names the operation that a callback belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallbackToken {
    pub(crate) operation: OperationId,
    /// The id of the start request; the operation must still be the one that sent it.
    pub(crate) request_id: String,
}

impl CallbackToken {
    /// In the envelope of Temporal's own tokens; what is inside means something to this server only.
    pub(crate) fn encode(&self) -> String {
        let request_id = &self.request_id;
        let data = match self.operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => format!("{}.{scheduled_event_id}.{request_id}", run.0),
            OperationId::Standalone(operation) => format!("standalone.{}.{request_id}", operation.0),
        };
        format!("{{\"v\":1,\"d\":\"{data}\"}}")
    }

    /// From text that may be anything.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let data = text.strip_prefix("{\"v\":1,\"d\":\"")?.strip_suffix("\"}")?;
        let mut parts = data.splitn(3, '.');
        let (first, second) = (parts.next()?, parts.next()?);
        Some(Self {
            operation: match first {
                "standalone" => OperationId::Standalone(OperationRef(second.parse().ok()?)),
                run => OperationId::OfRun {
                    run: RunRef(run.parse().ok()?),
                    scheduled_event_id: second.parse().ok()?,
                },
            },
            request_id: parts.next()?.to_owned(),
        })
    }
}

/// What a callback says.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    /// For a completion that overtakes the answer to the start.
    pub(crate) operation_token: String,
    /// When the operation started, likewise.
    pub(crate) started_at: Timestamp,
    /// When it ended.
    pub(crate) closed_at: Timestamp,
    /// Links to what did the work, likewise.
    pub(crate) links: Vec<Link>,
    pub(crate) outcome: Outcome,
}

/// How an operation ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived: moved once, from one run's end into another's event"
)]
pub(crate) enum Outcome {
    Succeeded(Option<Payload>),
    Unsuccessful { canceled: bool, cause: Failure },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went_and_hostile_ones_are_none() {
        let of_run = OperationId::OfRun {
            run: RunRef(7),
            scheduled_event_id: 5,
        };
        for operation in [of_run, OperationId::Standalone(OperationRef(3))] {
            let token = CallbackToken {
                operation,
                request_id: "a.b".to_owned(),
            };
            assert_eq!(CallbackToken::decode(&token.encode()), Some(token));
        }
        for text in [
            "",
            "{}",
            "{\"v\":1,\"d\":\"\"}",
            "{\"v\":1,\"d\":\"1.x.y\"}",
            "{\"v\":1,\"d\":\"-1.1.y\"}",
            "{\"v\":1,\"d\":\"standalone.x.y\"}",
            "{\"v\":1,\"d\":\"standalone.1\"}",
        ] {
            assert_eq!(CallbackToken::decode(text), None, "{text}");
        }
    }
}
