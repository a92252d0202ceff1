//! The scripted verifier: what a language model would say of an answer.

mod config;
mod scrub;
#[cfg(any(test, feature = "serve"))]
mod stand_in;

pub(crate) use config::Config;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, Object};

use super::reject::Reject;
use scrub::scrubbed;

/// How often a task's verifier may refuse answers before the task is lost, if its configuration doesn't say.
/// Source: `VerifierConfig.max_attempts`, 1 to 10.
pub const DEFAULT_MAX_ATTEMPTS: i64 = 3;

/// The most attempts that a configuration may allow.
pub const MAX_MAX_ATTEMPTS: i64 = 10;

/// What awaithumans knows of a provider of language models.
#[derive(Debug)]
struct Provider {
    /// Its name in refusals.
    name: &'static str,
    /// The names that `verifier_config.provider` may give.
    aliases: &'static [&'static str],
    /// The extra of awaithumans that installs its SDK.
    extra: &'static str,
    /// The environment variable with its key, unless `verifier_config.api_key_env` names another.
    key_variable: &'static str,
}

/// The providers. Source: `verification/runner.py` and `verification/providers/`.
const PROVIDERS: [Provider; 4] = [
    Provider {
        name: "claude",
        aliases: &["claude", "anthropic"],
        extra: "verifier-claude",
        key_variable: "ANTHROPIC_API_KEY",
    },
    Provider {
        name: "openai",
        aliases: &["openai"],
        extra: "verifier-openai",
        key_variable: "OPENAI_API_KEY",
    },
    Provider {
        name: "gemini",
        aliases: &["gemini", "google"],
        extra: "verifier-gemini",
        key_variable: "GEMINI_API_KEY",
    },
    Provider {
        name: "azure",
        aliases: &["azure", "azure_openai"],
        extra: "verifier-azure",
        key_variable: "AZURE_OPENAI_API_KEY",
    },
];

/// The environment variable with Azure's address, unless `verifier_config.metadata.endpoint_env` names another.
const AZURE_ENDPOINT_VARIABLE: &str = "AZURE_OPENAI_ENDPOINT";

/// What the verifier says of one answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The answer is accepted; the reason is kept with the task.
    Pass(String),
    /// The answer is accepted, with what the language model made of it: awaithumans 0.1.12 keeps that with the verdict and
    /// does nothing with it.
    Parsed {
        /// Kept with the task.
        reason: String,
        /// Any value.
        parsed_response: Json,
    },
    /// The answer is refused, and counts as an attempt.
    Reject(String),
    /// The provider fails: the person gets a 502, and no attempt is counted. The text is what its SDK raises; awaithumans blots
    /// out what looks like a key.
    Outage(String),
    /// The verdict comes after a while. Whatever happens to the task meanwhile comes first.
    Later(Duration, Box<Verdict>),
}

impl Verdict {
    /// The same verdict, after a while.
    ///
    /// ```
    /// use awaithumans_testkit::human::Verdict;
    /// use std::time::Duration;
    ///
    /// let verdict = Verdict::Pass("ok".to_owned()).after(Duration::from_secs(2));
    /// assert!(matches!(verdict, Verdict::Later(..)));
    /// ```
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::Later(delay, Box::new(self))
    }
}

/// What came of an answer, and how long that took.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) outcome: Result<VerifierResult, Reject>,
    pub(crate) after: Duration,
}

/// A verdict from the answer itself.
type Decide = Box<dyn FnMut(&Json) -> Option<Verdict> + Send>;

/// The verifier of the fake server. It passes everything, unless told otherwise.
///
/// A verdict is looked for in this order: those queued by [`Verifier::next`], the closure of [`Verifier::decide`], the
/// provider's own, the default. A provider whose SDK or key is missing gives none: the person gets a 500, and no attempt is
/// counted.
pub struct Verifier {
    queued: VecDeque<Verdict>,
    decide: Option<Decide>,
    of_provider: BTreeMap<String, Verdict>,
    default: Verdict,
    missing_sdks: BTreeSet<String>,
    missing_variables: BTreeSet<String>,
}

impl Verifier {
    /// The verdict for answers of which nothing else is said.
    pub fn by_default(&mut self, verdict: Verdict) -> &mut Self {
        self.default = verdict;
        self
    }

    /// The verdict of one provider, by the name that `verifier_config.provider` gives (case, outer spaces, and which of its names
    /// it is don't matter).
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

    /// The provider's SDK isn't installed: 500 `VERIFIER_PROVIDER_UNAVAILABLE`.
    pub fn missing_sdk(&mut self, provider: &str) -> &mut Self {
        self.missing_sdks.insert(canonical(provider));
        self
    }

    /// No provider's SDK is installed, as in a fresh installation.
    pub fn missing_sdks(&mut self) -> &mut Self {
        self.missing_sdks
            .extend(PROVIDERS.iter().map(|provider| provider.name.to_owned()));
        self
    }

