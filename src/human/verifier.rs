//! The scripted verifier: what a language model would say of an answer.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use awaithumans_temporal::wire::json::{Json, Object};

use super::reject::Reject;

/// How often a task's verifier may refuse answers before the task is lost, if its configuration doesn't say.
/// Source: `VerifierConfig.max_attempts`, 1 to 10.
pub const DEFAULT_MAX_ATTEMPTS: i64 = 3;

/// The most attempts that a configuration may allow.
pub const MAX_MAX_ATTEMPTS: i64 = 10;

/// Names and aliases of the providers that awaithumans knows. Source: `verification/runner.py`.
const PROVIDERS: [&str; 7] = [
    "anthropic",
    "azure",
    "azure_openai",
    "claude",
    "gemini",
    "google",
    "openai",
];

/// What the verifier says of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The answer is accepted; the reason is kept with the task.
    Pass(String),
    /// The answer is refused, and counts as an attempt.
    Reject(String),
    /// The provider fails: the person gets a 502, and no attempt is counted.
    Outage(String),
}

/// A verdict from the answer itself.
type Decide = Box<dyn FnMut(&Json) -> Option<Verdict> + Send>;

/// The verifier of the fake server. It passes everything, unless told otherwise.
///
/// A verdict is looked for in this order: those queued by [`Verifier::next`], the closure of [`Verifier::decide`], the
/// provider's own, the default.
pub struct Verifier {
    queued: VecDeque<Verdict>,
    decide: Option<Decide>,
    of_provider: BTreeMap<String, Verdict>,
    default: Verdict,
}

impl Verifier {
    /// The verdict for answers of which nothing else is said.
    pub fn by_default(&mut self, verdict: Verdict) -> &mut Self {
        self.default = verdict;
        self
    }

    /// The verdict of one provider, by the name that `verifier_config.provider` gives (case and outer spaces don't matter).
    pub fn of_provider(&mut self, provider: &str, verdict: Verdict) -> &mut Self {
        self.of_provider.insert(canonical(provider), verdict);
        self
    }

    /// One more verdict in the queue: used once, before all others.
    pub fn next(&mut self, verdict: Verdict) -> &mut Self {
        self.queued.push_back(verdict);
        self
    }

    /// Decides from the answer; `None` leaves it to the other rules.
    pub fn decide(&mut self, decide: impl FnMut(&Json) -> Option<Verdict> + Send + 'static) -> &mut Self {
        self.decide = Some(Box::new(decide));
        self
    }

    /// Whether awaithumans has a provider of this name (case and outer spaces don't matter).
    pub fn knows(provider: &str) -> bool {
        PROVIDERS.contains(&canonical(provider).as_str())
    }

    /// The verdict on an answer, or the refusal that the real server gives.
    pub(crate) fn judge(
        &mut self,
        config: &Config,
        response: &Json,
        forced: Option<Verdict>,
    ) -> Result<VerifierResult, Reject> {
        let provider = canonical(&config.provider);
        if !Self::knows(&provider) {
            return Err(Reject::VerifierProviderUnknown {
                provider: config.provider.clone(),
            });
        }
        let verdict = forced
            .or_else(|| self.queued.pop_front())
            .or_else(|| self.decide.as_mut().and_then(|decide| decide(response)))
            .or_else(|| self.of_provider.get(&provider).cloned())
            .unwrap_or_else(|| self.default.clone());
        match verdict {
            Verdict::Pass(reason) => Ok(VerifierResult { passed: true, reason }),
            Verdict::Reject(reason) => Ok(VerifierResult { passed: false, reason }),
            Verdict::Outage(detail) => Err(Reject::VerifierProviderError { provider, detail }),
        }
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            queued: VecDeque::new(),
            decide: None,
            of_provider: BTreeMap::new(),
            default: Verdict::Pass("ok".to_owned()),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("queued", &self.queued)
            .field("decides", &self.decide.is_some())
            .field("of_provider", &self.of_provider)
            .field("default", &self.default)
            .finish()
    }
}

fn canonical(provider: &str) -> String {
    provider.trim().to_lowercase()
}

/// A verdict as the task keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifierResult {
    /// Whether the answer was accepted.
    pub passed: bool,
    /// Why, in words for the person.
    pub reason: String,
}

impl VerifierResult {
    /// As the REST answers have it. An answer that came structured is never parsed from free text, hence the `null`.
    pub(crate) fn to_json(&self) -> Json {
        Object::new()
            .with("passed", self.passed)
            .with("reason", self.reason.as_str())
            .with("parsed_response", Json::Null)
            .into()
    }
}

/// A task's `verifier_config`, read when an answer comes: awaithumans stores it unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    provider: String,
    pub(crate) max_attempts: i64,
}

