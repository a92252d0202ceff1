//! When a runner loses its patience: SIGTERM, as cargo-nextest's slow-timeout sends it, prints who waits for what.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::stall::interrupted;
use crate::io::Driver;

/// The environment variable that leaves SIGTERM alone if it is `0`: for processes with a handler of their own.
const VARIABLE: &str = "AWAITHUMANS_TESTKIT_REPORT_ON_TERM";

/// How a process that SIGTERM ends looks to a shell.
const EXIT_CODE: i32 = 143;

/// How often a world is asked that is in the middle of a step, and how long to wait in between. The runner kills ten seconds later.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// The testkits that live.
static LIVING: Mutex<Living> = Mutex::new(Living {
    kits: BTreeMap::new(),
    next: 0,
});

static WATCH: Once = Once::new();

struct Living {
    kits: BTreeMap<u64, Kit>,
    next: u64,
}

struct Kit {
    driver: Driver,
    rerun: String,
}

/// As long as it is there, SIGTERM prints a report of its testkit.
#[derive(Debug)]
pub(in crate::testkit) struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        living().kits.remove(&self.0);
    }
}

/// From now on SIGTERM prints who waits for what in this world, in a test that is run again by this line.
pub(in crate::testkit) fn watch(driver: Driver, rerun: String) -> Watched {
    if std::env::var_os(VARIABLE).is_none_or(|value| value != "0") {
        WATCH.call_once(wait_for_term);
    }
    let mut living = living();
    living.next += 1;
    let number = living.next;
    living.kits.insert(number, Kit { driver, rerun });
    Watched(number)
}

/// SIGTERM is left alone from now on, unless it is watched for already: the process has a handler of its own.
#[cfg(feature = "serve")]
pub(crate) fn leave_signals_alone() {
    WATCH.call_once(|| {});
}

fn living() -> MutexGuard<'static, Living> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits in a thread of its own, since the test's own runtime may be what hangs. Without it SIGTERM does what it always does. When this returns,
/// the signal is watched for.
fn wait_for_term() {
    let (is_watched, watched) = std::sync::mpsc::sync_channel::<()>(1);
    #[expect(
        clippy::disallowed_methods,
        reason = "it reads worlds when the process is about to end, and changes none"
    )]
    let started = std::thread::Builder::new()
        .name("testkit-on-term".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let Ok(runtime) = runtime else {
                return;
            };
            let came = runtime.block_on(async {
                let mut terminate = signal(SignalKind::terminate()).ok()?;
                drop(is_watched);
                terminate.recv().await
            });
            if came.is_some() {
                // Not by a macro: what those print in a test is kept back, and lost with the process.
                let _ = std::io::stderr().lock().write_all(report().as_bytes());
                std::process::exit(EXIT_CODE);
            }
        });
    if started.is_ok() {
        // The other end is dropped when the signal is watched for, or can't be.
        let _ = watched.recv();
    }
}

fn report() -> String {
    let living = living();
    if living.kits.is_empty() {
        return String::new();
    }
    let mut text = "\n--- awaithumans-testkit: SIGTERM\n".to_owned();
    for kit in living.kits.values() {
        let _ = writeln!(text, "--- {}", kit.rerun);
        match look(&kit.driver) {
            Some(report) => text.push_str(&report),
            None => text.push_str("the world is in the middle of a step that doesn't end: please report it\n"),
        }
    }
    text
}

fn look(driver: &Driver) -> Option<String> {
    (0..TRIES).find_map(|_| {
        let report = driver.try_read(interrupted);
        if report.is_none() {
            pause();
        }
        report
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the process is about to end, and nothing says when a step is over that may never be"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
