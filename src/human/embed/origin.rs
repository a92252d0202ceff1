//! The origins whose pages may show a task, and how one is matched.

/// An origin, taken apart as Python's `urlparse` does.
struct Origin {
    scheme: String,
    host: String,
    /// `None` if it isn't said; an error where Python raises.
    port: Result<Option<u16>, ()>,
    /// What follows the host: an origin has nothing there.
    rest: String,
}

impl Origin {
    fn parse(text: &str) -> Self {
        let (scheme, after) = match text.split_once(':') {
            Some((scheme, after)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), after),
            _ => (String::new(), text),
        };
        let Some(after) = after.strip_prefix("//") else {
            return Self {
                scheme,
                host: String::new(),
                port: Ok(None),
                rest: after.to_owned(),
            };
        };
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port),
            None => (authority, ""),
        };
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            "" => Ok(None),
            _ if is_number => port.parse().map(Some).map_err(drop),
            _ => Err(()),
        };
        Self {
            scheme,
            host: host.to_lowercase(),
            port,
            rest: rest.to_owned(),
        }
    }

    fn is_web(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https") && !self.host.is_empty()
    }

    /// Whether this may stand in the list: plain http only for this machine, at most one `*`, as the first label.
    fn may_be_listed(&self) -> bool {
        let is_local = matches!(self.host.as_str(), "localhost" | "127.0.0.1");
        let labels = self.host.strip_prefix("*.").unwrap_or(&self.host);
        let is_number = self.host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && self.host != ".";
        self.is_web()
            && (self.scheme == "https" || is_local)
            && matches!(self.rest.as_str(), "" | "?" | "#")
            && (is_local || is_number || labels.split('.').all(is_label))
    }

    fn effective_port(&self) -> Result<u16, ()> {
        let default = if self.scheme == "https" { 443 } else { 80 };
        Ok(self.port?.unwrap_or(default))
    }

    fn matches(&self, entry: &Self) -> Result<bool, ()> {
        if self.scheme != entry.scheme || self.effective_port()? != entry.effective_port()? {
            return Ok(false);
        }
        Ok(match entry.host.strip_prefix('*') {
            Some(suffix) => self.host.strip_suffix(suffix).is_some_and(is_label),
            None => self.host == entry.host,
        })
    }
}

/// The list, read from its comma-separated form; `None` where the real server raises, at every request that needs the list.
pub(crate) fn parse_allowlist(text: &str) -> Option<Vec<String>> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| Origin::parse(entry).may_be_listed().then(|| entry.to_owned()))
        .collect()
}

/// Whether an origin is in the list; `None` where the real server raises.
pub(crate) fn allows(allowlist: &[String], origin: &str) -> Option<bool> {
    let origin = Origin::parse(origin);
    if !origin.is_web() {
        return Some(false);
    }
    for entry in allowlist {
        if origin.matches(&Origin::parse(entry)).ok()? {
            return Some(true);
        }
    }
    Some(false)
}

fn is_scheme(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.iter().all(fits)
}

/// A label of a host name: 1 to 63 letters, digits and dashes, no dash at an end.
fn is_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_takes_origins_only() {
        for good in [
            "https://a.example",
            "http://localhost:3000",
            "https://*.a.example:8443",
            "https://10.0.0.1",
            "",
        ] {
            assert!(parse_allowlist(good).is_some(), "{good}");
        }
        for bad in [
            "http://a.example",
            "ftp://a",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "https://a.example?x",
            "https://*.*.example",
            "https://a.*.example",
            "https://-a.example",
            "https://a..example",
        ] {
            assert_eq!(parse_allowlist(bad), None, "{bad}");
        }
        assert_eq!(
            parse_allowlist(" https://a , ,https://b ").unwrap(),
            ["https://a", "https://b"]
        );
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let list = parse_allowlist("http://localhost:3000,https://acme.example,https://*.b.example").unwrap();
        let allows = |origin: &str| super::allows(&list, origin);
        for good in [
            "http://localhost:3000",
            "https://ACME.example",
            "https://acme.example:443",
            "https://x.b.example",
        ] {
            assert_eq!(allows(good), Some(true), "{good}");
        }
        for bad in [
            "http://localhost",
            "https://localhost:3000",
            "http://acme.example",
            "https://b.example",
            "https://y.x.b.example",
            "https://acme.example.evil.example",
            "null",
            "",
        ] {
            assert_eq!(allows(bad), Some(false), "{bad}");
        }
        assert_eq!(allows("https://acme.example:x"), None);
    }
}
