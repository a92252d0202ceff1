//! What a test says that fails, hangs or is ended by its runner. The ones that end badly are run by this binary a second time, as its children.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use awaithumans_testkit::fault::{Fault, Rule, Span, WebhookMatch, When};
use awaithumans_testkit::human::Matcher;
use awaithumans_testkit::{Mark, Moment, MomentKind, Testkit};

use super::scenarios::stories;

const HOUR: Duration = Duration::from_secs(3_600);

/// Tells a test that it is the child.
const CHILD: &str = "AWAITHUMANS_TESTKIT_TESTS_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// This test once more, as a process of its own.
fn run_again(test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(CHILD, "1")
        .env_remove("AWAITHUMANS_TESTKIT_SEED")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says on stdout, past what keeps a test's output back, that the child is where its parent wants it.
fn say_ready() {
    std::io::stdout().lock().write_all(b"\nready\n").unwrap();
}

#[tokio::test]
async fn a_test_that_panics_prints_its_lanes_and_writes_a_page() {
    if is_child() {
        let kit = Testkit::builder().seed(7).start().await;
        let fault = Rule::new(Fault::LoseWebhook {
            webhook: WebhookMatch::default(),
        });
        kit.faults().add(fault).forget();
        stories::approve_after(&kit, HOUR);
        let _worker = stories::spawn_worker(&kit).await;
        stories::start(&kit, "refund-1", stories::refund(&kit)).await;
        stories::result(&kit, "refund-1").await;
        panic!("as it is meant to");
    }
    let test = "reports::a_test_that_panics_prints_its_lanes_and_writes_a_page";
    let Output { status, stdout, .. } = run_again(test).wait_with_output().unwrap();
    assert!(!status.success());
    let said = text(&stdout);
    let (_, report) = said.split_once("--- awaithumans-testkit: ").expect(&said);
    let (rerun, report) = report.split_once('\n').unwrap();
    assert_eq!(
        rerun,
        format!("seed 7; run it again: AWAITHUMANS_TESTKIT_SEED=7 cargo test {test}")
    );
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines[0].trim(), "test");
    assert!(lines[5].ends_with("│ worker"), "{report}");
    let marked = |mark: &str| lines.iter().filter(|line| line.starts_with(mark)).count();
    assert_eq!((marked("×"), marked("!!")), (1, 1), "{report}");

    let path = said
        .split("the same as a page: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(path.contains("/target/testkit/reports-a_test_that_panics"), "{path}");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page.contains("class=\"l3 fault\"") && page.contains("the test panics"),
        "{page}"
    );
}

