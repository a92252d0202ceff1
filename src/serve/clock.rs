//! What moves a served world's time.

use super::Time;
use crate::io::Driver;
use crate::temporal::Skipping;
use crate::world::World;

/// Moves time, until the end.
pub(super) async fn run(driver: Driver, time: Time) {
    match time {
        Time::Real => keep(&driver).await,
        Time::Skip => follow(&driver, may_skip).await,
        Time::Manual => follow(&driver, |world| world.temporal().has_sleeper()).await,
    }
}

/// Whether time may jump: some client waits for a result that only time can bring, or asked for it by the test service.
fn may_skip(world: &World) -> bool {
    let temporal = world.temporal();
    let wanted = match temporal.time_skipping() {
        Skipping::Locked => false,
        Skipping::ForWaiters => temporal.has_waiting_client(),
        // awaithumans looks at its tasks again and again, which alone is no reason to go on.
        Skipping::Unlocked => temporal.has_waiting_client() || temporal.poll_timeout().is_some(),
    };
    // Who sleeps knows when it ends. Else a workflow task that keeps failing would be tried again without end, as fast as the
    // worker can; nor would a schedule ever end.
    let is_bounded = temporal.time_skipping() == Skipping::Unlocked && temporal.has_sleeper();
    let may_be_endless = || temporal.failing_workflow().is_some() || world.is_endless(temporal.firings_during_wait());
    wanted && (is_bounded || !may_be_endless())
}

/// Lets things happen when they are due by the wall clock. It is woken only for what is due sooner than all before, since otherwise a
/// server that is busy would wake it with every request.
async fn keep(driver: &Driver) {
    loop {
        let sooner = driver.due_sooner();
        tokio::pin!(sooner);
        // Registered before the look, so that no change falls between the two.
        sooner.as_mut().enable();
        match driver.next_due() {
            Some(wait) => drop(tokio::time::timeout(wait, sooner).await),
            None => sooner.await,
        }
        driver.catch_up();
    }
}

/// Lets things happen when they are due by the wall clock, and jumps to the next one where that may be.
async fn follow(driver: &Driver, may: fn(&World) -> bool) {
    loop {
        let changed = driver.changed();
        tokio::pin!(changed);
        // Registered before the look, so that no change falls between the two.
        changed.as_mut().enable();
        if driver.skip(|world| may(world) && !world.temporal().has_unserved_task()) {
            // Whoever has an answer now goes first.
            tokio::task::yield_now().await;
            continue;
        }
        let unserved = driver.read(|world| may(world) && world.temporal().has_unserved_task());
        match (unserved, driver.next_due()) {
            // A task waits for a worker that may be about to start: time flows for a while before it jumps.
            (true, _) => {
                if !driver.changed_within_grace().await {
                    driver.skip(may);
                }
            }
            (false, Some(wait)) => {
                let _ = tokio::time::timeout(wait, changed).await;
            }
            (false, None) => changed.await,
        }
        driver.catch_up();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use temporalio_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
    use temporalio_protos::temporal::api::enums::v1::HistoryEventFilterType;
    use temporalio_protos::temporal::api::failure::v1::Failure;
    use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
    use temporalio_protos::temporal::api::testservice::v1::SleepRequest;
    use temporalio_protos::temporal::api::workflowservice::v1 as wire;

    use super::*;
    use crate::human::Config;
    use crate::temporal::HandOut;
    use crate::world::{Input, Output};

    const WORKFLOWS: &str = "temporal.api.workflowservice.v1.WorkflowService";

    /// Gives the answer, or an empty one if there is none yet.
    fn call(world: &mut World, ticket: u64, service: &str, method: &str, request: &impl Message) -> Vec<u8> {
        world.handle(Input::Rpc {
            ticket,
            connection: 1,
            service,
            method,
            request: &request.encode_to_vec(),
        });
        match world.poll_output() {
            Some(Output::Rpc((_, answer))) => answer.expect("the request is good"),
            _ => Vec::new(),
        }
    }

    fn queue() -> Option<TaskQueue> {
        Some(TaskQueue {
            name: "queue".to_owned(),
            ..Default::default()
        })
    }

    /// A world in which a workflow's task has failed twice.
    fn failing() -> World {
        let mut world = World::new(0, HandOut::Parallel, Config::new(Box::new(|_| "sha256=00".to_owned())));
        let start = wire::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: "failing".to_owned(),
            workflow_type: Some(WorkflowType { name: "any".to_owned() }),
            task_queue: queue(),
            request_id: "1".to_owned(),
            ..Default::default()
        };
        call(&mut world, 1, WORKFLOWS, "StartWorkflowExecution", &start);
        for attempt in [10, 20] {
            let poll = wire::PollWorkflowTaskQueueRequest {
                namespace: "default".to_owned(),
                task_queue: queue(),
                ..Default::default()
            };
            let task = call(&mut world, attempt, WORKFLOWS, "PollWorkflowTaskQueue", &poll);
            let task = wire::PollWorkflowTaskQueueResponse::decode(task.as_slice()).expect("a task");
            let failed = wire::RespondWorkflowTaskFailedRequest {
                namespace: "default".to_owned(),
                task_token: task.task_token,
                failure: Some(Failure::default()),
                ..Default::default()
            };
            call(&mut world, attempt + 1, WORKFLOWS, "RespondWorkflowTaskFailed", &failed);
        }
        assert!(world.temporal().failing_workflow().is_some());
        world
    }

    #[test]
    fn a_workflow_that_keeps_failing_stops_waiting_but_no_sleep() {
        let mut world = failing();
        let wait = wire::GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: "failing".to_owned(),
                ..Default::default()
            }),
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
            ..Default::default()
        };
        call(&mut world, 30, WORKFLOWS, "GetWorkflowExecutionHistory", &wait);
        assert!(world.temporal().has_waiting_client());
        assert!(!may_skip(&world));

        let sleep = SleepRequest {
            duration: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        };
        let service = "temporal.api.testservice.v1.TestService";
        call(&mut world, 40, service, "UnlockTimeSkippingWithSleep", &sleep);
        assert!(may_skip(&world));
    }
}
