//! A user timer: `workflow.sleep`.

use std::time::Duration;

use smol_str::SmolStr;
use temporalio_protos::temporal::api::history::v1 as history;

use crate::clock::Timestamp;
use crate::temporal::proto::{duration as from_wire, proto_duration};
use crate::temporal::timer::Timer as ClockTimer;
use crate::temporal::txn::Txn;

/// Where a user timer is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs.
    Started,
    /// It fired.
    Fired,
    /// The workflow took it back.
    Canceled,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Its time has come.
    Fire,
    /// The command `CancelTimer`.
    Cancel,
}

/// The whole life of a timer.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Started, Input::Fire, State::Fired),
    (State::Started, Input::Cancel, State::Canceled),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Started, Input::Fire) => Some(State::Fired),
        (State::Started, Input::Cancel) => Some(State::Canceled),
        (State::Fired | State::Canceled, Input::Fire | Input::Cancel) => None,
    }
}

/// A running timer.
#[derive(Clone, Debug)]
pub(crate) struct UserTimer {
    state: State,
    /// Most are a few characters, which lie here and not somewhere else in memory.
    timer_id: SmolStr,
    started_event_id: i64,
    fires_at: Timestamp,
}

impl UserTimer {
    /// The command `StartTimer`.
    pub(crate) fn start(
        txn: &mut Txn<'_>,
        attributes: history::TimerStartedEventAttributes,
        duration: Duration,
    ) -> Self {
        let timer_id = attributes.timer_id.as_str().into();
        let attributes = history::TimerStartedEventAttributes {
            start_to_fire_timeout: Some(proto_duration(duration)),
            ..attributes
        };
        let started_event_id = txn.emit(attributes);
        let fires_at = txn.now + duration;
        txn.set_timer(ClockTimer::User(txn.run, started_event_id), fires_at);
        Self {
            state: State::Started,
            timer_id,
            started_event_id,
            fires_at,
        }
    }

    /// As a history tells of it that goes on in another run. [`Self::resume`] sets its clock.
    pub(crate) fn restore(
        attributes: &history::TimerStartedEventAttributes,
        started_event_id: i64,
        started_at: Timestamp,
    ) -> Self {
        Self {
            state: State::Started,
            timer_id: attributes.timer_id.as_str().into(),
            started_event_id,
            fires_at: started_at + from_wire(attributes.start_to_fire_timeout.as_ref()).unwrap_or_default(),
        }
    }

    /// In the run that goes on it fires when it would have fired, at once if that has passed.
    pub(crate) fn resume(&self, txn: &mut Txn<'_>) {
        let fires_at = self.fires_at.max(txn.now);
        txn.set_timer(ClockTimer::User(txn.run, self.started_event_id), fires_at);
    }

    /// Its time has come.
    pub(crate) fn fire(&mut self, txn: &mut Txn<'_>) {
        let Some(next) = step(self.state, Input::Fire) else {
            return;
        };
        self.state = next;
        txn.emit(history::TimerFiredEventAttributes {
            timer_id: self.timer_id.to_string(),
            started_event_id: self.started_event_id,
        });
    }

    /// The command `CancelTimer`.
    pub(crate) fn cancel(&mut self, txn: &mut Txn<'_>, workflow_task_completed_event_id: i64, identity: &str) {
        let Some(next) = step(self.state, Input::Cancel) else {
            return;
        };
        self.state = next;
        txn.stop_timer(ClockTimer::User(txn.run, self.started_event_id));
        txn.emit(history::TimerCanceledEventAttributes {
            timer_id: self.timer_id.to_string(),
            started_event_id: self.started_event_id,
            workflow_task_completed_event_id,
            identity: identity.to_owned(),
        });
    }

    /// The id that the workflow gave it.
    pub(crate) fn timer_id(&self) -> &str {
        &self.timer_id
    }

    /// When its time comes, on the run's clock.
    pub(crate) fn fires_at(&self) -> Timestamp {
        self.fires_at
    }

    /// The id of its started event, by which the clock knows it.
    pub(crate) fn started_event_id(&self) -> i64 {
        self.started_event_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        super::super::walk(
            &[State::Started, State::Fired, State::Canceled],
            &[Input::Fire, Input::Cancel],
            TRANSITIONS,
            step,
        );
    }
}
