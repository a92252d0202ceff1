//! What lists go by: all tasks in the order of their creation, each with what a list may ask for. A page far behind, or one of few
//! among many, costs a walk over small rows that lie side by side, not a look at each task that isn't shown.

use std::collections::BTreeMap;

use super::task::{Status, Task};

/// Whom a task went to: its columns `assigned_to_email` and `assigned_to_user_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Assignment {
    pub(crate) email: Option<String>,
    pub(crate) user_id: Option<String>,
}

/// All a list may ask for of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    status: Status,
    assignment: Assignment,
}

impl Kind {
    fn of(task: &Task) -> Self {
        Self {
            status: task.status,
            assignment: Assignment {
                email: task.assigned_to_email.clone(),
                user_id: task.assigned_to_user_id.clone(),
            },
        }
    }
}

/// All tasks, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    /// The sequence of each task, in order.
    tasks: Vec<u64>,
    /// The kind of each task, by its number. Apart from the rest, so that many of them lie in a cache line.
    kinds: Vec<u32>,
    /// Each kind that some task is of or was, and how many tasks are of it now.
    counts: Vec<(Kind, usize)>,
    numbers: BTreeMap<Kind, u32>,
}

impl Register {
    /// The sequence of the next task.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.tasks.last().map_or(0, |last| last + 1)
    }

    /// Adds a task. `false`, and nothing has changed, if there is one of this sequence.
    pub(crate) fn add(&mut self, sequence: u64, task: &Task) -> bool {
        let Err(place) = self.find(sequence) else {
            return false;
        };
        let kind = self.enter(task);
        self.tasks.insert(place, sequence);
        self.kinds.insert(place, kind);
        true
    }

    /// Takes over what has become of a task.
    pub(crate) fn update(&mut self, sequence: u64, task: &Task) {
        if let Ok(place) = self.find(sequence) {
            self.leave(place);
            self.kinds[place] = self.enter(task);
        }
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        if let Ok(place) = self.find(sequence) {
            self.leave(place);
            self.tasks.remove(place);
            self.kinds.remove(place);
        }
    }

    /// The sequences of all tasks but the newest `offset` ones, newest first.
    pub(crate) fn newest_first_from(&self, offset: usize) -> impl Iterator<Item = u64> {
        let count = self.tasks.len().saturating_sub(offset);
        self.tasks[..count].iter().rev().copied()
    }

    /// The sequences of the tasks that are wanted, but the newest `offset` of them, newest first. Each kind is asked about once, and the walk
    /// ends with the last task that is wanted.
    pub(crate) fn newest_wanted_first_from(
        &self,
        offset: usize,
        is_wanted: impl Fn(Status, &Assignment) -> bool,
    ) -> impl Iterator<Item = u64> {
        let is_wanted = |(kind, count): &(Kind, usize)| *count > 0 && is_wanted(kind.status, &kind.assignment);
        let wanted: Vec<bool> = self.counts.iter().map(is_wanted).collect();
        let counts = self.counts.iter().zip(&wanted);
        let count = counts.filter(|(_, wanted)| **wanted).map(|((_, count), _)| count).sum();
        let places = self.kinds.iter().enumerate().rev();
        let places = places.filter(move |(_, kind)| wanted[**kind as usize]);
        // Nothing is looked for behind the last one.
        let places = places.take(count).skip(offset.min(count));
        places.map(|(place, _)| self.tasks[place])
    }

    fn find(&self, sequence: u64) -> Result<usize, usize> {
        match self.tasks.last() {
            Some(last) if *last >= sequence => self.tasks.binary_search(&sequence),
            // A new task comes behind all others.
            _ => Err(self.tasks.len()),
        }
    }

    /// Counts a task to its kind, and gives the kind's number.
    fn enter(&mut self, task: &Task) -> u32 {
        let kind = Kind::of(task);
        let number = match self.numbers.get(&kind) {
            Some(number) => *number,
            None => {
                // Memory ends long before these numbers do.
                let number = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
                self.counts.push((kind.clone(), 0));
                self.numbers.insert(kind, number);
                number
            }
        };
        self.counts[number as usize].1 += 1;
        number
    }

    /// Counts the task at a place to no kind.
    fn leave(&mut self, place: usize) {
        self.counts[self.kinds[place] as usize].1 -= 1;
    }
}

