//! The error contract of `await_human`.

use serde::{Deserialize, Serialize};
use temporalio_common::error::{
    ActivityExecutionError, ApplicationFailure, ChildWorkflowExecutionError, ChildWorkflowStartError,
};
use temporalio_workflow::WorkflowTermination;

const TROUBLESHOOTING_URL: &str = "https://docs.awaithumans.dev/troubleshooting";

/// How `await_human` ends other than with an answer.
///
/// In a workflow, `?` fails the workflow with an application failure whose type is
/// [`AwaitHumanError::error_type`], the class name of the Python adapter's exception, so that a
/// caller in any language can tell the rows apart. The failure is not retryable: asking again
/// with the same key finds the same ended task.
///
/// The texts of the four outcomes are the Python adapter's first line; the failure's message has
/// the hint and the link to the documentation too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwaitHumanError {
    /// Nobody answered in time: the server said so, or the workflow's own timer was first.
    #[error("Task \"{task}\" timed out after {timeout_seconds} seconds.")]
    TaskTimeout {
        /// The question.
        task: String,
        /// How long the person had.
        timeout_seconds: u64,
    },
    /// An admin or another agent cancelled the task.
    #[error("Task '{task}' was cancelled.")]
    TaskCancelled {
        /// The question.
        task: String,
    },
    /// The verifier rejected every answer.
    #[error("Task \"{task}\" failed verification {attempts} times.")]
    VerificationExhausted {
        /// The question.
        task: String,
        /// How many answers the verifier saw. (The Python adapter always says 0 here, for it
        /// looks for the number inside of the response.)
        attempts: u64,
    },
    /// The answer is not what the response type expects.
    #[error("The {field} does not match the provided schema.")]
    SchemaValidation {
        /// What did not match: `response`.
        field: String,
        /// Why.
        details: String,
    },
    /// The task ended in a status that this adapter doesn't know.
    #[error("Temporal adapter saw unknown terminal status '{status}' for task '{task}'")]
    UnknownStatus {
        /// The question.
        task: String,
        /// The status as it came.
        status: String,
    },
    /// The timeout is out of range; no task was created.
    #[error("timeout_seconds must be between 60 (1 minute) and 2,592,000 (30 days). Got: {timeout_seconds}.")]
    TimeoutRange {
        /// The timeout as given; 0 if there was none.
        timeout_seconds: f64,
    },
    /// Another field of the task is missing or can't be sent; no task was created.
    #[error("{field}: {message}")]
    InvalidTask {
        /// The field, by its name on the wire.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// The same workflow already waits for this key in the child-workflow form. Give one of the
    /// two an [`idempotency_key`](crate::HumanTask::idempotency_key) of its own.
    #[error(
        "this workflow already waits for idempotency_key {idempotency_key:?}: give concurrent tasks different keys"
    )]
    KeyInUse {
        /// The key that both have.
        idempotency_key: String,
    },
    /// The create-task activity failed for good, by a timeout or a retry policy of its own.
    #[error("the task could not be created: {0}")]
    CreateTask(#[source] Box<ActivityExecutionError>),
    /// The adapter's child workflow could not be started.
    #[error("the await_human child workflow could not be started: {0}")]
    ChildStart(#[source] Box<ChildWorkflowStartError>),
    /// The adapter's child workflow ended in another way, terminated for example.
    #[error("the await_human child workflow failed: {0}")]
    Child(#[source] Box<ChildWorkflowExecutionError>),
    /// The workflow itself was cancelled while it waited. The task stays open on the server.
    #[error("the workflow was cancelled while it waited for a person")]
    WorkflowCancelled,
}

impl AwaitHumanError {
    /// The class name of the same error in Python, and the type of the workflow's failure.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::TaskTimeout { .. } => "TaskTimeoutError",
            Self::TaskCancelled { .. } => "TaskCancelledError",
            Self::VerificationExhausted { .. } => "VerificationExhaustedError",
            Self::SchemaValidation { .. } => "SchemaValidationError",
            Self::UnknownStatus { .. } => "RuntimeError",
            Self::TimeoutRange { .. } => "TimeoutRangeError",
            Self::InvalidTask { .. } => "InvalidTaskError",
            Self::KeyInUse { .. } => "KeyInUseError",
            Self::CreateTask(_) => "TaskCreateError",
            Self::ChildStart(_) | Self::Child(_) => "ChildWorkflowError",
            Self::WorkflowCancelled => "CancelledError",
        }
    }

    /// The text with its hint and the link to the documentation, as Python's `str(error)`. The
    /// text alone for errors that Python doesn't have.
    pub fn full_message(&self) -> String {
        match self.hint() {
            Some((hint, anchor)) => {
                format!("{self}\n\n{hint}\n\nDocs: {TROUBLESHOOTING_URL}#{anchor}")
            }
            None => self.to_string(),
        }
    }

    fn hint(&self) -> Option<(String, &'static str)> {
        let (hint, anchor) = match self {
            Self::TaskTimeout { .. } => (
                "No human completed the task. Check:\n  \
                 1. Is your notification channel configured? (AWAITHUMANS_SLACK_WEBHOOK)\n  \
                 2. Did the assigned human receive the notification?\n  \
                 3. Consider increasing timeout_seconds if humans need more time.",
                "timeout",
            ),
            Self::TaskCancelled { .. } => (
                "The task was cancelled by an admin or another agent before a human completed it.",
                "task-cancelled",
            ),
            Self::VerificationExhausted { .. } => (
                "The human's response was rejected by the verifier on every attempt.\n\
                 Check your verifier instructions — they may be too strict.\n\
                 Consider increasing max_attempts or adjusting the verification criteria.",
                "verification-exhausted",
            ),
            Self::TimeoutRange { .. } => (
                "awaithumans is designed for human response times.\n  \
                 Minimum: 60 seconds (1 minute)\n  \
                 Maximum: 2,592,000 seconds (30 days)\n\
                 For sub-minute timeouts, use a coroutine or a queue, not HITL.",
                "timeout-range",
            ),
            Self::SchemaValidation { field, details } => {
                return Some((
                    format!(
                        "Validation error: {details}\n\n\
                         Check that your {field} conforms to the {field}_schema you provided.\n\
                         All payloads and responses must be JSON-serializable."
                    ),
                    "schema-validation",
                ));
            }
            _ => return None,
        };
        Some((hint.to_owned(), anchor))
    }
}

