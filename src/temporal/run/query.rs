//! Queries: answered with a workflow task if the run has one to do, else by a task of their own.

use std::collections::HashMap;

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::QueryResultType;
use temporalio_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use temporalio_protos::temporal::api::workflowservice::v1::QueryWorkflowResponse;

use super::{Context, Run};
use crate::temporal::matching::Task;
use crate::temporal::reject::Reject;
use crate::temporal::timer::Timer;
use crate::temporal::txn::Ticket;

/// Queries that one run may have waiting (dynamic config `history.maxBufferedQueryCount`).
pub(crate) const MAX_QUERIES: usize = 1_000;

/// Failed attempts of the workflow task after which queries and updates are refused at once.
pub(crate) const FAILING_ATTEMPTS: i32 = 3;

/// A query that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) ticket: Ticket,
    pub(crate) query: WorkflowQuery,
    /// On its way to a worker as a task of its own.
    pub(crate) direct: bool,
}

impl Run {
    /// Takes a query; the answer comes by its ticket.
    pub(crate) fn query(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        query: WorkflowQuery,
    ) -> Result<(), Reject> {
        let task = &self.machines.workflow_task;
        let answered_before = task.last_completed_started_event_id() > 0;
        if !self.is_running() && !answered_before {
            return Err(Reject::WorkflowNotReady(
                "Workflow execution closed before WorkflowTaskStarted event".to_owned(),
            ));
        }
        if self.in_first_task_backoff {
            return Err(Reject::WorkflowNotReady(
                "Workflow task is not scheduled yet.".to_owned(),
            ));
        }
        if task.attempt() >= FAILING_ATTEMPTS {
            return Err(Reject::WorkflowNotReady(
                "Unable to query workflow due to Workflow Task in failed state.".to_owned(),
            ));
        }
        if self.machines.queries.len() >= MAX_QUERIES {
            return Err(Reject::ResourceExhausted(
                "consistent query buffer is full, this may be caused by too many queries and workflow not able to \
                 process query fast enough"
                    .to_owned(),
            ));
        }
        let direct = answered_before && (!self.is_running() || !task.is_pending());
        let query_id = context.entropy.uuid();
        let query = Query { ticket, query, direct };
        self.machines.queries.insert(query_id.clone(), query);
        if direct {
            self.offer_query(context, query_id);
        }
        Ok(())
    }

    /// The queries that go out with the workflow task that starts now.
    pub(crate) fn queries_for_task(&self) -> HashMap<String, WorkflowQuery> {
        self.machines
            .queries
            .iter()
            .filter(|(_, query)| !query.direct)
            .map(|(query_id, query)| (query_id.clone(), query.query.clone()))
            .collect()
    }

    /// The answers that came with a workflow task.
    pub(crate) fn take_query_results(
        &mut self,
        context: &mut Context<'_>,
        results: HashMap<String, WorkflowQueryResult>,
    ) {
        // The wire's map has no order; ours must.
        let results: std::collections::BTreeMap<_, _> = results.into_iter().collect();
        for (query_id, result) in results {
            self.answer_query(context, &query_id, result);
        }
    }

    /// One answer. `false` if nobody waits for it any more.
    pub(crate) fn answer_query(
        &mut self,
        context: &mut Context<'_>,
        query_id: &str,
        result: WorkflowQueryResult,
    ) -> bool {
        let Some(query) = self.machines.queries.remove(query_id) else {
            return false;
        };
        if self.machines.queries.is_empty() {
            let timers = &mut context.effects.timers;
            timers.push((Timer::QueryScheduleToStart(self.run), None));
        }
        let answer = match result.result_type() {
            QueryResultType::Answered => Ok(QueryWorkflowResponse {
                query_result: result.answer,
                ..Default::default()
            }
            .encode_to_vec()),
            QueryResultType::Failed | QueryResultType::Unspecified => Err(Reject::QueryFailed {
                message: result.error_message,
                failure: result.failure.map(Box::new),
            }),
        };
        context.effects.replies.push((query.ticket, answer));
        true
    }

    /// Queries that waited for a workflow task, when there is none to come.
    pub(crate) fn release_queries(&mut self, context: &mut Context<'_>) {
        if self.machines.workflow_task.is_pending() {
            return;
        }
        let waiting: Vec<String> = self
            .machines
            .queries
            .iter_mut()
            .filter(|(_, query)| !query.direct)
            .map(|(query_id, query)| {
                query.direct = true;
                query_id.clone()
            })
            .collect();
        for query_id in waiting {
            self.offer_query(context, query_id);
        }
    }

    /// The worker that has the workflow in its cache is gone: any other may answer.
    pub(crate) fn on_queries_not_fetched(&mut self, context: &mut Context<'_>) {
        self.reset_sticky();
        let queries = self.machines.queries.iter();
        let waiting: Vec<String> = queries
            .filter(|(_, query)| query.direct)
            .map(|(query_id, _)| query_id.clone())
            .collect();
        for query_id in waiting {
            self.offer_query(context, query_id);
        }
    }

    /// A client went away.
    pub(crate) fn forget_query(&mut self, ticket: Ticket) {
        self.machines.queries.retain(|_, query| query.ticket != ticket);
    }

    fn offer_query(&self, context: &mut Context<'_>, query_id: String) {
        let queue = self.machines.workflow_task.task_queue(&self.start.task_queue);
        if let Some(sticky) = self.machines.workflow_task.sticky() {
            let due = context.now + sticky.schedule_to_start;
            let timer = Timer::QueryScheduleToStart(self.run);
            context.effects.timers.push((timer, Some(due)));
        }
        context.effects.tasks.push(Task::Query {
            run: self.run,
            queue: queue.name.into(),
            normal_queue: self.start.task_queue.as_str().into(),
            query_id,
        });
    }
}
