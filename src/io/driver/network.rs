//! What a world needs that is served over a network: real time, and calls that don't wait forever.

use std::time::Duration;

use super::super::wall::Wall;
use super::calls::{Begun, gone};
use super::{Driver, RpcAnswer, State};
use crate::clock::Timestamp;
use crate::world::{Input, World};

/// What one step of a move through time came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One thing happened.
    Fired,
    /// It is the moment that was named, and nothing is due before.
    Arrived,
    /// Somebody is at work.
    Busy,
    /// Time is held.
    Held,
}

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
        let (in_flight, mut answer) = match self.begin_rpc(connection, service, method, request)? {
            Begun::Answered(answer) => return answer,
            Begun::Waits(in_flight, answer) => (in_flight, answer),
        };
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

    /// From now on the world follows the wall clock, which shows `moment`: whatever comes in finds it at that clock's moment. A world that
    /// is ahead of it stays so.
    pub(crate) fn follow_wall_clock(&self, moment: Timestamp) {
        let mut state = self.lock();
        let now = state.world.now().max(moment);
        state.set_wall_clock(now);
    }

    /// Lets happen what is due by the wall clock.
    pub(crate) fn catch_up(&self) {
        self.write(|_| ());
    }

    /// How long it is until something is due by the wall clock; `None` if nothing is, if time is held, or if the world doesn't
    /// follow that clock. From now on [`Driver::due_sooner`] tells of what is due before that.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let mut state = self.lock();
        let due = state.next_due();
        state.awaited = due.unwrap_or(Timestamp::MAX);
        Some(state.wall?.until(due?))
    }

    /// Jumps to the next deadline and fires what is due first there, if nothing moves by itself and `may` agrees. Gives whether it did.
    pub(crate) fn skip(&self, may: impl FnOnce(&World) -> bool) -> bool {
        let mut state = self.enter();
        // What has just become due by the wall clock may be a webhook, which is on its way only when it has been sent.
        if self.send_outputs(&mut state) {
            self.tell(&mut state);
        }
        let Some(deadline) = state.world.poll_timeout() else {
            return false;
        };
        if !state.is_quiet() || !may(&state.world) {
            return false;
        }
        state.world.handle_timeout(deadline);
        state.take_wall_clock_along();
        self.carry_out(&mut state);
        true
    }

    /// Takes one step of a move to `until`: fires the one thing that is due next, or arrives. Nothing happens while time is held or
    /// somebody is at work.
    pub(crate) fn step_towards(&self, until: Timestamp) -> Step {
        let mut state = self.enter();
        // What has just become due by the wall clock may be a webhook, which is on its way only when it has been sent.
        if self.send_outputs(&mut state) {
            self.tell(&mut state);
        }
        if state.world.held_by().next().is_some() {
            return Step::Held;
        }
        if !state.is_quiet() {
            return Step::Busy;
        }
        if state.world.is_clock_held() {
            return Step::Held;
        }
        let fired = state.world.handle_timeout(until);
        if !fired {
            state.world.set_time(until);
        }
        state.take_wall_clock_along();
        self.carry_out(&mut state);
        match fired {
            true => Step::Fired,
            false => Step::Arrived,
        }
    }

    /// How long, in real time, somebody may be at work before those who wait for time are told.
    pub(crate) fn grace(&self) -> Duration {
        self.shared.grace.0
    }

    /// The next change of the world. Enable it before looking at the world, so that no change falls between the two.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.changed.notified()
    }

    /// Something is due before the moment that [`Driver::next_due`] gave last. Enable it before asking that.
    pub(crate) fn due_sooner(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.due_sooner.notified()
    }
}

impl State {
    fn set_wall_clock(&mut self, moment: Timestamp) {
        self.wall = Some(Wall::set_to(moment));
        // However far away the next moment was, it is another one now.
        self.awaited = Timestamp::MAX;
    }

