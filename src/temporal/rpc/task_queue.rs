//! Task queues: who polls them, what they have to do, how they are configured, and their partitions.

use std::collections::{BTreeMap, BTreeSet};

use temporalio_protos::temporal::api::enums::v1::{
    BuildIdTaskReachability, DescribeTaskQueueMode, TaskQueueKind, TaskQueueType,
};
use temporalio_protos::temporal::api::taskqueue::v1 as taskqueue;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use temporalio_protos::temporal::api::workflowservice::v1::describe_task_queue_response::EffectiveRateLimit;
use temporalio_protos::temporal::api::workflowservice::v1::update_task_queue_config_request::RateLimitUpdate;

use super::Answer;
use crate::clock::Timestamp;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::matching::{ConfigKey, ConfigUpdate, Kind, QueueKey, RateLimit, Workers, total};
use crate::temporal::priority;
use crate::temporal::queue_name::{self, PARTITION_PREFIX};
use crate::temporal::reject::Reject;
use crate::temporal::versioning::{Version, WorkerGroup, dotted};

/// Who owns a partition: there is one server only.
const OWNER: &str = "127.0.0.1:7235";

/// The longest reason for a limit (`maxReasonLength` of the frontend).
const MAX_REASON_LENGTH: usize = 1_000;

/// The numbers that the first lease of a queue's storage has for its tasks (`rangeIDToTaskIDBlock`).
const FIRST_TASK_IDS: taskqueue::TaskIdBlock = taskqueue::TaskIdBlock {
    start_id: 1,
    end_id: 100_000,
};

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}

/// A queue's name as clients give it: the queue itself, or one of the partitions that a server divides it into.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Partition {
    Root(String),
    Other(String),
    /// A worker's own queue.
    Sticky(String),
}

impl Partition {
    fn parse(queue: &taskqueue::TaskQueue) -> Result<Self, Reject> {
        let refuse = || invalid(format!("invalid task queue partition name {}", queue.name));
        let (base, number) = match queue.name.strip_prefix(PARTITION_PREFIX) {
            None => (queue.name.as_str(), 0),
            Some(rest) => match rest.rsplit_once('/').filter(|(base, _)| !base.is_empty()) {
                None => return refuse(),
                Some((base, number)) => match number.parse::<i64>() {
                    Ok(number @ 1..) => (base, number),
                    _ => return refuse(),
                },
            },
        };
        if base.starts_with(PARTITION_PREFIX) {
            return invalid(format!("task queue family name cannot have prefix /_sys/ {base}"));
        }
        let is_sticky = queue.kind == TaskQueueKind::Sticky as i32;
        if !queue.normal_name.is_empty() && !is_sticky {
            return invalid(format!(
                "only sticky queues can have normal name. tq: {base}, normal name: {}",
                queue.normal_name
            ));
        }
        let name = base.to_owned();
        match (is_sticky, number) {
            (true, 0) => Ok(Self::Sticky(name)),
            (true, _) => Err(Reject::Unknown(format!(
                "only sticky partitions can not have non-zero partition ID. base name: {base}, normal name: {}",
                queue.normal_name
            ))),
            (false, 0) => Ok(Self::Root(name)),
            (false, _) => Ok(Self::Other(queue.name.clone())),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Root(name) | Self::Other(name) | Self::Sticky(name) => name,
        }
    }
}

/// Refuses what matching can't make a partition of, after all that the frontend looks at.
pub(super) fn check_partition(queue: &taskqueue::TaskQueue) -> Result<(), Reject> {
    Partition::parse(queue).map(|_| ())
}