    /// An environment variable of the server isn't set, such as `ANTHROPIC_API_KEY` or what `verifier_config.api_key_env` names:
    /// 500 `VERIFIER_API_KEY_MISSING`, or `VERIFIER_ENDPOINT_MISSING` for Azure's address. All are set unless this says otherwise.
    pub fn missing_variable(&mut self, name: &str) -> &mut Self {
        self.missing_variables.insert(name.to_owned());
        self
    }

    /// Whether awaithumans has a provider of this name (case and outer spaces don't matter).
    pub fn knows(provider: &str) -> bool {
        let name = canonical(provider);
        PROVIDERS.iter().any(|provider| provider.name == name)
    }

    /// The verdict on an answer, or the refusal that the real server gives.
    pub(crate) fn judge(&mut self, config: &Config, response: &Json, forced: Option<Verdict>) -> Judgement {
        let mut after = Duration::ZERO;
        let outcome = self.verdict(config, response, forced).and_then(|(provider, verdict)| {
            let mut verdict = verdict;
            while let Verdict::Later(delay, then) = verdict {
                after += delay;
                verdict = *then;
            }
            let result = |passed, reason, parsed_response| {
                Ok(VerifierResult {
                    passed,
                    reason,
                    parsed_response,
                })
            };
            match verdict {
                Verdict::Pass(reason) => result(true, reason, Json::Null),
                Verdict::Parsed {
                    reason,
                    parsed_response,
                } => result(true, reason, parsed_response),
                Verdict::Reject(reason) => result(false, reason, Json::Null),
                Verdict::Outage(raised) => Err(outage(provider, scrubbed(&raised))),
                Verdict::Later(..) => Err(Reject::Internal),
            }
        });
        Judgement { outcome, after }
    }

    fn verdict(
        &mut self,
        config: &Config,
        response: &Json,
        forced: Option<Verdict>,
    ) -> Result<(&'static Provider, Verdict), Reject> {
        let name = canonical(&config.provider);
        let provider =
            PROVIDERS
                .iter()
                .find(|provider| provider.name == name)
                .ok_or_else(|| Reject::VerifierProviderUnknown {
                    provider: config.provider.clone(),
                })?;
        if forced.is_none() {
            self.check_environment(provider, config)?;
        }
        let verdict = forced
            .or_else(|| self.queued.pop_front())
            .or_else(|| self.decide.as_mut().and_then(|decide| decide(response)))
            .or_else(|| self.of_provider.get(provider.name).cloned())
            .unwrap_or_else(|| self.default.clone());
        Ok((provider, verdict))
    }

    /// What a provider needs before it asks its language model.
    fn check_environment(&self, provider: &'static Provider, config: &Config) -> Result<(), Reject> {
        if self.missing_sdks.contains(provider.name) {
            return Err(Reject::VerifierProviderUnavailable {
                provider: provider.name,
                extra: provider.extra,
            });
        }
        let named = config.api_key_env.as_deref().filter(|name| !name.is_empty());
        let variable = named.unwrap_or(provider.key_variable);
        if self.missing_variables.contains(variable) {
            return Err(Reject::VerifierApiKeyMissing {
                variable: variable.to_owned(),
            });
        }
        if provider.name == "azure" {
            let named = config.metadata.get("endpoint_env").and_then(Json::as_str);
            let variable = named.unwrap_or(AZURE_ENDPOINT_VARIABLE);
            if self.missing_variables.contains(variable) {
                return Err(Reject::VerifierEndpointMissing {
                    variable: variable.to_owned(),
                });
            }
            let deployment = config
                .metadata
                .get("deployment")
                .and_then(Json::as_str)
                .filter(|name| !name.is_empty());
            if deployment.or(config.model.as_deref()).is_none_or(str::is_empty) {
                let detail = "Azure OpenAI requires a deployment name. Set it in VerifierConfig.metadata['deployment'] or .model.";
                return Err(outage(provider, detail.to_owned()));
            }
        }
        Ok(())
    }
}

fn outage(provider: &Provider, detail: String) -> Reject {
    Reject::VerifierProviderError {
        provider: provider.name.to_owned(),
        detail,
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            queued: VecDeque::new(),
            decide: None,
            of_provider: BTreeMap::new(),
            default: Verdict::Pass("ok".to_owned()),
            missing_sdks: BTreeSet::new(),
            missing_variables: BTreeSet::new(),
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
            .field("missing_sdks", &self.missing_sdks)
            .field("missing_variables", &self.missing_variables)
            .finish()
    }
}

/// A provider's own name; of a provider that awaithumans doesn't know, the name in lower case.
fn canonical(provider: &str) -> String {
    let name = provider.trim().to_lowercase();
    let known = PROVIDERS
        .iter()
        .find(|provider| provider.aliases.contains(&name.as_str()));
    known.map_or(name, |provider| provider.name.to_owned())
}

/// A verdict as the task keeps it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VerifierResult {
    /// Whether the answer was accepted.
    pub passed: bool,
    /// Why, in words for the person.
    pub reason: String,
    /// What the language model made of the answer, or `null`. awaithumans 0.1.12 only shows it.
    #[serde(with = "super::state::json_text")]
    pub parsed_response: Json,
}

