//! Which call, task, request or webhook a fault is for. What a matcher doesn't say, it doesn't ask for.

use serde::{Deserialize, Serialize};

/// Which gRPC call to Temporal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct CallMatch {
    /// The method, such as `RespondActivityTaskCompleted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// The identity of the worker whose connection it comes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The how manieth such call, counted from 1 and from when the rule is armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
}

impl CallMatch {
    /// A call of this method.
    pub fn rpc(rpc: impl Into<String>) -> Self {
        Self {
            rpc: Some(rpc.into()),
            ..Self::default()
        }
    }

    /// The nth one.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }
}

/// Which kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskKind {
    /// A workflow task.
    Workflow,
    /// An activity's task.
    Activity,
    /// A Nexus task.
    Nexus,
}

/// Which task on its way to a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct TaskMatch {
    /// The kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TaskKind>,
    /// The identity of the worker that gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The workflow that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The activity's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// The how manieth such task, counted from 1 and from when the rule is armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
}

impl TaskMatch {
    /// Tasks of this kind.
    pub fn kind(kind: TaskKind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::default()
        }
    }
}

/// Which request to the awaithumans server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct RequestMatch {
    /// The method, in capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, such as `/api/tasks`; a `*` in the place of a segment is any segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The how manieth such request, counted from 1 and from when the rule is armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
}

impl RequestMatch {
    /// The creation of a task.
    pub fn create() -> Self {
        Self {
            method: Some("POST".to_owned()),
            path: Some("/api/tasks".to_owned()),
            nth: None,
        }
    }
}

/// Which webhook, attempt by attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct WebhookMatch {
    /// The idempotency key of its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The how manieth such attempt, counted from 1 and from when the rule is armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
}

impl WebhookMatch {
    /// Webhooks of the task with this idempotency key.
    pub fn key(key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            nth: None,
        }
    }
}

/// Whether what is there is what is asked for, if anything is.
pub(super) fn fits(wanted: Option<&String>, there: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == there)
}

/// Whether a path is one of a pattern's, segment by segment.
pub(super) fn fits_path(pattern: Option<&String>, path: &str) -> bool {
    let Some(pattern) = pattern else {
        return true;
    };
    let (mut wanted, mut there) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), there.next()) {
            (None, None) => return true,
            (Some(wanted), Some(there)) if wanted == there || wanted == "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment() {
        let fits = |pattern: &str, path: &str| fits_path(Some(&pattern.to_owned()), path);
        assert!(fits("/api/tasks/*/complete", "/api/tasks/7/complete"));
        assert!(!fits("/api/tasks/*", "/api/tasks/7/complete"));
        assert!(!fits("/api/tasks/*/complete", "/api/tasks/7"));
        assert!(fits_path(None, "/anything"));
    }
}
