//! Fault rules by the control API: how they are set and seen, and what they do to real clients, workers and receivers over TCP.

use std::time::Duration;

use awaithumans_testkit::serve::{Ready, Time};
use axum::routing::post;
use bytes::Bytes;
use serde_json::{Value, json};
use temporalio_client::{WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tonic::Code;

use super::control::{advance, control, create, human};
use super::workflow::execution;
use super::{client, queue, raw, served, spawn};
use crate::temporal::script::{Script, Step, Task, Work, Works};

const QUEUE: &str = "struck";

/// What the real server answers when it doesn't know what happened to it (transcripts 02 and 21 of the recording).
const INTERNAL_ERROR: &str = "{\"error\":\"INTERNAL_ERROR\",\"message\":\"An unexpected error occurred.\",\
                              \"docs\":\"https://docs.awaithumans.dev/troubleshooting#internal-error\"}";

/// Sets a rule; gives its id.
async fn set(ready: &Ready, rule: &Value) -> u64 {
    let (status, set) = control(ready, "POST", "/faults", &rule.to_string()).await;
    assert_eq!(status, 201, "{set}");
    set["id"].as_u64().unwrap()
}

async fn fired(ready: &Ready, id: u64) -> u64 {
    let (_, all) = control(ready, "GET", "/faults", "").await;
    let rules = all["faults"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == id).unwrap();
    rule["fired"].as_u64().unwrap()
}

async fn start(ready: &Ready, workflow_id: &str) -> Result<(), tonic::Status> {
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "any".to_owned() }),
        task_queue: queue(QUEUE),
        request_id: workflow_id.to_owned(),
        ..Default::default()
    };
    raw(ready).await.start_workflow_execution(start).await.map(|_| ())
}

/// A request as a worker makes it, which waits for a minute.
fn patient<T>(request: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(request);
    request.set_timeout(Duration::from_secs(60));
    request
}

fn workflow_poll() -> tonic::Request<wire::PollWorkflowTaskQueueRequest> {
    patient(wire::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(QUEUE),
        identity: "sloth".to_owned(),
        ..Default::default()
    })
}

