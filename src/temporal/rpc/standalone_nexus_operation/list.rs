//! Standalone operations in lists, and their number.

use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;
use temporalio_protos::temporal::api::nexus::v1::NexusOperationExecutionListInfo;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use wire::count_nexus_operation_executions_response::AggregationGroup;

use crate::temporal::engine::{Call, Engine};
use crate::temporal::machine::standalone_nexus_operation::{
    ENDPOINT, NAMESPACE_DIVISION_OF_OPERATIONS, OPERATION, REQUEST_ID, SERVICE, STATUS, listed_status,
};
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::reject::Reject;
use crate::temporal::rpc::Answer;
use crate::temporal::rpc::archetype::{Archetype, PageWanted};
use crate::temporal::visibility::query::Extra;
use crate::temporal::visibility::store::Group;
use crate::temporal::visibility::value::Value;
use crate::temporal::visibility::{CustomAttributes, Record};

/// What lists and counts of operations are about.
const OPERATIONS: Archetype = Archetype {
    division: Some(NAMESPACE_DIVISION_OF_OPERATIONS),
    list_operation: "ListChasmExecutions",
    count_operation: "CountChasmExecutions",
    names: &[
        name("OperationId", "WorkflowId"),
        name("TemporalOperationId", "WorkflowId"),
        name("Endpoint", ENDPOINT),
        name("Service", SERVICE),
        name("Operation", OPERATION),
        name("RequestId", REQUEST_ID),
        name("ExecutionStatus", STATUS),
    ],
};

const fn name(name: &'static str, field: &'static str) -> Extra {
    Extra {
        name,
        field,
        kind: Type::Keyword,
    }
}

pub(in crate::temporal::rpc) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListNexusOperationExecutionsRequest,
) -> Result<Answer<wire::ListNexusOperationExecutionsResponse>, Reject> {
    let custom = &engine.namespaces.require(&request.namespace)?.search_attributes;
    let page = PageWanted {
        namespace: &request.namespace,
        size: request.page_size,
        token: &request.next_page_token,
        query: &request.query,
    };
    let (operations, next_page_token) = OPERATIONS.list(engine, &page, |record| info(record, custom))?;
    Ok(Answer::Now(wire::ListNexusOperationExecutionsResponse {
        operations,
        next_page_token,
    }))
}

pub(in crate::temporal::rpc) fn count(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::CountNexusOperationExecutionsRequest,
) -> Result<Answer<wire::CountNexusOperationExecutionsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let (count, groups) = OPERATIONS.count(engine, &request.namespace, &request.query)?;
    let group = |group: Group| AggregationGroup {
        group_values: vec![group.value],
        count: group.count,
    };
    Ok(Answer::Now(wire::CountNexusOperationExecutionsResponse {
        count,
        groups: groups.into_iter().map(group).collect(),
    }))
}

fn info(record: &Record, custom: &CustomAttributes) -> NexusOperationExecutionListInfo {
    let text = |name: &str| match record.attribute(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    NexusOperationExecutionListInfo {
        operation_id: record.workflow_id.clone(),
        run_id: record.run_id.clone(),
        endpoint: text(ENDPOINT),
        service: text(SERVICE),
        operation: text(OPERATION),
        schedule_time: Some(timestamp(record.started_at)),
        close_time: record.closed.map(|closed| timestamp(closed.at)),
        status: listed_status(record) as i32,
        search_attributes: Some(record.shown_attributes(custom)),
        state_transition_count: record.closed.map_or(0, |closed| closed.state_transition_count),
        execution_duration: record
            .closed
            .map(|closed| proto_duration(closed.at.since(record.started_at))),
        ..Default::default()
    }
}
