//! The filters of lists of workers: the language of list filters, with rules of its own.
//!
//! Facts: Temporal's `service/matching/workers/worker_query_engine.go`. Only a filter that can't be parsed is refused; one that makes
//! no sense takes no worker, since there each worker's error counts as "no".

use temporalio_protos::temporal::api::enums::v1::WorkerStatus;
use temporalio_protos::temporal::api::worker::v1::WorkerHeartbeat;

use crate::temporal::reject::Reject;
use crate::temporal::visibility::civil::Moment;
use crate::temporal::visibility::query::{Expression, IsSuffix, Literal, parse_filter};

/// A filter that has been parsed; the default one takes every worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter(Option<Expression>);

/// The filter makes no sense for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Senseless;

impl Filter {
    /// Parses a filter.
    pub(crate) fn parse(filter: &str) -> Result<Self, Reject> {
        if filter.is_empty() {
            return Ok(Self::default());
        }
        let filter = filter.trim();
        let lowered = filter.to_ascii_lowercase();
        if lowered.starts_with("where ") || lowered.starts_with("select ") {
            return Err(Reject::Unknown(format!("invalid filter: {filter}")));
        }
        let invalid = |why: String| Err(Reject::InvalidArgument(why));
        if filter.is_empty() {
            return invalid("malformed query: syntax error at position 1".to_owned());
        }
        match parse_filter(filter) {
            Err(why) => invalid(format!("malformed query: {why}")),
            Ok(statement) if statement.has_limit => invalid("operation is not supported: 'limit' clause".to_owned()),
            Ok(statement) => Ok(Self(statement.filter)),
        }
    }

    /// Whether the filter takes a worker.
    pub(crate) fn takes(&self, worker: &WorkerHeartbeat) -> bool {
        self.0
            .as_ref()
            .is_none_or(|expression| evaluate(expression, worker) == Ok(true))
    }
}

fn evaluate(expression: &Expression, worker: &WorkerHeartbeat) -> Result<bool, Senseless> {
    match expression {
        Expression::And(left, right) => Ok(evaluate(left, worker)? && evaluate(right, worker)?),
        Expression::Or(left, right) => Ok(evaluate(left, worker)? || evaluate(right, worker)?),
        Expression::Parentheses(inner) => evaluate(inner, worker),
        Expression::Comparison { left, operator, right } => match right.as_ref() {
            Expression::Literal(literal) => compare(worker, &column(left)?, operator, literal),
            _ => Err(Senseless),
        },
        Expression::Range {
            left,
            negated,
            from,
            to,
        } => between(worker, &column(left)?, from, to).map(|within| within.is_some_and(|within| within != *negated)),
        Expression::Is { expression, suffix } => is_null(worker, &column(expression)?, *suffix),
        _ => Err(Senseless),
    }
}

fn column(expression: &Expression) -> Result<String, Senseless> {
    match expression {
        Expression::Column(column) => Ok(column.alias()),
        _ => Err(Senseless),
    }
}

fn compare(worker: &WorkerHeartbeat, column: &str, operator: &str, literal: &Literal) -> Result<bool, Senseless> {
    if let Some(has) = text(worker, column) {
        let wanted = quoted(literal)?;
        if wanted.is_empty() {
            return Err(Senseless);
        }
        return match operator {
            "=" => Ok(has == wanted),
            "!=" => Ok(has != wanted),
            "starts_with" => Ok(has.starts_with(&wanted)),
            "not starts_with" => Ok(!has.starts_with(&wanted)),
            _ => Err(Senseless),
        };
    }
    // A time that wasn't sent counts as 1970 here.
    let has = time(worker, column)?.unwrap_or(Moment(0));
    let wanted = moment(literal)?;
    match operator {
        "=" => Ok(has == wanted),
        "!=" => Ok(has != wanted),
        "<" => Ok(has < wanted),
        "<=" => Ok(has <= wanted),
        ">" => Ok(has > wanted),
        ">=" => Ok(has >= wanted),
        _ => Err(Senseless),
    }
}

/// `None` if the worker hasn't sent the time.
fn between(
    worker: &WorkerHeartbeat,
    column: &str,
    from: &Expression,
    to: &Expression,
) -> Result<Option<bool>, Senseless> {
    let bound = |expression: &Expression| match expression {
        Expression::Literal(literal) => moment(literal),
        _ => Err(Senseless),
    };
    let (from, to) = (bound(from)?, bound(to)?);
    Ok(time(worker, column)?.map(|has| from <= has && has <= to))
}

fn is_null(worker: &WorkerHeartbeat, column: &str, suffix: IsSuffix) -> Result<bool, Senseless> {
    let null = match text(worker, column) {
        Some(text) => text.is_empty(),
        None => time(worker, column)?.is_none(),
    };
    match suffix {
        IsSuffix::Null => Ok(null),
        IsSuffix::NotNull => Ok(!null),
        IsSuffix::Truth => Err(Senseless),
    }
}

