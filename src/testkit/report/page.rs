//! Where a failed test's page is written: below cargo's target directory, where it is in nobody's way.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What cargo puts into its target directory, and into no other.
const TAG: &str = "CACHEDIR.TAG";

/// The longest name of a test within a file's name, in bytes.
const MAX_NAME_BYTES: usize = 150;

/// How many pages this process has written of each name: a test may have several testkits.
static WRITTEN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// Writes a page as `testkit/<test>-<seed>.html`; gives where.
pub(in crate::testkit) fn write_page(test: &str, seed: u64, page: &str) -> io::Result<PathBuf> {
    let folder = target_directory().join("testkit");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(file_name(test, seed));
    std::fs::write(&path, page)?;
    Ok(path)
}

fn file_name(test: &str, seed: u64) -> String {
    let stem = format!("{}-{seed}", tame(test));
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let count = written.entry(stem.clone()).or_default();
    *count += 1;
    match *count {
        1 => format!("{stem}.html"),
        count => format!("{stem}-{count}.html"),
    }
}

/// A name with letters in it that every file system takes: `a::b` becomes `a-b`.
fn tame(test: &str) -> String {
    let parts = test.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let mut name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    name.truncate(MAX_NAME_BYTES);
    match name.is_empty() {
        true => "test".to_owned(),
        false => name,
    }
}

/// Cargo's target directory, in which this executable is, by its tag or its name; else the one below the working directory.
fn target_directory() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let is_target = |folder: &&Path| folder.join(TAG).is_file() || folder.ends_with("target");
    let found = executable.ancestors().find(is_target);
    found.unwrap_or(Path::new("target")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tests_name_makes_a_files_name() {
        assert_eq!(
            tame("faults::the_refund::case_07_drop"),
            "faults-the_refund-case_07_drop"
        );
        assert_eq!(tame("../../etc/passwd"), "etc-passwd");
        assert_eq!(tame("日本"), "test");
        assert_eq!(tame(&"x".repeat(500)).len(), MAX_NAME_BYTES);
    }

    #[test]
    fn two_kits_of_one_test_have_two_pages() {
        let names = [
            file_name("two kits", 7),
            file_name("two kits", 7),
            file_name("two kits", 8),
        ];
        assert_eq!(names, ["two-kits-7.html", "two-kits-7-2.html", "two-kits-8.html"]);
    }

    #[test]
    fn pages_are_written_below_the_target_directory() {
        let path = write_page("pages::are written", 1, "<!doctype html>").unwrap();
        assert!(path.ends_with("testkit/pages-are-written-1.html"), "{path:?}");
        assert!(
            std::env::current_exe()
                .unwrap()
                .starts_with(path.parent().unwrap().parent().unwrap()),
            "{path:?}"
        );
    }
}
