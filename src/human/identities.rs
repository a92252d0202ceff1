//! Senders of e-mail: identities that operators set up, and the default one of the configuration.

use awaithumans_temporal::wire::json::Json;
use serde::{Deserialize, Serialize};

use super::reject::Reject;
use super::router::truthy;

/// A sender of e-mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) from_email: String,
    pub(crate) from_name: Option<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) transport: String,
}

/// All identities, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identities {
    rows: Vec<Identity>,
}

impl Identities {
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &Identity> {
        self.rows.iter()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Identity> {
        self.rows.iter().find(|identity| identity.id == id)
    }

    /// The only one there is.
    pub(crate) fn only(&self) -> Option<&Identity> {
        match self.rows.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Adds an identity, or puts it in the place of the one with its id.
    pub(crate) fn put(&mut self, identity: Identity) {
        match self.rows.iter_mut().find(|row| row.id == identity.id) {
            Some(row) => *row = identity,
            None => self.rows.push(identity),
        }
    }

    /// Removes an identity; `false` if there is none of this id.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let before = self.rows.len();
        self.rows.retain(|identity| identity.id != id);
        self.rows.len() < before
    }
}

/// Whether a transport can be made of its name and settings. Nothing is ever sent by it: what it would send lands in the inbox.
pub(crate) fn check_transport(name: &str, settings: &Json) -> Result<(), Reject> {
    let set = |key: &str| settings.get(key).is_some_and(truthy);
    let required = |key: &str| match set(key) {
        true => Ok(()),
        false => Err(Reject::BadRequest(format!(
            "{} transport: config.{key} is required.",
            name.to_lowercase()
        ))),
    };
    match name.to_lowercase().as_str() {
        "resend" => required("api_key"),
        "smtp" => {
            // A port that Python's `int` doesn't take is nothing that the real server expects.
            let port = settings.get("port").filter(|port| truthy(port));
            if port.is_some_and(|port| super::embed::python_int(port).is_none()) {
                return Err(Reject::Internal);
            }
            required("host")
        }
        "file" => {
            required("dir")?;
            match settings.get("dir") {
                Some(Json::String(_)) => Ok(()),
                _ => Err(Reject::Internal),
            }
        }
        "logging" | "noop" => Ok(()),
        unknown => Err(Reject::BadRequest(format!(
            "Unknown email transport: '{unknown}'. Valid: resend, smtp, logging, noop, file."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_say_what_they_lack() {
        let check = |name: &str, settings: &str| check_transport(name, &Json::parse(settings.as_bytes()).unwrap());
        let lacks = |text: &str| Err(Reject::BadRequest(text.to_owned()));
        assert_eq!(check("SMTP", "{}"), lacks("smtp transport: config.host is required."));
        assert_eq!(check("smtp", r#"{"host":"h","port":"587"}"#), Ok(()));
        assert_eq!(check("smtp", r#"{"host":"h","port":"abc"}"#), Err(Reject::Internal));
        assert_eq!(
            check("resend", r#"{"api_key":""}"#),
            lacks("resend transport: config.api_key is required.")
        );
        assert_eq!(check("file", r#"{"dir":5}"#), Err(Reject::Internal));
        assert_eq!(check("noop", "{}"), Ok(()));
        assert_eq!(
            check("Pigeon", "{}"),
            lacks("Unknown email transport: 'pigeon'. Valid: resend, smtp, logging, noop, file.")
        );
    }
}
