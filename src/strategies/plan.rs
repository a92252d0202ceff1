//! Plans by chance: what people do and what goes wrong, in the words of the domain. They shrink over their steps and over time.

use proptest::prelude::*;
use proptest::sample::select;

use crate::fault::{
    CallMatch, Code, FAULT_NAMES, Fault, RequestMatch, Rule, Span, TaskKind, TaskMatch, WebhookMatch, When,
};
use crate::moment::{Moment, MomentKind};
use crate::scenario::{Does, Person, Plan};

/// What plans are made of.
///
/// ```
/// use awaithumans_testkit::strategies::{PlanOptions, plan};
/// use proptest::prelude::*;
///
/// let options = PlanOptions::default().answers([serde_json::json!({"approved": true})]);
/// proptest!(|(plan in plan(&options))| {
///     prop_assert_eq!(plan.check(), Ok(()));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct PlanOptions {
    answers: Vec<serde_json::Value>,
    workflows: Vec<String>,
    faults: Vec<&'static str>,
    max_people: usize,
    max_faults: usize,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            answers: vec![
                serde_json::json!({"approved": true}),
                serde_json::json!({"approved": false}),
            ],
            workflows: Vec::new(),
            faults: planned().collect(),
            max_people: 2,
            max_faults: 5,
        }
    }
}

impl PlanOptions {
    /// What people may answer: objects that fit the response's schema. The first is the simplest.
    #[must_use]
    pub fn answers(mut self, answers: impl IntoIterator<Item = serde_json::Value>) -> Self {
        self.answers = answers.into_iter().collect();
        self
    }

    /// The workflows that webhooks may be misdirected to; without any, none is.
    #[must_use]
    pub fn workflows(mut self, workflows: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.workflows = workflows.into_iter().map(Into::into).collect();
        self
    }

    /// Only faults of these names, such as `crash_worker`.
    ///
    /// # Panics
    /// If a name is none that plans can be made of.
    #[must_use]
    #[track_caller]
    pub fn only_faults<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let known = |name: &str| planned().find(|planned| *planned == name);
        self.faults = names
            .into_iter()
            .map(|name| {
                let all = || planned().collect::<Vec<_>>();
                known(name).unwrap_or_else(|| panic!("plans have no fault {name:?}; they have {:?}", all()))
            })
            .collect();
        self
    }

    /// At most so many people; at least one is there.
    #[must_use]
    pub fn max_people(mut self, people: usize) -> Self {
        self.max_people = people.max(1);
        self
    }

    /// At most so many faults.
    #[must_use]
    pub fn max_faults(mut self, faults: usize) -> Self {
        self.max_faults = faults;
        self
    }

    /// The faults that plans may have.
    pub(crate) fn faults(&self) -> &[&'static str] {
        &self.faults
    }

    /// The same, with some of the faults only.
    pub(crate) fn with_faults(&self, faults: Vec<&'static str>) -> Self {
        Self { faults, ..self.clone() }
    }
}

/// What plans aren't made of: it leaves something out of order for ever, or is a clock's. No run converges after it; people write it.
const LEFT_OUT: [&str; 4] = ["fail_database", "jump_clock", "skew_clock", "hold_clock"];

/// The faults that plans are made of.
fn planned() -> impl Iterator<Item = &'static str> {
    FAULT_NAMES.into_iter().filter(|name| !LEFT_OUT.contains(name))
}

/// A plan by chance: one person or more, and any number of faults up to a limit.
pub fn plan(options: &PlanOptions) -> BoxedStrategy<Plan> {
    let people = prop::collection::vec(person(options), 1..=options.max_people);
    let kinds: Vec<BoxedStrategy<Fault>> = options.faults.iter().filter_map(|name| fault(name, options)).collect();
    let faults = match kinds.is_empty() {
        true => Just(Vec::new()).boxed(),
        false => prop::collection::vec(rule(kinds), 0..=options.max_faults).boxed(),
    };
    (people, faults)
        .prop_map(|(people, faults)| Plan { people, faults })
        .boxed()
}

fn person(options: &PlanOptions) -> impl Strategy<Value = Person> + use<> {
    let answer = select(options.answers.clone()).prop_map(Does::Complete);
    let does = prop_oneof![
        6 => answer,
        1 => Just(Does::Cancel),
        1 => Just(Does::Never),
        1 => Just(Does::RejectUntilExhausted),
    ];
    (does, span()).prop_map(|(does, after)| Person::new(does, after))
}

