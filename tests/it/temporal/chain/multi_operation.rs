//! Update-with-start: one call that starts a workflow if need be, and updates it.

use awaithumans_testkit::Reject;
use prost::Message;
use temporalio_client::errors::{WorkflowStartError, WorkflowUpdateError, WorkflowUpdateWithStartError};
use temporalio_client::{WorkflowIdConflictPolicy as Conflict, WorkflowUpdateWithStartOptions};
use temporalio_common::protos::google::rpc::Status as RpcStatus;
use temporalio_common::protos::temporal::api::enums::v1::{
    UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowExecutionStatus as Status, WorkflowIdReusePolicy as Reuse,
};
use temporalio_common::protos::temporal::api::errordetails::v1::MultiOperationExecutionFailure;
use temporalio_common::protos::temporal::api::update::v1::WaitPolicy;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use temporalio_common::protos::temporal::api::workflowservice::v1::execute_multi_operation_response::response::Response;
use tonic::Code;

use super::super::script::{Script, Step};
use super::super::{QUEUE, kit, result, types};
use super::{Server, Spoil, accept_and_complete, finish, start, update_request};

type Answer = wire::ExecuteMultiOperationResponse;

fn request(operations: Vec<Operation>) -> wire::ExecuteMultiOperationRequest {
    wire::ExecuteMultiOperationRequest {
        namespace: "default".to_owned(),
        operations: operations
            .into_iter()
            .map(|operation| wire::execute_multi_operation_request::Operation {
                operation: Some(operation),
            })
            .collect(),
        ..Default::default()
    }
}

fn with_policy(id: &str, update_id: &str, policy: Conflict) -> wire::ExecuteMultiOperationRequest {
    let start = wire::StartWorkflowExecutionRequest {
        workflow_id_conflict_policy: policy as i32,
        request_id: format!("update-with-start of {id}"),
        ..start(id)
    };
    request(vec![
        Operation::StartWorkflow(start),
        Operation::UpdateWorkflow(update_request(id, update_id)),
    ])
}

fn parts(
    answer: Answer,
) -> (
    wire::StartWorkflowExecutionResponse,
    wire::UpdateWorkflowExecutionResponse,
) {
    let mut parts = answer.responses.into_iter().map(|part| part.response);
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(Response::StartWorkflow(start)), Some(Response::UpdateWorkflow(update))) => (start, update),
        other => panic!("{other:?}"),
    }
}

/// The code of the whole, and code and message of each operation.
fn statuses(reject: &Reject) -> (Code, Vec<(Code, String)>) {
    assert_eq!(reject.message(), "Update-with-Start could not be executed.");
    let status = RpcStatus::decode(reject.details().as_slice()).unwrap();
    let failure = MultiOperationExecutionFailure::decode(status.details[0].value.as_slice()).unwrap();
    for each in failure.statuses.iter().filter(|each| each.code == Code::Aborted as i32) {
        if each.message == "Operation was aborted." {
            let url = "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted";
            assert_eq!(each.details[0].type_url, url);
        }
    }
    let each = failure.statuses.into_iter().map(|it| (Code::from(it.code), it.message));
    (reject.code(), each.collect())
}

fn aborted() -> (Code, String) {
    (Code::Aborted, "Operation was aborted.".to_owned())
}

