//! Completion callbacks of a start: what may be attached (`chasm/lib/callback/validator.go`).

use std::collections::HashMap;

use temporalio_protos::temporal::api::common::v1::callback::{Nexus, Variant};
use temporalio_protos::temporal::api::common::v1::{Callback, Link};

use crate::temporal::allowed_addresses::AllowedAddresses;
use crate::temporal::nexus::SYSTEM_CALLBACK_URL;
use crate::temporal::reject::Reject;

/// The most callbacks of one execution (dynamic config `callback.maxPerExecution`).
const MAX_CALLBACKS: usize = 2_000;

/// The longest URL (dynamic config `frontend.callbackURLMaxLength`), in bytes.
const MAX_URL_LENGTH: usize = 1_000;

/// The most that headers may have together (dynamic config `frontend.callbackHeaderMaxLength`), in bytes.
const MAX_HEADER_SIZE: usize = 8 * 1024;

/// Checks callbacks and brings their headers into lower case.
pub(super) fn check(callbacks: Vec<Callback>, allowed: &AllowedAddresses) -> Result<Vec<Callback>, Reject> {
    if callbacks.len() > MAX_CALLBACKS {
        return Err(Reject::InvalidArgument(format!(
            "cannot attach more than {MAX_CALLBACKS} callbacks to an execution"
        )));
    }
    callbacks
        .into_iter()
        .map(|callback| check_one(callback, allowed))
        .collect()
}

/// The links that no callback of Nexus's has too.
pub(super) fn without_those_of(callbacks: &[Callback], links: Vec<Link>) -> Vec<Link> {
    let is_callbacks = |link: &Link| {
        callbacks
            .iter()
            .filter(|callback| matches!(callback.variant, Some(Variant::Nexus(_))))
            .any(|callback| callback.links.contains(link))
    };
    links.into_iter().filter(|link| !is_callbacks(link)).collect()
}

fn check_one(callback: Callback, allowed: &AllowedAddresses) -> Result<Callback, Reject> {
    let unknown = |name: &str| Err(Reject::Unimplemented(format!("unknown callback variant: {name}")));
    let nexus = match callback.variant {
        Some(Variant::Nexus(nexus)) => nexus,
        Some(Variant::Internal(_)) => return unknown("*common.Callback_Internal_"),
        Some(_) => return unknown("*common.Callback_NexusHandler_"),
        None => return unknown("<nil>"),
    };
    check_url(&nexus.url, allowed)?;
    let mut size = 0;
    let mut header = HashMap::with_capacity(nexus.header.len());
    let mut sorted: Vec<(String, String)> = nexus.header.into_iter().collect();
    sorted.sort();
    for (name, value) in sorted {
        size += name.len() + value.len();
        header.insert(name.to_lowercase(), value);
    }
    if size > MAX_HEADER_SIZE {
        return Err(Reject::InvalidArgument(format!(
            "invalid header: header size longer than max allowed size of {MAX_HEADER_SIZE}"
        )));
    }
    Ok(Callback {
        links: callback.links,
        variant: Some(Variant::Nexus(Nexus { url: nexus.url, header })),
    })
}

/// By default no address is allowed but the server itself.
fn check_url(text: &str, allowed: &AllowedAddresses) -> Result<(), Reject> {
    if text.len() > MAX_URL_LENGTH {
        return Err(Reject::InvalidArgument(format!(
            "invalid url: url length longer than max length allowed of {MAX_URL_LENGTH}"
        )));
    }
    match text == SYSTEM_CALLBACK_URL {
        true => Ok(()),
        false => allowed.check(text).map_err(Reject::InvalidArgument),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let nexus = Nexus {
            url: url.to_owned(),
            header: HashMap::new(),
        };
        let callback = Callback {
            links: Vec::new(),
            variant: Some(Variant::Nexus(nexus)),
        };
        match check(vec![callback], &AllowedAddresses::default()) {
            Ok(_) => String::new(),
            Err(reject) => reject.message(),
        }
    }

    #[test]
    fn only_the_server_itself_is_called_back() {
        assert_eq!(refusal(SYSTEM_CALLBACK_URL), "");
        assert_eq!(refusal("ftp://x"), "invalid url: unknown scheme: ftp://x");
        assert_eq!(refusal("http:///x"), "invalid url: missing host");
        assert_eq!(
            refusal("https://x/y"),
            "invalid url: url does not match any configured callback address: https://x/y"
        );
        assert!(refusal(&"x".repeat(1_001)).ends_with("max length allowed of 1000"));
        let none = check(vec![Callback::default()], &AllowedAddresses::default()).unwrap_err();
        assert_eq!(
            none,
            Reject::Unimplemented("unknown callback variant: <nil>".to_owned())
        );
    }
}
