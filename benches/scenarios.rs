//! How many times a second a workflow goes past `await_human()`: with a worker of the real SDK, and with none, which is what the harness
//! costs by itself.
//!
//! `cargo bench --bench scenarios`. The budgets are in DESIGN.md; what the SDK alone needs for such a workflow is there, too.
//! As many threads play as there are cores, each with a world of its own, as in explorations.

#![allow(missing_docs)]

#[path = "scenarios/model.rs"]
mod model;
#[path = "scenarios/sdk.rs"]
mod sdk;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

/// What each core plays, kept from sample to sample.
struct Stages<S>(Vec<S>);

impl<S: Send> Stages<S> {
    fn new(ready: impl Fn() -> S + Sync) -> Self {
        let mut stages: Vec<Option<S>> = (0..cores()).map(|_| None).collect();
        on_all_cores(&mut stages, |stage| *stage = Some(ready()));
        Self(stages.into_iter().flatten().collect())
    }

    /// How long it takes all cores to play so many scenarios each.
    fn play(&mut self, each: u64, play: impl Fn(&mut S, u64) + Sync) -> Duration {
        let barrier = Barrier::new(self.0.len());
        let took = on_all_cores(&mut self.0, |stage| {
            barrier.wait();
            let begin = now();
            play(stage, each);
            begin.elapsed()
        });
        took.into_iter().max().unwrap_or_default()
    }
}

fn on_all_cores<S: Send, T: Send>(stages: &mut [S], play: impl Fn(&mut S) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let play = &play;
        let threads: Vec<_> = stages
            .iter_mut()
            .map(|stage| scope.spawn(move || play(stage)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    })
}

#[expect(clippy::disallowed_methods, reason = "this is about real time")]
fn now() -> Instant {
    Instant::now()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn scenarios(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("await_human on {} cores", cores()));
    group
        .throughput(Throughput::Elements(cores() as u64))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20);
    group.bench_function("model only", |bench| {
        let mut models = Stages::new(model::Model::new);
        bench.iter_custom(|each| models.play(each, model::Model::play));
    });
    group.bench_function("real worker, one testkit", |bench| {
        let mut stages = Stages::new(sdk::Stage::new);
        bench.iter_custom(|each| stages.play(each, sdk::Stage::play));
    });
    group.bench_function("real worker, one testkit, a hundred at once", |bench| {
        let mut stages = Stages::new(sdk::Stage::new);
        bench.iter_custom(|each| stages.play(each, sdk::Stage::play_in_hundreds));
    });
    group.bench_function("real worker, a testkit for each", |bench| {
        let mut none = Stages::new(|| ());
        bench.iter_custom(|each| none.play(each, |(), each| (0..each).for_each(|_| sdk::Stage::new().play(1))));
    });
    group.finish();
}

criterion_group!(benches, scenarios);
criterion_main!(benches);
