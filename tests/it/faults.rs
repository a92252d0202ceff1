//! Every fault strikes what it is for, the workflow comes to the end that it must, and a second run is the same to the byte.

use std::time::Duration;

use awaithumans_testkit::fault::{
    CallMatch, ClockOf, Code, DatabaseFailure, FAULT_NAMES, Fault, RequestMatch, Rule, Span, TaskKind, TaskMatch,
    WebhookMatch, When,
};
use awaithumans_testkit::{Moment, MomentKind, Testkit};
use rstest::rstest;
use temporalio_protos::temporal::api::enums::v1::EventType;

use super::scenarios::stories::{self, Ending};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long the SDK's worker has to fetch a task from its own queue.
const STICKY_TIMEOUT: Duration = Duration::from_secs(10);

const APPROVED: &str = "approved (known customer); paid back $250";
const TIMED_OUT: &str = "Task \"Refund $250 to cus_demo?\" timed out after 604800 seconds.";

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Run {
    ending: Ending,
    journal: String,
    timeline: String,
    /// How often that rule fired which did so least.
    fired: u32,
    took: Duration,
    signals: usize,
    activities: usize,
    unreproducible: Vec<String>,
}

/// A refund that is approved after two days, with faults.
async fn run(rules: &[Rule]) -> Run {
    let kit = Testkit::start().await;
    let start = kit.now();
    stories::approve_after(&kit, 2 * DAY);
    for rule in rules {
        kit.faults().add(rule.clone()).forget();
    }
    let worker = stories::spawn_worker(&kit).await;
    stories::start(&kit, "refund-1", stories::refund(&kit)).await;
    let ending = stories::result(&kit, "refund-1").await;
    let took = kit.now().since(start);
    // What is still on its way arrives.
    kit.advance(10 * DAY).await.unwrap();
    let history = kit.history("refund-1");
    let count = |wanted: EventType| {
        history
            .events
            .iter()
            .filter(|event| event.event_type() == wanted)
            .count()
    };
    let run = Run {
        ending,
        journal: kit.journal().to_string(),
        timeline: kit.timeline(),
        fired: kit.faults().rules().iter().map(|rule| rule.fired).min().unwrap_or(0),
        took,
        signals: count(EventType::WorkflowExecutionSignaled),
        activities: kit
            .journal()
            .happenings()
            .iter()
            .filter(|(_, it)| it.kind == MomentKind::ActivityStarted)
            .count(),
        unreproducible: kit.unreproducible(),
    };
    drop(worker);
    run
}

/// The run, and proof that it repeats.
async fn play(rule: Rule) -> Run {
    play_all(&[rule]).await
}

async fn play_all(rules: &[Rule]) -> Run {
    let named = rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let run_once = run(rules).await;
    let again = run(rules).await;
    assert_eq!(
        run_once.unreproducible,
        Vec::<String>::new(),
        "{named}\n{}",
        run_once.timeline
    );
    assert_eq!(
        run_once.journal, again.journal,
        "{named}: another run with the same seed"
    );
    assert!(run_once.fired > 0, "{named}: not all fired\n{}", run_once.timeline);
    run_once
}

fn approved() -> Ending {
    Ending::Completed(APPROVED.to_owned())
}

fn timed_out() -> Ending {
    Ending::Failed {
        error_type: "TaskTimeoutError".to_owned(),
        message: TIMED_OUT.to_owned(),
    }
}

fn any_webhook() -> WebhookMatch {
    WebhookMatch::default()
}

fn parked() -> When {
    When::from(Moment::parked("refund-1"))
}

fn span(seconds: u64) -> Span {
    Span::from_seconds(seconds)
}

