//! What a rule's predicate says of an activity, and its visibility query of a workflow.
//!
//! The language is that of list filters, the meaning a simpler one (Temporal: `service/history/workflow/matcher`):
//! names as they are written, no `NOT`, `IN` or `IS`, and whatever can't be understood means nothing (`None`). Only
//! what is evaluated counts: an `OR` whose left side holds is never asked for its right.

use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus;

use crate::clock::Timestamp;
use crate::temporal::visibility::civil::Moment;
use crate::temporal::visibility::query::{Expression, parse_filter, status_name};

const SECOND: i128 = 1_000_000_000;

/// Something that a predicate can be asked about.
pub(super) trait Facts {
    /// Whether a comparison holds, if it can be made. The value is as SQL writes it, quotes and all.
    fn compare(&self, name: &str, operator: &str, value: &str) -> Option<bool>;

    /// Whether a named moment is in a range, both ends in it.
    fn is_between(&self, name: &str, from: Moment, to: Moment) -> Option<bool>;
}

/// What is known of a workflow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkflowFacts<'a> {
    pub(crate) workflow_id: &'a str,
    pub(crate) workflow_type: &'a str,
    pub(crate) status: WorkflowExecutionStatus,
    pub(crate) started_at: Timestamp,
}

/// What is known of a pending activity that isn't paused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActivityFacts<'a> {
    pub(crate) activity_id: &'a str,
    pub(crate) activity_type: &'a str,
    /// As Temporal's own server names it.
    pub(crate) state: &'a str,
    pub(crate) attempt: i32,
    pub(crate) task_queue: &'a str,
    /// When this attempt is or was due.
    pub(crate) scheduled_at: Timestamp,
    pub(crate) last_attempt_completed_at: Option<Timestamp>,
    pub(crate) last_failure: &'a str,
    pub(crate) started_at: Option<Timestamp>,
}

/// Whether a predicate can be read and holds.
pub(super) fn holds(predicate: &str, facts: &impl Facts) -> bool {
    let predicate = predicate.trim();
    let starts_with = |word: &str| {
        let start = predicate.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if predicate.is_empty() || starts_with("where ") || starts_with("select ") {
        return false;
    }
    match parse_filter(predicate) {
        Ok(statement) if !statement.has_limit => statement
            .filter
            .and_then(|filter| evaluate(&filter, facts))
            .unwrap_or_default(),
        _ => false,
    }
}

/// The parser bounds how deep an expression is.
fn evaluate(expression: &Expression, facts: &impl Facts) -> Option<bool> {
    match expression {
        Expression::Parentheses(inner) => evaluate(inner, facts),
        Expression::And(left, right) => match evaluate(left, facts)? {
            true => evaluate(right, facts),
            false => Some(false),
        },
        Expression::Or(left, right) => match evaluate(left, facts)? {
            true => Some(true),
            false => evaluate(right, facts),
        },
        Expression::Comparison { left, operator, right } => match (&**left, &**right) {
            (Expression::Column(column), Expression::Literal(value)) => {
                facts.compare(&column.written(), operator, &value.written())
            }
            _ => None,
        },
        Expression::Range {
            left,
            negated,
            from,
            to,
        } => match (&**left, &**from, &**to) {
            (Expression::Column(column), Expression::Literal(from), Expression::Literal(to)) => {
                let (from, to) = (moment(&from.written())?.at, moment(&to.written())?.at);
                Some(facts.is_between(&column.written(), from, to)? != *negated)
            }
            _ => None,
        },
        _ => None,
    }
}

impl Facts for WorkflowFacts<'_> {
    fn compare(&self, name: &str, operator: &str, value: &str) -> Option<bool> {
        match name {
            "WorkflowId" => compare_texts(self.workflow_id, operator, text(value)?),
            // The sides are swapped there, which `STARTS_WITH` shows.
            "WorkflowType" => compare_texts(text(value)?, operator, self.workflow_type),
            "ExecutionStatus" => match (operator, text(value)?) {
                (_, "") => None,
                ("=", status) => Some(status == status_name(self.status)),
                ("!=", status) => Some(status != status_name(self.status)),
                _ => None,
            },
            "StartTime" => {
                let given = moment(value)?;
                // Go's `!=` compares time zones as well.
                let differs = operator == "!=" && !given.in_utc;
                Some(differs || compare_orders(&Moment::at(self.started_at), operator, &given.at)?)
            }
            _ => None,
        }
    }

    fn is_between(&self, name: &str, from: Moment, to: Moment) -> Option<bool> {
        (name == "StartTime").then(|| (from..=to).contains(&Moment::at(self.started_at)))
    }
}

