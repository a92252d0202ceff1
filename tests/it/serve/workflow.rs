//! A real worker and a real client of the Rust SDK over TCP.

use std::time::Duration;

use awaithumans_testkit::serve::Time;
use temporalio_client::{WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_common::protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{EventType, HistoryEventFilterType};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use super::{client, queue, raw, served};
use crate::temporal::script::{Script, Step, Task, Work, Works};

const QUEUE: &str = "over-tcp";
const TWO_DAYS: u64 = 2 * 86_400;

fn options() -> WorkerOptions {
    WorkerOptions::new(QUEUE)
        .deployment_options(WorkerDeploymentOptions::from_build_id("tests".to_owned()))
        .register_workflow::<Script>()
        .expect("it is registered once")
        .register_activities(Works)
        .build()
}

#[tokio::test]
async fn a_workflow_that_sleeps_for_two_days_ends_at_once_where_time_skips() {
    let ready = served(Time::Skip).await;
    let client = client(&ready).await;
    let sdk = RuntimeOptions::builder().heartbeat_interval(None).build().unwrap();
    let sdk = Runtime::from_current_tokio(sdk).unwrap();
    let mut worker = Worker::new(&sdk, client.clone(), options()).unwrap();
    let shut_down = worker.shutdown_handle();

    let test = async {
        let steps = vec![Step::Sleep(TWO_DAYS), Step::Activity(Task::new(Work::Attempt))];
        let options = WorkflowStartOptions::new(QUEUE, "sleeper").build();
        let handle = client.start_workflow(Script::run, steps, options).await.unwrap();
        let lines = handle.get_result(WorkflowGetResultOptions::default()).await.unwrap();
        // The worker's polls end since it says that it shuts down; without that its `run` never would.
        shut_down();
        lines
    };
    let (ran, lines) = tokio::join!(worker.run(), test);
    ran.unwrap();
    assert_eq!(lines, ["attempt 1"]);

    let request = wire::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution("sleeper"),
        ..Default::default()
    };
    let history = raw(&ready).await.get_workflow_execution_history(request).await.unwrap();
    let events = history.into_inner().history.unwrap().events;
    let at = |wanted: EventType| {
        let event = events.iter().find(|event| event.event_type() == wanted);
        event.unwrap().event_time.unwrap().seconds
    };
    let slept = at(EventType::TimerFired) - at(EventType::TimerStarted);
    assert!((TWO_DAYS..TWO_DAYS + 2).contains(&slept.unsigned_abs()), "{slept}");
}

#[tokio::test]
async fn on_real_time_a_run_times_out_when_its_time_is_over() {
    let ready = served(Time::Real).await;
    let mut client = raw(&ready).await;
    let timeout = Duration::from_millis(100);
    let started = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "late".to_owned(),
        workflow_type: Some(WorkflowType { name: "any".to_owned() }),
        task_queue: queue("nobody"),
        workflow_run_timeout: Some(timeout.try_into().unwrap()),
        request_id: "1".to_owned(),
        ..Default::default()
    };
    client.start_workflow_execution(started).await.unwrap();
    let last = wire::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution("late"),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        ..Default::default()
    };
    let history = client.get_workflow_execution_history(last).await.unwrap().into_inner();
    let events = history.history.unwrap().events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type(), EventType::WorkflowExecutionTimedOut);
}

pub(super) fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: String::new(),
    })
}
