//! Playing a scenario, and proving that it repeats.

use super::{Builder, Testkit};

/// The environment variable that makes [`play`] run every scenario twice.
pub(super) const CHECK_VARIABLE: &str = "AWAITHUMANS_TESTKIT_CHECK_DETERMINISM";

/// Plays a scenario on a fresh testkit.
///
/// With `AWAITHUMANS_TESTKIT_CHECK_DETERMINISM=1` in the environment it is played twice, and the two journals, all histories
/// and all webhooks must be equal to the byte.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::{Testkit, play};
/// use std::time::Duration;
///
/// let seed = play(&Testkit::builder(), async |kit| {
///     kit.advance(Duration::from_secs(60)).await.unwrap();
///     kit.seed()
/// })
/// .await;
/// assert_eq!(seed, 0);
/// # }
/// ```
///
/// # Panics
/// If the two runs differ.
pub async fn play<T>(builder: &Builder, scenario: impl AsyncFn(&Testkit) -> T) -> T {
    let kit = builder.start().await;
    let given = scenario(&kit).await;
    if std::env::var_os(CHECK_VARIABLE).is_some_and(|value| value != "0") {
        let again = builder.start().await;
        scenario(&again).await;
        compare(&kit, &again);
    }
    given
}

#[track_caller]
fn compare(one: &Testkit, other: &Testkit) {
    let (first, second) = (one.journal().to_string(), other.journal().to_string());
    if first == second {
        compare_bytes(one, other);
        return;
    }
    let difference = first.lines().zip(second.lines()).position(|(one, other)| one != other);
    let line = difference.unwrap_or_else(|| first.lines().count().min(second.lines().count()));
    panic!(
        "the same seed ({}) gave two runs that differ from line {} of the journal on:\n  first:  {}\n  second: {}\n{}",
        one.seed(),
        line + 1,
        first.lines().nth(line).unwrap_or("(the end)"),
        second.lines().nth(line).unwrap_or("(the end)"),
        one.unreproducible().join("\n"),
    );
}

/// Histories and webhooks have bytes that the journal doesn't show.
#[track_caller]
fn compare_bytes(one: &Testkit, other: &Testkit) {
    let seed = one.seed();
    for (first, second) in one.histories().iter().zip(&other.histories()) {
        for (one, other) in first.events.iter().zip(&second.events) {
            assert!(
                one == other,
                "the same seed ({seed}) gave two histories that differ at event {}:\n{one:?}\n{other:?}",
                one.event_id
            );
        }
    }
    let webhooks = |kit: &Testkit| {
        let deliveries = kit.humans().deliveries().into_iter();
        let bytes: Vec<_> = deliveries.map(|delivery| (delivery.body, delivery.signature)).collect();
        bytes
    };
    assert!(
        webhooks(one) == webhooks(other),
        "the same seed ({seed}) gave two runs whose webhooks differ"
    );
}
