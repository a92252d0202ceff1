//! `/_testkit/v1/clock/hold`: stopping time. A client that dies can't give its hold back, so each ends by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::problem::Problem;
use super::seconds::Seconds;
use super::{Control, answer, body};
use crate::clock::HoldId;
use crate::io::Driver;
use crate::journal::Party;
use crate::world::World;

/// How long a hold lasts unless its request says otherwise, in real time.
const DEFAULT_LEASE: Duration = Duration::from_secs(600);

/// The longest that a hold may last, in real time.
const MAX_LEASE: Duration = Duration::from_secs(86_400);

/// How many holds there may be at a time.
const MAX_HOLDS: usize = 100;

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1_000;

const HOLD_FIX: &str =
    "send {\"reason\": \"why\"}, and \"seconds\" for how long in real time it may last: 600 unless said";

/// A hold, as clients see it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Held {
    /// Releases it; a lock of Temporal's test service has none.
    id: Option<u64>,
    reason: String,
    /// How many seconds of real time it lasts from when it was taken, if it isn't released before.
    seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Take {
    reason: String,
    #[serde(default = "default_lease")]
    seconds: Seconds,
}

fn default_lease() -> Seconds {
    Seconds(DEFAULT_LEASE)
}

/// `POST /_testkit/v1/clock/hold`.
pub(super) async fn take(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let Take { reason, seconds } = body::read(request, HOLD_FIX).await?;
    let wrong = |field: &str, message: String| Problem::InvalidField {
        field: field.to_owned(),
        message,
        fix: HOLD_FIX.to_owned(),
    };
    if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(wrong("reason", format!("it must have 1 to {MAX_REASON_BYTES} bytes")));
    }
    if seconds.0.is_zero() || seconds.0 > MAX_LEASE {
        let most = MAX_LEASE.as_secs();
        return Err(wrong("seconds", format!("it must be more than 0 and at most {most}")));
    }
    let held = control.leases.take(&control.driver, reason, seconds.0)?;
    Ok(answer(StatusCode::CREATED, &held))
}

#[derive(Serialize)]
struct Released {
    released: u64,
}

/// `DELETE /_testkit/v1/clock/hold/{id}`.
pub(super) async fn release(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let id = request.uri().path().rsplit('/').next().unwrap_or_default();
    let released = control.leases.release(&control.driver, id)?;
    Ok(answer(StatusCode::OK, &Released { released }))
}

/// The holds that were taken by the control API, and when each ends.
#[derive(Debug, Default)]
pub(super) struct Leases {
    book: Mutex<Book>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Book {
    leases: BTreeMap<u64, Lease>,
    /// The numbers of all holds that there have been are below it.
    next_id: u64,
}

#[derive(Debug)]
struct Lease {
    id: HoldId,
    lasts: Duration,
    ends_at: Instant,
}

impl Leases {
    fn take(&self, driver: &Driver, reason: String, lasts: Duration) -> Result<Held, Problem> {
        let mut book = self.lock();
        if book.leases.len() >= MAX_HOLDS {
            return Err(Problem::TooManyHolds { most: MAX_HOLDS });
        }
        let id = driver.write(|world| {
            let id = world.hold(reason.clone());
            world.note(Party::Test, format!("hold {} stops time: {reason}", id.number()));
            id
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "a hold ends by real time: virtual time is what it stops"
        )]
        let ends_at = Instant::now() + lasts;
        book.leases.insert(id.number(), Lease { id, lasts, ends_at });
        book.next_id = id.number() + 1;
        drop(book);
        self.changed.notify_waiters();
        Ok(Held {
            id: Some(id.number()),
            reason,
            seconds: Some(lasts.as_secs_f64()),
        })
    }

    fn release(&self, driver: &Driver, id: &str) -> Result<u64, Problem> {
        let mut book = self.lock();
        let unknown = || Problem::UnknownHold { id: id.to_owned() };
        let number: u64 = id.parse().map_err(|_| unknown())?;
        let lease = book.leases.remove(&number).ok_or_else(|| match number < book.next_id {
            true => Problem::EndedHold { id: number },
            false => unknown(),
        })?;
        driver.write(|world| {
            world.note(Party::Test, format!("hold {number} is released"));
            world.release(lease.id)
        });
        Ok(number)
    }

