//! Calls and requests on their way: who waits for which answer, and who goes without.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Driver, RpcAnswer, State};
use crate::temporal::{Reject, Ticket};
use crate::world::Input;

/// Who waits for an answer: the connection that the call came by, if it came by one, and the way back.
pub(super) type Waiting<T> = (Option<u64>, oneshot::Sender<T>);

impl Driver {
    /// Makes one gRPC call, which waits as long as it takes. Dropping the future abandons it.
    pub(crate) async fn rpc(&self, connection: u64, service: &str, method: &str, request: &[u8]) -> RpcAnswer {
        match self.begin_rpc(connection, service, method, request)? {
            Begun::Answered(answer) => answer,
            Begun::Waits(in_flight, answer) => {
                let answer = answer.await;
                drop(in_flight);
                answer.unwrap_or_else(|_| Err(gone()))
            }
        }
    }

    pub(super) fn begin_rpc(
        &self,
        connection: u64,
        service: &str,
        method: &str,
        request: &[u8],
    ) -> Result<Begun, Reject> {
        let (sender, mut answer) = oneshot::channel();
        let mut state = self.enter();
        if state.cut.contains(&connection) {
            return Err(Reject::NotFound("this connection has been cut".to_owned()));
        }
        let ticket = state.take_ticket();
        state.rpc.insert(ticket, (Some(connection), sender));
        state.world.handle(Input::Rpc {
            ticket,
            connection,
            service,
            method,
            request,
        });
        if let Some(answer) = self.carry_out_call(&mut state, ticket, &mut answer) {
            return Ok(Begun::Answered(answer));
        }
        let in_flight = InFlight {
            driver: self.clone(),
            ticket,
            kind: Kind::Rpc,
        };
        Ok(Begun::Waits(in_flight, answer))
    }

    /// Makes one request to the fake awaithumans server; `None` if it is down.
    pub(crate) async fn http(&self, request: http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        self.http_of(None, request).await
    }

    /// The same for a worker, which is known by its connection; nothing that one sends who has been killed reaches the world.
    pub(crate) async fn http_of(
        &self,
        worker: Option<u64>,
        request: http::Request<Bytes>,
    ) -> Option<http::Response<Bytes>> {
        let (sender, mut answer) = oneshot::channel();
        let in_flight = {
            let mut state = self.enter();
            if worker.is_some_and(|worker| state.cut.contains(&worker)) {
                return None;
            }
            let ticket = state.take_ticket();
            state.http.insert(ticket, (worker, sender));
            state.world.handle(Input::Http { ticket, request });
            state.fire_what_is_due_now();
            if let Some(answer) = self.carry_out_call(&mut state, ticket, &mut answer) {
                return answer;
            }
            InFlight {
                driver: self.clone(),
                ticket,
                kind: Kind::Http,
            }
        };
        let answer = answer.await.ok().flatten();
        drop(in_flight);
        answer
    }

    /// Carries out a call. Most are answered at once: then the client has its answer in the same step, and whoever is told of the step finds
    /// that it has.
    fn carry_out_call<T>(&self, state: &mut State, ticket: Ticket, answer: &mut oneshot::Receiver<T>) -> Option<T> {
        self.send_outputs(state);
        let answer = answer.try_recv().ok();
        if answer.is_some() {
            state.in_flight.remove(&ticket);
        }
        self.tell(state);
        answer
    }

    /// A call's future is gone: its client has the answer, or went away before.
    fn abandon(&self, ticket: Ticket, kind: Kind) {
        let mut state = self.enter();
        state.in_flight.remove(&ticket);
        let abandoned = match kind {
            Kind::Rpc => state.rpc.remove(&ticket).map(|_| Input::RpcAbandoned { ticket }),
            Kind::Http => state.http.remove(&ticket).map(|_| Input::HttpAbandoned { ticket }),
        };
        match abandoned {
            Some(input) => state.world.handle(input),
            // An answer was taken, which changes nothing but who is at work: while somebody else is, nobody needs to look.
            None if state.wall.is_none() && state.is_busy() => return,
            None => {}
        }
        self.carry_out(&mut state);
    }
}

/// The way back of a call. There is none to who has been cut off: whether it would still be heard there is chance.
pub(super) fn take_waiting<T>(
    waiting: &mut HashMap<Ticket, Waiting<T>>,
    cut: &BTreeSet<u64>,
    ticket: Ticket,
) -> Option<oneshot::Sender<T>> {
    let (connection, _) = waiting.get(&ticket)?;
    if connection.is_some_and(|connection| cut.contains(&connection)) {
        return None;
    }
    waiting.remove(&ticket).map(|(_, sender)| sender)
}

pub(super) fn gone() -> Reject {
    Reject::FailedPrecondition("the testkit has been dropped".to_owned())
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Rpc,
    Http,
}

/// A gRPC call that the world has taken.
pub(super) enum Begun {
    /// In the same step.
    Answered(RpcAnswer),
    /// It is parked, or a fault delays it.
    Waits(InFlight, oneshot::Receiver<RpcAnswer>),
}

/// A call whose future lives.
pub(super) struct InFlight {
    driver: Driver,
    pub(super) ticket: Ticket,
    kind: Kind,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.driver.abandon(self.ticket, self.kind);
    }
}
