//! Histories that the Python adapter left on a real Temporal server, replayed by the Rust one.
//!
//! A replay fails if the workflow asks for anything else than what the history has: so activity,
//! timer and signal are called the same, and come and go in the same order. What the workflow
//! returned must be the same, too.

use std::{collections::BTreeMap, path::Path, sync::Mutex, time::Duration};

use awaithumans_temporal::{AwaitHumanError, Human, HumanContext, HumanTask, HumanWorkflow};
use prost::Message as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::history::v1::{History, history_event::Attributes};
use temporalio_sdk::{
    WorkflowResult,
    workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions},
    workflows::join,
};

#[derive(Serialize, JsonSchema)]
struct RefundPayload {
    amount_usd: u32,
    customer_id: &'static str,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct RefundDecision {
    approved: bool,
    #[serde(default)]
    notes: String,
}

#[derive(Serialize, Deserialize, Clone)]
struct Params {
    callback_base: String,
    server_url: String,
    timeout_seconds: u64,
    key: Option<String>,
    mode: String,
    callback_wf: Option<String>,
}

/// The recording's driver, once more.
#[derive(Default)]
struct Flow;

impl HumanWorkflow for Flow {
    type Input = Params;
    type Output = Value;
    const NAME: &'static str = "Flow";

    async fn run(ctx: HumanContext<Self>, params: Params) -> WorkflowResult<Value> {
        let id = ctx.workflow_id().to_owned();
        let result = match params.mode.as_str() {
            "uncaught" => serde_json::to_value(ask(&ctx, &params, None).await?).expect("JSON"),
            "sequential" => {
                json!([caught(&ctx, &params, None).await, caught(&ctx, &params, None).await])
            }
            "concurrent" => {
                let (a, b) = join!(caught(&ctx, &params, None), caught(&ctx, &params, None));
                json!([a, b])
            }
            "two keys" => {
                let (a, b) = join!(
                    caught(&ctx, &params, Some(format!("a-{id}"))),
                    caught(&ctx, &params, Some(format!("b-{id}")))
                );
                json!([a, b])
            }
            _ => caught(&ctx, &params, None).await,
        };
        RESULTS.lock().expect("not poisoned").insert(id, result.clone());
        Ok(result)
    }
}

/// What each workflow returned, by its id: a replayer does not tell.
static RESULTS: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

async fn ask(
    ctx: &HumanContext<Flow>,
    params: &Params,
    key: Option<String>,
) -> Result<RefundDecision, AwaitHumanError> {
    let payload = RefundPayload {
        amount_usd: 250,
        customer_id: "cus_demo",
    };
    let callback_workflow = params.callback_wf.as_deref().unwrap_or(ctx.workflow_id());
    let task = HumanTask::new("Approve $250 refund for cus_demo?", &payload)
        .timeout(Duration::from_secs(params.timeout_seconds))
        .server_url(&params.server_url)
        .callback_url(format!(
            "{}/awaithumans/callback?wf={callback_workflow}",
            params.callback_base
        ))
        .idempotency_key(key.or_else(|| params.key.clone()).unwrap_or_default());
    ctx.await_human(task).await
}

async fn caught(ctx: &HumanContext<Flow>, params: &Params, key: Option<String>) -> Value {
    match ask(ctx, params, key).await {
        Ok(decision) => json!({"returned": "RefundDecision", "value": decision}),
        Err(error) => json!({"raised": error.error_type(), "message": error.full_message()}),
    }
}

fn replayer() -> WorkflowReplayer {
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<Human<Flow>>()
        .expect("one workflow of that name")
        .build();
    WorkflowReplayer::new(options).expect("valid options")
}

fn read(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/history");
    std::fs::read(folder.join(file)).expect(file)
}

fn history(name: &str) -> History {
    History::decode(&*read(&format!("{name}.binpb"))).expect(name)
}

/// The id of the workflow that the history is of.
fn workflow_id(history: &mut History) -> &mut String {
    match &mut history.events[0].attributes {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => &mut started.workflow_id,
        other => panic!("a history begins with {other:?}"),
    }
}

/// Where the Rust adapter does something else on purpose.
const DIFFERENT: [(&str, &str); 2] = [
    (
        "concurrent_same_default_key_the_first_loses_its_signal",
        "both waits get the task's end here, neither runs into its timeout",
    ),
    (
        "create_refused_422_timeout_30",
        "a timeout out of range is refused before the activity",
    ),
];

#[tokio::test]
async fn pythons_histories_replay_clean() {
    let recorded: BTreeMap<String, Value> = serde_json::from_slice(&read("results.json")).expect("fixture");
    assert_eq!(recorded.len(), 31);
    for (name, flow) in &recorded {
        let mut history = history(name);
        let id = workflow_id(&mut history).clone();
        let replayed = replayer().replay_workflow(history.into()).await;
        if let Some((_, why)) = DIFFERENT.iter().find(|(different, _)| different == name) {
            assert!(replayed.is_err(), "{name} replays, although {why}");
            continue;
        }
        replayed.unwrap_or_else(|error| panic!("{name}: {error}"));
        let results = RESULTS.lock().expect("not poisoned");
        compare(name, results.get(&id), &flow["result"]);
    }
}

#[track_caller]
fn compare(name: &str, ours: Option<&Value>, pythons: &Value) {
    match (ours, pythons) {
        // Still waiting for the activity when the recording ended, or failed: nothing returned.
        (None, python) => assert!(python.get("returned").is_none() && !python.is_array(), "{name}"),
        (Some(Value::Array(ours)), Value::Array(pythons)) => {
            for (ours, python) in ours.iter().zip(pythons) {
                compare(name, Some(ours), python);
            }
        }
        (Some(ours), python) => compare_one(name, ours, python),
    }
}

#[track_caller]
fn compare_one(name: &str, ours: &Value, python: &Value) {
    if python.get("returned").is_some() {
        assert_eq!(ours["value"], python["value"], "{name}");
        return;
    }
    let raised = python["raised"].as_str().expect("an exception");
    let class = raised.rsplit('.').next().expect("at least one part");
    assert_eq!(ours["raised"], class, "{name}");
    match class {
        // pydantic and serde word it differently.
        "SchemaValidationError" => {
            let text = ours["message"].as_str().expect("a text");
            assert!(
                text.starts_with("The response does not match the provided schema."),
                "{name}"
            );
        }
        // Python reads the number from the wrong place; ours is what the server said.
        "VerificationExhaustedError" if !name.starts_with("replayed") => {
            let text = ours["message"].as_str().expect("a text");
            assert!(text.contains("failed verification 2 times."), "{name}: {text}");
        }
        _ => assert_eq!(ours["message"], python["message"], "{name}"),
    }
}

#[tokio::test]
async fn a_history_of_another_key_is_a_mismatch() {
    // The same events under another workflow id: the signal is for a key that nobody awaits, so
    // the workflow doesn't end where the history does.
    let mut history = history("completed_1");
    *workflow_id(&mut history) = "other".to_owned();
    assert!(replayer().replay_workflow(history.into()).await.is_err());
}