/// Refuses a namespace that isn't there; one without a name in words of its own.
fn require_namespace(engine: &Engine, namespace: &str) -> Result<(), Reject> {
    if namespace.is_empty() {
        return invalid("Namespace is empty.");
    }
    engine.namespaces.require(namespace).map(|_| ())
}

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::DescribeTaskQueueRequest,
) -> Result<Answer<wire::DescribeTaskQueueResponse>, Reject> {
    require_namespace(engine, &request.namespace)?;
    #[expect(deprecated, reason = "clients still ask so")]
    let is_enhanced = request.api_mode == DescribeTaskQueueMode::Enhanced as i32;
    #[expect(deprecated, reason = "clients still ask so")]
    let is_plain = request.api_mode == DescribeTaskQueueMode::Unspecified as i32;
    let queue = match is_plain {
        true => queue_name::normalize_partition(&engine.config, request.task_queue.as_mut()),
        false => queue_name::normalize(&engine.config, request.task_queue.as_mut()),
    }?
    .clone();
    #[expect(deprecated, reason = "clients still ask so")]
    if request.report_task_reachability {
        let limit = engine.config.reachability_build_ids;
        let asked = request.versions.as_ref().map_or(0, |versions| versions.build_ids.len());
        if asked > limit {
            return invalid(format!(
                "Too many build ids queried at once with ReportTaskReachability==true, limit: {limit}"
            ));
        }
    }
    let answer = match is_enhanced {
        true => describe_versions(engine, call.now, &request, &queue)?,
        false => describe_queue(engine, call.now, &request, &queue)?,
    };
    Ok(Answer::Now(answer))
}

/// One queue, as clients ask for it today.
fn describe_queue(
    engine: &mut Engine,
    now: Timestamp,
    request: &wire::DescribeTaskQueueRequest,
    queue: &taskqueue::TaskQueue,
) -> Result<wire::DescribeTaskQueueResponse, Reject> {
    let partition = Partition::parse(queue)?;
    let queue_type = match request.task_queue_type {
        0 => TaskQueueType::Workflow as i32,
        queue_type => queue_type,
    };
    if request.report_stats && !matches!(partition, Partition::Root(_)) {
        return invalid("DescribeTaskQueue stats are only supported for the root partition");
    }
    let config_key = ConfigKey {
        namespace: request.namespace.clone(),
        name: partition.name().to_owned(),
        queue_type,
    };
    // A type that no queue has is one that nobody polls.
    let key = config_key.queue().unwrap_or_else(|| QueueKey {
        namespace: request.namespace.as_str().into(),
        kind: Kind::Nexus,
        name: format!("{PARTITION_PREFIX}{queue_type}").into(),
    });
    let is_sticky = engine.matching.is_sticky(&key);
    let is_sticky = is_sticky.unwrap_or(matches!(partition, Partition::Sticky(_)));
    let stats = request
        .report_stats
        .then(|| engine.matching.stats(now, &key, Workers::All));
    let (rate, source) = engine.matching.effective_rate(&key);
    #[expect(deprecated, reason = "clients still ask for it")]
    let status = request.include_task_queue_status.then(|| status(engine, &key, rate));
    let config = engine.matching.config(&config_key).filter(|_| request.report_config);
    #[expect(deprecated, reason = "the old fields are answered too")]
    Ok(wire::DescribeTaskQueueResponse {
        pollers: engine.matching.pollers(now, &key, &Workers::All),
        stats: stats.as_ref().map(total),
        stats_by_priority_key: stats.into_iter().flatten().collect(),
        versioning_info: (!is_sticky).then(|| versioning_info(engine, &key)),
        config: config.map(|config| config.to_wire()),
        effective_rate_limit: Some(EffectiveRateLimit {
            requests_per_second: rate as f32,
            rate_limit_source: source as i32,
        }),
        task_queue_status: status,
        versions_info: Default::default(),
    })
}

fn versioning_info(engine: &Engine, key: &QueueKey) -> taskqueue::TaskQueueVersioningInfo {
    match engine.matching.routing(key) {
        Some(routing) => routing.describe(),
        None => no_versions(),
    }
}

/// How the backlog of the usual priority is stored: tasks are numbered as they come, and those that went out are behind the
/// acknowledged level.
fn status(engine: &Engine, key: &QueueKey, rate: f64) -> taskqueue::TaskQueueStatus {
    let (read_level, ack_level) = engine.matching.levels(key);
    taskqueue::TaskQueueStatus {
        backlog_count_hint: i64::try_from(engine.matching.backlog_count(key)).unwrap_or(i64::MAX),
        read_level,
        ack_level,
        rate_per_second: rate,
        task_id_block: Some(FIRST_TASK_IDS),
    }
}

