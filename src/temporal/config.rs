//! Temporal's dynamic configuration, as far as it makes a difference here: settings by the names that the real server has for them.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::allowed_addresses::AllowedAddresses;
use super::reject::Reject;
use super::schedule::go_duration;

/// One line for each setting: its field, its type, what it is without being set, and its name in Temporal. A setting that has no line
/// can't be set, so nobody believes that it does something.
macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, $name:literal;)*) => {
        /// The settings in force.
        #[derive(Clone, Debug)]
        pub(crate) struct DynamicConfig {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl Default for DynamicConfig {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// The names, in the order of the table.
        const NAMES: &[&str] = &[$($name),*];

        impl DynamicConfig {
            /// Sets what a name stands for. As in Temporal, upper and lower case are the same in it.
            pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), DynamicConfigError> {
                $(if name.eq_ignore_ascii_case($name) {
                    self.$field = Setting::read(value).map_err(|wanted| DynamicConfigError::Value {
                        name: $name,
                        wanted,
                        value: value.to_string(),
                    })?;
                    return Ok(());
                })*
                Err(DynamicConfigError::Unknown { name: name.to_owned() })
            }
        }
    };
}

settings! {
    /// The longest id, name of a type or name of a queue, in bytes.
    id_bytes: usize = 1_000, "limit.maxIDLength";
    /// Whether the first generation of worker versioning is served: sets of compatible build ids.
    version_sets: bool = false, "frontend.workerVersioningDataAPIs";
    /// Whether the second generation of worker versioning is served: assignment and redirect rules.
    versioning_rules: bool = false, "frontend.workerVersioningRuleAPIs";
    /// Whether workers and workflow commands may name build ids of the first two generations.
    versioning_workflow: bool = true, "frontend.workerVersioningWorkflowAPIs";
    /// The longest build id, in bytes.
    build_id_bytes: usize = 255, "limit.workerBuildIdSize";
    /// Version sets that a task queue may have; 0: as many as come.
    version_sets_of_queue: usize = 10, "limit.versionCompatibleSetLimitPerQueue";
    /// Build ids that the sets of a task queue may have; 0: as many as come.
    build_ids_of_queue: usize = 100, "limit.versionBuildIdLimitPerQueue";
    /// Task queues whose sets may have the same build id; 0: as many as come.
    queues_of_build_id: usize = 20, "limit.taskQueuesPerBuildId";
    /// Assignment rules that a task queue may have; 0: as many as come.
    assignment_rules: usize = 100, "limit.wv.AssignmentRuleLimitPerQueue";
    /// Redirect rules that a task queue may have; 0: as many as come.
    redirect_rules: usize = 500, "limit.wv.RedirectRuleLimitPerQueue";
    /// Build ids from which redirect rules may lead to one.
    upstream_build_ids: usize = 50, "limit.wv.RedirectRuleMaxUpstreamBuildIDsPerQueue";
    /// Task queues that a question about reachability looks at.
    reachability_queues: usize = 20, "limit.reachabilityTaskQueueScan";
    /// The largest value in an event or request, in bytes: see [`DynamicConfig::blob_limit`].
    blob_error_bytes: usize = 2 * 1024 * 1024, "limit.blobSize.error";
    /// What is left of a failure that is larger, in bytes.
    blob_warn_bytes: usize = 512 * 1024, "limit.blobSize.warn";
    /// The largest memo, in bytes: see [`DynamicConfig::memo_limit`].
    memo_error_bytes: usize = 2 * 1024 * 1024, "limit.memoSize.error";
    /// The memo of which a real server's log warns, in bytes.
    memo_warn_bytes: usize = 2 * 1024, "limit.memoSize.warn";
    /// Activities that a run may have pending.
    pending_activities: usize = 2_000, "limit.numPendingActivities.error";
    /// Children that a run may have pending.
    pending_children: usize = 2_000, "limit.numPendingChildExecutions.error";
    /// Signals to other workflows that a run may have pending.
    pending_signals: usize = 2_000, "limit.numPendingSignals.error";
    /// Requests to cancel other workflows that a run may have pending.
    pending_cancels: usize = 2_000, "limit.numPendingCancelRequests.error";
    /// A run whose history is larger is terminated when it goes on, in bytes.
    history_bytes: i64 = 50 * 1024 * 1024, "limit.historySize.error";
    /// From this size of its history on a run is told to continue as new, in bytes.
    suggest_history_bytes: i64 = 4 * 1024 * 1024, "limit.historySize.suggestContinueAsNew";
    /// A run that would have more events is terminated.
    history_events: i64 = 50 * 1024, "limit.historyCount.error";
    /// From this event on a run is told to continue as new.
    suggest_history_events: i64 = 4 * 1024, "limit.historyCount.suggestContinueAsNew";
    /// A run of which the server would keep more beside its history is terminated, in bytes.
    state_bytes: usize = 8 * 1024 * 1024, "limit.mutableStateSize.error";
    /// Events that may be held back while a workflow task is started: with one more it fails.
    held_back_events: usize = 100, "history.maximumBufferedEventsBatch";
    /// As [`Self::held_back_events`], of their sizes in bytes.
    held_back_bytes: usize = 2 * 1024 * 1024, "history.maximumBufferedEventsSizeInBytes";
    /// The most that a run may write to its history at once, in bytes.
    transaction_bytes: usize = 4 * 1024 * 1024, "system.transactionSizeLimit";
    /// Signals that a run may have in all.
    signals: u64 = 10_000, "history.maximumSignalsPerExecution";
    /// Updates that a run may have in flight; 0: as many as come.
    updates_in_flight: usize = 10, "history.maxInFlightUpdates";
    /// The size of the updates that a run may have in flight, in bytes; 0: whatever comes.
    updates_in_flight_bytes: usize = 20 * 1024 * 1024, "history.maxInFlightUpdatePayloads";
    /// Updates that a run may have in all; 0: as many as come.
    updates: usize = 2_000, "history.maxTotalUpdates";
    /// The share of these from which on a run is told to continue as new.
    suggest_updates: f64 = 0.9, "history.maxTotalUpdates.suggestContinueAsNewThreshold";
    /// Search attributes that an execution may have.
    search_attributes: usize = 100, "frontend.searchAttributesNumberOfKeysLimit";
    /// The largest value of a search attribute, in bytes.
    search_attribute_bytes: usize = 2 * 1024, "frontend.searchAttributesSizeOfValueLimit";
    /// The size of all search attributes of an execution, in bytes.
    search_attributes_bytes: usize = 40 * 1024, "frontend.searchAttributesTotalSizeLimit";
    /// The shortest retention that a namespace may have.
    min_retention: Duration = Duration::from_secs(60 * 60), "system.namespaceMinRetentionLocal";
    /// Nexus operations that a run may have pending.
    nexus_operations: usize = 30, "component.nexusoperations.limit.operation.concurrency";
    /// Completion callbacks that an execution may have.
    callbacks: usize = 2_000, "callback.maxPerExecution";
    /// The longest URL of one, in bytes.
    callback_url_bytes: usize = 1_000, "frontend.callbackURLMaxLength";
    /// The most that the headers of one may have together, in bytes.
    callback_header_bytes: usize = 8 * 1024, "frontend.callbackHeaderMaxLength";
    /// Where completion callbacks may go besides the server itself.
    callback_addresses: AllowedAddresses = AllowedAddresses::default(), "callback.allowedAddresses";
    /// Whether tasks of one priority go out in turns of their fairness keys.
    fairness: bool = false, "matching.enableFairness";
    /// Weights of fairness keys that a queue's configuration may have.
    fairness_weights: usize = 1_000, "matching.maxFairnessKeyWeightOverrides";
    /// Partitions of a queue, as a server of Temporal's has them. Here all tasks are in the root; but the limits of a server are its partitions'.
    read_partitions: usize = 4, "matching.numTaskqueueReadPartitions";
    /// Those that are listed.
    write_partitions: usize = 4, "matching.numTaskqueueWritePartitions";
    /// Tasks per second that the server lets out of any partition of a namespace.
    namespace_dispatch_rate: f64 = 10_000.0, "admin.matchingNamespaceToPartitionDispatchRate";
    /// Tasks per second that the server lets out of a partition of a queue.
    queue_dispatch_rate: f64 = 1_000.0, "admin.matchingNamespaceTaskqueueToPartitionDispatchRate";
    /// For how long the server gives the same answer to who asks what a queue has to do.
    queue_stats_kept_for: Duration = Duration::from_secs(5), "matching.TaskQueueInfoByBuildIdTTL";
    /// For how long after a timer has fired no other fires that is set meanwhile. A real server has one second, by which most short timers
    /// are late there; here they are on time unless it is set.
    timer_shift: Duration = Duration::ZERO, "history.timerProcessorMaxTimeShift";
    /// Build ids whose reachability may be asked for at once.
    reachability_build_ids: usize = 5, "limit.reachabilityQueryBuildIds";
}

