//! The executable: both fakes over TCP, for workflows in any language; and scenario files, played once or under many seeds.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::campaign::Campaign;
use cli::run::Run;
use cli::serve::Serve;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Plays a scenario file under many seeds, on all cores or on the workers of a Temporal cluster, and prints what was seen and how seeds failed.
    ///
    /// Exits with 1 if a seed failed or the campaign couldn't be played, and with 2 if the file or the command is wrong.
    Campaign(Campaign),
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Serve(serve) => return cli::serve::serve_until_stopped(serve),
        Command::Run(run) => cli::run::play(&run),
        Command::Campaign(campaign) => cli::campaign::campaign(campaign),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            eprintln!("{text}");
            ExitCode::from(code)
        }
    }
}
