//! Batch operations at work: the server's own worker, with its one workflow and its one activity.
//!
//! What a batch asks for, it asks as a client does, through the table of RPCs. It begins and goes on by a timer, so that it
//! takes virtual time as the real one takes real time, and can be stopped in between.

use prost::Message;
use temporalio_protos::temporal::api::command::v1 as command;
use temporalio_protos::temporal::api::command::v1::command::Attributes as C;
use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::{CommandType, EventType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{ActivityFailureInfo, ApplicationFailureInfo, Failure};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::{Call, Engine};
use crate::clock::Timestamp;
use crate::temporal::batch::{self, Asked, Batch, Target};
use crate::temporal::proto::proto_duration;
use crate::temporal::reject::Reject;
use crate::temporal::rpc;
use crate::temporal::run::RunRef;
use crate::temporal::timer::Timer;
use crate::temporal::token::TaskToken;
use crate::temporal::versioning::build_ids::StartingWorker;

/// The server's own calls: no client has this ticket or this connection.
const OWN: u64 = u64::MAX;

const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// Executions that are listed at once.
const PAGE: i32 = 1_000;

/// The id that Go's SDK gives a workflow's first activity.
const ACTIVITY_ID: &str = "5";

impl Engine {
    /// A batch's workflow has started: its work begins when time moves.
    pub(crate) fn begin_batch(&mut self, now: Timestamp, run: RunRef, request: wire::StartBatchOperationRequest) {
        self.batches.insert(run, Batch::new(request));
        self.timers.set(Timer::Batch(run), now);
    }

    /// It is a batch's turn.
    pub(super) fn go_on_with_batch(&mut self, now: Timestamp, run: RunRef) {
        let Some(mut batch) = self.batches.remove(&run) else {
            return;
        };
        let outcome = match self.work_on(now, run, &mut batch) {
            Ok(true) => self.finish_batch(now, run, &batch),
            Ok(false) => {
                self.batches.insert(run, batch);
                self.timers.set(Timer::Batch(run), now + batch::PERIOD);
                return;
            }
            Err(reject) => self.fail_batch(now, run, &batch, &reject),
        };
        // Its workflow was terminated by what it did itself: there is nobody to tell.
        drop(outcome);
    }

    /// Does as much as a period allows; `true` if nothing is left.
    fn work_on(&mut self, now: Timestamp, run: RunRef, batch: &mut Batch) -> Result<bool, Reject> {
        if batch.scheduled_event_id == 0 {
            self.begin_activity(now, run, batch)?;
            self.count_work(batch)?;
        }
        for _ in 0..batch::PER_PERIOD {
            if batch.work.is_empty() {
                self.next_page(batch)?;
            }
            let Some(execution) = batch.work.pop_front() else {
                return Ok(true);
            };
            match self.ask_for(now, batch, execution) {
                Ok(()) => batch.progress.succeeded += 1,
                Err(_) => batch.progress.failed += 1,
            }
        }
        let heartbeat = wire::RecordActivityTaskHeartbeatRequest {
            task_token: activity_token(run, batch),
            details: Some(batch.progress.details()),
            identity: batch.worker.clone(),
            ..Default::default()
        };
        self.ask(now, "RecordActivityTaskHeartbeat", &heartbeat)?;
        Ok(batch.work.is_empty() && batch.next_page.is_none())
    }

    fn count_work(&mut self, batch: &mut Batch) -> Result<(), Reject> {
        batch.progress.total = match batch.query.as_str() {
            "" => i64::try_from(batch.work.len()).unwrap_or(i64::MAX),
            query => {
                batch.next_page = Some(Vec::new());
                rpc::count_of(self, &batch.request.namespace, query)?
            }
        };
        Ok(())
    }

    fn next_page(&mut self, batch: &mut Batch) -> Result<(), Reject> {
        let Some(token) = batch.next_page.take() else {
            return Ok(());
        };
        let (executions, next) = rpc::page(self, &batch.request.namespace, PAGE, &token, &batch.query)?;
        batch
            .work
            .extend(executions.into_iter().filter_map(|info| info.execution));
        batch.next_page = (!next.is_empty()).then_some(next);
        Ok(())
    }

    /// Asks for one execution. One that isn't there (any more) needs nothing.
    fn ask_for(&mut self, now: Timestamp, batch: &Batch, execution: common::WorkflowExecution) -> Result<(), Reject> {
        let unknown = || Reject::InvalidArgument("unknown batch type".to_owned());
        let request_id = self.entropy.uuid();
        let asked = batch::requests(&batch.request, execution, request_id).ok_or_else(unknown)?;
        let answer = match asked {
            Asked::Request(method, request) => self.ask_encoded(now, method, &request),
            Asked::Reset(target, mut request) => match self.reset_event(now, &target, &mut request) {
                Ok(event_id) => {
                    request.workflow_task_finish_event_id = event_id;
                    self.ask(now, "ResetWorkflowExecution", request.as_ref())
                }
                Err(reject) => Err(reject),
            },
        };
        match answer {
            Err(reject) if reject.code() != Code::NotFound => Err(reject),
            _ => Ok(()),
        }
    }

    /// The event that a reset goes back to: a completed workflow task, or else what follows a scheduled one.
    fn reset_event(
        &self,
        now: Timestamp,
        target: &Target,
        request: &mut wire::ResetWorkflowExecutionRequest,
    ) -> Result<i64, Reject> {
        let run = self
            .runs
            .find(&request.namespace, request.workflow_execution.as_ref())?;
        let events = run.log.events();
        let ids = |wanted: EventType| {
            events
                .iter()
                .filter(move |event| event.event_type() == wanted)
                .map(|event| event.event_id)
        };
        let (completed, scheduled) = match target {
            Target::First => (
                ids(EventType::WorkflowTaskCompleted).next(),
                ids(EventType::WorkflowTaskScheduled).next(),
            ),
            Target::Last => (
                ids(EventType::WorkflowTaskCompleted).next_back(),
                ids(EventType::WorkflowTaskScheduled).next(),
            ),
            Target::Event(event_id) => return Ok(*event_id),
            Target::BuildId(build_id, current_run_only) => {
                let points = run
                    .describe(now)
                    .workflow_execution_info
                    .and_then(|info| info.auto_reset_points);
                let points = points.unwrap_or_default().points;
                let point = points.into_iter().find(|point| point.build_id == *build_id);
                let point = point
                    .filter(|point| point.resettable)
                    .ok_or_else(|| Reject::NotFound(format!("Can't find reset point for {build_id}")))?;
                let execution = request.workflow_execution.get_or_insert_default();
                if *current_run_only && execution.run_id != point.run_id {
                    return Err(Reject::InvalidArgument(format!(
                        "Reset point for {build_id} points to previous run and CurrentRunOnly is set"
                    )));
                }
                execution.run_id = point.run_id;
                return Ok(point.first_workflow_task_completed_id);
            }
        };
        completed
            .or_else(|| Some(scheduled? + 1))
            .ok_or_else(|| Reject::InvalidArgument("unable to find any scheduled or completed task".to_owned()))
    }

    /// The workflow's first task: it schedules its activity, which begins at once.
    fn begin_activity(&mut self, now: Timestamp, run: RunRef, batch: &mut Batch) -> Result<(), Reject> {
        let second = |seconds: u64| Some(proto_duration(std::time::Duration::from_secs(seconds)));
        let schedule = command::ScheduleActivityTaskCommandAttributes {
            activity_id: ACTIVITY_ID.to_owned(),
            activity_type: Some(common::ActivityType {
                name: batch::ACTIVITY_TYPE.to_owned(),
            }),
            task_queue: Some(TaskQueue {
                name: batch::TASK_QUEUE.to_owned(),
                ..Default::default()
            }),
            schedule_to_start_timeout: second(5 * 60),
            start_to_close_timeout: second(20 * 365 * 24 * 60 * 60),
            heartbeat_timeout: second(10),
            retry_policy: Some(common::RetryPolicy {
                initial_interval: second(10),
                backoff_coefficient: 1.7,
                maximum_interval: second(5 * 60),
                ..Default::default()
            }),
            input: Some(input(&batch.request)),
            ..Default::default()
        };
        self.complete_task(
            now,
            run,
            &batch.worker,
            vec![C::ScheduleActivityTaskCommandAttributes(schedule)],
        )?;
        let scheduled = self
            .runs
            .get(run)
            .and_then(|run| run.machines.activities.keys().next().copied());
        batch.scheduled_event_id = scheduled.unwrap_or_default();
        self.with_run(now, run, |run, context| {
            run.start_activity(
                context,
                batch.scheduled_event_id,
                1,
                &batch.worker,
                &StartingWorker::default(),
            )
        });
        Ok(())
    }

    /// The activity has done its work; the workflow leaves the numbers in its memo.
    fn finish_batch(&mut self, now: Timestamp, run: RunRef, batch: &Batch) -> Result<(), Reject> {
        let details = batch.progress.details();
        let completed = wire::RespondActivityTaskCompletedRequest {
            task_token: activity_token(run, batch),
            result: Some(details.clone()),
            identity: batch.worker.clone(),
            ..Default::default()
        };
        self.ask(now, "RespondActivityTaskCompleted", &completed)?;
        let memo = command::ModifyWorkflowPropertiesCommandAttributes {
            upserted_memo: Some(common::Memo {
                fields: [(batch::STATS_MEMO.to_owned(), batch.progress.stats())].into(),
            }),
        };
        let complete = command::CompleteWorkflowExecutionCommandAttributes { result: Some(details) };
        self.complete_task(
            now,
            run,
            &batch.worker,
            vec![
                C::ModifyWorkflowPropertiesCommandAttributes(memo),
                C::CompleteWorkflowExecutionCommandAttributes(complete),
            ],
        )
    }

    /// The query can't be carried out: activity and workflow fail.
    fn fail_batch(&mut self, now: Timestamp, run: RunRef, batch: &Batch, reject: &Reject) -> Result<(), Reject> {
        let cause = Failure {
            message: reject.message(),
            source: "GoSDK".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: "InvalidArgument".to_owned(),
                non_retryable: true,
                ..Default::default()
            })),
            ..Default::default()
        };
        let failed = wire::RespondActivityTaskFailedRequest {
            task_token: activity_token(run, batch),
            failure: Some(cause.clone()),
            identity: batch.worker.clone(),
            ..Default::default()
        };
        self.ask(now, "RespondActivityTaskFailed", &failed)?;
        let failure = Failure {
            message: "activity error".to_owned(),
            source: "GoSDK".to_owned(),
            cause: Some(Box::new(cause)),
            failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
                scheduled_event_id: batch.scheduled_event_id,
                started_event_id: batch.scheduled_event_id + 1,
                identity: batch.worker.clone(),
                activity_type: Some(common::ActivityType {
                    name: batch::ACTIVITY_TYPE.to_owned(),
                }),
                activity_id: ACTIVITY_ID.to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let fail = command::FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
        self.complete_task(
            now,
            run,
            &batch.worker,
            vec![C::FailWorkflowExecutionCommandAttributes(fail)],
        )
    }

    /// Takes the batch's workflow task and answers it.
    fn complete_task(&mut self, now: Timestamp, run: RunRef, worker: &str, commands: Vec<C>) -> Result<(), Reject> {
        let scheduled = self
            .runs
            .get(run)
            .map(|run| run.machines.workflow_task.scheduled_event_id())
            .unwrap_or_default();
        self.with_run(now, run, |run, context| {
            run.start_workflow_task(context, scheduled, worker, None, StartingWorker::default())
        });
        let Some(task) = self.runs.get(run).map(|run| &run.machines.workflow_task) else {
            return Err(Reject::workflow_completed());
        };
        let token = TaskToken::Workflow {
            run,
            scheduled_event_id: task.scheduled_event_id(),
            started_event_id: task.started_event_id(),
            attempt: task.attempt(),
        };
        let completed = wire::RespondWorkflowTaskCompletedRequest {
            task_token: token.encode(),
            identity: worker.to_owned(),
            commands: commands
                .into_iter()
                .map(|attributes| command::Command {
                    command_type: type_of(&attributes) as i32,
                    attributes: Some(attributes),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        self.ask(now, "RespondWorkflowTaskCompleted", &completed)?;
        self.deliver_mail(now);
        Ok(())
    }

    fn ask(&mut self, now: Timestamp, method: &str, request: &impl Message) -> Result<(), Reject> {
        self.ask_encoded(now, method, &request.encode_to_vec())
    }

    /// Makes a call of the server's own, and lets happen what follows from it.
    fn ask_encoded(&mut self, now: Timestamp, method: &str, request: &[u8]) -> Result<(), Reject> {
        let call = Call {
            now,
            ticket: OWN,
            connection: OWN,
            service: SERVICE,
            method,
        };
        let answer = rpc::serve(self, call, request);
        self.deliver_mail(now);
        answer.map(|_| ())
    }
}

/// The type of a command that a batch's workflow gives.
fn type_of(attributes: &C) -> CommandType {
    match attributes {
        C::ScheduleActivityTaskCommandAttributes(_) => CommandType::ScheduleActivityTask,
        C::ModifyWorkflowPropertiesCommandAttributes(_) => CommandType::ModifyWorkflowProperties,
        C::CompleteWorkflowExecutionCommandAttributes(_) => CommandType::CompleteWorkflowExecution,
        C::FailWorkflowExecutionCommandAttributes(_) => CommandType::FailWorkflowExecution,
        _ => CommandType::Unspecified,
    }
}

fn activity_token(run: RunRef, batch: &Batch) -> Vec<u8> {
    TaskToken::Activity {
        run,
        scheduled_event_id: batch.scheduled_event_id,
        attempt: 1,
    }
    .encode()
}

/// What the workflow and its activity get.
pub(crate) fn input(request: &wire::StartBatchOperationRequest) -> common::Payloads {
    let payload = common::Payload {
        metadata: [
            ("encoding".to_owned(), b"binary/protobuf".to_vec()),
            (
                "messageType".to_owned(),
                b"temporal.api.workflowservice.v1.StartBatchOperationRequest".to_vec(),
            ),
        ]
        .into(),
        data: request.encode_to_vec(),
        ..Default::default()
    };
    common::Payloads {
        payloads: vec![payload],
    }
}
