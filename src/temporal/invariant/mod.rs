//! What holds after every request, whatever the request was. Nothing of it is checked unless a test asks.

mod calls;
mod runs;
mod timers;

use super::engine::Engine;

/// What doesn't hold, in plain words.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    /// Writes down what should hold and doesn't.
    pub(crate) fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

impl Engine {
    /// What doesn't hold of the engine's state, though it should between any two inputs; empty if all is well.
    ///
    /// It looks at everything there is: for tests.
    #[doc(hidden)]
    pub fn violations(&self) -> Vec<String> {
        let mut violations = Violations::default();
        runs::check(self, &mut violations);
        timers::check(self, &mut violations);
        calls::check(self, &mut violations);
        self.matching.check(&mut violations);
        violations.0
    }
}