impl DynamicConfig {
    /// The largest value in an event or request, in bytes. As in Temporal, nothing is refused that isn't worth a warning
    /// (`CheckEventBlobSizeLimit`).
    pub(crate) fn blob_limit(&self) -> usize {
        self.blob_error_bytes.max(self.blob_warn_bytes)
    }

    /// The largest memo, in bytes; likewise.
    pub(crate) fn memo_limit(&self) -> usize {
        self.memo_error_bytes.max(self.memo_warn_bytes)
    }

    /// Whether it is longer than an id, the name of a type or that of a queue may be.
    pub(crate) fn is_too_long(&self, id: &str) -> bool {
        id.len() > self.id_bytes
    }

    /// Refuses such an id in the words of most newer RPCs.
    pub(crate) fn check_length(&self, field: &str, id: &str) -> Result<(), Reject> {
        match self.is_too_long(id) {
            true => Err(Reject::InvalidArgument(format!(
                "{field} exceeds length limit. Length={} Limit={}",
                id.len(),
                self.id_bytes
            ))),
            false => Ok(()),
        }
    }
}

/// Why a setting can't be set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DynamicConfigError {
    /// Nothing here goes by that setting.
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is of another type.
    Value {
        /// The setting's name.
        name: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given, as JSON.
        value: String,
    },
}

