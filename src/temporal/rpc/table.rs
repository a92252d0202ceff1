//! Every RPC of Temporal's services: a handler, or why there is none.

use super::{
    Handler, activity, activity_operations, batch, build_ids, compute, deployment, history, multi_operation, namespace,
    nexus, nexus_endpoint, operator, query, reset, schedule, signal, standalone_activity, standalone_activity_list,
    standalone_nexus_operation, start, system, task_queue, test_service, typed, update, visibility, worker,
    worker_registry, workflow,
};
use super::{options, pause, time_skipping, workflow_rule, workflow_task};
use crate::temporal::reject::Reject;

/// One RPC of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rpc {
    service: &'static str,
    method: &'static str,
    support: Serve,
}

#[derive(Clone, Copy, Debug)]
enum Serve {
    Served(Handler),
    Refused(&'static str),
}

/// Whether this server serves an RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// It does.
    Served,
    /// It answers `UNIMPLEMENTED`, as Temporal's own server does, in these words of it.
    Refused(&'static str),
}

impl Rpc {
    /// The full name of the service.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The name of the method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Whether it is served.
    pub fn support(&self) -> Support {
        match self.support {
            Serve::Served(_) => Support::Served,
            Serve::Refused(words) => Support::Refused(words),
        }
    }

    pub(super) fn handler(&self) -> Result<Handler, Reject> {
        match self.support {
            Serve::Served(handler) => Ok(handler),
            Serve::Refused(words) => Err(Reject::Unimplemented(words.to_owned())),
        }
    }
}

/// All RPCs, in the order of Temporal's own definitions.
pub fn table() -> &'static [Rpc] {
    TABLE
}

/// The row of one method.
pub(super) fn find(service: &str, method: &str) -> Option<&'static Rpc> {
    // The hot ones are few and the table is short: a scan over string lengths and bytes beats a map here.
    TABLE.iter().find(|rpc| rpc.method == method && rpc.service == service)
}

const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";
const OPERATOR: &str = "temporal.api.operatorservice.v1.OperatorService";
const TEST: &str = "temporal.api.testservice.v1.TestService";

/// One line per RPC: `rpc!(SERVICE, Method => handler)`, or
/// `rpc!(SERVICE, Method => refused "words")` for what Temporal's own server refuses, whatever is asked.
macro_rules! rpc {
    ($service:expr, $method:ident => refused $words:literal) => {
        Rpc {
            service: $service,
            method: stringify!($method),
            support: Serve::Refused($words),
        }
    };
    ($service:expr, $method:ident => $handler:path) => {
        Rpc {
            service: $service,
            method: stringify!($method),
            support: Serve::Served(|engine, call, bytes| typed(engine, call, bytes, $handler)),
        }
    };
}

