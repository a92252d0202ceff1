//! What a run came to, from histories and journal.

use std::collections::BTreeMap;
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::Payloads;
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::history::v1::History;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;

use crate::moment::MomentKind;
use crate::scenario::{Ending, Seen};
use crate::testkit::NAMESPACE;
use crate::world::World;

/// What these workflows came to, in the order in which they started.
pub(super) fn of(world: &World, workflow_ids: &[String], lasted: Duration, timeline: String) -> Seen {
    let histories: Vec<Option<History>> = workflow_ids
        .iter()
        .map(|id| world.temporal().history(NAMESPACE, id))
        .collect();
    let mut moments: BTreeMap<MomentKind, Vec<String>> = BTreeMap::new();
    for (_, happening) in world.journal().happenings() {
        moments.entry(happening.kind).or_default().push(happening.of.clone());
    }
    let count = |kind| moments.get(&kind).map_or(0, |of| of.len() as u64);
    Seen {
        workflows: histories.iter().map(|history| ending(history.as_ref())).collect(),
        tasks: world.human().tasks().map(|task| task.status).collect(),
        effects: world.effects().to_vec(),
        signals: count(MomentKind::SignalRecorded),
        webhooks: count(MomentKind::WebhookSent),
        lasted,
        timeline,
        fired: world.faults().iter().map(|active| active.fired).collect(),
        moments,
    }
}

/// How a run ended, by the last event of its history.
fn ending(history: Option<&History>) -> Ending {
    let last = history.and_then(|history| history.events.last());
    match last.and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
            Ending::CompletedWith(result(completed.result.as_ref()))
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => {
            Ending::Failed(error_type(failed.failure.as_ref()))
        }
        Some(Attributes::WorkflowExecutionCanceledEventAttributes(_)) => Ending::Canceled,
        Some(Attributes::WorkflowExecutionTerminatedEventAttributes(_)) => Ending::Terminated,
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => Ending::TimedOut,
        _ => Ending::Open,
    }
}

fn result(result: Option<&Payloads>) -> serde_json::Value {
    let payload = result.and_then(|result| result.payloads.first());
    let json = payload.and_then(|payload| serde_json::from_slice(&payload.data).ok());
    json.unwrap_or_default()
}

/// The type of an application's failure, or what else failed.
fn error_type(failure: Option<&Failure>) -> String {
    match failure.and_then(|failure| failure.failure_info.as_ref()) {
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type.clone(),
        _ => failure.map(|failure| failure.message.clone()).unwrap_or_default(),
    }
}
