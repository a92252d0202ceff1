//! The opaque tokens that clients hand back: of tasks, and of pages of a history.

use prost::Message as _;

use super::nexus::OperationRef;
use super::run::RunRef;
use super::standalone::ActivityRef;

/// Names a task in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskToken {
    Workflow {
        run: RunRef,
        scheduled_event_id: i64,
        started_event_id: i64,
        attempt: i32,
    },
    Activity {
        run: RunRef,
        scheduled_event_id: i64,
        attempt: i32,
    },
    Query {
        run: RunRef,
        query_id: String,
    },
    Nexus {
        number: u64,
    },
    /// An activity without a workflow.
    Standalone {
        activity: ActivityRef,
        attempt: i32,
    },
}

impl TaskToken {
    /// As bytes: a letter for the kind, then the numbers in decimal, with colons between.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Workflow {
                run,
                scheduled_event_id,
                started_event_id,
                attempt,
            } => parts(
                b'w',
                run.0,
                &[*scheduled_event_id, *started_event_id, i64::from(*attempt)],
            ),
            Self::Activity {
                run,
                scheduled_event_id,
                attempt,
            } => parts(b'a', run.0, &[*scheduled_event_id, i64::from(*attempt)]),
            Self::Query { run, query_id } => format!("q:{}:{query_id}", run.0).into_bytes(),
            Self::Nexus { number } => parts(b'n', *number, &[]),
            Self::Standalone { activity, attempt } => parts(b's', activity.0, &[i64::from(*attempt)]),
        }
    }

    /// From bytes that may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split(':');
        let kind = parts.next()?;
        let number = parts.next()?.parse().ok()?;
        let run = RunRef(number);
        let token = match kind {
            "w" => Self::Workflow {
                run,
                scheduled_event_id: parts.next()?.parse().ok()?,
                started_event_id: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
            },
            "a" => Self::Activity {
                run,
                scheduled_event_id: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
            },
            "q" => Self::Query {
                run,
                query_id: parts.next()?.to_owned(),
            },
            "n" => Self::Nexus { number },
            "s" => Self::Standalone {
                activity: ActivityRef(number),
                attempt: parts.next()?.parse().ok()?,
            },
            _ => return None,
        };
        parts.next().is_none().then_some(token)
    }
}

/// What requests that answer a workflow task have in common.
#[derive(prost::Message)]
struct WorkflowTaskAnswer {
    #[prost(bytes = "vec", tag = "1")]
    task_token: Vec<u8>,
}

/// The run whose workflow task a request answers, if it does.
pub(crate) fn answered_run(method: &str, request: &[u8]) -> Option<RunRef> {
    if !method.starts_with("RespondWorkflowTask") {
        return None;
    }
    let answer = WorkflowTaskAnswer::decode(request).ok()?;
    match TaskToken::decode(&answer.task_token)? {
        TaskToken::Workflow { run, .. } => Some(run),
        _ => None,
    }
}

/// Every task has a token: it is written without the machinery of `format!`.
fn parts(kind: u8, number: u64, rest: &[i64]) -> Vec<u8> {
    let mut digits = itoa::Buffer::new();
    let mut token = Vec::with_capacity(32);
    token.extend_from_slice(&[kind, b':']);
    token.extend_from_slice(digits.format(number).as_bytes());
    for number in rest {
        token.push(b':');
        token.extend_from_slice(digits.format(*number).as_bytes());
    }
    token
}

/// Whose history it is, where its next page begins, and where the last one ends if that is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryToken {
    pub(crate) run_id: String,
    pub(crate) next_event_id: i64,
    pub(crate) last_event_id: Option<i64>,
}

impl HistoryToken {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self.last_event_id {
            Some(last_event_id) => format!("{}:{}:{last_event_id}", self.run_id, self.next_event_id),
            None => format!("{}:{}:", self.run_id, self.next_event_id),
        }
        .into_bytes()
    }

    /// From bytes that may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (run_id, events) = std::str::from_utf8(bytes).ok()?.split_once(':')?;
        let (next, last) = events.split_once(':')?;
        Some(Self {
            run_id: run_id.to_owned(),
            next_event_id: next.parse().ok()?,
            last_event_id: match last {
                "" => None,
                last => Some(last.parse().ok()?),
            },
        })
    }
}

/// What a client has seen of a standalone activity that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeToken {
    pub(crate) activity: ActivityRef,
    /// How often it had changed.
    pub(crate) seen: i64,
}

impl ChangeToken {
    pub(crate) fn encode(&self) -> Vec<u8> {
        format!("{}:{}", self.activity.0, self.seen).into_bytes()
    }

    /// From bytes that may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (activity, seen) = std::str::from_utf8(bytes).ok()?.split_once(':')?;
        Some(Self {
            activity: ActivityRef(activity.parse().ok()?),
            seen: seen.parse().ok()?,
        })
    }
}

/// What a client has seen of a standalone nexus operation that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperationChangeToken {
    pub(crate) operation: OperationRef,
    /// How often it had changed.
    pub(crate) seen: i64,
}

impl OperationChangeToken {
    pub(crate) fn encode(&self) -> Vec<u8> {
        format!("n:{}:{}", self.operation.0, self.seen).into_bytes()
    }

    /// From bytes that may be anything.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (operation, seen) = std::str::from_utf8(bytes).ok()?.strip_prefix("n:")?.split_once(':')?;
        Some(Self {
            operation: OperationRef(operation.parse().ok()?),
            seen: seen.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for token in [
            TaskToken::Workflow {
                run: RunRef(7),
                scheduled_event_id: 2,
                started_event_id: 3,
                attempt: 1,
            },
            TaskToken::Activity {
                run: RunRef(u64::MAX),
                scheduled_event_id: i64::MAX,
                attempt: 2,
            },
            TaskToken::Query {
                run: RunRef(0),
                query_id: "a-b".to_owned(),
            },
            TaskToken::Nexus { number: 9 },
            TaskToken::Standalone {
                activity: ActivityRef(3),
                attempt: 4,
            },
        ] {
            assert_eq!(TaskToken::decode(&token.encode()), Some(token));
        }
        let page = HistoryToken {
            run_id: "8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1".to_owned(),
            next_event_id: 257,
            last_event_id: Some(300),
        };
        assert_eq!(HistoryToken::decode(&page.encode()), Some(page));
        let change = ChangeToken {
            activity: ActivityRef(3),
            seen: 5,
        };
        assert_eq!(ChangeToken::decode(&change.encode()), Some(change));
        let change = OperationChangeToken {
            operation: OperationRef(4),
            seen: 6,
        };
        assert_eq!(OperationChangeToken::decode(&change.encode()), Some(change));
    }

    #[test]
    fn hostile_tokens_are_no_tokens() {
        for bytes in [
            &b""[..],
            b"w",
            b"w:1",
            b"a:1:2:3:4",
            b"\xff\xfe",
            b"w:-1:2:3:4",
            b"z:1:2",
            b"n:",
            b"n:1:2",
        ] {
            assert_eq!(TaskToken::decode(bytes), None, "{bytes:?}");
        }
        for bytes in [&b"r:x:1"[..], b"r:1", b"r", b"r:1:2:3", b"\xff:1:2"] {
            assert_eq!(HistoryToken::decode(bytes), None, "{bytes:?}");
            assert_eq!(OperationChangeToken::decode(bytes), None, "{bytes:?}");
        }
    }
}
