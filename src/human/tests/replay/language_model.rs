//! The language models of the recorded servers.

use crate::human::Verifier;

/// Servers B and S had a stand-in for the SDK of Claude, and a key for it; the others had nothing.
pub(super) fn instruct(verifier: &mut Verifier, server: &str) {
    if server != "B" && server != "S" {
        verifier.missing_sdks();
        return;
    }
    verifier.judge_as_stand_in();
}
