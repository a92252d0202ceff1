//! What is wrong with a scenario, or with how it went: where in the file, what, and what would help.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where: `faults[1].when`, counted from 0. Empty if the text can't be read at all.
    pub path: String,
    /// The line of the file, counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What would help.
    pub fix: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

/// As [`ScenarioError`] writes it, without the name of a file.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        match self.fix.as_str() {
            "" => Ok(()),
            fix => write!(f, "\n  fix: {fix}"),
        }
    }
}

/// Everything that is wrong with a scenario, or with how it went. There is at least one [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    file: String,
    problems: Vec<Problem>,
}

impl ScenarioError {
    pub(crate) fn new(file: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self {
            file: file.into(),
            problems,
        }
    }

    /// What is wrong, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// A line and a fix for each problem: `refund.toml:12: faults[1]: …`.
impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for problem in &self.problems {
            f.write_str(separator)?;
            match (self.file.as_str(), problem.line) {
                ("", _) => write!(f, "{problem}")?,
                (file, Some(line)) => {
                    let rest = Problem {
                        line: None,
                        ..problem.clone()
                    };
                    write!(f, "{file}:{line}: {rest}")?;
                }
                (file, None) => write!(f, "{file}: {problem}")?,
            }
            separator = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for ScenarioError {}

/// The name that was probably meant: at most a third of its letters are others.
pub(super) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(wrong, name), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= name.chars().count().max(3) / 3).then_some(name)
}

/// How many letters have to be put in, taken out or replaced, or exchanged with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != wanted);
            let mut least = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && one[row - 1] == *wanted && other[column - 1] == *letter {
                least = least.min(before_last[column - 1] + 1);
            }
            next.push(least);
        }
        before_last = std::mem::replace(&mut last, next);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_near() {
        let names = ["restart_after", "worker", "times"];
        assert_eq!(nearest("restart_afer", names), Some("restart_after"));
        assert_eq!(nearest("wroker", names), Some("worker"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(
            (distance("abc", "abc"), distance("", "abc"), distance("abcd", "acbd")),
            (0, 3, 1)
        );
    }
}