/// The queue's workers by build id, as clients asked for it before deployments.
#[expect(deprecated, reason = "clients still ask so")]
fn describe_versions(
    engine: &mut Engine,
    now: Timestamp,
    request: &wire::DescribeTaskQueueRequest,
    queue: &taskqueue::TaskQueue,
) -> Result<wire::DescribeTaskQueueResponse, Reject> {
    if queue.kind == TaskQueueKind::Sticky as i32 {
        return invalid(
            "Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.",
        );
    }
    let partition = Partition::parse(queue)
        .or_else(|_| invalid("Task Queue Partition invalid, use a different Task Queue or Task Queue Type"))?;
    let types: BTreeSet<i32> = match request.task_queue_types.as_slice() {
        [] => [TaskQueueType::Workflow as i32, TaskQueueType::Activity as i32].into(),
        types => types.iter().copied().collect(),
    };
    let mut versions_info = BTreeMap::new();
    let known = engine.matching.build_ids(&request.namespace, partition.name());
    let default_build_id = known.default_build_id().to_owned();
    for build_id in selected(request.versions.as_ref(), default_build_id) {
        let mut types_info = BTreeMap::new();
        for queue_type in &types {
            let key = ConfigKey {
                namespace: request.namespace.clone(),
                name: partition.name().to_owned(),
                queue_type: *queue_type,
            };
            let info = type_info(engine, now, request, key.queue().as_ref(), &build_id);
            types_info.insert(*queue_type, info);
        }
        let task_reachability = match request.report_task_reachability {
            true => engine.reachability_by_rules(now, &request.namespace, partition.name(), &build_id),
            false => BuildIdTaskReachability::Unspecified,
        };
        let info = taskqueue::TaskQueueVersionInfo {
            types_info: types_info.into_iter().collect(),
            task_reachability: task_reachability as i32,
        };
        versions_info.insert(build_id, info);
    }
    Ok(wire::DescribeTaskQueueResponse {
        versions_info: versions_info.into_iter().collect(),
        ..Default::default()
    })
}

/// The build ids that are asked for; an empty one stands for workers without a version. Kept from the real server: all that are active
/// are never told, unless others are asked for as well.
fn selected(versions: Option<&taskqueue::TaskQueueVersionSelection>, default: String) -> BTreeSet<String> {
    let Some(versions) = versions else {
        return [default].into();
    };
    let unversioned = versions.unversioned.then(String::new);
    versions.build_ids.iter().cloned().chain(unversioned).collect()
}

fn type_info(
    engine: &mut Engine,
    now: Timestamp,
    request: &wire::DescribeTaskQueueRequest,
    key: Option<&QueueKey>,
    build_id: &str,
) -> taskqueue::TaskQueueTypeInfo {
    let workers = Workers::Of(named_group(build_id));
    #[expect(deprecated, reason = "clients still ask so")]
    let pollers = match key.filter(|_| request.report_pollers) {
        Some(key) => engine.matching.pollers(now, key, &workers),
        None => Vec::new(),
    };
    let stats = request.report_stats.then(|| match key {
        Some(key) => total(&engine.matching.stats(now, key, workers)),
        None => total(&BTreeMap::new()),
    });
    taskqueue::TaskQueueTypeInfo { pollers, stats }
}

/// The workers of a deployment's version, of a build id, or without one.
fn named_group(build_id: &str) -> WorkerGroup {
    match build_id.split_once(':').or_else(|| build_id.split_once('.')) {
        Some((deployment, build_id)) => WorkerGroup::Version(Version::new(deployment, build_id)),
        None => WorkerGroup::of_build_id(build_id),
    }
}

pub(super) fn update_config(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateTaskQueueConfigRequest,
) -> Result<Answer<wire::UpdateTaskQueueConfigResponse>, Reject> {
    require_namespace(engine, &request.namespace)?;
    check_update(engine, &request)?;
    if request.task_queue.starts_with(PARTITION_PREFIX) {
        return invalid(format!(
            "task queue family name cannot have prefix /_sys/ {}",
            request.task_queue
        ));
    }
    let key = ConfigKey {
        namespace: request.namespace,
        name: request.task_queue,
        queue_type: request.task_queue_type,
    };
    let limit = |update: RateLimitUpdate| RateLimit {
        requests_per_second: update.rate_limit.map(|limit| limit.requests_per_second),
        reason: update.reason,
        identity: request.identity.clone(),
        updated: whole_milliseconds(call.now),
    };
    let update = ConfigUpdate {
        queue_rate_limit: request.update_queue_rate_limit.map(limit),
        fairness_keys_rate_limit_default: request.update_fairness_key_rate_limit_default.map(limit),
        set_weights: request.set_fairness_weight_overrides.into_iter().collect(),
        unset_weights: request.unset_fairness_weight_overrides,
    };
    let config = engine.matching.update_config(call.now, key, update)?;
    Ok(Answer::Now(wire::UpdateTaskQueueConfigResponse {
        config: Some(config.to_wire()),
    }))
}

