//! What can't be as a scenario says it: times that are refused, faults that can never strike, lines of the script that never get a task.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::EventType;

use super::definition::Scenario;
use super::expect::Seen;
use super::person::{Does, Person};
use super::problem::{Problem, nearest};
use super::source::line_of;
use crate::fault::{FAULT_NAMES, Fault, Rule, TaskMatch, When};
use crate::human::Status;
use crate::moment::MomentKind;

/// The activities of the built-in workflow.
const ACTIVITIES: [&str; 2] = [awaithumans_temporal::CREATE_TASK_ACTIVITY, PAY_ACTIVITY];

/// The activity by which the built-in workflow pays.
pub(crate) const PAY_ACTIVITY: &str = "pay";

/// The task queue of the built-in workflow.
pub(crate) const TASK_QUEUE: &str = "approvals";

/// How a workflow can end, as [`MomentKind::WorkflowClosed`] says it.
const CLOSINGS: [&str; 6] = [
    "completed",
    "failed",
    "canceled",
    "terminated",
    "timed_out",
    "continued_as_new",
];

/// Everything that is wrong, in the order of the fields.
pub(super) fn problems(scenario: &Scenario, lines: &BTreeMap<String, usize>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if scenario.name.trim().is_empty() {
        problems.push(Problem::new(
            "name",
            "it is empty",
            "say in a few words what it is about",
        ));
    }
    for (field, what, fix) in scenario.workflow.problems() {
        problems.push(Problem::new(format!("workflow.{field}"), what, fix));
    }
    if !problems.is_empty() {
        // Names below are made from these.
        return problems;
    }
    let names = Names::of(scenario);
    for (place, person) in scenario.people.iter().enumerate() {
        let path = format!("people[{place}]");
        let before = scenario.people.get(..place).unwrap_or_default();
        problems.extend(never_acts(person, before, &path, lines));
        problems.extend(has_no_task(scenario, person, &path));
    }
    for (place, rule) in scenario.faults.iter().enumerate() {
        let path = format!("faults[{place}]");
        if let Err(why) = rule.check() {
            let (what, fix) = why
                .split_once("; ")
                .or_else(|| why.split_once(": "))
                .unwrap_or((&why, ""));
            problems.push(Problem::new(&path, format!("{rule}: {what}"), fix));
            continue;
        }
        if let Some(twin) = scenario.faults.iter().take(place).position(|before| before == rule) {
            let (what, fix) = twice(twin, "fault", lines, &format!("faults[{twin}]"));
            problems.push(Problem::new(&path, what, fix));
        }
        // What the user's own workflow calls its things nobody knows here.
        if scenario.workflow.workflow_type.is_none() {
            problems.extend(names.unknown_in(rule, &path));
        }
    }
    if !matches!(scenario.expect.workflows.len(), 0 | 1)
        && scenario.expect.workflows.len() != scenario.workflow.count as usize
    {
        let (said, count) = (scenario.expect.workflows.len(), scenario.workflow.count);
        let what = format!("{said} endings for {count} workflows");
        let fix = "say one, which counts for all, or one for each";
        problems.push(Problem::new("expect.workflows", what, fix));
    }
    problems
}

fn twice(twin: usize, what: &str, lines: &BTreeMap<String, usize>, path: &str) -> (String, &'static str) {
    let line = line_of(lines, path)
        .map(|line| format!(" on line {line}"))
        .unwrap_or_default();
    let what = format!("it is the same {what} as the one{line} (number {})", twin + 1);
    (what, "leave one out, and say how often by `times`")
}

/// A line after one that takes all its tasks.
fn never_acts(person: &Person, before: &[Person], path: &str, lines: &BTreeMap<String, usize>) -> Option<Problem> {
    if person.besides {
        return None;
    }
    let takes_all = |earlier: &Person| !earlier.besides && (earlier.task.is_any() || earlier.task == person.task);
    let place = before.iter().position(takes_all)?;
    let line = line_of(lines, &format!("people[{place}]"));
    let line = line.map(|line| format!(" on line {line}")).unwrap_or_default();
    let what = format!("“{person}” never gets a task: people[{place}]{line} takes them all");
    let fix = "move the more special one up, or write `besides = true` for a second person at the same task";
    Some(Problem::new(path, what, fix))
}

