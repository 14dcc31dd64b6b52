//! The outbox in the kept state: rows that wait and rows that are dead, in a
//! space each, and how far the log has been followed.
//!
//! Invariant: a row is changed only if it still is what was read, so that
//! follower, courier and operators cannot overwrite one another. Where other nodes
//! have the same state, follower and courier change rows only while their node has
//! the lease; an operator may ask any node, which leaves a word for the one that has.

use crate::row::{Key, Row};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use store::{Batch, Mark, Position, State, StateError, Tenure};
use uuid::Uuid;

/// Rows the courier has to do with.
const LIVE: &str = "outbox";
/// Rows only operators move on.
const DEAD: &str = "outbox_dead";
const CURSOR: &str = "outbox_cursor";
const CURSOR_KEY: &str = "log";
/// Rows that an operator changed at a node without the lease.
const WORDS: &str = "outbox_word";
/// All of delivery in the kept state. Without it what has no result in the log is
/// not sent, but shown as a dead letter.
pub const SPACES: [&str; 4] = [LIVE, DEAD, CURSOR, WORDS];
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
    /// None: another node follows and sends.
    tenure: RwLock<Option<Tenure>>,
    live: AtomicI64,
    dead: AtomicI64,
}

impl Outbox {
    /// # Errors
    /// When the state cannot be read.
    pub fn open(state: State) -> Result<Self, StateError> {
        let count = |space| state.count(space).map(|n| AtomicI64::new(i64::try_from(n).unwrap_or(i64::MAX)));
        let (live, dead) = (count(LIVE)?, count(DEAD)?);
        Ok(Self { state, tenure: RwLock::default(), live, dead })
    }

    /// Whether other nodes have the same outbox.
    pub fn is_shared(&self) -> bool {
        self.state.server().is_some()
    }

    /// From now on this node follows and sends, or it does no longer.
    pub fn tenure(&self, tenure: Option<Tenure>) {
        *self.tenure.write().unwrap_or_else(PoisonError::into_inner) = tenure;
    }

