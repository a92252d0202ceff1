//! docs/control-api.md: every answer in it is what a server gives to the request above it.
//!
//! `UPDATE_CONTROL_API=1 cargo test --test it control_docs` writes them.

use awaithumans_testkit::serve::{Ready, Time};

use super::control::{ask_awaithumans, ask_ui};
use super::served;

const PAGE: &str = "docs/control-api.md";

/// What stands for a body that the page leaves out.
const LEFT_OUT: &str = "< …";

/// The answer to a request as the page writes it: method and path, then the body.
async fn answer(ready: &Ready, request: &[&str]) -> (u16, String) {
    let (method, path) = request[0].split_once(' ').expect("a method and a path");
    let body = request[1..].join("\n");
    match path.starts_with("/_testkit/") {
        true => ask_ui(ready, method, path, &body).await,
        false => ask_awaithumans(ready, method, path, &body).await,
    }
}

#[tokio::test]
async fn the_examples_are_true() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let ready = served(Time::Manual).await;
    let (mut seen, mut request) = (String::new(), Vec::new());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with("< ") {
            request.extend(line.strip_prefix("> "));
            seen += line;
            seen.push('\n');
            continue;
        }
        let (status, body) = answer(&ready, &std::mem::take(&mut request)).await;
        let body = match lines.next_if(|line| line.starts_with("< ")) {
            Some(LEFT_OUT) => LEFT_OUT.to_owned(),
            _ => format!("< {}", body.trim_end()),
        };
        seen += &format!("< {status}\n{body}\n");
    }
    assert!(seen.matches("\n< ").count() > 20, "the page has examples");
    if std::env::var_os("UPDATE_CONTROL_API").is_some() {
        std::fs::write(PAGE, &seen).unwrap();
        return;
    }
    assert!(
        page == seen,
        "{PAGE} isn't what the server answers; UPDATE_CONTROL_API=1 writes:\n{seen}"
    );
}
