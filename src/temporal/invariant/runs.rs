//! Runs: their histories, their machines, and the ways to find them.

use temporalio_protos::temporal::api::enums::v1::{EventType, WorkflowExecutionStatus as Status};

use super::Violations;
use crate::temporal::batch::TASK_QUEUE;
use crate::temporal::engine::Engine;
use crate::temporal::history::is_close;
use crate::temporal::machine::timer::UserTimer;
use crate::temporal::machine::workflow_task::State;
use crate::temporal::matching::Task;
use crate::temporal::run::Run;
use crate::temporal::timer::{NexusTimer, Timer};

pub(super) fn check(engine: &Engine, violations: &mut Violations) {
    violations.unless(engine.runs.is_consistent(), || {
        "runs aren't found by their ids, or ids lead nowhere".to_owned()
    });
    violations.unless(engine.knows_who_keeps_failing(), || {
        "a workflow task keeps failing and isn't known for it, or the other way round".to_owned()
    });
    for namespace in engine.namespaces.iter() {
        for run_id in engine.visibility.run_ids(&namespace.name) {
            let is_open = engine.visibility.status(&namespace.name, run_id) == Some(Status::Running);
            let mut schedules = engine.schedules.iter();
            let mut activities = engine.standalones.iter();
            let mut operations = engine.nexus.operations.iter();
            let exists = engine.runs.by_run_id(run_id).is_some()
                || schedules.any(|schedule| schedule.run_id == run_id)
                || activities.any(|activity| activity.run_id() == run_id)
                || operations.any(|operation| operation.start().run_id == run_id);
            violations.unless(exists || !is_open, || {
                format!("lists show run {run_id}, which isn't there")
            });
        }
    }
    for run in engine.runs.iter() {
        let mut of_run = Violations::default();
        history(run, &mut of_run);
        findable(engine, run, &mut of_run);
        run.check(&mut of_run);
        match run.is_running() {
            true => open(engine, run, &mut of_run),
            false => closed(run, &mut of_run),
        }
        let name = format!("workflow {} ({:?})", run.start.workflow_id, run.run);
        violations
            .0
            .extend(of_run.0.into_iter().map(|what| format!("{name}: {what}")));
    }
}

fn history(run: &Run, violations: &mut Violations) {
    let events = run.log.events();
    let is_gapless = events.iter().zip(1..).all(|(event, id)| event.event_id == id);
    violations.unless(is_gapless, || "its event ids have gaps".to_owned());
    let first = events.first().map(|event| event.event_type());
    violations.unless(first == Some(EventType::WorkflowExecutionStarted), || {
        format!("its history begins with {first:?}")
    });
    let ends = events.iter().filter(|event| is_close(event.event_type())).count();
    violations.unless(ends == usize::from(!run.is_running()), || {
        format!("it is {:?} with {ends} closing events", run.status)
    });
    violations.unless(run.log.close_event().is_some() != run.is_running(), || {
        format!("it is {:?}, but its history ends otherwise", run.status)
    });
    violations.unless(run.log.is_batch_end(run.log.last_event_id()), || {
        "its last step wasn't written to the end".to_owned()
    });
    let may_hold_back = run.is_running() && run.machines.workflow_task.is_started();
    violations.unless(may_hold_back || !run.log.has_held_back(), || {
        "it holds back events, and for no workflow task".to_owned()
    });
}

fn findable(engine: &Engine, run: &Run, violations: &mut Violations) {
    let start = &run.start;
    violations.unless(engine.namespaces.get(&start.namespace).is_some(), || {
        format!("its namespace {} isn't there", start.namespace)
    });
    let current = engine.runs.current(&start.namespace, &start.workflow_id);
    let is_current = current.is_some_and(|current| current.run == run.run);
    violations.unless(is_current || !run.is_running(), || {
        "it runs, and isn't its workflow's latest run".to_owned()
    });
    let shown = engine.visibility.status(&start.namespace, &start.run_id);
    let is_shown = shown == Some(run.status) || engine.is_to_be_listed(run.run);
    violations.unless(is_shown, || format!("it is {:?}, and lists show {shown:?}", run.status));
}

