//! Random requests to every RPC, in long sequences and with what the server said before: an answer or a refusal to each,
//! never a panic, and after each one everything that must hold of the server's state does.
//!
//! `PROPTEST_CASES` sets how many sequences there are.

mod dice;
mod found;
mod harvest;
mod request;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Rpc, SearchAttributeType, Support, Timestamp, table};
use dice::Dice;
use harvest::Harvest;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use request::Maker;
use temporalio_common::protos::temporal::api::common::v1::WorkflowType;
use temporalio_common::protos::temporal::api::nexus::v1::endpoint_target::{Variant, Worker};
use temporalio_common::protos::temporal::api::nexus::v1::{EndpointSpec, EndpointTarget};
use temporalio_common::protos::temporal::api::operatorservice::v1::CreateNexusEndpointRequest;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;
use worker::Task;

const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";
const OPERATOR: &str = "temporal.api.operatorservice.v1.OperatorService";

/// Timers that may fire at one moment: more means that time stands still.
const MAX_FIRINGS: usize = 5_000;

/// What workers and clients do most, so that there is something for the other requests to meet.
const USUAL: &[&str] = &[
    "StartWorkflowExecution",
    "StartWorkflowExecution",
    "StartWorkflowExecution",
    "StartWorkflowExecution",
    "SignalWithStartWorkflowExecution",
    "ExecuteMultiOperation",
    "PollWorkflowTaskQueue",
    "PollWorkflowTaskQueue",
    "PollWorkflowTaskQueue",
    "PollWorkflowTaskQueue",
    "PollActivityTaskQueue",
    "PollActivityTaskQueue",
    "PollNexusTaskQueue",
    "SignalWorkflowExecution",
    "UpdateWorkflowExecution",
    "UpdateWorkflowExecution",
    "PollWorkflowExecutionUpdate",
    "QueryWorkflow",
    "ResetWorkflowExecution",
    "RequestCancelWorkflowExecution",
    "DescribeWorkflowExecution",
    "GetWorkflowExecutionHistory",
    "StartActivityExecution",
    "PollActivityExecution",
    "CreateSchedule",
    "PatchSchedule",
    "StartBatchOperation",
    "PauseWorkflowExecution",
    "UnpauseWorkflowExecution",
    "UpdateWorkflowExecutionOptions",
    "UpdateActivityOptions",
    "PauseActivity",
    "UnpauseActivity",
    "SetWorkerDeploymentCurrentVersion",
    "UpdateWorkerBuildIdCompatibility",
    "UpdateWorkerVersioningRules",
    "UpdateWorkerVersioningRules",
    "UpdateTaskQueueConfig",
    "DescribeTaskQueue",
];

/// What ends a namespace or a workflow for good: seldom, or nothing would be left.
const ENDS: &[&str] = &[
    "DeprecateNamespace",
    "UpdateNamespace",
    "DeleteNamespace",
    "DeleteWorkflowExecution",
    "TerminateWorkflowExecution",
];

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(include_bytes!(env!("TEMPORAL_DESCRIPTOR_PATH")).as_slice()).unwrap());

/// A server and everything that was said to it and by it.
struct Fuzz {
    engine: Engine,
    now: Timestamp,
    last_ticket: u64,
    /// Calls without an answer.
    open: BTreeSet<u64>,
    methods: BTreeMap<u64, MethodDescriptor>,
    /// RPCs that have given an answer.
    taken: BTreeSet<String>,
    harvest: Harvest,
    /// Tasks that workers have.
    tasks: Vec<Task>,
    hand_out: HandOut,
}

impl Fuzz {
    /// `versioning`: whether the first two generations of worker versioning are switched on.
    fn new(hand_out: HandOut, versioning: bool) -> Self {
        let mut fuzz = Self {
            engine: Engine::new(Entropy::stream(0, 1), hand_out),
            now: Timestamp::EPOCH_OF_TESTS,
            last_ticket: 0,
            open: BTreeSet::new(),
            methods: BTreeMap::new(),
            taken: BTreeSet::new(),
            harvest: Harvest::default(),
            tasks: Vec::new(),
            hand_out,
        };
        for name in ["frontend.workerVersioningDataAPIs", "frontend.workerVersioningRuleAPIs"] {
            let set = fuzz.engine.set_dynamic_config(name, &versioning.into());
            set.expect("the engine knows the setting");
        }
        let is_fair = serde_json::Value::Bool(hand_out == HandOut::Parallel);
        let set = fuzz.engine.set_dynamic_config("matching.enableFairness", &is_fair);
        set.expect("there is such a setting");
        for (name, kind) in [
            ("CustomKeyword", SearchAttributeType::Keyword),
            ("CustomInt", SearchAttributeType::Int),
        ] {
            assert!(fuzz.engine.add_search_attribute("default", name, kind));
        }
        let register = wire::RegisterNamespaceRequest {
            namespace: "other".to_owned(),
            workflow_execution_retention_period: Some(prost_types::Duration {
                seconds: 86_400,
                nanos: 0,
            }),
            ..Default::default()
        };
        fuzz.send(WORKFLOW, "RegisterNamespace", &register.encode_to_vec());
        let endpoint = CreateNexusEndpointRequest {
            spec: Some(EndpointSpec {
                name: "end".to_owned(),
                target: Some(EndpointTarget {
                    variant: Some(Variant::Worker(Worker {
                        namespace: "default".to_owned(),
                        task_queue: "q1".to_owned(),
                    })),
                }),
                ..Default::default()
            }),
        };
        fuzz.send(OPERATOR, "CreateNexusEndpoint", &endpoint.encode_to_vec());
        for workflow_id in ["w1", "w2"] {
            fuzz.send(
                WORKFLOW,
                "StartWorkflowExecution",
                &start("default", workflow_id, "q1").encode_to_vec(),
            );
        }
        fuzz
    }