#[rstest]
#[case::fail_call(Rule::new(Fault::FailCall { call: CallMatch::rpc("SignalWorkflowExecution"), code: Code::Unavailable }))]
#[case::fail_completion(Rule::new(Fault::FailCall { call: CallMatch::rpc("RespondWorkflowTaskCompleted"), code: Code::Internal }).times(3))]
#[case::lose_signal_reply(Rule::new(Fault::LoseReply { call: CallMatch::rpc("SignalWorkflowExecution"), code: Code::Unavailable }))]
#[case::lose_completion_reply(Rule::new(Fault::LoseReply { call: CallMatch::rpc("RespondWorkflowTaskCompleted").nth(2), code: Code::Unavailable }))]
#[case::lose_activity_reply(Rule::new(Fault::LoseReply { call: CallMatch::rpc("RespondActivityTaskCompleted"), code: Code::Unavailable }))]
#[case::delay_call(Rule::new(Fault::DelayCall { call: CallMatch::rpc("RespondActivityTaskCompleted"), by: span(5) }))]
#[case::drop_workflow_task(Rule::new(Fault::DropTask { task: TaskMatch::kind(TaskKind::Workflow) }))]
#[case::drop_activity_task(Rule::new(Fault::DropTask { task: TaskMatch::kind(TaskKind::Activity) }))]
#[case::duplicate_task(Rule::new(Fault::DuplicateTask { task: TaskMatch::kind(TaskKind::Activity) }))]
#[case::crash_worker(Rule::new(Fault::CrashWorker { worker: None, restart_after: Some(span(3_600)) }).when(parked()))]
#[case::crash_before(Rule::new(Fault::CrashWorkerBefore { call: CallMatch::rpc("RespondActivityTaskCompleted"), restart_after: Some(span(60)) }))]
#[case::crash_after(Rule::new(Fault::CrashWorkerAfter { call: CallMatch::rpc("RespondWorkflowTaskCompleted"), restart_after: Some(span(60)) }))]
#[case::slow_worker(Rule::new(Fault::SlowWorker { worker: None, by: span(2) }).times(4))]
#[case::evict(Rule::new(Fault::EvictWorkflow { workflow: None }).when(parked()))]
#[case::lose_webhook(Rule::new(Fault::LoseWebhook { webhook: any_webhook() }))]
#[case::lose_webhook_answer(Rule::new(Fault::LoseWebhookAnswer { webhook: any_webhook() }))]
#[case::delay_webhook(Rule::new(Fault::DelayWebhook { webhook: any_webhook(), by: span(4) }))]
#[case::delay_webhook_beyond_patience(Rule::new(Fault::DelayWebhook { webhook: any_webhook(), by: span(86_400) }))]
#[case::hold_webhook(Rule::new(Fault::HoldWebhook { webhook: any_webhook(), until: Moment::closed("refund-1").into() }))]
#[case::repeat_webhook(Rule::new(Fault::RepeatWebhook { webhook: any_webhook(), after: span(2 * 86_400) }))]
#[case::flip_bit(Rule::new(Fault::FlipWebhookBit { webhook: any_webhook(), bit: 77 }))]
#[case::missign(Rule::new(Fault::MissignWebhook { webhook: any_webhook() }))]
#[case::misdirect(Rule::new(Fault::MisdirectWebhook { webhook: any_webhook(), workflow: "refund-2".to_owned() }))]
#[case::receiver_answers(Rule::new(Fault::ReceiverAnswers { webhook: any_webhook(), status: 500 }).times(3))]
#[case::receiver_hangs(Rule::new(Fault::ReceiverHangs { webhook: any_webhook() }))]
#[case::receiver_closes(Rule::new(Fault::ReceiverCloses { webhook: any_webhook() }))]
#[case::receiver_crashes(Rule::new(Fault::ReceiverCrashes { webhook: any_webhook() }))]
#[case::restart_server(Rule::new(Fault::RestartServer).when(parked()))]
#[case::stop_server(Rule::new(Fault::StopServer { duration: span(3_600) }).when(Moment::of_kind(MomentKind::WorkflowStarted)))]
#[case::fail_create(Rule::new(Fault::FailRequest { request: RequestMatch::create(), status: 503 }).times(2))]
#[case::no_connection_to_the_database(Rule::new(Fault::FailDatabase { request: RequestMatch::create(), how: DatabaseFailure::PoolExhausted }))]
#[case::a_locked_database(Rule::new(Fault::FailDatabase { request: RequestMatch::create(), how: DatabaseFailure::Locked }).times(2))]
#[case::lose_create_response(Rule::new(Fault::LoseResponse { request: RequestMatch::create() }))]
#[case::delay_create(Rule::new(Fault::DelayRequest { request: RequestMatch::create(), by: span(3) }))]
#[case::jump(Rule::new(Fault::JumpClock { by: span(86_400) }).when(parked()))]
#[case::skew_awaithumans(Rule::new(Fault::SkewClock { party: ClockOf::Awaithumans, by: span(3_600) }))]
#[case::skew_temporal(Rule::new(Fault::SkewClock { party: ClockOf::Temporal, by: span(3_600) }).when(parked()))]
#[case::hold_clock(Rule::new(Fault::HoldClock { until: parked() }))]
#[tokio::test]
async fn the_refund_is_paid_all_the_same(#[case] rule: Rule) {
    let run = play(rule).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
}

