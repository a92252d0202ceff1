//! Signals and cancellations from one workflow to another.

use super::script::Step;
use super::{event, kit, play, result, start, types};

#[tokio::test]
async fn a_workflow_signals_another() {
    let (kit, _worker) = kit().await;
    let target = start(&kit, "target", vec![Step::Notes(1)]).await;
    assert_eq!(
        play(&kit, "sender", vec![Step::SignalExternal("target".to_owned())]).await,
        ["()"]
    );
    assert_eq!(result(&target).await.unwrap(), ["from outside"]);
    assert_eq!(
        types(&kit, "sender"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    let signaled = event!(kit, "target", WorkflowExecutionSignaledEventAttributes);
    assert_eq!(signaled.external_workflow_execution.unwrap().workflow_id, "sender");
}

#[tokio::test]
async fn a_workflow_cancels_another() {
    let (kit, _worker) = kit().await;
    let target = start(&kit, "target", vec![Step::UntilCancelled]).await;
    kit.settle().await;
    assert_eq!(
        play(&kit, "sender", vec![Step::CancelExternal("target".to_owned())]).await,
        ["cancel requested"]
    );
    assert!(result(&target).await.is_err());
    let told = types(&kit, "sender");
    assert_eq!(
        told[1..3],
        [
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED"
        ]
    );
    let requested = event!(kit, "target", WorkflowExecutionCancelRequestedEventAttributes);
    assert!(
        requested.cause.ends_with("because"),
        "the SDK puts the sender before it: {}",
        requested.cause
    );
}

#[tokio::test]
async fn a_workflow_that_is_not_there_can_be_neither_signalled_nor_cancelled() {
    let (kit, _worker) = kit().await;
    let steps = vec![
        Step::SignalExternal("nobody".to_owned()),
        Step::CancelExternal("nobody".to_owned()),
    ];
    let lines = play(&kit, "sender", steps).await;
    assert!(
        lines[0].starts_with("error") && lines[1] == "cancel not possible",
        "{lines:?}"
    );
    let not_found = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND";
    let failed = event!(kit, "sender", SignalExternalWorkflowExecutionFailedEventAttributes);
    assert!(failed.cause().as_str_name().ends_with(not_found));
    let failed = event!(
        kit,
        "sender",
        RequestCancelExternalWorkflowExecutionFailedEventAttributes
    );
    assert!(failed.cause().as_str_name().ends_with(not_found));
}