#[tokio::test]
async fn rules_are_set_seen_and_taken_away() {
    let ready = served(Time::Manual).await;
    let stop = json!({"fault": {"stop_server": {"for": "1h"}}, "when": {"at": "10m"}});
    let lose =
        json!({"fault": {"lose_webhook": {"webhook": {}}}, "when": {"on": "task_created", "nth": 2}, "times": 3});
    let (_, first) = control(&ready, "POST", "/faults", &stop.to_string()).await;
    assert_eq!(
        first,
        json!({"id": 1, "text": "stop_server at 10m", "fired": 0, "armed": false, "rule": stop})
    );
    assert_eq!(set(&ready, &lose).await, 2);
    assert_eq!(set(&ready, &json!({"fault": "restart_server"})).await, 3);

    create(&ready, "a", &json!({})).await;
    create(&ready, "b", &json!({})).await;
    advance(&ready, 600).await;
    let (_, all) = control(&ready, "GET", "/faults", "").await;
    let seen = |place: usize, field: &str| all["faults"][place][field].clone();
    assert_eq!((seen(0, "fired"), seen(0, "armed")), (json!(1), json!(false)), "{all}");
    assert_eq!((seen(1, "fired"), seen(1, "armed")), (json!(0), json!(true)), "{all}");
    assert_eq!((seen(2, "fired"), seen(2, "armed")), (json!(1), json!(false)), "{all}");
    assert_eq!(seen(1, "rule"), lose);

    let (status, removed) = control(&ready, "DELETE", "/faults/1", "").await;
    assert_eq!((status, &removed["fired"]), (200, &json!(1)), "{removed}");
    let (status, removed) = control(&ready, "DELETE", "/faults", "").await;
    assert_eq!(
        (status, removed["removed"].as_array().map(Vec::len)),
        (200, Some(2)),
        "{removed}"
    );
    assert_eq!(
        control(&ready, "GET", "/faults", "").await,
        (200, json!({"faults": []}))
    );
    // What has gone wrong isn't mended: the server comes back when it was to.
    advance(&ready, 3_600).await;
    create(&ready, "c", &json!({})).await;

    for id in ["1", "0", "4", "-1", "x", "99999999999999999999"] {
        let (status, refused) = control(&ready, "DELETE", &format!("/faults/{id}"), "").await;
        assert_eq!((status, &refused["error"]), (404, &json!("FAULT_NOT_FOUND")), "{id}");
        assert_eq!(refused["field"], "id");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_place_and_nothing_is_set() {
    let ready = served(Time::Manual).await;
    let refused = async |rule: Value| control(&ready, "POST", "/faults", &rule.to_string()).await;
    for (rule, status, error, field, message) in [
        (
            json!({"fault": {"crash_worker": {"restart_afer": "1h"}}}),
            422,
            "INVALID_FIELD",
            json!("fault.crash_worker.restart_afer"),
            "unknown field `restart_afer`",
        ),
        (
            json!({"fault": {"crash_wroker": {}}}),
            422,
            "INVALID_FIELD",
            json!("fault"),
            "unknown variant `crash_wroker`",
        ),
        (
            json!({"fault": {"stop_server": {"for": "-1h"}}}),
            422,
            "INVALID_FIELD",
            json!("fault.stop_server.for"),
            "negative",
        ),
        (
            json!({"fault": {"fail_database": {"how": "deadlock"}}}),
            422,
            "INVALID_FIELD",
            json!("fault.fail_database.how"),
            "pool_exhausted",
        ),
        (json!({}), 422, "INVALID_FIELD", json!("fault"), "missing field"),
        (
            json!({"fault": {"fail_call": {"call": {"rpc": "SignalWorkflow"}}}}),
            422,
            "IMPOSSIBLE_RULE",
            Value::Null,
            "no RPC \"SignalWorkflow\"",
        ),
        (
            json!({"fault": "restart_server", "times": 0}),
            422,
            "IMPOSSIBLE_RULE",
            Value::Null,
            "leave `times` out",
        ),
        (
            json!({"fault": {"receiver_crashes": {}}}),
            501,
            "NOT_OVER_NETWORK",
            Value::Null,
            "receiver_crashes",
        ),
    ] {
        let (seen, problem) = refused(rule.clone()).await;
        assert_eq!((seen, &problem["error"]), (status, &json!(error)), "{rule}: {problem}");
        assert_eq!(problem["field"], field, "{rule}: {problem}");
        assert!(
            problem["message"].as_str().unwrap().contains(message),
            "{rule}: {problem}"
        );
        assert!(!problem["fix"].as_str().unwrap().is_empty());
    }
    assert_eq!(control(&ready, "GET", "/faults", "").await.1, json!({"faults": []}));
}

#[tokio::test]
async fn there_is_an_end_to_rules() {
    let ready = served(Time::Manual).await;
    let rule = json!({"fault": {"lose_webhook": {}}}).to_string();
    for _ in 0..1_000 {
        assert_eq!(control(&ready, "POST", "/faults", &rule).await.0, 201);
    }
    let (status, refused) = control(&ready, "POST", "/faults", &rule).await;
    assert_eq!((status, &refused["error"]), (409, &json!("TOO_MANY_FAULTS")));
    control(&ready, "DELETE", "/faults/1", "").await;
    assert_eq!(control(&ready, "POST", "/faults", &rule).await.0, 201);
}

#[tokio::test]
async fn the_connection_of_a_killed_worker_closes_and_its_task_is_nobodys() {
    let ready = served(Time::Manual).await;
    let call = json!({"rpc": "RespondWorkflowTaskCompleted", "worker": "sloth"});
    let id = set(&ready, &json!({"fault": {"crash_worker_before": {"call": call}}})).await;
    start(&ready, "w").await.unwrap();
    let mut worker = raw(&ready).await;
    let task = worker.poll_workflow_task_queue(workflow_poll()).await.unwrap();
    // A poll that is parked breaks off too, and so does whatever else the worker has under way.
    let mut other = worker.clone();
    let parked = spawn(async move { other.poll_workflow_task_queue(workflow_poll()).await });
    let done = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.into_inner().task_token,
        ..Default::default()
    };
    worker.respond_workflow_task_completed(done.clone()).await.unwrap_err();
    parked.await.unwrap().unwrap_err();
    assert_eq!(fired(&ready, id).await, 1);

    let events = async || {
        let request = wire::GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: execution("w"),
            ..Default::default()
        };
        let history = raw(&ready).await.get_workflow_execution_history(request).await.unwrap();
        let events = history.into_inner().history.unwrap().events;
        events.iter().map(|event| event.event_type()).collect::<Vec<_>>()
    };
    assert!(!events().await.contains(&EventType::WorkflowTaskCompleted));
    // Nobody is at work any more: the task times out by virtual time, and goes to the next worker.
    advance(&ready, 10).await;
    assert!(events().await.contains(&EventType::WorkflowTaskTimedOut));
    let mut next = raw(&ready).await;
    let again = next
        .poll_workflow_task_queue(workflow_poll())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.attempt, 2);
}

