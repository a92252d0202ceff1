//! What must hold in every world after every step, one checker a file.
//!
//! A checker looks at what is new since its last look; it keeps what it needs for that. The world is never changed by it.

mod engine;
mod model;
mod one_effect;
mod one_outcome;
mod signature;
mod terminal_task;

use std::fmt;

use awaithumans_temporal::WebhookKey;

use crate::world::World;

/// What must hold. `check` is called after every step of the world.
pub trait Invariant: Send {
    /// The name that reports print.
    fn name(&self) -> &str;

    /// Looks at the world.
    ///
    /// # Errors
    /// What doesn't hold, in plain words.
    fn check(&mut self, world: &World) -> Result<(), String>;
}

/// The invariants of a world, and the first that was broken.
#[derive(Default)]
pub(crate) struct Invariants {
    all: Vec<Box<dyn Invariant>>,
    broken: Option<String>,
    /// Whether the test knows.
    is_told: bool,
}

impl fmt::Debug for Invariants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|invariant| invariant.name());
        f.debug_list().entries(names).finish()
    }
}

impl Invariants {
    pub(crate) fn add(&mut self, invariant: Box<dyn Invariant>) {
        self.all.push(invariant);
    }

    /// Adds those that hold in every world whose webhooks are signed with this key.
    pub(crate) fn add_common(&mut self, key: WebhookKey) {
        self.add(Box::<terminal_task::TerminalTask>::default());
        self.add(Box::new(signature::Signature::new(key)));
        self.add(Box::<one_outcome::OneOutcome>::default());
        self.add(Box::<one_effect::OneEffect>::default());
        self.add(Box::<model::Model>::default());
        self.add(Box::new(engine::EngineState));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Looks at the world, unless one was broken already. Gives what was broken just now.
    pub(crate) fn check(&mut self, world: &World) -> Option<String> {
        if self.broken.is_some() {
            return None;
        }
        for invariant in &mut self.all {
            if let Err(why) = invariant.check(world) {
                let broken = format!("invariant “{}” is broken: {why}", invariant.name());
                self.broken = Some(broken.clone());
                return Some(broken);
            }
        }
        None
    }

    /// Another one is broken, and the test knows. Gives whether it is the first.
    pub(crate) fn note_broken(&mut self, broken: &str) -> bool {
        let is_first = self.broken.is_none();
        if is_first {
            self.broken = Some(broken.to_owned());
            self.is_told = true;
        }
        is_first
    }

    /// The first that was broken, and why. From now on the test knows.
    pub(crate) fn tell_broken(&mut self) -> Option<String> {
        self.is_told = self.broken.is_some();
        self.broken.clone()
    }

    /// As [`Self::tell_broken`], unless the test knows already.
    pub(crate) fn tell_news(&mut self) -> Option<String> {
        match self.is_told {
            true => None,
            false => self.tell_broken(),
        }
    }
}

/// An invariant of a test's own.
pub(crate) struct Custom<F> {
    name: String,
    look: F,
}

impl<F> Custom<F> {
    pub(crate) fn new(name: &str, look: F) -> Self {
        Self {
            name: name.to_owned(),
            look,
        }
    }
}

impl<F: FnMut(&World) -> Result<(), String> + Send> Invariant for Custom<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        (self.look)(world)
    }
}