impl From<AwaitHumanError> for WorkflowTermination {
    fn from(error: AwaitHumanError) -> Self {
        match error {
            AwaitHumanError::WorkflowCancelled => Self::cancelled(),
            AwaitHumanError::CreateTask(error) => (*error).into(),
            AwaitHumanError::ChildStart(error) => (*error).into(),
            AwaitHumanError::Child(error) => (*error).into(),
            other => Self::failed_application(other.into()),
        }
    }
}

impl From<AwaitHumanError> for ApplicationFailure {
    /// Not retryable, with the error's data as details.
    fn from(error: AwaitHumanError) -> Self {
        let failure = Self::builder(error.full_message())
            .type_name(error.error_type().to_owned())
            .non_retryable(true);
        match Details::of(&error) {
            Some(details) => failure.details(details).build(),
            None => failure.build(),
        }
    }
}

/// What an error of the child workflow carries to its parent, as the failure's details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub(crate) enum Details {
    TaskTimeout { task: String, timeout_seconds: u64 },
    TaskCancelled { task: String },
    VerificationExhausted { task: String, attempts: u64 },
    SchemaValidation { field: String, details: String },
    UnknownStatus { task: String, status: String },
}

impl Details {
    fn of(error: &AwaitHumanError) -> Option<Self> {
        use AwaitHumanError as E;
        Some(match error {
            E::TaskTimeout { task, timeout_seconds } => Self::TaskTimeout {
                task: task.clone(),
                timeout_seconds: *timeout_seconds,
            },
            E::TaskCancelled { task } => Self::TaskCancelled { task: task.clone() },
            E::VerificationExhausted { task, attempts } => Self::VerificationExhausted {
                task: task.clone(),
                attempts: *attempts,
            },
            E::SchemaValidation { field, details } => Self::SchemaValidation {
                field: field.clone(),
                details: details.clone(),
            },
            E::UnknownStatus { task, status } => Self::UnknownStatus {
                task: task.clone(),
                status: status.clone(),
            },
            _ => return None,
        })
    }
}

impl From<Details> for AwaitHumanError {
    fn from(details: Details) -> Self {
        match details {
            Details::TaskTimeout { task, timeout_seconds } => Self::TaskTimeout { task, timeout_seconds },
            Details::TaskCancelled { task } => Self::TaskCancelled { task },
            Details::VerificationExhausted { task, attempts } => Self::VerificationExhausted { task, attempts },
            Details::SchemaValidation { field, details } => Self::SchemaValidation { field, details },
            Details::UnknownStatus { task, status } => Self::UnknownStatus { task, status },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_pythons() {
        // golden adapter/flows.json: "cancelled", "verification_exhausted with …".
        let task = "Approve $250 refund for cus_demo?".to_owned();
        let error = AwaitHumanError::TaskCancelled { task: task.clone() };
        assert_eq!(
            error.full_message(),
            "Task 'Approve $250 refund for cus_demo?' was cancelled.\n\nThe task was cancelled by \
             an admin or another agent before a human completed it.\n\n\
             Docs: https://docs.awaithumans.dev/troubleshooting#task-cancelled"
        );
        let error = AwaitHumanError::VerificationExhausted {
            task: task.clone(),
            attempts: 7,
        };
        assert_eq!(
            error.full_message(),
            "Task \"Approve $250 refund for cus_demo?\" failed verification 7 times.\n\nThe \
             human's response was rejected by the verifier on every attempt.\nCheck your verifier \
             instructions — they may be too strict.\nConsider increasing max_attempts or adjusting \
             the verification criteria.\n\n\
             Docs: https://docs.awaithumans.dev/troubleshooting#verification-exhausted"
        );
        let error = AwaitHumanError::TaskTimeout {
            task,
            timeout_seconds: 60,
        };
        assert_eq!(
            error.full_message(),
            "Task \"Approve $250 refund for cus_demo?\" timed out after 60 seconds.\n\nNo human \
             completed the task. Check:\n  1. Is your notification channel configured? \
             (AWAITHUMANS_SLACK_WEBHOOK)\n  2. Did the assigned human receive the notification?\n  \
             3. Consider increasing timeout_seconds if humans need more time.\n\n\
             Docs: https://docs.awaithumans.dev/troubleshooting#timeout"
        );
    }

    #[test]
    fn a_failure_keeps_type_and_data() {
        let error = AwaitHumanError::VerificationExhausted {
            task: "t".to_owned(),
            attempts: 3,
        };
        let details = Details::of(&error).expect("it has details");
        let failure = ApplicationFailure::from(error);
        assert_eq!(failure.type_name(), Some("VerificationExhaustedError"));
        assert!(failure.is_non_retryable());
        let back: AwaitHumanError = details.into();
        assert!(matches!(
            back,
            AwaitHumanError::VerificationExhausted { attempts: 3, .. }
        ));
    }
}