fn closed(run: &Run, violations: &mut Violations) {
    let machines = &run.machines;
    let left = [
        ("a workflow task", machines.workflow_task.is_pending()),
        ("activities", !machines.activities.is_empty()),
        ("timers", !machines.timers.is_empty()),
        ("children", !machines.children.is_empty()),
        ("signals or cancellations", !machines.externals.is_empty()),
        ("nexus operations", !machines.nexus_operations.is_empty()),
    ];
    for (what, is_left) in left {
        violations.unless(!is_left, || format!("it is closed and has {what}"));
    }
}

fn open(engine: &Engine, run: &Run, violations: &mut Violations) {
    let of = run.run;
    let is_set = |timer| engine.timers.is_set(timer);
    let task = &run.machines.workflow_task;
    let has_clock = task.state() != State::Started || is_set(Timer::WorkflowTaskStartToClose(of));
    violations.unless(has_clock, || {
        "its workflow task is started and has no timeout".to_owned()
    });
    let is_queued = |wanted: &dyn Fn(&Task) -> bool| engine.matching.backlog().any(|(_, task, _)| wanted(task));
    // The server's own worker doesn't poll, and a task that met a worker of another version comes again when that is settled.
    let sticky = task.sticky().map(|sticky| sticky.queue.as_str());
    let is_servers_own = [Some(run.start.task_queue.as_str()), sticky].contains(&Some(TASK_QUEUE));
    let is_elsewhere = is_servers_own || run.is_versioned();
    let event = task.scheduled_event_id();
    // A worker's own queue may have dropped it after ResetStickyTaskQueue; then its clock sends it to the others.
    let is_between_queues = task.sticky().is_none() && is_set(Timer::WorkflowTaskScheduleToStart(of));
    let waits = task.state() != State::Scheduled
        || is_elsewhere
        || is_between_queues
        || is_queued(
            &|task| matches!(task, Task::Workflow { run, scheduled_event_id, .. } if *run == of && *scheduled_event_id == event),
        );
    violations.unless(waits, || "its workflow task is scheduled and in no queue".to_owned());
    let is_waiting = run.is_in_first_task_backoff();
    violations.unless(!is_waiting || is_set(Timer::FirstWorkflowTask(of)), || {
        "it waits for its first workflow task without a timer".to_owned()
    });
    for id in run.machines.timers.iter().map(UserTimer::started_event_id) {
        violations.unless(is_set(Timer::User(of, id)), || format!("its timer {id} never fires"));
    }
    for (id, activity) in &run.machines.activities {
        for (clock, runs) in activity.clocks() {
            violations.unless(is_set(Timer::Activity(of, *id, clock)) == runs, || {
                format!("its activity {id}: the clock {clock:?} should run: {runs}")
            });
        }
        let has_limit = activity.clocks().any(|(_, runs)| runs);
        violations.unless(!activity.is_started() || activity.is_paused() || has_limit, || {
            format!("its activity {id} is started and has no timeout")
        });
        let attempt = activity.attempt();
        let waits = !activity.is_scheduled(attempt)
            || activity.is_held_back()
            || is_elsewhere
            || is_queued(&|task| {
                matches!(task, Task::Activity { run, scheduled_event_id, attempt: of_task, .. }
                if *run == of && scheduled_event_id == id && *of_task == attempt)
            });
        violations.unless(waits, || format!("its activity {id} is scheduled and in no queue"));
    }
    for (id, operation) in &run.machines.nexus_operations {
        let backs_off = operation.is_backing_off();
        violations.unless(
            is_set(Timer::NexusOperation(of, *id, NexusTimer::Retry)) == backs_off,
            || format!("its nexus operation {id} backs off: {backs_off}, and its timer says otherwise"),
        );
    }
}
