//! Answers on their way through the verifier. A verdict may take its time: then the answer waits, and whoever sent it with it.

use std::time::Duration;

use super::api::{Answer, Envelope};
use super::reject::Reject;
use super::schedule::Timer;
use super::task::{Event, Submission};
use super::verifier::{self, Verdict, VerifierResult};
use super::{Human, Output, seconds_in_words, short};
use crate::clock::{TimerKey, Timestamp};
use crate::journal::{Journal, Party};

/// What came of an answer for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// The task has it.
    Done,
    /// It waits for the verdict of this number.
    Judging(u64),
}

/// Says how a request with an answer is answered, once it's known what came of it.
pub(crate) type Then = fn(&Human, &str, Result<(), Reject>) -> Result<Answer, Reject>;

/// An answer that waits for its verdict.
#[derive(Debug)]
pub(crate) struct Judging {
    task_id: String,
    submission: Submission,
    outcome: Result<VerifierResult, Reject>,
    /// The attempt that it was when it came in: two at the same time are the same attempt, as in the real server.
    attempt: i64,
    max_attempts: i64,
}

/// What waits for a verdict.
#[derive(Debug)]
pub(crate) struct Waiting {
    judging: Judging,
    timer: TimerKey,
    /// The request that wants to know, if its client is still there.
    reply: Option<(u64, Envelope, Then)>,
}

impl Human {
    /// An answer comes in: it goes through the verifier, if the task has one.
    pub(super) fn submit(
        &mut self,
        now: Timestamp,
        journal: &mut Journal,
        id: &str,
        submission: Submission,
        forced: Option<Verdict>,
    ) -> Result<Submitted, Reject> {
        let task = self
            .store
            .get(id)
            .ok_or_else(|| Reject::TaskNotFound { id: id.to_owned() })?;
        if !task.is_verified() || task.status.is_terminal() {
            self.apply(now, journal, id, Event::Complete(submission))?;
            return Ok(Submitted::Done);
        }
        let config = verifier::Config::parse(&task.verifier_config)?;
        let judgement = self.verifier.judge(&config, &submission.response, forced);
        let judging = Judging {
            task_id: id.to_owned(),
            submission,
            outcome: judgement.outcome,
            attempt: task.verification_attempt.saturating_add(1),
            max_attempts: config.max_attempts,
        };
        if judgement.after.is_zero() {
            return self.judged(now, journal, judging).map(|()| Submitted::Done);
        }
        Ok(Submitted::Judging(self.wait_for_verdict(
            now,
            journal,
            judging,
            judgement.after,
        )))
    }

    fn wait_for_verdict(&mut self, now: Timestamp, journal: &mut Journal, judging: Judging, delay: Duration) -> u64 {
        let seconds = seconds_in_words(delay.as_secs());
        let line = format!(
            "the verifier takes {seconds} over an answer to task {}",
            short(&judging.task_id)
        );
        journal.headline(now, Party::Awaithumans, line);
        let number = self.next_judging;
        self.next_judging += 1;
        let waiting = Waiting {
            judging,
            timer: self.timers.set(now + delay, Timer::Verdict { number }),
            reply: None,
        };
        self.judging.insert(number, waiting);
        number
    }

    /// A request waits for a verdict.
    pub(super) fn park_answer(&mut self, number: u64, ticket: u64, envelope: Envelope, then: Then) {
        if let Some(waiting) = self.judging.get_mut(&number) {
            waiting.reply = Some((ticket, envelope, then));
        }
    }

    /// A verdict is there.
    pub(super) fn end_judging(&mut self, now: Timestamp, journal: &mut Journal, number: u64) {
        let Some(Waiting { judging, reply, .. }) = self.judging.remove(&number) else {
            return;
        };
        let id = judging.task_id.clone();
        let outcome = self.judged(now, journal, judging).map_err(|reject| match reject {
            // The real server can't read a row that was deleted meanwhile.
            Reject::TaskNotFound { .. } => Reject::Internal,
            other => other,
        });
        match (reply, outcome) {
            (Some((ticket, envelope, then)), outcome) => {
                let answer = then(self, &id, outcome);
                let response = envelope.respond(now, answer);
                self.outputs.push_back(Output::Reply { ticket, response });
            }
            (None, Ok(())) => {}
            (None, Err(reject)) => {
                let body = reject.body().unwrap_or_default();
                let line = format!("an answer to task {} comes too late: {body}", short(&id));
                journal.headline(now, Party::Awaithumans, line);
            }
        }
        self.send_next(now, journal);
    }

    fn judged(&mut self, now: Timestamp, journal: &mut Journal, judging: Judging) -> Result<(), Reject> {
        let event = Event::Judged {
            submission: judging.submission,
            result: judging.outcome?,
            attempt: judging.attempt,
            max_attempts: judging.max_attempts,
        };
        self.apply(now, journal, &judging.task_id, event)
    }

    /// The client of a request is gone; the answer that it sent isn't.
    pub(super) fn forget_reply(&mut self, ticket: u64) {
        for waiting in self.judging.values_mut() {
            waiting.reply.take_if(|(waits, ..)| *waits == ticket);
        }
    }

    /// The process ends: answers without a verdict are lost.
    pub(super) fn forget_judging(&mut self) {
        for waiting in std::mem::take(&mut self.judging).into_values() {
            self.timers.cancel(waiting.timer);
            let ticket = waiting.reply.map(|(ticket, ..)| ticket);
            self.outputs.extend(ticket.map(|ticket| Output::Dropped { ticket }));
        }
    }
}
