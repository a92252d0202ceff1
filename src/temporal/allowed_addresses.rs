//! Which servers completion callbacks may go to (`callback.allowedAddresses` in Temporal's `chasm/lib/callback/config.go`).

use serde_json::Value;

/// The rules of the setting; the first one that fits a host decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowedAddresses(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// Of host and port, where `*` stands for any number of characters.
    pattern: String,
    /// Whether plain HTTP will do.
    allow_insecure: bool,
}

impl AllowedAddresses {
    /// From JSON. As in Temporal, names of fields are the same in any case, and entries without a pattern are skipped.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let entries = value.as_array()?.iter().map(Rule::read).collect::<Option<Vec<_>>>()?;
        Some(Self(
            entries.into_iter().filter(|rule| !rule.pattern.is_empty()).collect(),
        ))
    }

    /// Whether a callback may go there, or why not.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        let address = Address::parse(text).map_err(|why| format!("invalid callback url: parse {text:?}: {why}"))?;
        let text = address.canonical();
        if address.scheme != "http" && address.scheme != "https" {
            return Err(format!("invalid url: unknown scheme: {text}"));
        }
        if address.host.is_empty() {
            return Err("invalid url: missing host".to_owned());
        }
        match self.0.iter().find(|rule| matches(&rule.pattern, address.host)) {
            Some(rule) if rule.allow_insecure || address.scheme == "https" => Ok(()),
            Some(_) => Err(format!(
                "invalid url: callback address does not allow insecure connections: {text}"
            )),
            None => Err(format!(
                "invalid url: url does not match any configured callback address: {text}"
            )),
        }
    }
}

impl Rule {
    fn read(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let field = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        Some(Self {
            pattern: match field("Pattern") {
                Some((_, pattern)) => pattern.as_str()?.to_owned(),
                None => String::new(),
            },
            allow_insecure: match field("AllowInsecure") {
                Some((_, allow)) => allow.as_bool()?,
                None => false,
            },
        })
    }
}

/// What counts of a URL.
struct Address<'a> {
    scheme: String,
    /// With the port, if it names one.
    host: &'a str,
    /// What comes between the scheme and the path.
    authority: &'a str,
    path: &'a str,
    /// Query and fragment.
    rest: &'a str,
}

impl<'a> Address<'a> {
    /// As far as Go's `url.Parse` refuses what comes before the path.
    fn parse(text: &'a str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = scheme(text)?;
        let (before, rest) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let authority_end = match before.strip_prefix("//") {
            Some(authority) => authority.find('/').unwrap_or(authority.len()) + 2,
            None => 0,
        };
        let (slashed, path) = before.split_at(authority_end);
        let authority = slashed.get(2..).unwrap_or_default();
        let fragment = rest.split_once('#').map_or("", |(_, fragment)| fragment);
        for part in [authority, path, fragment] {
            check_escapes(part)?;
        }
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.starts_with('[') && !host.contains(']') {
            return Err("missing ']' in host".to_owned());
        }
        let name_end = host.rfind(']').map_or(0, |end| end + 1);
        if let Some(colon) = host[name_end..].find(':') {
            let port = &host[name_end + colon..];
            if !port[1..].bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("invalid port {port:?} after host"));
            }
        }
        if let Some(bad) = host
            .chars()
            .find(|it| matches!(it, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
        {
            let bad = bad.to_string();
            return Err(format!("invalid character {bad:?} in host name"));
        }
        Ok(Self {
            scheme,
            host,
            authority,
            path,
            rest,
        })
    }

    /// As Go writes it: the scheme in small letters, the path without what a path can't have.
    fn canonical(&self) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text = format!("{}:", self.scheme);
        }
        if !self.authority.is_empty() || (self.path.starts_with('/') && !self.scheme.is_empty()) {
            text = format!("{text}//{}", self.authority);
        }
        for byte in self.path.bytes() {
            match byte {
                b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                    text.push_str(&format!("%{byte:02X}"));
                }
                _ => text.push(char::from(byte)),
            }
        }
        text + self.rest
    }
}