/// A line for tasks that nobody asks for, or that the verifier is to reject without one.
fn has_no_task(scenario: &Scenario, person: &Person, path: &str) -> Vec<Problem> {
    let workflow = &scenario.workflow;
    if workflow.workflow_type.is_some() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut unknown = |field: &str, wanted: Option<&String>, known: &[String]| {
        if let Some(wanted) = wanted.filter(|wanted| !known.contains(*wanted)) {
            let problem = no_such(&format!("{path}.task.{field}"), "no task has", wanted, known);
            problems.push(problem);
        }
    };
    unknown("key", person.task.key.as_ref(), &workflow.keys());
    unknown("title", person.task.title.as_ref(), &workflow.titles());
    let assignees: Vec<String> = workflow.assign_to.iter().cloned().collect();
    unknown("assignee", person.task.assignee.as_ref(), &assignees);
    if let Some(part) = &person.task.title_contains
        && !workflow.titles().iter().any(|title| title.contains(part.as_str()))
    {
        let what = format!("no task has {part:?} in its title");
        let fix = format!("the titles are: {}", workflow.titles().join(", "));
        problems.push(Problem::new(format!("{path}.task.title_contains"), what, fix));
    }
    let is_rejected = matches!(
        person.does,
        Does::RejectUntilExhausted | Does::CompleteAfterRejections { .. }
    );
    if is_rejected && workflow.verifier_attempts.is_none() {
        let what = "nobody can reject an answer: tasks have no verifier";
        let fix = "write verifier_attempts = 3 below [workflow]";
        problems.push(Problem::new(format!("{path}.does"), what, fix));
    }
    if let Does::CompleteAfterRejections { rejections, .. } = person.does
        && let Some(attempts) = workflow.verifier_attempts.filter(|attempts| *attempts <= rejections)
    {
        let what =
            format!("after {attempts} rejections the task is lost, so {rejections} can't be followed by an answer");
        let fix = "fewer rejections, or more verifier_attempts below [workflow]";
        problems.push(Problem::new(format!("{path}.does"), what, fix));
    }
    problems
}

fn no_such(path: &str, what: &str, wanted: &str, known: &[String]) -> Problem {
    let fix = match nearest(wanted, known.iter().map(String::as_str)) {
        Some(meant) => format!("write {meant:?}"),
        None if known.is_empty() => "leave it out: there is none".to_owned(),
        None => format!("there are: {}", known.join(", ")),
    };
    Problem::new(path, format!("{what} {wanted:?}, so it can never match"), fix)
}

/// How the parts of a built-in scenario are called.
struct Names {
    workflows: Vec<String>,
    keys: Vec<String>,
    workers: Vec<String>,
    activities: Vec<String>,
    queues: Vec<String>,
}

impl Names {
    fn of(scenario: &Scenario) -> Self {
        let workflow = &scenario.workflow;
        Self {
            workflows: workflow.ids().collect(),
            keys: workflow.keys(),
            workers: (1..=workflow.workers)
                .map(|number| format!("worker-{number}"))
                .collect(),
            activities: ACTIVITIES.map(str::to_owned).to_vec(),
            queues: vec![TASK_QUEUE.to_owned()],
        }
    }

    /// Names in a rule that nothing has.
    fn unknown_in(&self, rule: &Rule, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(when) = &rule.when {
            problems.extend(self.unknown_in_moment(when, &format!("{path}.when")));
        }
        let mut look = |field: &str, wanted: Option<&String>, known: &[String]| {
            if let Some(wanted) = wanted.filter(|wanted| !known.contains(*wanted)) {
                let path = format!("{path}.fault.{}.{field}", rule.fault.name());
                problems.push(no_such(&path, "there is no", wanted, known));
            }
        };
        match &rule.fault {
            Fault::FailCall { call, .. }
            | Fault::LoseReply { call, .. }
            | Fault::DelayCall { call, .. }
            | Fault::CrashWorkerBefore { call, .. }
            | Fault::CrashWorkerAfter { call, .. } => look("call.worker", call.worker.as_ref(), &self.workers),
            Fault::DropTask { task } | Fault::DuplicateTask { task } => {
                let TaskMatch {
                    worker,
                    workflow,
                    activity,
                    ..
                } = task;
                look("task.worker", worker.as_ref(), &self.workers);
                look("task.workflow", workflow.as_ref(), &self.workflows);
                look("task.activity", activity.as_ref(), &self.activities);
            }
            Fault::ReorderTasks { task_queue } => look("task_queue", task_queue.as_ref(), &self.queues),
            Fault::CrashWorker { worker, .. } | Fault::SlowWorker { worker, .. } => {
                look("worker", worker.as_ref(), &self.workers);
            }
            Fault::EvictWorkflow { workflow } => look("workflow", workflow.as_ref(), &self.workflows),
            Fault::HoldWebhook { until, webhook } => {
                look("webhook.key", webhook.key.as_ref(), &self.keys);
                problems.extend(self.unknown_in_moment(until, &format!("{path}.fault.hold_webhook.until")));
            }
            Fault::HoldClock { until } => {
                problems.extend(self.unknown_in_moment(until, &format!("{path}.fault.hold_clock.until")));
            }
            other => {
                let key = other.webhook().and_then(|webhook| webhook.key.as_ref());
                look("webhook.key", key, &self.keys);
            }
        }
        problems
    }