impl fmt::Display for DynamicConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(
                f,
                "nothing here goes by the setting `{name}` of Temporal's dynamic configuration; these can be set: {}",
                NAMES.join(", ")
            ),
            Self::Value { name, wanted, value } => write!(f, "`{name}` takes {wanted}, not {value}"),
        }
    }
}

impl std::error::Error for DynamicConfigError {}

/// A type that settings have.
trait Setting: Sized {
    /// The value, or what it must be.
    fn read(value: &Value) -> Result<Self, &'static str>;
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, &'static str> {
        value.as_bool().ok_or("true or false")
    }
}

impl Setting for usize {
    fn read(value: &Value) -> Result<Self, &'static str> {
        let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
        number.ok_or("a whole number, 0 or more")
    }
}

impl Setting for u64 {
    fn read(value: &Value) -> Result<Self, &'static str> {
        value.as_u64().ok_or("a whole number, 0 or more")
    }
}

impl Setting for i64 {
    fn read(value: &Value) -> Result<Self, &'static str> {
        value.as_i64().ok_or("a whole number")
    }
}

impl Setting for f64 {
    fn read(value: &Value) -> Result<Self, &'static str> {
        value.as_f64().ok_or("a number")
    }
}

impl Setting for AllowedAddresses {
    fn read(value: &Value) -> Result<Self, &'static str> {
        Self::read(value)
            .ok_or(r#"a list of rules, such as [{"Pattern": "*.example.com:443", "AllowInsecure": false}]"#)
    }
}

/// A number is in seconds; a text without a unit is too.
impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, &'static str> {
        let wanted = "a duration, such as \"5s\" or a number of seconds";
        if let Some(seconds) = value.as_f64() {
            return Self::try_from_secs_f64(seconds).map_err(|_| wanted);
        }
        let text = value.as_str().ok_or(wanted)?;
        let nanoseconds = go_duration::parse(text).or_else(|_| go_duration::parse(&format!("{text}s")));
        let nanoseconds = nanoseconds.ok().and_then(|it| u64::try_from(it).ok());
        nanoseconds.map(Self::from_nanos).ok_or(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_goes_by_temporals_name_in_any_case() {
        let mut config = DynamicConfig::default();
        assert!(!config.versioning_rules);
        config
            .set("Frontend.workerversioningRuleAPIs", &Value::Bool(true))
            .unwrap();
        assert!(config.versioning_rules);
    }

    #[test]
    fn durations_are_texts_or_seconds() {
        let mut config = DynamicConfig::default();
        let mut kept_for = |value: Value| {
            let set = config.set("matching.TaskQueueInfoByBuildIdTTL", &value);
            set.map(|()| config.queue_stats_kept_for)
                .map_err(|error| error.to_string())
        };
        assert_eq!(kept_for(Value::from("1m30s")), Ok(Duration::from_secs(90)));
        assert_eq!(kept_for(Value::from("7")), Ok(Duration::from_secs(7)));
        assert_eq!(kept_for(Value::from(0.5)), Ok(Duration::from_millis(500)));
        assert_eq!(
            kept_for(Value::from("-1s")).unwrap_err(),
            r#"`matching.TaskQueueInfoByBuildIdTTL` takes a duration, such as "5s" or a number of seconds, not "-1s""#
        );
    }

    #[test]
    fn what_cant_be_set_says_why() {
        let mut config = DynamicConfig::default();
        let unknown = config.set("frontend.nothing", &Value::Null).unwrap_err().to_string();
        assert!(unknown.contains("`frontend.nothing`"), "{unknown}");
        assert!(unknown.contains("frontend.workerVersioningDataAPIs"), "{unknown}");
        let wrong = config.set("frontend.workerVersioningDataAPIs", &Value::from("yes"));
        assert_eq!(
            wrong.unwrap_err().to_string(),
            r#"`frontend.workerVersioningDataAPIs` takes true or false, not "yes""#
        );
    }
}
