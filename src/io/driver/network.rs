//! What a world needs that is served over a network: real time, and calls that don't wait forever.

use std::time::Duration;

use super::super::wall::Wall;
use super::{Driver, RpcAnswer, gone};
use crate::world::{Input, World};

impl Driver {
    /// A connection has ended, and no call of it is left.
    pub(crate) fn hang_up(&self, connection: u64) {
        self.write(|world| world.handle(Input::Disconnected { connection }));
    }

    /// Makes one gRPC call over a network: a call that waits ends by Temporal's limit, or before the caller gives up, which
    /// it does after `remaining`. Dropping the future abandons it.
    pub(crate) async fn rpc_with_limit(
        &self,
        connection: u64,
        service: &str,
        method: &str,
        request: &[u8],
        remaining: Option<Duration>,
    ) -> RpcAnswer {
        let (in_flight, mut answer) = self.begin_rpc(connection, service, method, request)?;
        let ticket = in_flight.ticket;
        let patience = self.read(|world| world.temporal().patience(ticket));
        let in_time = match patience {
            Some(patience) => {
                let wait = patience.wait(remaining, ticket);
                tokio::time::timeout(wait, &mut answer).await.ok()
            }
            None => Some((&mut answer).await),
        };
        let answered = match in_time {
            Some(answered) => answered,
            None => {
                self.write(|world| world.handle(Input::RpcExpired { ticket }));
                answer.await
            }
        };
        drop(in_flight);
        answered.unwrap_or_else(|_| Err(gone()))
    }

    /// From now on the world follows the wall clock: whatever comes in finds it at that clock's moment.
    pub(crate) fn follow_wall_clock(&self) {
        let mut state = self.lock();
        let now = state.world.now();
        state.wall = Some(Wall::set_to(now));
    }

    /// Lets happen what is due by the wall clock.
    pub(crate) fn catch_up(&self) {
        self.write(|_| ());
    }

    /// How long it is until something is due by the wall clock; `None` if nothing is, or the world doesn't follow it.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let state = self.lock();
        let wall = state.wall?;
        state.world.poll_timeout().map(|due| wall.until(due))
    }

    /// Jumps to the next deadline and fires what is due first there, if nothing moves by itself and `may` agrees. Gives whether it did.
    pub(crate) fn skip(&self, may: impl FnOnce(&World) -> bool) -> bool {
        let mut state = self.enter();
        let Some(deadline) = state.world.poll_timeout() else {
            return false;
        };
        if !state.is_quiet() || !may(&state.world) {
            return false;
        }
        state.world.handle_timeout(deadline);
        let now = state.world.now();
        state.wall = state.wall.map(|_| Wall::set_to(now));
        self.carry_out(&mut state);
        true
    }

    /// The next change of the world. Enable it before looking at the world, so that no change falls between the two.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.changed.notified()
    }
}
