//! An [rstest](https://docs.rs/rstest) fixture: a fresh testkit for every test and case.
//!
//! ```
//! use awaithumans_testkit::{Testkit, fixture::kit};
//! use rstest::rstest;
//! use std::time::Duration;
//!
//! #[rstest]
//! #[case(Duration::from_secs(60))]
//! #[case(Duration::from_secs(86_400))]
//! #[tokio::test]
//! async fn time_passes(#[future(awt)] kit: Testkit, #[case] wait: Duration) {
//!     kit.advance(wait).await.unwrap();
//! }
//! # fn main() {}
//! ```

use rstest::fixture;

use crate::Testkit;

/// A testkit with the default settings; see [`Testkit::start`].
///
/// # Panics
/// Outside a Tokio runtime: use it with `#[tokio::test]` and `#[future(awt)]`.
#[fixture]
pub async fn kit() -> Testkit {
    Testkit::start().await
}
