//! What is kept of a failure: everything that it takes to see it again.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::case::Failure;
use super::fingerprint::Fingerprint;
use crate::scenario::Plan;

/// A failure, shrunk: its seed and plan, what was said, the journal, and a test that fails in the same way.
///
/// The plan is in the words of the domain and not a list of draws, so it still means the same when strategies have changed.
///
/// It is kept as four files of one name. `.json` is what the next run plays again: seed, plan, and how it fails. `.journal.txt`, `.timeline.txt`
/// and `.rs` are for people, each as it is read: in a JSON text a journal would be one line, and every quotation mark in the test a `\"`. A diff of
/// them is one of lines of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Capsule {
    /// The exploration's name.
    pub name: String,
    /// The seed of the world.
    pub seed: u64,
    /// What people do and what goes wrong.
    pub plan: Plan,
    /// In which way it fails.
    fingerprint: Fingerprint,
    /// What was said.
    pub message: String,
    /// Everything that happened, a line each. It is kept in a file of its own.
    #[serde(skip)]
    pub journal: String,
    /// The headlines of it, likewise.
    #[serde(skip)]
    pub timeline: String,
}

impl Capsule {
    pub(super) fn new(name: &str, seed: u64, plan: Plan, failure: Failure) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            plan,
            fingerprint: failure.fingerprint,
            message: failure.message,
            journal: failure.journal,
            timeline: failure.timeline,
        }
    }

    /// The failing case as a test, to paste beside the exploration's.
    pub fn as_test(&self) -> String {
        let name: String = self
            .name
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect();
        let plan = serde_json::to_string_pretty(&self.plan).unwrap_or_default();
        let plan = plan.replace('\n', "\n        ");
        format!(
            "#[tokio::test]\nasync fn {name}_seed_{seed}() {{\n    let kit = Testkit::builder().seed({seed}).start().await;\n    \
             kit.watch_invariants();\n    let plan = serde_json::from_str(\n        r###\"{plan}\"###,\n    );\n    \
             kit.apply(&plan.unwrap()).unwrap();\n    // The body of the exploration:\n    body(&kit).await;\n}}\n",
            seed = self.seed
        )
    }

    /// Writes it where the next run looks first. A folder that can't be written is told and doesn't hide the failure.
    pub(super) fn keep(&self, folder: &Path) {
        let folder = folder.join(folder_name(&self.name));
        if let Err(error) = fs::create_dir_all(&folder).and_then(|()| self.write(&folder)) {
            eprintln!("the failure can't be kept in {}: {error}", folder.display());
        }
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let write = |extension: &str, text: &str| {
            let file = format!("{}.{extension}", self.fingerprint.short());
            fs::write(folder.join(file), text.trim_end().to_owned() + "\n")
        };
        write("journal.txt", &self.journal)?;
        write("timeline.txt", &self.timeline)?;
        write("rs", &self.as_test())?;
        // Last, since it is what the next run looks for.
        write("json", &serde_json::to_string_pretty(self)?)
    }

    /// Those that were kept for an exploration, in the order of their names. One that can't be read is told.
    pub(super) fn kept(folder: &Path, name: &str) -> Vec<Self> {
        let Ok(files) = fs::read_dir(folder.join(folder_name(name))) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        paths.sort();
        let json = paths
            .into_iter()
            .filter(|path| path.extension().is_some_and(|it| it == "json"));
        json.filter_map(|path| {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string());
            let capsule = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
            capsule
                .map_err(|error| eprintln!("{} is no failure that was kept: {error}", path.display()))
                .ok()
        })
        .collect()
    }
}

fn folder_name(name: &str) -> String {
    name.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}

impl fmt::Display for Capsule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "“{}” fails with seed {}, {} steps:",
            self.name,
            self.seed,
            self.plan.steps()
        )?;
        writeln!(f, "{}", self.plan)?;
        writeln!(f, "{}\n", self.message)?;
        writeln!(f, "{}", self.timeline)?;
        write!(f, "as a test:\n\n{}", self.as_test())
    }
}
