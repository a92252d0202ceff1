//! Batch operations: what is asked of every execution that a query or a list means, and what clients see of it.
//!
//! Texts and rules are those of Temporal 1.32.0: `service/worker/batcher/{workflow,activities}.go` and
//! `service/frontend/workflow_handler.go`.

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Reject, Timestamp};
use prost::Message;
use temporalio_common::protos::temporal::api::batch::v1 as batch;
use temporalio_common::protos::temporal::api::common::v1::{Execution, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::{
    BatchOperationState as State, BatchOperationType as Kind, EventType, ExecutionType,
};
use temporalio_common::protos::temporal::api::errordetails::v1::ResourceExhaustedFailure;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;
use wire::start_batch_operation_request::Operation;

const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";

struct Server {
    engine: Engine,
    now: Timestamp,
}

impl Server {
    /// With workflows `w-0`, `w-1`, … of type `Order`.
    fn with_workflows(count: usize) -> Self {
        let mut server = Self {
            engine: Engine::new(Entropy::stream(0, 1), HandOut::Serial),
            now: Timestamp::EPOCH_OF_TESTS,
        };
        for index in 0..count {
            let request = wire::StartWorkflowExecutionRequest {
                namespace: "default".to_owned(),
                workflow_id: format!("w-{index}"),
                workflow_type: Some("Order".to_owned().into()),
                task_queue: Some(TaskQueue {
                    name: "queue".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let _: wire::StartWorkflowExecutionResponse =
                server.ask("StartWorkflowExecution", &request).expect("it starts");
        }
        server
    }

    fn ask<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> Result<A, Reject> {
        let call = Call {
            now: self.now,
            ticket: 1,
            connection: 1,
            service: WORKFLOW,
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        let (_, answer) = self.engine.poll_output().expect("it is answered at once");
        answer.map(|bytes| A::decode(bytes.as_slice()).expect("it is the answer's message"))
    }

    fn start(&mut self, request: &wire::StartBatchOperationRequest) -> Result<(), Reject> {
        let started: Result<wire::StartBatchOperationResponse, Reject> = self.ask("StartBatchOperation", request);
        started.map(|_| ())
    }

    /// Lets time pass until the next timer has fired.
    fn pass(&mut self) {
        self.now = self.engine.poll_timeout().expect("something is due");
        self.engine.handle_timeout(self.now);
    }

    fn describe(&mut self, job_id: &str) -> wire::DescribeBatchOperationResponse {
        let request = wire::DescribeBatchOperationRequest {
            namespace: "default".to_owned(),
            job_id: job_id.to_owned(),
        };
        self.ask("DescribeBatchOperation", &request).expect("it is described")
    }

    fn types(&self, id: &str) -> Vec<EventType> {
        let history = self.engine.history("default", id).expect("it has a history");
        history.events.iter().map(HistoryEvent::event_type).collect()
    }
}

fn signal() -> Operation {
    Operation::SignalOperation(batch::BatchOperationSignal {
        signal: "go".to_owned(),
        identity: "operator".to_owned(),
        ..Default::default()
    })
}

fn by_query(job_id: &str, query: &str, operation: Operation) -> wire::StartBatchOperationRequest {
    wire::StartBatchOperationRequest {
        namespace: "default".to_owned(),
        job_id: job_id.to_owned(),
        reason: "because".to_owned(),
        visibility_query: query.to_owned(),
        operation: Some(operation),
        ..Default::default()
    }
}

#[test]
fn a_batch_asks_every_execution_that_its_query_means() {
    let mut server = Server::with_workflows(3);
    let request = by_query("job", "WorkflowId IN ('w-0', 'w-2')", signal());
    server.start(&request).expect("it starts");
    assert_eq!(server.describe("job").state(), State::Running);
    assert!(
        !server.types("w-0").contains(&EventType::WorkflowExecutionSignaled),
        "time stands still"
    );

    server.pass();

    for (id, signaled) in [("w-0", true), ("w-1", false), ("w-2", true)] {
        assert_eq!(
            server.types(id).contains(&EventType::WorkflowExecutionSignaled),
            signaled,
            "{id}"
        );
    }
    let described = server.describe("job");
    assert_eq!(described.state(), State::Completed);
    assert_eq!(described.operation_type(), Kind::SignalWorkflow);
    assert_eq!(
        (
            described.total_operation_count,
            described.complete_operation_count,
            described.failure_operation_count
        ),
        (2, 2, 0)
    );
    assert_eq!(
        (described.identity.as_str(), described.reason.as_str()),
        ("operator", "because")
    );
    assert_eq!(described.query, "WorkflowId IN ('w-0', 'w-2')");
    assert!(described.close_time.is_some());
    // It is a workflow like any other, as far as histories go.
    assert_eq!(
        server.types("job"),
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskStarted,
            EventType::WorkflowTaskCompleted,
            EventType::ActivityTaskScheduled,
            EventType::ActivityTaskStarted,
            EventType::ActivityTaskCompleted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskStarted,
            EventType::WorkflowTaskCompleted,
            EventType::WorkflowPropertiesModified,
            EventType::WorkflowExecutionCompleted,
        ]
    );
}

#[test]
fn batches_are_listed_in_a_division_of_their_own() {
    let mut server = Server::with_workflows(1);
    let terminate = Operation::TerminationOperation(batch::BatchOperationTermination::default());
    server
        .start(&by_query("job", "WorkflowType = 'Order'", terminate))
        .expect("it starts");
    server.pass();
    assert_eq!(
        server.types("w-0").last(),
        Some(&EventType::WorkflowExecutionTerminated)
    );

    let list = wire::ListBatchOperationsRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let listed: wire::ListBatchOperationsResponse = server.ask("ListBatchOperations", &list).expect("they are listed");
    let [info] = listed.operation_info.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!((info.job_id.as_str(), info.state()), ("job", State::Completed));
    assert_eq!(info.operation_type(), Kind::TerminateWorkflow);

    let count = |query: &str| wire::CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: query.to_owned(),
    };
    for (query, expected) in [
        ("", 1),
        (
            "TemporalNamespaceDivision = 'TemporalBatcher' AND WorkflowType = 'temporal-sys-batch-workflow-protobuf'",
            1,
        ),
    ] {
        let counted: wire::CountWorkflowExecutionsResponse = server
            .ask("CountWorkflowExecutions", &count(query))
            .expect("they are counted");
        assert_eq!(counted.count, expected, "{query}");
    }
}

#[test]
fn a_list_of_executions_counts_those_that_are_gone_as_done() {
    let mut server = Server::with_workflows(1);
    let cancel = Operation::CancellationOperation(batch::BatchOperationCancellation::default());
    let execution = |id: &str| Execution {
        r#type: ExecutionType::Workflow as i32,
        business_id: id.to_owned(),
        run_id: String::new(),
    };
    let request = wire::StartBatchOperationRequest {
        target_executions: vec![execution("w-0"), execution("nobody")],
        ..by_query("job", "", cancel)
    };
    server.start(&request).expect("it starts");
    server.pass();
    let described = server.describe("job");
    assert_eq!(
        (described.total_operation_count, described.failure_operation_count),
        (2, 0)
    );
    assert_eq!(described.executions, request.target_executions);
    assert!(
        server
            .types("w-0")
            .contains(&EventType::WorkflowExecutionCancelRequested)
    );
}

#[test]
fn a_large_batch_takes_its_time_and_can_be_stopped() {
    let mut server = Server::with_workflows(120);
    server
        .start(&by_query("job", "WorkflowType = 'Order'", signal()))
        .expect("it starts");
    server.pass();
    let described = server.describe("job");
    assert_eq!(described.state(), State::Running);
    assert_eq!(
        (described.total_operation_count, described.complete_operation_count),
        (120, 50)
    );

    let second = server.start(&by_query("other", "WorkflowType = 'Order'", signal()));
    let refused = second.expect_err("one at a time");
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::ResourceExhausted,
            "Max concurrent batch operations is reached".to_owned()
        )
    );
    let status = temporalio_common::protos::google::rpc::Status::decode(refused.details().as_slice()).unwrap();
    let detail = ResourceExhaustedFailure::decode(status.details[0].value.as_slice()).unwrap();
    assert_eq!(
        (detail.cause, detail.scope),
        (2, 1),
        "concurrent limit, of the namespace"
    );

    let stop = wire::StopBatchOperationRequest {
        namespace: "default".to_owned(),
        job_id: "job".to_owned(),
        reason: "enough".to_owned(),
        identity: "operator".to_owned(),
    };
    let _: wire::StopBatchOperationResponse = server.ask("StopBatchOperation", &stop).expect("it stops");
    assert_eq!(server.describe("job").state(), State::Failed);
    assert_eq!(server.engine.poll_timeout(), None, "nothing goes on");
    let again = server
        .ask::<wire::StopBatchOperationResponse>("StopBatchOperation", &stop)
        .expect_err("it has ended");
    assert_eq!(
        (again.code(), again.message()),
        (Code::NotFound, "workflow execution already completed".to_owned())
    );
}

#[test]
fn a_query_that_means_nothing_fails_the_batch_when_it_works() {
    let mut server = Server::with_workflows(1);
    server
        .start(&by_query("job", "Nope = 1", signal()))
        .expect("its syntax is good");
    server.pass();
    assert_eq!(server.describe("job").state(), State::Failed);
    assert_eq!(server.types("job").last(), Some(&EventType::WorkflowExecutionFailed));
}

#[test]
fn what_isnt_a_batch_is_refused_in_temporals_words() {
    let mut server = Server::with_workflows(1);
    let good = by_query("job", "WorkflowType = 'Order'", signal());
    let with = |change: &dyn Fn(&mut wire::StartBatchOperationRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let required = "must provide required parameters: BatchType,Reason,Namespace, AND one of (Query OR Executions OR \
                    TargetExecutions)";
    for (request, why) in [
        (with(&|it| it.operation = None), required),
        (with(&|it| it.reason.clear()), required),
        (with(&|it| it.visibility_query.clear()), required),
        (with(&|it| it.job_id.clear()), "JobId is not set on request."),
        (
            with(&|it| {
                #[expect(deprecated, reason = "clients may still send it")]
                it.executions.push(WorkflowExecution::default());
            }),
            "visibility query, executions, and target executions are mutually exclusive",
        ),
        (
            with(&|it| {
                it.visibility_query.clear();
                it.target_executions = vec![Execution {
                    r#type: ExecutionType::Activity as i32,
                    ..Default::default()
                }];
            }),
            "target_executions[0] has type Activity, but operation \
             *workflowservice.StartBatchOperationRequest_SignalOperation requires Workflow",
        ),
        (
            with(&|it| it.operation = Some(Operation::SignalOperation(batch::BatchOperationSignal::default()))),
            "must provide signal name",
        ),
        (
            with(&|it| it.operation = Some(Operation::ResetOperation(batch::BatchOperationReset::default()))),
            "unknown batch reset type Unspecified",
        ),
        (
            with(&|it| {
                it.operation = Some(Operation::CancelActivitiesOperation(
                    batch::BatchOperationCancelActivities::default(),
                ));
            }),
            "The operation type *workflowservice.StartBatchOperationRequest_CancelActivitiesOperation is not supported \
             for this namespace",
        ),
        (
            with(&|it| it.visibility_query = "()".to_owned()),
            "invalid visibility query: syntax error at position 29",
        ),
    ] {
        let refused = server.start(&request).expect_err(why);
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, why.to_owned())
        );
    }
    // An id can be used once.
    server.start(&good).expect("it starts");
    server.pass();
    let twice = server.start(&good).expect_err("the id is taken");
    assert_eq!(twice.code(), Code::AlreadyExists);
}