#[tokio::test]
async fn a_worker_of_the_sdk_connects_again_and_its_answer_counts() {
    let ready = served(Time::Real).await;
    let call = json!({"rpc": "RespondActivityTaskCompleted"});
    let id = set(
        &ready,
        &json!({"fault": {"crash_worker_before": {"call": call, "restart_after": "1h"}}}),
    )
    .await;
    let client = client(&ready).await;
    let sdk = RuntimeOptions::builder().heartbeat_interval(None).build().unwrap();
    let sdk = Runtime::from_current_tokio(sdk).unwrap();
    let options = WorkerOptions::new(QUEUE)
        .deployment_options(WorkerDeploymentOptions::from_build_id("tests".to_owned()))
        .register_workflow::<Script>()
        .expect("it is registered once")
        .register_activities(Works)
        .build();
    let mut worker = Worker::new(&sdk, client.clone(), options).unwrap();
    let shut_down = worker.shutdown_handle();
    let test = async {
        let mut task = Task::new(Work::Attempt);
        // Along with a workflow task it would come by no queue, but it may: the fault strikes its answer.
        task.eager = true;
        let options = WorkflowStartOptions::new(QUEUE, "struck").build();
        let handle = client
            .start_workflow(Script::run, vec![Step::Activity(task)], options)
            .await
            .unwrap();
        let lines = handle.get_result(WorkflowGetResultOptions::default()).await.unwrap();
        shut_down();
        lines
    };
    let (ran, lines) = tokio::join!(worker.run(), test);
    ran.unwrap();
    assert_eq!(lines, ["attempt 1"]);
    assert_eq!(fired(&ready, id).await, 1);
}

#[tokio::test]
async fn a_caller_that_doesnt_try_again_keeps_nobody_waiting() {
    let ready = served(Time::Manual).await;
    let fault = json!({"fail_call": {"call": {"rpc": "StartWorkflowExecution"}, "code": "UNAVAILABLE"}});
    set(&ready, &json!({"fault": fault})).await;
    let refused = start(&ready, "w").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    advance(&ready, 60).await;
    start(&ready, "w").await.unwrap();
}