    /// The world was moved: the wall clock goes on from there.
    fn take_wall_clock_along(&mut self) {
        if self.wall.is_some() {
            self.set_wall_clock(self.world.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use tokio::sync::mpsc;

    use super::*;
    use crate::human::{Config, Delivery, Timing};
    use crate::io::{Grace, driver};
    use crate::temporal::HandOut;

    /// A world on real time in which nobody moves by himself.
    fn driver() -> (Driver, mpsc::UnboundedReceiver<driver::Delivery>) {
        let config = Config::new(Box::new(|_| "sha256=00".to_owned()));
        let world = World::new(0, HandOut::Parallel, config);
        let (driver, outgoing) = Driver::new(world, Grace(Duration::from_secs(3)));
        driver.follow_wall_clock(Timestamp::default());
        (driver, outgoing)
    }

    async fn create_task(driver: &Driver, key: &str, timeout_seconds: u64) {
        let body = serde_json::json!({
            "task": key,
            "payload": {},
            "payload_schema": {},
            "response_schema": {},
            "timeout_seconds": timeout_seconds,
            "idempotency_key": key,
            "callback_url": "http://127.0.0.1:9/callback",
        });
        let request = http::Request::post("/api/tasks")
            .header("authorization", "Bearer testkit-admin-token")
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("it is a request");
        let response = driver.http(request).await.expect("the server is up");
        assert_eq!(response.status(), 201, "{:?}", response.body());
    }

    #[tokio::test]
    async fn time_waits_for_the_webhook_of_a_task_that_has_just_expired() {
        let (driver, mut outgoing) = driver();
        create_task(&driver, "soon", 60).await;
        create_task(&driver, "late", 3_600).await;

        while driver.skip(|_| true) {}

        let deliveries: Vec<Delivery> = driver.read(|world| world.human().deliveries().cloned().collect());
        assert_eq!(deliveries.len(), 1, "{deliveries:?}");
        assert!(outgoing.try_recv().is_ok(), "its webhook is on its way");
        let waited = driver.read(World::now).since(deliveries[0].created_at);
        assert!(waited < Duration::from_secs(60), "{waited:?}");
    }

    /// Whether a change is one that who keeps the wall clock's time is woken for.
    async fn is_told_of(driver: &Driver, change: impl Future<Output = ()>) -> bool {
        let sooner = driver.due_sooner();
        tokio::pin!(sooner);
        sooner.as_mut().enable();
        driver.next_due();
        change.await;
        sooner.now_or_never().is_some()
    }

    #[tokio::test]
    async fn who_keeps_the_time_is_told_only_of_what_comes_sooner() {
        let (driver, mut outgoing) = driver();
        assert!(is_told_of(&driver, create_task(&driver, "first", 600)).await);
        assert!(!is_told_of(&driver, create_task(&driver, "later", 3_600)).await);
        assert!(is_told_of(&driver, create_task(&driver, "sooner", 60)).await);

        // Moved along, the world is nearer to what it waits for.
        let until = driver.read(World::now) + Duration::from_secs(30);
        let moved = async { while driver.step_towards(until) != Step::Arrived {} };
        assert!(is_told_of(&driver, moved).await);

        let hold = driver.write(|world| world.hold("a look around"));
        assert_eq!(driver.next_due(), None);
        let released = async { assert!(driver.write(|world| world.release(hold))) };
        assert!(is_told_of(&driver, released).await);
        assert!(outgoing.try_recv().is_err(), "nothing has expired meanwhile");
    }

    #[tokio::test]
    async fn a_webhook_without_ticks_leaves_with_the_answer() {
        let mut config = Config::new(Box::new(|_| "sha256=00".to_owned()));
        config.timing = Timing::Exact;
        let world = World::new(0, HandOut::Parallel, config);
        let (driver, mut outgoing) = Driver::new(world, Grace(Duration::from_secs(3)));
        driver.follow_wall_clock(Timestamp::default());
        create_task(&driver, "a", 60).await;
        let id = driver.read(|world| world.human().tasks().next().map(|task| task.id.clone()));
        let request = http::Request::post(format!("/api/tasks/{}/cancel", id.unwrap_or_default()))
            .header("authorization", "Bearer testkit-admin-token")
            .body(Bytes::new())
            .expect("it is a request");
        driver.http(request).await.expect("the server is up");
        assert!(outgoing.try_recv().is_ok());
    }
}
