//! State in a database, group-committed on a thread of its own.
//!
//! Changes for later wait in memory, where reads look first. The thread writes
//! them before the commits it found waiting, in one transaction, and forgets
//! each only if nobody changed it again meanwhile.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Batch, Place, StateError, memory::from};
use crate::{
    OpenError,
    locks::{lock, read, write},
};

/// Batches that may wait.
const QUEUE: usize = 4_096;
/// Batches of one commit.
const GROUP: usize = 256;
/// Within which a change for later is on disk.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
/// Changes for later that are written without waiting any longer.
const MANY_LATER: usize = 4_096;
/// Changes for later held at most; more come only while the database fails, and are dropped.
const MOST_LATER: usize = 65_536;

/// A change for later, with its turn.
pub(super) type Pending = (Place, (u64, Option<Vec<u8>>));
type Answer = oneshot::Sender<Result<(), StateError>>;

/// Where the entries lie. Only the thread of [`Grouped`] writes.
pub(super) trait Table: Send + Sync + 'static {
    fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, StateError>;
    /// Those of these that are there.
    fn get_each(&self, space: &str, keys: &[&str]) -> Result<HashMap<String, Vec<u8>>, StateError> {
        let mut found = HashMap::new();
        for key in keys {
            found.extend(self.get(space, key)?.map(|value| ((*key).to_owned(), value)));
        }
        Ok(found)
    }
    /// From a place on, ascending, those of its space whose key begins with `prefix`.
    fn scan(&self, from: &Bound<Place>, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError>;
    fn count(&self, space: &str) -> Result<u64, StateError>;
    /// Whatever there is, in order, after a place.
    fn page(&self, after: Option<&Place>, limit: usize) -> Result<Vec<(Place, Vec<u8>)>, StateError>;
    /// All changes for later, then the batches whose checks hold, in one transaction.
    fn write(&self, later: &[Pending], batches: &[Batch]) -> Result<Vec<Result<(), StateError>>, WriteFault>;
    fn tidy(&self);
}

/// Why a transaction did not end well.
pub(super) struct WriteFault {
    /// What those who wait are told.
    pub told: fn() -> StateError,
    /// Nothing can be written any more.
    pub fatal: bool,
}

pub(super) struct Grouped<T: Table> {
    shared: Arc<Shared<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<T> {
    table: T,
    later: RwLock<Later>,
    lanes: Mutex<Lanes>,
    arrived: Condvar,
}

/// Changes that are seen and not yet on disk.
#[derive(Default)]
struct Later {
    entries: BTreeMap<Place, (u64, Option<Vec<u8>>)>,
    /// Counts changes, to tell whether an entry is still the one that was written.
    turn: u64,
}

#[derive(Default)]
struct Lanes {
    waiting: VecDeque<(Batch, Answer)>,
    /// When the oldest change for later came.
    later_since: Option<Instant>,
    hurry: bool,
    closed: bool,
}

impl<T: Table> Grouped<T> {
    pub(super) fn start(table: T) -> Result<Self, OpenError> {
        let shared =
            Arc::new(Shared { table, later: RwLock::default(), lanes: Mutex::default(), arrived: Condvar::new() });
        let working = shared.clone();
        let thread =
            std::thread::Builder::new().name("state".into()).spawn(move || working.run()).map_err(OpenError::Thread)?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn table(&self) -> &T {
        &self.shared.table
    }

    pub(super) fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        let later = read(&self.shared.later);
        if !later.entries.is_empty()
            && let Some((_, value)) = later.entries.get(&(space.to_owned(), key.to_owned()))
        {
            return Ok(value.clone());
        }
        drop(later);
        self.shared.table.get(space, key)
    }

    pub(super) fn get_each(&self, space: &str, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, StateError> {
        let (mut found, mut stored) = (HashMap::new(), Vec::with_capacity(keys.len()));
        let later = read(&self.shared.later);
        for key in keys {
            match later.entries.get(&(space.to_owned(), key.clone())) {
                Some((_, Some(value))) => {
                    found.insert(key.clone(), value.clone());
                }
                Some((_, None)) => {}
                None => stored.push(key.as_str()),
            }
        }
        drop(later);
        if !stored.is_empty() {
            found.extend(self.shared.table.get_each(space, &stored)?);
        }
        Ok(found)
    }

    pub(super) fn scan(
        &self,
        space: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let start = from(space, prefix, after);
        let pending: BTreeMap<String, Option<Vec<u8>>> = read(&self.shared.later)
            .entries
            .range((start.clone(), Bound::Unbounded))
            .take_while(|((found, key), _)| found == space && key.starts_with(prefix))
            .map(|((_, key), (_, value))| (key.clone(), value.clone()))
            .collect();
        // Every pending change can hide one stored entry at most.
        let wanted = limit.saturating_add(pending.len());
        let mut merged: BTreeMap<String, Option<Vec<u8>>> = self
            .shared
            .table
            .scan(&start, prefix, wanted)?
            .into_iter()
            .map(|(key, value)| (key, Some(value)))
            .collect();
        merged.extend(pending);
        Ok(merged.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).take(limit).collect())
    }

