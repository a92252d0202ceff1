//! What the testkit says to people: timelines, and who waits for what.
//!
//! - `rows.rs`: a journal as rows; `plain.rs`: texts of others, so that they do no harm
//! - `timeline.rs`: the list; `lanes.rs`: a lane for each party; `html.rs`: the same as a page, `page.rs`: where it is written
//! - `stall.rs`: who waits for what, when nothing can move; `on_term.rs`: and when a runner loses its patience

mod html;
mod lanes;
#[cfg(unix)]
mod on_term;
mod page;
mod plain;
mod rows;
mod stall;
mod timeline;

pub(super) use html::html;
pub(super) use lanes::in_lanes;
#[cfg(all(unix, feature = "serve"))]
pub(crate) use on_term::leave_signals_alone;
#[cfg(unix)]
pub(super) use on_term::{Watched, watch};
pub(super) use page::write_page;
pub(super) use stall::{endless_schedules, failing_workflow, held, stall};
pub(crate) use timeline::timeline;
