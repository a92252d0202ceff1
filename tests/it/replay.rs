//! Histories that the in-memory Temporal writes replay clean in the SDK's own replayer and by `check_replays`, and code that isn't deterministic is
//! found by it.

#![allow(unreachable_pub, reason = "the SDK's macros want what they expand to to be public")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use awaithumans_temporal::{Human, register_for_replay};
use awaithumans_testkit::explore::{Explore, Report};
use awaithumans_testkit::scenario::Plan;
use awaithumans_testkit::strategies::PlanOptions;
use awaithumans_testkit::{Moment, Testkit};
use temporalio_client::WorkflowStartOptions;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};
use temporalio_sdk::{WorkflowContext, WorkflowResult};
use temporalio_workflow::{workflow, workflow_methods};

use crate::scenarios::refund::{ClassicRefund, InlineRefund};
use crate::scenarios::stories::STORIES;

const MINUTE: Duration = Duration::from_secs(60);

fn replayer() -> WorkflowReplayer {
    let mut options = WorkflowReplayerOptions::new()
        .register_workflow::<Human<InlineRefund>>()
        .unwrap()
        .register_workflow::<ClassicRefund>()
        .unwrap()
        .build();
    register_for_replay(&mut options).unwrap();
    WorkflowReplayer::new(options).unwrap()
}

#[tokio::test]
async fn every_history_of_every_story_replays_clean() {
    let mut replayed = 0;
    for story in STORIES {
        let kit = (story.builder)().start().await;
        (story.play)(&kit).await;
        let replays = kit.check_replays().await.unwrap();
        let quiet = (replays.only_cold.len(), replays.left_out.len());
        assert_eq!(quiet, (0, 0), "story {}: {replays:?}", story.number);
        for history in kit.histories() {
            let outcome = replayer().replay_workflow(history.into()).await;
            outcome.unwrap_or_else(|error| panic!("story {}: {error}", story.number));
            replayed += 1;
        }
    }
    assert!(replayed > STORIES.len(), "{replayed}");
}

#[tokio::test]
async fn a_changed_history_does_not() {
    let kit = awaithumans_testkit::Testkit::start().await;
    crate::scenarios::stories::completed(&kit).await;
    let mut history = kit.history("refund-1");
    // Another activity stands where the person was asked.
    for event in &mut history.events {
        if let Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) = &mut event.attributes {
            scheduled.activity_type = Some("something_else".to_owned().into());
        }
    }
    assert!(replayer().replay_workflow(history.into()).await.is_err());
}

/// A workflow that looks at something outside its history: how many of its kind its process has begun.
#[workflow]
#[derive(Default)]
pub struct Whim {
    /// How many were begun before it.
    before: u64,
}

#[workflow_methods]
impl Whim {
    /// It waits for a minute, and that which comes after `odd` others for one more.
    #[run(name = "whim")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, odd: u64) -> WorkflowResult<String> {
        ctx.timer(MINUTE).await;
        if ctx.state(|whim| whim.before == odd) {
            ctx.timer(MINUTE).await;
        }
        Ok("done".to_owned())
    }
}

/// Runs one whim to its end.
async fn whim(kit: &Testkit, odd: u64) {
    let begun = Arc::new(AtomicU64::new(0));
    let options = kit
        .worker_options("whims")
        .register_workflow_with_factory::<Whim, _>(move || Whim {
            before: begun.fetch_add(1, Ordering::SeqCst),
        })
        .unwrap()
        .build();
    let _worker = kit.spawn_worker(options).await;
    let options = WorkflowStartOptions::new("whims", "whim-1").build();
    drop(kit.client().start_workflow(Whim::run, odd, options).await.unwrap());
    kit.run_until_moment(Moment::closed("whim-1")).await.unwrap();
}

#[tokio::test]
async fn code_that_isnt_deterministic_breaks_an_invariant_and_it_is_said_how() {
    let by_the_sdk = "Nondeterminism error";
    let by_us = "in the workflow task of event 8 the code asks for TimerStarted, and its history has WorkflowExecutionCompleted";
    // The run's own is the first; then it is begun once more for each way, and after an eviction for each workflow task.
    let cases = [
        (0, "cold", by_the_sdk),
        (1, "cold", by_the_sdk),
        (2, "warm", by_us),
        (3, "after an eviction", by_us),
    ];
    for (odd, way, words) in cases {
        let kit = Testkit::start().await;
        whim(&kit, odd).await;
        let error = kit.check_replays().await.unwrap_err();
        assert!(error.is_broken_invariant());
        let error = error.to_string();
        let wanted =
            format!("invariant “each finished workflow replays” is broken: workflow whim-1 (whim), replayed {way}: ");
        assert!(error.starts_with(&wanted) && error.contains(words), "{error}");
        assert!(
            kit.timeline().contains(&format!("replayed {way}")),
            "{}",
            kit.timeline()
        );
    }
    let kit = Testkit::start().await;
    whim(&kit, 4).await;
    assert_eq!(kit.check_replays().await.unwrap().replayed, 1);
}

fn explore() -> Explore {
    // A crash would let the run itself be a replay.
    let plans = PlanOptions::default().only_faults(["restart_server", "lose_webhook"]);
    Explore::new("a whim's way").plans(plans).seeds(0..3).regressions(None)
}

fn run(explore: Explore) -> Report {
    explore.run(async |kit: &Testkit| whim(kit, 0).await)
}

#[test]
fn explore_finds_code_that_isnt_deterministic_and_shows_it_like_any_other_failure() {
    let found = run(explore()).failure.unwrap();
    assert!(found.message.contains("“each finished workflow replays”"), "{found}");
    assert_eq!((found.seed, found.plan.steps()), (0, 0), "{found}");
    assert!(found.timeline.contains("replayed cold"), "{found}");
    let again = run(explore()).failure.unwrap();
    assert_eq!((found.plan, found.journal), (again.plan, again.journal));
}

#[test]
fn an_exploration_may_leave_replays_out() {
    let report = run(explore().replays(false));
    assert!(report.failure.is_none());
    assert_eq!(report.coverage.runs(), 3);
}

#[test]
fn a_failure_is_kept_for_the_machine_and_for_people() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept-failures");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let found = run(explore().regressions(Some(folder.clone()))).failure.unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder.join("a-whim-s-way"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let [journal, timeline] = ["journal", "timeline"].map(|name| format!("{name}.txt"));
    let text = |ending: &str| {
        let file = files.iter().find(|file| file.to_string_lossy().ends_with(ending));
        std::fs::read_to_string(file.unwrap_or_else(|| panic!("no {ending} among {files:?}"))).unwrap()
    };
    assert_eq!(files.len(), 4, "{files:?}");
    assert_eq!(text(&journal).trim_end(), found.journal.trim_end());
    assert_eq!(text(&timeline).trim_end(), found.timeline.trim_end());
    assert_eq!(text(".rs"), found.as_test());
    assert!(found.as_test().contains("async fn a_whim_s_way_seed_0()"));

    // It comes first the next time, before any seed; also one that is kept by the file for the machine alone, as older ones are.
    for file in files
        .iter()
        .filter(|file| file.extension().is_none_or(|it| it != "json"))
    {
        std::fs::remove_file(file).unwrap();
    }
    let again = run(explore().seeds(7..7).regressions(Some(folder)));
    let again = again.failure.expect("what was kept is played first");
    assert_eq!((again.seed, again.message), (found.seed, found.message));
    assert_eq!(again.plan, Plan::default());
}
