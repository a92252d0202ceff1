//! Histories of all kinds replay, cold, warm and after an eviction, and what can't be replayed is said.

use std::time::Duration;

use awaithumans_testkit::{Replays, Testkit};
use temporalio_client::grpc::WorkflowService;
use temporalio_client::{WorkflowCancelOptions, WorkflowStartOptions, WorkflowTerminateOptions};
use temporalio_common::protos::temporal::api::command::v1::{self as commands, Command, command::Attributes as Do};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::IntoRequest as _;

use super::script::{Cancel, ChildOf, Script, Step, Task, Work};
use super::{QUEUE, kit, note, options, play, result, start, start_with};

/// The names at the beginning of lines.
fn names(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.split(' ').nth(1)).collect()
}

async fn check(kit: &Testkit) -> Replays {
    let before = (kit.journal().to_string(), kit.now(), kit.histories());
    let replays = kit.check_replays().await.unwrap();
    let after = (kit.journal().to_string(), kit.now(), kit.histories());
    assert!(before == after, "the world has noticed it");
    replays
}

#[tokio::test]
async fn histories_of_all_kinds_replay() {
    let (kit, _worker) = kit().await;
    let scripts: [(&str, Vec<Step>); 9] = [
        (
            "sleeps",
            vec![Step::Sleep(1), Step::Timers(vec![3, 1, 2]), Step::Loop(3)],
        ),
        (
            "works",
            vec![Step::Activity(Task::new(Work::FailUntil(3, "x".to_owned())))],
        ),
        (
            "cancels",
            vec![Step::CancelActivityAtOnce(Task::new(Work::Attempt)), Step::Sleep(1)],
        ),
        ("parent", vec![Step::Child(ChildOf::new("child", vec![Step::Sleep(1)]))]),
        ("outside", vec![Step::SignalExternal("nobody".to_owned())]),
        ("again", vec![Step::Sleep(1), Step::ContinueAsNew(vec![Step::Sleep(2)])]),
        (
            "fails its task",
            vec![Step::Sleep(1), Step::FailTask("replays".to_owned(), 1)],
        ),
        ("patched", vec![Step::Patch("new".to_owned()), Step::Sleep(1)]),
        (
            "says",
            vec![
                Step::SearchAttribute("x".to_owned()),
                Step::Sleep(1),
                Step::Memo("y".to_owned()),
            ],
        ),
    ];
    let count = scripts.len();
    for (id, steps) in scripts {
        play(&kit, id, steps).await;
    }
    let replays = check(&kit).await;
    // A child and a second run are beside them.
    assert_eq!(replays.replayed, count + 2);
    assert_eq!((replays.only_cold, replays.left_out), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn however_it_ended_a_history_replays() {
    let (kit, mut worker) = kit().await;
    let failed = start(&kit, "failed", vec![Step::Sleep(1), Step::Fail("no".to_owned())]).await;
    assert!(result(&failed).await.is_err());
    let cancelled = start(&kit, "cancelled", vec![Step::UntilCancelled]).await;
    kit.settle().await;
    cancelled.cancel(WorkflowCancelOptions::default()).await.unwrap();
    assert!(result(&cancelled).await.is_err());
    let cancels = vec![
        Step::CancelTimer(60),
        Step::CancelActivity(Task::new(Work::Async), Cancel::Try),
    ];
    let cancels = start(&kit, "cancels", cancels).await;
    kit.settle().await;
    note(&cancels, "now").await;
    result(&cancels).await.unwrap();
    // It has been told of something that it never saw.
    let terminated = start(&kit, "terminated", vec![Step::Sleep(60), Step::Notes(2)]).await;
    kit.settle().await;
    worker.crash();
    note(&terminated, "unseen").await;
    terminated.terminate(WorkflowTerminateOptions::default()).await.unwrap();
    worker.restart().await;
    let limited = WorkflowStartOptions::new(QUEUE, "timed out").run_timeout(Duration::from_secs(90));
    let limited = start_with(&kit, vec![Step::Sleep(60), Step::Sleep(60)], limited.build()).await;
    assert!(result(&limited).await.is_err());
    // Nobody ever worked on it: there is nothing to replay.
    let unseen = WorkflowStartOptions::new("nobody's", "unseen").build();
    let unseen = start_with(&kit, vec![Step::Sleep(1)], unseen).await;
    unseen.terminate(WorkflowTerminateOptions::default()).await.unwrap();

    drop(worker);
    let replays = check(&kit).await;
    assert_eq!(replays.replayed, 5, "{replays:?}");
    assert_eq!((replays.only_cold, replays.left_out), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn what_cant_be_given_out_task_by_task_is_replayed_cold() {
    let (kit, worker) = kit().await;
    let local = vec![Step::LocalActivity(Task::new(Work::Attempt)), Step::Sleep(1)];
    play(&kit, "local", local).await;
    let updated = start(&kit, "updated", vec![Step::Notes(1)]).await;
    kit.settle().await;
    let add = updated.execute_update(Script::add, "one".to_owned(), Default::default());
    add.await.unwrap();
    result(&updated).await.unwrap();
    let two = start(&kit, "two", vec![Step::Notes(1)]).await;
    kit.settle().await;
    worker.shutdown().await;
    let _other = kit.spawn_worker(options(QUEUE)).await;
    note(&two, "go on").await;
    result(&two).await.unwrap();

    let replays = check(&kit).await;
    assert_eq!(replays.replayed, 3);
    assert_eq!(names(&replays.only_cold), ["local", "updated", "two"]);
    assert_eq!(replays.left_out, Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_here_can_replay_is_said() {
    let kit = Testkit::start().await;
    let handle = start(&kit, "foreign", Vec::new()).await;
    let mut client = kit.client().connection().clone();
    let poll = wire::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(TaskQueue {
            name: QUEUE.to_owned(),
            ..TaskQueue::default()
        }),
        identity: "python".to_owned(),
        ..Default::default()
    };
    let task = kit
        .run_until(client.poll_workflow_task_queue(poll.into_request()))
        .await;
    let end = Do::CompleteWorkflowExecutionCommandAttributes(commands::CompleteWorkflowExecutionCommandAttributes {
        result: None,
    });
    let completed = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.unwrap().unwrap().into_inner().task_token,
        identity: "python".to_owned(),
        commands: vec![Command {
            command_type: CommandType::CompleteWorkflowExecution as i32,
            attributes: Some(end),
            ..Command::default()
        }],
        ..Default::default()
    };
    client
        .respond_workflow_task_completed(completed.into_request())
        .await
        .unwrap();
    drop(handle);

    let replays = check(&kit).await;
    assert_eq!((replays.replayed, replays.only_cold.len()), (0, 0));
    assert_eq!(names(&replays.left_out), ["foreign"]);
    assert!(replays.left_out[0].contains("python"), "{replays:?}");
}
