//! The executable: both fakes over TCP, for workflows in any language; and scenario files, played.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use awaithumans_testkit::SearchAttributeType;
use awaithumans_testkit::human::Timing;
use awaithumans_testkit::player::{self, Outside, Played, Stage};
use awaithumans_testkit::scenario::ScenarioFile;
use awaithumans_testkit::serve::{Options, Server, Time, Verdicts, duration};
use clap::{Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

/// An in-memory Temporal and a fake awaithumans server on one clock.
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves both on ports of this machine, until it is told to stop.
    ///
    /// One line of JSON on stdout says where, as soon as clients may connect. awaithumans' own environment
    /// variables mean what they mean to a real server; payload key and admin token have values for tests if they aren't set.
    Serve(Serve),
    /// Plays a scenario file and prints what happened.
    ///
    /// Exits with 1 if an invariant was broken, an expectation isn't met or a fault never fired, and with 2 if the file is wrong.
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The scenario, in TOML; in JSON if its name ends in .json.
    file: PathBuf,
    /// The seed of every id, token and draw, instead of the file's.
    #[arg(long)]
    seed: Option<u64>,
    /// Plays it around your own worker: Temporal is served here, on this machine.
    #[arg(long, value_name = "HOST:PORT", value_parser = own_port, requires_all = ["callback", "task_queue"])]
    temporal: Option<u16>,
    /// Your receiver's callback URL.
    #[arg(long, value_name = "URL", requires = "temporal")]
    callback: Option<String>,
    /// Your worker's task queue.
    #[arg(long, value_name = "QUEUE", requires = "temporal")]
    task_queue: Option<String>,
    /// The port of awaithumans' HTTP API for your worker; 0 for any free one.
    #[arg(long, value_name = "PORT", default_value_t = Options::default().awaithumans_port, requires = "temporal")]
    awaithumans_port: u16,
    /// How long, in real time, nothing may happen before the run is given up, as Go writes durations.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s", requires = "temporal")]
    patience: Duration,
}

/// The port of an address of this machine.
fn own_port(text: &str) -> Result<u16, String> {
    let (host, port) = text.rsplit_once(':').ok_or("it must be HOST:PORT")?;
    if !matches!(host, "127.0.0.1" | "localhost") {
        return Err("Temporal is served by this process: HOST is 127.0.0.1 or localhost".to_owned());
    }
    port.parse().map_err(|_| format!("{port:?} is no port"))
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// The port of Temporal's gRPC API; 0 for any free one.
    #[arg(long, default_value_t = Options::default().temporal_port)]
    temporal_port: u16,
    /// The port of awaithumans' HTTP API; 0 for any free one.
    #[arg(long, default_value_t = Options::default().awaithumans_port)]
    awaithumans_port: u16,
    /// The port of the page for people; 0 for any free one.
    #[arg(long, default_value_t = Options::default().ui_port)]
    ui_port: u16,
    /// How time passes.
    #[arg(long, value_enum, default_value_t)]
    time: Time,
    /// The seed of every id and token.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The file that keeps awaithumans' tasks, webhooks and users from one start to the next.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// What awaithumans' verifier says of people's answers, for tasks that have one.
    #[arg(long, value_enum, default_value_t)]
    verifier: Verdicts,
    /// When awaithumans does what is due: at the next of its ticks, every 5 s as the real one, or exactly then.
    #[arg(long, value_enum, default_value_t)]
    timing: Timing,
    /// A search attribute that the namespace `default` has from the start, as often as needed: `CustomerId=Keyword`.
    #[arg(long, value_name = "NAME=TYPE", value_parser = search_attribute)]
    search_attribute: Vec<(String, SearchAttributeType)>,
    /// A setting of Temporal's dynamic configuration, the value as JSON, as often as needed: `frontend.workerVersioningRuleAPIs=true`.
    #[arg(long, value_name = "KEY=JSON", value_parser = setting)]
    dynamic_config_value: Vec<(String, serde_json::Value)>,
    /// How long the namespace `default` keeps what has ended, as Go writes durations: `72h`. For ever if it isn't said.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    retention: Option<Duration>,
    /// What to log to stderr: off, error, warn, info, debug or trace.
    #[arg(long, default_value_t = LevelFilter::WARN)]
    log: LevelFilter,
}

/// A scenario didn't go as it was to.
const FAILED: u8 = 1;

/// A scenario file is wrong.
const WRONG_FILE: u8 = 2;

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Serve(serve) => serve_until_stopped(serve),
        Command::Run(run) => match play(&run) {
            Ok(()) => ExitCode::SUCCESS,
            Err((code, text)) => {
                eprintln!("{text}");
                ExitCode::from(code)
            }
        },
    }
}