    fn unknown_in_moment(&self, when: &When, path: &str) -> Vec<Problem> {
        let Some(kind) = when.on else {
            return Vec::new();
        };
        let statuses = Status::ALL.into_iter().filter(|status| status.is_terminal());
        let statuses: Vec<String> = statuses.map(|status| status.as_str().to_owned()).collect();
        let faults = FAULT_NAMES.map(str::to_owned).to_vec();
        let closings = CLOSINGS.map(str::to_owned).to_vec();
        let known_event = |name: &str| EventType::from_str_name(&format!("EVENT_TYPE_{name}")).is_some();
        let of: &[String] = match kind {
            MomentKind::TaskCreated
            | MomentKind::AnswerRejected
            | MomentKind::TaskEnded
            | MomentKind::WebhookSent
            | MomentKind::WebhookAnswered => &self.keys,
            MomentKind::ActivityStarted
            | MomentKind::ActivityCompleted
            | MomentKind::ActivityFailed
            | MomentKind::ActivityTimedOut => &self.activities,
            MomentKind::WorkerStarted | MomentKind::WorkerCrashed => &self.workers,
            MomentKind::FaultFired => &faults,
            MomentKind::ServerStopped | MomentKind::ServerStarted => &[],
            _ => &self.workflows,
        };
        let mut problems = Vec::new();
        if let Some(wanted) = when.of.as_ref().filter(|wanted| !of.contains(*wanted)) {
            let what = format!("{} never comes of", kind.name());
            problems.push(no_such(&format!("{path}.of"), &what, wanted, of));
        }
        let details = match kind {
            MomentKind::TaskEnded => Some(statuses),
            MomentKind::WorkflowClosed => Some(closings),
            _ => None,
        };
        if let (Some(wanted), Some(known)) = (&when.detail, details)
            && !known.contains(wanted)
        {
            let what = format!("{} never says", kind.name());
            problems.push(no_such(&format!("{path}.detail"), &what, wanted, &known));
        }
        if let Some(wanted) = when
            .detail
            .as_ref()
            .filter(|wanted| kind == MomentKind::HistoryEvent && !known_event(wanted))
        {
            let what = format!("Temporal's histories have no event {wanted:?}");
            let fix = "write it as Temporal's API does, TIMER_STARTED say";
            problems.push(Problem::new(format!("{path}.detail"), what, fix));
        }
        problems
    }
}

/// The faults that never fired in a run: the scenario didn't try what it says.
pub(super) fn unfired(scenario: &Scenario, seen: &Seen) -> Vec<Problem> {
    let mut unfired = Vec::new();
    for (place, rule) in scenario.faults.iter().enumerate() {
        match seen.fired.get(place) {
            Some(0) => {}
            _ => continue,
        }
        let moment = rule.when.as_ref().and_then(When::moment);
        let came = |kind| seen.moments.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let (what, fix) = match moment {
            Some(moment) if came(moment.kind).is_empty() => {
                let what = format!("{rule} never fired: there was no {} at all", moment.kind.name());
                let seen: Vec<&str> = seen.moments.keys().map(|kind| kind.name()).collect();
                (what, format!("tie it to a moment that came: {}", seen.join(", ")))
            }
            Some(moment) if moment.kind != MomentKind::HistoryEvent => {
                let came = came(moment.kind);
                let what = format!(
                    "{rule} never fired, though {} came {} times",
                    moment.kind.name(),
                    came.len()
                );
                let mut of: Vec<&str> = came.iter().map(String::as_str).filter(|of| !of.is_empty()).collect();
                of.dedup();
                let fix = "compare `of`, `detail` and `nth` with what came";
                let of = if of.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", of.join(", "))
                };
                (
                    what,
                    format!("{fix}{of}, and what the fault is for with what came by after that"),
                )
            }
            _ => {
                let what = format!("{rule} never fired: nothing came by that it is for");
                (
                    what,
                    "compare what it asks for (rpc, worker, nth, …) with the timeline, or take it out".to_owned(),
                )
            }
        };
        unfired.push(Problem::new(format!("faults[{place}]"), what, fix));
    }
    unfired
}