    pub(super) fn count(&self, space: &str) -> Result<u64, StateError> {
        let pending: Vec<(String, bool)> = read(&self.shared.later)
            .entries
            .range((space.to_owned(), String::new())..)
            .take_while(|((found, _), _)| found == space)
            .map(|((_, key), (_, value))| (key.clone(), value.is_some()))
            .collect();
        let mut count = self.shared.table.count(space)?;
        for (key, there) in pending {
            let stored = self.shared.table.get(space, &key)?.is_some();
            count = (count + u64::from(there)).saturating_sub(u64::from(stored));
        }
        Ok(count)
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), StateError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (answer, told) = oneshot::channel();
        {
            let mut lanes = lock(&self.shared.lanes);
            if lanes.closed {
                return Err(StateError::Stopped);
            }
            if lanes.waiting.len() >= QUEUE {
                return Err(StateError::Busy);
            }
            lanes.waiting.push_back((batch, answer));
        }
        self.shared.arrived.notify_one();
        told.await.unwrap_or(Err(StateError::Unknown))
    }

    pub(super) fn commit_later(&self, changes: Vec<(Place, Option<Vec<u8>>)>) {
        let many = {
            let mut later = write(&self.shared.later);
            if later.entries.len() >= MOST_LATER {
                tracing::error!("changes of state are dropped: too many wait for the disk");
                return;
            }
            for (place, value) in changes {
                later.turn += 1;
                let turn = later.turn;
                later.entries.insert(place, (turn, value));
            }
            later.entries.len() >= MANY_LATER
        };
        let mut lanes = lock(&self.shared.lanes);
        let first = lanes.later_since.is_none();
        if first {
            lanes.later_since = Some(Instant::now());
        }
        if many && !lanes.hurry {
            lanes.hurry = true;
        } else if !first {
            return;
        }
        drop(lanes);
        self.shared.arrived.notify_one();
    }

    /// Writes what waits, ends the thread, tidies the file.
    pub(super) fn end(&self) {
        lock(&self.shared.lanes).closed = true;
        self.shared.arrived.notify_all();
        let Some(thread) = lock(&self.thread).take() else { return };
        // A panic in it has been printed already.
        let _ = thread.join();
        self.shared.table.tidy();
    }
}

impl<T: Table> Drop for Grouped<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<T: Table> Shared<T> {
    fn run(&self) {
        loop {
            let mut lanes = lock(&self.lanes);
            loop {
                if !lanes.waiting.is_empty() || lanes.hurry || lanes.closed {
                    break;
                }
                match lanes.later_since.map(|since| FLUSH_WITHIN.saturating_sub(since.elapsed())) {
                    None => lanes = self.arrived.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                    Some(Duration::ZERO) => break,
                    Some(left) => {
                        (lanes, _) = self.arrived.wait_timeout(lanes, left).unwrap_or_else(PoisonError::into_inner);
                    }
                }
            }
            let count = lanes.waiting.len().min(GROUP);
            let group: Vec<(Batch, Answer)> = lanes.waiting.drain(..count).collect();
            let last = lanes.closed && lanes.waiting.is_empty();
            lanes.later_since = None;
            lanes.hurry = false;
            drop(lanes);
            let fatal = self.write(group);
            if fatal {
                self.fail();
            }
            if last || fatal {
                return;
            }
        }
    }

    /// One transaction: what waited for later, then the commits. True: nothing can be written any more.
    fn write(&self, group: Vec<(Batch, Answer)>) -> bool {
        let later: Vec<Pending> =
            read(&self.later).entries.iter().map(|(place, entry)| (place.clone(), entry.clone())).collect();
        if later.is_empty() && group.is_empty() {
            return false;
        }
        let (batches, answers): (Vec<Batch>, Vec<Answer>) = group.into_iter().unzip();
        match self.table.write(&later, &batches) {
            Ok(results) => {
                self.forget(later);
                for (answer, result) in answers.into_iter().zip(results) {
                    let _ = answer.send(result);
                }
                false
            }
            Err(WriteFault { told, fatal }) => {
                if !later.is_empty() {
                    lock(&self.lanes).later_since = Some(Instant::now());
                }
                for answer in answers {
                    let _ = answer.send(Err(told()));
                }
                fatal
            }
        }
    }

    /// Drops what was written from memory, unless it was changed again.
    fn forget(&self, written: Vec<Pending>) {
        let mut later = write(&self.later);
        for (place, (turn, _)) in written {
            if later.entries.get(&place).is_some_and(|(now, _)| *now == turn) {
                later.entries.remove(&place);
            }
        }
    }

    fn fail(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.closed = true;
        for (_, answer) in lanes.waiting.drain(..) {
            let _ = answer.send(Err(StateError::Stopped));
        }
    }
}
