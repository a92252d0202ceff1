//! What each fault is called, whose lane of the timeline it is in, and what makes no sense.

use super::matching::{TaskKind, WebhookMatch};
use super::rule::{Fault, When};
use crate::journal::Party;

/// The names of all faults, for reports that say what was never tried.
pub const FAULT_NAMES: [&str; 32] = [
    "fail_call",
    "lose_reply",
    "delay_call",
    "drop_task",
    "duplicate_task",
    "reorder_tasks",
    "crash_worker",
    "crash_worker_before",
    "crash_worker_after",
    "slow_worker",
    "evict_workflow",
    "lose_webhook",
    "lose_webhook_answer",
    "delay_webhook",
    "hold_webhook",
    "repeat_webhook",
    "flip_webhook_bit",
    "missign_webhook",
    "misdirect_webhook",
    "receiver_answers",
    "receiver_hangs",
    "receiver_closes",
    "receiver_crashes",
    "restart_server",
    "stop_server",
    "fail_request",
    "fail_database",
    "lose_response",
    "delay_request",
    "jump_clock",
    "skew_clock",
    "hold_clock",
];

/// Why a rule for the nth of something can't be for `nth = 0`.
pub(super) const NO_ZEROTH: &str = "`nth` counts from 1; write 1 for the first, or leave it out";

