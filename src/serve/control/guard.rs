//! Who may ask: programs of this machine, and pages that it serves itself. A page from elsewhere whose name has been made to
//! point here (DNS rebinding) sends its own name as Host; one that asks across origins sends it as Origin.

use std::net::IpAddr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri};

use super::problem::Problem;

/// Lets a request through whose Host, and Origin if it has one, are this machine's own.
pub(in crate::serve) async fn loopback_only(request: Request, next: Next) -> Response {
    match check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let named = uri.authority().map(|authority| authority.as_str().to_owned());
    let hosts: Vec<String> = texts(headers, &HOST).chain(named).collect();
    if hosts.is_empty() {
        return Err(Problem::ForeignHost { host: String::new() });
    }
    if let Some(host) = hosts.into_iter().find(|host| !is_own(host)) {
        return Err(Problem::ForeignHost { host });
    }
    match texts(headers, &ORIGIN).find(|origin| !is_own_origin(origin)) {
        Some(origin) => Err(Problem::ForeignOrigin { origin }),
        None => Ok(()),
    }
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + use<'a> {
    let values = headers.get_all(name).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn is_own_origin(origin: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(is_own)
}

/// Whether a host, with or without a port, is a name or an address of this machine's loopback interface.
fn is_own(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_these_names() {
        for own in [
            "localhost",
            "LOCALHOST:8233",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.9.9.9:8233",
            "[::1]",
            "[::1]:8233",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_own(own), "{own}");
            assert!(is_own_origin(&format!("http://{own}")), "{own}");
        }
        for foreign in [
            "",
            "x",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8233",
            "localhost@evil.example",
            "evil@localhost",
            "0.0.0.0",
            "10.0.0.1",
            "[::2]:1",
            "192.168.0.1:8233",
            "localhost/",
            "localhost evil",
            "2130706433",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
        for origin in [
            "null",
            "file://localhost",
            "localhost",
            "http://evil.example",
            "https://localhost.x",
            "http://",
        ] {
            assert!(!is_own_origin(origin), "{origin}");
        }
    }

    #[test]
    fn every_host_counts() {
        let check = |uri: &str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().expect("it is a header's value"));
            }
            super::check(&uri.parse().expect("it is a URI"), &headers).is_ok()
        };
        assert!(check("/", &["localhost"]));
        assert!(!check("/", &[]));
        assert!(!check("/", &["localhost", "evil.example"]));
        assert!(!check("http://evil.example/", &["localhost"]));
        assert!(check("http://127.0.0.1:80/", &["localhost"]));
    }
}