#[tokio::test]
async fn a_server_that_stays_down_lets_the_workflow_time_out_by_itself() {
    let down = Fault::StopServer {
        duration: span(9 * 86_400),
    };
    let run = play(Rule::new(down).when(parked())).await;
    assert_eq!(run.ending, timed_out(), "{}", run.timeline);
}

#[tokio::test]
async fn a_worker_that_nobody_starts_again_leaves_its_workflow_waiting() {
    let kit = Testkit::start().await;
    stories::approve_after(&kit, HOUR);
    let crash = Fault::CrashWorker {
        worker: Some("worker-1".to_owned()),
        restart_after: None,
    };
    let guard = kit.faults().add(Rule::new(crash).when(parked()));
    let worker = stories::spawn_worker(&kit).await;
    stories::start(&kit, "refund-1", stories::refund(&kit)).await;
    let stalled = kit.run_until_moment(Moment::closed("refund-1")).await.unwrap_err();
    assert!(stalled.is_stalled(), "{stalled}");
    assert!(!worker.is_running());
    assert_eq!(guard.fired(), 1);
}

#[tokio::test]
async fn a_duplicate_runs_the_activity_twice_and_changes_nothing() {
    let once = play(Rule::new(Fault::EvictWorkflow { workflow: None }).when(parked())).await;
    let task = TaskMatch {
        activity: Some("Payments::pay_back".to_owned()),
        ..TaskMatch::default()
    };
    let twice = play(Rule::new(Fault::DuplicateTask { task })).await;
    assert_eq!((once.activities, twice.activities), (2, 2), "{}", twice.timeline);
    assert_eq!(twice.ending, approved());
}

#[tokio::test]
async fn a_workflow_leaves_its_workers_cache_while_its_task_waits_there() {
    let signaled = Moment::history_event("WORKFLOW_EXECUTION_SIGNALED").of("refund-1");
    let run = play(Rule::new(Fault::EvictWorkflow { workflow: None }).when(signaled)).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
    assert!(
        run.timeline.contains("worker-1 replays workflow refund-1"),
        "{}",
        run.timeline
    );
    // The task isn't for that worker's cache any more, and has its time there all the same.
    assert!(run.took >= 2 * DAY + STICKY_TIMEOUT, "{:?}", run.took);
}

#[tokio::test]
async fn an_answer_that_is_lost_signals_the_workflow_once_more_when_it_is_late() {
    let lost = Fault::LoseWebhookAnswer { webhook: any_webhook() };
    let run = play(Rule::new(lost)).await;
    // The second delivery finds a workflow that has ended.
    assert_eq!(run.signals, 1, "{}", run.timeline);
    assert!(run.timeline.contains("attempt 2"), "{}", run.timeline);
}

#[tokio::test]
async fn a_tampered_webhook_is_refused_and_the_next_attempt_counts() {
    let run = play(Rule::new(Fault::FlipWebhookBit {
        webhook: any_webhook(),
        bit: 1_000,
    }))
    .await;
    assert!(run.timeline.contains("401"), "{}", run.timeline);
    assert!(run.took >= 2 * DAY + Duration::from_secs(30), "{:?}", run.took);
}

