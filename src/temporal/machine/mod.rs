//! The lives of the things a workflow starts, one file each: the table of transitions on top, then the handlers.
//!
//! Every machine has the same shape: `State`, `Input`, `TRANSITIONS`, a `step` that agrees with the table, the
//! handlers that write events, and a test that walks every pair of state and input.

pub(crate) mod activity;
pub(crate) mod callback;
pub(crate) mod child_workflow;
pub(crate) mod external;
pub(crate) mod nexus_cancellation;
pub(crate) mod nexus_operation;
pub(crate) mod standalone_activity;
pub(crate) mod standalone_nexus_operation;
pub(crate) mod timer;
pub(crate) mod update;
pub(crate) mod workflow_task;

/// Checks that `step` is what the table says, for every pair of a state and an input.
#[cfg(test)]
pub(crate) fn walk<S, I>(states: &[S], inputs: &[I], table: &[(S, I, S)], step: fn(S, I) -> Option<S>)
where
    S: Copy + PartialEq + std::fmt::Debug,
    I: Copy + PartialEq + std::fmt::Debug,
{
    for &state in states {
        for &input in inputs {
            let rows: Vec<_> = table
                .iter()
                .filter(|(from, with, _)| *from == state && *with == input)
                .collect();
            assert!(rows.len() <= 1, "the table has {state:?} × {input:?} twice");
            let expected = rows.first().map(|(_, _, to)| *to);
            assert_eq!(step(state, input), expected, "{state:?} × {input:?}");
        }
    }
    for (from, with, _) in table {
        assert!(
            states.contains(from) && inputs.contains(with),
            "{from:?} × {with:?} is not walked"
        );
    }
}
