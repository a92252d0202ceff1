//! With a setting that allows short ids only. To play these on a real server, start it with [`SHORT`].

use crate::conformance::on_both_arms;
use crate::conformance::stage::Stage;

/// The settings that these bodies are played with.
const SHORT: &[(&str, &str)] = &[
    ("limit.maxIDLength", "150"),
    ("frontend.workerVersioningDataAPIs", "true"),
    ("frontend.workerVersioningRuleAPIs", "true"),
];

on_both_arms![with SHORT; ids_above_the_setting_in_requests, ids_above_the_setting_in_commands];

/// One more than an id may have there. The server's own workflows have ids of up to a hundred or so.
const LENGTH: usize = 151;

fn ids_above_the_setting_in_requests(stage: &mut Stage<'_>) {
    super::in_requests(stage, LENGTH);
}

fn ids_above_the_setting_in_commands(stage: &mut Stage<'_>) {
    super::in_commands(stage, LENGTH);
}
