//! What is on its way for a while, by a fault.

use bytes::Bytes;

use super::webhooks::Shipment;
use super::{Output, World};
use crate::fault::RuleId;
use crate::human::{self, AttemptId, DeliveryOutcome};
use crate::temporal::{Call, Ticket, WaitId};

/// Who waits for a call that is delayed.
#[derive(Debug)]
pub(super) enum Waiting {
    Worker(WaitId),
    /// A client, and the webhooks that it is at work on.
    Client(Vec<AttemptId>),
}

/// Something that a fault brings about at a time.
#[derive(Debug)]
pub(super) enum Later {
    /// A rule's time has come.
    Rule(RuleId),
    /// A gRPC call arrives.
    Call {
        ticket: Ticket,
        connection: u64,
        service: String,
        method: String,
        request: Vec<u8>,
        caller: Waiting,
    },
    /// A request to awaithumans arrives.
    Request {
        ticket: Ticket,
        request: http::Request<Bytes>,
        /// The workers that may have made it.
        waiting: WaitId,
    },
    /// The awaithumans server gives up on its database, and answers a request so.
    NoDatabase {
        ticket: Ticket,
        /// The workers that may have made the request.
        waiting: WaitId,
    },
    /// A webhook arrives.
    Webhook(Shipment),
    /// A webhook's sender gives up.
    Outcome(AttemptId, DeliveryOutcome),
    /// A worker starts again.
    StartWorker { identity: String },
    /// The awaithumans server starts again.
    StartServer,
    /// Nothing goes wrong any more.
    EndFaults,
}

impl World {
    pub(super) fn bring_about(&mut self, later: Later) {
        match later {
            Later::Rule(id) => self.rule_is_due(id),
            Later::Call {
                ticket,
                connection,
                service,
                method,
                request,
                caller,
            } => {
                self.end_delay(caller);
                if !self.calls.arrives(ticket, &method) {
                    return;
                }
                let call = Call {
                    now: self.temporal_now(),
                    ticket,
                    connection,
                    service: &service,
                    method: &method,
                };
                self.carry_call_out(call, &request);
            }
            Later::Request {
                ticket,
                request,
                waiting,
            } => {
                self.end_wait(waiting);
                self.serve_request(ticket, request);
            }
            Later::NoDatabase { ticket, waiting } => {
                self.end_wait(waiting);
                let response = human::internal_error(self.now + self.ahead.human);
                self.outputs.push_back(Output::Http { ticket, response });
            }
            Later::Webhook(shipment) => self.ship(shipment),
            Later::Outcome(attempt, outcome) => self.take_outcome(attempt, outcome),
            Later::StartWorker { identity } => self.start_worker(identity),
            Later::EndFaults => self.disarm_faults(),
            Later::StartServer => {
                let (human, now, journal) = self.human_mut();
                human.start(now, journal);
            }
        }
    }
}