impl Facts for ActivityFacts<'_> {
    fn compare(&self, name: &str, operator: &str, value: &str) -> Option<bool> {
        match name {
            "ActivityType" => compare_texts(self.activity_type, operator, text(value)?),
            "ActivityId" => compare_texts(self.activity_id, operator, text(value)?),
            "ActivityState" => compare_texts(self.state, operator, text(value)?),
            "TaskQueue" => compare_texts(self.task_queue, operator, text(value)?),
            "Attempts" => compare_orders(&i64::from(self.attempt), operator, &number(value)?),
            "BackoffInterval" => {
                let seconds = number(value)?;
                match self.attempt < 2 {
                    true => Some(false),
                    false => compare_orders(&self.backoff_seconds(), operator, &i128::from(seconds)),
                }
            }
            // Its operator isn't in the language, so there is nothing that can be asked of a failure.
            "LastFailure" => {
                text(value)?;
                self.last_failure.is_empty().then_some(false)
            }
            "StartedTime" => {
                let given = moment(value)?.at;
                compare_orders(&Moment::at(self.started_at.unwrap_or_default()), operator, &given)
            }
            _ => None,
        }
    }

    fn is_between(&self, name: &str, from: Moment, to: Moment) -> Option<bool> {
        let started_at = self.started_at.map(Moment::at);
        (name == "StartedTime").then(|| started_at.is_some_and(|at| (from..=to).contains(&at)))
    }
}

impl ActivityFacts<'_> {
    fn backoff_seconds(&self) -> i128 {
        let completed_at = self.last_attempt_completed_at.unwrap_or_default();
        (Moment::at(self.scheduled_at).0 - Moment::at(completed_at).0) / SECOND
    }
}

fn compare_texts(known: &str, operator: &str, asked: &str) -> Option<bool> {
    match operator {
        _ if asked.is_empty() => None,
        "=" => Some(known == asked),
        "!=" => Some(known != asked),
        "starts_with" => Some(known.starts_with(asked)),
        "not starts_with" => Some(!known.starts_with(asked)),
        _ => None,
    }
}

fn compare_orders<T: Ord>(known: &T, operator: &str, asked: &T) -> Option<bool> {
    match operator {
        "=" => Some(known == asked),
        "!=" => Some(known != asked),
        "<" => Some(known < asked),
        "<=" => Some(known <= asked),
        ">" => Some(known > asked),
        ">=" => Some(known >= asked),
        _ => None,
    }
}

/// What is between the quotes, if there are any. What SQL escapes stays escaped, as there.
fn text(value: &str) -> Option<&str> {
    value.strip_prefix('\'')?.strip_suffix('\'')
}

fn number(value: &str) -> Option<i64> {
    value.parse().ok()
}

struct Given {
    at: Moment,
    /// It is written as UTC, or as a number.
    in_utc: bool,
}

