//! Schedules: when they fire ([`spec`] and what it is made of), what they do then ([`scheduler`]), and how clients see
//! them ([`view`]).
//!
//! The model is the scheduler that Temporal 1.32 makes by default: the workflow of `service/worker/scheduler`, not yet the
//! one of `chasm/lib/scheduler`.

mod buffer;
mod calendar;
mod canonical;
mod civil;
mod cron;
mod field;
pub(crate) mod go_duration;
mod jitter;
mod record;
mod request;
mod scheduler;
mod spec;
mod store;
mod upcoming;
mod view;
mod zone;

#[cfg(test)]
mod tests;

pub(crate) use buffer::{Plan, Start};
pub(crate) use record::{NAMESPACE_DIVISION_OF_SCHEDULES, SCHEDULE_ID, workflow_id};
pub(crate) use scheduler::{Definition, Ended, FIRST_CONFLICT_TOKEN, NewSchedule, Rest, Schedule, Update, Wake};
pub(crate) use spec::Spec;
pub(crate) use store::{ScheduleRef, Schedules};
