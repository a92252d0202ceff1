//! From a seed to a plan: which faults are in its swarm, and what of them.

use proptest::strategy::{BoxedStrategy, Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::entropy::Entropy;
use crate::scenario::Plan;
use crate::strategies::{PlanOptions, plan};

/// The stream of randomness of plans, so that a plan doesn't shift the ids of its world.
const PLAN_STREAM: u64 = 1_000;

/// The plan of a seed.
pub(super) fn plan_of(seed: u64, options: &PlanOptions) -> Plan {
    tree_of(seed, options).map(|tree| tree.current()).unwrap_or_default()
}

/// The plan of a seed, as something that shrinks.
pub(super) fn tree_of(seed: u64, options: &PlanOptions) -> Option<Box<dyn ValueTree<Value = Plan>>> {
    let mut entropy = Entropy::stream(seed, PLAN_STREAM);
    let strategy = swarm(&mut entropy, options);
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&entropy.next_u64().to_le_bytes());
    }
    let generator = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), generator);
    strategy.new_tree(&mut runner).ok()
}

/// A swarm: about half of the faults, another half for each seed, so that faults which hide others aren't always there.
fn swarm(entropy: &mut Entropy, options: &PlanOptions) -> BoxedStrategy<Plan> {
    let all = options.faults().iter().copied();
    let chosen = all.filter(|_| entropy.below(2) == 0).collect();
    plan(&options.with_faults(chosen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another() {
        let options = PlanOptions::default();
        assert_eq!(plan_of(7, &options), plan_of(7, &options));
        let different = (0..50).filter(|seed| plan_of(*seed, &options) != plan_of(seed + 1, &options));
        assert!(different.count() > 45);
    }
}
