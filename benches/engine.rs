//! What the in-memory Temporal costs by itself, without a worker: memory of workflows that wait, timers, lists and counts.
//!
//! `cargo bench --bench engine`. The budgets are in DESIGN.md. Memory is what the process has more of (Linux only), with all
//! that the allocator adds.

#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, SearchAttributeType, Timestamp};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";
const NAMESPACE: &str = "default";
const IDENTITY: &str = "12345@worker-7";

/// Workflows that wait, for memory and for lists.
const WORKFLOWS: usize = 100_000;

/// Workflows of the timer benches, whatever the number of timers: what a workflow that is found again after so many others costs isn't what
/// another timer costs.
const WORKFLOWS_WITH_TIMERS: usize = 1_000;

struct Server {
    engine: Engine,
    now: Timestamp,
    ticket: u64,
}

impl Server {
    fn new() -> Self {
        let mut engine = Engine::new(Entropy::stream(0, 1), HandOut::Parallel);
        assert!(engine.add_search_attribute(NAMESPACE, "Team", SearchAttributeType::Keyword));
        Self {
            engine,
            now: Timestamp::EPOCH_OF_TESTS,
            ticket: 0,
        }
    }

    fn call<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> A {
        self.ticket += 1;
        let call = Call {
            now: self.now,
            ticket: self.ticket,
            connection: 1,
            service: SERVICE,
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        drop(self.engine.take_notes());
        let (_, answer) = self.engine.poll_output().expect("an answer at once");
        A::decode(answer.expect("no refusal").as_slice()).expect("the answer's own type")
    }

    /// A workflow as a client starts it: an order as its input, and the team that it belongs to.
    fn start(&mut self, index: usize) {
        let team = format!("team-{}", index % 20);
        let request = wire::StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_id: format!("refund-{index:06}"),
            workflow_type: Some(common::WorkflowType {
                name: "refund".to_owned(),
            }),
            task_queue: Some(queue()),
            input: Some(common::Payloads {
                payloads: vec![json(&format!(
                    r#"{{"customer":"cus_{index:06}","cents":4200,"callback_url":"http://127.0.0.1:8088/callback"}}"#
                ))],
            }),
            search_attributes: Some(common::SearchAttributes {
                indexed_fields: [("Team".to_owned(), json(&format!("{team:?}")))].into(),
            }),
            request_id: format!("request-{index}"),
            identity: IDENTITY.to_owned(),
            ..Default::default()
        };
        let _: wire::StartWorkflowExecutionResponse = self.call("StartWorkflowExecution", &request);
    }

    /// A worker takes the workflow task that waits, and answers with these commands.
    fn work(&mut self, commands: Vec<command::Command>) {
        let poll = wire::PollWorkflowTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: Some(queue()),
            identity: IDENTITY.to_owned(),
            ..Default::default()
        };
        let task: wire::PollWorkflowTaskQueueResponse = self.call("PollWorkflowTaskQueue", &poll);
        let completed = wire::RespondWorkflowTaskCompletedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token,
            identity: IDENTITY.to_owned(),
            commands,
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(TaskQueue {
                    name: "12345@worker-7-5f0a1c".to_owned(),
                    ..queue()
                }),
                schedule_to_start_timeout: Some(seconds(10)),
            }),
            ..Default::default()
        };
        let _: wire::RespondWorkflowTaskCompletedResponse = self.call("RespondWorkflowTaskCompleted", &completed);
    }

    fn with_parked(workflows: usize) -> Self {
        let mut server = Self::new();
        for index in 0..workflows {
            server.now += Duration::from_millis(10);
            server.start(index);
            server.work(Vec::new());
        }
        server
    }

    /// Timers over a day, so that those of different workflows alternate.
    fn with_timers(timers: usize) -> Self {
        let mut server = Self::new();
        let mut moments = Entropy::new(7);
        for index in 0..WORKFLOWS_WITH_TIMERS {
            server.start(index);
            let timer = |number| timer(number, 1 + moments.below(24 * 60 * 60));
            server.work((0..timers / WORKFLOWS_WITH_TIMERS).map(timer).collect());
        }
        server
    }

    fn fire_all(&mut self) -> usize {
        let mut fired = 0;
        while let Some(due) = self.engine.poll_timeout() {
            self.engine.handle_timeout(due);
            drop(self.engine.take_notes());
            fired += 1;
        }
        fired
    }
}