/// A property that is a text. The parser writes the reserved word `Status` in lower case.
fn text(worker: &WorkerHeartbeat, column: &str) -> Option<String> {
    let version = worker.deployment_version.as_ref();
    Some(match column {
        "WorkerInstanceKey" => worker.worker_instance_key.clone(),
        "WorkerIdentity" => worker.worker_identity.clone(),
        "HostName" => worker
            .host_info
            .as_ref()
            .map(|it| it.host_name.clone())
            .unwrap_or_default(),
        "TaskQueue" => worker.task_queue.clone(),
        "DeploymentName" => version.map(|it| it.deployment_name.clone()).unwrap_or_default(),
        "BuildId" => version.map(|it| it.build_id.clone()).unwrap_or_default(),
        "SdkName" => worker.sdk_name.clone(),
        "SdkVersion" => worker.sdk_version.clone(),
        "WorkerStatus" | "status" => status(worker).to_owned(),
        _ => return None,
    })
}

/// As Go's `String()` of the enum.
fn status(worker: &WorkerHeartbeat) -> &'static str {
    match worker.status() {
        WorkerStatus::Unspecified => "Unspecified",
        WorkerStatus::Running => "Running",
        WorkerStatus::ShuttingDown => "ShuttingDown",
        WorkerStatus::Shutdown => "Shutdown",
    }
}

fn time(worker: &WorkerHeartbeat, column: &str) -> Result<Option<Moment>, Senseless> {
    let time = match column {
        "StartTime" => &worker.start_time,
        "HeartbeatTime" => &worker.heartbeat_time,
        _ => return Err(Senseless),
    };
    Ok(time.as_ref().map(Moment::from_wire))
}

fn quoted(literal: &Literal) -> Result<String, Senseless> {
    let written = literal.written();
    let inner = written.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
    inner.map(str::to_owned).ok_or(Senseless)
}

/// RFC 3339 in quotes, or nanoseconds since 1970.
fn moment(literal: &Literal) -> Result<Moment, Senseless> {
    if let Ok(nanoseconds) = literal.written().parse::<i64>() {
        return Ok(Moment(i128::from(nanoseconds.max(0))));
    }
    Moment::parse(&quoted(literal)?).ok_or(Senseless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::worker::v1::WorkerHostInfo;

    fn worker() -> WorkerHeartbeat {
        WorkerHeartbeat {
            worker_instance_key: "key".to_owned(),
            task_queue: "refunds".to_owned(),
            status: WorkerStatus::Running as i32,
            host_info: Some(WorkerHostInfo {
                host_name: "host".to_owned(),
                ..Default::default()
            }),
            heartbeat_time: Some(prost_types::Timestamp {
                seconds: 1_767_225_600,
                nanos: 0,
            }),
            ..Default::default()
        }
    }

    #[test]
    fn filters_take_what_they_say() {
        for (filter, taken) in [
            ("", true),
            ("TaskQueue = 'refunds'", true),
            ("TaskQueue != 'refunds'", false),
            ("TaskQueue starts_with 're' AND HostName = 'host'", true),
            ("TaskQueue not starts_with 're' OR (Status = 'Running')", true),
            ("WorkerStatus = 'ShuttingDown'", false),
            ("SdkName IS NULL", true),
            ("SdkName IS NOT NULL", false),
            ("StartTime IS NULL", true),
            ("StartTime < '2026-01-01T00:00:00Z'", true),
            (
                "StartTime BETWEEN '1960-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'",
                false,
            ),
            ("HeartbeatTime >= '2026-01-01T00:00:00Z'", true),
            (
                "HeartbeatTime BETWEEN '2025-01-01T00:00:00Z' AND '2027-01-01T00:00:00Z'",
                true,
            ),
            (
                "HeartbeatTime NOT BETWEEN '2025-01-01T00:00:00Z' AND '2027-01-01T00:00:00Z'",
                false,
            ),
            ("HeartbeatTime = 1767225600000000000", true),
            // Senseless ones take nobody.
            ("TaskQueue = ''", false),
            ("TaskQueue > 'a'", false),
            ("TaskQueue = 7", false),
            ("NOT TaskQueue = 'x'", false),
            ("Unknown = 'x'", false),
            ("HeartbeatTime = 'yesterday'", false),
        ] {
            let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error:?}"));
            assert_eq!(parsed.takes(&worker()), taken, "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_is_refused() {
        for (filter, why) in [
            ("TaskQueue =", "malformed query: syntax error at position 39"),
            ("TaskQueue = 'a' LIMIT 1", "operation is not supported: 'limit' clause"),
            ("select 1", "something went wrong, please retry (58d659d0)"),
        ] {
            let error = Filter::parse(filter).expect_err(filter);
            assert_eq!(error.masked().message(), why);
        }
    }
}
