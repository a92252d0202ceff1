//! The stories of the example `approval`, held to their outcomes. With `AWAITHUMANS_TESTKIT_CHECK_DETERMINISM=1` each
//! plays twice, and the two journals must be equal to the byte.

#[allow(dead_code)]
#[path = "../../examples/approval/refund.rs"]
pub mod refund;
// The example and this test share the stories; the example alone uses their numbers.
#[allow(dead_code)]
#[path = "../../examples/approval/scenarios.rs"]
pub mod stories;

use std::time::Duration;

use awaithumans_testkit::human::{Matcher, Profile, Status};
use awaithumans_testkit::{Journal, Party, Testkit, play};
use rstest::rstest;
use temporalio_client::WorkflowGetResultOptions;
use temporalio_protos::temporal::api::enums::v1::EventType;

use stories::{Ending, STORIES};

fn completed(result: &str) -> Ending {
    Ending::Completed(result.to_owned())
}

fn failed(error_type: &str, message: &str) -> Ending {
    Ending::Failed {
        error_type: error_type.to_owned(),
        message: message.to_owned(),
    }
}

fn timed_out(seconds: u64) -> Ending {
    let message = format!("Task \"Refund $250 to cus_demo?\" timed out after {seconds} seconds.");
    failed("TaskTimeoutError", &message)
}

const APPROVED: &str = "approved (known customer); paid back $250";

/// What the journal says, without the times.
fn said(journal: &Journal, party: Party) -> Vec<String> {
    journal
        .entries()
        .iter()
        .filter(|entry| entry.party == party)
        .map(|entry| entry.what.clone())
        .collect()
}

fn count(kit: &Testkit, workflow_id: &str, event_type: EventType) -> usize {
    let history = kit.history(workflow_id);
    history
        .events
        .iter()
        .filter(|event| event.event_type() == event_type)
        .count()
}

#[tokio::test]
async fn a_person_approves_after_two_days() {
    play(&Testkit::builder(), async |kit| {
        let before = kit.now();
        assert_eq!(stories::completed(kit).await, completed(APPROVED));
        assert_eq!(kit.now().since(before), Duration::from_secs(2 * 86_400));
        assert_eq!(kit.unreproducible(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn nobody_answers_in_time() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::timed_out(kit).await, timed_out(604_800));
        assert_eq!(count(kit, "refund-1", EventType::TimerFired), 1);
    })
    .await;
}

#[tokio::test]
async fn the_task_is_cancelled() {
    play(&Testkit::builder(), async |kit| {
        let ending = failed("TaskCancelledError", "Task 'Refund $250 to cus_demo?' was cancelled.");
        assert_eq!(stories::cancelled(kit).await, ending);
        assert_eq!(kit.humans().tasks()[0].status, Status::Cancelled);
    })
    .await;
}

#[tokio::test]
async fn the_verifier_rejects_every_answer_and_the_number_of_attempts_is_told() {
    play(&Testkit::builder(), async |kit| {
        let message = "Task \"Refund $250 to cus_demo?\" failed verification 3 times.";
        let ending = failed("VerificationExhaustedError", message);
        assert_eq!(stories::verification_exhausted(kit).await, ending);
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_while_parked_is_replaced_by_one_that_replays() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::worker_dies_while_parked(kit).await, completed(APPROVED));
        // No second task was asked for, and the replay found the same key.
        assert_eq!(kit.humans().tasks().len(), 1);
        assert_eq!(count(kit, "refund-1", EventType::ActivityTaskScheduled), 2);
        let replays = "worker-1 replays workflow refund-1 from its history";
        assert!(said(&kit.journal(), Party::Worker).contains(&replays.to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_created_task_whose_report_is_lost_is_found_again_by_its_key() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::worker_dies_before_report(kit).await, completed(APPROVED));
        assert_eq!(kit.humans().tasks().len(), 1);
        let replayed = said(&kit.journal(), Party::Awaithumans)
            .iter()
            .any(|line| line.contains("asked for again") && line.contains("idempotent replay"));
        assert!(replayed, "{}", kit.timeline());
    })
    .await;
}

#[tokio::test]
async fn an_answer_waits_for_the_worker() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::answer_before_worker_is_back(kit).await, completed(APPROVED));
        assert_eq!(count(kit, "refund-1", EventType::WorkflowExecutionSignaled), 1);
    })
    .await;
}

