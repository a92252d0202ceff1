//! Links from answers to the events that the requests led to.

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::link::workflow_event::{
    EventReference, Reference, RequestIdReference,
};
use temporalio_protos::temporal::api::common::v1::link::{Variant, Workflow, WorkflowEvent};
use temporalio_protos::temporal::api::common::v1::{Link, WorkflowExecution};
use temporalio_protos::temporal::api::enums::v1::{EventType, UpdateWorkflowExecutionLifecycleStage as Stage};

use super::machine::update::Update;
use super::reject::Reject;

/// To the first event of a run.
pub(crate) fn to_start(namespace: &str, execution: &WorkflowExecution) -> Link {
    let reference = Reference::EventRef(EventReference {
        event_id: 1,
        event_type: EventType::WorkflowExecutionStarted as i32,
    });
    to_event(namespace, execution, reference)
}

/// To the event that a request led to, whose id may not be known yet.
pub(crate) fn to_request(
    namespace: &str,
    execution: &WorkflowExecution,
    request_id: &str,
    event_type: EventType,
) -> Link {
    let reference = Reference::RequestIdRef(RequestIdReference {
        request_id: request_id.to_owned(),
        event_type: event_type as i32,
    });
    to_event(namespace, execution, reference)
}

/// To an update's accepted event; to the workflow itself if it was rejected, which leaves no event.
pub(crate) fn to_update(update: &Update, namespace: &str, execution: &WorkflowExecution) -> Option<Link> {
    if update.has_failed() {
        return Some(Link {
            variant: Some(Variant::Workflow(Workflow {
                namespace: namespace.to_owned(),
                workflow_id: execution.workflow_id.clone(),
                run_id: execution.run_id.clone(),
                reason: "Update rejected".to_owned(),
            })),
        });
    }
    let accepted = EventType::WorkflowExecutionUpdateAccepted;
    matches!(update.stage(), Stage::Accepted | Stage::Completed)
        .then(|| to_request(namespace, execution, update.request_id(), accepted))
}

/// Links that one request may bring (dynamic config `frontend.maxlinksPerRequest`).
const MAX_LINKS: usize = 10;

/// The largest link, in bytes (dynamic config `frontend.linkMaxSize`).
const MAX_LINK_BYTES: usize = 4_000;

/// Refuses links that Temporal doesn't attach (`common/links.Validate`).
pub(crate) fn validate(links: &[Link]) -> Result<(), Reject> {
    if links.len() > MAX_LINKS {
        return Err(Reject::InvalidArgument(format!(
            "cannot attach more than {MAX_LINKS} links per request, got {}",
            links.len()
        )));
    }
    links.iter().try_for_each(validate_one)
}

fn validate_one(link: &Link) -> Result<(), Reject> {
    let refuse = |text: String| Err(Reject::InvalidArgument(text));
    let size = link.encoded_len();
    if size > MAX_LINK_BYTES {
        return refuse(format!("link exceeds allowed size of {MAX_LINK_BYTES}, got {size}"));
    }
    let (kind, fields) = match &link.variant {
        Some(Variant::WorkflowEvent(it)) => (
            "workflow event",
            vec![
                ("namespace field", &it.namespace),
                ("workflow ID field", &it.workflow_id),
                ("run ID field", &it.run_id),
            ],
        ),
        Some(Variant::BatchJob(it)) => ("batch job", vec![("job ID", &it.job_id)]),
        Some(Variant::NexusOperation(it)) => (
            "nexus operation",
            vec![
                ("namespace field", &it.namespace),
                ("operation ID field", &it.operation_id),
                ("run ID field", &it.run_id),
            ],
        ),
        Some(Variant::Activity(it)) => (
            "activity",
            vec![
                ("namespace field", &it.namespace),
                ("activity ID field", &it.activity_id),
                ("run ID field", &it.run_id),
            ],
        ),
        Some(_) | None => return refuse("unsupported link variant".to_owned()),
    };
    if let Some((field, _)) = fields.iter().find(|(_, value)| value.is_empty()) {
        return refuse(format!("{kind} link must not have an empty {field}"));
    }
    match &link.variant {
        Some(Variant::WorkflowEvent(WorkflowEvent {
            reference: Some(Reference::EventRef(reference)),
            ..
        })) if reference.event_type == EventType::Unspecified as i32 && reference.event_id != 0 => {
            refuse("workflow event link ref cannot have an unspecified event type and a non-zero event ID".to_owned())
        }
        _ => Ok(()),
    }
}

fn to_event(namespace: &str, execution: &WorkflowExecution, reference: Reference) -> Link {
    Link {
        variant: Some(Variant::WorkflowEvent(WorkflowEvent {
            namespace: namespace.to_owned(),
            workflow_id: execution.workflow_id.clone(),
            run_id: execution.run_id.clone(),
            reference: Some(reference),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(link: Link) -> String {
        validate(&[link])
            .err()
            .map(|reject| reject.message())
            .unwrap_or_default()
    }

    #[test]
    fn links_are_held_to_temporals_rules() {
        let execution = WorkflowExecution {
            workflow_id: "id".to_owned(),
            run_id: "run".to_owned(),
        };
        let good = to_start("default", &execution);
        assert_eq!(validate(&vec![good.clone(); 10]), Ok(()));
        let many = validate(&vec![good; 11]).unwrap_err().message();
        assert_eq!(many, "cannot attach more than 10 links per request, got 11");
        assert_eq!(
            refused(to_start("", &execution)),
            "workflow event link must not have an empty namespace field"
        );
        assert_eq!(refused(Link { variant: None }), "unsupported link variant");
        let large = "x".repeat(5_000);
        assert!(refused(to_start(&large, &execution)).starts_with("link exceeds allowed size of 4000, got 5"));
        let untyped = Reference::EventRef(EventReference {
            event_id: 3,
            event_type: 0,
        });
        assert!(refused(to_event("default", &execution, untyped)).contains("an unspecified event type"));
    }
}