#[tokio::test]
async fn a_call_arrives_when_its_delay_is_over_by_the_servers_clock() {
    for time in [Time::Manual, Time::Real] {
        let ready = served(time).await;
        let by = if time == Time::Manual { "1h" } else { "10ms" };
        let fault = json!({"delay_call": {"call": {"rpc": "StartWorkflowExecution"}, "by": by}});
        let id = set(&ready, &json!({"fault": fault})).await;
        let started = spawn({
            let ready = ready.clone();
            async move { start(&ready, "w").await }
        });
        if time == Time::Manual {
            while fired(&ready, id).await == 0 {
                tokio::task::yield_now().await;
            }
            assert!(!started.is_finished());
            advance(&ready, 3_600).await;
        }
        started.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_activitys_task_goes_out_a_second_time() {
    let ready = served(Time::Manual).await;
    let id = set(
        &ready,
        &json!({"fault": {"duplicate_task": {"task": {"kind": "activity"}}}}),
    )
    .await;
    let start = wire::StartActivityExecutionRequest {
        namespace: "default".to_owned(),
        request_id: "1".to_owned(),
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: queue(QUEUE),
        start_to_close_timeout: Some(Duration::from_secs(60).try_into().unwrap()),
        ..Default::default()
    };
    let mut worker = raw(&ready).await;
    worker.start_activity_execution(start).await.unwrap();
    let poll = || {
        patient(wire::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue(QUEUE),
            identity: "sloth".to_owned(),
            ..Default::default()
        })
    };
    let done = |task: wire::PollActivityTaskQueueResponse| wire::RespondActivityTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        ..Default::default()
    };
    let first = worker.poll_activity_task_queue(poll()).await.unwrap().into_inner();
    worker
        .respond_activity_task_completed(done(first.clone()))
        .await
        .unwrap();
    let second = worker.poll_activity_task_queue(poll()).await.unwrap().into_inner();
    assert_eq!(second.task_token, first.task_token);
    assert_eq!(fired(&ready, id).await, 1);
    let refused = worker.respond_activity_task_completed(done(second)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    advance(&ready, 60).await;
}

/// A receiver of webhooks; the query and the body of each come out of the channel.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (sender, received) = mpsc::unbounded_channel();
    let route = post(move |uri: http::Uri, body: Bytes| async move {
        let query = uri.query().unwrap_or_default().to_owned();
        sender.send((query, body)).unwrap();
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback?wf=w", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, axum::Router::new().route("/callback", route)).await });
    (url, received)
}

#[tokio::test]
async fn webhooks_are_lost_repeated_and_led_astray() {
    let ready = served(Time::Manual).await;
    let (url, mut received) = receiver().await;
    set(
        &ready,
        &json!({"fault": {"lose_webhook": {"webhook": {"key": "lost"}}}}),
    )
    .await;
    set(
        &ready,
        &json!({"fault": {"repeat_webhook": {"webhook": {"key": "twice"}, "after": "3d"}}}),
    )
    .await;
    set(
        &ready,
        &json!({"fault": {"misdirect_webhook": {"webhook": {"key": "astray"}, "workflow": "x"}}}),
    )
    .await;
    let mut arrived = async |key: &str, seconds: u64| {
        create(&ready, key, &json!({"callback_url": url})).await;
        advance(&ready, seconds).await;
        let mut all = Vec::new();
        while let Ok(one) = received.try_recv() {
            all.push(one);
        }
        all
    };
    // The first attempt is lost, and its sender gives up after ten seconds.
    assert_eq!(arrived("lost", 70).await, []);
    let again = arrived("astray", 300).await;
    let queries: Vec<&str> = again.iter().map(|(query, _)| query.as_str()).collect();
    assert_eq!(
        queries,
        ["wf=w", "wf=x"],
        "the lost one's second attempt, then the other"
    );
    let twice = arrived("twice", 4 * 86_400).await;
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0], twice[1]);
    for id in 1..=3 {
        assert_eq!(fired(&ready, id).await, 1, "rule {id}");
    }
}