#[tokio::test]
async fn a_terminal_task_answers_a_second_workflow_without_a_signal() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::replay_of_a_terminal_task(kit).await, completed(APPROVED));
        assert_eq!(count(kit, "refund-2", EventType::WorkflowExecutionSignaled), 0);
        assert_eq!(count(kit, "refund-2", EventType::TimerStarted), 0);
        assert_eq!(kit.humans().tasks().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn two_questions_under_one_key_get_one_answer() {
    play(&Testkit::builder(), async |kit| {
        let ending = completed("approved (first look); approved (first look); paid back $250");
        assert_eq!(stories::two_questions_one_key(kit).await, ending);
        assert_eq!(kit.humans().tasks().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn two_questions_with_keys_of_their_own_get_two_answers() {
    play(&Testkit::builder(), async |kit| {
        let ending = completed("approved (first look); approved (second look); paid back $250");
        assert_eq!(stories::two_questions_two_keys(kit).await, ending);
        assert_eq!(kit.humans().tasks().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn awaithumans_0_1_0_does_not_retry_and_says_so() {
    play(&Testkit::builder().profile(Profile::V0_1_0), async |kit| {
        assert_eq!(stories::receiver_down_for_an_hour(kit).await, timed_out(604_800));
        assert_eq!(kit.humans().tasks()[0].status, Status::Completed);
        let loud = said(&kit.journal(), Party::Awaithumans)
            .iter()
            .any(|line| line.contains("FAILED") && line.contains("completed but undelivered"));
        assert!(loud, "{}", kit.timeline());
    })
    .await;
}

#[tokio::test]
async fn awaithumans_0_1_12_retries_until_the_receiver_is_back() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::receiver_down_for_an_hour(kit).await, completed(APPROVED));
        assert_eq!(kit.humans().deliveries()[0].attempt_count, 8);
    })
    .await;
}

#[tokio::test]
async fn tasks_survive_a_restart_of_the_awaithumans_server() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::server_restarts(kit).await, completed(APPROVED));
    })
    .await;
}

#[tokio::test]
async fn the_timeout_scheduler_resumes_after_a_restart() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::server_restarts_timeout(kit).await, timed_out(604_800));
        assert_eq!(kit.humans().tasks()[0].status, Status::TimedOut);
    })
    .await;
}

#[tokio::test]
async fn different_keys_are_told_in_plain_words() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::keys_differ(kit).await, timed_out(172_800));
        let lines = said(&kit.journal(), Party::Receiver);
        assert!(!lines.is_empty());
        for line in lines {
            assert!(
                line.starts_with("401") && line.contains("AWAITHUMANS_PAYLOAD_KEY"),
                "{line}"
            );
        }
        assert_eq!(count(kit, "refund-1", EventType::WorkflowExecutionSignaled), 0);
    })
    .await;
}

#[tokio::test]
async fn the_one_line_form_ends_as_the_inline_one() {
    play(&Testkit::builder(), async |kit| {
        assert_eq!(stories::classic_completed(kit).await, completed(APPROVED));
        // The signal goes to the adapter's own child, whose id the callback URL names.
        assert_eq!(count(kit, "refund-1", EventType::WorkflowExecutionSignaled), 0);
        assert_eq!(count(kit, "refund-1", EventType::ChildWorkflowExecutionCompleted), 1);
        assert_eq!(
            count(
                kit,
                "refund-1/awaithumans:temporal:refund-1",
                EventType::WorkflowExecutionSignaled
            ),
            1
        );
    })
    .await;
}