#[tokio::test]
async fn sigterm_prints_who_waits_for_what_and_ends_the_process() {
    if is_child() {
        let kit = Testkit::builder().seed(3).start().await;
        stories::start(&kit, "refund-1", stories::refund(&kit)).await;
        let _hold = kit.hold("a look around");
        say_ready();
        // As a test does that waits for something of its own.
        std::future::pending::<()>().await;
    }
    let mut child = run_again("reports::sigterm_prints_who_waits_for_what_and_ends_the_process");
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = said.map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "{}", text(&child.wait_with_output().unwrap().stderr));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let report = text(&stderr);
    assert_eq!(status.code(), Some(143), "{report}");
    for part in [
        "--- AWAITHUMANS_TESTKIT_SEED=3 cargo test reports::sigterm_prints_who_waits",
        "time doesn't move because of a hold: a look around",
        "workflow refund-1",
        "which no worker polls",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[tokio::test]
async fn a_stall_names_what_faults_have_done() {
    let kit = Testkit::start().await;
    kit.humans()
        .on(Matcher::any())
        .complete(serde_json::json!({"approved": true}));
    let crash = Fault::CrashWorker {
        worker: None,
        restart_after: None,
    };
    let hold = Fault::HoldWebhook {
        webhook: WebhookMatch::default(),
        until: When::from(Moment::closed("refund-1")).and_after(Span::from_seconds(60)),
    };
    let parked = || When::from(Moment::parked("refund-1"));
    let stop = Fault::StopServer {
        duration: Span::from_seconds(3_600),
    };
    let stand_still = Fault::HoldClock {
        until: When::from(Moment::of_kind(MomentKind::WorkflowTaskCompleted).nth(9)),
    };
    for rule in [
        Rule::new(hold),
        Rule::new(stop).when(Moment::of_kind(MomentKind::WebhookSent)),
        Rule::new(crash).when(parked()),
        Rule::new(stand_still).when(Moment::of_kind(MomentKind::ServerStopped)),
    ] {
        kit.faults().add(rule).forget();
    }
    let _worker = stories::spawn_worker(&kit).await;
    stories::start(&kit, "refund-1", stories::refund(&kit)).await;
    let stalled = kit
        .run_until_moment(Moment::closed("refund-1"))
        .await
        .unwrap_err()
        .to_string();
    for part in [
        "the clock stands still, by fault rule 4 (hold_clock) until the 9th workflow_task_completed",
        "worker worker-1 was killed, and nobody starts it again",
        "is held until workflow_closed of refund-1",
        "the awaithumans server, which a fault has stopped, starts again at 2026-01-01T01:",
        "the sender of a webhook gives up at",
    ] {
        assert!(stalled.contains(part), "{part}: {stalled}");
    }
    let journal = kit.journal();
    let causes = journal.entries().iter().filter(|entry| entry.mark == Mark::Cause);
    assert_eq!(causes.count(), 1);
    // Time that a fault holds can't be advanced either.
    let held = kit.advance(HOUR).await.unwrap_err();
    assert!(held.is_stalled(), "{held}");
}

#[tokio::test]
async fn a_broken_invariant_is_marked_as_the_cause() {
    let kit = Testkit::start().await;
    kit.watch_invariants();
    kit.effects().record("pay:1");
    kit.effects().record("pay:1");
    let broken = kit.advance(std::time::Duration::from_secs(1)).await.unwrap_err();
    assert!(broken.is_broken_invariant(), "{broken}");
    let lanes = kit.timeline_in_lanes();
    assert!(lanes.lines().last().unwrap().starts_with("!! "), "{lanes}");
    assert!(
        kit.timeline_html().contains("<tr id=\"h2\" class=\"l0 cause\">"),
        "{}",
        kit.timeline_html()
    );
}

#[tokio::test]
#[should_panic(expected = "pay:1 happened 2 times")]
async fn a_broken_invariant_that_nobody_has_been_told_of_fails_the_test() {
    let kit = Testkit::start().await;
    kit.watch_invariants();
    kit.effects().record("pay:1");
    kit.effects().record("pay:1");
}

#[tokio::test]
async fn texts_of_others_stay_on_their_line() {
    let kit = Testkit::start().await;
    kit.note("a title\n!!  the test panics\u{1b}[2J\u{202e}");
    let safe = "a title⏎!!  the test panics\\u{1b}[2J\\u{202e}\n";
    assert!(kit.timeline().ends_with(safe), "{}", kit.timeline());
    assert!(kit.timeline_in_lanes().ends_with(safe), "{}", kit.timeline_in_lanes());
    assert_eq!(kit.timeline().lines().count(), 1);
}

#[tokio::test]
async fn a_stall_says_whether_the_script_has_somebody_for_a_task() {
    let kit = Testkit::start().await;
    kit.humans()
        .on(Matcher::any())
        .after(HOUR)
        .complete(serde_json::json!({"approved": true}));
    let hold = Fault::HoldClock {
        until: Moment::closed("refund-1").into(),
    };
    kit.faults().add(Rule::new(hold)).forget();
    let _worker = stories::spawn_worker(&kit).await;
    stories::start(&kit, "refund-1", stories::refund(&kit)).await;
    let stalled = kit
        .run_until_moment(Moment::closed("refund-1"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        stalled.contains("(key temporal:refund-1) waits for the person whom a line of the script has for it"),
        "{stalled}"
    );
}
