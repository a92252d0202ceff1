//! Campaigns on a testkit: their own workflow and activity on the in-memory Temporal, in virtual time, with a worker that dies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use awaithumans_testkit::campaign::{self, Campaign, Cluster, News, Shards, Tally};
use awaithumans_testkit::fault::{CallMatch, Fault, Rule};
use awaithumans_testkit::{Testkit, Worker};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

/// The person takes up to ten days, and the question ends after seven: some seeds fail.
pub(crate) const LATE: &str = r#"
    name = "a person who may be late"

    [[people]]
    after = { uniform = { from = "1h", to = "10d" } }
    does = { complete = { approved = true } }

    [[faults]]
    fault = { crash_worker = { restart_after = "1h" } }
    when = { on = "parked" }

    [expect]
    workflows = ["completed"]
"#;

const QUEUE: &str = "campaigns";

const SHARDS: Shards = Shards {
    size: 4,
    heartbeat_timeout: Duration::from_secs(10),
    per_run: 2,
};

fn late(seeds: &str) -> Campaign {
    Campaign::new("late.toml", LATE, seeds.parse().unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

/// Seeds take real time: nobody is left behind meanwhile.
async fn patient_kit() -> Testkit {
    Testkit::builder().grace(Duration::from_secs(60)).start().await
}

type Told = Arc<Mutex<Vec<News>>>;

/// A worker of campaigns, and what it tells.
async fn worker(kit: &Testkit) -> (Worker, Told) {
    let told = Told::default();
    let tell = {
        let told = Arc::clone(&told);
        move |news| told.lock().unwrap().push(news)
    };
    let worker = kit.spawn_worker(campaign::worker_options(QUEUE, 2, tell)).await;
    (worker, told)
}

fn seeds_of(told: &Told) -> Vec<u64> {
    let told = told.lock().unwrap();
    let seeds = told.iter().filter_map(|news| match news {
        News::Played(seed) => Some(*seed),
        _ => None,
    });
    seeds.collect()
}

async fn play(kit: &Testkit, campaign: &Campaign) -> Tally {
    let cluster = Cluster::new(kit.client().clone()).task_queue(QUEUE);
    let started = cluster.start(campaign, SHARDS, None).await.unwrap();
    assert!(!started.was_there());
    started.tally().await.unwrap()
}

/// How many attempts the activities of all runs took, and how many of them followed a heartbeat that didn't come.
fn attempts(kit: &Testkit) -> (i32, usize) {
    let (mut attempts, mut lost) = (0, 0);
    for event in kit.histories().into_iter().flat_map(|history| history.events) {
        if let Some(Attributes::ActivityTaskStartedEventAttributes(started)) = event.attributes {
            attempts += started.attempt;
            let info = started.last_failure.and_then(|failure| failure.failure_info);
            lost += usize::from(matches!(info, Some(FailureInfo::TimeoutFailureInfo(_))));
        }
    }
    (attempts, lost)
}

#[tokio::test]
async fn a_shard_whose_worker_dies_goes_on_from_its_last_heartbeat_elsewhere() {
    let campaign = late("0..20");
    let here = campaign.play(2, |_| {});
    assert_eq!((here.played(), here.coverage().runs()), (20, 20));
    assert!(here.failed() > 0 && here.failed() < 20, "{}", here.report(&campaign));

    let kit = patient_kit().await;
    let (one, told_by_one) = worker(&kit).await;
    let (other, told_by_other) = worker(&kit).await;
    let dies = kit.faults().add(Rule::new(Fault::CrashWorkerAfter {
        call: CallMatch::rpc("RecordActivityTaskHeartbeat"),
        restart_after: None,
    }));
    let started_at = kit.now();
    let there = play(&kit, &campaign).await;
    assert_eq!(there, here);
    dies.forget();

    let (dead, survivor) = match one.is_running() {
        true => (told_by_other, told_by_one),
        false => (told_by_one, told_by_other),
    };
    assert!(one.is_running() != other.is_running());
    // Five shards, and the one that was lost once more, ten seconds after its last sign of life.
    assert_eq!(attempts(&kit), (6, 1));
    assert!(kit.now().since(started_at) >= SHARDS.heartbeat_timeout);
    let lost = match dead.lock().unwrap()[0] {
        News::Begins { shard, .. } => shard,
        news => panic!("{news}"),
    };
    let from = survivor.lock().unwrap().iter().find_map(|news| match news {
        News::Begins { shard, from } if *shard == lost => Some(*from),
        _ => None,
    });
    let from = from.expect("the other one has played the lost shard");
    assert!(from > lost.first(), "{from} of {lost}");
    let mut played = seeds_of(&survivor);
    played.extend(lost.first()..from);
    played.sort_unstable();
    assert_eq!(played, (0..20).collect::<Vec<_>>());
    // Two shards in each run of the workflow.
    assert_eq!(kit.coverage().seen("closed:continued_as_new"), 2);
    assert_eq!(kit.coverage().seen("closed:completed"), 1);
    // The campaign's workflow is deterministic: whoever takes it over comes to the same.
    kit.check_replays().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_shuts_down_gives_its_shards_back_at_once() {
    let campaign = late("100..108");
    let kit = patient_kit().await;
    let (sender, mut news) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |news| sender.send(news).expect("the test reads them");
    let first = kit.spawn_worker(campaign::worker_options(QUEUE, 2, tell)).await;
    let cluster = Cluster::new(kit.client().clone()).task_queue(QUEUE);
    let started = cluster.start(&campaign, SHARDS, None).await.unwrap();
    // Once it plays: a task that is still on its way when its worker shuts down is lost until its heartbeat timeout.
    let begun = kit.run_until(news.recv()).await.unwrap();
    assert!(matches!(begun, Some(News::Begins { .. })), "{begun:?}");
    let before = kit.now();
    first.shutdown().await;
    let (_second, _) = worker(&kit).await;
    let there = started.tally().await.unwrap();
    assert_eq!(there, campaign.play(2, |_| {}));
    assert!(kit.now().since(before) < SHARDS.heartbeat_timeout, "{}", kit.timeline());
}

#[tokio::test]
async fn the_same_campaign_is_attached_to_and_another_one_is_refused() {
    let kit = Testkit::start().await;
    let cluster = Cluster::new(kit.client().clone()).task_queue(QUEUE);
    let (one, other) = (late("0..4"), late("0..5"));
    let started = cluster.start(&one, SHARDS, None).await.unwrap();
    let again = cluster.start(&one, Shards::default(), None).await.unwrap();
    assert!(again.was_there());
    assert_eq!(again.id(), started.id());
    let apart = cluster.start(&other, SHARDS, None).await.unwrap();
    assert_ne!(apart.id(), started.id());
    let refused = cluster
        .start(&other, SHARDS, Some(started.id().to_owned()))
        .await
        .unwrap_err();
    assert!(refused.contains("it is another campaign"), "{refused}");
}

#[test]
fn a_range_in_pieces_comes_to_the_same_as_the_whole() {
    let mut sum = late("7..9").play(1, |_| {});
    sum.add(&late("9..12").play(2, |_| {}));
    assert_eq!(sum, late("7..12").play(3, |_| {}));
}