    /// One step: a request, or time, or a client that goes away.
    fn step(&mut self, seed: u64) -> Result<(), String> {
        let mut dice = Dice::new(seed);
        let what = match dice.below(100) {
            0..=9 => self.pass(&mut dice),
            10 => self.lose_connection(&mut dice),
            11..=12 => self.lose_call(&mut dice),
            13 => {
                self.engine.release_blocked(self.now);
                "release_blocked".to_owned()
            }
            14..=49 if !self.tasks.is_empty() => self.work(&mut dice),
            _ => self.request(&mut dice),
        };
        self.settle();
        let violations = self.engine.violations();
        match violations.is_empty() {
            true => Ok(()),
            false => Err(format!("after {what}: {violations:#?}")),
        }
    }

    fn request(&mut self, dice: &mut Dice) -> String {
        let method = method(dice);
        let plain = dice.percent(60);
        let mut maker = Maker {
            dice,
            harvest: &self.harvest,
            plain,
        };
        let request = maker.message(&method.input());
        self.ask(&method, &request)
    }

    /// A worker answers one of its tasks.
    fn work(&mut self, dice: &mut Dice) -> String {
        let task = self.tasks.swap_remove(dice.below(self.tasks.len()));
        let plain = dice.percent(75);
        let mut maker = Maker {
            dice,
            harvest: &self.harvest,
            plain,
        };
        let (name, request) = worker::answer(&task, &mut maker);
        let method = find(WORKFLOW, name);
        self.ask(&method, &request)
    }

    fn ask(&mut self, method: &MethodDescriptor, request: &DynamicMessage) -> String {
        self.send(
            method.parent_service().full_name(),
            method.name(),
            &request.encode_to_vec(),
        );
        format!("{} {request}", method.name())
    }

