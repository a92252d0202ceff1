//! Where the parts of a scenario stand in its file, and what is wrong with a text that is none.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, nearest};

/// The line of a part, or of the nearest one around it that has one.
pub(super) fn line_of(lines: &BTreeMap<String, usize>, path: &str) -> Option<usize> {
    let mut path = path;
    loop {
        if let Some(line) = lines.get(path) {
            return Some(*line);
        }
        let cut = path.rfind(['.', '['])?;
        path = path.get(..cut)?;
    }
}

/// The lines of all parts of a TOML text.
pub(super) fn toml_lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(table) = DeTable::parse(text) {
        note_table(text, table.get_ref(), "", &mut lines);
    }
    lines
}

fn note_table(text: &str, table: &DeTable<'_>, path: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        lines.insert(path.clone(), line_at(text, key.span().start));
        note_value(text, value.get_ref(), &path, lines);
    }
}

fn note_value(text: &str, value: &DeValue<'_>, path: &str, lines: &mut BTreeMap<String, usize>) {
    match value {
        DeValue::Table(table) => note_table(text, table, path, lines),
        DeValue::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                let path = format!("{path}[{place}]");
                lines.insert(path.clone(), line_at(text, element.span().start));
                note_value(text, element.get_ref(), &path, lines);
            }
        }
        _ => {}
    }
}

/// The lines of all parts of a JSON text.
pub(super) fn json_lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
        note_raw(text, raw, "", &mut lines);
    }
    lines
}

fn note_raw(text: &str, raw: &RawValue, path: &str, lines: &mut BTreeMap<String, usize>) {
    // A raw value is a part of the text that it was read from.
    let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    if !path.is_empty() {
        lines.insert(path.to_owned(), line_at(text, offset));
    }
    if let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) {
        for (name, value) in fields {
            note_raw(text, value, &join(path, &name), lines);
        }
    } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        for (place, element) in elements.into_iter().enumerate() {
            note_raw(text, element, &format!("{path}[{place}]"), lines);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// What is wrong with a TOML text.
pub(super) fn toml_problem(text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| line_at(text, span.start));
    Problem {
        line,
        ..Problem::new("", error.message(), fix_of(error.message()))
    }
}

/// What is wrong with a JSON text.
pub(super) fn json_problem(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    Problem {
        line: Some(error.line()).filter(|line| *line > 0),
        ..Problem::new("", what, fix_of(what))
    }
}

/// What would help, by the words in which serde says what is wrong.
fn fix_of(what: &str) -> String {
    // So toml says it of an enum's table, without quotes.
    if let Some((wrong, known)) = what
        .strip_prefix("unexpected keys in table: ")
        .and_then(|rest| rest.split_once(", available keys: "))
    {
        let wrong = wrong.split(", ").next().unwrap_or_default();
        return named(wrong, &known.split(", ").collect::<Vec<_>>());
    }
    let names: Vec<&str> = what.split('`').skip(1).step_by(2).collect();
    match names.as_slice() {
        [wrong, known @ ..] if what.contains("unknown field") || what.contains("unknown variant") => {
            named(wrong, known)
        }
        [missing, ..] if what.contains("missing field") => format!("say {missing}"),
        [twice, ..] if what.contains("duplicate field") => format!("leave one {twice} out"),
        _ if what.contains("duplicate key") => "leave one of the two out".to_owned(),
        _ if what.contains("negative") => "write how long it is: times count from the start of the run".to_owned(),
        _ => String::new(),
    }
}

/// What to write in the place of a name that there isn't.
fn named(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(meant) => format!("write {meant}"),
        None => format!("take {wrong} out, or write one of the names that there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_line() {
        let toml = "name = \"x\"\n\n[[faults]]\nfault = \"restart_server\"\n\n[[faults]]\nwhen = { on = \"parked\" }\nfault = \"restart_server\"\n[expect]\n\
                    effects = 1\n";
        let lines = toml_lines(toml);
        let of = |path: &str| line_of(&lines, path);
        assert_eq!(
            (of("name"), of("faults[0]"), of("faults[1]")),
            (Some(1), Some(3), Some(6))
        );
        assert_eq!((of("faults[1].when.on"), of("faults[1].when.at")), (Some(7), Some(7)));
        assert_eq!((of("expect.effects"), of("nothing")), (Some(10), None));
    }

    #[test]
    fn json_has_lines_too() {
        let json = "{\n \"name\": \"x\",\n \"faults\": [\n  {\"fault\": \"restart_server\"},\n  {\n   \"fault\": 1\n  }\n ]\n}";
        let lines = json_lines(json);
        let of = |path: &str| line_of(&lines, path);
        assert_eq!(
            (of("faults[0]"), of("faults[1]"), of("faults[1].fault")),
            (Some(4), Some(5), Some(6))
        );
        assert_eq!(of("faults[1].times"), Some(5));
        assert!(json_lines("{").is_empty());
    }
}
