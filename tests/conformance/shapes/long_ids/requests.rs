//! A plain request of each RPC: one that the server carries out, or refuses only since nothing has that name.

use crate::conformance::stage::{OPERATOR, WORKFLOW};

/// The services and their requests.
pub(super) const ALL: &[(&str, &[(&str, &str)])] = &[(WORKFLOW, OF_WORKFLOWS), (OPERATOR, OF_OPERATORS)];

/// Would connect to a cluster; has one at a time on a real server; is refused unread; is off for activities without a workflow.
#[rustfmt::skip]
pub(super) const LEFT_OUT: &[&str] = &[
    "AddOrUpdateRemoteCluster",
    "StartBatchOperation",
    "TriggerWorkflowRule", "FetchWorkerConfig", "UpdateWorkerConfig",
    "PauseActivityExecution", "UnpauseActivityExecution", "ResetActivityExecution", "UpdateActivityExecutionOptions",
];

/// Those that may have no answer.
pub(super) const WAITING: &[&str] = &[
    "ExecuteMultiOperation",
    "PollWorkflowTaskQueue",
    "PollActivityTaskQueue",
    "PollNexusTaskQueue",
];

/// As JSON. `#` is a number that no other one has, `$workflow_task` and `$activity_task` the tokens of tasks that are over.
#[rustfmt::skip]
const OF_WORKFLOWS: &[(&str, &str)] = &[
    ("RegisterNamespace", r#"{"namespace": "n-#", "workflowExecutionRetentionPeriod": "86400s"}"#),
    ("DescribeNamespace", r#"{"namespace": "default"}"#),
    ("ListNamespaces", r#"{}"#),
    ("UpdateNamespace", r#"{"namespace": "absent"}"#),
    ("DeprecateNamespace", r#"{"namespace": "absent"}"#),
    (
        "StartWorkflowExecution",
        r#"{"namespace": "default", "workflowId": "start-#", "workflowType": {"name": "t"},
            "taskQueue": {"name": "elsewhere"}, "requestId": "r"}"#,
    ),
    (
        "ExecuteMultiOperation",
        r#"{"namespace": "default", "operations": [{"startWorkflow": {"namespace": "default",
            "workflowId": "multi-#", "workflowType": {"name": "t"}, "taskQueue": {"name": "elsewhere"},
            "requestId": "r"}}, {"updateWorkflow": {"namespace": "default",
            "workflowExecution": {"workflowId": "multi-#"}, "request": {"meta": {"updateId": "u"},
            "input": {"name": "n"}}}}]}"#,
    ),
    ("GetWorkflowExecutionHistory", r#"{"namespace": "default", "execution": {"workflowId": "target"}}"#),
    ("GetWorkflowExecutionHistoryReverse", r#"{"namespace": "default", "execution": {"workflowId": "target"}}"#),
    ("PollWorkflowTaskQueue", r#"{"namespace": "default", "taskQueue": {"name": "idle"}}"#),
    ("RespondWorkflowTaskCompleted", r#"{"namespace": "default", "taskToken": "$workflow_task"}"#),
    ("RespondWorkflowTaskFailed", r#"{"namespace": "default", "taskToken": "$workflow_task"}"#),
    ("PollActivityTaskQueue", r#"{"namespace": "default", "taskQueue": {"name": "idle"}}"#),
    ("RecordActivityTaskHeartbeat", r#"{"namespace": "default", "taskToken": "$activity_task"}"#),
    ("RecordActivityTaskHeartbeatById", r#"{"namespace": "default", "workflowId": "absent", "activityId": "a"}"#),
    ("RespondActivityTaskCompleted", r#"{"namespace": "default", "taskToken": "$activity_task"}"#),
    ("RespondActivityTaskCompletedById", r#"{"namespace": "default", "workflowId": "absent", "activityId": "a"}"#),
    ("RespondActivityTaskFailed", r#"{"namespace": "default", "taskToken": "$activity_task"}"#),
    ("RespondActivityTaskFailedById", r#"{"namespace": "default", "workflowId": "absent", "activityId": "a"}"#),
    ("RespondActivityTaskCanceled", r#"{"namespace": "default", "taskToken": "$activity_task"}"#),
    ("RespondActivityTaskCanceledById", r#"{"namespace": "default", "workflowId": "absent", "activityId": "a"}"#),
    ("RequestCancelWorkflowExecution", r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"}}"#),
    (
        "SignalWorkflowExecution",
        r#"{"namespace": "default", "workflowExecution": {"workflowId": "target"}, "signalName": "s"}"#,
    ),
    (
        "SignalWithStartWorkflowExecution",
        r#"{"namespace": "default", "workflowId": "signal-#", "workflowType": {"name": "t"},
            "taskQueue": {"name": "elsewhere"}, "requestId": "r", "signalName": "s"}"#,
    ),
    (
        "ResetWorkflowExecution",
        r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"},
            "workflowTaskFinishEventId": "4", "requestId": "r"}"#,
    ),
    ("TerminateWorkflowExecution", r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"}}"#),
    ("DeleteWorkflowExecution", r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"}}"#),
    ("ListOpenWorkflowExecutions", r#"{"namespace": "default", "startTimeFilter": {}}"#),
    ("ListClosedWorkflowExecutions", r#"{"namespace": "default", "startTimeFilter": {}}"#),
    ("ListWorkflowExecutions", r#"{"namespace": "default"}"#),
    ("ListArchivedWorkflowExecutions", r#"{"namespace": "default"}"#),
    ("ScanWorkflowExecutions", r#"{"namespace": "default"}"#),
    ("CountWorkflowExecutions", r#"{"namespace": "default"}"#),
    ("GetSearchAttributes", r#"{}"#),
    ("RespondQueryTaskCompleted", r#"{"namespace": "default", "taskToken": "$workflow_task"}"#),
    ("ResetStickyTaskQueue", r#"{"namespace": "default", "execution": {"workflowId": "absent"}}"#),
    ("ShutdownWorker", r#"{"namespace": "default", "stickyTaskQueue": "s"}"#),
    (
        "QueryWorkflow",
        r#"{"namespace": "default", "execution": {"workflowId": "absent"}, "query": {"queryType": "q"}}"#,
    ),
    ("DescribeWorkflowExecution", r#"{"namespace": "default", "execution": {"workflowId": "target"}}"#),
    ("DescribeTaskQueue", r#"{"namespace": "default", "taskQueue": {"name": "idle"}}"#),
    ("GetClusterInfo", r#"{}"#),
    ("GetSystemInfo", r#"{}"#),
    ("ListTaskQueuePartitions", r#"{"namespace": "default", "taskQueue": {"name": "idle"}}"#),
    (
        "CreateSchedule",
        r#"{"namespace": "default", "scheduleId": "s-#", "schedule": {"spec": {},
            "action": {"startWorkflow": {"workflowId": "w", "workflowType": {"name": "t"},
            "taskQueue": {"name": "elsewhere"}}}}, "requestId": "r"}"#,
    ),
    ("DescribeSchedule", r#"{"namespace": "default", "scheduleId": "absent"}"#),
    (
        "UpdateSchedule",
        r#"{"namespace": "default", "scheduleId": "absent", "schedule": {"spec": {},
            "action": {"startWorkflow": {"workflowId": "w", "workflowType": {"name": "t"},
            "taskQueue": {"name": "elsewhere"}}}}}"#,
    ),
    ("PatchSchedule", r#"{"namespace": "default", "scheduleId": "absent", "patch": {}}"#),
    (
        "ListScheduleMatchingTimes",
        r#"{"namespace": "default", "scheduleId": "absent", "startTime": "2026-01-01T00:00:00Z",
            "endTime": "2026-01-02T00:00:00Z"}"#,
    ),
    ("DeleteSchedule", r#"{"namespace": "default", "scheduleId": "absent"}"#),
    ("ListSchedules", r#"{"namespace": "default"}"#),
    ("CountSchedules", r#"{"namespace": "default"}"#),
    (
        "UpdateWorkerBuildIdCompatibility",
        r#"{"namespace": "default", "taskQueue": "sets", "addNewBuildIdInNewDefaultSet": "b"}"#,
    ),
    ("GetWorkerBuildIdCompatibility", r#"{"namespace": "default", "taskQueue": "sets"}"#),
    (
        "UpdateWorkerVersioningRules",
        r#"{"namespace": "default", "taskQueue": "rules", "conflictToken": "AA==",
            "insertAssignmentRule": {"rule": {"targetBuildId": "b"}}}"#,
    ),
    ("GetWorkerVersioningRules", r#"{"namespace": "default", "taskQueue": "rules"}"#),
    ("GetWorkerTaskReachability", r#"{"namespace": "default", "buildIds": ["b"], "taskQueues": ["idle"]}"#),
    ("DescribeDeployment", r#"{"namespace": "default"}"#),
    (
        "DescribeWorkerDeploymentVersion",
        r#"{"namespace": "default", "deploymentVersion": {"deploymentName": "absent", "buildId": "b"}}"#,
    ),
    ("ListDeployments", r#"{"namespace": "default"}"#),
    ("GetDeploymentReachability", r#"{"namespace": "default"}"#),
    ("GetCurrentDeployment", r#"{"namespace": "default"}"#),
    ("SetCurrentDeployment", r#"{"namespace": "default"}"#),
    ("SetWorkerDeploymentCurrentVersion", r#"{"namespace": "default", "deploymentName": "absent", "buildId": "b"}"#),
    ("DescribeWorkerDeployment", r#"{"namespace": "default", "deploymentName": "absent"}"#),
    ("DeleteWorkerDeployment", r#"{"namespace": "default", "deploymentName": "absent"}"#),
    (
        "DeleteWorkerDeploymentVersion",
        r#"{"namespace": "default", "deploymentVersion": {"deploymentName": "absent", "buildId": "b"}}"#,
    ),
    (
        "SetWorkerDeploymentRampingVersion",
        r#"{"namespace": "default", "deploymentName": "absent", "buildId": "b", "percentage": 10}"#,
    ),
    ("ListWorkerDeployments", r#"{"namespace": "default"}"#),
    ("CreateWorkerDeployment", r#"{"namespace": "default", "deploymentName": "d-#", "requestId": "r"}"#),
    (
        "CreateWorkerDeploymentVersion",
        r#"{"namespace": "default", "deploymentVersion": {"deploymentName": "absent", "buildId": "b"},
            "requestId": "r"}"#,
    ),
    (
        "UpdateWorkerDeploymentVersionComputeConfig",
        r#"{"namespace": "default", "deploymentVersion": {"deploymentName": "absent", "buildId": "b"},
            "requestId": "r"}"#,
    ),
    (
        "ValidateWorkerDeploymentVersionComputeConfig",
        r#"{"namespace": "default", "deploymentVersion": {"deploymentName": "absent", "buildId": "b"}}"#,
    ),
    (
        "UpdateWorkerDeploymentVersionMetadata",
        r#"{"namespace": "default", "deploymentVersion": {"deploymentName": "absent", "buildId": "b"},
            "upsertEntries": {"k": {}}}"#,
    ),
    (
        "SetWorkerDeploymentManager",
        r#"{"namespace": "default", "deploymentName": "absent", "managerIdentity": "m", "identity": "i"}"#,
    ),
    (
        "UpdateWorkflowExecution",
        r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"},
            "request": {"meta": {"updateId": "u"}, "input": {"name": "n"}}}"#,
    ),
    (
        "PollWorkflowExecutionUpdate",
        r#"{"namespace": "default", "updateRef": {"workflowExecution": {"workflowId": "absent"},
            "updateId": "u"}}"#,
    ),
    ("StopBatchOperation", r#"{"namespace": "default", "jobId": "absent", "reason": "r"}"#),
    ("DescribeBatchOperation", r#"{"namespace": "default", "jobId": "absent"}"#),
    ("ListBatchOperations", r#"{"namespace": "default"}"#),
    ("PollNexusTaskQueue", r#"{"namespace": "default", "taskQueue": {"name": "idle"}}"#),
    (
        "RespondNexusTaskCompleted",
        r#"{"namespace": "default", "taskToken": "$workflow_task",
            "response": {"startOperation": {"syncSuccess": {}}}}"#,
    ),
    (
        "RespondNexusTaskFailed",
        r#"{"namespace": "default", "taskToken": "$workflow_task", "error": {"errorType": "INTERNAL"}}"#,
    ),
    (
        "UpdateActivityOptions",
        r#"{"namespace": "default", "execution": {"workflowId": "absent"}, "id": "a",
            "activityOptions": {"taskQueue": {"name": "elsewhere"}}, "updateMask": "taskQueue"}"#,
    ),
    (
        "UpdateWorkflowExecutionOptions",
        r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"},
            "workflowExecutionOptions": {}, "updateMask": "versioningOverride"}"#,
    ),
    ("PauseActivity", r#"{"namespace": "default", "execution": {"workflowId": "absent"}, "id": "a"}"#),
    ("UnpauseActivity", r#"{"namespace": "default", "execution": {"workflowId": "absent"}, "id": "a"}"#),
    ("ResetActivity", r#"{"namespace": "default", "execution": {"workflowId": "absent"}, "id": "a"}"#),
    (
        "CreateWorkflowRule",
        r#"{"namespace": "default", "spec": {"id": "r", "activityStart": {"predicate": "ActivityType = 't'"},
            "actions": [{"activityPause": {}}]}}"#,
    ),
    ("DescribeWorkflowRule", r#"{"namespace": "default", "ruleId": "absent"}"#),
    ("DeleteWorkflowRule", r#"{"namespace": "default", "ruleId": "absent"}"#),
    ("ListWorkflowRules", r#"{"namespace": "default"}"#),
    ("RecordWorkerHeartbeat", r#"{"namespace": "default", "workerHeartbeat": [{"workerInstanceKey": "k"}]}"#),
    ("ListWorkers", r#"{"namespace": "default"}"#),
    ("CountWorkers", r#"{"namespace": "default"}"#),
    (
        "UpdateTaskQueueConfig",
        r#"{"namespace": "default", "taskQueue": "idle", "taskQueueType": "TASK_QUEUE_TYPE_ACTIVITY"}"#,
    ),
    ("DescribeWorker", r#"{"namespace": "default", "workerInstanceKey": "absent"}"#),
    ("PauseWorkflowExecution", r#"{"namespace": "default", "workflowId": "absent"}"#),
    ("UnpauseWorkflowExecution", r#"{"namespace": "default", "workflowId": "absent"}"#),
    (
        "StartActivityExecution",
        r#"{"namespace": "default", "activityId": "a-#", "activityType": {"name": "t"},
            "taskQueue": {"name": "elsewhere"}, "startToCloseTimeout": "60s", "requestId": "r"}"#,
    ),
    (
        "StartNexusOperationExecution",
        r#"{"namespace": "default", "operationId": "o-#", "endpoint": "absent", "service": "s",
            "operation": "o", "requestId": "r"}"#,
    ),
    ("DescribeActivityExecution", r#"{"namespace": "default", "activityId": "absent"}"#),
    ("DescribeNexusOperationExecution", r#"{"namespace": "default", "operationId": "absent"}"#),
    ("PollActivityExecution", r#"{"namespace": "default", "activityId": "absent"}"#),
    ("PollNexusOperationExecution", r#"{"namespace": "default", "operationId": "absent"}"#),
    ("ListActivityExecutions", r#"{"namespace": "default"}"#),
    ("CountActivityExecutions", r#"{"namespace": "default"}"#),
    ("ListNexusOperationExecutions", r#"{"namespace": "default"}"#),
    ("CountNexusOperationExecutions", r#"{"namespace": "default"}"#),
    ("RequestCancelActivityExecution", r#"{"namespace": "default", "activityId": "absent"}"#),
    ("RequestCancelNexusOperationExecution", r#"{"namespace": "default", "operationId": "absent"}"#),
    ("TerminateActivityExecution", r#"{"namespace": "default", "activityId": "absent"}"#),
    ("TerminateNexusOperationExecution", r#"{"namespace": "default", "operationId": "absent"}"#),
    ("DeleteActivityExecution", r#"{"namespace": "default", "activityId": "absent"}"#),
    ("DeleteNexusOperationExecution", r#"{"namespace": "default", "operationId": "absent"}"#),
    (
        "PollWorkflowExecutionTimeSkipping",
        r#"{"namespace": "default", "workflowExecution": {"workflowId": "absent"}, "fastForwardId": "f"}"#,
    ),
];

/// Likewise.
const OF_OPERATORS: &[(&str, &str)] = &[
    (
        "AddSearchAttributes",
        r#"{"namespace": "default", "searchAttributes": {"A": "INDEXED_VALUE_TYPE_KEYWORD"}}"#,
    ),
    (
        "RemoveSearchAttributes",
        r#"{"namespace": "default", "searchAttributes": ["absent"]}"#,
    ),
    ("ListSearchAttributes", r#"{"namespace": "default"}"#),
    ("DeleteNamespace", r#"{"namespace": "absent"}"#),
    ("RemoveRemoteCluster", r#"{"clusterName": "absent"}"#),
    ("ListClusters", r#"{}"#),
    ("GetNexusEndpoint", r#"{"id": "00000000-0000-4000-8000-000000000000"}"#),
    (
        "CreateNexusEndpoint",
        r#"{"spec": {"name": "e-#", "target": {"worker": {"namespace": "default", "taskQueue": "idle"}}}}"#,
    ),
    (
        "UpdateNexusEndpoint",
        r#"{"id": "00000000-0000-4000-8000-000000000000", "version": "1", "spec": {"name": "end",
            "target": {"worker": {"namespace": "default", "taskQueue": "idle"}}}}"#,
    ),
    (
        "DeleteNexusEndpoint",
        r#"{"id": "00000000-0000-4000-8000-000000000000", "version": "1"}"#,
    ),
    ("ListNexusEndpoints", r#"{}"#),
];