    fn send(&mut self, service: &str, method: &str, request: &[u8]) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.open.insert(ticket);
        let descriptor = POOL
            .get_service_by_name(service)
            .and_then(|service| service.methods().find(|it| it.name() == method));
        self.methods
            .insert(ticket, descriptor.expect("the method is in the descriptor"));
        let call = Call {
            now: self.now,
            ticket,
            connection: ticket % 3,
            service,
            method,
        };
        self.engine.handle_rpc(call, request);
        self.take_answers();
        assert!(
            !self.open.contains(&ticket) || self.engine.is_parked(ticket),
            "{method} has neither an answer nor a place to wait"
        );
    }

    fn settle(&mut self) {
        if self.hand_out == HandOut::Serial {
            self.engine.hand_out_next(self.now);
        }
        self.take_answers();
        drop(self.engine.take_notes());
    }

    fn take_answers(&mut self) {
        while let Some((ticket, answer)) = self.engine.poll_output() {
            assert!(
                self.open.remove(&ticket),
                "call {ticket} is answered twice, or after its client went away"
            );
            let method = self.methods.remove(&ticket).expect("the call was made");
            match answer {
                Ok(bytes) => {
                    let answer =
                        DynamicMessage::decode(method.output(), bytes.as_slice()).expect("the answer is a message");
                    self.harvest.take(&answer);
                    self.taken.insert(method.name().to_owned());
                    self.tasks.extend(Task::of(method.name(), answer));
                }
                Err(reject) => {
                    assert!(reject.code() != Code::Ok, "{}: {reject:?}", method.name());
                    drop((reject.message(), reject.details()));
                }
            }
        }
    }

    /// Fires some timers, or lets some time pass.
    fn pass(&mut self, dice: &mut Dice) -> String {
        let until = match dice.percent(50) {
            true => self.now + Duration::from_millis(1 << dice.below(24)),
            false => Timestamp::MAX,
        };
        let firings = 1 + dice.below(6);
        self.fire(until, firings);
        format!("{firings} timers until {until}")
    }

    fn fire(&mut self, until: Timestamp, firings: usize) {
        for _ in 0..firings {
            let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) else {
                break;
            };
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            self.settle();
        }
    }

    fn lose_connection(&mut self, dice: &mut Dice) -> String {
        let connection = dice.below(3) as u64;
        self.engine.handle_disconnected(self.now, connection);
        self.take_answers();
        self.open.retain(|ticket| ticket % 3 != connection);
        format!("the end of connection {connection}")
    }

    fn lose_call(&mut self, dice: &mut Dice) -> String {
        let open: Vec<u64> = self.open.iter().copied().collect();
        if open.is_empty() {
            return "nothing".to_owned();
        }
        let ticket = dice.pick(&open);
        if dice.percent(50) {
            self.engine.handle_expired(self.now, ticket);
            return format!("the expiry of call {ticket}");
        }
        self.engine.handle_abandoned(self.now, ticket);
        self.take_answers();
        self.open.remove(&ticket);
        format!("the loss of call {ticket}")
    }

    /// When all clients are gone nothing is stuck: time moves, nobody is waited for, and a new workflow gets its task.
    fn end(&mut self) -> Result<(), String> {
        for connection in 0..3 {
            self.engine.handle_disconnected(self.now, connection);
        }
        while self.engine.poll_output().is_some() {}
        self.open.clear();
        if self.engine.is_busy() {
            return Err(format!("nobody is left, and still: {:?}", self.engine.busy_with()));
        }
        let before = self.now;
        self.fire(before, MAX_FIRINGS);
        if self.engine.poll_timeout().is_some_and(|due| due <= before) {
            return Err("time stands still".to_owned());
        }
        self.fire(Timestamp::MAX, 100);
        let violations = self.engine.violations();
        match violations.is_empty() {
            true => {
                self.works();
                Ok(())
            }
            false => Err(format!("at the end: {violations:#?}")),
        }
    }

    /// In a namespace of its own, since the others may have been deleted.
    fn works(&mut self) {
        let register = wire::RegisterNamespaceRequest {
            namespace: "afterwards".to_owned(),
            workflow_execution_retention_period: Some(prost_types::Duration {
                seconds: 86_400,
                nanos: 0,
            }),
            ..Default::default()
        };
        self.send(WORKFLOW, "RegisterNamespace", &register.encode_to_vec());
        let start = start("afterwards", "id", "queue");
        let task_queue = start.task_queue.clone();
        self.send(WORKFLOW, "StartWorkflowExecution", &start.encode_to_vec());
        let poll = wire::PollWorkflowTaskQueueRequest {
            namespace: "afterwards".to_owned(),
            task_queue,
            ..Default::default()
        };
        self.send(WORKFLOW, "PollWorkflowTaskQueue", &poll.encode_to_vec());
        self.settle();
        assert!(
            !self.open.contains(&self.last_ticket),
            "a new workflow's task doesn't go out"
        );
    }
}

fn start(namespace: &str, workflow_id: &str, queue: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: queue.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn method(dice: &mut Dice) -> MethodDescriptor {
    loop {
        let (service, name) = match dice.percent(60) {
            true => {
                let name = dice.pick(USUAL);
                let rpc = table()
                    .iter()
                    .find(|rpc| rpc.method() == name)
                    .expect("it is in the table");
                (rpc.service(), name)
            }
            false => {
                let rpc = table()[dice.below(table().len())];
                (rpc.service(), rpc.method())
            }
        };
        let is_served = |rpc: &Rpc| rpc.method() != name || rpc.support() == Support::Served;
        if (ENDS.contains(&name) || !table().iter().all(is_served)) && !dice.percent(20) {
            continue;
        }
        return find(service, name);
    }
}

fn find(service: &str, method: &str) -> MethodDescriptor {
    let service = POOL
        .get_service_by_name(service)
        .expect("the service is in the descriptor");
    service
        .methods()
        .find(|it| it.name() == method)
        .expect("the method is in the descriptor")
}

/// Plays a sequence; says what went wrong.
fn play(steps: &[u64], hand_out: HandOut, versioning: bool) -> Result<(), String> {
    let mut fuzz = Fuzz::new(hand_out, versioning);
    for seed in steps {
        fuzz.step(*seed)?;
    }
    fuzz.end()
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        // What fails becomes a test with a name.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 400;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sequences_of_requests_leave_a_sound_server(
        steps in proptest::collection::vec(any::<u64>(), 30..120),
        parallel in any::<bool>(),
        versioning in any::<bool>(),
    ) {
        let hand_out = if parallel { HandOut::Parallel } else { HandOut::Serial };
        play(&steps, hand_out, versioning).map_err(TestCaseError::fail)?;
    }
}

/// What is made is taken, too: else all of this would only test how requests are refused.
#[test]
fn most_rpcs_take_some_of_the_random_requests() {
    let mut taken = BTreeSet::new();
    let mut steps = Dice::new(1);
    for _ in 0..300 {
        let mut fuzz = Fuzz::new(HandOut::Parallel, true);
        for _ in 0..100 {
            fuzz.step(steps.number()).expect("the server is sound");
        }
        taken.append(&mut fuzz.taken);
    }
    let served = table().iter().filter(|rpc| rpc.support() == Support::Served);
    let missing: Vec<&str> = served
        .map(|rpc| rpc.method())
        .filter(|name| !taken.contains(*name))
        .collect();
    assert!(missing.len() < 40, "none of the requests was taken by {missing:#?}");
}
