//! What clients have set for a task queue (`UpdateTaskQueueConfig`).

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::taskqueue::v1 as wire;

use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;
use crate::temporal::reject::Reject;

/// A limit, and who set it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RateLimit {
    /// Absent if it was taken away.
    pub(crate) requests_per_second: Option<f32>,
    pub(crate) reason: String,
    pub(crate) identity: String,
    pub(crate) updated: Timestamp,
}

impl RateLimit {
    fn to_wire(&self) -> wire::RateLimitConfig {
        wire::RateLimitConfig {
            rate_limit: self
                .requests_per_second
                .map(|requests_per_second| wire::RateLimit { requests_per_second }),
            metadata: Some(wire::ConfigMetadata {
                reason: self.reason.clone(),
                update_identity: self.identity.clone(),
                update_time: Some(timestamp(self.updated)),
            }),
        }
    }
}

/// The configuration of one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct QueueConfig {
    pub(crate) queue_rate_limit: Option<RateLimit>,
    pub(crate) fairness_keys_rate_limit_default: Option<RateLimit>,
    /// By fairness key; they win over what tasks say.
    pub(crate) weights: BTreeMap<String, f32>,
}

/// A change of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigUpdate {
    pub(crate) queue_rate_limit: Option<RateLimit>,
    pub(crate) fairness_keys_rate_limit_default: Option<RateLimit>,
    pub(crate) set_weights: BTreeMap<String, f32>,
    pub(crate) unset_weights: Vec<String>,
}

impl QueueConfig {
    pub(super) fn rate_limit(&self) -> Option<f64> {
        requests_per_second(self.queue_rate_limit.as_ref())
    }

    pub(super) fn key_rate_limit(&self) -> Option<f64> {
        requests_per_second(self.fairness_keys_rate_limit_default.as_ref())
    }

    /// Carries out a change, or refuses it if there would be more than `max_weights` weights.
    pub(super) fn update(&mut self, update: ConfigUpdate, max_weights: usize) -> Result<(), Reject> {
        let mut weights = self.weights.clone();
        update.unset_weights.iter().for_each(|key| {
            weights.remove(key);
        });
        weights.extend(update.set_weights);
        if weights.len() > max_weights {
            return Err(Reject::InvalidArgument(
                "fairness weight overrides update rejected: exceeding maximum key size".to_owned(),
            ));
        }
        self.weights = weights;
        if update.queue_rate_limit.is_some() {
            self.queue_rate_limit = update.queue_rate_limit;
        }
        if update.fairness_keys_rate_limit_default.is_some() {
            self.fairness_keys_rate_limit_default = update.fairness_keys_rate_limit_default;
        }
        Ok(())
    }

    pub(crate) fn to_wire(&self) -> wire::TaskQueueConfig {
        wire::TaskQueueConfig {
            queue_rate_limit: self.queue_rate_limit.as_ref().map(RateLimit::to_wire),
            fairness_keys_rate_limit_default: self.fairness_keys_rate_limit_default.as_ref().map(RateLimit::to_wire),
            fairness_weight_overrides: self.weights.clone().into_iter().collect(),
        }
    }
}

fn requests_per_second(limit: Option<&RateLimit>) -> Option<f64> {
    limit.and_then(|limit| limit.requests_per_second).map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_set_and_unset_up_to_the_limit() {
        let mut config = QueueConfig::default();
        let set = |keys: &[&str]| ConfigUpdate {
            set_weights: keys.iter().map(|key| ((*key).to_owned(), 2.0)).collect(),
            ..ConfigUpdate::default()
        };
        config.update(set(&["a", "b"]), 2).unwrap();
        let refused = config.update(set(&["c"]), 2).unwrap_err();
        assert_eq!(
            refused.message(),
            "fairness weight overrides update rejected: exceeding maximum key size"
        );
        assert_eq!(config.weights.len(), 2);
        let swap = ConfigUpdate {
            unset_weights: vec!["a".to_owned(), "nothing".to_owned()],
            ..set(&["c"])
        };
        config.update(swap, 2).unwrap();
        assert_eq!(config.weights.into_keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_limit_that_is_taken_away_leaves_who_did_it() {
        let mut config = QueueConfig::default();
        let limit = |requests_per_second: Option<f32>| ConfigUpdate {
            queue_rate_limit: Some(RateLimit {
                requests_per_second,
                identity: "operator".to_owned(),
                ..RateLimit::default()
            }),
            ..ConfigUpdate::default()
        };
        config.update(limit(Some(5.0)), 0).unwrap();
        assert_eq!(config.rate_limit(), Some(5.0));
        config.update(ConfigUpdate::default(), 0).unwrap();
        assert_eq!(config.rate_limit(), Some(5.0), "what isn't named stays");
        config.update(limit(None), 0).unwrap();
        assert_eq!(config.rate_limit(), None);
        let shown = config.to_wire().queue_rate_limit.unwrap();
        assert_eq!(shown.rate_limit, None);
        assert_eq!(shown.metadata.unwrap().update_identity, "operator");
    }
}
