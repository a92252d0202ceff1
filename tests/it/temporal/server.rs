//! The engine by itself, called as clients and workers call it: for tests that play the workers too.

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Reject, Timestamp};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;
use temporalio_common::protos::temporal::api::common::v1::WorkflowType;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// A server, its clock, and the answers that have come so far.
pub(crate) struct Server {
    engine: Engine,
    pub(crate) now: Timestamp,
    tickets: u64,
    answers: BTreeMap<u64, Result<Vec<u8>, Reject>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            engine: Engine::new(Entropy::stream(0, 1), HandOut::Serial),
            now: Timestamp::EPOCH_OF_TESTS,
            tickets: 0,
            answers: BTreeMap::new(),
        }
    }

    /// Sets a setting of Temporal's dynamic configuration.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        let set = self.engine.set_dynamic_config(name, &value.into());
        set.expect("the engine knows the setting");
    }

    /// Sends a request by a connection; the ticket of its answer.
    pub(crate) fn send(&mut self, connection: u64, method: &str, request: &impl Message) -> u64 {
        self.tickets += 1;
        let call = Call {
            now: self.now,
            ticket: self.tickets,
            connection,
            service: WORKFLOW,
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        self.collect();
        self.tickets
    }

    /// The answer to a request, if it has come.
    pub(crate) fn answer<A: Message + Default>(&mut self, ticket: u64) -> Option<Result<A, Reject>> {
        let answer = self.answers.remove(&ticket)?;
        Some(answer.map(|bytes| A::decode(bytes.as_slice()).expect("the answer is of this type")))
    }

    /// A request that is answered at once.
    pub(crate) fn call<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> Result<A, Reject> {
        let ticket = self.send(0, method, request);
        self.answer(ticket)
            .unwrap_or_else(|| panic!("{method} isn't answered at once"))
    }

    /// Gives tasks to workers until there is none left that a worker waits for, whatever they have in hand already.
    pub(crate) fn hand_out(&mut self) {
        loop {
            self.engine.release_blocked(self.now);
            if !self.engine.hand_out_next(self.now) {
                break;
            }
        }
        self.collect();
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.engine.handle_timeout(due);
        }
        self.now = until;
        self.collect();
    }

    /// A worker is gone.
    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.engine.handle_disconnected(self.now, connection);
        self.collect();
    }

    /// The events of a workflow's latest run.
    pub(crate) fn events(&self, id: &str) -> Vec<HistoryEvent> {
        self.engine
            .history("default", id)
            .expect("the workflow is there")
            .events
    }

    /// What `pick` finds in a history.
    pub(crate) fn find<T>(&self, id: &str, pick: impl Fn(&Attributes) -> Option<T>) -> Vec<T> {
        let events = self.events(id);
        events
            .iter()
            .filter_map(|event| event.attributes.as_ref().and_then(&pick))
            .collect()
    }

    pub(crate) fn describe(&mut self, id: &str) -> wire::DescribeWorkflowExecutionResponse {
        let request = wire::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: Some(execution(id)),
        };
        self.call("DescribeWorkflowExecution", &request)
            .expect("the workflow is there")
    }

    pub(crate) fn start(&mut self, id: &str) -> wire::StartWorkflowExecutionResponse {
        self.call("StartWorkflowExecution", &start(id))
            .expect("the workflow starts")
    }

    fn collect(&mut self) {
        while let Some((ticket, answer)) = self.engine.poll_output() {
            self.answers.insert(ticket, answer);
        }
    }
}

/// A start of a workflow on queue `q`.
pub(crate) fn start(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(queue("q")),
        ..Default::default()
    }
}

pub(crate) fn queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        kind: 1,
        ..Default::default()
    }
}

pub(crate) fn execution(id: &str) -> temporalio_common::protos::temporal::api::common::v1::WorkflowExecution {
    temporalio_common::protos::temporal::api::common::v1::WorkflowExecution {
        workflow_id: id.to_owned(),
        run_id: String::new(),
    }
}
