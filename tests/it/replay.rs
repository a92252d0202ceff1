//! Histories that the in-memory Temporal writes replay clean in the SDK's own replayer.

use awaithumans_temporal::{Human, register_for_replay};
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

use crate::scenarios::refund::{ClassicRefund, InlineRefund};
use crate::scenarios::stories::STORIES;

fn replayer() -> WorkflowReplayer {
    let mut options = WorkflowReplayerOptions::new()
        .register_workflow::<Human<InlineRefund>>()
        .unwrap()
        .register_workflow::<ClassicRefund>()
        .unwrap()
        .build();
    register_for_replay(&mut options).unwrap();
    WorkflowReplayer::new(options).unwrap()
}

#[tokio::test]
async fn every_history_of_every_story_replays_clean() {
    let mut replayed = 0;
    for story in STORIES {
        let kit = (story.builder)().start().await;
        (story.play)(&kit).await;
        for history in kit.histories() {
            let outcome = replayer().replay_workflow(history.into()).await;
            outcome.unwrap_or_else(|error| panic!("story {}: {error}", story.number));
            replayed += 1;
        }
    }
    assert!(replayed > STORIES.len(), "{replayed}");
}

#[tokio::test]
async fn a_changed_history_does_not() {
    let kit = awaithumans_testkit::Testkit::start().await;
    crate::scenarios::stories::completed(&kit).await;
    let mut history = kit.history("refund-1");
    // The activity that asked the person is gone from it.
    history.events.remove(4);
    assert!(replayer().replay_workflow(history.into()).await.is_err());
}
