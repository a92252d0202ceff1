//! The bodies, by family.

mod activities;
mod batch;
mod build_ids;
mod chain;
mod cron;
mod found;
mod limits;
mod masked;
mod multi_operation;
mod nexus;
mod pause;
mod reset;
mod reset_reapply;
mod retention;
mod schedule;
mod speculative;
mod standalone_activity;
mod standalone_nexus_operation;
mod standalone_nexus_operation_lists;
mod sticky;
mod task_queue;
mod task_queue_order;
mod versioning;
mod workers;
mod workflow_rule;
mod workflow_task;
