//! The file that keeps awaithumans' state from one start to the next, as the real server's database does.
//!
//! It is written soon after every change, not only at the end: a test server is often killed, and then there is no end. Changes that
//! come while it is written are written together; a file of half a state is never seen, since the new one takes the place of the old.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::human::Snapshot;
use crate::io::Driver;
use crate::world::World;

/// What follows a write is a rest of so many times as long: a large state takes at most a fifth of one core.
const REST: u32 = 4;

/// Keeps one server's state.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// A file beside it that is locked for as long as this server runs; the system unlocks it, however that ends. The state's own
    /// file can't be: another one takes its place with every write.
    _lock: File,
    /// Held while the file is written, so that an older state can't take the place of a newer one.
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// What [`World::human_inputs`] was.
    inputs: Option<u64>,
    /// The state as it was written, but for its moment.
    state: Vec<u8>,
}

impl StateFile {
    /// Reads the file, if it is there. No other server may have it at the same time: each would undo what the other writes.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Snapshot>)> {
        // Where a link leads, so that the link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = lock(&path)?;
        let snapshot = match fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| unreadable(&path, &error.into()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let last = Mutex::default();
        let file = Self {
            path,
            _lock: lock,
            last,
        };
        Ok((file, snapshot))
    }

    /// Writes the state, if it is another one than before.
    pub(super) fn save(&self, driver: &Driver) -> io::Result<()> {
        let mut last = self.lock();
        let (inputs, snapshot) = look(driver);
        if last.inputs == Some(inputs) {
            return Ok(());
        }
        last.inputs = Some(inputs);
        let taken_at = snapshot.taken_at();
        let snapshot = snapshot.taken_as_of(Timestamp::default());
        let state = serde_json::to_vec(&snapshot)?;
        if state != last.state {
            self.write(&snapshot.taken_as_of(taken_at))?;
            last.state = state;
        }
        Ok(())
    }

    /// Writes the state when what is given back is dropped, also if only its moment is another.
    pub(super) fn save_at_the_end(self: Arc<Self>, driver: Driver) -> impl Drop {
        SavesAtTheEnd { file: self, driver }
    }

    fn write(&self, snapshot: &Snapshot) -> io::Result<()> {
        let beside = beside(&self.path, ".tmp");
        let write = || {
            let mut file = create(&beside)?;
            let mut text = serde_json::to_vec(snapshot)?;
            text.push(b'\n');
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error| unwritable(&self.path, &error))
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SavesAtTheEnd {
    file: Arc<StateFile>,
    driver: Driver,
}

impl Drop for SavesAtTheEnd {
    fn drop(&mut self) {
        let _last = self.file.lock();
        let (_, snapshot) = look(&self.driver);
        if let Err(error) = self.file.write(&snapshot) {
            tracing::error!("{error}");
        }
    }
}

/// Writes the state whenever it has changed, until the end.
pub(super) async fn keep(driver: Driver, file: Option<Arc<StateFile>>) {
    let Some(file) = file else {
        return std::future::pending().await;
    };
    loop {
        let changed = driver.changed();
        tokio::pin!(changed);
        // Registered before the look, so that no change falls between the two.
        changed.as_mut().enable();
        if file.lock().inputs == Some(driver.read(World::human_inputs)) {
            changed.await;
            continue;
        }
        let (writer, world) = (Arc::clone(&file), driver.clone());
        rest_after(move || {
            if let Err(error) = writer.save(&world) {
                tracing::error!("{error}");
            }
        })
        .await;
    }
}

/// Does something that blocks, and rests for [`REST`] times as long.
#[expect(
    clippy::disallowed_methods,
    reason = "files are written in real time, which the world doesn't see"
)]
async fn rest_after(work: impl FnOnce() + Send + 'static) {
    let began = tokio::time::Instant::now();
    // A panic in there is a bug of ours, which the test runner shows; the server goes on.
    let _ = tokio::task::spawn_blocking(work).await;
    tokio::time::sleep(began.elapsed() * REST).await;
}

fn look(driver: &Driver) -> (u64, Snapshot) {
    driver.read(|world| (world.human_inputs(), world.human().snapshot(world.now())))
}

/// A new file that only its owner reads: it holds links that answer tasks.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The file next to another that is named after it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Locks what stands for a state's file, or says that another server has done so.
fn lock(path: &Path) -> io::Result<File> {
    let lock = create(&beside(path, ".lock")).map_err(|error| unwritable(path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let path = path.display();
            let why =
                format!("the state file {path} is another server's, which still runs: stop it, or name another file");
            Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
        }
        Err(TryLockError::Error(error)) => Err(unwritable(path, &error)),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> io::Error {
    let why = format!("the state file {} can't be written: {error}", path.display());
    io::Error::new(error.kind(), why)
}

fn unreadable(path: &Path, error: &io::Error) -> io::Error {
    let path = path.display();
    let why =
        format!("the state file {path} can't be read: {error}. It is left as it is: name another one, or move it away");
    io::Error::new(io::ErrorKind::InvalidData, why)
}