impl VerifierResult {
    /// As the REST answers have it.
    pub(crate) fn to_json(&self) -> Json {
        Object::new()
            .with("passed", self.passed)
            .with("reason", self.reason.as_str())
            .with("parsed_response", self.parsed_response.clone())
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, Reject> {
        Config::parse(&Json::parse(text.as_bytes()).unwrap())
    }

    fn judge(verifier: &mut Verifier, config: &Config, response: &str) -> Result<(bool, String), u16> {
        let response = Json::parse(response.as_bytes()).unwrap();
        let judgement = verifier.judge(config, &response, None);
        judgement
            .outcome
            .map(|result| (result.passed, result.reason))
            .map_err(|reject| reject.status())
    }

    #[test]
    fn verdicts_are_looked_for_in_order() {
        let mut verifier = Verifier::default();
        verifier
            .next(Verdict::Outage("down".to_owned()))
            .of_provider("Anthropic", Verdict::Reject("vague".to_owned()))
            .decide(|response| response.get("good").map(|_| Verdict::Pass("good".to_owned())));
        let claude = config(r#"{"provider":" CLAUDE ","instructions":"x"}"#).unwrap();
        let openai = config(r#"{"provider":"openai","instructions":"x"}"#).unwrap();
        assert_eq!(judge(&mut verifier, &claude, "{}"), Err(502));
        assert_eq!(
            judge(&mut verifier, &claude, r#"{"good":1}"#),
            Ok((true, "good".to_owned()))
        );
        assert_eq!(judge(&mut verifier, &claude, "{}"), Ok((false, "vague".to_owned())));
        assert_eq!(judge(&mut verifier, &openai, "{}"), Ok((true, "ok".to_owned())));
    }

    #[test]
    fn a_provider_needs_its_sdk_its_key_and_azure_more_than_that() {
        let mut verifier = Verifier::default();
        verifier
            .missing_sdk("google")
            .missing_variable("MINE")
            .missing_variable("ENDPOINT");
        for (stored, expected) in [
            (r#"{"provider":"gemini"}"#, "VERIFIER_PROVIDER_UNAVAILABLE"),
            (
                r#"{"provider":"claude","api_key_env":"MINE"}"#,
                "VERIFIER_API_KEY_MISSING",
            ),
            (r#"{"provider":"claude","api_key_env":""}"#, ""),
            (
                r#"{"provider":"azure","metadata":{"endpoint_env":"ENDPOINT"}}"#,
                "VERIFIER_ENDPOINT_MISSING",
            ),
            (r#"{"provider":"azure"}"#, "VERIFIER_PROVIDER_ERROR"),
            (r#"{"provider":"azure_openai","model":"m"}"#, ""),
            (r#"{"provider":"azure","metadata":{"deployment":"d"}}"#, ""),
        ] {
            let mut stored = Json::parse(stored.as_bytes()).unwrap();
            if let Json::Object(object) = &mut stored {
                object.insert("instructions".into(), "x".into());
            }
            let config = Config::parse(&stored).unwrap();
            let refusal = verifier.judge(&config, &Json::Null, None).outcome.err();
            let body = refusal.and_then(|reject| reject.body()).unwrap_or_default();
            assert_eq!(
                body.get("error").and_then(Json::as_str).unwrap_or_default(),
                expected,
                "{stored}"
            );
        }
    }

    #[test]
    fn delays_of_a_verdict_add_up() {
        let seconds = Duration::from_secs;
        let mut verifier = Verifier::default();
        verifier.by_default(Verdict::Reject("slowly".to_owned()).after(seconds(2)).after(seconds(3)));
        let config = config(r#"{"provider":"claude","instructions":"x"}"#).unwrap();
        let judgement = verifier.judge(&config, &Json::Null, None);
        assert_eq!(
            (judgement.after, judgement.outcome.unwrap().passed),
            (seconds(5), false)
        );
    }

    #[test]
    fn configurations_are_refused_and_errors_scrubbed_as_by_the_real_server() {
        let fixture = include_str!("../../../fixtures/awaithumans-0.1.12/verifier_configs.jsonl");
        let mut wrong = String::new();
        for line in fixture.lines() {
            let row = Json::parse(line.as_bytes()).unwrap();
            let text = |name: &str| row.get(name).and_then(Json::as_str);
            let (found, expected) = match text("raised") {
                Some(raised) => (scrubbed(raised), text("detail").unwrap().to_owned()),
                None => {
                    let found = match Config::parse(row.get("config").unwrap()) {
                        Ok(config) => config.max_attempts.to_string(),
                        Err(Reject::VerifierConfigInvalid { detail }) => detail,
                        Err(other) => format!("{other:?}"),
                    };
                    let attempts = row.get("max_attempts").map(Json::to_compact);
                    (found, text("error").map(str::to_owned).or(attempts).unwrap())
                }
            };
            if found != expected {
                wrong.push_str(&format!("{line}\n  ours: {found}\n"));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}
