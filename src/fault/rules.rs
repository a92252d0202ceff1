//! The rules in force: which are armed, which strikes what comes by, and how often each has fired.

use super::matching::{CallMatch, RequestMatch, TaskKind, TaskMatch, fits, fits_path};
use super::rule::{Fault, Rule};
use crate::clock::Timestamp;
use crate::moment::{Happening, Moment, MomentKind};

/// Names a rule in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(crate) u64);

impl RuleId {
    /// Its number: rules are counted from 1.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A rule and what has become of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActiveRule {
    /// By which it can be taken away.
    pub id: RuleId,
    /// What it says.
    pub rule: Rule,
    /// How often it has fired.
    pub fired: u32,
    /// Whether its moment has come, if it has one.
    pub is_armed: bool,
    /// How many of its moments have been.
    moments: u32,
    /// How many of what it is for have come by since it was armed.
    passed: u32,
}

impl ActiveRule {
    /// Whether it may still do something.
    pub fn is_spent(&self) -> bool {
        self.fired >= self.rule.times
    }

    /// Counts one of what the rule is for. Gives whether the rule strikes it.
    fn strikes(&mut self, nth: Option<u32>) -> bool {
        self.passed = self.passed.saturating_add(1);
        let strikes = self.passed >= nth.unwrap_or(1) && !self.is_spent();
        self.fired += u32::from(strikes);
        strikes
    }
}

/// A gRPC call that comes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallInfo<'a> {
    pub(crate) rpc: &'a str,
    /// The identity of the worker whose connection it is; empty if it is a client's.
    pub(crate) worker: &'a str,
}

/// A task that comes by on its way to a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskInfo<'a> {
    pub(crate) kind: TaskKind,
    pub(crate) worker: &'a str,
    pub(crate) workflow: &'a str,
    pub(crate) activity: &'a str,
}

/// A request to the awaithumans server that comes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestInfo<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
}

/// All rules in force, oldest first: of those that strike the same thing the oldest wins.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<ActiveRule>,
    set: u64,
}