impl Config {
    /// Reads what the verifier needs. The refusals are pydantic's, one line for each field in order.
    pub(crate) fn parse(stored: &Json) -> Result<Self, Reject> {
        let mut problems = Vec::new();
        let provider = required_string(stored, "provider", &mut problems);
        required_string(stored, "instructions", &mut problems);
        let max_attempts = max_attempts(stored, &mut problems);
        if problems.is_empty() {
            return Ok(Self { provider, max_attempts });
        }
        let plural = if problems.len() == 1 { "" } else { "s" };
        let head = format!("{} validation error{plural} for VerifierConfig\n", problems.len());
        Err(Reject::VerifierConfigInvalid {
            detail: head + &problems.join("\n"),
        })
    }
}

fn required_string(stored: &Json, field: &str, problems: &mut Vec<String>) -> String {
    match stored.get(field) {
        Some(Json::String(text)) => return text.to_string_lossy().into_owned(),
        Some(other) => problems.push(problem(field, "Input should be a valid string", "string_type", other)),
        None => problems.push(problem(field, "Field required", "missing", stored)),
    }
    String::new()
}

fn max_attempts(stored: &Json, problems: &mut Vec<String>) -> i64 {
    const FIELD: &str = "max_attempts";
    let (message, kind) = match stored.get(FIELD) {
        None => return DEFAULT_MAX_ATTEMPTS,
        Some(Json::Int(attempts)) => match attempts.as_i64() {
            Some(attempts @ 1..=MAX_MAX_ATTEMPTS) => return attempts,
            Some(..=0) => ("Input should be greater than or equal to 1", "greater_than_equal"),
            _ => ("Input should be less than or equal to 10", "less_than_equal"),
        },
        Some(Json::String(text)) => match text.as_str().and_then(|text| text.trim().parse().ok()) {
            Some(attempts @ 1..=MAX_MAX_ATTEMPTS) => return attempts,
            Some(..=0) => ("Input should be greater than or equal to 1", "greater_than_equal"),
            Some(_) => ("Input should be less than or equal to 10", "less_than_equal"),
            None => (
                "Input should be a valid integer, unable to parse string as an integer",
                "int_parsing",
            ),
        },
        Some(_) => ("Input should be a valid integer", "int_type"),
    };
    problems.push(problem(FIELD, message, kind, stored.get(FIELD).unwrap_or(&Json::Null)));
    0
}

fn problem(field: &str, message: &str, kind: &str, input: &Json) -> String {
    let input_type = match input {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Int(_) => "int",
        Json::Float(_) => "float",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    };
    format!(
        "{field}\n  {message} [type={kind}, input_value={}, input_type={input_type}]\n    For further information visit \
         https://errors.pydantic.dev/2.14/v/{kind}",
        python_repr(input)
    )
}

/// Python's `repr` of simple values, which pydantic's messages quote.
fn python_repr(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::String(text) => format!("'{text}'"),
        Json::Array(values) => format!("[{}]", values.iter().map(python_repr).collect::<Vec<_>>().join(", ")),
        Json::Object(object) => {
            let entries: Vec<_> = object
                .iter()
                .map(|(key, value)| format!("'{key}': {}", python_repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Json::Int(_) | Json::Float(_) => value.to_compact(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, Reject> {
        Config::parse(&Json::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn verdicts_are_looked_for_in_order() {
        let mut verifier = Verifier::default();
        verifier
            .next(Verdict::Outage("down".to_owned()))
            .of_provider("Claude", Verdict::Reject("vague".to_owned()))
            .decide(|response| response.get("good").map(|_| Verdict::Pass("good".to_owned())));
        let claude = config(r#"{"provider":" CLAUDE ","instructions":"x"}"#).unwrap();
        let openai = config(r#"{"provider":"openai","instructions":"x"}"#).unwrap();
        let mut judge = |config: &Config, response: &str| {
            verifier
                .judge(config, &Json::parse(response.as_bytes()).unwrap(), None)
                .map(|result| (result.passed, result.reason))
        };
        assert_eq!(judge(&claude, "{}").unwrap_err().status(), 502);
        assert_eq!(judge(&claude, r#"{"good":1}"#), Ok((true, "good".to_owned())));
        assert_eq!(judge(&claude, "{}"), Ok((false, "vague".to_owned())));
        assert_eq!(judge(&openai, "{}"), Ok((true, "ok".to_owned())));
    }

    #[test]
    fn a_bad_configuration_is_refused_when_an_answer_comes() {
        let detail = |text: &str| match config(text) {
            Err(Reject::VerifierConfigInvalid { detail }) => detail,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            detail(r#"{"provider": "claude"}"#),
            "1 validation error for VerifierConfig\ninstructions\n  Field required [type=missing, input_value={'provider': \
             'claude'}, input_type=dict]\n    For further information visit https://errors.pydantic.dev/2.14/v/missing"
        );
        assert!(detail(r#"{"provider":"claude","instructions":"x","max_attempts":11}"#).contains("less_than_equal"));
        assert!(detail(r#"{"provider":"claude","instructions":"x","max_attempts":0}"#).contains("greater_than_equal"));
        assert_eq!(
            config(r#"{"provider":"claude","instructions":"x","max_attempts":"2"}"#)
                .unwrap()
                .max_attempts,
            2
        );
    }
}
