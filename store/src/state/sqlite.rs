//! State in `state.db`: FULL, group-committed on a thread of its own.
//!
//! Changes for later wait in memory, where reads look first. The thread writes
//! them before the commits it found waiting, in one transaction, and forgets
//! each only if nobody changed it again meanwhile.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::{Batch, Place, StateError, memory::from};
use crate::{
    OpenError,
    locks::{lock, read, write},
    sqlite::{self, Format, Readers},
};

/// Readers that may be at work at once.
const READERS: usize = 3;
/// Batches that may wait.
const QUEUE: usize = 4_096;
/// Batches of one commit.
const GROUP: usize = 256;
/// Within which a change for later is on disk.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
/// Changes for later that are written without waiting any longer.
const MANY_LATER: usize = 4_096;
/// Changes for later held at most; more come only while the disk fails, and are dropped.
const MOST_LATER: usize = 65_536;

const FORMAT: Format = Format {
    kind: 4,
    version: 1,
    schema: "
CREATE TABLE kept (space TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (space, key)) STRICT, WITHOUT ROWID;
",
    full: true,
    secure_delete: true,
    cache_kib: 1_024,
    autocheckpoint: 1_000,
};

/// A change for later, with its turn.
type Pending = (Place, (u64, Option<Vec<u8>>));
type Answer = oneshot::Sender<Result<(), StateError>>;

pub(super) struct SqliteState {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    writer: Mutex<Connection>,
    readers: Readers,
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

/// Empties spaces of a file nobody has open.
pub(crate) fn forget(path: &Path, spaces: &[&str]) -> Result<(), OpenError> {
    let wrap = |source| OpenError::Sqlite { file: path.to_owned(), source };
    let writer = sqlite::open_writer(path, &FORMAT)?;
    for space in spaces {
        writer.execute("DELETE FROM kept WHERE space = ?1", [space]).map_err(wrap)?;
    }
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(wrap)
}

impl SqliteState {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = sqlite::open_writer(path, &FORMAT)?;
        let readers = Readers::open(path, READERS)?;
        let shared = Arc::new(Shared {
            writer: Mutex::new(writer),
            readers,
            later: RwLock::default(),
            lanes: Mutex::default(),
            arrived: Condvar::new(),
        });
        let working = shared.clone();
        let thread =
            std::thread::Builder::new().name("state".into()).spawn(move || working.run()).map_err(OpenError::Thread)?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        let later = read(&self.shared.later);
        if !later.entries.is_empty()
            && let Some((_, value)) = later.entries.get(&(space.to_owned(), key.to_owned()))
        {
            return Ok(value.clone());
        }
        drop(later);
        Ok(stored(&self.shared.readers.take(), space, key)?)
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
        let (key, included) = match start {
            Bound::Included((_, key)) => (key, true),
            Bound::Excluded((_, key)) => (key, false),
            Bound::Unbounded => (String::new(), true),
        };
        // Every pending change can hide one stored entry at most.
        let wanted = limit.saturating_add(pending.len());
        let mut merged: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        {
            let reader = self.shared.readers.take();
            let mut select = reader.prepare_cached(
                "SELECT key, value FROM kept WHERE space = ?1 AND key >= ?2 AND (?3 OR key > ?2) ORDER BY key",
            )?;
            let mut rows = select.query(params![space, key, included])?;
            while merged.len() < wanted
                && let Some(row) = rows.next()?
            {
                let key: String = row.get(0)?;
                if !key.starts_with(prefix) {
                    break;
                }
                merged.insert(key, Some(row.get(1)?));
            }
        }
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
        let reader = self.shared.readers.take();
        let mut select = reader.prepare_cached("SELECT count(*) FROM kept WHERE space = ?1")?;
        let mut count: i64 = select.query_row([space], |row| row.get(0))?;
        for (key, there) in pending {
            count += i64::from(there) - i64::from(stored(&reader, space, &key)?.is_some());
        }
        Ok(u64::try_from(count).unwrap_or(0))
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
        let writer = lock(&self.shared.writer);
        if let Err(fault) = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the state could not be checkpointed");
        }
    }
}

impl Drop for SqliteState {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
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

    /// One transaction: what waited for later, then the commits. True: the file failed.
    fn write(&self, group: Vec<(Batch, Answer)>) -> bool {
        let later: Vec<Pending> =
            read(&self.later).entries.iter().map(|(place, entry)| (place.clone(), entry.clone())).collect();
        if later.is_empty() && group.is_empty() {
            return false;
        }
        let (batches, answers): (Vec<Batch>, Vec<Answer>) = group.into_iter().unzip();
        match self.write_on(&mut lock(&self.writer), &later, &batches) {
            Ok(results) => {
                self.forget(later);
                for (answer, result) in answers.into_iter().zip(results) {
                    let _ = answer.send(result);
                }
                false
            }
            Err(fault) => {
                tracing::error!(error = &fault as &dyn std::error::Error, "the state could not be written");
                let (full, busy) = (sqlite::is_full(&fault), sqlite::is_busy(&fault));
                if !later.is_empty() {
                    lock(&self.lanes).later_since = Some(Instant::now());
                }
                for answer in answers {
                    let _ = answer.send(Err(match (full, busy) {
                        (true, _) => StateError::DiskFull,
                        (_, true) => StateError::Busy,
                        (false, false) => StateError::Unknown,
                    }));
                }
                !full && !busy
            }
        }
    }

    fn write_on(
        &self,
        writer: &mut Connection,
        later: &[Pending],
        batches: &[Batch],
    ) -> Result<Vec<Result<(), StateError>>, rusqlite::Error> {
        let unit = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (place, (_, value)) in later {
            change(&unit, place, value.as_deref())?;
        }
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            let mut broken = None;
            for ((space, key), expected) in &batch.checks {
                if stored(&unit, space, key)? != *expected {
                    broken = Some(StateError::Changed { space: space.clone(), key: key.clone() });
                    break;
                }
            }
            if let Some(broken) = broken {
                results.push(Err(broken));
                continue;
            }
            for (place, value) in &batch.changes {
                change(&unit, place, value.as_deref())?;
            }
            results.push(Ok(()));
        }
        unit.commit()?;
        Ok(results)
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

fn stored(on: &Connection, space: &str, key: &str) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    on.prepare_cached("SELECT value FROM kept WHERE space = ?1 AND key = ?2")?
        .query_row([space, key], |row| row.get(0))
        .optional()
}

fn change(unit: &Transaction<'_>, (space, key): &Place, value: Option<&[u8]>) -> Result<(), rusqlite::Error> {
    match value {
        Some(value) => unit
            .prepare_cached("INSERT INTO kept VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = excluded.value")?
            .execute(params![space, key, value])?,
        None => unit.prepare_cached("DELETE FROM kept WHERE space = ?1 AND key = ?2")?.execute([space, key])?,
    };
    Ok(())
}
