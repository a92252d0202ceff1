//! What the testkit costs: starting one, and one workflow that goes past `await_human()`.
//!
//! `cargo bench --bench approval`. The budgets are in DESIGN.md; what the SDK alone needs for such a workflow is there,
//! too.

#![allow(missing_docs)]

#[path = "../examples/approval/refund.rs"]
#[allow(dead_code, unreachable_pub)]
mod refund;
#[path = "../examples/approval/scenarios.rs"]
#[allow(dead_code, unreachable_pub)]
mod scenarios;

use std::time::Duration;

use awaithumans_testkit::Testkit;
use criterion::{Criterion, criterion_group, criterion_main};

/// One core for the test's side: the worker has a thread of its own, and more would only pass work to and fro.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn start(criterion: &mut Criterion) {
    let runtime = runtime();
    criterion.bench_function("start a testkit", |bench| {
        bench.iter(|| runtime.block_on(async { drop(Testkit::start().await) }));
    });
}

fn worker_reused(criterion: &mut Criterion) {
    let runtime = runtime();
    let (kit, worker) = runtime.block_on(async {
        let kit = Testkit::start().await;
        scenarios::approve_after(&kit, Duration::from_secs(60));
        let worker = scenarios::spawn_worker(&kit).await;
        (kit, worker)
    });
    let mut number = 0_u64;
    criterion.bench_function("one await_human, worker reused", |bench| {
        bench.iter(|| {
            number += 1;
            let workflow_id = format!("refund-{number}");
            runtime.block_on(scenarios::run(&kit, &workflow_id, scenarios::refund(&kit)))
        });
    });
    drop(worker);
}

fn worker_fresh(criterion: &mut Criterion) {
    let runtime = runtime();
    criterion.bench_function("one await_human, fresh testkit and worker", |bench| {
        bench.iter(|| {
            runtime.block_on(async {
                let kit = Testkit::start().await;
                scenarios::completed(&kit).await
            })
        });
    });
}

criterion_group!(benches, start, worker_reused, worker_fresh);
criterion_main!(benches);
