//! Histories: by pages, from either end, and waiting for what isn't there yet.

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::history::v1::History;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine, ParkedAt, history_answer, wants_close_event};
use crate::temporal::reject::Reject;
use crate::temporal::run::{HISTORY_PAGE_EVENTS, Run};
use crate::temporal::token::HistoryToken;

pub(super) fn get(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::GetWorkflowExecutionHistoryRequest,
) -> Result<Answer<wire::GetWorkflowExecutionHistoryResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let token = decode(&request.next_page_token)?;
    let run = find(engine, &request.namespace, request.execution, token.as_ref())?;
    let close = wants_close_event(request.history_event_filter_type);
    if request.wait_new_event {
        let next_event_id = token.map_or(1, |token| token.next_event_id);
        let page_size = page_size(request.maximum_page_size);
        if let Some(answer) = history_answer(run, next_event_id, close, page_size) {
            return Ok(Answer::Now(answer));
        }
        let run = run.run;
        engine.park(
            call,
            ParkedAt::History {
                run,
                next_event_id,
                close,
                page_size,
            },
        );
        if let Some(run) = engine.runs.get_mut(run) {
            run.history_waiters.push(call.ticket);
        }
        return Ok(Answer::Later);
    }
    if close {
        return Ok(Answer::Now(close_event(run)));
    }
    Ok(Answer::Now(page(run, token, request.maximum_page_size)))
}

pub(super) fn get_reverse(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::GetWorkflowExecutionHistoryReverseRequest,
) -> Result<Answer<wire::GetWorkflowExecutionHistoryReverseResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let token = decode(&request.next_page_token)?;
    let run = find(engine, &request.namespace, request.execution, token.as_ref())?;
    let last = run.log.last_event_id();
    let last = token.map_or(last, |token| token.next_event_id.clamp(0, last));
    let size = page_size(request.maximum_page_size);
    let first = (last - size as i64 + 1).max(1);
    let count = usize::try_from(last - first + 1).unwrap_or_default();
    let mut events = run.log.page(first, count).0;
    events.reverse();
    let next_page_token = match first {
        1 => Vec::new(),
        first => HistoryToken {
            run_id: run.start.run_id.clone(),
            next_event_id: first - 1,
            last_event_id: None,
        }
        .encode(),
    };
    Ok(Answer::Now(wire::GetWorkflowExecutionHistoryReverseResponse {
        history: Some(History { events }),
        next_page_token,
    }))
}

fn page(run: &Run, token: Option<HistoryToken>, size: i32) -> wire::GetWorkflowExecutionHistoryResponse {
    let from_the_start = token.is_none();
    let first = token.as_ref().map_or(1, |token| token.next_event_id.max(1));
    let last = token
        .and_then(|token| token.last_event_id)
        .unwrap_or(run.log.last_event_id());
    let left = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or_default();
    let (mut events, next_event_id) = run.log.page(first, page_size(size).min(left));
    let next_page_token = match next_event_id <= last && !events.is_empty() {
        true => HistoryToken {
            run_id: run.start.run_id.clone(),
            next_event_id,
            last_event_id: Some(last),
        }
        .encode(),
        false => Vec::new(),
    };
    // Temporal shows clients a task that isn't written yet. Workers, who come with a token, have it from their poll.
    if from_the_start && next_page_token.is_empty() && run.is_running() && !run.log.has_held_back() {
        events.extend(
            run.machines
                .workflow_task
                .events_outside_history(&run.start.task_queue, ""),
        );
    }
    wire::GetWorkflowExecutionHistoryResponse {
        history: Some(History { events }),
        next_page_token,
        ..Default::default()
    }
}

/// What the close filter gives without waiting: nothing as long as the run is open.
fn close_event(run: &Run) -> wire::GetWorkflowExecutionHistoryResponse {
    wire::GetWorkflowExecutionHistoryResponse {
        history: Some(History {
            events: run.log.close_event().into_iter().collect(),
        }),
        ..Default::default()
    }
}

fn page_size(size: i32) -> usize {
    usize::try_from(size)
        .ok()
        .filter(|size| (1..HISTORY_PAGE_EVENTS).contains(size))
        .unwrap_or(HISTORY_PAGE_EVENTS)
}

/// The run that the token belongs to; without one, the run that the client names.
fn find<'a>(
    engine: &'a Engine,
    namespace: &str,
    execution: Option<WorkflowExecution>,
    token: Option<&HistoryToken>,
) -> Result<&'a Run, Reject> {
    let execution = match (execution, token) {
        (Some(execution), Some(token)) => Some(at_token(execution, token)?),
        (execution, _) => execution,
    };
    engine.runs.find(namespace, execution.as_ref())
}

fn at_token(named: WorkflowExecution, token: &HistoryToken) -> Result<WorkflowExecution, Reject> {
    match named.run_id.is_empty() || named.run_id == token.run_id {
        true => Ok(WorkflowExecution {
            run_id: token.run_id.clone(),
            ..named
        }),
        false => Err(Reject::InvalidArgument(
            "RunId in the request does not match the NextPageToken.".to_owned(),
        )),
    }
}

fn decode(token: &[u8]) -> Result<Option<HistoryToken>, Reject> {
    if token.is_empty() {
        return Ok(None);
    }
    HistoryToken::decode(token)
        .map(Some)
        .ok_or_else(|| Reject::InvalidArgument("Invalid NextPageToken.".to_owned()))
}
