//! Every call that waits is known where it waits, and every task that somebody is waited for is one that is at work.

use super::Violations;
use crate::temporal::engine::{Engine, HandKey, Parked, ParkedAt};
use crate::temporal::run::RunRef;
use crate::temporal::txn::Ticket;

pub(super) fn check(engine: &Engine, violations: &mut Violations) {
    for (ticket, parked) in &engine.parked {
        violations.unless(is_known(engine, *ticket, parked), || {
            format!("call {ticket} is parked at {:?}, which doesn't know it", parked.at)
        });
    }
    waiters_are_parked(engine, violations);
    for (key, hand) in &engine.hands {
        violations.unless(is_at_work(engine, key), || {
            format!("{} is waited for with {key:?}, which isn't at work", hand.identity)
        });
    }
    schedules(engine, violations);
}

fn is_known(engine: &Engine, ticket: Ticket, parked: &Parked) -> bool {
    let run = |of: RunRef| engine.runs.get(of);
    match parked.at {
        ParkedAt::Queue => engine.matching.has_poll(ticket),
        ParkedAt::History { run: of, .. } => run(of).is_some_and(|run| run.history_waiters.contains(&ticket)),
        ParkedAt::Update(of) => run(of).is_some_and(|run| {
            let mut updates = run.machines.updates.values();
            updates.any(|update| update.tickets().any(|waiter| waiter == ticket))
        }),
        ParkedAt::Query(of) => run(of).is_some_and(|run| {
            let mut queries = run.machines.queries.values();
            queries.any(|query| query.ticket == ticket)
        }),
        ParkedAt::ActivityOutcome(of) | ParkedAt::ActivityChange(of) => engine
            .standalones
            .get(of)
            .is_some_and(|activity| activity.waiters.iter().any(|(waiter, _)| *waiter == ticket)),
        ParkedAt::OperationStage(of) | ParkedAt::OperationChange(of) => engine
            .nexus
            .operations
            .get(of)
            .is_some_and(|operation| operation.waiters.iter().any(|(waiter, _)| *waiter == ticket)),
        ParkedAt::FastForward => engine.fast_forward_waits.has(ticket),
        ParkedAt::Sleep => engine.time_locks.is_asleep(ticket),
    }
}

fn waiters_are_parked(engine: &Engine, violations: &mut Violations) {
    let mut parked = |ticket: Ticket, place: &str, is_there: fn(&ParkedAt) -> bool| {
        let at = engine.parked.get(&ticket).map(|parked| &parked.at);
        violations.unless(at.is_some_and(is_there), || {
            format!("{place} has call {ticket} waiting, which is parked at {at:?}")
        });
    };
    for ticket in engine.matching.polls() {
        parked(ticket, "a queue", |at| matches!(at, ParkedAt::Queue));
    }
    for run in engine.runs.iter() {
        for ticket in &run.history_waiters {
            parked(*ticket, "a history", |at| matches!(at, ParkedAt::History { .. }));
        }
        for ticket in run.machines.updates.values().flat_map(|update| update.tickets()) {
            parked(ticket, "an update", |at| matches!(at, ParkedAt::Update(_)));
        }
        for query in run.machines.queries.values() {
            parked(query.ticket, "a query", |at| matches!(at, ParkedAt::Query(_)));
        }
    }
    for (ticket, _) in engine.standalones.iter().flat_map(|activity| &activity.waiters) {
        parked(*ticket, "an activity", |at| {
            matches!(at, ParkedAt::ActivityOutcome(_) | ParkedAt::ActivityChange(_))
        });
    }
    for (ticket, _) in engine.nexus.operations.iter().flat_map(|operation| &operation.waiters) {
        parked(*ticket, "a nexus operation", |at| {
            matches!(at, ParkedAt::OperationStage(_) | ParkedAt::OperationChange(_))
        });
    }
    for ticket in engine.retryable.keys() {
        parked(*ticket, "an update-with-start", |at| matches!(at, ParkedAt::Update(_)));
    }
}

fn is_at_work(engine: &Engine, key: &HandKey) -> bool {
    match key {
        HandKey::Workflow(run) => engine
            .runs
            .get(*run)
            .is_some_and(|run| run.machines.workflow_task.is_started()),
        HandKey::Activity(run, id, attempt) => engine
            .runs
            .get(*run)
            .and_then(|run| run.machines.activities.get(id))
            .is_some_and(|activity| activity.is_started() && activity.attempt() == *attempt),
        // Its client may have gone away; the worker doesn't know.
        HandKey::Query(run, _) => engine.runs.get(*run).is_some(),
        HandKey::Nexus(number) => engine.nexus.requests.get(*number).is_some(),
        HandKey::Standalone(activity, attempt) => engine
            .standalones
            .get(*activity)
            .is_some_and(|activity| activity.is_in_progress() && activity.attempt() == *attempt),
    }
}

fn schedules(engine: &Engine, violations: &mut Violations) {
    for schedule in engine.schedules.iter() {
        let id = &schedule.schedule_id;
        violations.unless(engine.namespaces.get(&schedule.namespace).is_some(), || {
            format!(
                "schedule {id} is in namespace {}, which isn't there",
                schedule.namespace
            )
        });
        let watched = schedule.watching.as_ref().filter(|_| schedule.is_open());
        violations.unless(
            watched.is_none_or(|execution| engine.schedules.is_watched(&execution.run_id)),
            || format!("schedule {id} waits for the end of {watched:?} and nobody tells it"),
        );
    }
}