#[tokio::test]
async fn a_queue_of_several_gives_the_newest_first() {
    let order = async |reorders: bool| {
        let kit = Testkit::start().await;
        stories::approve_after(&kit, HOUR);
        let guard = reorders.then(|| kit.faults().add(Rule::new(Fault::ReorderTasks { task_queue: None })));
        for number in 1..=3 {
            stories::start(&kit, &format!("refund-{number}"), stories::refund(&kit)).await;
        }
        let _worker = stories::spawn_worker(&kit).await;
        stories::result(&kit, "refund-2").await;
        drop(guard);
        let journal = kit.journal();
        let mut started = journal
            .happenings()
            .iter()
            .filter(|(_, it)| it.kind == MomentKind::WorkflowTaskStarted);
        started.next().map(|(_, it)| it.of.clone()).unwrap()
    };
    assert_eq!(order(false).await, "refund-1");
    assert_eq!(order(true).await, "refund-3");
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let refused = |json: &str| {
        let rule: Rule = serde_json::from_str(json).unwrap();
        rule.check().unwrap_err()
    };
    let call = refused(r#"{"fault": {"fail_call": {"call": {"rpc": "SignalWorkflow"}}}}"#);
    assert!(call.contains("no RPC \"SignalWorkflow\""), "{call}");
    let never = refused(r#"{"fault": "restart_server", "times": 0}"#);
    assert!(never.contains("never fires"), "{never}");
    let when = refused(r#"{"fault": "restart_server", "when": {"at": "2d", "on": "parked"}}"#);
    assert!(when.contains("leave one out"), "{when}");
    let hold = refused(r#"{"fault": {"hold_clock": {"until": {"at": "2d"}}}}"#);
    assert!(hold.contains("no time comes"), "{hold}");
    let status = refused(r#"{"fault": {"receiver_answers": {"status": 99}}}"#);
    assert!(status.contains("200 to 599"), "{status}");
    let twice = refused(r#"{"fault": {"duplicate_task": {"task": {"kind": "workflow"}}}}"#);
    assert!(twice.contains("never gives a workflow task out twice"), "{twice}");
}

#[test]
fn no_rule_is_for_the_zeroth_of_anything() {
    let refused = |json: &str| {
        let rule: Rule = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        let why = rule.check().unwrap_err();
        assert!(why.starts_with("`nth` counts from 1"), "{json}: {why}");
    };
    let faults = [
        (
            "call",
            "",
            &["fail_call", "lose_reply", "crash_worker_before", "crash_worker_after"][..],
        ),
        ("call", r#", "by": "1s""#, &["delay_call"]),
        // Without a kind, too, which a duplicate can't do without.
        ("task", "", &["drop_task", "duplicate_task"]),
        (
            "webhook",
            "",
            &[
                "lose_webhook",
                "lose_webhook_answer",
                "repeat_webhook",
                "flip_webhook_bit",
                "missign_webhook",
                "receiver_hangs",
                "receiver_closes",
                "receiver_crashes",
            ],
        ),
        ("webhook", r#", "by": "1s""#, &["delay_webhook"]),
        ("webhook", r#", "until": {"on": "parked"}"#, &["hold_webhook"]),
        ("webhook", r#", "workflow": "refund-2""#, &["misdirect_webhook"]),
        ("webhook", r#", "status": 500"#, &["receiver_answers"]),
        ("request", "", &["fail_request", "lose_response"]),
        ("request", r#", "how": "locked""#, &["fail_database"]),
        ("request", r#", "by": "1s""#, &["delay_request"]),
    ];
    let mut names = Vec::new();
    for (what, rest, all) in faults {
        for name in all {
            refused(&format!(
                r#"{{"fault": {{"{name}": {{"{what}": {{"nth": 0}}{rest}}}}}}}"#
            ));
            names.push(*name);
        }
    }
    // Those that are left strike nothing that could be counted.
    let uncounted: Vec<&str> = FAULT_NAMES.into_iter().filter(|name| !names.contains(name)).collect();
    let wanted = [
        "reorder_tasks",
        "crash_worker",
        "slow_worker",
        "evict_workflow",
        "restart_server",
        "stop_server",
        "jump_clock",
        "skew_clock",
        "hold_clock",
    ];
    assert_eq!(uncounted, wanted);
    for kind in MomentKind::ALL {
        let moment = format!(r#"{{"on": "{}", "nth": 0}}"#, kind.name());
        refused(&format!(r#"{{"fault": "restart_server", "when": {moment}}}"#));
        refused(&format!(r#"{{"fault": {{"hold_webhook": {{"until": {moment}}}}}}}"#));
        refused(&format!(r#"{{"fault": {{"hold_clock": {{"until": {moment}}}}}}}"#));
    }
}

#[test]
fn unknown_fields_are_refused_by_name() {
    let error = |json: &str| serde_json::from_str::<Rule>(json).unwrap_err().to_string();
    let field = error(r#"{"fault": {"crash_worker": {"restart_afer": "1h"}}}"#);
    assert!(
        field.contains("restart_afer") && field.contains("restart_after"),
        "{field}"
    );
    let kind = error(r#"{"fault": {"crash_wroker": {}}}"#);
    assert!(kind.contains("crash_wroker"), "{kind}");
}

#[test]
#[should_panic(expected = "never fired")]
fn a_fault_that_never_fired_fails_the_test() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let kit = Testkit::start().await;
        let guard = kit
            .faults()
            .add(Rule::new(Fault::LoseWebhook { webhook: any_webhook() }));
        drop(guard);
    });
}

#[test]
fn the_list_of_names_is_all_of_them() {
    // The cases above name each fault's variant; here each name is one that serde knows.
    for name in FAULT_NAMES {
        let unknown = serde_json::from_str::<Rule>(&format!("{{\"fault\": {{\"{name}\": {{}}}}}}"));
        let error = unknown.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!error.contains("unknown variant"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_receiver_whose_signal_is_slow_outlasts_its_senders_patience() {
    let delayed = Fault::DelayCall {
        call: CallMatch::rpc("SignalWorkflowExecution"),
        by: span(600),
    };
    let run = play(Rule::new(delayed)).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
    assert!(run.timeline.contains("ReadTimeout"), "{}", run.timeline);
}

#[tokio::test]
async fn a_client_whose_start_is_slow_gets_its_time() {
    let delayed = Fault::DelayCall {
        call: CallMatch::rpc("StartWorkflowExecution"),
        by: span(60),
    };
    let run = play(Rule::new(delayed)).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
}

/// While the worker waits for one answer, another comes: it still waits. The SDK puts a task aside whose run it is still at, and nobody may
/// wait for that in real time, however often the task times out.
#[tokio::test]
async fn a_worker_waits_for_all_that_is_delayed_and_not_only_for_what_comes_first() {
    let kit = Testkit::start().await;
    stories::approve_after(&kit, DAY);
    for by in [span(6 * 3_600), span(20)] {
        let call = CallMatch::rpc("RespondWorkflowTaskCompleted");
        kit.faults().add(Rule::new(Fault::DelayCall { call, by })).forget();
    }
    let _worker = stories::spawn_worker(&kit).await;
    for id in ["refund-1", "refund-2"] {
        stories::start(&kit, id, stories::refund(&kit)).await;
    }
    for id in ["refund-1", "refund-2"] {
        assert_eq!(stories::result(&kit, id).await, approved(), "{}", kit.timeline());
    }
    assert_eq!(kit.unreproducible(), Vec::<String>::new(), "{}", kit.timeline());
    assert!(
        kit.faults().rules().iter().all(|rule| rule.fired == 1),
        "{}",
        kit.timeline()
    );
}

/// A worker whose poll is late goes on with what it has, and nobody waits for the poll in real time. Workers poll beside their work, so the line
/// that says so isn't always at the same place.
#[tokio::test]
async fn a_worker_whose_poll_is_late_works_meanwhile() {
    let started = Moment::of_kind(MomentKind::WorkflowTaskStarted).of("refund-1");
    let late = Fault::DelayCall {
        call: CallMatch::rpc("PollWorkflowTaskQueue"),
        by: span(3_600),
    };
    let run = run(&[Rule::new(late).when(When::from(started))]).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
    assert_eq!(run.unreproducible, Vec::<String>::new(), "{}", run.timeline);
    assert!(run.fired > 0, "{}", run.timeline);
    assert!(!run.timeline.contains("imed out"), "{}", run.timeline);
}

/// A worker that does an activity again waits for what is delayed like any other.
#[tokio::test]
async fn a_worker_with_a_task_that_it_has_had_before_waits_for_what_is_delayed() {
    let twice = Fault::DuplicateTask {
        task: TaskMatch::kind(TaskKind::Activity),
    };
    let late = Fault::DelayRequest {
        request: RequestMatch::create(),
        by: span(9),
    };
    let second = When::from(Moment::task_created());
    let run = play_all(&[Rule::new(twice), Rule::new(late).when(second)]).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
}

/// The answer has come and its reply was lost: the SDK sends it again, and is at that run until this is answered, whoever has the task by then.
#[tokio::test]
async fn a_worker_whose_answer_is_delayed_when_it_sends_it_again_is_waited_for_in_virtual_time() {
    let answer = || CallMatch::rpc("RespondWorkflowTaskCompleted");
    let lost = Fault::LoseReply {
        call: answer(),
        code: Code::Internal,
    };
    let late = Fault::DelayCall {
        call: answer(),
        by: span(600),
    };
    let run = play_all(&[Rule::new(lost), Rule::new(late)]).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
}

/// What the call brought about has killed its caller before the answer could be lost: nobody tries again.
#[tokio::test]
async fn a_worker_that_is_dead_when_its_answer_is_lost_is_not_waited_for() {
    let lost = Fault::LoseReply {
        call: CallMatch::rpc("RespondWorkflowTaskCompleted"),
        code: Code::Internal,
    };
    let dies = Fault::CrashWorker {
        worker: None,
        restart_after: Some(span(60)),
    };
    let completed = Moment::of_kind(MomentKind::WorkflowTaskCompleted).of("refund-1");
    let run = play_all(&[Rule::new(lost), Rule::new(dies).when(When::from(completed))]).await;
    assert_eq!(run.ending, approved(), "{}", run.timeline);
}