#[tokio::test]
async fn requests_fail_as_those_of_a_real_server_under_load_do() {
    let ready = served(Time::Manual).await;
    let task = json!({
        "task": "Refund?", "payload": {}, "payload_schema": {}, "response_schema": {}, "timeout_seconds": 900,
        "idempotency_key": "k",
    });
    let request = json!({"method": "POST", "path": "/api/tasks"});
    set(
        &ready,
        &json!({"fault": {"fail_database": {"how": "locked", "request": {"method": "GET"}}}}),
    )
    .await;
    let (status, _) = human(&ready, "GET", "/api/health", &Value::Null).await;
    assert_eq!(status, 200, "it needs no database");
    control(&ready, "DELETE", "/faults", "").await;
    for (how, seconds) in [("pool_exhausted", 30), ("locked", 5)] {
        let id = set(
            &ready,
            &json!({"fault": {"fail_database": {"request": request, "how": how}}}),
        )
        .await;
        let asked = spawn({
            let (ready, task) = (ready.clone(), task.clone());
            async move { human(&ready, "POST", "/api/tasks", &task).await }
        });
        while fired(&ready, id).await == 0 {
            tokio::task::yield_now().await;
        }
        advance(&ready, seconds - 1).await;
        assert!(!asked.is_finished(), "{how}");
        advance(&ready, 1).await;
        let (status, body) = asked.await.unwrap();
        assert_eq!((status, body.to_string()), (500, sorted(INTERNAL_ERROR)), "{how}");
    }
    set(
        &ready,
        &json!({"fault": {"fail_request": {"request": request, "status": 503}}}),
    )
    .await;
    let (status, _) = super::control::ask_awaithumans(&ready, "POST", "/api/tasks", &task.to_string()).await;
    assert_eq!(status, 503);
    let (_, tasks) = human(&ready, "GET", "/api/tasks", &Value::Null).await;
    assert_eq!(tasks.as_array().map(Vec::len), Some(0), "{tasks}");
}

fn sorted(json: &str) -> String {
    serde_json::from_str::<Value>(json).unwrap().to_string()
}

#[tokio::test]
async fn a_response_that_is_lost_leaves_its_task_and_a_closed_connection() {
    let ready = served(Time::Manual).await;
    set(
        &ready,
        &json!({"fault": {"lose_response": {"request": {"path": "/api/tasks"}}}}),
    )
    .await;
    let body = "{\"task\": \"Refund?\", \"payload\": {}, \"payload_schema\": {}, \"response_schema\": {}, \
                \"timeout_seconds\": 900, \"idempotency_key\": \"k\"}";
    let request = format!(
        "POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        ready.admin_token,
        body.len()
    );
    let address = ready.awaithumans.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "");
    let (_, tasks) = human(&ready, "GET", "/api/tasks", &Value::Null).await;
    assert_eq!(tasks[0]["idempotency_key"], "k", "{tasks}");
}

#[tokio::test]
async fn a_clock_that_a_fault_holds_says_so_and_goes_on_without_it() {
    for time in [Time::Manual, Time::Real] {
        let ready = served(time).await;
        let hold = json!({"fault": {"hold_clock": {"until": {"on": "task_created"}}}});
        let first = set(&ready, &hold).await;
        let (_, clock) = control(&ready, "GET", "/clock", "").await;
        assert_eq!(
            clock["held_by"][0]["reason"],
            json!("fault rule 1 (hold_clock) until task_created"),
            "{clock}"
        );
        let (status, held) = control(&ready, "POST", "/clock/advance", "{\"seconds\": 1}").await;
        assert_eq!((status, &held["error"]), (409, &json!("TIME_HELD")), "{held}");
        assert_eq!(held["now"], clock["now"]);
        // Its moment ends it, and so does taking it away.
        create(&ready, "k", &json!({})).await;
        advance(&ready, 1).await;
        control(&ready, "DELETE", &format!("/faults/{first}"), "").await;
        let second = set(&ready, &hold).await;
        assert_eq!(
            control(&ready, "POST", "/clock/advance", "{\"seconds\": 1}").await.0,
            409
        );
        control(&ready, "DELETE", &format!("/faults/{second}"), "").await;
        advance(&ready, 1).await;
    }
}

#[tokio::test]
async fn on_real_time_a_clock_that_has_jumped_goes_on_from_there() {
    let ready = served(Time::Real).await;
    let now = async || {
        control(&ready, "GET", "/clock", "").await.1["now"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = now().await;
    set(&ready, &json!({"fault": {"jump_clock": {"by": "400d"}}})).await;
    let after = now().await;
    assert_ne!(before[..4], after[..4], "{before} {after}");
    while now().await == after {
        tokio::task::yield_now().await;
    }
}
