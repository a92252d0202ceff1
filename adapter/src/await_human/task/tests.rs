use super::*;

#[derive(Serialize, JsonSchema)]
struct Payload {
    amount_usd: u32,
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
struct Decision {
    #[allow(dead_code)]
    approved: bool,
}

fn task() -> HumanTask<Decision> {
    HumanTask::new("Approve?", &Payload { amount_usd: 250 })
        .timeout(Duration::from_secs(900))
        .server_url("http://server")
        .callback_url("http://app/cb")
}

#[test]
fn the_range_of_the_timeout() {
    for (timeout, good) in [(59, false), (60, true), (2_592_000, true), (2_592_001, false)] {
        let prepared = task().timeout(Duration::from_secs(timeout)).prepare("k".to_owned());
        match prepared {
            Ok(question) => assert!(good && question.create.request.timeout_seconds == timeout),
            Err(error) => {
                assert!(!good);
                assert_eq!(error.error_type(), "TimeoutRangeError");
                assert_eq!(
                    error.to_string(),
                    format!(
                        "timeout_seconds must be between 60 (1 minute) and 2,592,000 (30 days). \
                         Got: {timeout}."
                    )
                );
            }
        }
    }
    let error = task().timeout(Duration::from_millis(60_500)).prepare("k".to_owned());
    assert_eq!(
        error.expect_err("a fraction").to_string(),
        "timeout_seconds: must be whole seconds"
    );
}

#[test]
fn what_is_wrong_names_its_field() {
    let missing = |task: HumanTask<Decision>| task.prepare("k".to_owned()).expect_err("invalid").to_string();
    assert!(missing(task().server_url("")).starts_with("server_url: "));
    assert!(missing(task().callback_url("")).starts_with("callback_url: "));
    let verifier = VerifierConfig::new("claude", "be strict").max_attempts(11);
    assert!(missing(task().verifier(verifier)).starts_with("verifier_config.max_attempts: "));
    for timeout in [Duration::ZERO, Duration::MAX] {
        let error = missing(task().create_activity_timeout(timeout));
        assert!(error.starts_with("create_activity_timeout: "), "{error}");
    }
    let payload = HumanTask::<Decision>::new("Approve?", &7u32)
        .timeout(Duration::from_secs(60))
        .server_url("s")
        .callback_url("c");
    assert!(missing(payload).starts_with("payload: "));
}

#[test]
fn every_form_of_assign_to_is_pythons() {
    for (assign_to, json) in [
        (AssignTo::from("a@b.c"), json!({"email": "a@b.c"})),
        (
            AssignTo::from(["a@b.c", "d@e.f"]),
            json!({"emails": ["a@b.c", "d@e.f"]}),
        ),
        (AssignTo::Pool("ops".to_owned()), json!({"pool": "ops"})),
        (
            AssignTo::Role {
                role: "cfo".to_owned(),
                access_level: None,
            },
            json!({"role": "cfo", "access_level": null}),
        ),
        (AssignTo::User("u1".to_owned()), json!({"user_id": "u1"})),
        (
            AssignTo::from(json!({"marketplace": true})),
            json!({"marketplace": true}),
        ),
    ] {
        let question = task().assign_to(assign_to).prepare("k".to_owned()).expect("valid");
        assert_eq!(question.create.request.assign_to, Some(json));
    }
}

#[test]
fn the_default_key_and_an_empty_one() {
    let key = |task: HumanTask<Decision>| {
        let question = task.prepare("temporal:w".to_owned()).expect("valid");
        question.create.request.idempotency_key
    };
    assert_eq!(key(task()), "temporal:w");
    assert_eq!(key(task().idempotency_key("")), "temporal:w");
    assert_eq!(key(task().idempotency_key("mine")), "mine");
}

#[test]
fn the_callback_names_the_workflow() {
    for (url, replace, result) in [
        ("http://app/cb", false, "http://app/cb?wf=a%2Fb%3Ac"),
        ("http://app/cb?x=1", false, "http://app/cb?x=1&wf=a%2Fb%3Ac"),
        ("http://app/cb?wf=mine", false, "http://app/cb?wf=mine"),
        ("http://app/cb?wf=mine&x=%20", true, "http://app/cb?x=%20&wf=a%2Fb%3Ac"),
        ("http://app/cb?wf#top", true, "http://app/cb?wf=a%2Fb%3Ac#top"),
        ("http://app/cb?wfx=1", true, "http://app/cb?wfx=1&wf=a%2Fb%3Ac"),
    ] {
        assert_eq!(with_workflow_parameter(url, "a/b:c", replace), result, "{url}");
    }
}

#[test]
fn a_question_survives_the_way_to_the_child() {
    let question = task()
        .api_key("secret")
        .notify(["slack:#ops"])
        .verifier(VerifierConfig::new("claude", "be strict"))
        .redact_payload(true)
        .create_activity_timeout(Duration::from_millis(1_500))
        .prepare("k".to_owned())
        .expect("valid");
    let json = serde_json::to_value(&question).expect("JSON");
    assert_eq!(json["create_activity_timeout_milliseconds"], 1500);
    assert_eq!(serde_json::from_value::<Question>(json).expect("a question"), question);
}
