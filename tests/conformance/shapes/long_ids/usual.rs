//! As the server is without being told otherwise.

use crate::conformance::on_both_arms;
use crate::conformance::stage::Stage;

/// Nothing but what the other bodies' server has switched on.
const SWITCHED_ON: &[(&str, &str)] = &[
    ("frontend.workerVersioningDataAPIs", "true"),
    ("frontend.workerVersioningRuleAPIs", "true"),
];

on_both_arms![with SWITCHED_ON; long_ids_in_requests, long_ids_in_commands];

/// One more than an id may have.
const LENGTH: usize = 1_001;

fn long_ids_in_requests(stage: &mut Stage<'_>) {
    super::in_requests(stage, LENGTH);
}

fn long_ids_in_commands(stage: &mut Stage<'_>) {
    super::in_commands(stage, LENGTH);
}
