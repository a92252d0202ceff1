//! `run`: a scenario file, played once.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use awaithumans_testkit::player::{self, Outside, Played, Stage};
use awaithumans_testkit::scenario::ScenarioFile;
use awaithumans_testkit::serve::{Options, duration};

use super::{FAILED, WRONG_FILE, environment, read};

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
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

/// Plays a scenario and prints it. An error is an exit code and what to tell.
pub(crate) fn play(run: &Run) -> Result<(), (u8, String)> {
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
