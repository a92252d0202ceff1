//! A refund workflow that waits for a person, through everything that can happen to it.
//!
//! The workflow, its worker and its client are the real Temporal Rust SDK; Temporal, the awaithumans server, the person and
//! the callback receiver are the testkit's, on one virtual clock. Two days of waiting take milliseconds, and the same seed
//! prints the same bytes.
//!
//! ```sh
//! cargo run --release --example approval
//! cargo run --release --example approval -- --seed 7 --only 5b
//! ```

// They are shared with the tests and the bench: what is `pub` for one of them is unreachable in another.
#[allow(unreachable_pub)]
mod refund;
#[allow(unreachable_pub)]
mod scenarios;

use clap::Parser;
use scenarios::{STORIES, Story};

/// Plays every story of the refund workflow and prints its timeline.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed of every id and choice. Another seed gives other ids and the same outcomes.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Plays only the story of this number.
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let wanted: Vec<&Story> = STORIES
        .iter()
        .filter(|story| arguments.only.as_deref().is_none_or(|only| only == story.number))
        .collect();
    if wanted.is_empty() {
        let numbers: Vec<_> = STORIES.iter().map(|story| story.number).collect();
        eprintln!("there is no such story; there are: {}", numbers.join(", "));
        return std::process::ExitCode::from(2);
    }
    for story in wanted {
        let kit = (story.builder)().seed(arguments.seed).start().await;
        let ending = (story.play)(&kit).await;
        println!("── {}. {} ──", story.number, story.title);
        print!("{}", kit.timeline());
        for delivery in kit.humans().deliveries() {
            println!(
                "{:>14}  webhook for task {}: {} after {} attempt(s)",
                "",
                &delivery.task_id[..8],
                delivery.status.as_str(),
                delivery.attempt_count
            );
        }
        println!("{:>14}  the workflow {ending}\n", "=>");
        for note in kit.unreproducible() {
            eprintln!("warning: {note}");
        }
    }
    std::process::ExitCode::SUCCESS
}
