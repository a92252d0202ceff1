//! What the verifier of a served awaithumans says.

use awaithumans_temporal::wire::json::Json;

use crate::human::{Verdict, Verifier};

/// What the verifier says of people's answers, for tasks that have one: nobody asks a language model here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Verdicts {
    /// It accepts every answer.
    #[default]
    Pass,
    /// It refuses every answer.
    Reject,
    /// No provider of language models is there, as in a fresh installation: answers are refused with a 500.
    None,
    /// What the answer's own field `verdict` says: `pass`, `reject`, or `outage` for a provider that fails. An answer without
    /// such a verdict is accepted.
    Answer,
    /// As the stand-in for a language model with which the real server was recorded: the answer's field `verdict` says what it does. For
    /// comparisons with that server, tests/conformance/aw-diff.
    #[value(hide = true)]
    StandIn,
}

impl Verdicts {
    pub(super) fn instruct(self, verifier: &mut Verifier) {
        match self {
            Self::Pass => {}
            Self::Reject => {
                verifier.by_default(Verdict::Reject("rejected by the test server".to_owned()));
            }
            Self::None => {
                verifier.missing_sdks();
            }
            Self::Answer => {
                verifier.decide(own_verdict);
            }
            Self::StandIn => verifier.judge_as_stand_in(),
        }
    }
}

fn own_verdict(answer: &Json) -> Option<Verdict> {
    match answer.get("verdict")?.as_str()? {
        "pass" => Some(Verdict::Pass("accepted by the answer".to_owned())),
        "reject" => Some(Verdict::Reject("rejected by the answer".to_owned())),
        "outage" => Some(Verdict::Outage("failed by the answer".to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human::VerifierConfig;

    fn verdict(verdicts: Verdicts, answer: &str) -> Result<bool, u16> {
        let mut verifier = Verifier::default();
        verdicts.instruct(&mut verifier);
        let answer = Json::parse(answer.as_bytes()).expect("it is JSON");
        let config = Json::parse(br#"{"provider":"claude","instructions":"strict"}"#).expect("it is JSON");
        let config = VerifierConfig::parse(&config).expect("it is one");
        match verifier.judge(&config, &answer, None).outcome {
            Ok(result) => Ok(result.passed),
            Err(reject) => Err(reject.status()),
        }
    }

    #[test]
    fn an_answer_may_say_itself_what_becomes_of_it() {
        use Verdicts::{Answer, None, Pass, Reject, StandIn};
        let cases = [
            (Pass, r#"{"verdict":"reject"}"#, Ok(true)),
            (Reject, r#"{"verdict":"pass"}"#, Ok(false)),
            (None, r#"{"verdict":"pass"}"#, Err(500)),
            (Answer, r#"{"verdict":"pass"}"#, Ok(true)),
            (Answer, r#"{"verdict":"reject"}"#, Ok(false)),
            (Answer, r#"{"verdict":"outage"}"#, Err(502)),
            (Answer, r#"{"verdict":"perhaps"}"#, Ok(true)),
            (Answer, r#"{"verdict":{"reject":1}}"#, Ok(true)),
            (Answer, "[]", Ok(true)),
            (StandIn, r#"{"verdict":"odd"}"#, Ok(false)),
            (StandIn, r#"{"verdict":"notool"}"#, Err(502)),
        ];
        for (verdicts, answer, expected) in cases {
            assert_eq!(verdict(verdicts, answer), expected, "{verdicts:?} {answer}");
        }
    }
}