#[rstest]
#[case::zero(0)]
#[case::seven(7)]
#[case::large(u64::MAX)]
#[tokio::test]
async fn another_seed_gives_other_ids_and_the_same_outcome(#[case] seed: u64) {
    let kit = Testkit::builder().seed(seed).start().await;
    assert_eq!(stories::completed(&kit).await, completed(APPROVED));
    let again = Testkit::builder().seed(seed).start().await;
    stories::completed(&again).await;
    assert_eq!(kit.journal().to_string(), again.journal().to_string());
    assert_eq!(kit.history("refund-1"), again.history("refund-1"));
    let other = Testkit::builder().seed(seed ^ 1).start().await;
    stories::completed(&other).await;
    assert_ne!(kit.history("refund-1"), other.history("refund-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_of_many_threads_gives_the_same_run() {
    let one = play(&Testkit::builder(), async |kit| {
        stories::worker_dies_before_report(kit).await;
        kit.journal().to_string()
    })
    .await;
    let other = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let kit = Testkit::start().await;
            stories::worker_dies_before_report(&kit).await;
            kit.journal().to_string()
        })
    })
    .await
    .unwrap();
    assert_eq!(one, other);
}

/// An existing suite changes only where it gets its client: no call of the testkit moves time here.
#[tokio::test]
async fn waiting_for_a_result_moves_time() {
    let kit = Testkit::start().await;
    let _worker = stories::spawn_worker(&kit).await;
    stories::approve_after(&kit, Duration::from_secs(86_400));
    stories::start(&kit, "refund-1", stories::refund(&kit)).await;
    let handle = kit
        .client()
        .get_workflow_handle::<awaithumans_temporal::HumanRun<refund::InlineRefund>>("refund-1");
    let result = handle.get_result(WorkflowGetResultOptions::default()).await;
    assert_eq!(result.unwrap(), APPROVED);
}

#[tokio::test]
async fn a_stall_is_reported_and_names_who_waits_for_what() {
    let kit = Testkit::start().await;
    let _worker = stories::spawn_worker(&kit).await;
    kit.humans().stop_server();
    let waits = kit.run_until(std::future::pending::<()>()).await.unwrap_err();
    assert!(waits.is_stalled());
    let text = waits.to_string();
    assert!(text.contains("no workflow and no task is open"), "{text}");
    assert!(text.contains("AWAITHUMANS_TESTKIT_SEED=0"), "{text}");
}

#[tokio::test]
async fn a_hold_stops_time_and_says_why() {
    let kit = Testkit::start().await;
    let hold = kit.hold("the test looks around");
    let error = kit.advance(Duration::from_secs(1)).await.unwrap_err();
    assert!(
        error.is_stalled() && error.to_string().contains("the test looks around"),
        "{error}"
    );
    drop(hold);
    kit.advance(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_workflow_without_a_worker_is_reported_by_its_task_queue() {
    let kit = Testkit::start().await;
    kit.humans().on(Matcher::any()).never();
    stories::start(&kit, "refund-1", stories::refund(&kit)).await;
    let error = kit
        .run_until_moment(awaithumans_testkit::Moment::closed("refund-1"))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("task queue \"refunds\", which no worker polls"), "{text}");
}

#[tokio::test]
#[should_panic(expected = "crash_before was set on worker-1, and no such call ever came")]
async fn a_crash_that_never_happens_fails_the_test() {
    let kit = Testkit::start().await;
    let mut worker = stories::spawn_worker(&kit).await;
    worker.crash_before("RespondActivityTaskCanceled");
    drop(worker);
}

#[test]
fn every_story_of_the_example_has_a_number_of_its_own() {
    let mut numbers: Vec<&str> = STORIES.iter().map(|story| story.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), STORIES.len());
}
