//! What moves a served world's time.

use super::Time;
use crate::io::Driver;
use crate::temporal::Skipping;
use crate::world::World;

/// Moves time, until the end.
pub(super) async fn run(driver: Driver, time: Time) {
    match time {
        Time::Real => follow(&driver, |_| false).await,
        Time::Skip => follow(&driver, may_skip).await,
        Time::Manual => follow(&driver, |world| world.temporal().has_sleeper()).await,
    }
}

/// Whether time may jump: some client waits for a result that only time can bring, or asked for it by the test service.
fn may_skip(world: &World) -> bool {
    let temporal = world.temporal();
    let wanted = match temporal.time_skipping() {
        Skipping::Locked => false,
        Skipping::ForWaiters => temporal.has_waiting_client(),
        // awaithumans looks at its tasks again and again, which alone is no reason to go on.
        Skipping::Unlocked => temporal.has_waiting_client() || temporal.poll_timeout().is_some(),
    };
    // Who sleeps knows when it ends. Else a workflow task that keeps failing would be tried again without end, as fast as the
    // worker can; nor would a schedule ever end.
    let is_bounded = temporal.time_skipping() == Skipping::Unlocked && temporal.has_sleeper();
    let may_be_endless = || temporal.failing_workflow().is_some() || world.is_endless(temporal.firings_during_wait());
    wanted && (is_bounded || !may_be_endless())
}

/// Lets things happen when they are due by the wall clock, and jumps to the next one where that may be.
async fn follow(driver: &Driver, may: fn(&World) -> bool) {
    loop {
        let changed = driver.changed();
        tokio::pin!(changed);
        // Registered before the look, so that no change falls between the two.
        changed.as_mut().enable();
        if driver.skip(|world| may(world) && !world.temporal().has_unserved_task()) {
            // Whoever has an answer now goes first.
            tokio::task::yield_now().await;
            continue;
        }
        let unserved = driver.read(|world| may(world) && world.temporal().has_unserved_task());
        match (unserved, driver.next_due()) {
            // A task waits for a worker that may be about to start: time flows for a while before it jumps.
            (true, _) => {
                if !driver.changed_within_grace().await {
                    driver.skip(may);
                }
            }
            (false, Some(wait)) => {
                let _ = tokio::time::timeout(wait, changed).await;
            }
            (false, None) => changed.await,
        }
        driver.catch_up();
    }
}
