//! What time does to the server: timeouts, ticks of the schedulers, long polls, and people.

use std::time::Duration;

#[cfg(test)]
use super::Profile;
use super::api;
use super::people::Turn;
use super::{Human, Output};
use crate::clock::{TimerKey, Timestamp};
use crate::human::task::Event;
use crate::journal::Journal;

/// Something that is due at a known time.
#[derive(Debug)]
pub(crate) enum Timer {
    /// The first tick of the timeout scheduler after a task's timeout.
    Expire { task_id: String },
    /// A tick of the webhook scheduler that has something to send.
    WebhookTick,
    /// A long poll ends, or sees that its task has.
    Poll { ticket: u64 },
    /// The verifier has made up its mind.
    Verdict { number: u64 },
    /// A person does what the script says.
    Person(Turn),
}

/// A long poll that waits for its task.
#[derive(Debug)]
pub(crate) struct ParkedPoll {
    task_id: String,
    started_at: Timestamp,
    pub(crate) timer: TimerKey,
    pub(crate) reply: api::Envelope,
}

/// How often a long poll looks at its task. Source: `poll_task_route`.
const POLL_STEP: Duration = Duration::from_secs(1);

impl Human {
    pub(super) fn fire(&mut self, now: Timestamp, journal: &mut Journal, timer: Timer) {
        match timer {
            Timer::Expire { task_id } => {
                self.expiries.remove(&task_id);
                // A task that is over, or gone, has no such timer.
                let _ = self.apply(now, journal, &task_id, Event::Expire);
                self.send_next(now, journal);
            }
            Timer::WebhookTick => {
                self.webhook_tick = None;
                self.outbox.tick(now, self.config.timing.most_under_way());
                self.send_next(now, journal);
            }
            Timer::Poll { ticket } => self.end_poll(now, ticket),
            Timer::Verdict { number } => self.end_judging(now, journal, number),
            Timer::Person(turn) => self.act(now, journal, turn),
        }
    }

    /// Sets the timer of an open task's timeout, which passes at `due`: the scheduler sees that at a tick.
    pub(super) fn set_expiry(&mut self, now: Timestamp, task_id: &str, due: Timestamp) {
        let tick = tick_from(self.ticks.timeouts, due.max(now), self.config.timing.tick());
        let task_id = task_id.to_owned();
        let timer = Timer::Expire {
            task_id: task_id.clone(),
        };
        let timer = self.timers.set(tick, timer);
        if let Some(before) = self.expiries.insert(task_id, timer) {
            self.timers.cancel(before);
        }
    }

    /// Sets the timer of the next tick at which a callback is due.
    pub(super) fn set_webhook_tick(&mut self, now: Timestamp) {
        if let Some(before) = self.webhook_tick.take() {
            self.timers.cancel(before);
        }
        let tick = self.config.timing.tick();
        if self.outbox.end_tick(now, tick) {
            // It sleeps between the end of a tick and the next one: a slow receiver shifts all that come after.
            self.ticks.webhooks = now;
        }
        if let Some(due) = self.outbox.next_due(self.config.timing.most_under_way()) {
            let due = tick_from(self.ticks.webhooks, due.max(now), tick);
            self.webhook_tick = Some(self.timers.set(due, Timer::WebhookTick));
        }
    }

    /// The schedulers of a new process tick from its start on.
    pub(super) fn resume_schedulers(&mut self, now: Timestamp) {
        self.ticks = Ticks::from(now);
        self.outbox.restart();
        self.reset_ticks(now);
    }

    /// Sets all timers that wait for a tick.
    fn reset_ticks(&mut self, now: Timestamp) {
        let open: Vec<_> = self
            .expiries
            .iter()
            .filter_map(|(id, timer)| {
                // A tick before the timeout was asked for by a test.
                let due = self.store.get(id)?.timeout_at().min(timer.deadline());
                Some((id.clone(), due))
            })
            .collect();
        for (id, due) in open {
            self.set_expiry(now, &id, due);
        }
        self.set_webhook_tick(now);
    }
}

/// What the recordings need: the real schedulers drift, and their tests wrote into the database.
#[cfg(test)]
impl Human {
    /// Lets each scheduler tick at a time of which it is known.
    pub(super) fn set_tick_phases(&mut self, now: Timestamp, timeouts: Option<Timestamp>, webhooks: Option<Timestamp>) {
        let phase = |at: Timestamp| {
            let ticks = u32::try_from(at.since(now).as_nanos().div_ceil(Profile::TICK.as_nanos())).unwrap_or(u32::MAX);
            at - Profile::TICK * ticks
        };
        let ticks = Ticks {
            timeouts: timeouts.map_or(self.ticks.timeouts, phase),
            webhooks: webhooks.map_or(self.ticks.webhooks, phase),
        };
        let is_new = |of: fn(&Ticks) -> Timestamp| {
            let (before, after) = (of(&self.ticks), of(&ticks));
            !(after.since(before).max(before.since(after)).as_nanos()).is_multiple_of(Profile::TICK.as_nanos())
        };
        if is_new(|ticks| ticks.timeouts) || is_new(|ticks| ticks.webhooks) {
            self.ticks = ticks;
            self.outbox.restart();
            self.reset_ticks(now);
        }
    }
}

/// Since when each of the two schedulers ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticks {
    timeouts: Timestamp,
    webhooks: Timestamp,
}

impl Ticks {
    /// Both tick from the server's start on.
    pub(super) fn from(start: Timestamp) -> Self {
        Self {
            timeouts: start,
            webhooks: start,
        }
    }
}

/// The first tick at a time or after it, of a scheduler that ticks since `start`; the time itself if there are no ticks.
fn tick_from(start: Timestamp, time: Timestamp, tick: Duration) -> Timestamp {
    let past = time.since(start).as_nanos().checked_rem(tick.as_nanos()).unwrap_or(0);
    let rest = if past == 0 { 0 } else { tick.as_nanos() - past };
    time.max(start) + Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
}

/// Long polls.
impl Human {
    /// Parks a long poll until its task is over, at most for `limit`.
    pub(super) fn park_poll(
        &mut self,
        now: Timestamp,
        ticket: u64,
        task_id: String,
        limit: Duration,
        reply: api::Envelope,
    ) {
        let timer = self.timers.set(now + limit, Timer::Poll { ticket });
        let poll = ParkedPoll {
            task_id,
            started_at: now,
            timer,
            reply,
        };
        self.polls.insert(ticket, poll);
    }

    /// A task is over or gone: its polls see that at their next look, which comes every [`POLL_STEP`].
    pub(super) fn wake_polls(&mut self, now: Timestamp, task_id: &str) {
        for (ticket, poll) in self.polls.iter_mut().filter(|(_, poll)| poll.task_id == task_id) {
            let waited = now.since(poll.started_at).as_nanos();
            let looks = waited.div_ceil(POLL_STEP.as_nanos()).max(1);
            let looks = u32::try_from(looks).unwrap_or(u32::MAX);
            let look = poll.started_at + POLL_STEP * looks;
            if look < poll.timer.deadline() {
                self.timers.cancel(poll.timer);
                poll.timer = self.timers.set(look, Timer::Poll { ticket: *ticket });
            }
        }
    }

    fn end_poll(&mut self, now: Timestamp, ticket: u64) {
        let Some(poll) = self.polls.remove(&ticket) else {
            return;
        };
        let answer = api::poll_answer(self, &poll.task_id);
        let response = poll.reply.respond(now, answer);
        self.outputs.push_back(Output::Reply { ticket, response });
    }
}
