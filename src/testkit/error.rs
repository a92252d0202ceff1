//! The harness's own error.

use std::fmt;

/// Why the testkit couldn't do what the test asked for.
///
/// Opaque: ask with the `is_*` methods, and print it for the report.
pub struct Error {
    kind: Kind,
    report: String,
    footer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stalled,
    FailingWorkflow,
    BrokenInvariant,
}

impl Error {
    pub(super) fn stalled(report: String) -> Self {
        Self {
            kind: Kind::Stalled,
            report,
            footer: String::new(),
        }
    }

    pub(super) fn failing_workflow(report: String) -> Self {
        Self {
            kind: Kind::FailingWorkflow,
            report,
            footer: String::new(),
        }
    }

    pub(super) fn broken_invariant(report: String) -> Self {
        Self {
            kind: Kind::BrokenInvariant,
            report,
            footer: String::new(),
        }
    }

    pub(super) fn with_footer(mut self, footer: String) -> Self {
        self.footer = footer;
        self
    }

    /// The report alone, without the line that runs the test again.
    #[cfg(feature = "serve")]
    pub(crate) fn report(&self) -> &str {
        &self.report
    }

    /// Whether nothing could ever move again; the text says who waits for what.
    pub fn is_stalled(&self) -> bool {
        self.kind == Kind::Stalled
    }

    /// Whether an invariant was broken; the text says which, and why.
    pub fn is_broken_invariant(&self) -> bool {
        self.kind == Kind::BrokenInvariant
    }

    /// Whether a workflow task kept failing, so that waiting for its workflow made no sense.
    pub fn is_failing_workflow(&self) -> bool {
        self.kind == Kind::FailingWorkflow
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report)?;
        match self.footer.as_str() {
            "" => Ok(()),
            footer => write!(f, "\n{footer}"),
        }
    }
}

/// As [`fmt::Display`], so that `unwrap()` shows the report.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
