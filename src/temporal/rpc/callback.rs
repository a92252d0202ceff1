//! Completion callbacks of a start: what may be attached (`chasm/lib/callback/validator.go`).

use std::collections::HashMap;

use temporalio_protos::temporal::api::common::v1::callback::{Nexus, Variant};
use temporalio_protos::temporal::api::common::v1::{Callback, Link};

use crate::temporal::config::DynamicConfig;
use crate::temporal::nexus::{INTERNAL_CALLBACK_URL, SYSTEM_CALLBACK_URL};
use crate::temporal::reject::Reject;

/// Checks callbacks and brings their headers into lower case.
pub(super) fn check(callbacks: Vec<Callback>, config: &DynamicConfig) -> Result<Vec<Callback>, Reject> {
    let most = config.callbacks;
    if callbacks.len() > most {
        return Err(Reject::InvalidArgument(format!(
            "cannot attach more than {most} callbacks to an execution"
        )));
    }
    callbacks
        .into_iter()
        .map(|callback| check_one(callback, config))
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

fn check_one(callback: Callback, config: &DynamicConfig) -> Result<Callback, Reject> {
    let unknown = |name: &str| Err(Reject::Unimplemented(format!("unknown callback variant: {name}")));
    let nexus = match callback.variant {
        Some(Variant::Nexus(nexus)) => nexus,
        // The frontend lets it pass, and no run takes it (`addCallbacksToMap`).
        Some(Variant::Internal(_)) => {
            return Err(Reject::InvalidArgument(
                "unsupported callback variant: *common.Callback_Internal_".to_owned(),
            ));
        }
        Some(_) => return unknown("*common.Callback_NexusHandler_"),
        None => return unknown("<nil>"),
    };
    check_url(&nexus.url, config)?;
    let mut size = 0;
    let mut header = HashMap::with_capacity(nexus.header.len());
    let mut sorted: Vec<(String, String)> = nexus.header.into_iter().collect();
    sorted.sort();
    for (name, value) in sorted {
        size += name.len() + value.len();
        header.insert(name.to_lowercase(), value);
    }
    let limit = config.callback_header_bytes;
    if size > limit {
        return Err(Reject::InvalidArgument(format!(
            "invalid header: header size longer than max allowed size of {limit}"
        )));
    }
    Ok(Callback {
        links: callback.links,
        variant: Some(Variant::Nexus(Nexus { url: nexus.url, header })),
    })
}

/// By default no address is allowed but the server itself.
fn check_url(text: &str, config: &DynamicConfig) -> Result<(), Reject> {
    let limit = config.callback_url_bytes;
    if text.len() > limit {
        return Err(Reject::InvalidArgument(format!(
            "invalid url: url length longer than max length allowed of {limit}"
        )));
    }
    match text {
        SYSTEM_CALLBACK_URL | INTERNAL_CALLBACK_URL => Ok(()),
        _ => config.callback_addresses.check(text).map_err(Reject::InvalidArgument),
    }
}

#[cfg(test)]
mod tests {
    use temporalio_protos::temporal::api::common::v1::callback::Internal;

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
        match check(vec![callback], &DynamicConfig::default()) {
            Ok(_) => String::new(),
            Err(reject) => reject.message(),
        }
    }

    #[test]
    fn a_server_may_allow_less() {
        let nexus = Nexus {
            url: SYSTEM_CALLBACK_URL.to_owned(),
            header: [("Name".to_owned(), "value".to_owned())].into(),
        };
        let callback = Callback {
            links: Vec::new(),
            variant: Some(Variant::Nexus(nexus)),
        };
        for (setting, why) in [
            (
                "callback.maxPerExecution",
                "cannot attach more than 0 callbacks to an execution",
            ),
            (
                "frontend.callbackURLMaxLength",
                "invalid url: url length longer than max length allowed of 0",
            ),
            (
                "frontend.callbackHeaderMaxLength",
                "invalid header: header size longer than max allowed size of 0",
            ),
        ] {
            let mut config = DynamicConfig::default();
            assert!(check(vec![callback.clone()], &config).is_ok());
            config.set(setting, &serde_json::Value::from(0)).unwrap();
            assert_eq!(check(vec![callback.clone()], &config).unwrap_err().message(), why);
        }
    }

    #[test]
    fn only_the_server_itself_is_called_back() {
        assert_eq!(refusal(SYSTEM_CALLBACK_URL), "");
        assert_eq!(refusal(INTERNAL_CALLBACK_URL), "");
        assert_eq!(
            refusal("temporal://internal/"),
            "invalid url: unknown scheme: temporal://internal/"
        );
        assert_eq!(refusal("ftp://x"), "invalid url: unknown scheme: ftp://x");
        assert_eq!(refusal("http:///x"), "invalid url: missing host");
        assert_eq!(
            refusal("https://x/y"),
            "invalid url: url does not match any configured callback address: https://x/y"
        );
        assert!(refusal(&"x".repeat(1_001)).ends_with("max length allowed of 1000"));
        let internal = Callback {
            links: Vec::new(),
            variant: Some(Variant::Internal(Internal::default())),
        };
        assert_eq!(
            check(vec![internal], &DynamicConfig::default()).unwrap_err(),
            Reject::InvalidArgument("unsupported callback variant: *common.Callback_Internal_".to_owned())
        );
        let none = check(vec![Callback::default()], &DynamicConfig::default()).unwrap_err();
        assert_eq!(
            none,
            Reject::Unimplemented("unknown callback variant: <nil>".to_owned())
        );
    }
}
