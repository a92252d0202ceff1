//! Schedules.

use temporalio_common::protos::temporal::api::common::v1::WorkflowType;
use temporalio_common::protos::temporal::api::enums::v1::ScheduleOverlapPolicy;
use temporalio_common::protos::temporal::api::schedule::v1 as schedule;
use temporalio_common::protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, complete, seconds};

on_both_arms![
    schedule_triggered,
    schedule_paused_and_described,
    schedule_created_twice,
    schedule_specs_as_described,
    schedule_with_bad_specs,
];

fn creating(stage: &Stage<'_>, name: &str, spec: schedule::ScheduleSpec) -> wire::CreateScheduleRequest {
    wire::CreateScheduleRequest {
        namespace: NAMESPACE.to_owned(),
        schedule_id: stage.named(name),
        identity: "client".to_owned(),
        request_id: format!("create-{name}"),
        schedule: Some(schedule::Schedule {
            spec: Some(spec),
            action: Some(schedule::ScheduleAction {
                action: Some(schedule::schedule_action::Action::StartWorkflow(
                    NewWorkflowExecutionInfo {
                        workflow_id: stage.named("scheduled"),
                        workflow_type: Some(WorkflowType {
                            name: "shape".to_owned(),
                        }),
                        task_queue: stage.queue(),
                        ..Default::default()
                    },
                )),
            }),
            policies: None,
            state: None,
        }),
        ..Default::default()
    }
}

/// Years away, so that nothing happens by itself.
fn rarely() -> schedule::ScheduleSpec {
    schedule::ScheduleSpec {
        cron_string: vec!["0 0 29 2 *".to_owned()],
        ..Default::default()
    }
}

fn create(stage: &mut Stage<'_>, request: &wire::CreateScheduleRequest) {
    stage.call::<wire::CreateScheduleResponse>("CreateSchedule", request);
}

fn describe(stage: &mut Stage<'_>, name: &str) {
    let request = wire::DescribeScheduleRequest {
        namespace: NAMESPACE.to_owned(),
        schedule_id: stage.named(name),
    };
    stage.call::<wire::DescribeScheduleResponse>("DescribeSchedule", &request);
}

fn patch(stage: &mut Stage<'_>, name: &str, patch: schedule::SchedulePatch) {
    let request = wire::PatchScheduleRequest {
        namespace: NAMESPACE.to_owned(),
        schedule_id: stage.named(name),
        patch: Some(patch),
        identity: "client".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::PatchScheduleResponse>("PatchSchedule", &request);
}

fn delete(stage: &mut Stage<'_>, name: &str) {
    let request = wire::DeleteScheduleRequest {
        namespace: NAMESPACE.to_owned(),
        schedule_id: stage.named(name),
        identity: "client".to_owned(),
    };
    stage.call::<wire::DeleteScheduleResponse>("DeleteSchedule", &request);
}

/// The started workflow's id holds the time; its history isn't written down.
fn schedule_triggered(stage: &mut Stage<'_>) {
    let request = creating(stage, "s", rarely());
    create(stage, &request);
    let now = schedule::SchedulePatch {
        trigger_immediately: Some(schedule::TriggerImmediatelyRequest {
            overlap_policy: ScheduleOverlapPolicy::AllowAll as i32,
            ..Default::default()
        }),
        ..Default::default()
    };
    patch(stage, "s", now);
    let polling = stage.polling();
    let task: wire::PollWorkflowTaskQueueResponse = stage.look("PollWorkflowTaskQueue", &polling).unwrap_or_default();
    stage.answer(&task, vec![complete("1")]);
    stage.pass(2);
    delete(stage, "s");
}

fn schedule_paused_and_described(stage: &mut Stage<'_>) {
    let request = creating(stage, "s", rarely());
    create(stage, &request);
    describe(stage, "s");
    let pause = schedule::SchedulePatch {
        pause: "lunch".to_owned(),
        ..Default::default()
    };
    patch(stage, "s", pause);
    stage.pass(1);
    describe(stage, "s");
    let unpause = schedule::SchedulePatch {
        unpause: "back".to_owned(),
        ..Default::default()
    };
    patch(stage, "s", unpause);
    stage.pass(1);
    describe(stage, "s");
    delete(stage, "s");
    stage.pass(1);
    describe(stage, "s");
    delete(stage, "s");
}

fn schedule_created_twice(stage: &mut Stage<'_>) {
    let mut request = creating(stage, "s", rarely());
    create(stage, &request);
    create(stage, &request);
    request.request_id = "another".to_owned();
    create(stage, &request);
    delete(stage, "s");
}

fn schedule_specs_as_described(stage: &mut Stage<'_>) {
    for (index, text) in [
        "@every 87600h",
        "0 12 * * MON-FRI 2090",
        "CRON_TZ=Europe/Berlin 15 3 1 1 * 2091",
        "@yearly",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("s{index}");
        let spec = schedule::ScheduleSpec {
            cron_string: vec![text.to_owned()],
            ..Default::default()
        };
        let request = creating(stage, &name, spec);
        create(stage, &request);
        describe(stage, &name);
        delete(stage, &name);
    }
}

fn schedule_with_bad_specs(stage: &mut Stage<'_>) {
    let cron = |text: &str| schedule::ScheduleSpec {
        cron_string: vec![text.to_owned()],
        ..Default::default()
    };
    let interval = |every, phase| schedule::ScheduleSpec {
        interval: vec![schedule::IntervalSpec {
            interval: seconds(every),
            phase: seconds(phase),
        }],
        ..Default::default()
    };
    let bad = [
        cron("nonsense"),
        cron("61 * * * *"),
        cron("CRON_TZ=Nowhere/Here * * * * *"),
        interval(0, 0),
        interval(10, 20),
        schedule::ScheduleSpec {
            timezone_name: "Nowhere/Here".to_owned(),
            ..rarely()
        },
    ];
    for spec in bad {
        let request = creating(stage, "bad", spec);
        create(stage, &request);
    }
    let mut nothing = creating(stage, "bad", rarely());
    nothing.schedule = None;
    create(stage, &nothing);
    let mut nameless = creating(stage, "bad", rarely());
    nameless.schedule_id.clear();
    create(stage, &nameless);
    describe(stage, "unknown");
    patch(stage, "unknown", schedule::SchedulePatch::default());
}