fn queue() -> TaskQueue {
    TaskQueue {
        name: "refunds".to_owned(),
        ..Default::default()
    }
}

fn json(text: &str) -> common::Payload {
    common::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: text.as_bytes().to_vec(),
        ..Default::default()
    }
}

fn seconds(seconds: u64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(seconds).expect("not for ever"),
        nanos: 0,
    }
}

fn timer(number: usize, after_seconds: u64) -> command::Command {
    let attributes = command::StartTimerCommandAttributes {
        timer_id: number.to_string(),
        start_to_fire_timeout: Some(seconds(after_seconds)),
    };
    command::Command {
        command_type: CommandType::StartTimer as i32,
        attributes: Some(command::command::Attributes::StartTimerCommandAttributes(attributes)),
        ..Default::default()
    }
}

/// The process's memory, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4_096
}

fn parked(criterion: &mut Criterion) {
    let before = resident();
    let mut server = Server::with_parked(WORKFLOWS);
    let each = resident().saturating_sub(before) / WORKFLOWS;
    println!("{WORKFLOWS} workflows parked on a signal: {each} bytes each");

    let mut group = criterion.benchmark_group(format!("{WORKFLOWS} workflows"));
    for (name, query) in [
        ("all", ""),
        ("by attribute", "Team = 'team-7'"),
        (
            "by attribute and status",
            "Team = 'team-7' AND ExecutionStatus = 'Running'",
        ),
        ("by attribute that most have", "Team != 'team-7'"),
        ("by prefix", "WorkflowId STARTS_WITH 'refund-09'"),
    ] {
        group.bench_function(BenchmarkId::new("list, page of 100", name), |bench| {
            bench.iter(|| black_box(list(&mut server, query)));
        });
        group.bench_function(BenchmarkId::new("count", name), |bench| {
            bench.iter(|| black_box(count(&mut server, query)));
        });
    }
    group.bench_function("count, by status", |bench| {
        bench.iter(|| black_box(count(&mut server, "GROUP BY ExecutionStatus")));
    });
    group.bench_function("list, the last page of 100", |bench| {
        let pages = WORKFLOWS / 20 / 100;
        let mut token = Vec::new();
        for _ in 1..pages {
            token = page(&mut server, "Team = 'team-7'", token).next_page_token;
        }
        bench.iter(|| black_box(page(&mut server, "Team = 'team-7'", token.clone())));
    });
    group.finish();
}

fn list(server: &mut Server, query: &str) -> usize {
    page(server, query, Vec::new()).executions.len()
}

fn page(server: &mut Server, query: &str, next_page_token: Vec<u8>) -> wire::ListWorkflowExecutionsResponse {
    let request = wire::ListWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        page_size: 100,
        next_page_token,
        query: query.to_owned(),
    };
    server.call("ListWorkflowExecutions", &request)
}

fn count(server: &mut Server, query: &str) -> i64 {
    let request = wire::CountWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
    };
    let answer: wire::CountWorkflowExecutionsResponse = server.call("CountWorkflowExecutions", &request);
    answer.count
}

#[expect(clippy::disallowed_methods, reason = "this is about real time")]
fn stopwatch(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// The time for each timer must not grow with their number, or with its logarithm at most.
fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fire a timer");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for timers in [10_000, 100_000, 1_000_000] {
        group.throughput(Throughput::Elements(timers as u64));
        group.bench_function(BenchmarkId::new("of", timers), |bench| {
            bench.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        let mut server = Server::with_timers(timers);
                        stopwatch(|| assert!(server.fire_all() >= timers))
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parked, timers);
criterion_main!(benches);
