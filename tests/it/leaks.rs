//! A testkit and its workers leave nothing behind: a process may make as many as it likes, one after another.
#![cfg(target_os = "linux")]

use std::fs::read_dir;
use std::process::Command;
use std::time::Duration;

use awaithumans_temporal::{Human, HumanContext, HumanTask, HumanWorkflow, RegisterAwaitHuman as _};
use awaithumans_testkit::human::Matcher;
use awaithumans_testkit::{Moment, Testkit};
use temporalio_client::WorkflowStartOptions;
use temporalio_sdk::WorkflowResult;

const TASK_QUEUE: &str = "reviews";

/// Says that this process is the one whose open files are counted. Other tests would open some beside it.
const ALONE: &str = "AWAITHUMANS_TESTKIT_TEST_LEAKS";

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Decision {
    approved: bool,
}

#[derive(Debug, Default)]
struct Review;

impl HumanWorkflow for Review {
    type Input = [String; 2];
    type Output = bool;
    const NAME: &'static str = "review";

    async fn run(ctx: HumanContext<Self>, [server_url, callback_url]: [String; 2]) -> WorkflowResult<bool> {
        let task = HumanTask::<Decision>::new("Is it good?", &serde_json::json!({}))
            .timeout(Duration::from_secs(86_400))
            .server_url(&server_url)
            .callback_url(&callback_url);
        // A timer that is still set when the workflow ends, as whoever uses the SDK's own `select!` leaves it.
        let _reminder = ctx.timer(Duration::from_secs(3_600));
        Ok(ctx.await_human(task).await?.approved)
    }
}

/// One workflow is through, the other waits when its worker is killed.
async fn a_worker_is_killed() {
    let kit = Testkit::start().await;
    let people = kit.humans().on(Matcher::any()).after(Duration::from_secs(60));
    people.complete(serde_json::json!({"approved": true}));
    let options = kit.worker_options(TASK_QUEUE).register_workflow::<Human<Review>>();
    let options = options.expect("its name is free");
    let options = options.register_await_human(kit.create_task_activity());
    let worker = kit.spawn_worker(options.expect("its name is free").build()).await;
    for (workflow_id, until) in [
        ("review-1", Moment::closed("review-1")),
        ("review-2", Moment::parked("review-2")),
    ] {
        let urls = [kit.server_url().to_owned(), kit.callback_url()];
        let options = WorkflowStartOptions::new(TASK_QUEUE, workflow_id).build();
        let started = kit.client().start_workflow(Human::<Review>::run, urls, options).await;
        started.expect("it starts");
        kit.run_until_moment(until).await.expect("it comes to that");
    }
    assert_eq!(kit.coverage().seen("closed:completed"), 1, "{}", kit.timeline());
    drop(worker);
}

fn open_files() -> usize {
    read_dir("/proc/self/fd").expect("Linux has it").count()
}

/// Whether a worker's thread, or one that the SDK has started for it, is there.
fn worker_is_there() -> bool {
    let threads = read_dir("/proc/self/task").expect("Linux has it");
    let mut names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.any(|name| name.starts_with("work"))
}

fn resident_megabytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages of 4 KiB") / 256
}

/// Open files and megabytes after so many killed workers.
fn after(killed: usize) -> (usize, usize) {
    for _ in 0..killed {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(a_worker_is_killed());
        // What a killed worker leaves goes on for a moment, beside its testkit.
        while worker_is_there() {
            std::thread::yield_now();
        }
    }
    (open_files(), resident_megabytes())
}

#[test]
fn killed_workers_leave_neither_open_files_nor_memory() {
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().expect("this executable");
        let test = ["leaks::killed_workers_leave_neither_open_files_nor_memory", "--exact"];
        let output = Command::new(this).args(test).env(ALONE, "1").output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let (files, megabytes) = after(20);
    let (files_in_the_end, megabytes_in_the_end) = after(100);
    assert_eq!(files_in_the_end, files, "open files");
    // Each left 140 KB when nothing was given back, two runtimes' open files beside.
    let grown = megabytes_in_the_end.saturating_sub(megabytes);
    assert!(grown < 6, "a hundred killed workers have left {grown} MB");
}
