//! What time it is, moving it, and stopping it.

use std::time::Duration;

use awaithumans_testkit::serve::Time;
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::{advance, control, create, human, receiver};
use crate::serve::{queue, raw, served, spawn};

#[tokio::test]
async fn a_task_times_out_while_its_long_poll_waits_and_the_webhook_is_delivered() {
    let ready = served(Time::Manual).await;
    let (url, mut received) = receiver().await;
    let id = create(&ready, "k", &json!({"callback_url": url})).await;
    let poll = |timeout: u64| {
        let (ready, path) = (ready.clone(), format!("/api/tasks/{id}/poll?timeout={timeout}"));
        spawn(async move { human(&ready, "GET", &path, &Value::Null).await })
    };
    // The clock says when the poll is there: its end is what is due next.
    let parked = async |due: &str| {
        while control(&ready, "GET", "/clock", "").await.1["next_due"] != due {
            tokio::task::yield_now().await;
        }
    };
    let first = poll(30);
    parked("2026-01-01T00:00:30Z").await;
    let advanced = advance(&ready, 30).await;
    assert_eq!(advanced["now"], "2026-01-01T00:00:30Z");
    assert_eq!(first.await.unwrap().1["status"], "created");

    let second = poll(30);
    parked("2026-01-01T00:01:00Z").await;
    advance(&ready, 30).await;
    let (status, task) = second.await.unwrap();
    assert_eq!((status, &task["status"]), (200, &json!("timed_out")));
    assert_eq!(task["timed_out_at"], "2026-01-01T00:01:00Z");

    // When `advance` answers, the receiver has it: no wait.
    let webhook = received.try_recv().expect("a webhook has been received");
    assert_eq!(
        (&webhook["task_id"], &webhook["status"]),
        (&json!(id), &json!("timed_out"))
    );
    let (_, deliveries) = human(&ready, "GET", "/api/admin/webhook-deliveries", &Value::Null).await;
    assert_eq!(deliveries[0]["status"], "succeeded");
}

#[tokio::test]
async fn a_hold_stops_time_until_it_is_released_in_every_mode() {
    for (time, mode) in [(Time::Manual, "manual"), (Time::Real, "real"), (Time::Skip, "skip")] {
        let ready = served(time).await;
        let (status, held) = control(&ready, "POST", "/clock/hold", r#"{"reason": "a look around"}"#).await;
        assert_eq!(status, 201, "{held}");
        assert_eq!(held["seconds"], 600.0);
        let (_, clock) = control(&ready, "GET", "/clock", "").await;
        assert_eq!((&clock["mode"], &clock["held_by"]), (&json!(mode), &json!([held])));
        // On real time too: it doesn't move while it's held.
        assert_eq!(control(&ready, "GET", "/clock", "").await.1["now"], clock["now"]);

        let (status, refused) = control(&ready, "POST", "/clock/advance", r#"{"seconds": 1}"#).await;
        assert_eq!((status, &refused["error"]), (409, &json!("TIME_HELD")));
        assert!(
            refused["message"].as_str().unwrap().contains("a look around"),
            "{refused}"
        );
        assert_eq!(refused["now"], clock["now"]);

        let path = format!("/clock/hold/{}", held["id"]);
        assert_eq!(
            control(&ready, "DELETE", &path, "").await,
            (200, json!({"released": held["id"]}))
        );
        let (status, gone) = control(&ready, "DELETE", &path, "").await;
        assert_eq!((status, &gone["error"]), (410, &json!("HOLD_ENDED")));
        let advanced = advance(&ready, 86_400).await;
        let day = |field: &str| advanced[field].as_str().unwrap()[..10].to_owned();
        assert_ne!(day("from"), day("now"), "{advanced}");
    }
}

#[tokio::test]
async fn two_who_advance_at_the_same_time_advance_one_after_the_other() {
    let ready = served(Time::Manual).await;
    tokio::join!(advance(&ready, 60), advance(&ready, 60), advance(&ready, 60));
    let (_, clock) = control(&ready, "GET", "/clock", "").await;
    assert_eq!(clock["now"], "2026-01-01T00:03:00Z");
}

#[tokio::test]
async fn a_worker_that_keeps_its_task_is_reported_and_time_stays() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "stuck".to_owned(),
        workflow_type: Some(temporalio_common::protos::temporal::api::common::v1::WorkflowType {
            name: "any".to_owned(),
        }),
        task_queue: queue("slow"),
        request_id: "1".to_owned(),
        ..Default::default()
    };
    client.start_workflow_execution(start).await.unwrap();
    let poll = wire::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("slow"),
        identity: "sloth".to_owned(),
        ..Default::default()
    };
    let mut poll = tonic::Request::new(poll);
    poll.set_timeout(Duration::from_secs(60));
    let task = client.poll_workflow_task_queue(poll).await.unwrap().into_inner();
    assert!(!task.task_token.is_empty());

    let (status, busy) = control(&ready, "POST", "/clock/advance", r#"{"seconds": 5}"#).await;
    assert_eq!((status, &busy["error"]), (409, &json!("WORLD_BUSY")));
    assert!(
        busy["message"].as_str().unwrap().contains("worker sloth with"),
        "{busy}"
    );
    assert_eq!(busy["now"], "2026-01-01T00:00:00Z");
}
