//! No timer without the thing that it is for, and nothing that waits for time without a timer.

use super::Violations;
use crate::temporal::engine::{Engine, ParkedAt};
use crate::temporal::machine::nexus_operation::NexusOperation;
use crate::temporal::machine::workflow_task::State;
use crate::temporal::run::{Run, RunRef};
use crate::temporal::timer::{NexusTimer, Timer};

pub(super) fn check(engine: &Engine, violations: &mut Violations) {
    violations.unless(engine.timers.is_consistent(), || {
        "the timers by name aren't those by deadline".to_owned()
    });
    for timer in engine.timers.iter() {
        violations.unless(has_owner(engine, timer), || format!("{timer:?} is nobody's"));
    }
    let is_held_back = engine.matching.next_release().is_some();
    violations.unless(engine.timers.is_set(Timer::RateLimit) == is_held_back, || {
        "queues that are held back wait for nothing".to_owned()
    });
    for run in engine.batches.keys() {
        let is_set = engine.timers.is_set(Timer::Batch(*run));
        violations.unless(is_set, || format!("the batch of {run:?} waits for nothing"));
    }
    for child in engine.parent_ends.keys() {
        let is_set = engine.timers.is_set(Timer::ParentEnd(*child));
        violations.unless(is_set, || {
            format!("the end of the parent of {child:?} waits for nothing")
        });
    }
    for number in engine.nexus.requests.numbers() {
        let is_set = engine.timers.is_set(Timer::NexusRequest(number));
        violations.unless(is_set, || format!("nexus request {number} has no deadline"));
    }
    for activity in engine.standalones.iter() {
        for (clock, runs) in activity.clocks() {
            let timer = Timer::Standalone(activity.activity(), clock);
            violations.unless(engine.timers.is_set(timer) == runs, || {
                format!("{timer:?} should {}be set", if runs { "" } else { "not " })
            });
        }
    }
    for operation in engine.nexus.operations.iter() {
        for (clock, runs) in operation.clocks() {
            let timer = Timer::StandaloneNexusOperation(operation.name(), clock);
            violations.unless(engine.timers.is_set(timer) == runs, || {
                format!("{timer:?} should {}be set", if runs { "" } else { "not " })
            });
        }
    }
}

fn has_owner(engine: &Engine, timer: Timer) -> bool {
    let run = |run: RunRef| engine.runs.get(run);
    let open = |of: RunRef| run(of).filter(|run| run.is_running());
    let task = |of: RunRef| open(of).map(|run| run.machines.workflow_task.state());
    let operation = |of: RunRef, id: i64| open(of).and_then(|run| run.machines.nexus_operations.get(&id));
    match timer {
        Timer::WorkflowExecutionTimeout(of) | Timer::WorkflowRunTimeout(of) => open(of).is_some(),
        Timer::FirstWorkflowTask(of) => open(of).is_some_and(Run::is_in_first_task_backoff),
        Timer::WorkflowTaskStartToClose(of) => task(of) == Some(State::Started),
        Timer::WorkflowTaskScheduleToStart(of) => task(of) == Some(State::Scheduled),
        Timer::QueryScheduleToStart(of) => run(of).is_some_and(|run| !run.machines.queries.is_empty()),
        Timer::FastForward(of) => open(of).is_some_and(|run| run.time_skipping.is_some()),
        Timer::ParentEnd(of) => engine.parent_ends.contains_key(&of),
        Timer::Batch(of) => engine.batches.contains_key(&of),
        Timer::User(of, id) => open(of).is_some_and(|run| run.machines.timers.contains(id)),
        Timer::Activity(of, id, _) => open(of).is_some_and(|run| run.machines.activities.contains_key(&id)),
        Timer::Schedule(of) => engine.schedules.get(of).is_some_and(|schedule| schedule.is_open()),
        Timer::NexusOperation(of, id, NexusTimer::CancelRetry) => {
            operation(of, id).is_some_and(|operation| operation.cancellation.is_some())
        }
        Timer::NexusOperation(of, id, _) => {
            operation(of, id).is_some_and(|operation| !NexusOperation::is_closed(operation))
        }
        Timer::NexusRequest(number) => engine.nexus.requests.get(number).is_some(),
        Timer::Callback(of, index) => run(of).is_some_and(|run| run.machines.callbacks.get(index).is_some()),
        Timer::Standalone(of, _) => engine.standalones.get(of).is_some_and(|activity| !activity.is_closed()),
        Timer::StandaloneNexusOperation(of, _) => {
            let operation = engine.nexus.operations.get(of);
            operation.is_some_and(|operation| !operation.is_closed())
        }
        Timer::Sleep(ticket) => engine
            .parked
            .get(&ticket)
            .is_some_and(|parked| parked.at == ParkedAt::Sleep),
        Timer::RateLimit => engine.matching.next_release().is_some(),
    }
}
