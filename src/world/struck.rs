//! Who waits because of a fault, in plain words: for reports.

use super::World;
use super::later::Later;
use crate::fault::RuleId;

impl World {
    /// Whom faults keep waiting, and until when: workers that were killed, a server that is down, what is held or on its way.
    pub fn struck(&self) -> Vec<String> {
        let clock = self
            .clock_held_by()
            .map(|by| format!("the clock stands still, by {by}: until then nothing that needs time happens"));
        let killed = self.killed.iter().map(|(identity, restart)| match restart {
            Some(at) => format!("worker {identity} was killed, and is started again at {at}"),
            None => format!("worker {identity} was killed, and nobody starts it again"),
        });
        let held = self.webhooks.held().map(|(task, until)| {
            let key = self.human.task(task).map(|task| task.idempotency_key.as_str());
            format!("a webhook (key {}) is held until {until}", key.unwrap_or(task))
        });
        let later = self.later.iter().filter_map(|(at, later)| {
            let what = self.in_words(later)?;
            Some(format!("{what} at {at}"))
        });
        clock.into_iter().chain(killed).chain(held).chain(later).collect()
    }

    fn in_words(&self, later: &Later) -> Option<String> {
        Some(match later {
            Later::Rule(id) => {
                let rule = self.rule(*id)?;
                format!("the fault “{rule}” is due")
            }
            Later::Call { method, .. } => format!("a delayed call of {method} arrives"),
            Later::Request { request, .. } => {
                format!("a delayed {} {} arrives", request.method(), request.uri().path())
            }
            Later::NoDatabase { .. } => "the awaithumans server gives up on its database".to_owned(),
            Later::Webhook(shipment) => {
                let task = shipment.task_id();
                let key = self.human.task(task).map(|task| task.idempotency_key.as_str());
                format!("a webhook that was struck (key {}) arrives", key.unwrap_or(task))
            }
            Later::Outcome(..) => "the sender of a webhook gives up".to_owned(),
            // The first is among those that were killed, the second of no interest.
            Later::StartWorker { .. } | Later::EndFaults => return None,
            Later::StartServer => "the awaithumans server, which a fault has stopped, starts again".to_owned(),
        })
    }

    fn rule(&self, id: RuleId) -> Option<&crate::fault::Rule> {
        let found = self.faults.iter().find(|active| active.id == id);
        found.map(|active| &active.rule)
    }
}
