//! Links between Temporal's form and Nexus's: a URL and a type (`common/nexus/link_converter.go`).

use temporalio_protos::temporal::api::common::v1::Link;
use temporalio_protos::temporal::api::common::v1::link::workflow_event::{
    EventReference, Reference, RequestIdReference,
};
use temporalio_protos::temporal::api::common::v1::link::{Activity, Variant, WorkflowEvent};
use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::nexus::v1 as wire;

const WORKFLOW_EVENT: &str = "temporal.api.common.v1.Link.WorkflowEvent";
const ACTIVITY: &str = "temporal.api.common.v1.Link.Activity";
const NEXUS_OPERATION: &str = "temporal.api.common.v1.Link.NexusOperation";
const SCHEME: &str = "temporal://";

/// A link to an event of a run.
pub(crate) fn to_event(
    namespace: &str,
    workflow_id: &str,
    run_id: &str,
    event_id: i64,
    event: EventType,
) -> wire::Link {
    let mut query = String::new();
    if event_id > 0 {
        query = format!("eventID={event_id}&");
    }
    wire::Link {
        url: format!(
            "{SCHEME}/namespaces/{}/workflows/{}/{}/history?{query}eventType={}&referenceType=EventReference",
            escape(namespace),
            escape(workflow_id),
            escape(run_id),
            pascal(event),
        ),
        r#type: WORKFLOW_EVENT.to_owned(),
    }
}

/// A link as the value of an HTTP header.
pub(crate) fn header(link: &Link) -> String {
    let Some(Variant::WorkflowEvent(event)) = &link.variant else {
        return String::new();
    };
    let link = match &event.reference {
        Some(Reference::RequestIdRef(reference)) => wire::Link {
            url: format!(
                "{SCHEME}/namespaces/{}/workflows/{}/{}/history?eventType={}&referenceType=RequestIdReference&requestID={}",
                escape(&event.namespace),
                escape(&event.workflow_id),
                escape(&event.run_id),
                pascal(reference.event_type()),
                form_urlencoded::byte_serialize(reference.request_id.as_bytes()).collect::<String>(),
            ),
            r#type: WORKFLOW_EVENT.to_owned(),
        },
        reference => {
            let (event_id, event_type) = match reference {
                Some(Reference::EventRef(reference)) => (reference.event_id, reference.event_type()),
                _ => (0, EventType::Unspecified),
            };
            to_event(
                &event.namespace,
                &event.workflow_id,
                &event.run_id,
                event_id,
                event_type,
            )
        }
    };
    format!("<{}>; type=\"{}\"", link.url, link.r#type)
}

/// A link to an operation without a workflow.
pub(crate) fn to_operation(namespace: &str, operation_id: &str, run_id: &str) -> wire::Link {
    wire::Link {
        url: format!(
            "{SCHEME}/namespaces/{}/nexus-operations/{}/{}/details",
            escape(namespace),
            escape(operation_id),
            escape(run_id),
        ),
        r#type: NEXUS_OPERATION.to_owned(),
    }
}

/// The links that Temporal understands; it drops the others.
pub(crate) fn from_nexus(links: &[wire::Link]) -> Vec<Link> {
    links.iter().filter_map(parse).collect()
}

fn parse(link: &wire::Link) -> Option<Link> {
    let (path, query) = match link.url.strip_prefix(SCHEME)?.split_once('?') {
        Some((path, query)) => (path, query),
        None => (link.url.strip_prefix(SCHEME)?, ""),
    };
    let parts: Vec<String> = path.split('/').map(unescape).collect::<Option<_>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ["", "namespaces", namespace, kind, id, run_id, end] = parts[..] else {
        return None;
    };
    if namespace.is_empty() || id.is_empty() || run_id.is_empty() {
        return None;
    }
    let variant = match (link.r#type.as_str(), kind, end) {
        (WORKFLOW_EVENT, "workflows", "history") => Variant::WorkflowEvent(WorkflowEvent {
            namespace: namespace.to_owned(),
            workflow_id: id.to_owned(),
            run_id: run_id.to_owned(),
            reference: Some(reference(query)?),
        }),
        (ACTIVITY, "activities", "details") => Variant::Activity(Activity {
            namespace: namespace.to_owned(),
            activity_id: id.to_owned(),
            run_id: run_id.to_owned(),
        }),
        _ => return None,
    };
    Some(Link { variant: Some(variant) })
}

fn reference(query: &str) -> Option<Reference> {
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let event_type = event_type(&value("eventType")?)? as i32;
    match value("referenceType")?.as_str() {
        "EventReference" => Some(Reference::EventRef(EventReference {
            event_id: match value("eventID") {
                Some(event_id) if !event_id.is_empty() => event_id.parse().ok()?,
                _ => 0,
            },
            event_type,
        })),
        "RequestIdReference" => Some(Reference::RequestIdRef(RequestIdReference {
            request_id: value("requestID").unwrap_or_default(),
            event_type,
        })),
        _ => None,
    }
}

/// By either of its names: `EVENT_TYPE_TIMER_FIRED` or `TimerFired`.
fn event_type(name: &str) -> Option<EventType> {
    EventType::from_str_name(name).or_else(|| {
        let mut snake = "EVENT_TYPE".to_owned();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_uppercase());
        }
        EventType::from_str_name(&snake)
    })
}

