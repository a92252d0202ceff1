//! Workers as they describe themselves, and the queues that they poll.

use temporalio_common::protos::temporal::api::deployment::v1::WorkerDeploymentVersion;
use temporalio_common::protos::temporal::api::enums::v1::WorkerStatus;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::worker::v1::{WorkerHeartbeat, WorkerHostInfo};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage};

on_both_arms![
    workers_are_listed_and_counted,
    filters_of_workers_that_are_refused,
    workers_that_are_unknown,
    worker_configurations_are_off,
    partitions_of_a_queue,
    compute_configurations_that_are_refused,
];

fn heartbeat(stage: &Stage<'_>, name: &str, status: WorkerStatus) -> WorkerHeartbeat {
    WorkerHeartbeat {
        worker_instance_key: stage.named(name),
        worker_identity: name.to_owned(),
        task_queue: stage.named("queue"),
        sdk_name: "shape".to_owned(),
        sdk_version: "1.0".to_owned(),
        status: status as i32,
        host_info: Some(WorkerHostInfo {
            host_name: "host".to_owned(),
            process_id: "7".to_owned(),
            ..Default::default()
        }),
        start_time: Some(prost_types::Timestamp {
            seconds: 1_767_225_600,
            nanos: 0,
        }),
        ..Default::default()
    }
}

fn record(stage: &mut Stage<'_>, worker_heartbeat: Vec<WorkerHeartbeat>) {
    let request = wire::RecordWorkerHeartbeatRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "worker".to_owned(),
        worker_heartbeat,
        ..Default::default()
    };
    stage.call::<wire::RecordWorkerHeartbeatResponse>("RecordWorkerHeartbeat", &request);
}

fn list(stage: &mut Stage<'_>, query: &str, page_size: i32, next_page_token: Vec<u8>) -> Vec<u8> {
    let request = wire::ListWorkersRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
        page_size,
        next_page_token,
        ..Default::default()
    };
    let listed: Option<wire::ListWorkersResponse> = stage.call("ListWorkers", &request);
    listed.unwrap_or_default().next_page_token
}

fn count(stage: &mut Stage<'_>, query: &str) {
    let request = wire::CountWorkersRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::CountWorkersResponse>("CountWorkers", &request);
}

fn describe(stage: &mut Stage<'_>, worker_instance_key: String) {
    let request = wire::DescribeWorkerRequest {
        namespace: NAMESPACE.to_owned(),
        worker_instance_key,
    };
    stage.call::<wire::DescribeWorkerResponse>("DescribeWorker", &request);
}

fn workers_are_listed_and_counted(stage: &mut Stage<'_>) {
    let queue = format!("TaskQueue = '{}'", stage.named("queue"));
    let workers = ["a", "b", "c"].map(|name| heartbeat(stage, name, WorkerStatus::Running));
    record(stage, workers.to_vec());
    let token = list(stage, &queue, 2, Vec::new());
    list(stage, &queue, 2, token);
    count(stage, &queue);
    for also in [
        "WorkerIdentity = 'a'",
        "WorkerIdentity != 'a' AND HostName = 'host'",
        "SdkVersion starts_with '1'",
        "SdkVersion not starts_with '1'",
        "Status = 'Running'",
        "WorkerStatus = 'ShuttingDown'",
        "BuildId IS NULL",
        "HeartbeatTime IS NULL",
        "StartTime IS NOT NULL",
        "StartTime = '2026-01-01T00:00:00Z'",
        "StartTime BETWEEN '2025-01-01T00:00:00Z' AND '2027-01-01T00:00:00Z'",
        // These make no sense, and take nobody.
        "Unknown = 'x'",
        "WorkerIdentity > 'a'",
        "NOT WorkerIdentity = 'x'",
        "WorkerIdentity IN ('a')",
    ] {
        count(stage, &format!("{queue} AND {also}"));
    }
    describe(stage, stage.named("b"));
    let gone = heartbeat(stage, "b", WorkerStatus::Shutdown);
    record(stage, vec![gone]);
    count(stage, &queue);
    describe(stage, stage.named("b"));
}

fn filters_of_workers_that_are_refused(stage: &mut Stage<'_>) {
    let worker = heartbeat(stage, "a", WorkerStatus::Running);
    record(stage, vec![worker]);
    for query in [
        "TaskQueue =",
        "TaskQueue = 'a' LIMIT 1",
        "select 1",
        "where TaskQueue = 'a'",
        " ",
        "=",
        "TaskQueue",
    ] {
        count(stage, query);
    }
    list(stage, "", 1, b"no token".to_vec());
}

fn workers_that_are_unknown(stage: &mut Stage<'_>) {
    let worker = heartbeat(stage, "a", WorkerStatus::Running);
    record(stage, vec![worker]);
    describe(stage, stage.named("nobody"));
    describe(stage, String::new());
}

fn worker_configurations_are_off(stage: &mut Stage<'_>) {
    let fetch = wire::FetchWorkerConfigRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::FetchWorkerConfigResponse>("FetchWorkerConfig", &fetch);
    let update = wire::UpdateWorkerConfigRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::UpdateWorkerConfigResponse>("UpdateWorkerConfig", &update);
}

fn partitions_of_a_queue(stage: &mut Stage<'_>) {
    for task_queue in [
        None,
        Some(TaskQueue::default()),
        stage.queue(),
        Some(TaskQueue {
            name: "/_sys/mine".to_owned(),
            ..Default::default()
        }),
        Some(TaskQueue {
            name: "a".repeat(1_001),
            ..Default::default()
        }),
    ] {
        let request = wire::ListTaskQueuePartitionsRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue,
        };
        stage.call::<wire::ListTaskQueuePartitionsResponse>("ListTaskQueuePartitions", &request);
    }
}

fn compute_configurations_that_are_refused(stage: &mut Stage<'_>) {
    let version = |name: &str, build_id: &str| {
        Some(WorkerDeploymentVersion {
            deployment_name: name.to_owned(),
            build_id: build_id.to_owned(),
        })
    };
    for deployment_version in [None, version("", "1"), version("shop", ""), version("nowhere", "1")] {
        let update = wire::UpdateWorkerDeploymentVersionComputeConfigRequest {
            namespace: NAMESPACE.to_owned(),
            deployment_version: deployment_version.clone(),
            identity: "client".to_owned(),
            ..Default::default()
        };
        stage.call::<wire::UpdateWorkerDeploymentVersionComputeConfigResponse>(
            "UpdateWorkerDeploymentVersionComputeConfig",
            &update,
        );
        let validate = wire::ValidateWorkerDeploymentVersionComputeConfigRequest {
            namespace: NAMESPACE.to_owned(),
            deployment_version,
            identity: "client".to_owned(),
            ..Default::default()
        };
        stage.call::<wire::ValidateWorkerDeploymentVersionComputeConfigResponse>(
            "ValidateWorkerDeploymentVersionComputeConfig",
            &validate,
        );
    }
}
