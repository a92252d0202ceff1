//! How SQLite's full-text search, which Temporal's dev server uses, takes words apart and compares them.

/// A Text attribute's words: letters and digits, without case.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(folded)
        .collect()
}

/// Whether a phrase's words stand in a text one after the other.
pub(crate) fn has_phrase(words: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty() && words.windows(phrase.len()).any(|window| window == phrase)
}

/// Without case.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// SQLite's `LIKE 'prefix%'`: capitals don't count, but only in ASCII.
pub(crate) fn starts_with(text: &str, prefix: &str) -> bool {
    text.as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_phrases_are_found_without_case() {
        let text = words("The quick-brown Fox, äh.");
        assert_eq!(text, ["the", "quick", "brown", "fox", "äh"]);
        assert!(has_phrase(&text, &words("Quick brown")));
        assert!(!has_phrase(&text, &words("quick fox")));
        assert!(!has_phrase(&text, &words("...")));
        assert!(starts_with("WorkFlow-1", "workflow"));
        assert!(!starts_with("work", "workflow"));
    }
}