/// A percent sign comes with two digits.
fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let shown: String = text[at..].chars().take(3).collect();
            return Err(format!("invalid URL escape {shown:?}"));
        }
    }
    Ok(())
}

/// The scheme in lower case, which may be absent, and what comes after it.
fn scheme(text: &str) -> Result<(String, &str), String> {
    let end = text.find(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.')));
    match end {
        Some(0) if text.starts_with(':') => Err("missing protocol scheme".to_owned()),
        Some(end) if text[end..].starts_with(':') && text.starts_with(|it: char| it.is_ascii_alphabetic()) => {
            Ok((text[..end].to_ascii_lowercase(), &text[end + 1..]))
        }
        _ => Ok((String::new(), text)),
    }
}

/// Whether a pattern fits all of a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AllowedAddresses {
        let rules = serde_json::json!([
            {"Pattern": ""},
            {"Pattern": "secure.*.test"},
            {"pattern": "*:80*0", "ALLOWINSECURE": true},
        ]);
        AllowedAddresses::read(&rules).expect("the rules are good")
    }

    #[test]
    fn the_first_rule_that_fits_the_host_decides() {
        let check = |url: &str| rules().check(url);
        assert_eq!(check("https://secure.a.b.test/x?y#z"), Ok(()));
        assert_eq!(check("HTTP://name:word@127.0.0.1:8080/x"), Ok(()));
        let insecure = "invalid url: callback address does not allow insecure connections: ";
        assert_eq!(
            check("http://secure.a.test"),
            Err(format!("{insecure}http://secure.a.test"))
        );
        let unknown = "invalid url: url does not match any configured callback address: ";
        for url in [
            "https://secure.test",
            "https://x.test/secure.a.test",
            "http://h:8001",
            "http://h:8080@x",
        ] {
            assert_eq!(check(url), Err(format!("{unknown}{url}")));
        }
        assert_eq!(
            check("HTTP://other/A b?c d"),
            Err(format!("{unknown}http://other/A%20b?c d"))
        );
        assert_eq!(
            AllowedAddresses::default().check("https://h"),
            Err(format!("{unknown}https://h"))
        );
    }

    #[test]
    fn hostile_urls_are_refused_as_go_refuses_them() {
        let everything = AllowedAddresses::read(&serde_json::json!([{"Pattern": "*", "AllowInsecure": true}])).unwrap();
        for (url, why) in [
            ("ftp://x", "invalid url: unknown scheme: ftp://x"),
            ("x", "invalid url: unknown scheme: x"),
            ("http:///x", "invalid url: missing host"),
            ("http:x", "invalid url: missing host"),
            (":x", r#"invalid callback url: parse ":x": missing protocol scheme"#),
            (
                "http://[::1",
                r#"invalid callback url: parse "http://[::1": missing ']' in host"#,
            ),
            (
                "http://h:x/",
                r#"invalid callback url: parse "http://h:x/": invalid port ":x" after host"#,
            ),
            (
                "http://a b/",
                r#"invalid callback url: parse "http://a b/": invalid character " " in host name"#,
            ),
            (
                "http://h\n",
                r#"invalid callback url: parse "http://h\n": net/url: invalid control character in URL"#,
            ),
        ] {
            assert_eq!(everything.check(url), Err(why.to_owned()), "{url}");
        }
        assert_eq!(everything.check("http://[::1]:80/x"), Ok(()));
    }

    #[test]
    fn rules_are_a_list_of_objects() {
        for value in [
            serde_json::json!({}),
            serde_json::json!(["*"]),
            serde_json::json!([{"Pattern": 1}]),
        ] {
            assert_eq!(AllowedAddresses::read(&value), None, "{value}");
        }
    }
}