/// `EVENT_TYPE_TIMER_FIRED` as `TimerFired`, which is how Temporal's Go code writes it.
fn pascal(event: EventType) -> String {
    let name = event.as_str_name().trim_start_matches("EVENT_TYPE_");
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    };
    name.split('_').map(word).collect()
}

/// Go's `url.PathEscape`.
fn escape(segment: &str) -> String {
    let mut escaped = String::new();
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b'$'
            | b'&'
            | b'+'
            | b'='
            | b':'
            | b'@' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Go's `url.PathUnescape`.
fn unescape(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_an_event_comes_back_as_it_went() {
        let link = to_event("my space", "a/b", "run", 5, EventType::NexusOperationScheduled);
        assert_eq!(
            link.url,
            "temporal:///namespaces/my%20space/workflows/a%2Fb/run/history?eventID=5&eventType=NexusOperationScheduled\
             &referenceType=EventReference"
        );
        let Some(Variant::WorkflowEvent(event)) = from_nexus(&[link])[0].variant.clone() else {
            panic!("not a link to an event");
        };
        assert_eq!(
            (event.namespace.as_str(), event.workflow_id.as_str()),
            ("my space", "a/b")
        );
        let Some(Reference::EventRef(reference)) = event.reference else {
            panic!("{event:?}");
        };
        assert_eq!(reference.event_id, 5);
        assert_eq!(reference.event_type(), EventType::NexusOperationScheduled);
    }

    #[test]
    fn what_is_no_link_of_temporals_is_dropped() {
        let link = |url: &str, kind: &str| wire::Link {
            url: url.to_owned(),
            r#type: kind.to_owned(),
        };
        let links = [
            link("https://example.com", "example"),
            link("temporal:///namespaces/n/workflows/w/r/history", WORKFLOW_EVENT),
            link(
                "temporal:///namespaces/n/workflows/w/r/history?referenceType=EventReference&eventType=No",
                WORKFLOW_EVENT,
            ),
            link(
                "temporal:///namespaces/n/workflows/%2/r/history?referenceType=EventReference",
                WORKFLOW_EVENT,
            ),
            link("temporal:///namespaces//activities/a/r/details", ACTIVITY),
            link("", ""),
        ];
        assert_eq!(from_nexus(&links), []);
        assert_eq!(
            from_nexus(&[link("temporal:///namespaces/n/activities/a/r/details", ACTIVITY)]).len(),
            1
        );
    }
}