/// Nanoseconds since 1970, not before, or RFC 3339.
fn moment(value: &str) -> Option<Given> {
    if let Ok(nanoseconds) = value.parse::<i64>() {
        return Some(Given {
            at: Moment(i128::from(nanoseconds.max(0))),
            in_utc: true,
        });
    }
    let text = text(value)?;
    Some(Given {
        at: Moment::parse(text)?,
        in_utc: text.ends_with('Z'),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    fn activity() -> ActivityFacts<'static> {
        ActivityFacts {
            activity_id: "a-1",
            activity_type: "charge",
            state: "Scheduled",
            attempt: 2,
            task_queue: "cards",
            scheduled_at: at(70),
            last_attempt_completed_at: Some(at(60)),
            last_failure: "",
            started_at: None,
        }
    }

    #[test]
    fn activities_are_meant_by_their_facts() {
        for meant in [
            "ActivityType = 'charge'",
            "ActivityType STARTS_WITH 'ch' AND ActivityId != 'a-2'",
            "ActivityId NOT STARTS_WITH 'b'",
            "(Attempts > 1 AND Attempts <= 2) OR Attempts = 9",
            "BackoffInterval = 10",
            "ActivityState = 'Scheduled'",
            "TaskQueue = 'cards'",
            "StartedTime = 0",
            "StartedTime NOT BETWEEN 0 AND 1",
            "LastFailure = 'x' OR Attempts = 2",
            "Attempts = 2 OR Nonsense = 'x'",
            "  Attempts <> 3  ",
        ] {
            assert!(holds(meant, &activity()), "{meant}");
        }
        for not_meant in [
            "",
            "   ",
            "where Attempts = 2",
            "SELECT Attempts = 2",
            "Attempts = ",
            "Attempts = 2 LIMIT 1",
            "Attempts = '2'",
            "attempts = 2",
            "Attempts > 2",
            "NOT Attempts = 3",
            "Attempts IN (2)",
            "Attempts IS NOT NULL",
            "Attempts BETWEEN 1 AND 3",
            "ActivityType = 5",
            "ActivityType > 'a'",
            "ActivityType = ''",
            "BackoffInterval > 10",
            "StartedTime BETWEEN 0 AND 1",
            "StartedTime > 'yesterday'",
            "Nonsense = 'x' OR Attempts = 2",
        ] {
            assert!(!holds(not_meant, &activity()), "{not_meant}");
        }
    }

    #[test]
    fn nothing_can_be_asked_of_a_failure() {
        let failed = ActivityFacts {
            last_failure: "no luck",
            ..activity()
        };
        assert!(!holds("LastFailure = 'no luck'", &failed));
        assert!(!holds("LastFailure = 'no luck' OR Attempts = 2", &failed));
    }

    #[test]
    fn the_first_attempt_has_no_backoff() {
        let first = ActivityFacts {
            attempt: 1,
            ..activity()
        };
        assert!(!holds("BackoffInterval != 3", &first));
    }

    #[test]
    fn workflows_are_meant_by_their_facts() {
        let workflow = WorkflowFacts {
            workflow_id: "order-7",
            workflow_type: "order",
            status: WorkflowExecutionStatus::Running,
            started_at: at(60),
        };
        for meant in [
            "WorkflowId STARTS_WITH 'order-'",
            "WorkflowType = 'order'",
            "WorkflowType STARTS_WITH 'orders'",
            "ExecutionStatus = 'Running' AND ExecutionStatus != 'Paused'",
            "StartTime = '1970-01-01T00:01:00Z'",
            "StartTime = '1970-01-01T01:01:00+01:00'",
            "StartTime != '1970-01-01T01:01:00+01:00'",
            "StartTime BETWEEN '1970-01-01T00:00:00Z' AND 60000000000",
        ] {
            assert!(holds(meant, &workflow), "{meant}");
        }
        for not_meant in [
            "WorkflowType STARTS_WITH 'ord'",
            "ExecutionStatus STARTS_WITH 'Run'",
            "StartTime != '1970-01-01T00:01:00Z'",
            "StartTime NOT BETWEEN 0 AND 60000000000",
            "ActivityType = 'charge'",
        ] {
            assert!(!holds(not_meant, &workflow), "{not_meant}");
        }
    }
}
