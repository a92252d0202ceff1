//! Workers: shutting down, and who polls a queue.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_protos::temporal::api::taskqueue::v1::{
    PollerInfo, TaskQueuePartitionMetadata, TaskQueueStats, TaskQueueVersioningInfo,
};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, MAX_ID_LENGTH, worker_registry};
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
    let last_heartbeat = request.worker_heartbeat.into_iter().collect();
    worker_registry::record(engine, call.now, &request.namespace, last_heartbeat)?;
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

/// Partitions of a queue, for each of its kinds (dynamic config `matching.numTaskqueueReadPartitions`).
const PARTITIONS: usize = 4;

/// Who owns a partition: there is one server only.
const OWNER: &str = "127.0.0.1:7235";

/// What the names of partitions begin with; no task queue's own name may.
const PARTITION_PREFIX: &str = "/_sys/";

/// The names of a queue's partitions, as a server of Temporal's has them. Here they are no queues of their own: all tasks are in the root.
pub(super) fn list_partitions(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListTaskQueuePartitionsRequest,
) -> Result<Answer<wire::ListTaskQueuePartitionsResponse>, Reject> {
    let invalid = |why: &str| Err(Reject::InvalidArgument(why.to_owned()));
    let Some(queue) = request.task_queue else {
        return invalid("taskQueue is not set");
    };
    if queue.name.is_empty() {
        return invalid("missing task queue name");
    }
    if queue.name.len() > MAX_ID_LENGTH {
        return invalid("taskQueue length exceeds limit");
    }
    if queue.name.starts_with(PARTITION_PREFIX) {
        return invalid("task queue name cannot start with reserved prefix /_sys/");
    }
    engine.namespaces.require(&request.namespace)?;
    let partitions: Vec<TaskQueuePartitionMetadata> = (0..PARTITIONS)
        .map(|number| TaskQueuePartitionMetadata {
            key: match number {
                0 => queue.name.clone(),
                _ => format!("{PARTITION_PREFIX}{}/{number}", queue.name),
            },
            owner_host_name: OWNER.to_owned(),
        })
        .collect();
    Ok(Answer::Now(wire::ListTaskQueuePartitionsResponse {
        activity_task_queue_partitions: partitions.clone(),
        workflow_task_queue_partitions: partitions,
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
