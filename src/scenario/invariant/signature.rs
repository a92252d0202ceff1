//! A webhook's signature always matches its bytes.

use awaithumans_temporal::WebhookKey;

use super::Invariant;
use crate::world::World;

#[derive(Debug)]
pub(super) struct Signature {
    key: WebhookKey,
    looked_at: usize,
}

impl Signature {
    pub(super) fn new(key: WebhookKey) -> Self {
        Self { key, looked_at: 0 }
    }
}

impl Invariant for Signature {
    fn name(&self) -> &str {
        "a webhook's signature matches its bytes"
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        // Body and signature are fixed when a webhook is queued, and rows are only ever added.
        for delivery in world.human().deliveries().skip(self.looked_at) {
            self.looked_at += 1;
            if let Err(error) = self.key.verify(&delivery.body, Some(&delivery.signature)) {
                return Err(format!("webhook {} of task {}: {error}", delivery.id, delivery.task_id));
            }
        }
        Ok(())
    }
}
