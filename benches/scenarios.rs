//! How many times a second a workflow goes past `await_human()`: with a worker of the real SDK, and with none, which is what the harness
//! costs by itself.
//!
//! `cargo bench --bench scenarios`. The budgets are in DESIGN.md; what the SDK alone needs for such a workflow is there, too.
//! As many threads play as there are cores, each with a world of its own, as in explorations; pinned as with `Threads::pinned`.

#![allow(missing_docs)]

#[path = "scenarios/model.rs"]
mod model;
#[path = "scenarios/sdk.rs"]
mod sdk;

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use awaithumans_testkit::Threads;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

/// The executable's: it plays campaigns.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What each thread plays, kept from sample to sample.
struct Stages<S> {
    threads: Threads,
    stages: Vec<Mutex<S>>,
}

impl<S: Send> Stages<S> {
    /// Each is made by the thread that plays it: what it starts keeps to its core, if that does.
    fn new(threads: Threads, ready: impl Fn() -> S + Sync) -> Self {
        let stages: Mutex<BTreeMap<usize, Mutex<S>>> = Mutex::default();
        threads.run(|number| {
            let stage = Mutex::new(ready());
            stages.lock().expect("no panic").insert(number, stage);
        });
        let stages = stages.into_inner().expect("no panic").into_values().collect();
        Self { threads, stages }
    }

    /// How long it takes all threads to play so many scenarios each.
    fn play(&mut self, each: u64, play: impl Fn(&mut S, u64) + Sync) -> Duration {
        let barrier = Barrier::new(self.stages.len());
        let longest = Mutex::new(Duration::ZERO);
        self.threads.run(|number| {
            let mut stage = self.stages[number].lock().expect("no panic");
            barrier.wait();
            let begin = now();
            play(&mut stage, each);
            let took = begin.elapsed();
            let mut longest = longest.lock().expect("no panic");
            *longest = took.max(*longest);
        });
        longest.into_inner().expect("no panic")
    }
}

/// So many scenarios, a hundred in each world.
fn in_hundreds(scenarios: u64, at_once: u64) {
    for begun in (0..scenarios).step_by(100) {
        model::Model::new().play((scenarios - begun).min(100), at_once);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is about real time")]
fn now() -> Instant {
    Instant::now()
}

fn scenarios(criterion: &mut Criterion) {
    let threads = Threads::of_all_cores();
    let pinned = threads.pinned(true);
    let mut group = criterion.benchmark_group(format!("await_human on {} cores", threads.count()));
    group
        .throughput(Throughput::Elements(threads.count() as u64))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20);
    // A world that is kept for ever grows, and what the system then asks for fresh pages depends on the machine.
    for (at_once, how) in [(1, "one at a time"), (10, "ten at once")] {
        group.bench_function(format!("model only, a world for each hundred, {how}"), |bench| {
            let mut none = Stages::new(threads, || ());
            bench.iter_custom(|each| none.play(each, |(), each| in_hundreds(each, at_once)));
        });
    }
    group.bench_function("model only, one world", |bench| {
        let mut models = Stages::new(threads, model::Model::new);
        bench.iter_custom(|each| models.play(each, |model, each| model.play(each, 1)));
    });
    for (threads, held) in [(threads, ""), (pinned, ", pinned")] {
        group.bench_function(format!("real worker{held}, one testkit"), |bench| {
            let mut stages = Stages::new(threads, sdk::Stage::new);
            bench.iter_custom(|each| stages.play(each, sdk::Stage::play));
        });
        group.bench_function(format!("real worker{held}, one testkit, a hundred at once"), |bench| {
            let mut stages = Stages::new(threads, sdk::Stage::new);
            bench.iter_custom(|each| stages.play(each, sdk::Stage::play_in_hundreds));
        });
        group.bench_function(format!("real worker{held}, a testkit for each"), |bench| {
            let mut none = Stages::new(threads, || ());
            bench.iter_custom(|each| none.play(each, |(), each| (0..each).for_each(|_| sdk::Stage::new().play(1))));
        });
    }
    group.finish();
}

criterion_group!(benches, scenarios);
criterion_main!(benches);
