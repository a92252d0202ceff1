//! Random messages of any type, with a bias towards what means something to the server.

use prost::Message as _;
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use super::dice::Dice;
use super::harvest::{Harvest, kind_of};

/// How deep messages nest.
const DEPTH: usize = 7;

/// Fields without which a request means nothing.
const ESSENTIAL: &[&str] = &[
    "namespace",
    "workflow_id",
    "workflow_type",
    "activity_type",
    "task_queue",
    "workflow_execution",
    "execution",
    "task_token",
    "token",
    "activity_id",
    "operation_id",
    "name",
    "schedule_id",
    "rule_id",
    "id",
    "predicate",
    "activity_start",
    "actions",
    "schedule",
    "spec",
    "action",
    "start_workflow",
    "signal_name",
    "timer_id",
    "start_to_fire_timeout",
    "start_to_close_timeout",
    "schedule_to_close_timeout",
    "update_id",
    "update_ref",
    "meta",
    "input",
    "query",
    "query_type",
    "job_id",
    "reason",
    "endpoint",
    "service",
    "operation",
    "commands",
    "attributes",
    "operations",
    "deployment_name",
    "build_id",
    "deployment_version",
    "workflow_task_finish_event_id",
    "scheduled_event_id",
    "protocol_instance_id",
    "body",
    "target",
    "variant",
    "visibility_query",
    "retry_policy",
    "update_mask",
    "fast_forward_id",
    "duration",
    "request",
    "response",
    "start_operation",
    "interval",
    "workflow_execution_options",
    "activity_options",
    "indexed_fields",
    "sequencing_id",
    "request_id",
    "patch",
    "trigger_immediately",
    "worker_versioning_mode",
    "rule",
    "new_build_id",
    "existing_compatible_build_id",
    "primary_set_build_id",
    "secondary_set_build_id",
    "source_build_id",
    "target_build_id",
    "build_ids",
    "outcome",
    "task_queue_type",
    "rate_limit",
    "requests_per_second",
    "max_tasks_per_second",
    "fairness_key",
];

/// Fields that say when tasks leave a queue.
const OF_QUEUES: &[&str] = &[
    "update_queue_rate_limit",
    "update_fairness_key_rate_limit_default",
    "set_fairness_weight_overrides",
    "unset_fairness_weight_overrides",
    "task_queue_metadata",
];

/// Makes messages.
pub(super) struct Maker<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) harvest: &'a Harvest,
    /// Makes what a server takes, as a rule: little beside the essential, and nothing hostile.
    pub(super) plain: bool,
}

