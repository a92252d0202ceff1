//! The threads on which many runs go on at a time.

/// How many runs go on at a time, each on a thread of its own, and whether their threads keep to their cores.
///
/// ```
/// use awaithumans_testkit::Threads;
///
/// let two = Threads::from(2).pinned(true);
/// assert_eq!(two.count(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    count: usize,
    pinned: bool,
}

impl Threads {
    /// As many as there are cores, on whichever the system puts them.
    pub fn of_all_cores() -> Self {
        Self::from(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many there are: one at least.
    pub fn count(self) -> usize {
        self.count
    }

    /// Whether each thread, with its workers', keeps to one core.
    ///
    /// A run is a conversation of its thread with those of its workers, and on one core they needn't wake another one for each word: on a machine that does nothing
    /// else that is worth a fifth. On one that is shared it costs more than that, since a thread can't get out of others' way, so it isn't the default. Linux
    /// only; elsewhere, and where the system refuses, nothing is pinned.
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    /// Does the same work on each thread, which is told its number, and waits for all.
    ///
    /// # Panics
    /// If the work does.
    pub fn run(self, work: impl Fn(usize) + Sync) {
        let work = &work;
        std::thread::scope(|scope| {
            for number in 0..self.count {
                scope.spawn(move || {
                    if self.pinned {
                        pin(number);
                    }
                    work(number);
                });
            }
        });
    }
}

impl From<usize> for Threads {
    /// So many, one at least.
    fn from(count: usize) -> Self {
        Self {
            count: count.max(1),
            pinned: false,
        }
    }
}

/// Holds this thread, and those that it starts, to one of the cores that it may run on.
#[cfg(target_os = "linux")]
fn pin(number: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if let Some(core) = cores.get(number % cores.len().max(1)) {
        let mut one = CpuSet::new();
        one.set(*core);
        // Where that isn't allowed, the thread stays where it is.
        let _ = sched_setaffinity(None, &one);
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(_number: usize) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn each_thread_has_a_number() {
        for pinned in [false, true] {
            let seen = Mutex::new(Vec::new());
            Threads::from(3)
                .pinned(pinned)
                .run(|number| seen.lock().unwrap().push(number));
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2]);
        }
        assert_eq!(Threads::from(0).count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pinned_thread_keeps_to_one_core_with_those_that_it_starts() {
        let cores = || rustix::thread::sched_getaffinity(None).unwrap().count();
        Threads::from(2).pinned(true).run(|_| {
            assert_eq!(cores(), 1);
            std::thread::scope(|scope| assert_eq!(scope.spawn(cores).join().unwrap(), 1));
        });
    }
}