/// Plays a scenario and prints it. An error is an exit code and what to tell.
fn play(run: &Run) -> Result<(), (u8, String)> {
    let wrong = |text: String| (WRONG_FILE, text);
    let file = read(&run.file).map_err(wrong)?;
    let file = match run.seed {
        Some(seed) => file.seed(seed),
        None => file,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (FAILED, error.to_string()))?;
    let played = runtime.block_on(async {
        match outside(run) {
            Some(outside) => play_outside(&file, outside).await,
            None => player::play(&file).await.map_err(|error| wrong(error.to_string())),
        }
    });
    runtime.shutdown_background();
    let played = played?;
    print(&file, &played).map_err(|error| (FAILED, error.to_string()))?;
    if let Some(broken) = &played.broken {
        let again = format!("run it again: {}", again(&run.file, &played));
        return Err((FAILED, format!("{broken}\n{again}")));
    }
    let judged = file.judge(&played.seen);
    judged.map_err(|error| (FAILED, format!("{error}\nrun it again: {}", again(&run.file, &played))))
}

/// Where the user's own worker and receiver are, if it is played around them.
fn outside(run: &Run) -> Option<Outside> {
    Some(Outside {
        temporal_port: run.temporal?,
        awaithumans_port: run.awaithumans_port,
        callback: run.callback.clone()?,
        task_queue: run.task_queue.clone()?,
        patience: run.patience,
        variables: environment(),
    })
}

async fn play_outside(file: &ScenarioFile, outside: Outside) -> Result<Played, (u8, String)> {
    let failed = |error: io::Error| (FAILED, error.to_string());
    let stage = Stage::open(file, outside)
        .await
        .map_err(|error| (WRONG_FILE, error.to_string()))?;
    let stage = stage.map_err(failed)?;
    eprintln!("{}", stage.ready());
    stage.play().await.map_err(failed)
}

fn read(path: &Path) -> Result<ScenarioFile, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    ScenarioFile::parse(&name, &text).map_err(|error| error.to_string())
}

fn print(file: &ScenarioFile, played: &Played) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "── {} (seed {}) ──", file.scenario().name, played.seed)?;
    stdout.write_all(played.seen.timeline.as_bytes())?;
    let seen: Vec<String> = played
        .coverage
        .all()
        .map(|(what, times)| format!("{what} {times}×"))
        .collect();
    writeln!(stdout, "seen: {}", seen.join(", "))?;
    for why in &played.unreproducible {
        writeln!(stdout, "not reproducible: {why}")?;
    }
    stdout.flush()
}

/// The line that plays the same run once more.
fn again(path: &Path, played: &Played) -> String {
    format!("awaithumans-testkit run {} --seed {}", path.display(), played.seed)
}

fn serve_until_stopped(serve: Serve) -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(serve.log)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    match run(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(serve: Serve) -> io::Result<()> {
    // Two threads: what costs time beside the one lock is HTTP/2.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let server = Server::bind(options(serve)).await?;
        let stop = stop_signal()?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", server.ready())?;
        stdout.flush()?;
        drop(stdout);
        tokio::select! {
            ended = server.run() => ended,
            () = stop => Ok(()),
        }
    });
    // Calls that wait are cut off: their clients see a broken connection, as when any server stops.
    runtime.shutdown_background();
    result
}

fn options(serve: Serve) -> Options {
    Options {
        temporal_port: serve.temporal_port,
        awaithumans_port: serve.awaithumans_port,
        ui_port: serve.ui_port,
        time: serve.time,
        seed: serve.seed,
        state: serve.state,
        verifier: serve.verifier,
        search_attributes: serve.search_attribute,
        dynamic_config: serve.dynamic_config_value,
        retention: serve.retention,
        timing: serve.timing,
        variables: environment(),
    }
}

/// The process's environment. What isn't text becomes text that awaithumans refuses where it matters.
fn environment() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn search_attribute(text: &str) -> Result<(String, SearchAttributeType), String> {
    let (name, kind) = text.split_once('=').ok_or("it must be NAME=TYPE")?;
    Ok((name.to_owned(), kind.parse()?))
}

fn setting(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("it must be KEY=JSON")?;
    let value = serde_json::from_str(value).map_err(|error| format!("the value isn't JSON: {error}"))?;
    Ok((name.to_owned(), value))
}

/// Ends when the process is told to: by SIGINT or SIGTERM.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends when the process is told to.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
