//! Who moves time, and when: only inside a call that the test awaits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::error::Error;
use super::report;
use crate::clock::Timestamp;
use crate::io::{Driver, Pace};
use crate::journal::{Mark, Party};

/// How far virtual time may run in one call: a workflow that sleeps in a loop would never let it end.
const MAX_RUN: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Moves the clock. Clones share the count of callers.
#[derive(Clone, Debug)]
pub(super) struct Mover {
    driver: Driver,
    /// Calls of the test that move time themselves; meanwhile nobody else does.
    callers: Arc<AtomicUsize>,
}

impl Mover {
    pub(super) fn new(driver: Driver) -> Self {
        Self {
            driver,
            callers: Arc::new(AtomicUsize::new(0)),
        }
    }

    pub(super) async fn advance_to(&self, moment: Timestamp) -> Result<(), Error> {
        let _caller = self.enter();
        loop {
            self.settle().await?;
            if self.driver.fire_next(moment) == Pace::NothingDue {
                self.driver.write(|world| world.set_time(moment));
                return match self.driver.read(|world| world.is_clock_held() && world.now() < moment) {
                    // What it waits for needs time to come about, which is what it stops.
                    true => Err(self.stalled()),
                    false => Ok(()),
                };
            }
        }
    }

    pub(super) async fn run_until<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        let _caller = self.enter();
        let (limit, firings) = self
            .driver
            .read(|world| (world.now() + MAX_RUN, world.temporal().schedule_firings()));
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                settled = self.settle() => settled?,
            }
            // Whoever was woken by the last change goes first: the future itself, or a task of the test.
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                () = tokio::task::yield_now() => {}
            }
            if !self.driver.is_quiet() {
                continue;
            }
            if let Some(failing) = self.driver.read(report::failing_workflow) {
                return Err(Error::failing_workflow(failing));
            }
            let endless = self.driver.read(|world| {
                let fired = world.temporal().schedule_firings().saturating_sub(firings);
                report::endless_schedules(world, fired)
            });
            if let Some(endless) = endless {
                return Err(Error::stalled(endless));
            }
            if self.driver.fire_next(limit) == Pace::Moved {
                continue;
            }
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                changed = self.driver.changed_within_patience() => {
                    if !changed && self.driver.is_quiet() {
                        return Err(self.stalled());
                    }
                }
            }
        }
    }

    /// Nothing can move any more: who waits for what.
    fn stalled(&self) -> Error {
        let report = self.driver.read(report::stall);
        self.driver
            .write(|world| world.mark(Party::Test, Mark::Cause, "STALL nothing can move any more"));
        Error::stalled(report)
    }

    /// Waits until the world is quiet. A hold never ends by itself, so it is an error at once.
    async fn settle(&self) -> Result<(), Error> {
        if let Some(report) = self.driver.read(report::held) {
            return Err(Error::stalled(report));
        }
        if let Err(at_work) = self.driver.settle().await {
            let who = match at_work.is_empty() {
                true => "a worker that doesn't start".to_owned(),
                false => at_work.join(", "),
            };
            return Err(Error::stalled(format!(
                "time stands still: somebody is at work and never ends: {who}"
            )));
        }
        match self.driver.broken_invariant() {
            Some(broken) => Err(Error::broken_invariant(broken)),
            None => Ok(()),
        }
    }

    fn enter(&self) -> Caller {
        self.callers.fetch_add(1, Ordering::SeqCst);
        Caller {
            callers: Arc::clone(&self.callers),
        }
    }

    fn has_caller(&self) -> bool {
        self.callers.load(Ordering::SeqCst) > 0
    }
}

struct Caller {
    callers: Arc<AtomicUsize>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.callers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets workers work while a client waits for something of theirs, and moves time while one waits for a workflow's
/// result or an update, or sleeps; unless a call of the test does it.
pub(super) async fn move_for_clients(driver: Driver, mover: Mover) {
    loop {
        let callers = Arc::clone(&mover.callers);
        let client_waits = driver.wait_for(move |world| {
            let waits = world.temporal().has_parked_client() || world.has_delayed_client();
            (waits && callers.load(Ordering::SeqCst) == 0).then_some(())
        });
        client_waits.await;
        // Who never ends is told to whoever waits, below.
        let _ = driver.settle().await;
        tokio::task::yield_now().await;
        if mover.has_caller() || !driver.is_quiet() {
            driver.changed_within_grace().await;
            continue;
        }
        let needs_time = driver.read(|world| {
            world.temporal().has_waiting_client() || world.temporal().has_sleeper() || world.has_delayed_client()
        });
        if !needs_time {
            if driver.read(|world| world.temporal().has_parked_client()) {
                // A query that no worker answers, or a client that follows a history: time is not for us to move.
                driver.changed_within_grace().await;
            }
            continue;
        }
        let hopeless = driver.read(|world| {
            report::failing_workflow(world)
                .or_else(|| report::held(world))
                .or_else(|| report::endless_schedules(world, world.temporal().firings_during_wait()))
        });
        if hopeless.is_none() && driver.fire_next(Timestamp::MAX) == Pace::Moved {
            continue;
        }
        let changed = driver.changed_within_patience().await;
        if !changed && driver.is_quiet() && !mover.has_caller() {
            let report = hopeless.unwrap_or_else(|| driver.read(report::stall));
            driver.write(|world| world.refuse_waiting(&report));
        }
    }
}