#[rustfmt::skip]
const TABLE: &[Rpc] = &[
    rpc!(WORKFLOW, RegisterNamespace => namespace::register),
    rpc!(WORKFLOW, DescribeNamespace => namespace::describe),
    rpc!(WORKFLOW, ListNamespaces => namespace::list),
    rpc!(WORKFLOW, UpdateNamespace => namespace::update),
    rpc!(WORKFLOW, DeprecateNamespace => namespace::deprecate),
    rpc!(WORKFLOW, StartWorkflowExecution => start::start),
    rpc!(WORKFLOW, ExecuteMultiOperation => multi_operation::execute),
    rpc!(WORKFLOW, GetWorkflowExecutionHistory => history::get),
    rpc!(WORKFLOW, GetWorkflowExecutionHistoryReverse => history::get_reverse),
    rpc!(WORKFLOW, PollWorkflowTaskQueue => workflow_task::poll),
    rpc!(WORKFLOW, RespondWorkflowTaskCompleted => workflow_task::completed),
    rpc!(WORKFLOW, RespondWorkflowTaskFailed => workflow_task::failed),
    rpc!(WORKFLOW, PollActivityTaskQueue => activity::poll),
    rpc!(WORKFLOW, RecordActivityTaskHeartbeat => activity::heartbeat),
    rpc!(WORKFLOW, RecordActivityTaskHeartbeatById => activity::heartbeat_by_id),
    rpc!(WORKFLOW, RespondActivityTaskCompleted => activity::completed),
    rpc!(WORKFLOW, RespondActivityTaskCompletedById => activity::completed_by_id),
    rpc!(WORKFLOW, RespondActivityTaskFailed => activity::failed),
    rpc!(WORKFLOW, RespondActivityTaskFailedById => activity::failed_by_id),
    rpc!(WORKFLOW, RespondActivityTaskCanceled => activity::canceled),
    rpc!(WORKFLOW, RespondActivityTaskCanceledById => activity::canceled_by_id),
    rpc!(WORKFLOW, RequestCancelWorkflowExecution => signal::request_cancel),
    rpc!(WORKFLOW, SignalWorkflowExecution => signal::signal),
    rpc!(WORKFLOW, SignalWithStartWorkflowExecution => start::signal_with_start),
    rpc!(WORKFLOW, ResetWorkflowExecution => reset::reset),
    rpc!(WORKFLOW, TerminateWorkflowExecution => workflow::terminate),
    rpc!(WORKFLOW, DeleteWorkflowExecution => reset::delete),
    rpc!(WORKFLOW, ListOpenWorkflowExecutions => visibility::list_open),
    rpc!(WORKFLOW, ListClosedWorkflowExecutions => visibility::list_closed),
    rpc!(WORKFLOW, ListWorkflowExecutions => visibility::list),
    rpc!(WORKFLOW, ListArchivedWorkflowExecutions => visibility::list_archived),
    rpc!(WORKFLOW, ScanWorkflowExecutions => visibility::scan),
    rpc!(WORKFLOW, CountWorkflowExecutions => visibility::count),
    rpc!(WORKFLOW, GetSearchAttributes => visibility::search_attributes),
    rpc!(WORKFLOW, RespondQueryTaskCompleted => query::completed),
    rpc!(WORKFLOW, ResetStickyTaskQueue => workflow_task::reset_sticky),
    rpc!(WORKFLOW, ShutdownWorker => worker::shutdown),
    rpc!(WORKFLOW, QueryWorkflow => query::query),
    rpc!(WORKFLOW, DescribeWorkflowExecution => workflow::describe),
    rpc!(WORKFLOW, DescribeTaskQueue => task_queue::describe),
    rpc!(WORKFLOW, GetClusterInfo => system::cluster_info),
    rpc!(WORKFLOW, GetSystemInfo => system::system_info),
    rpc!(WORKFLOW, ListTaskQueuePartitions => task_queue::list_partitions),
    rpc!(WORKFLOW, CreateSchedule => schedule::create),
    rpc!(WORKFLOW, DescribeSchedule => schedule::describe),
    rpc!(WORKFLOW, UpdateSchedule => schedule::update),
    rpc!(WORKFLOW, PatchSchedule => schedule::patch),
    rpc!(WORKFLOW, ListScheduleMatchingTimes => schedule::list_matching_times),
    rpc!(WORKFLOW, DeleteSchedule => schedule::delete),
    rpc!(WORKFLOW, ListSchedules => schedule::list),
    rpc!(WORKFLOW, CountSchedules => schedule::count),
    rpc!(WORKFLOW, UpdateWorkerBuildIdCompatibility => build_ids::update_sets),
    rpc!(WORKFLOW, GetWorkerBuildIdCompatibility => build_ids::get_sets),
    rpc!(WORKFLOW, UpdateWorkerVersioningRules => build_ids::update_rules),
    rpc!(WORKFLOW, GetWorkerVersioningRules => build_ids::get_rules),
    rpc!(WORKFLOW, GetWorkerTaskReachability => build_ids::task_reachability),
    rpc!(WORKFLOW, DescribeDeployment => deployment::pre_release),
    rpc!(WORKFLOW, DescribeWorkerDeploymentVersion => deployment::describe_version),
    rpc!(WORKFLOW, ListDeployments => deployment::pre_release),
    rpc!(WORKFLOW, GetDeploymentReachability => deployment::pre_release),
    rpc!(WORKFLOW, GetCurrentDeployment => deployment::pre_release),
    rpc!(WORKFLOW, SetCurrentDeployment => deployment::pre_release),
    rpc!(WORKFLOW, SetWorkerDeploymentCurrentVersion => deployment::set_current),
    rpc!(WORKFLOW, DescribeWorkerDeployment => deployment::describe),
    rpc!(WORKFLOW, DeleteWorkerDeployment => deployment::delete),
    rpc!(WORKFLOW, DeleteWorkerDeploymentVersion => deployment::delete_version),
    rpc!(WORKFLOW, SetWorkerDeploymentRampingVersion => deployment::set_ramping),
    rpc!(WORKFLOW, ListWorkerDeployments => deployment::list),
    rpc!(WORKFLOW, CreateWorkerDeployment => deployment::create),
    rpc!(WORKFLOW, CreateWorkerDeploymentVersion => deployment::create_version),
    rpc!(WORKFLOW, UpdateWorkerDeploymentVersionComputeConfig => compute::update_config),
    rpc!(WORKFLOW, ValidateWorkerDeploymentVersionComputeConfig => compute::validate_config),
    rpc!(WORKFLOW, UpdateWorkerDeploymentVersionMetadata => deployment::update_metadata),
    rpc!(WORKFLOW, SetWorkerDeploymentManager => deployment::set_manager),
    rpc!(WORKFLOW, UpdateWorkflowExecution => update::update),
    rpc!(WORKFLOW, PollWorkflowExecutionUpdate => update::poll),
    rpc!(WORKFLOW, StartBatchOperation => batch::start),
    rpc!(WORKFLOW, StopBatchOperation => batch::stop),
    rpc!(WORKFLOW, DescribeBatchOperation => batch::describe),
    rpc!(WORKFLOW, ListBatchOperations => batch::list),
    rpc!(WORKFLOW, PollNexusTaskQueue => nexus::poll),
    rpc!(WORKFLOW, RespondNexusTaskCompleted => nexus::completed),
    rpc!(WORKFLOW, RespondNexusTaskFailed => nexus::failed),
    rpc!(WORKFLOW, UpdateActivityOptions => activity_operations::update_options),
    rpc!(WORKFLOW, UpdateWorkflowExecutionOptions => options::update),
    rpc!(WORKFLOW, PauseActivity => activity_operations::pause),
    rpc!(WORKFLOW, UnpauseActivity => activity_operations::unpause),
    rpc!(WORKFLOW, ResetActivity => activity_operations::reset),
    rpc!(WORKFLOW, CreateWorkflowRule => workflow_rule::create),
    rpc!(WORKFLOW, DescribeWorkflowRule => workflow_rule::describe),
    rpc!(WORKFLOW, DeleteWorkflowRule => workflow_rule::delete),
    rpc!(WORKFLOW, ListWorkflowRules => workflow_rule::list),
    rpc!(WORKFLOW, TriggerWorkflowRule => refused "method TriggerWorkflowRule not supported"),
    rpc!(WORKFLOW, RecordWorkerHeartbeat => worker_registry::record_heartbeat),
    rpc!(WORKFLOW, ListWorkers => worker_registry::list),
    rpc!(WORKFLOW, CountWorkers => worker_registry::count),
    rpc!(WORKFLOW, UpdateTaskQueueConfig => task_queue::update_config),
    rpc!(WORKFLOW, FetchWorkerConfig => refused "FetchWorkerConfig command is not enabled."),
    rpc!(WORKFLOW, UpdateWorkerConfig => refused "UpdateWorkerConfig command is not enabled."),
    rpc!(WORKFLOW, DescribeWorker => worker_registry::describe),
    rpc!(WORKFLOW, PauseWorkflowExecution => pause::pause),
    rpc!(WORKFLOW, UnpauseWorkflowExecution => pause::unpause),
    rpc!(WORKFLOW, StartActivityExecution => standalone_activity::start),
    rpc!(WORKFLOW, StartNexusOperationExecution => standalone_nexus_operation::start),
    rpc!(WORKFLOW, DescribeActivityExecution => standalone_activity::describe),
    rpc!(WORKFLOW, DescribeNexusOperationExecution => standalone_nexus_operation::describe),
    rpc!(WORKFLOW, PollActivityExecution => standalone_activity::poll),
    rpc!(WORKFLOW, PollNexusOperationExecution => standalone_nexus_operation::poll),
    rpc!(WORKFLOW, ListActivityExecutions => standalone_activity_list::list),
    rpc!(WORKFLOW, ListNexusOperationExecutions => standalone_nexus_operation::list),
    rpc!(WORKFLOW, CountActivityExecutions => standalone_activity_list::count),
    rpc!(WORKFLOW, CountNexusOperationExecutions => standalone_nexus_operation::count),
    rpc!(WORKFLOW, RequestCancelActivityExecution => standalone_activity::request_cancel),
    rpc!(WORKFLOW, RequestCancelNexusOperationExecution => standalone_nexus_operation::request_cancel),
    rpc!(WORKFLOW, TerminateActivityExecution => standalone_activity::terminate),
    rpc!(WORKFLOW, DeleteActivityExecution => standalone_activity::delete),
    rpc!(WORKFLOW, PauseActivityExecution => standalone_activity::pause),
    rpc!(WORKFLOW, ResetActivityExecution => standalone_activity::reset),
    rpc!(WORKFLOW, UnpauseActivityExecution => standalone_activity::unpause),
    rpc!(WORKFLOW, UpdateActivityExecutionOptions => standalone_activity::update_options),
    rpc!(WORKFLOW, TerminateNexusOperationExecution => standalone_nexus_operation::terminate),
    rpc!(WORKFLOW, DeleteNexusOperationExecution => standalone_nexus_operation::delete),
    rpc!(WORKFLOW, PollWorkflowExecutionTimeSkipping => time_skipping::poll),
    rpc!(OPERATOR, AddSearchAttributes => operator::add_search_attributes),
    rpc!(OPERATOR, RemoveSearchAttributes => operator::remove_search_attributes),
    rpc!(OPERATOR, ListSearchAttributes => operator::list_search_attributes),
    rpc!(OPERATOR, DeleteNamespace => operator::delete_namespace),
    rpc!(OPERATOR, AddOrUpdateRemoteCluster => operator::add_or_update_remote_cluster),
    rpc!(OPERATOR, RemoveRemoteCluster => operator::remove_remote_cluster),
    rpc!(OPERATOR, ListClusters => operator::list_clusters),
    rpc!(OPERATOR, GetNexusEndpoint => nexus_endpoint::get),
    rpc!(OPERATOR, CreateNexusEndpoint => nexus_endpoint::create),
    rpc!(OPERATOR, UpdateNexusEndpoint => nexus_endpoint::update),
    rpc!(OPERATOR, DeleteNexusEndpoint => nexus_endpoint::delete),
    rpc!(OPERATOR, ListNexusEndpoints => nexus_endpoint::list),
    rpc!(TEST, LockTimeSkipping => test_service::lock),
    rpc!(TEST, UnlockTimeSkipping => test_service::unlock),
    rpc!(TEST, Sleep => test_service::sleep),
    rpc!(TEST, SleepUntil => test_service::sleep_until),
    rpc!(TEST, UnlockTimeSkippingWithSleep => test_service::unlock_with_sleep),
    rpc!(TEST, GetCurrentTime => test_service::current_time),
];