    /// Whether no other node can send yet.
    pub fn stands(&self) -> bool {
        self.tenure.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Tenure::stands)
    }

    fn fence(&self, batch: Batch) -> Result<Batch, StateError> {
        match &*self.tenure.read().unwrap_or_else(PoisonError::into_inner) {
            Some(tenure) => Ok(tenure.fence(batch)),
            None if self.is_shared() => Err(StateError::Changed { space: "lease".into(), key: "courier".into() }),
            None => Ok(batch),
        }
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

    /// Those of these rows that are there, wherever they stand: two questions, however many they are.
    pub fn get_each(&self, keys: &BTreeSet<Key>) -> Result<BTreeMap<Key, Stored>, StateError> {
        let wanted: Vec<String> = keys.iter().map(|key| key.stored()).collect();
        let mut found = BTreeMap::new();
        // The courier moves rows from live to dead: in this order none is missed.
        for half in [Half::Live, Half::Dead] {
            let rows = self.state.get_each(half.space(), &wanted)?.into_iter();
            found.extend(rows.filter_map(|(key, bytes)| {
                let key = Key::parse(&key)?;
                Some((key, stored(key, bytes)?))
            }));
        }
        Ok(found)
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

    /// What follower and courier change; durable when it returns. With a cursor, rows and cursor land together.
    ///
    /// # Errors
    /// [`StateError::Changed`] when a row is not what was read any more; then nothing landed.
    pub async fn commit(&self, changes: Changes, cursor: Option<&Cursor>) -> Result<(), StateError> {
        let Changes { batch, live, dead } = changes;
        self.state.commit(self.fence(with_cursor(batch, cursor))?).await?;
        self.count(live, dead);
        Ok(())
    }

    /// What an operator changes of one row; durable when it returns.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn decide(&self, key: Key, changes: Changes) -> Result<(), StateError> {
        let Changes { batch, live, dead } = changes;
        let batch = if self.is_shared() { batch.put(WORDS, &key.stored(), Vec::new()) } else { batch };
        self.state.commit(batch).await?;
        self.count(live, dead);
        Ok(())
    }

    /// Ends a row that an operator has given up, once the log says so.
    ///
    /// # Errors
    /// As [`Self::commit`], except that a row which has ended since is no fault.
    pub async fn end_decided(&self, row: &Row) -> Result<(), StateError> {
        if !self.is_shared() {
            self.change_later(row, None);
            return Ok(());
        }
        let Some(stored) = self.get(row.key())? else { return Ok(()) };
        let mut changes = Changes::default();
        changes.replace(Some(&stored), None);
        match self.decide(row.key(), changes).await {
            Ok(()) | Err(StateError::Changed { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Rows that operators have changed at whichever node since the last time; each is told once.
    ///
    /// # Errors
    /// When the state cannot be read or changed.
    pub async fn words(&self) -> Result<Vec<Stored>, StateError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let words = self.state.scan(WORDS, "", None, PAGE)?;
        let mut rows = Vec::new();
        for key in words.iter().filter_map(|(key, _)| Key::parse(key)) {
            rows.extend(self.get(key)?);
        }
        let heard = words.iter().fold(Batch::new(), |batch, (key, _)| batch.delete(WORDS, key));
        self.state.commit(self.fence(heard)?).await?;
        Ok(rows)
    }

    /// Ends a row, or moves it on, after its mail's result is in the log or on its way there.
    /// This node's own outbox is durable a little later; one that others have, at once.
    ///
    /// # Errors
    /// Where other nodes have the outbox: as [`Self::commit`]. The row is as it was, and
    /// the log tells what became of its mail, as after a crash.
    pub async fn settle(&self, before: &Row, after: Option<&Row>) -> Result<(), StateError> {
        if !self.is_shared() {
            self.change_later(before, after);
            return Ok(());
        }
        // If it is gone, the log's own word came first.
        let Some(stored) = self.get(before.key())? else { return Ok(()) };
        let mut changes = Changes::default();
        changes.replace(Some(&stored), after);
        self.commit(changes, None).await
    }

    /// Durable a little later. If it is lost in a crash, the row is what it was
    /// before, and the log tells what became of its mail.
    fn change_later(&self, before: &Row, after: Option<&Row>) {
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
    ///
    /// # Errors
    /// Where other nodes have the outbox: as [`Self::commit`].
    pub async fn move_cursor(&self, cursor: &Cursor) -> Result<(), StateError> {
        if self.is_shared() {
            return self.commit(Changes::default(), Some(cursor)).await;
        }
        self.move_cursor_later(cursor);
        Ok(())
    }

    pub fn move_cursor_later(&self, cursor: &Cursor) {
        self.state.commit_later(with_cursor(Batch::new(), Some(cursor)));
    }

    /// Notes where the log is followed from, unless that is known.
    ///
    /// # Errors
    /// When the state cannot be changed.
    pub async fn note_beginning(&self, cursor: &Cursor) -> Result<(), StateError> {
        let noting = with_cursor(Batch::new().expect(CURSOR, CURSOR_KEY, None), Some(cursor));
        match self.state.commit(noting).await {
            Ok(()) | Err(StateError::Changed { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    pub fn cursor(&self) -> Result<Option<Cursor>, StateError> {
        Ok(self.state.get(CURSOR, CURSOR_KEY)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub fn live(&self) -> u64 {
        self.counted(LIVE, &self.live)
    }

    pub fn dead(&self) -> u64 {
        self.counted(DEAD, &self.dead)
    }

    /// What other nodes change is counted anew; the last count stands while that cannot be done.
    fn counted(&self, space: &str, kept: &AtomicI64) -> u64 {
        if self.is_shared()
            && let Ok(count) = self.state.count(space)
        {
            kept.store(i64::try_from(count).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
        u64::try_from(kept.load(Ordering::Relaxed)).unwrap_or(0)
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