impl Rules {
    /// All rules in force, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &ActiveRule> {
        self.rules.iter()
    }

    /// The rules that haven't fired.
    pub fn unfired(&self) -> impl Iterator<Item = &ActiveRule> {
        self.rules.iter().filter(|active| active.fired == 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Sets a rule. One that waits for a moment isn't armed yet.
    pub(crate) fn add(&mut self, rule: Rule) -> RuleId {
        self.set += 1;
        let id = RuleId(self.set);
        let is_armed = rule.when.is_none();
        self.rules.push(ActiveRule {
            id,
            rule,
            fired: 0,
            is_armed,
            moments: 0,
            passed: 0,
        });
        id
    }

    /// Takes a rule away. Gives it, if it was there.
    pub(crate) fn remove(&mut self, id: RuleId) -> Option<ActiveRule> {
        let place = self.rules.iter().position(|active| active.id == id)?;
        Some(self.rules.remove(place))
    }

    /// Nothing goes wrong any more: rules that haven't fired won't, and those that go on stop.
    pub(crate) fn disarm_all(&mut self) {
        for active in &mut self.rules {
            active.is_armed = false;
            active.rule.times = active.rule.times.min(active.fired);
        }
    }

    pub(crate) fn get_mut(&mut self, id: RuleId) -> Option<&mut ActiveRule> {
        self.rules.iter_mut().find(|active| active.id == id)
    }

    /// The rules whose moment this is, and how long after it they are meant.
    pub(crate) fn on_happening(&mut self, happening: &Happening) -> Vec<RuleId> {
        let mut due = Vec::new();
        for active in &mut self.rules {
            let Some(moment) = active.rule.when.as_ref().and_then(|when| when.moment()) else {
                continue;
            };
            if active.is_spent() || !moment.matches(happening) {
                continue;
            }
            active.moments = active.moments.saturating_add(1);
            // An event happens at each of its moments until it is spent; anything else is armed once.
            let is_due = active.moments >= moment.nth && (active.rule.fault.is_an_event() || !active.is_armed);
            if is_due {
                due.push(active.id);
            }
        }
        due
    }

    /// Whether some rule waits for events of histories.
    pub(crate) fn watches_history(&self) -> bool {
        let watches = |moment: Option<Moment>| moment.is_some_and(|moment| moment.kind == MomentKind::HistoryEvent);
        self.rules.iter().any(|active| {
            let until = match &active.rule.fault {
                Fault::HoldWebhook { until, .. } | Fault::HoldClock { until } => until.moment(),
                _ => None,
            };
            watches(active.rule.when.as_ref().and_then(|when| when.moment())) || watches(until)
        })
    }

    pub(crate) fn on_call(&mut self, call: CallInfo<'_>) -> Option<(RuleId, Fault)> {
        let is_meant =
            |wanted: &CallMatch| fits(wanted.rpc.as_ref(), call.rpc) && fits(wanted.worker.as_ref(), call.worker);
        self.first_strike(|fault| match fault {
            Fault::FailCall { call, .. } | Fault::LoseReply { call, .. } | Fault::DelayCall { call, .. } => {
                is_meant(call).then_some(call.nth)
            }
            Fault::CrashWorkerBefore { call: wanted, .. } | Fault::CrashWorkerAfter { call: wanted, .. } => {
                (!call.worker.is_empty() && is_meant(wanted)).then_some(wanted.nth)
            }
            Fault::SlowWorker { worker, .. } => {
                let answers = call.rpc.starts_with("Respond") && !call.worker.is_empty();
                (answers && fits(worker.as_ref(), call.worker)).then_some(None)
            }
            _ => None,
        })
    }

    pub(crate) fn on_task(&mut self, task: TaskInfo<'_>) -> Option<(RuleId, Fault)> {
        let is_meant = |wanted: &TaskMatch| {
            wanted.kind.is_none_or(|kind| kind == task.kind)
                && fits(wanted.worker.as_ref(), task.worker)
                && fits(wanted.workflow.as_ref(), task.workflow)
                && fits(wanted.activity.as_ref(), task.activity)
        };
        self.first_strike(|fault| match fault {
            Fault::DropTask { task } => is_meant(task).then_some(task.nth),
            Fault::DuplicateTask { task: wanted } => {
                (task.kind == TaskKind::Activity && is_meant(wanted)).then_some(wanted.nth)
            }
            _ => None,
        })
    }

    /// A queue has several tasks and one is to go out.
    pub(crate) fn on_choice(&mut self, task_queue: &str) -> Option<(RuleId, Fault)> {
        self.first_strike(|fault| match fault {
            Fault::ReorderTasks { task_queue: wanted } => fits(wanted.as_ref(), task_queue).then_some(None),
            _ => None,
        })
    }

    pub(crate) fn on_request(&mut self, request: RequestInfo<'_>) -> Option<(RuleId, Fault)> {
        let is_meant = |wanted: &RequestMatch| {
            fits(wanted.method.as_ref(), request.method) && fits_path(wanted.path.as_ref(), request.path)
        };
        self.first_strike(|fault| match fault {
            Fault::FailDatabase { request: wanted, .. } => {
                (is_meant(wanted) && needs_database(request.path)).then_some(wanted.nth)
            }
            Fault::FailRequest { request, .. }
            | Fault::LoseResponse { request }
            | Fault::DelayRequest { request, .. } => is_meant(request).then_some(request.nth),
            _ => None,
        })
    }

    pub(crate) fn on_webhook(&mut self, key: &str) -> Option<(RuleId, Fault)> {
        self.first_strike(|fault| {
            let wanted = fault.webhook()?;
            fits(wanted.key.as_ref(), key).then_some(wanted.nth)
        })
    }

    /// Lets every armed rule count what comes by, if it is one of its own. The first that strikes wins.
    fn first_strike(&mut self, is_meant: impl Fn(&Fault) -> Option<Option<u32>>) -> Option<(RuleId, Fault)> {
        let mut winner: Option<(RuleId, Fault)> = None;
        for active in self
            .rules
            .iter_mut()
            .filter(|active| active.is_armed && !active.is_spent())
        {
            let Some(nth) = is_meant(&active.rule.fault) else {
                continue;
            };
            if winner.is_some() {
                // It has come by, but another rule has it.
                active.passed = active
                    .passed
                    .saturating_add(u32::from(active.passed + 1 < nth.unwrap_or(1)));
                continue;
            }
            if active.strikes(nth) {
                winner = Some((active.id, active.rule.fault.clone()));
            }
        }
        winner
    }
}

/// Whether a real server looks into its database for a request there. Source: the routes that have no session among their dependencies.
fn needs_database(path: &str) -> bool {
    !matches!(path, "/api/health" | "/api/version")
}

/// Something that waits for a moment, and counts.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<T> {
    moment: Moment,
    seen: u32,
    pub(crate) what: T,
}

