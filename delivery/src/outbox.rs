//! The outbox in the kept state: rows that wait and rows that are dead, in a
//! space each, and how far the log has been followed.
//!
//! Invariant: a row is changed only if it still is what was read, so that
//! follower, courier and operators cannot overwrite one another.

use crate::row::{Key, Row};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicI64, Ordering};
use store::{Batch, Mark, Position, State, StateError};
use uuid::Uuid;

/// Rows the courier has to do with.
const LIVE: &str = "outbox";
/// Rows only operators move on.
const DEAD: &str = "outbox_dead";
const CURSOR: &str = "outbox_cursor";
const CURSOR_KEY: &str = "log";
/// All of delivery in the kept state. Without it what has no result in the log is
/// not sent, but shown as a dead letter.
pub const SPACES: [&str; 3] = [LIVE, DEAD, CURSOR];
/// Rows read at once while walking.
pub(crate) const PAGE: usize = 512;

/// A row as it was read, with its bytes for the check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub row: Row,
    bytes: Vec<u8>,
}

/// Which half of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Live,
    Dead,
}

impl Half {
    fn space(self) -> &'static str {
        match self {
            Self::Live => LIVE,
            Self::Dead => DEAD,
        }
    }

    fn of(row: &Row) -> Self {
        if row.is_dead() { Self::Dead } else { Self::Live }
    }
}

/// How far the log has been followed, and in which ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub ledger: Uuid,
    pub position: Position,
    /// Leaf hash at `position`, in hex.
    pub leaf: String,
    /// Up to here nobody knows what was sent: asks without a result become dead letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubtful_to: Option<Position>,
}

impl Cursor {
    pub fn at(mark: Mark) -> Self {
        Self { ledger: mark.ledger_id, position: mark.position, leaf: hex(&mark.leaf), doubtful_to: None }
    }

    pub fn fits(&self, mark: Mark) -> bool {
        self.ledger == mark.ledger_id && self.position == mark.position && self.leaf == hex(&mark.leaf)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Changes of rows that land together.
#[derive(Default)]
pub(crate) struct Changes {
    batch: Batch,
    live: i64,
    dead: i64,
}

impl Changes {
    /// One row's change, from what was read to what shall be.
    pub fn replace(&mut self, before: Option<&Stored>, after: Option<&Row>) {
        let Some(key) = before.map(|b| b.row.key()).or(after.map(Row::key)) else { return };
        let key = key.stored();
        let was = before.map(|b| Half::of(&b.row));
        let will = after.map(Half::of);
        let mut batch = std::mem::take(&mut self.batch);
        if let (Some(before), Some(half)) = (before, was) {
            batch = batch.expect(half.space(), &key, Some(before.bytes.clone()));
            if Some(half) != will {
                batch = batch.delete(half.space(), &key);
            }
        }
        if let (Some(after), Some(half)) = (after, will) {
            if was != Some(half) {
                batch = batch.expect(half.space(), &key, None);
            }
            batch = batch.put(half.space(), &key, after.encode());
        }
        self.batch = batch;
        let counts = |half| i64::from(will == Some(half)) - i64::from(was == Some(half));
        self.live += counts(Half::Live);
        self.dead += counts(Half::Dead);
    }

    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}

pub(crate) struct Outbox {
    state: State,
    live: AtomicI64,
    dead: AtomicI64,
}

impl Outbox {
    /// # Errors
    /// When the state cannot be read.
    pub fn open(state: State) -> Result<Self, StateError> {
        let count = |space| state.count(space).map(|n| AtomicI64::new(i64::try_from(n).unwrap_or(i64::MAX)));
        let (live, dead) = (count(LIVE)?, count(DEAD)?);
        Ok(Self { state, live, dead })
    }

    /// The row, wherever it stands.
    pub fn get(&self, key: Key) -> Result<Option<Stored>, StateError> {
        for half in [Half::Live, Half::Dead] {
            if let Some(bytes) = self.state.get(half.space(), &key.stored())? {
                return Ok(stored(key, bytes));
            }
        }
        Ok(None)
    }

    /// Rows after a key, ascending, and the key to go on after; none at the end.
    pub fn page(
        &self,
        half: Half,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Stored>, Option<String>), StateError> {
        let found = self.state.scan(half.space(), "", after, limit)?;
        let next = if found.len() == limit { found.last().map(|(key, _)| key.clone()) } else { None };
        let rows = found.into_iter().filter_map(|(key, bytes)| stored(Key::parse(&key)?, bytes)).collect();
        Ok((rows, next))
    }

    /// Durable when it returns. With a cursor, rows and cursor land together.
    ///
    /// # Errors
    /// [`StateError::Changed`] when a row is not what was read any more; then nothing landed.
    pub async fn commit(&self, changes: Changes, cursor: Option<&Cursor>) -> Result<(), StateError> {
        let Changes { batch, live, dead } = changes;
        self.state.commit(with_cursor(batch, cursor)).await?;
        self.count(live, dead);
        Ok(())
    }

    /// Durable a little later. If it is lost in a crash, the row is what it was
    /// before, and the log tells what became of its mail.
    pub fn change_later(&self, before: &Row, after: Option<&Row>) {
        let key = before.key().stored();
        let (was, will) = (Half::of(before), after.map(Half::of));
        if matches!(self.state.get(was.space(), &key), Ok(None)) {
            // The log's own word came first.
            return;
        }
        let batch = match after {
            Some(after) => Batch::new().put(Half::of(after).space(), &key, after.encode()),
            None => Batch::new(),
        };
        let batch = if will == Some(was) { batch } else { batch.delete(was.space(), &key) };
        self.state.commit_later(batch);
        let counts = |half| i64::from(will == Some(half)) - i64::from(was == half);
        self.count(counts(Half::Live), counts(Half::Dead));
    }

    /// For progress without changes: lost in a crash, it is made again.
    pub fn move_cursor_later(&self, cursor: &Cursor) {
        self.state.commit_later(with_cursor(Batch::new(), Some(cursor)));
    }

    pub fn cursor(&self) -> Result<Option<Cursor>, StateError> {
        Ok(self.state.get(CURSOR, CURSOR_KEY)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub fn live(&self) -> u64 {
        u64::try_from(self.live.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub fn dead(&self) -> u64 {
        u64::try_from(self.dead.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn count(&self, live: i64, dead: i64) {
        self.live.fetch_add(live, Ordering::Relaxed);
        self.dead.fetch_add(dead, Ordering::Relaxed);
    }
}

fn with_cursor(batch: Batch, cursor: Option<&Cursor>) -> Batch {
    match cursor {
        // A cursor is ids and numbers: serde can represent it.
        Some(cursor) => batch.put(CURSOR, CURSOR_KEY, serde_json::to_vec(cursor).unwrap_or_default()),
        None => batch,
    }
}

fn stored(key: Key, bytes: Vec<u8>) -> Option<Stored> {
    let row = Row::decode(&bytes);
    if row.is_none() {
        tracing::error!(mail = %key, "a row of the outbox cannot be read and is left alone");
    }
    Some(Stored { row: row?, bytes })
}