/// The clock of a queue's data counts milliseconds.
fn whole_milliseconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_nanoseconds(moment.as_nanoseconds() / 1_000_000 * 1_000_000)
}

fn check_update(engine: &Engine, request: &wire::UpdateTaskQueueConfigRequest) -> Result<(), Reject> {
    let limits = [
        (&request.update_queue_rate_limit, "rate limit", "UpdateQueueRateLimit"),
        (
            &request.update_fairness_key_rate_limit_default,
            "fairness key rate limit",
            "UpdateFairnessKeyRateLimitDefault",
        ),
    ];
    for (update, what, field) in limits {
        let Some((update, limit)) = update.as_ref().and_then(|it| Some((it, it.rate_limit.as_ref()?))) else {
            continue;
        };
        if request.task_queue_type == TaskQueueType::Workflow as i32 {
            return invalid(format!("Setting {what} on workflow task queues is not allowed."));
        }
        if limit.requests_per_second < 0.0 {
            return invalid(format!(
                "RequestsPerSecond for {field} rate limit must be non-negative."
            ));
        }
        check_text(&format!("{field}.Reason"), &update.reason, MAX_REASON_LENGTH)?;
    }
    check_text("Identity", &request.identity, engine.config.id_bytes)?;
    check_weights(engine.config.fairness_weights, request)
}

fn check_text(field: &str, value: &str, limit: usize) -> Result<(), Reject> {
    match value.len() > limit {
        true => invalid(format!("{field} field too long (max {limit} characters).")),
        false => Ok(()),
    }
}

fn check_weights(limit: usize, request: &wire::UpdateTaskQueueConfigRequest) -> Result<(), Reject> {
    let set: BTreeMap<&String, &f32> = BTreeMap::from_iter(&request.set_fairness_weight_overrides);
    let unset = &request.unset_fairness_weight_overrides;
    let count = set.len() + unset.len();
    if count > limit {
        return invalid(format!(
            "too many fairness weight overrides in request: got {count}, maximum {limit}"
        ));
    }
    for (key, weight) in &set {
        check_fairness_key(key)?;
        if **weight <= 0.0 {
            return invalid(format!(
                "invalid fairness weight weight for key {}: must be greater than zero",
                quoted(key)
            ));
        }
    }
    unset.iter().try_for_each(|key| check_fairness_key(key))?;
    match unset.iter().find(|key| set.contains_key(key)) {
        Some(key) => invalid(format!(
            "fairness weight override key {} present in both set and unset lists",
            quoted(key)
        )),
        None => Ok(()),
    }
}

fn check_fairness_key(key: &str) -> Result<(), Reject> {
    match key.is_empty() {
        true => invalid("fairness weight override key must not be empty"),
        false => priority::check_fairness_key(key),
    }
}

/// As Go's `%q` has it, near enough.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// The names of a queue's partitions, as a server of Temporal's has them. Here they are no queues of their own: all tasks are in the root.
pub(super) fn list_partitions(
    engine: &mut Engine,
    _: &Call<'_>,
    mut request: wire::ListTaskQueuePartitionsRequest,
) -> Result<Answer<wire::ListTaskQueuePartitionsResponse>, Reject> {
    let queue = queue_name::normalize(&engine.config, request.task_queue.as_mut())?;
    engine.namespaces.require(&request.namespace)?;
    check_partition(queue)?;
    let partitions: Vec<taskqueue::TaskQueuePartitionMetadata> = (0..engine.config.write_partitions)
        .map(|number| taskqueue::TaskQueuePartitionMetadata {
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

/// What a queue says of versions that has never seen a versioned worker: unversioned since Go's time began, in year 1.
#[expect(deprecated, reason = "the real server fills in the old fields too")]
fn no_versions() -> taskqueue::TaskQueueVersioningInfo {
    taskqueue::TaskQueueVersioningInfo {
        current_version: dotted(None),
        update_time: Some(prost_types::Timestamp {
            seconds: -62_135_596_800,
            nanos: 0,
        }),
        ..Default::default()
    }
}