impl<T> Waiting<T> {
    pub(crate) fn new(moment: Moment, what: T) -> Self {
        Self { moment, seen: 0, what }
    }

    /// What it waits for.
    pub(crate) fn moment(&self) -> &Moment {
        &self.moment
    }

    /// Counts; gives whether it is the moment.
    pub(crate) fn has_come(&mut self, happening: &Happening) -> bool {
        if self.moment.matches(happening) {
            self.seen = self.seen.saturating_add(1);
        }
        self.seen >= self.moment.nth
    }
}

/// When a time of a plan is: counted from the start of the world.
pub(crate) fn time_of(rule: &Rule, started_at: Timestamp) -> Option<Timestamp> {
    let when = rule.when.as_ref()?;
    let at = when.at?;
    Some(started_at + at.get() + when.after.unwrap_or_default().get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Code, When};

    fn fail(rpc: &str, nth: u32) -> Rule {
        Rule::new(Fault::FailCall {
            call: CallMatch::rpc(rpc).nth(nth),
            code: Code::Unavailable,
        })
    }

    fn call<'a>(rpc: &'a str, worker: &'a str) -> CallInfo<'a> {
        CallInfo { rpc, worker }
    }

    #[test]
    fn the_nth_call_is_struck_and_no_other() {
        let mut rules = Rules::default();
        rules.add(fail("SignalWorkflowExecution", 2));
        let struck: Vec<bool> = (0..4)
            .map(|_| rules.on_call(call("SignalWorkflowExecution", "")).is_some())
            .collect();
        assert_eq!(struck, [false, true, false, false]);
        assert!(rules.on_call(call("GetSystemInfo", "")).is_none());
    }

    #[test]
    fn the_oldest_rule_wins_and_the_other_keeps_its_turn() {
        let mut rules = Rules::default();
        let first = rules.add(fail("SignalWorkflowExecution", 1));
        let second = rules.add(fail("SignalWorkflowExecution", 1));
        let mut winners = Vec::new();
        while let Some((id, _)) = rules.on_call(call("SignalWorkflowExecution", "")) {
            winners.push(id);
        }
        assert_eq!(winners, [first, second]);
    }

    #[test]
    fn a_rule_waits_for_its_moment() {
        let mut rules = Rules::default();
        let moment = Moment::of_kind(MomentKind::TaskCreated).nth(2);
        let id = rules.add(fail("SignalWorkflowExecution", 1).when(moment));
        let created = Happening::new(MomentKind::TaskCreated, "a", "");
        assert!(rules.on_call(call("SignalWorkflowExecution", "")).is_none());
        assert_eq!(rules.on_happening(&created), []);
        assert_eq!(rules.on_happening(&created), [id]);
        rules.get_mut(id).unwrap().is_armed = true;
        assert!(rules.on_call(call("SignalWorkflowExecution", "")).is_some());
        assert_eq!(rules.unfired().count(), 0);
    }

    #[test]
    fn a_client_isnt_a_worker() {
        let mut rules = Rules::default();
        let rule = Fault::CrashWorkerBefore {
            call: CallMatch::default(),
            restart_after: None,
        };
        rules.add(Rule::new(rule));
        assert!(rules.on_call(call("StartWorkflowExecution", "")).is_none());
        assert!(
            rules
                .on_call(call("RespondWorkflowTaskCompleted", "worker-1"))
                .is_some()
        );
    }

    #[test]
    fn when_all_is_disarmed_nothing_strikes() {
        let mut rules = Rules::default();
        rules.add(fail("SignalWorkflowExecution", 1).times(5));
        assert!(rules.on_call(call("SignalWorkflowExecution", "")).is_some());
        rules.disarm_all();
        assert!(rules.on_call(call("SignalWorkflowExecution", "")).is_none());
        assert_eq!(rules.iter().next().map(|active| active.fired), Some(1));
    }

    #[test]
    fn times_are_counted_from_the_start() {
        let rule = fail("X", 1).when(When::at(std::time::Duration::from_secs(5)));
        let start = Timestamp::from_seconds(100);
        assert_eq!(time_of(&rule, start), Some(Timestamp::from_seconds(105)));
    }
}
