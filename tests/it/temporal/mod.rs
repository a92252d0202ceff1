//! The in-memory Temporal, driven by real workflows of the Rust SDK: what comes of each, and the history that it writes.

mod raw;
pub(crate) mod script;
mod server;
mod wire_server;

mod activity;
mod activity_operations;
mod activity_wire;
mod annotation;
mod batch;
mod build_ids;
mod chain;
mod child;
mod completion_pages;
mod continue_as_new;
mod deployment;
mod external;
mod fuzz;
mod history;
mod hostile;
mod limits;
mod local_activity;
mod namespace;
mod nexus;
mod options;
mod pause;
mod query;
mod replays;
mod retention;
mod schedule;
mod signal;
mod standalone_activity;
mod task_details;
mod task_queue;
mod test_service;
mod time_skipping;
mod timer;
mod update;
mod visibility;
mod workflow;
mod workflow_rule;
mod workflow_task;

use std::time::Duration;

use awaithumans_testkit::{SearchAttributeType, Testkit, Worker};
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{Client, WorkflowGetResultOptions, WorkflowHandle, WorkflowStartOptions};
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_sdk::WorkerOptions;

use script::{Script, Step, Works};

const QUEUE: &str = "scripts";

type Handle = WorkflowHandle<Client, script::Run>;

/// A testkit with a worker for scripts, patient with a machine that has much to do.
async fn kit() -> (Testkit, Worker) {
    let kit = Testkit::builder()
        .search_attribute("CustomKeywordField", SearchAttributeType::Keyword)
        .start()
        .await;
    let worker = kit.spawn_worker(options(QUEUE)).await;
    (kit, worker)
}

/// A testkit that goes on quickly without an activity that never answers.
async fn kit_with_short_grace() -> (Testkit, Worker) {
    let kit = Testkit::builder().grace(Duration::from_millis(750)).start().await;
    let worker = kit.spawn_worker(options(QUEUE)).await;
    (kit, worker)
}

fn options(queue: &str) -> WorkerOptions {
    WorkerOptions::new(queue)
        .register_workflow::<Script>()
        .expect("it is registered once")
        .register_activities(Works)
        .max_heartbeat_throttle_interval(Duration::from_millis(1))
        .default_heartbeat_throttle_interval(Duration::from_millis(1))
        .build()
}

async fn start(kit: &Testkit, id: &str, steps: Vec<Step>) -> Handle {
    start_with(kit, steps, WorkflowStartOptions::new(QUEUE, id).build()).await
}

async fn start_with(kit: &Testkit, steps: Vec<Step>, options: WorkflowStartOptions) -> Handle {
    kit.client()
        .start_workflow(Script::run, steps, options)
        .await
        .expect("the workflow starts")
}

async fn result(handle: &Handle) -> Result<Vec<String>, WorkflowGetResultError> {
    handle.get_result(WorkflowGetResultOptions::default()).await
}

/// Plays a script to its end; its lines.
async fn play(kit: &Testkit, id: &str, steps: Vec<Step>) -> Vec<String> {
    let handle = start(kit, id, steps).await;
    result(&handle).await.expect("the script ends well")
}

async fn note(handle: &Handle, text: &str) {
    handle
        .signal(Script::note, text.to_owned(), Default::default())
        .await
        .expect("the signal is taken");
}

/// The types of a history's events, without the events of workflow tasks that went well.
fn types(kit: &Testkit, id: &str) -> Vec<&'static str> {
    let plumbing = [
        EventType::WorkflowTaskScheduled,
        EventType::WorkflowTaskStarted,
        EventType::WorkflowTaskCompleted,
    ];
    let events = kit.history(id).events;
    let told = events.iter().map(HistoryEvent::event_type);
    told.filter(|it| !plumbing.contains(it)).map(short).collect()
}

/// The types of all of a history's events.
fn all_types(kit: &Testkit, id: &str) -> Vec<&'static str> {
    kit.history(id)
        .events
        .iter()
        .map(|event| short(event.event_type()))
        .collect()
}

fn short(event_type: EventType) -> &'static str {
    event_type.as_str_name().trim_start_matches("EVENT_TYPE_")
}

/// What `pick` finds first in a history.
fn find<T>(kit: &Testkit, id: &str, pick: impl Fn(&Attributes) -> Option<T>) -> T {
    let events = kit.history(id).events;
    let found = events
        .iter()
        .find_map(|event| event.attributes.as_ref().and_then(&pick));
    found.unwrap_or_else(|| panic!("no such event in {:?}", all_types(kit, id)))
}

/// The attributes of a history's first event of a kind: `event!(kit, "id", TimerFiredEventAttributes)`.
macro_rules! event {
    ($kit:expr, $id:expr, $kind:ident) => {
        crate::temporal::find(&$kit, $id, |attributes| match attributes {
            temporalio_common::protos::temporal::api::history::v1::history_event::Attributes::$kind(it) => {
                Some(it.clone())
            }
            _ => None,
        })
    };
}
use event;
