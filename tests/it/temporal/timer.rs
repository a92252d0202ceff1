//! Timers.

use std::time::Duration;

use awaithumans_testkit::Testkit;

use super::script::Step;
use super::{QUEUE, event, kit, note, options, play, result, start, types};

#[tokio::test]
async fn a_timer_fires_in_virtual_time() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    play(&kit, "sleeps", vec![Step::Sleep(7 * 86_400)]).await;
    assert_eq!(kit.now().since(before), Duration::from_secs(7 * 86_400));
    assert_eq!(
        types(&kit, "sleeps"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "TIMER_STARTED",
            "TIMER_FIRED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    let fired = event!(kit, "sleeps", TimerFiredEventAttributes);
    assert_eq!((fired.timer_id.as_str(), fired.started_event_id), ("1", 5));
}

#[tokio::test]
async fn timers_fire_in_the_order_of_their_deadlines() {
    let (kit, _worker) = kit().await;
    assert_eq!(
        play(&kit, "order", vec![Step::Timers(vec![30, 10, 20])]).await,
        ["1,2,0"]
    );
}

#[tokio::test]
async fn timers_of_the_same_deadline_fire_in_the_order_of_their_starts() {
    let (kit, _worker) = kit().await;
    assert_eq!(play(&kit, "same", vec![Step::Timers(vec![10; 5])]).await, ["0,1,2,3,4"]);
}

#[tokio::test]
async fn a_cancelled_timer_never_fires() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let handle = start(&kit, "cancel", vec![Step::CancelTimer(60)]).await;
    kit.settle().await;
    note(&handle, "stop").await;
    assert_eq!(result(&handle).await.unwrap(), ["Cancelled"]);
    assert_eq!(kit.now(), before);
    assert_eq!(
        types(&kit, "cancel"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "TIMER_STARTED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "TIMER_CANCELED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
}

#[tokio::test]
async fn a_timer_is_as_late_as_on_a_real_server_if_asked() {
    let shift = serde_json::json!("100s");
    let kit = Testkit::builder()
        .dynamic_config("history.timerProcessorMaxTimeShift", shift)
        .start()
        .await;
    let _worker = kit.spawn_worker(options(QUEUE)).await;
    let before = kit.now();
    // The first one is on time; with it the server has read what is due in the hundred seconds after it.
    play(&kit, "late", vec![Step::Sleep(10), Step::Sleep(10), Step::Sleep(300)]).await;
    assert_eq!(kit.now().since(before), Duration::from_secs(10 + 100 + 300));
}
