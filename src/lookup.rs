//! Maps that are only looked into.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// A map whose order means nothing, so nobody goes through it. Its hasher has no key of the process.
pub(crate) type Lookup<K, V> = HashMap<K, V, FixedState>;