/// From a moment to longer than anybody waits; the shortest is the simplest.
fn span() -> impl Strategy<Value = Span> {
    let seconds = [0, 1, 7, 60, 3_600, 7_200, 86_400, 3 * 86_400, 8 * 86_400];
    select(seconds.map(Span::from_seconds).to_vec())
}

/// As [`span`], but as short as a network's or a worker's delays.
fn delay() -> impl Strategy<Value = Span> {
    select([1, 4, 9, 30, 600, 86_400].map(Span::from_seconds).to_vec())
}

fn rule(kinds: Vec<BoxedStrategy<Fault>>) -> impl Strategy<Value = Rule> {
    let fault = proptest::strategy::Union::new(kinds);
    let when = prop_oneof![
        3 => Just(None),
        1 => span().prop_map(|at| Some(When::at(at))),
        3 => moment().prop_map(|moment| Some(When::from(moment))),
    ];
    (fault, when, prop_oneof![4 => Just(1_u32), 1 => 2..4_u32]).prop_map(|(fault, when, times)| {
        let mut rule = Rule { fault, when, times };
        if rule.fault.is_an_event() {
            rule.times = 1;
            // A crash before there is anything to crash is none.
            let started = || When::from(Moment::of_kind(MomentKind::WorkflowTaskStarted));
            rule.when.get_or_insert_with(started);
        }
        rule
    })
}

fn moment() -> impl Strategy<Value = Moment> {
    let kinds = vec![
        MomentKind::WorkflowStarted,
        MomentKind::WorkflowTaskStarted,
        MomentKind::WorkflowTaskCompleted,
        MomentKind::ActivityStarted,
        MomentKind::TaskCreated,
        MomentKind::Parked,
        MomentKind::TaskEnded,
        MomentKind::WebhookSent,
        MomentKind::SignalRecorded,
        MomentKind::WebhookAnswered,
        MomentKind::WorkflowClosed,
    ];
    (select(kinds), 1..4_u32).prop_map(|(kind, nth)| Moment::of_kind(kind).nth(nth))
}

fn nth() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![3 => Just(None), 1 => (2..4_u32).prop_map(Some)]
}

fn call() -> impl Strategy<Value = CallMatch> {
    let rpcs = vec![
        "RespondActivityTaskCompleted",
        "RespondWorkflowTaskCompleted",
        "SignalWorkflowExecution",
    ];
    calls_of(rpcs)
}

fn workers_call() -> impl Strategy<Value = CallMatch> {
    calls_of(vec!["RespondActivityTaskCompleted", "RespondWorkflowTaskCompleted"])
}

fn calls_of(rpcs: Vec<&'static str>) -> impl Strategy<Value = CallMatch> {
    (select(rpcs), nth()).prop_map(|(rpc, nth)| CallMatch {
        rpc: Some(rpc.to_owned()),
        worker: None,
        nth,
    })
}

fn webhook() -> impl Strategy<Value = WebhookMatch> {
    nth().prop_map(|nth| WebhookMatch { key: None, nth })
}

fn request() -> impl Strategy<Value = RequestMatch> {
    nth().prop_map(|nth| RequestMatch {
        nth,
        ..RequestMatch::create()
    })
}

/// SDKs try again after these.
fn code() -> impl Strategy<Value = Code> {
    select(vec![Code::Unavailable, Code::Internal, Code::Aborted])
}

