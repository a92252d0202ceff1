//! `campaign`: a scenario under many seeds, here or on the workers of a Temporal cluster; and `campaign worker`, one of those.

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use awaithumans_testkit::Threads;
use awaithumans_testkit::campaign::{self, Cluster, News, Seeds, Shards, Tally};
use awaithumans_testkit::serve::duration;
use clap::Subcommand;

use super::{FAILED, WRONG_FILE, stop_signal};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Campaign {
    #[command(subcommand)]
    command: Option<Command>,
    /// Which seeds, the last one excluded: 0..1000000.
    #[arg(long, value_name = "FIRST..END", required = true)]
    seeds: Option<Seeds>,
    /// The scenario, in TOML; in JSON if its name ends in .json.
    #[arg(long, value_name = "FILE", required = true)]
    scenario: Option<PathBuf>,
    /// How many seeds at a time, if they are played here; as many as there are cores if it isn't said.
    #[arg(long, value_name = "COUNT", conflicts_with = "temporal")]
    threads: Option<NonZeroUsize>,
    /// Holds each thread, with its workers', to one core: a fifth faster on a machine that does nothing else, slower on one that is shared. Linux only.
    #[arg(long, conflicts_with = "temporal")]
    pin_threads: bool,
    /// Plays on the workers of this Temporal cluster instead.
    #[arg(long, value_name = "HOST:PORT")]
    temporal: Option<String>,
    /// The cluster's namespace.
    #[arg(long, default_value = "default", requires = "temporal")]
    namespace: String,
    /// The workers' task queue. Its name has the testkit's version, since another one may see other things under the same seed.
    #[arg(long, value_name = "QUEUE", default_value_t = campaign::default_task_queue(), requires = "temporal")]
    task_queue: String,
    /// How many seeds a worker gets at a time for each of its threads.
    #[arg(long, value_name = "SEEDS", default_value_t = Shards::default().size, value_parser = clap::value_parser!(u64).range(1..), requires = "temporal")]
    shard_size: u64,
    /// After how long without a sign of life a worker is lost, as Go writes durations. Others play what it had, from its last sign on.
    #[arg(long, value_name = "DURATION", value_parser = heartbeat_timeout, default_value = "30s", requires = "temporal")]
    heartbeat_timeout: Duration,
    /// The campaign's workflow id. Made from scenario and seeds if it isn't said, so that the same command attaches again.
    #[arg(long, value_name = "ID", requires = "temporal")]
    workflow_id: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays shards of campaigns until it is told to stop. Any number of workers may come and go.
    Worker(Worker),
}

#[derive(Debug, clap::Args)]
struct Worker {
    /// The Temporal cluster.
    #[arg(long, value_name = "HOST:PORT")]
    temporal: String,
    /// The cluster's namespace.
    #[arg(long, default_value = "default")]
    namespace: String,
    /// The campaigns' task queue.
    #[arg(long, value_name = "QUEUE", default_value_t = campaign::default_task_queue())]
    task_queue: String,
    /// How many shards at a time; as many as there are cores if it isn't said.
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
}

fn heartbeat_timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        timeout if timeout < Duration::from_secs(1) => Err("it must be 1s at least".to_owned()),
        timeout => Ok(timeout),
    }
}

/// After how many seeds it is told how far a campaign is that is played here.
const TOLD_EVERY: u64 = 10_000;

/// Who is interrupted while a campaign goes on elsewhere: as a shell says it of SIGINT.
const INTERRUPTED: u8 = 130;