impl Maker<'_> {
    pub(super) fn message(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        self.at_depth(descriptor, 0)
    }

    fn at_depth(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Duration" | "google.protobuf.Timestamp" => self.fill_time(&mut message),
            "google.protobuf.Any" => self.fill_any(&mut message, depth),
            "temporal.api.common.v1.Payload" => {
                let encoding = (
                    MapKey::String("encoding".to_owned()),
                    Value::Bytes(b"json/plain".to_vec().into()),
                );
                message.set_field_by_name("metadata", Value::Map([encoding].into()));
                message.set_field_by_name("data", Value::Bytes(b"\"x\"".to_vec().into()));
            }
            "temporal.api.workflowservice.v1.ExecuteMultiOperationRequest" if self.plain => {
                self.fill(&mut message, descriptor, depth);
                self.fill_operations(&mut message, descriptor);
            }
            "temporal.api.workflowservice.v1.UpdateWorkerVersioningRulesRequest" => {
                self.fill(&mut message, descriptor, depth);
                self.fill_rules_token(&mut message);
            }
            _ => self.fill(&mut message, descriptor, depth),
        }
        message
    }

    /// Rules change only for who knows the token of the last change, or that there was none.
    fn fill_rules_token(&mut self, message: &mut DynamicMessage) {
        let token = match self.dice.percent(40) {
            true => vec![24, 1],
            false => self.harvest.bytes("conflict_token", self.dice).unwrap_or_default(),
        };
        if self.dice.percent(90) {
            message.set_field_by_name("conflict_token", Value::Bytes(token.into()));
        }
    }

    fn fill(&mut self, message: &mut DynamicMessage, descriptor: &MessageDescriptor, depth: usize) {
        for oneof in descriptor.oneofs() {
            let choices: Vec<FieldDescriptor> = oneof.fields().collect();
            if depth < DEPTH && (choices.len() > 1 && !self.dice.percent(4) || self.dice.percent(20)) {
                let field = &choices[self.dice.below(choices.len())];
                let value = self.value(field, depth);
                message.set_field(field, value);
                self.name_the_choice(message, field);
            }
        }
        for field in descriptor.fields().filter(|field| field.containing_oneof().is_none()) {
            let chance = match (ESSENTIAL.contains(&field.name()), depth, self.plain) {
                // Makes a worker one of a deployment, or gives it a build id.
                (false, 0, true)
                    if matches!(
                        field.name(),
                        "deployment_options" | "worker_version_capabilities" | "worker_version_stamp"
                    ) =>
                {
                    15
                }
                // Of a queue's configuration, and of a poll: what makes tasks wait or take turns.
                (false, 0, true) if OF_QUEUES.contains(&field.name()) => 30,
                (false, _, true) if field.name() == "priority" => 25,
                (true, _, true) => 99,
                (true, _, false) => 95,
                (false, 0, true) => 8,
                (false, _, true) => 4,
                (false, 0, false) => 25,
                (false, _, false) => 12,
            };
            // A command's type is that of its attributes, as a rule.
            let is_named = field.name() == "command_type" && !self.dice.percent(3);
            if depth < DEPTH && !is_named && self.dice.percent(chance) {
                let value = self.field(&field, depth);
                message.set_field(&field, value);
            }
        }
    }

    /// A start and an update of the same workflow: the only two that there may be.
    fn fill_operations(&mut self, message: &mut DynamicMessage, descriptor: &MessageDescriptor) {
        let operations = descriptor.get_field_by_name("operations").map(|field| field.kind());
        let Some(Kind::Message(operation)) = operations else {
            return;
        };
        let workflow_id = self.text("workflow_id");
        let mut one = |name: &str, place: &str| {
            let field = operation.get_field_by_name(name).expect("it is one of the two");
            let mut value = self.value(&field, 1);
            if let Value::Message(request) = &mut value {
                match request.get_field_by_name_mut(place) {
                    Some(Value::Message(execution)) => {
                        execution.set_field_by_name("workflow_id", Value::String(workflow_id.clone()));
                    }
                    _ => request.set_field_by_name("workflow_id", Value::String(workflow_id.clone())),
                }
            }
            let mut operation = DynamicMessage::new(operation.clone());
            operation.set_field(&field, value);
            Value::Message(operation)
        };
        let both = vec![
            one("start_workflow", "workflow_id"),
            one("update_workflow", "workflow_execution"),
        ];
        message.set_field_by_name("operations", Value::List(both));
    }

    /// `command_type` says which attributes there are.
    fn name_the_choice(&mut self, message: &mut DynamicMessage, field: &FieldDescriptor) {
        let Some(type_field) = field.parent_message().get_field_by_name("command_type") else {
            return;
        };
        let Kind::Enum(types) = type_field.kind() else { return };
        let wanted = field.name().trim_end_matches("_command_attributes").to_uppercase();
        if let Some(value) = types.values().find(|it| it.name() == format!("COMMAND_TYPE_{wanted}")) {
            message.set_field(&type_field, Value::EnumNumber(value.number()));
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        if field.is_map() {
            return self.map(field, depth);
        }
        if field.cardinality() == Cardinality::Repeated {
            let count = 1 + self.dice.below(if self.plain { 2 } else { 3 });
            return Value::List((0..count).map(|_| self.value(field, depth)).collect());
        }
        self.value(field, depth)
    }

    fn map(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let Kind::Message(entry) = field.kind() else {
            return Value::Map(Default::default());
        };
        let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let count = 1 + self.dice.below(2);
        let entries = (0..count).filter_map(|_| {
            let key = match self.value(&keys, depth) {
                Value::String(_) => MapKey::String(self.text(field.name())),
                Value::I32(key) => MapKey::I32(key),
                Value::I64(key) => MapKey::I64(key),
                Value::Bool(key) => MapKey::Bool(key),
                _ => return None,
            };
            Some((key, self.value(&values, depth)))
        });
        Value::Map(entries.collect())
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let plain = self.plain;
        let small = |number: i64| i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX });
        match field.kind() {
            Kind::Double => Value::F64(self.real()),
            Kind::Float => Value::F32(self.real() as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(small(self.integer())),
            // The end of a run's first workflow task, as a rule.
            Kind::Int64 if plain && field.name() == "workflow_task_finish_event_id" => {
                Value::I64(3 + self.dice.below(3) as i64)
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer() as u64),
            Kind::Bool => Value::Bool(self.dice.percent(50)),
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bytes => Value::Bytes(self.bytes(field.name()).into()),
            Kind::Message(descriptor) if descriptor.full_name() == "google.protobuf.FieldMask" => {
                let of_workflow = field.parent_message().name() == "UpdateWorkflowExecutionOptionsRequest";
                Value::Message(self.mask(&descriptor, of_workflow))
            }
            Kind::Message(descriptor) => Value::Message(self.at_depth(&descriptor, depth + 1)),
            Kind::Enum(values) => Value::EnumNumber(match !plain && self.dice.percent(5) {
                true => small(self.integer()),
                false => {
                    let index = self.dice.below(values.values().len());
                    values.values().nth(index).map_or(0, |value| value.number())
                }
            }),
        }
    }

    fn integer(&mut self) -> i64 {
        match self.plain {
            true => self.dice.below(14) as i64,
            false => self.dice.integer(),
        }
    }

    fn real(&mut self) -> f64 {
        self.dice
            .pick(&[0.0, 1.0, 2.0, 1.5, -1.0, f64::NAN, f64::INFINITY, f64::MAX, 1e-300])
    }

    /// Bytes that were seen, as they are or with a byte changed, cut off or added.
    fn bytes(&mut self, name: &str) -> Vec<u8> {
        let seen = match self.dice.percent(90) {
            true => self.harvest.bytes(name, self.dice),
            false => None,
        };
        let mut bytes = seen.unwrap_or_default();
        if !self.plain && self.dice.percent(20) {
            let place = self.dice.below(bytes.len() + 1);
            match self.dice.below(3) {
                0 => bytes.insert(place, self.dice.number() as u8),
                1 => bytes.truncate(place),
                _ => {
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = self.dice.number() as u8;
                    }
                }
            }
        }
        bytes
    }

    fn text(&mut self, name: &str) -> String {
        if !self.plain && self.dice.percent(5) {
            return self.odd_text();
        }
        let kind = kind_of(name);
        let of_name: &[&str] = match kind {
            "namespace" | "parent_workflow_namespace" if self.plain || self.dice.percent(85) => {
                return "default".to_owned();
            }
            "namespace" => &["default", "other", "third"],
            "workflow_id" | "business_id" => &["w1", "w2", "w3", "w4"],
            "activity_id" => &["a1", "a2", "a3"],
            "operation_id" => &["o1", "o2", "o3"],
            "id" | "rule_id" => &["a1", "a2", "a3", "q1"],
            "timer_id" => &["t1", "t2", "t3"],
            "name" => &["q1", "q2", "name", "CustomKeyword"],
            "task_queue" | "normal_name" => &["q1", "q2"],
            "signal_name" | "query_type" => &["s1", "s2", "__stack_trace"],
            "schedule_id" => &["sched1", "sched2"],
            "request_id" => &["r1", "r2", "r3", ""],
            "update_id" => &["u1", "u2", "u3"],
            "job_id" => &["job1", "job2"],
            // The one that is there from the start, and the names that others get, as any other name.
            "endpoint" => &["end", "end", "q1", "q2", "__temporal_system"],
            "deployment_name" | "series_name" => &["dep1", "dep2"],
            "build_id" => &["b1", "b2"],
            "version" => &["dep1.b1", "dep1:b1", "__unversioned__"],
            "run_id" if self.dice.percent(35) => &[""],
            "identity" => &["me", "you"],
            "cron_schedule" => &["", "", "* * * * *", "@every 5s", "0 0 30 2 *"],
            "cron_string" => &[
                "* * * * *",
                "@every 5s",
                "0 0 30 2 *",
                "H",
                "CRON_TZ=Europe/Oslo 0 0 * * *",
            ],
            "timezone_name" => &["UTC", "Europe/Oslo", "America/New_York", "Nowhere/Else"],
            "second" | "minute" | "hour" | "day_of_month" | "month" | "year" | "day_of_week" => {
                &["*", "0", "1-5/2", "*/3", "60", "MON", "2026-2030"]
            }
            "predicate" => &[
                "ActivityId = 'a1'",
                "ActivityState = 'Started'",
                "Attempts > 1 OR BackoffInterval >= 1",
                "StartedTime BETWEEN 0 AND '2026-01-01T00:00:00Z'",
                "((((",
            ],
            "query" | "visibility_query" => &[
                "WorkflowId = 'w1'",
                "ExecutionStatus = 'Running' AND WorkflowType IN ('name', 'q1')",
                "StartTime > '2026-01-01T00:00:00Z' OR CloseTime IS NULL",
                "GROUP BY ExecutionStatus",
                "OperationId = 'o1' AND Service != 'x'",
                "WorkflowId STARTS_WITH 'w' GROUP BY ExecutionStatus",
                "CustomKeyword != 'a' ORDER BY StartTime",
                "NOT (TaskQueue BETWEEN 'a' AND 'z')",
                "((((",
            ],
            "fairness_key" | "set_fairness_weight_overrides" | "unset_fairness_weight_overrides" => {
                &["gold", "silver", "bronze"]
            }
            "indexed_fields" | "search_attributes" if self.plain => return "CustomKeyword".to_owned(),
            "indexed_fields" | "search_attributes" => {
                &["CustomKeyword", "CustomInt", "BuildIds", "TemporalChangeVersion"]
            }
            _ => &["x", "default", "q1", ""],
        };
        let seen = match kind == "run_id" && of_name != [""] || self.dice.percent(40) {
            true => self.harvest.text(name, self.dice),
            false => None,
        };
        seen.unwrap_or_else(|| self.dice.pick(of_name).to_owned())
    }

    fn odd_text(&mut self) -> String {
        match self.dice.below(8) {
            0 => "x".repeat(1_001),
            1 => "ÄÖ\u{0}ß\u{1F600}".to_owned(),
            2 => "00000000-0000-0000-0000-000000000000".to_owned(),
            3 => "/_sys/w1/2".to_owned(),
            4 => "temporal-system".to_owned(),
            5 => "-1:::".to_owned(),
            6 => "temporal-sys-per-ns-tq".to_owned(),
            _ => String::new(),
        }
    }

    fn fill_time(&mut self, message: &mut DynamicMessage) {
        let is_moment = message.descriptor_name() == "google.protobuf.Timestamp";
        let odd = if self.plain { 20 } else { self.dice.below(20) };
        let (seconds, nanos) = match odd {
            0 => (i64::MAX, i32::MAX),
            1 => (i64::MIN, i32::MIN),
            2 => (-1, 0),
            3 => (0, -1),
            4 => (253_402_300_799, 999_999_999),
            5 => (0, 1),
            6 => (0, 0),
            _ if is_moment => (1_767_225_600 + self.dice.below(100_000) as i64, 0),
            _ => (1 + self.dice.below(90) as i64, 0),
        };
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
    }

    /// What workers put into messages of the update protocol.
    fn fill_any(&mut self, message: &mut DynamicMessage, depth: usize) {
        let pool = message.pool();
        let name = self.dice.pick(&[
            "temporal.api.update.v1.Acceptance",
            "temporal.api.update.v1.Acceptance",
            "temporal.api.update.v1.Response",
            "temporal.api.update.v1.Rejection",
            "temporal.api.update.v1.Request",
            "temporal.api.common.v1.Payloads",
        ]);
        let Some(descriptor) = pool.get_message_by_name(name) else {
            return;
        };
        let body = self.at_depth(&descriptor, depth + 1).encode_to_vec();
        message.set_field_by_name("type_url", Value::String(format!("type.googleapis.com/{name}")));
        message.set_field_by_name("value", Value::Bytes(body.into()));
    }

    fn mask(&mut self, descriptor: &MessageDescriptor, of_workflow: bool) -> DynamicMessage {
        let of_workflows = ["versioning_override", "priority", "time_skipping_config", "nonsense"];
        let of_activities = [
            "task_queue.name",
            "start_to_close_timeout",
            "schedule_to_close_timeout",
            "heartbeat_timeout",
            "retry_policy",
            "retry_policy.maximum_attempts",
            "priority",
            "nonsense",
        ];
        let paths = if of_workflow {
            &of_workflows[..]
        } else {
            &of_activities[..]
        };
        let sensible = paths.len() - usize::from(self.plain);
        let count = 1 + self.dice.below(2);
        let picked = (0..count).map(|_| Value::String(self.dice.pick(&paths[..sensible]).to_owned()));
        let mut mask = DynamicMessage::new(descriptor.clone());
        mask.set_field_by_name("paths", Value::List(picked.collect()));
        mask
    }
}

/// Short forms for what prost-reflect says in many words.
trait Described {
    fn descriptor_name(&self) -> String;
    fn pool(&self) -> prost_reflect::DescriptorPool;
}

impl Described for DynamicMessage {
    fn descriptor_name(&self) -> String {
        use prost_reflect::ReflectMessage as _;
        self.descriptor().full_name().to_owned()
    }

    fn pool(&self) -> prost_reflect::DescriptorPool {
        use prost_reflect::ReflectMessage as _;
        self.descriptor().parent_pool().clone()
    }
}