    /// All that holds time.
    pub(super) fn describe(&self, world: &World) -> Vec<Held> {
        let book = self.lock();
        let mut held: Vec<Held> = world
            .holds()
            .map(|(id, reason)| Held {
                id: Some(id.number()),
                reason: reason.to_owned(),
                seconds: book.leases.get(&id.number()).map(|lease| lease.lasts.as_secs_f64()),
            })
            .collect();
        let others = world.held_by().skip(held.len()).chain(world.clock_held_by());
        let others = others.map(|reason| Held {
            id: None,
            reason,
            seconds: None,
        });
        held.extend(others);
        held
    }

    /// Ends holds whose time is over, until the end.
    pub(super) async fn run(&self, driver: &Driver) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change falls between the two.
            changed.as_mut().enable();
            let next = self.lock().leases.values().map(|lease| lease.ends_at).min();
            match next {
                None => changed.await,
                Some(ends_at) => {
                    if tokio::time::timeout_at(ends_at, changed).await.is_err() {
                        self.end(driver, ends_at);
                    }
                }
            }
        }
    }

    fn end(&self, driver: &Driver, moment: Instant) {
        let mut book = self.lock();
        let over: Vec<u64> = book
            .leases
            .iter()
            .filter(|(_, lease)| lease.ends_at <= moment)
            .map(|(number, _)| *number)
            .collect();
        for lease in over.iter().filter_map(|number| book.leases.remove(number)) {
            driver.write(|world| {
                let (number, lasts) = (lease.id.number(), lease.lasts);
                let line = format!("hold {number} ends by itself: nobody released it within {lasts:?} of real time");
                world.note(Party::Test, line);
                world.release(lease.id)
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human::Config;
    use crate::io::Grace;
    use crate::temporal::HandOut;

    fn driver() -> Driver {
        let world = World::new(0, HandOut::Parallel, Config::new(Box::new(|_| "sha256=00".to_owned())));
        Driver::new(world, Grace(Duration::from_secs(3))).0
    }

    #[tokio::test]
    async fn a_hold_that_nobody_releases_ends_by_itself_and_says_so() {
        let (driver, leases) = (driver(), Leases::default());
        let short = Duration::from_millis(10);
        leases.take(&driver, "a client that dies".to_owned(), short).unwrap();
        leases.take(&driver, "another one".to_owned(), MAX_LEASE).unwrap();
        let ended = driver.wait_for(|world| (world.holds().count() == 1).then_some(()));
        tokio::select! {
            () = leases.run(&driver) => {}
            () = ended => {}
        }
        let last = driver.read(|world| world.journal().entries().last().unwrap().what.clone());
        assert_eq!(
            last,
            "hold 0 ends by itself: nobody released it within 10ms of real time"
        );
        assert_eq!(leases.release(&driver, "0"), Err(Problem::EndedHold { id: 0 }));
        assert_eq!(leases.release(&driver, "1"), Ok(1));
        assert_eq!(leases.release(&driver, "1"), Err(Problem::EndedHold { id: 1 }));
        for id in ["2", "-1", "", "x", "99999999999999999999"] {
            assert_eq!(
                leases.release(&driver, id),
                Err(Problem::UnknownHold { id: id.to_owned() })
            );
        }
    }

    #[test]
    fn there_is_an_end_to_holds() {
        let (driver, leases) = (driver(), Leases::default());
        for _ in 0..MAX_HOLDS {
            leases.take(&driver, "again".to_owned(), MAX_LEASE).unwrap();
        }
        let refused = leases.take(&driver, "again".to_owned(), MAX_LEASE);
        assert_eq!(refused, Err(Problem::TooManyHolds { most: MAX_HOLDS }));
        assert_eq!(driver.read(|world| world.holds().count()), MAX_HOLDS);
    }
}
