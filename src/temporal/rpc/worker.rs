//! Workers: shutting down, heartbeats, and who polls a queue.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_protos::temporal::api::taskqueue::v1::{PollerInfo, TaskQueueStats, TaskQueueVersioningInfo};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::matching::{Kind, Poller, QueueKey};
use crate::temporal::proto::{duration, proto_duration, timestamp};
use crate::temporal::reject::Reject;
use crate::temporal::versioning::dotted;

/// The worker won't poll any more; its sticky queue is of no use from now on.
pub(super) fn shutdown(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ShutdownWorkerRequest,
) -> Result<Answer<wire::ShutdownWorkerResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let sticky = QueueKey {
        namespace: request.namespace,
        kind: Kind::Workflow,
        name: engine.stable_id(request.sticky_task_queue),
    };
    engine.matching.retire(call.connection, Some(&sticky));
    engine.matching.abandon(&sticky);
    if engine.completes_polls_at_shutdown() && !request.task_queue.is_empty() {
        engine.complete_polls(call.now, &request.worker_instance_key);
    }
    for kind in [Kind::Workflow, Kind::Activity, Kind::Nexus] {
        let key = QueueKey {
            kind,
            name: request.task_queue.clone(),
            ..sticky.clone()
        };
        engine.matching.forget_worker(&key, &request.identity);
    }
    Ok(Answer::Now(wire::ShutdownWorkerResponse {}))
}

/// Heartbeats are taken; what they say is shown with the complete API.
pub(super) fn record_heartbeat(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::RecordWorkerHeartbeatRequest,
) -> Result<Answer<wire::RecordWorkerHeartbeatResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    Ok(Answer::Now(wire::RecordWorkerHeartbeatResponse {}))
}

pub(super) fn describe_task_queue(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeTaskQueueRequest,
) -> Result<Answer<wire::DescribeTaskQueueResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let kind = match request.task_queue_type() {
        TaskQueueType::Activity => Kind::Activity,
        TaskQueueType::Nexus => Kind::Nexus,
        _ => Kind::Workflow,
    };
    let name = request.task_queue.unwrap_or_default().name;
    if name.is_empty() {
        return Err(Reject::InvalidArgument("TaskQueue is not set on request.".to_owned()));
    }
    let key = QueueKey {
        namespace: request.namespace,
        kind,
        name,
    };
    let versioning_info = match engine.matching.routing(&key) {
        Some(routing) => routing.describe(),
        None => no_versions(),
    };
    let stats_by_priority_key = match request.report_stats {
        true => engine.matching.stats(call.now, &key, None),
        false => BTreeMap::new(),
    };
    let mut pollers: Vec<&Poller> = engine.matching.pollers(&key).collect();
    pollers.sort_by(|one, other| one.identity.cmp(&other.identity));
    pollers.dedup_by(|one, other| one.identity == other.identity);
    Ok(Answer::Now(wire::DescribeTaskQueueResponse {
        pollers: pollers
            .into_iter()
            .map(|poller| PollerInfo {
                last_access_time: Some(timestamp(poller.last_access)),
                identity: poller.identity.clone(),
                rate_per_second: 100_000.0,
                deployment_options: poller.options.clone(),
                ..Default::default()
            })
            .collect(),
        stats: request.report_stats.then(|| total(&stats_by_priority_key)),
        stats_by_priority_key: stats_by_priority_key.into_iter().collect(),
        versioning_info: Some(versioning_info),
        ..Default::default()
    }))
}

/// What a queue has to do, of all priorities together.
pub(super) fn total(stats: &BTreeMap<i32, TaskQueueStats>) -> TaskQueueStats {
    let age = |stats: &TaskQueueStats| duration(stats.approximate_backlog_age.as_ref()).unwrap_or_default();
    TaskQueueStats {
        approximate_backlog_count: stats.values().map(|it| it.approximate_backlog_count).sum(),
        approximate_backlog_age: Some(proto_duration(stats.values().map(age).max().unwrap_or_default())),
        tasks_add_rate: stats.values().map(|it| it.tasks_add_rate).sum(),
        tasks_dispatch_rate: stats.values().map(|it| it.tasks_dispatch_rate).sum(),
        ..Default::default()
    }
}

/// What a queue says of versions that has never seen a versioned worker: unversioned since Go's time began, in year 1.
#[expect(deprecated, reason = "the real server fills in the old fields too")]
fn no_versions() -> TaskQueueVersioningInfo {
    TaskQueueVersioningInfo {
        current_version: dotted(None),
        update_time: Some(prost_types::Timestamp {
            seconds: -62_135_596_800,
            nanos: 0,
        }),
        ..Default::default()
    }
}