#[cfg(test)]
mod tests {
    use awaithumans_temporal::wire::json::Json;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    fn task(number: u64, status: Status, assignment: &Assignment) -> Task {
        Task {
            id: format!("task {number}"),
            idempotency_key: String::new(),
            title: String::new(),
            payload: Json::Null,
            payload_schema: Json::Null,
            response_schema: Json::Null,
            form_definition: Json::Null,
            task_metadata: Json::Null,
            status,
            assign_to: Json::Null,
            assigned_to_email: assignment.email.clone(),
            assigned_to_user_id: assignment.user_id.clone(),
            notify: None,
            initial_response: Json::Null,
            response: Json::Null,
            response_redacted_at: None,
            redact_response_after_submit: false,
            verifier_config: Json::Null,
            verifier_result: None,
            verification_attempt: 0,
            timeout_seconds: 60,
            redact_payload: false,
            callback_url: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            completed_at: None,
            timed_out_at: None,
            completed_by_email: None,
            completed_by_user_id: None,
            completed_via_channel: None,
        }
    }

    fn assignment() -> impl Strategy<Value = Assignment> {
        let text = || proptest::option::of(prop_oneof![Just("a".to_owned()), Just("b".to_owned())]);
        (text(), text()).prop_map(|(email, user_id)| Assignment { email, user_id })
    }

    type Filter<'a> = &'a dyn Fn(Status, &Assignment) -> bool;

    #[derive(Clone, Debug)]
    enum Step {
        Add(Status, Assignment),
        Update(prop::sample::Index, Status, Assignment),
        Remove(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let status = || prop::sample::select(&Status::ALL[..3]);
        let place = any::<prop::sample::Index>;
        prop_oneof![
            4 => (status(), assignment()).prop_map(|(status, to)| Step::Add(status, to)),
            3 => (place(), status(), assignment()).prop_map(|(place, status, to)| Step::Update(place, status, to)),
            1 => place().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn pages_are_what_a_look_at_each_task_gives(
            steps in proptest::collection::vec(step(), 0..40),
            offset in 0_usize..6,
            wanted_status in prop::sample::select(&Status::ALL[..3]),
            wanted_assignment in assignment(),
        ) {
            let mut register = Register::default();
            let mut model: Vec<(u64, Status, Assignment)> = Vec::new();
            for step in steps {
                match step {
                    Step::Add(status, to) => {
                        let sequence = register.next_sequence();
                        prop_assert!(register.add(sequence, &task(sequence, status, &to)));
                        prop_assert!(!register.add(sequence, &task(sequence, status, &to)));
                        model.push((sequence, status, to));
                    }
                    Step::Update(place, status, to) if !model.is_empty() => {
                        let row = place.get(&model).0;
                        register.update(row, &task(row, status, &to));
                        let place = place.index(model.len());
                        model[place] = (row, status, to);
                    }
                    Step::Remove(place) if !model.is_empty() => {
                        let (sequence, ..) = model.remove(place.index(model.len()));
                        register.remove(sequence);
                    }
                    Step::Update(..) | Step::Remove(_) => {}
                }
            }
            let sequences = |wanted: Filter<'_>| -> Vec<u64> {
                let rows = model.iter().rev().filter(|(_, status, to)| wanted(*status, to));
                rows.skip(offset).map(|(sequence, ..)| *sequence).collect()
            };
            let filters: [Filter<'_>; 4] = [
                &|_, _| true,
                &|status, _| status == wanted_status,
                &|_, to| *to == wanted_assignment,
                &|status, to| status == wanted_status && to.email == wanted_assignment.email,
            ];
            for wanted in filters {
                let page: Vec<_> = register.newest_wanted_first_from(offset, wanted).collect();
                prop_assert_eq!(page, sequences(wanted));
            }
            prop_assert_eq!(register.newest_first_from(offset).collect::<Vec<_>>(), sequences(&|_, _| true));
        }
    }
}
