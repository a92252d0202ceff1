//! Conformance: the same bodies on two arms. `sim` is our engine, on virtual time, and always runs. `real` is a Temporal server, and runs if
//! `AWAITHUMANS_TESTKIT_REAL_TEMPORAL` names one (`127.0.0.1:7233`; tests/conformance/reference starts it).
//!
//! What a body does and gets is written down, with ids and times replaced, and must be what the real server was recorded to do:
//! fixtures/conformance/shapes. `AWAITHUMANS_TESTKIT_RECORD=1` on the real arm writes those files.

mod arm;
mod difference;
mod shapes;
mod stage;
mod transcript;

use std::path::PathBuf;

use arm::{Arm, Real, Sim};
use serde_json::Value;
use stage::Stage;

/// A conformance body.
type Shape = fn(&mut Stage<'_>);

fn play(name: &str, shape: Shape, arm: &mut dyn Arm) -> Value {
    let mut stage = Stage::new(name, arm);
    shape(&mut stage);
    stage.into_transcript()
}

fn recorded(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/conformance/shapes")
        .join(format!("{name}.json"))
}

/// Our engine does what the real server was recorded to do.
#[track_caller]
fn sim_agrees(name: &str, shape: Shape, settings: &[(&str, &str)]) {
    let path = recorded(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).expect("a recording is JSON");
    let got = play(name, shape, &mut Sim::new(settings));
    if let Some(difference) = difference::first(&expected, &got) {
        panic!("{name}: {difference}\n(first: the real server; then: ours)");
    }
}

/// The real server does so today, or, if asked, is recorded.
#[track_caller]
fn real_agrees(name: &str, shape: Shape) {
    let Ok(address) = std::env::var("AWAITHUMANS_TESTKIT_REAL_TEMPORAL") else {
        panic!("AWAITHUMANS_TESTKIT_REAL_TEMPORAL names no server");
    };
    let got = play(name, shape, &mut Real::connect(&address));
    let path = recorded(name);
    if std::env::var_os("AWAITHUMANS_TESTKIT_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&got).expect("a transcript is JSON");
        std::fs::write(&path, text + "\n").expect("the fixtures can be written");
        return;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).expect("a recording is JSON");
    if let Some(difference) = difference::first(&expected, &got) {
        panic!("{name}: {difference}\n(first: as recorded; then: today)");
    }
}

/// The tests of a file of shapes: each body on both arms. `name` alone agrees; `name differs "why"` is known not to yet. `with SETTINGS;`
/// before them: our engine has these settings of Temporal's dynamic configuration, and the real server must be started with them.
macro_rules! on_both_arms {
    (with $settings:ident; $($name:ident $(differs $why:literal)?),* $(,)?) => {
        mod sim {
            $(#[test] $(#[ignore = $why])? fn $name() {
                crate::conformance::sim_agrees(stringify!($name), super::$name, super::$settings);
            })*
        }
        mod real {
            $(#[test] #[ignore = "needs a real Temporal server"] fn $name() {
                crate::conformance::real_agrees(stringify!($name), super::$name);
            })*
        }
    };
    ($($names:tt)*) => {
        const NO_SETTINGS: &[(&str, &str)] = &[];
        crate::conformance::on_both_arms![with NO_SETTINGS; $($names)*];
    };
}
use on_both_arms;