/// Plays a campaign, or shards of campaigns. An error is an exit code and what to tell.
pub(crate) fn campaign(arguments: Campaign) -> Result<(), (u8, String)> {
    // A process that plays seeds ends when it is told to, without a report of each testkit in it.
    campaign::leave_signals_alone();
    if let Some(Command::Worker(worker)) = arguments.command {
        return block_on(work(&worker));
    }
    let (Some(seeds), Some(path)) = (arguments.seeds, &arguments.scenario) else {
        return Err((WRONG_FILE, "--seeds and --scenario are needed".to_owned()));
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| (WRONG_FILE, format!("{name}: {error}")))?;
    let campaign = campaign::Campaign::new(&name, &text, seeds);
    let campaign = campaign.map_err(|error| (WRONG_FILE, error.to_string()))?;
    let tally = match &arguments.temporal {
        None => Ok(play_here(
            &campaign,
            threads(arguments.threads).pinned(arguments.pin_threads),
        )),
        Some(address) => block_on(play_there(&campaign, address, &arguments)),
    }?;
    let report = tally.report(&campaign);
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(report.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| (FAILED, error.to_string()))?;
    match tally.failed() {
        0 => Ok(()),
        failed => Err((FAILED, format!("{failed} of {} seeds fail", tally.played()))),
    }
}

fn play_here(campaign: &campaign::Campaign, threads: Threads) -> Tally {
    let started = now();
    let tally = campaign.play(threads, |done| {
        if done % TOLD_EVERY == 0 {
            eprintln!("{done} of {} seeds", campaign.seeds().count());
        }
    });
    let took = started.elapsed();
    eprintln!(
        "{} seeds on {} threads in {took:.1?}, {:.0} a second",
        tally.played(),
        threads.count(),
        tally.played() as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)
    );
    tally
}

async fn play_there(campaign: &campaign::Campaign, address: &str, arguments: &Campaign) -> Result<Tally, (u8, String)> {
    let failed = |text: String| (FAILED, text);
    let stop = stop_signal().map_err(|error| failed(error.to_string()))?;
    let cluster = Cluster::connect(address, &arguments.namespace).await.map_err(failed)?;
    let cluster = cluster.task_queue(arguments.task_queue.as_str());
    let shards = Shards {
        size: arguments.shard_size,
        heartbeat_timeout: arguments.heartbeat_timeout,
        ..Shards::default()
    };
    let started = cluster.start(campaign, shards, arguments.workflow_id.clone()).await;
    let started = started.map_err(failed)?;
    let id = started.id();
    match started.was_there() {
        true => eprintln!("campaign {id} runs already; this waits for it"),
        false => eprintln!("campaign {id} has begun"),
    }
    eprintln!("workers join it with: {}", worker_line(address, arguments));
    tokio::select! {
        tally = started.tally() => tally.map_err(failed),
        () = stop => Err((INTERRUPTED, format!("campaign {id} goes on without this; the same command attaches to it again"))),
    }
}

/// How a worker of this campaign is started, on any machine.
fn worker_line(address: &str, arguments: &Campaign) -> String {
    let mut line = format!("awaithumans-testkit campaign worker --temporal {address}");
    if arguments.namespace != "default" {
        line += &format!(" --namespace {}", arguments.namespace);
    }
    if arguments.task_queue != campaign::default_task_queue() {
        line += &format!(" --task-queue {}", arguments.task_queue);
    }
    line
}

async fn work(worker: &Worker) -> Result<(), (u8, String)> {
    let failed = |text: String| (FAILED, text);
    let stop = stop_signal().map_err(|error| failed(error.to_string()))?;
    let cluster = Cluster::connect(&worker.temporal, &worker.namespace)
        .await
        .map_err(failed)?;
    let threads = threads(worker.threads).count();
    let options = campaign::worker_options(&worker.task_queue, threads, |news| {
        if matches!(news, News::Begins { .. }) {
            eprintln!("{news}");
        }
    });
    eprintln!(
        "waits for campaigns on {}, {threads} shards at a time",
        worker.task_queue
    );
    campaign::work(cluster.client().clone(), options, stop)
        .await
        .map_err(failed)
}

fn threads(said: Option<NonZeroUsize>) -> Threads {
    said.map_or_else(Threads::of_all_cores, |count| Threads::from(count.get()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took is for people, and in no report"
)]
fn now() -> Instant {
    Instant::now()
}

fn block_on<T>(work: impl Future<Output = Result<T, (u8, String)>>) -> Result<T, (u8, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (FAILED, error.to_string()))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