fn fault(name: &str, options: &PlanOptions) -> Option<BoxedStrategy<Fault>> {
    let restart_after = || span().prop_map(Some);
    Some(match name {
        "fail_call" => (call(), code())
            .prop_map(|(call, code)| Fault::FailCall { call, code })
            .boxed(),
        "lose_reply" => (call(), code())
            .prop_map(|(call, code)| Fault::LoseReply { call, code })
            .boxed(),
        "delay_call" => (call(), delay())
            .prop_map(|(call, by)| Fault::DelayCall { call, by })
            .boxed(),
        "drop_task" => (select(vec![TaskKind::Activity, TaskKind::Workflow]), nth())
            .prop_map(|(kind, nth)| Fault::DropTask {
                task: TaskMatch {
                    nth,
                    ..TaskMatch::kind(kind)
                },
            })
            .boxed(),
        "duplicate_task" => nth()
            .prop_map(|nth| Fault::DuplicateTask {
                task: TaskMatch {
                    nth,
                    ..TaskMatch::kind(TaskKind::Activity)
                },
            })
            .boxed(),
        "reorder_tasks" => Just(Fault::ReorderTasks { task_queue: None }).boxed(),
        "crash_worker" => restart_after()
            .prop_map(|restart_after| Fault::CrashWorker {
                worker: None,
                restart_after,
            })
            .boxed(),
        "crash_worker_before" => (workers_call(), restart_after())
            .prop_map(|(call, restart_after)| Fault::CrashWorkerBefore { call, restart_after })
            .boxed(),
        "crash_worker_after" => (workers_call(), restart_after())
            .prop_map(|(call, restart_after)| Fault::CrashWorkerAfter { call, restart_after })
            .boxed(),
        "slow_worker" => delay().prop_map(|by| Fault::SlowWorker { worker: None, by }).boxed(),
        "evict_workflow" => Just(Fault::EvictWorkflow { workflow: None }).boxed(),
        "restart_server" => Just(Fault::RestartServer).boxed(),
        "stop_server" => span().prop_map(|duration| Fault::StopServer { duration }).boxed(),
        "fail_request" => (request(), select(vec![503_u16, 500, 502]))
            .prop_map(|(request, status)| Fault::FailRequest { request, status })
            .boxed(),
        "lose_response" => request().prop_map(|request| Fault::LoseResponse { request }).boxed(),
        "delay_request" => (request(), delay())
            .prop_map(|(request, by)| Fault::DelayRequest { request, by })
            .boxed(),
        other => return webhook_fault(other, options),
    })
}

fn webhook_fault(name: &str, options: &PlanOptions) -> Option<BoxedStrategy<Fault>> {
    Some(match name {
        "lose_webhook" => webhook().prop_map(|webhook| Fault::LoseWebhook { webhook }).boxed(),
        "lose_webhook_answer" => webhook()
            .prop_map(|webhook| Fault::LoseWebhookAnswer { webhook })
            .boxed(),
        "delay_webhook" => (webhook(), delay())
            .prop_map(|(webhook, by)| Fault::DelayWebhook { webhook, by })
            .boxed(),
        "hold_webhook" => (webhook(), moment())
            .prop_map(|(webhook, until)| Fault::HoldWebhook {
                webhook,
                until: until.into(),
            })
            .boxed(),
        "repeat_webhook" => (webhook(), span())
            .prop_map(|(webhook, after)| Fault::RepeatWebhook { webhook, after })
            .boxed(),
        "flip_webhook_bit" => (webhook(), 0..10_000_u64)
            .prop_map(|(webhook, bit)| Fault::FlipWebhookBit { webhook, bit })
            .boxed(),
        "missign_webhook" => webhook().prop_map(|webhook| Fault::MissignWebhook { webhook }).boxed(),
        "misdirect_webhook" if options.workflows.is_empty() => return None,
        "misdirect_webhook" => (webhook(), select(options.workflows.clone()))
            .prop_map(|(webhook, workflow)| Fault::MisdirectWebhook { webhook, workflow })
            .boxed(),
        "receiver_answers" => (webhook(), select(vec![500_u16, 404, 503]))
            .prop_map(|(webhook, status)| Fault::ReceiverAnswers { webhook, status })
            .boxed(),
        "receiver_hangs" => webhook().prop_map(|webhook| Fault::ReceiverHangs { webhook }).boxed(),
        "receiver_closes" => webhook().prop_map(|webhook| Fault::ReceiverCloses { webhook }).boxed(),
        "receiver_crashes" => webhook().prop_map(|webhook| Fault::ReceiverCrashes { webhook }).boxed(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree as _;

    use super::*;

    proptest! {
        #[test]
        fn every_plan_makes_sense_and_survives_json_and_toml(
            plan in plan(&PlanOptions::default().workflows(["refund-1"])),
        ) {
            prop_assert_eq!(plan.check(), Ok(()));
            let json = serde_json::to_string(&plan).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Plan>(&json).unwrap(), &plan);
            let toml = toml::to_string(&plan).unwrap();
            prop_assert_eq!(&toml::from_str::<Plan>(&toml).unwrap(), &plan);
        }
    }

    #[test]
    fn every_planned_fault_has_a_strategy() {
        let options = PlanOptions::default().workflows(["refund-1"]);
        for name in planned() {
            let strategy = fault(name, &options).unwrap_or_else(|| panic!("{name} has none"));
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            let made = strategy.new_tree(&mut runner).unwrap().current();
            assert_eq!(made.name(), name);
        }
    }
}
