//! The executable's commands, one a file, and what they share.

use std::io;
use std::path::Path;

use awaithumans_testkit::scenario::ScenarioFile;

pub(crate) mod campaign;
pub(crate) mod run;
pub(crate) mod serve;

/// A scenario didn't go as it was to.
pub(crate) const FAILED: u8 = 1;

/// A scenario file is wrong.
pub(crate) const WRONG_FILE: u8 = 2;

/// The scenario in a file, or what is wrong with it.
fn read(path: &Path) -> Result<ScenarioFile, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    ScenarioFile::parse(&name, &text).map_err(|error| error.to_string())
}

/// The process's environment. What isn't text becomes text that awaithumans refuses where it matters.
fn environment() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
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