impl Fault {
    /// The name in scenario files, such as `crash_worker`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FailCall { .. } => "fail_call",
            Self::LoseReply { .. } => "lose_reply",
            Self::DelayCall { .. } => "delay_call",
            Self::DropTask { .. } => "drop_task",
            Self::DuplicateTask { .. } => "duplicate_task",
            Self::ReorderTasks { .. } => "reorder_tasks",
            Self::CrashWorker { .. } => "crash_worker",
            Self::CrashWorkerBefore { .. } => "crash_worker_before",
            Self::CrashWorkerAfter { .. } => "crash_worker_after",
            Self::SlowWorker { .. } => "slow_worker",
            Self::EvictWorkflow { .. } => "evict_workflow",
            Self::LoseWebhook { .. } => "lose_webhook",
            Self::LoseWebhookAnswer { .. } => "lose_webhook_answer",
            Self::DelayWebhook { .. } => "delay_webhook",
            Self::HoldWebhook { .. } => "hold_webhook",
            Self::RepeatWebhook { .. } => "repeat_webhook",
            Self::FlipWebhookBit { .. } => "flip_webhook_bit",
            Self::MissignWebhook { .. } => "missign_webhook",
            Self::MisdirectWebhook { .. } => "misdirect_webhook",
            Self::ReceiverAnswers { .. } => "receiver_answers",
            Self::ReceiverHangs { .. } => "receiver_hangs",
            Self::ReceiverCloses { .. } => "receiver_closes",
            Self::ReceiverCrashes { .. } => "receiver_crashes",
            Self::RestartServer => "restart_server",
            Self::StopServer { .. } => "stop_server",
            Self::FailRequest { .. } => "fail_request",
            Self::FailDatabase { .. } => "fail_database",
            Self::LoseResponse { .. } => "lose_response",
            Self::DelayRequest { .. } => "delay_request",
            Self::JumpClock { .. } => "jump_clock",
            Self::SkewClock { .. } => "skew_clock",
            Self::HoldClock { .. } => "hold_clock",
        }
    }

    /// Who is struck.
    pub(crate) fn party(&self) -> Party {
        match self {
            Self::FailCall { .. }
            | Self::LoseReply { .. }
            | Self::DelayCall { .. }
            | Self::DropTask { .. }
            | Self::DuplicateTask { .. }
            | Self::ReorderTasks { .. } => Party::Temporal,
            Self::CrashWorker { .. }
            | Self::CrashWorkerBefore { .. }
            | Self::CrashWorkerAfter { .. }
            | Self::SlowWorker { .. }
            | Self::EvictWorkflow { .. } => Party::Worker,
            Self::LoseWebhook { .. }
            | Self::LoseWebhookAnswer { .. }
            | Self::DelayWebhook { .. }
            | Self::HoldWebhook { .. }
            | Self::RepeatWebhook { .. }
            | Self::FlipWebhookBit { .. }
            | Self::MissignWebhook { .. }
            | Self::MisdirectWebhook { .. }
            | Self::ReceiverAnswers { .. }
            | Self::ReceiverHangs { .. }
            | Self::ReceiverCloses { .. }
            | Self::ReceiverCrashes { .. } => Party::Receiver,
            Self::RestartServer
            | Self::StopServer { .. }
            | Self::FailRequest { .. }
            | Self::FailDatabase { .. }
            | Self::LoseResponse { .. }
            | Self::DelayRequest { .. } => Party::Awaithumans,
            Self::JumpClock { .. } | Self::SkewClock { .. } | Self::HoldClock { .. } => Party::Test,
        }
    }

    /// Whether it happens at its moment, and not to something that comes by.
    pub(crate) fn is_an_event(&self) -> bool {
        matches!(
            self,
            Self::CrashWorker { .. }
                | Self::EvictWorkflow { .. }
                | Self::RestartServer
                | Self::StopServer { .. }
                | Self::JumpClock { .. }
                | Self::SkewClock { .. }
                | Self::HoldClock { .. }
        )
    }

    /// Which webhooks it is for, if it strikes webhooks.
    pub(crate) fn webhook(&self) -> Option<&WebhookMatch> {
        match self {
            Self::LoseWebhook { webhook }
            | Self::LoseWebhookAnswer { webhook }
            | Self::DelayWebhook { webhook, .. }
            | Self::HoldWebhook { webhook, .. }
            | Self::RepeatWebhook { webhook, .. }
            | Self::FlipWebhookBit { webhook, .. }
            | Self::MissignWebhook { webhook }
            | Self::MisdirectWebhook { webhook, .. }
            | Self::ReceiverAnswers { webhook, .. }
            | Self::ReceiverHangs { webhook }
            | Self::ReceiverCloses { webhook }
            | Self::ReceiverCrashes { webhook } => Some(webhook),
            _ => None,
        }
    }

    /// The how manieth of what it is for it strikes, if it says so.
    fn nth(&self) -> Option<u32> {
        match self {
            Self::FailCall { call, .. }
            | Self::LoseReply { call, .. }
            | Self::DelayCall { call, .. }
            | Self::CrashWorkerBefore { call, .. }
            | Self::CrashWorkerAfter { call, .. } => call.nth,
            Self::DropTask { task } | Self::DuplicateTask { task } => task.nth,
            Self::FailRequest { request, .. }
            | Self::FailDatabase { request, .. }
            | Self::LoseResponse { request }
            | Self::DelayRequest { request, .. } => request.nth,
            other => other.webhook().and_then(|webhook| webhook.nth),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.nth() == Some(0) {
            return Err(NO_ZEROTH.to_owned());
        }
        match self {
            Self::FailCall { call, .. }
            | Self::LoseReply { call, .. }
            | Self::DelayCall { call, .. }
            | Self::CrashWorkerBefore { call, .. }
            | Self::CrashWorkerAfter { call, .. } => known_rpc(call.rpc.as_deref()),
            Self::DuplicateTask { task } if task.kind != Some(TaskKind::Activity) && task.activity.is_none() => Err(
                "Temporal never gives a workflow task out twice; say `kind = \"activity\"` or name the activity"
                    .to_owned(),
            ),
            Self::HoldWebhook { until, .. } => until.check(),
            Self::ReceiverAnswers { status, .. } => known_status(*status),
            Self::FailRequest { status, .. } => known_status(*status),
            Self::HoldClock { until } => held_until(until),
            Self::DropTask { .. }
            | Self::DuplicateTask { .. }
            | Self::FailDatabase { .. }
            | Self::LoseResponse { .. }
            | Self::DelayRequest { .. }
            | Self::LoseWebhook { .. }
            | Self::LoseWebhookAnswer { .. }
            | Self::DelayWebhook { .. }
            | Self::RepeatWebhook { .. }
            | Self::FlipWebhookBit { .. }
            | Self::MissignWebhook { .. }
            | Self::MisdirectWebhook { .. }
            | Self::ReceiverHangs { .. }
            | Self::ReceiverCloses { .. }
            | Self::ReceiverCrashes { .. }
            | Self::ReorderTasks { .. }
            | Self::CrashWorker { .. }
            | Self::SlowWorker { .. }
            | Self::EvictWorkflow { .. }
            | Self::RestartServer
            | Self::StopServer { .. }
            | Self::JumpClock { .. }
            | Self::SkewClock { .. } => Ok(()),
        }
    }
}

fn held_until(until: &When) -> Result<(), String> {
    until.check()?;
    match until.moment().filter(|_| until.after.is_none()) {
        Some(_) => Ok(()),
        None => {
            Err("while the clock is held no time comes: `until` must name a moment (`on`), without `after`".to_owned())
        }
    }
}

/// A rule for a method that Temporal doesn't have would never fire.
fn known_rpc(rpc: Option<&str>) -> Result<(), String> {
    let Some(rpc) = rpc else {
        return Ok(());
    };
    match crate::temporal::table().iter().any(|row| row.method() == rpc) {
        true => Ok(()),
        false => Err(format!(
            "Temporal has no RPC {rpc:?}; the names are those of its API, such as RespondActivityTaskCompleted"
        )),
    }
}

fn known_status(status: u16) -> Result<(), String> {
    match (200..=599).contains(&status) {
        true => Ok(()),
        false => Err(format!(
            "{status} is no HTTP status that a server could answer with: 200 to 599"
        )),
    }
}
