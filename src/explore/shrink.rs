//! From a plan that fails to a smaller one that fails in the same way.

use super::case::{Failure, Outcome};
use super::{Explore, swarm};
use crate::scenario::Plan;
use crate::testkit::Testkit;

/// The smallest plan that was found within the exploration's number of tries, and how it fails.
///
/// proptest leads: it leaves out steps, then makes those that are left simpler, times among them. A plan that fails in another way counts as one
/// that doesn't fail, so that another mistake doesn't take this one's place.
pub(super) fn shrink<O: Outcome>(
    explore: &Explore,
    seed: u64,
    plan: Plan,
    failure: Failure,
    body: &(impl AsyncFn(&Testkit) -> O + Sync),
) -> (Plan, Failure) {
    let mut best = (plan, failure);
    let Some(mut tree) = swarm::tree_of(seed, &explore.options) else {
        return best;
    };
    let mut tries = explore.max_shrinks;
    let mut fails = |plan: Plan, best: &mut (Plan, Failure)| {
        tries = tries.saturating_sub(1);
        let (_, failure) = explore.case(seed, plan.clone()).play(body);
        let same = failure.filter(|failure| failure.fingerprint == best.1.fingerprint);
        let is_same = same.is_some();
        if let Some(failure) = same {
            *best = (plan, failure);
        }
        (is_same, tries > 0)
    };
    let mut moved = tree.simplify();
    while moved {
        let (is_same, goes_on) = fails(tree.current(), &mut best);
        if !goes_on {
            break;
        }
        moved = match is_same {
            true => tree.simplify(),
            false => tree.complicate(),
        };
    }
    leave_out(&mut best, &mut fails);
    best
}

/// Once more, step by step: what only mattered beside a step that has gone since goes too.
fn leave_out(best: &mut (Plan, Failure), fails: &mut impl FnMut(Plan, &mut (Plan, Failure)) -> (bool, bool)) {
    let mut place = 0;
    while place < best.0.steps() {
        let mut smaller = best.0.clone();
        let people = smaller.people.len();
        match place < people {
            true => drop(smaller.people.remove(place)),
            false => drop(smaller.faults.remove(place - people)),
        }
        let (is_same, goes_on) = fails(smaller, best);
        if !goes_on {
            return;
        }
        // What was left out has been replaced by the next step.
        place += usize::from(!is_same);
    }
}
