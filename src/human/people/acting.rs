//! People act: each line of the script that is for a task sets a timer, and what happens then goes the way that a request takes.

use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, Object};

use super::Act;
use crate::clock::Timestamp;
use crate::human::reject::Reject;
use crate::human::schedule::Timer;
use crate::human::task::Event;
use crate::human::{Human, Verdict, short};
use crate::journal::{Journal, Party};

/// Somebody's turn at a task.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    task_id: String,
    /// The place of the line in the script.
    place: usize,
    /// The how manieth turn of this line at this task, counted from 0.
    number: u32,
    /// The second click of a double click.
    is_again: bool,
}

impl Human {
    /// Finds lines of the script for each open task that has none.
    pub(in crate::human) fn plan_people(&mut self) {
        for id in std::mem::take(&mut self.unplanned) {
            self.plan_person(id);
        }
    }

    /// Finds the lines for a task; without any, it waits for a script that has.
    pub(in crate::human) fn plan_person(&mut self, id: String) {
        self.plan_person_unless_done(id, Timestamp::default());
    }

    /// As [`Human::plan_person`]; who was to act before `done` has.
    pub(in crate::human) fn plan_person_unless_done(&mut self, id: String, done: Timestamp) {
        let Some(task) = self.store.get(&id) else {
            return;
        };
        let places = self.people.plan(task);
        if places.is_empty() {
            self.unplanned.insert(id);
            return;
        }
        for place in places {
            let at = self.people.acts_at(place, task, 0, task.created_at);
            if let Some(at) = at.filter(|at| *at >= done) {
                let turn = Turn {
                    task_id: id.clone(),
                    place,
                    number: 0,
                    is_again: false,
                };
                self.timers.set(at, Timer::Person(turn));
            }
        }
    }

    /// The same person turns to the same task once more.
    fn set_next_turn(&mut self, now: Timestamp, turn: &Turn) {
        let number = turn.number.saturating_add(1);
        let task = self.store.get(&turn.task_id);
        let at = task.and_then(|task| self.people.acts_at(turn.place, task, number, now));
        if let Some(at) = at {
            self.timers.set(at, Timer::Person(Turn { number, ..turn.clone() }));
        }
    }

    fn set_second_click(&mut self, now: Timestamp, turn: &Turn, delay: Duration) {
        let again = Turn {
            is_again: true,
            ..turn.clone()
        };
        self.timers.set(now + delay, Timer::Person(again));
    }

    pub(in crate::human) fn act(&mut self, now: Timestamp, journal: &mut Journal, turn: Turn) {
        let (Some(task), Some(behaviour)) = (self.store.get(&turn.task_id), self.people.behaviour(turn.place)) else {
            return;
        };
        let (email, id) = (behaviour.email_for(task), short(&turn.task_id));
        if task.status.is_terminal() && !behaviour.insists && !turn.is_again {
            let line = format!("{email} comes too late for task {id}: it is {}", task.status.as_str());
            journal.headline(now, Party::Person, line);
            return;
        }
        if let Some(delay) = behaviour.again_after.filter(|_| !turn.is_again) {
            self.set_second_click(now, &turn, delay);
        }
        let outcome = self.carry_out(now, journal, &turn, &email);
        if let Err(reject) = outcome {
            let body = reject.body().unwrap_or_default();
            let line = format!("{email} is refused with HTTP {}: {body}", reject.status());
            journal.headline(now, Party::Person, line);
        }
        self.send_next(now, journal);
    }

    fn carry_out(&mut self, now: Timestamp, journal: &mut Journal, turn: &Turn, email: &str) -> Result<(), Reject> {
        let (Some(task), Some(behaviour)) = (self.store.get(&turn.task_id), self.people.behaviour(turn.place)) else {
            return Ok(());
        };
        let is_verified = task.is_verified();
        let rejected = || Some(Verdict::Reject("rejected by the script".to_owned()));
        let (response, verdict, rejections) = match behaviour.act.clone() {
            Act::Never => return Ok(()),
            Act::Cancel => {
                let line = format!("{email} cancels task {}", short(&turn.task_id));
                journal.headline(now, Party::Person, line);
                return self.apply(now, journal, &turn.task_id, Event::Cancel);
            }
            Act::RejectUntilExhausted | Act::CompleteAfterRejections(..) if !is_verified => {
                let why = "is to be rejected by the verifier, but the task has none: nobody answers";
                let line = format!("{email} {why} (task {})", short(&turn.task_id));
                journal.headline(now, Party::Person, line);
                return Ok(());
            }
            Act::Complete(response) => (response, None, 0),
            Act::RejectUntilExhausted => (Object::new().into(), rejected(), u32::MAX),
            Act::CompleteAfterRejections(response, rejections) if turn.number < rejections => {
                (response, rejected(), rejections)
            }
            Act::CompleteAfterRejections(response, _) => {
                (response, Some(Verdict::Pass("accepted by the script".to_owned())), 0)
            }
        };
        let outcome = self.answer(now, journal, turn, email, response, verdict);
        let task = self.store.get(&turn.task_id);
        let is_open = task.is_some_and(|task| !task.status.is_terminal());
        if turn.number < rejections && outcome.is_ok() && is_open && !turn.is_again {
            self.set_next_turn(now, turn);
        }
        outcome
    }

    fn answer(
        &mut self,
        now: Timestamp,
        journal: &mut Journal,
        turn: &Turn,
        email: &str,
        response: Json,
        verdict: Option<Verdict>,
    ) -> Result<(), Reject> {
        let channel = self.people.behaviour(turn.place).and_then(|it| it.channel.clone());
        let how = if turn.is_again { " once more" } else { "" };
        let line = format!("{email} answers task {}{how}: {response}", short(&turn.task_id));
        journal.headline(now, Party::Person, line);
        let submission = self.submission(now, response, email.to_owned(), channel);
        self.submit(now, journal, &turn.task_id, submission, verdict)
            .map(|_| ())
    }
}