#[tokio::test]
async fn the_sdk_starts_and_updates_in_one_call_and_updates_a_run_that_is_there() {
    let (kit, _worker) = kit().await;
    let options = |policy| WorkflowUpdateWithStartOptions::new(QUEUE, "u", policy).build();
    let steps = || vec![Step::Notes(3)];
    let client = kit.client();
    let run = |policy, note: &str| {
        client.execute_update_with_start_workflow(Script::run, steps(), Script::add, note.to_owned(), options(policy))
    };
    assert_eq!(run(Conflict::Fail, "one").await.unwrap(), 1);
    assert_eq!(run(Conflict::UseExisting, "two").await.unwrap(), 2);
    match run(Conflict::UseExisting, "bad").await {
        Err(WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure))) => {
            assert!(failure.message.contains("a bad note"), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
    let handle = client.get_workflow_handle::<super::super::script::Run>("u");
    let run_id = handle
        .describe(Default::default())
        .await
        .unwrap()
        .raw()
        .workflow_execution_info
        .clone();
    let run_id = run_id.unwrap().execution.unwrap().run_id;
    match run(Conflict::Fail, "never").await {
        Err(WorkflowUpdateWithStartError::Start(WorkflowStartError::AlreadyStarted { run_id: Some(it), .. })) => {
            assert_eq!(it, run_id);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(run(Conflict::UseExisting, "three").await.unwrap(), 3);
    assert_eq!(result(&handle).await.unwrap(), ["one,two,three"]);
    let updates = types(&kit, "u");
    let completed = updates
        .iter()
        .filter(|it| **it == "WORKFLOW_EXECUTION_UPDATE_COMPLETED");
    assert_eq!(completed.count(), 3, "{updates:?}");
}

#[test]
fn a_new_run_says_so_and_a_run_that_is_there_too() {
    let mut server = Server::new();
    let ticket = server.send("ExecuteMultiOperation", &with_policy("u", "one", Conflict::Fail));
    assert!(server.answer::<Answer>(ticket).is_none(), "it waits for the update");
    let task = server.poll().expect("the run's first task");
    assert_eq!(task.messages.len(), 1, "the update is in it");
    server.respond(&task, vec![], accept_and_complete("one"));
    let (started, updated) = parts(server.answer(ticket).unwrap().unwrap());
    assert!(started.started);
    assert_eq!(started.first_execution_run_id, started.run_id);
    assert_eq!(started.status, Status::Running as i32);
    assert!(started.link.is_some());
    assert_eq!(updated.stage, Stage::Completed as i32);
    assert_eq!(
        updated.update_ref.unwrap().workflow_execution.unwrap().run_id,
        started.run_id
    );

    let ticket = server.send("ExecuteMultiOperation", &with_policy("u", "two", Conflict::UseExisting));
    let task = server.poll().expect("a task for the second update");
    server.respond(&task, vec![], accept_and_complete("two"));
    let (existing, updated) = parts(server.answer(ticket).unwrap().unwrap());
    assert_eq!(
        (existing.run_id.as_str(), existing.started),
        (started.run_id.as_str(), false)
    );
    assert_eq!(updated.stage, Stage::Completed as i32);

    // The update has completed: whatever the policies say, here is its outcome.
    let again: Answer = server
        .call("ExecuteMultiOperation", &with_policy("u", "two", Conflict::Fail))
        .unwrap();
    let (existing, updated) = parts(again);
    assert!(!existing.started);
    assert!(updated.outcome.is_some());
}

#[test]
fn the_request_id_of_the_start_and_the_update_id_count_once() {
    let mut server = Server::new();
    let first = server.send("ExecuteMultiOperation", &with_policy("u", "one", Conflict::Fail));
    let same_start = server.send("ExecuteMultiOperation", &with_policy("u", "one", Conflict::Fail));
    let mut other_start = with_policy("u", "one", Conflict::Fail);
    if let Some(Operation::StartWorkflow(start)) = &mut other_start.operations[0].operation {
        "another one".clone_into(&mut start.request_id);
    }
    let same_update = server.send("ExecuteMultiOperation", &other_start);
    let task = server.poll().unwrap();
    assert_eq!(task.messages.len(), 1);
    server.respond(&task, vec![], accept_and_complete("one"));
    let run_ids: Vec<(String, bool)> = [first, same_start, same_update]
        .map(|ticket| {
            let (start, _) = parts(server.answer(ticket).unwrap().unwrap());
            (start.run_id, start.started)
        })
        .into();
    assert!(run_ids.iter().all(|(run_id, _)| *run_id == run_ids[0].0));
    assert_eq!(run_ids.iter().map(|it| it.1).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn a_run_in_the_way_is_the_starts_error() {
    let mut server = Server::new();
    let run_id = server.start("u");
    let refused = server
        .call::<Answer>("ExecuteMultiOperation", &with_policy("u", "one", Conflict::Fail))
        .unwrap_err();
    let text = format!("Workflow execution is already running. WorkflowId: u, RunId: {run_id}.");
    assert_eq!(
        statuses(&refused),
        (Code::AlreadyExists, vec![(Code::AlreadyExists, text), aborted()])
    );
    // To terminate it is to start another one.
    let ticket = server.send(
        "ExecuteMultiOperation",
        &with_policy("u", "one", Conflict::TerminateExisting),
    );
    assert_eq!(
        server.types("u", &run_id).last(),
        Some(&"WORKFLOW_EXECUTION_TERMINATED")
    );
    let task = server.poll().unwrap();
    server.respond(&task, vec![], accept_and_complete("one"));
    let (started, _) = parts(server.answer(ticket).unwrap().unwrap());
    assert!(started.started && started.run_id != run_id);
}

#[test]
fn a_reuse_policy_that_refuses_is_the_starts_error() {
    let mut server = Server::new();
    server.start("u");
    server.work(vec![finish()]);
    let mut request = with_policy("u", "one", Conflict::Fail);
    if let Some(Operation::StartWorkflow(start)) = &mut request.operations[0].operation {
        start.workflow_id_reuse_policy = Reuse::RejectDuplicate as i32;
    }
    let refused = server.call::<Answer>("ExecuteMultiOperation", &request).unwrap_err();
    let (code, operations) = statuses(&refused);
    assert_eq!(code, Code::AlreadyExists);
    assert!(
        operations[0].1.contains("reject duplicate workflow Id"),
        "{operations:?}"
    );
    assert_eq!(operations[1], aborted());
}

#[test]
fn a_run_that_closes_under_the_update_is_tried_once_more() {
    let mut server = Server::new();
    let run_id = server.start("u");
    let task = server.poll().unwrap();
    let ticket = server.send("ExecuteMultiOperation", &with_policy("u", "one", Conflict::UseExisting));

    server.complete(&task, vec![finish()]);

    assert!(server.answer::<Answer>(ticket).is_none(), "another run gets the update");
    let task = server.poll().expect("that of a new run");
    assert_ne!(task.workflow_execution.clone().unwrap().run_id, run_id);
    server.respond(&task, vec![], accept_and_complete("one"));
    let (started, _) = parts(server.answer(ticket).unwrap().unwrap());
    assert!(started.started);
}

#[test]
fn a_started_run_that_closes_without_the_update_is_the_updates_error() {
    let mut server = Server::new();
    let ticket = server.send("ExecuteMultiOperation", &with_policy("u", "one", Conflict::Fail));
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: super::execution("u", ""),
        ..Default::default()
    };
    let _: wire::TerminateWorkflowExecutionResponse = server.call("TerminateWorkflowExecution", &request).unwrap();
    let refused = server.answer::<Answer>(ticket).unwrap().unwrap_err();
    let text = "workflow update was aborted by closing workflow".to_owned();
    assert_eq!(
        statuses(&refused),
        (Code::NotFound, vec![(Code::Ok, String::new()), (Code::NotFound, text)])
    );
}

#[test]
fn a_list_that_is_not_a_start_and_an_update_is_refused() {
    let mut server = Server::new();
    let (start, update) = (
        Operation::StartWorkflow(start("u")),
        Operation::UpdateWorkflow(update_request("u", "one")),
    );
    for operations in [
        vec![],
        vec![start.clone()],
        vec![update.clone(), start.clone()],
        vec![start.clone(), update.clone(), update],
        vec![start.clone(), start],
    ] {
        let refused = server
            .call::<Answer>("ExecuteMultiOperation", &request(operations))
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.message(), "Operations have to be exactly [Start, Update].");
    }
}

#[test]
fn what_is_wrong_with_one_operation_is_told_in_its_place() {
    let mut server = Server::new();
    type Start = wire::StartWorkflowExecutionRequest;
    type Update = wire::UpdateWorkflowExecutionRequest;
    let bad_starts: [(Spoil<Start>, &str); 4] = [
        (
            |it| "other".clone_into(&mut it.namespace),
            "Operation namespace did not match request's namespace.",
        ),
        (|it| it.workflow_id.clear(), "WorkflowId is not set on request."),
        (
            |it| it.request_eager_execution = true,
            "RequestEagerExecution is not supported.",
        ),
        (
            |it| it.workflow_start_delay = Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            "WorkflowStartDelay is not supported.",
        ),
    ];
    for (spoil, text) in bad_starts {
        let mut start = start("u");
        spoil(&mut start);
        let operations = vec![
            Operation::StartWorkflow(start),
            Operation::UpdateWorkflow(update_request("u", "one")),
        ];
        let refused = server
            .call::<Answer>("ExecuteMultiOperation", &request(operations))
            .unwrap_err();
        let expected = vec![(Code::InvalidArgument, text.to_owned()), aborted()];
        assert_eq!(statuses(&refused), (Code::InvalidArgument, expected));
    }
    let bad_updates: [(Spoil<Update>, Code, &str); 6] = [
        (
            |it| it.workflow_execution = super::execution("another", ""),
            Code::InvalidArgument,
            "WorkflowId is not consistent with previous operation(s).",
        ),
        (
            |it| "x".clone_into(&mut it.first_execution_run_id),
            Code::InvalidArgument,
            "FirstExecutionRunId is not allowed.",
        ),
        (
            |it| it.workflow_execution = super::execution("u", "00000000-0000-0000-0000-000000000000"),
            Code::InvalidArgument,
            "RunId is not allowed.",
        ),
        (
            |it| it.request.as_mut().unwrap().meta = None,
            Code::InvalidArgument,
            "Update meta is not set on request.",
        ),
        (
            |it| it.request.as_mut().unwrap().input.as_mut().unwrap().name.clear(),
            Code::InvalidArgument,
            "Update name is not set on request.",
        ),
        (
            |it| {
                it.wait_policy = Some(WaitPolicy {
                    lifecycle_stage: Stage::Admitted as i32,
                });
            },
            Code::PermissionDenied,
            "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.",
        ),
    ];
    for (spoil, code, text) in bad_updates {
        let mut update = update_request("u", "one");
        spoil(&mut update);
        let operations = vec![Operation::StartWorkflow(start("u")), Operation::UpdateWorkflow(update)];
        let refused = server
            .call::<Answer>("ExecuteMultiOperation", &request(operations))
            .unwrap_err();
        let expected = vec![aborted(), (code, text.to_owned())];
        assert_eq!(statuses(&refused), (code, expected));
    }
    assert!(server.try_describe("u", "").is_err(), "nothing has been started");
}
