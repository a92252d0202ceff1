//! The four outcomes of a task, in both forms of the adapter.

use std::time::Duration;

use awaithumans_temporal::Human;
use awaithumans_testkit::fixture::kit;
use awaithumans_testkit::human::{Matcher, Verdict};
use awaithumans_testkit::{Moment, Testkit};
use rstest::rstest;
use temporalio_client::WorkflowStartOptions;

use crate::scenarios::refund::{ClassicRefund, InlineRefund, Refund, TASK_QUEUE};
use crate::scenarios::stories::{self, Ending};

/// How a task ends.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Completed,
    TimedOut,
    Cancelled,
    VerificationExhausted,
}

/// How the workflow is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Inline,
    Classic,
}

fn script(kit: &Testkit, outcome: Outcome) {
    let line = kit.humans().on(Matcher::any()).after(Duration::from_secs(3600));
    match outcome {
        Outcome::Completed => line.complete(serde_json::json!({"approved": true})),
        Outcome::TimedOut => line.never(),
        Outcome::Cancelled => line.cancel(),
        Outcome::VerificationExhausted => {
            kit.humans().verifier_says(Verdict::Reject("no receipt".to_owned()));
            line.reject_until_exhausted();
        }
    }
}

async fn start(kit: &Testkit, form: Form, refund: Refund) {
    let options = WorkflowStartOptions::new(TASK_QUEUE, "refund-1").build();
    match form {
        Form::Inline => drop(
            kit.client()
                .start_workflow(Human::<InlineRefund>::run, refund, options)
                .await
                .unwrap(),
        ),
        Form::Classic => drop(
            kit.client()
                .start_workflow(ClassicRefund::run, refund, options)
                .await
                .unwrap(),
        ),
    }
}

#[rstest]
#[case::completed(Outcome::Completed, "")]
#[case::timed_out(Outcome::TimedOut, "TaskTimeoutError")]
#[case::cancelled(Outcome::Cancelled, "TaskCancelledError")]
#[case::verification_exhausted(Outcome::VerificationExhausted, "VerificationExhaustedError")]
#[tokio::test]
async fn every_outcome_reaches_every_form(
    #[future(awt)] kit: Testkit,
    #[case] outcome: Outcome,
    #[case] expected_type: &str,
    #[values(Form::Inline, Form::Classic)] form: Form,
) {
    let _worker = stories::spawn_worker(&kit).await;
    script(&kit, outcome);
    let refund = Refund {
        verified: matches!(outcome, Outcome::VerificationExhausted),
        ..stories::refund(&kit)
    };
    start(&kit, form, refund).await;
    kit.run_until_moment(Moment::closed("refund-1")).await.unwrap();
    match stories::ending(&kit, "refund-1") {
        Ending::Completed(result) => assert_eq!((expected_type, result.as_str()), ("", "approved; paid back $250")),
        Ending::Failed { error_type, message } => {
            assert_eq!(error_type, expected_type, "{message}");
            if expected_type == "VerificationExhaustedError" {
                assert!(message.contains("failed verification 3 times"), "{message}");
            }
        }
        other @ Ending::Other(_) => panic!("{other:?}"),
    }
    assert_eq!(kit.unreproducible(), Vec::<String>::new());
}
