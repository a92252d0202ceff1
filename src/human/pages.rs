//! The pages that people see when they follow a link. The bytes are the real server's, as recorded.

const CONFIRM: &str = include_str!("../../fixtures/awaithumans-0.1.12/pages/confirm.html");
const DONE: &str = include_str!("../../fixtures/awaithumans-0.1.12/pages/done.html");
const HANDOFF_EXPIRED: &str = include_str!("../../fixtures/awaithumans-0.1.12/pages/handoff_expired.html");

/// Asks whether an answer is meant: a program that follows links can't answer by accident.
pub(crate) fn confirm(title: &str, label: &str, action: &str) -> String {
    fill(CONFIRM, &[("{title}", title), ("{label}", label), ("{action}", action)])
}

/// Says what came of a click.
pub(crate) fn done(message: &str) -> String {
    fill(DONE, &[("{message}", message)])
}

/// Says that a way into the dashboard doesn't work any more; `source` is where to find a fresh one.
pub(crate) fn handoff_expired(source: &str) -> String {
    fill(HANDOFF_EXPIRED, &[("{source}", source)])
}

/// Puts texts in the places of their names, in one pass: a text that looks like a name stays as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                out.push_str(&escape(value));
                rest = &rest[name.len()..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// Python's `html.escape`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_escaped_and_never_a_place() {
        let page = confirm("<b> & '{label}'", "No", "/x");
        assert!(page.contains("<p class=\"task\">&lt;b&gt; &amp; &#x27;{label}&#x27;</p>"));
        assert!(page.contains("<h1>Confirm: No</h1>") && page.contains("action=\"/x\""));
        assert!(!page.contains("{title}") && page.contains("body { margin:0;"));
    }
}
