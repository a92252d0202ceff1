//! What people got by other ways than answers: the setup token from the log, and the links in e-mails. And the one number that
//! is a matter of how fast a server works.

use serde_json::Value;

use super::recording::Row;
use super::substitution::{Substitution, unseal};
use crate::human::Human;

/// The path of a link in an e-mail that answers a task.
const ACTION: &str = "/api/channels/email/action/";
/// The path of a link in an e-mail that leads to a task.
const HANDOFF: &str = "/api/auth/email-handoff?";

/// The recorded setup token, and ours.
#[derive(Debug, Default)]
pub(super) struct SetupToken(Option<(String, String)>);

impl SetupToken {
    /// A recorded body with our token: a real one has 43 characters.
    pub(super) fn translate(&mut self, human: &Human, row: &Row, body: &str) -> String {
        let token = || {
            serde_json::from_str::<Value>(body).ok()?["token"]
                .as_str()
                .map(str::to_owned)
        };
        let recorded = (row.path == "/api/setup/operator").then(token).flatten();
        if let Some(recorded) = recorded.filter(|token| token.len() == 43)
            && let (None, Some(ours)) = (&self.0, human.setup_token())
        {
            self.0 = Some((recorded, ours.to_owned()));
        }
        match &self.0 {
            Some((recorded, ours)) => body.replace(recorded, ours),
            None => body.to_owned(),
        }
    }
}

/// A recorded path with the link that our e-mail had in the place of the recorded one.
pub(super) fn path(human: &Human, substitution: &mut Substitution, recorded: &str) -> String {
    if let Some(token) = recorded.strip_prefix(ACTION) {
        if substitution.ours(token).is_none()
            && let Some(ours) = magic_token(human, substitution, token).or_else(|| forged(human, substitution, token))
        {
            substitution.learn(token, &ours);
        }
        // Not by `translate`, which doesn't know a token that begins with a dash.
        return format!("{ACTION}{}", substitution.ours(token).unwrap_or(token));
    }
    let handoff = recorded
        .strip_prefix(HANDOFF)
        .and_then(|query| review_link(human, substitution, query));
    handoff.unwrap_or_else(|| substitution.translate(recorded))
}

/// The token of our magic link that says the same: of the same task and recipient, with the same answer.
fn magic_token(human: &Human, substitution: &Substitution, recorded: &str) -> Option<String> {
    let wanted = unseal(recorded.as_bytes())?;
    let task = substitution.ours(wanted["t"].as_str()?)?;
    let same = |ours: &Value| ["f", "r", "v"].iter().all(|key| ours[key] == wanted[key]) && ours["t"] == task;
    let links = human.inbox().iter().flat_map(|notification| &notification.magic_links);
    let mut tokens = links.filter_map(|link| link.url.split(ACTION).nth(1));
    tokens
        .find(|token| unseal(token.as_bytes()).is_some_and(|ours| same(&ours)))
        .map(str::to_owned)
}

/// Some links no e-mail carried: a script signed them itself, since it knew the key.
fn forged(human: &Human, substitution: &Substitution, recorded: &str) -> Option<String> {
    let mut body = unseal(recorded.as_bytes())?;
    body["t"] = substitution.ours(body["t"].as_str()?)?.into();
    Some(human.keys.magic_link.seal(body.to_string().as_bytes()))
}

/// Our link to the task of a recorded one: the whole of it, since the time at which it ends is in it.
fn review_link(human: &Human, substitution: &Substitution, recorded: &str) -> Option<String> {
    let parameter = |query: &str, name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(present, _)| *present == name)
            .map(|(_, value)| value.to_owned())
    };
    let task = substitution.ours(&parameter(recorded, "t")?)?.to_owned();
    let recipient = parameter(recorded, "to");
    let links = human
        .inbox()
        .iter()
        .filter_map(|notification| notification.review_url.as_deref());
    let mut queries = links.filter_map(|link| link.split(HANDOFF).nth(1));
    let fits = |query: &&str| parameter(query, "t").as_ref() == Some(&task) && parameter(query, "to") == recipient;
    queries.find(fits).map(|query| format!("{HANDOFF}{query}"))
}

/// A recorded body with our average of seconds from task to answer, where it has one: virtual work takes no time.
pub(super) fn with_our_average(recorded: &str, ours: &str) -> String {
    const KEY: &str = "\"avg_completion_seconds\":";
    let number = |text: &str| {
        let rest = text.split(KEY).nth(1)?;
        let number = rest.split(',').next()?.to_owned();
        number.parse::<f64>().ok().map(|_| number)
    };
    match (number(recorded), number(ours)) {
        (Some(theirs), Some(ours)) => recorded.replace(&format!("{KEY}{theirs}"), &format!("{KEY}{ours}")),
        _ => recorded.to_owned(),
    }
}
