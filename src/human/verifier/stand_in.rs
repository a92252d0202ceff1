//! The stand-in for the SDK of Claude with which the real server was recorded: the answer says what it is to say.

use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, Object};

use super::{Verdict, Verifier};

impl Verifier {
    /// Judges as that server did. It had no other provider's SDK.
    pub(crate) fn judge_as_stand_in(&mut self) {
        self.missing_variable("NO_SUCH_KEY").decide(verdict);
        for provider in ["openai", "gemini", "azure"] {
            self.missing_sdk(provider);
        }
    }
}

fn verdict(response: &Json) -> Option<Verdict> {
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
