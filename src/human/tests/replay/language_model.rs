//! The language models of the recorded servers.

use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, Object};

use crate::human::{Verdict, Verifier};

/// Servers B and S had a stand-in for the SDK of Claude, and a key for it; the others had nothing.
pub(super) fn instruct(verifier: &mut Verifier, server: &str) {
    if server != "B" && server != "S" {
        verifier.missing_sdks();
        return;
    }
    verifier.missing_variable("NO_SUCH_KEY").decide(stub_verdict);
    for provider in ["openai", "gemini", "azure"] {
        verifier.missing_sdk(provider);
    }
}

/// The stand-in: the answer says what it is to say.
fn stub_verdict(response: &Json) -> Option<Verdict> {
    Some(match response.get("verdict")?.as_str()? {
        "reject" => Verdict::Reject("stub rejects: too vague".to_owned()),
        "boom" => Verdict::Outage("stub provider outage: upstream said sk-ant-SECRETSECRETSECRET no".to_owned()),
        "notool" => Verdict::Outage("Claude returned no tool_use block — model contract may have changed.".to_owned()),
        "odd" => Verdict::Reject("42".to_owned()),
        "str" => Verdict::Parsed {
            reason: "as string".to_owned(),
            parsed_response: Object::new().with("x", 1_i64).into(),
        },
        "sleep2" => Verdict::Pass("ok".to_owned()).after(Duration::from_secs(2)),
        _ => return None,
    })
}
