//! `/_testkit/v1/clock`: what time it is, and moving it.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::hold::Held;
use super::problem::Problem;
use super::seconds::Seconds;
use super::{Control, answer, body};
use crate::clock::Timestamp;
use crate::io::Step;
use crate::serve::Time;

/// How long, in real time, a webhook that is on its way may keep time from moving: its receiver has ten seconds.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(12);

#[derive(Serialize)]
struct Clock {
    now: Timestamp,
    mode: &'static str,
    held_by: Vec<Held>,
    busy_with: Vec<String>,
    next_due: Option<Timestamp>,
}

/// `GET /_testkit/v1/clock`.
pub(super) async fn show(State(control): State<Control>) -> Response {
    // A write, since a world on real time learns only by it what time it is.
    let clock = control.driver.write(|world| Clock {
        now: world.now(),
        mode: match control.time {
            Time::Real => "real",
            Time::Skip => "skip",
            Time::Manual => "manual",
        },
        held_by: control.leases.describe(world),
        busy_with: world.at_work().collect(),
        next_due: world.poll_timeout(),
    });
    answer(StatusCode::OK, &clock)
}

const ADVANCE_FIX: &str = "send {\"seconds\": N}, by how many seconds time is to go forward: 0 or more, whole or not";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: Seconds,
}

#[derive(Debug, PartialEq, Serialize)]
struct Advanced {
    from: Timestamp,
    now: Timestamp,
    /// How many things were due on the way.
    fired: u64,
}

/// `POST /_testkit/v1/clock/advance`: the answer comes when it is that time.
pub(super) async fn advance(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let advance: Advance = body::read(request, ADVANCE_FIX).await?;
    let advanced = control.advance(advance.seconds.0).await?;
    Ok(answer(StatusCode::OK, &advanced))
}

impl Control {
    /// Moves time as `Testkit::advance` does: one thing that is due at a time, and the world settles in between.
    async fn advance(&self, by: Duration) -> Result<Advanced, Problem> {
        let _turn = self.turn.lock().await;
        let from = self.driver.write(|world| world.now());
        let until = end_of(from, by)?;
        let mut fired = 0;
        loop {
            match self.driver.step_towards(until) {
                Step::Fired => {
                    fired += 1;
                    // Whoever has an answer now goes first, and a client that went away ends this.
                    tokio::task::yield_now().await;
                }
                Step::Arrived => {
                    let now = self.driver.write(|world| world.now());
                    return Ok(Advanced { from, now, fired });
                }
                Step::Held => return Err(self.held()),
                Step::Busy => self.wait_for_work().await?,
            }
        }
    }

    fn held(&self) -> Problem {
        self.driver.read(|world| Problem::Held {
            now: world.now(),
            by: world.held_by().chain(world.clock_held_by()).collect(),
        })
    }

    /// Waits until who is at work has got on; that nobody did for the grace is an error.
    async fn wait_for_work(&self) -> Result<(), Problem> {
        let (before, lines, patience) = self.driver.read(|world| {
            let patience = match world.is_delivering() {
                true => DELIVERY_PATIENCE,
                false => self.driver.grace(),
            };
            (world.busy_with(), world.journal().entries().len(), patience)
        });
        let changed = async {
            loop {
                let changed = self.driver.changed();
                tokio::pin!(changed);
                // Registered before the look, so that no change falls between the two.
                changed.as_mut().enable();
                let goes_on = self
                    .driver
                    .read(|world| world.busy_with() != before || world.journal().entries().len() != lines);
                if goes_on || self.driver.is_quiet() {
                    return;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(patience, changed).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.driver.read(|world| Problem::Busy {
                now: world.now(),
                with: world.at_work().collect(),
                after_seconds: patience.as_secs(),
            })),
        }
    }
}

fn end_of(from: Timestamp, by: Duration) -> Result<Timestamp, Problem> {
    let until = from + by;
    if until.since(from) == by && until < Timestamp::MAX {
        return Ok(until);
    }
    let left = Timestamp::MAX.since(from).as_secs();
    Err(Problem::InvalidField {
        field: "seconds".to_owned(),
        message: format!("virtual time ends in {} s, at {}", left, Timestamp::MAX),
        fix: format!("send less than {left}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_can_not_go_beyond_its_end() {
        let now = Timestamp::EPOCH_OF_TESTS;
        assert_eq!(end_of(now, Duration::ZERO), Ok(now));
        assert_eq!(end_of(now, Duration::from_secs(1)), Ok(now + Duration::from_secs(1)));
        let left = Timestamp::MAX.since(now);
        assert!(end_of(now, left - Duration::from_nanos(1)).is_ok());
        for by in [left, left + Duration::from_nanos(1), Duration::MAX] {
            let Err(Problem::InvalidField { field, message, .. }) = end_of(now, by) else {
                panic!("{by:?} is too much");
            };
            assert_eq!(field, "seconds");
            assert!(message.contains("2554-07-21"), "{message}");
        }
    }
}
