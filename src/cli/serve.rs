//! `serve`: both fakes over TCP, for workflows in any language.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use awaithumans_testkit::SearchAttributeType;
use awaithumans_testkit::human::Timing;
use awaithumans_testkit::serve::{Options, Server, Time, Verdicts, duration};
use tracing_subscriber::filter::LevelFilter;

use super::{environment, stop_signal};

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
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

pub(crate) fn serve_until_stopped(serve: Serve) -> ExitCode {
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

fn search_attribute(text: &str) -> Result<(String, SearchAttributeType), String> {
    let (name, kind) = text.split_once('=').ok_or("it must be NAME=TYPE")?;
    Ok((name.to_owned(), kind.parse()?))
}

fn setting(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("it must be KEY=JSON")?;
    let value = serde_json::from_str(value).map_err(|error| format!("the value isn't JSON: {error}"))?;
    Ok((name.to_owned(), value))
}
