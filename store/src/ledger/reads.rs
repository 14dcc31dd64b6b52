//! Reading: from memory where recent, else from the log.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use super::{Inner, Ledger, open_row, opening::sealed_row};
use crate::{
    Claim, ClaimGuard, CommandId, Entry, KeyCount, Mark, OpenError, Position, ReadError, Receipt, Recorded, StreamId,
    Vault, VaultError, Version,
    index::ClaimKey,
    log::{Backend, Row},
    payload::Parts,
};

/// Rows read at once while walking the whole log.
const PAGE: usize = 1_024;
/// How long a node that is behind is waited for.
const ARRIVE_WITHIN: Duration = Duration::from_secs(2);
/// Events at the end of the log whose keys are looked for at every start.
const RECENT: usize = 64;

/// A command's receipt, with the fingerprint of its body if it is known still.
pub type KnownReceipt = (Receipt, Option<[u8; 32]>);

impl Ledger {
    /// What a command came to, if it landed. Receipts are kept for at least 48 hours.
    pub fn receipt(&self, id: &CommandId) -> Result<Option<KnownReceipt>, ReadError> {
        let inner = self.inner();
        let Some(kept) = inner.index.receipt(id)? else { return Ok(None) };
        Ok(Some((inner.receipt_of(&kept)?, kept.fingerprint)))
    }

    /// The stream that holds a claim.
    pub fn claim_holder(&self, claim: &Claim) -> Result<Option<StreamId>, ReadError> {
        Ok(self.look_at(claim.clone())?.holder)
    }

    /// A claim as it stands, to be relied on by a unit.
    pub fn look_at(&self, claim: Claim) -> Result<ClaimGuard, ReadError> {
        let inner = self.inner();
        let key = ClaimKey::of(&inner.index.secret, claim.family, &claim.name);
        let holder = inner.index.holder(&key)?.map(|first| inner.stream_at(first)).transpose()?;
        Ok(ClaimGuard { claim, holder, key: Some(key) })
    }

    /// The version a stream is at; 0 if it does not exist.
    pub fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        Ok(self.inner().index.head(stream)?.map_or(0, |head| head.version))
    }

    /// A stream's events with versions in (after, to], ascending.
    pub fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        to: Option<Version>,
    ) -> Result<Vec<Recorded>, ReadError> {
        let inner = self.inner();
        let positions: Vec<Position> =
            inner.index.versions(stream, after, to.unwrap_or(Version::MAX))?.into_values().collect();
        let mut found: Vec<Option<Recorded>> =
            positions.iter().map(|position| inner.tail.at(*position).map(|event| (*event).clone())).collect();
        let cold: Vec<Position> =
            positions.iter().zip(&found).filter(|(_, event)| event.is_none()).map(|(position, _)| *position).collect();
        if !cold.is_empty() {
            let rows = inner.log.at(&cold)?;
            fetch_keys(&inner.vault, &rows)?;
            let mut rows = rows.into_iter();
            for (event, position) in found.iter_mut().zip(&positions).filter(|(event, _)| event.is_none()) {
                let row = rows.next().filter(|row| row.position == *position && row.stream == *stream);
                let row = row.ok_or(ReadError::Damaged { position: *position, what: "the index leads elsewhere" })?;
                *event = Some(open_row(row, &inner.vault)?);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Events after a position, ascending, at most `limit`, none beyond the head.
    pub fn read_log(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        let inner = self.inner();
        if let Some(recent) = inner.tail.after(after, limit) {
            return Ok(recent);
        }
        let wanted = inner.up_to_head(after, limit);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        inner.open(inner.log.after(after, wanted)?)
    }

    /// The same from the log itself, with what is sealed left sealed: no key is asked for.
    pub fn read_log_sealed(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let inner = self.inner();
        let rows = inner.log.after(after, inner.up_to_head(after, limit))?;
        rows.into_iter().map(sealed_row).collect()
    }

    /// Events before a position, descending, at most `limit`. `Position::MAX` starts at the head.
    pub fn read_log_back(&self, before: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        let inner = self.inner();
        let before = before.min(self.head().saturating_add(1));
        let mut found = inner.tail.before(before, limit);
        if found.len() < limit {
            let reached = found.last().map_or(before, |event| event.position);
            found.extend(inner.open(inner.log.before(reached, limit - found.len())?)?);
        }
        Ok(found)
    }

    /// Entries as they are hashed, sealed, after a position.
    pub fn read_entries(&self, after: Position, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let inner = self.inner();
        let rows = inner.log.after(after, inner.up_to_head(after, limit))?;
        Ok(rows.iter().map(|row| inner.entry(row)).collect())
    }

    /// The last position at or before a time, µs; 0 if there is none.
    pub fn position_at(&self, at: i64) -> Result<Position, ReadError> {
        self.inner().position_at(at)
    }

    /// The position of the last event.
    pub fn head(&self) -> Position {
        *self.inner().head.borrow()
    }

    /// Waits until this node has followed the log to where it ended when this was asked,
    /// as the server that has it says: whatever any node acknowledged before is seen
    /// here afterwards. No wait where no other node appends.
    pub async fn arrive(&self) -> Result<(), ReadError> {
        let inner = self.inner();
        let Some(end) = inner.log.end().await.inspect_err(|fault| inner.unreached(fault))? else { return Ok(()) };
        if self.head() >= end {
            return Ok(());
        }
        inner.queue.wake();
        let mut head = self.watch_head();
        match tokio::time::timeout(ARRIVE_WITHIN, head.wait_for(|head| *head >= end)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ReadError::Server("this node is behind".into())),
        }
    }

    /// The last event, for a follower that begins here.
    pub fn head_mark(&self) -> Mark {
        self.inner().head_mark()
    }

    /// Changes with the head, after the events are readable.
    pub fn watch_head(&self) -> watch::Receiver<Position> {
        self.inner().head.subscribe()
    }

    /// Hears of what other nodes append, once it is readable: first and last position.
    /// Who falls behind misses the oldest.
    pub fn others(&self) -> broadcast::Receiver<(Position, Position)> {
        self.inner().others.subscribe()
    }

    /// What a follower that came to this position must have noted; none beyond the head.
    pub fn mark_at(&self, position: Position) -> Result<Option<Mark>, ReadError> {
        let inner = self.inner();
        let ledger_id = self.ledger_id();
        if position == 0 {
            return Ok(Some(Mark { ledger_id, position, leaf: [0; 32] }));
        }
        if position > self.head() {
            return Ok(None);
        }
        Ok(inner.log.at(&[position])?.pop().map(|row| Mark { ledger_id, position, leaf: row.leaf }))
    }

    /// Drops the recent events from memory. To be called once a key is destroyed:
    /// they are held in clear, and read erased from the log afterwards.
    pub fn forget_recent(&self) {
        self.inner().tail.clear();
    }

    /// Reads the whole log: re-hashes every entry and looks at the key of every
    /// subject named. `seen` hears the position from time to time.
    pub fn examine(&self, seen: &mut dyn FnMut(Position)) -> Result<KeyCount, ReadError> {
        examine(&self.inner().log, &self.inner().vault, seen)
    }
}

/// Walks the whole log: hashes, gaps, keys.
fn examine(log: &Backend, vault: &Vault, seen: &mut dyn FnMut(Position)) -> Result<KeyCount, ReadError> {
    let (mut after, mut subjects, mut text) = (0, HashSet::new(), String::new());
    loop {
        let rows = log.after(after, PAGE)?;
        let Some(last) = rows.last() else { break };
        for (row, expected) in rows.iter().zip(after + 1..) {
            if row.position != expected {
                return Err(ReadError::Damaged { position: expected, what: "it is not there" });
            }
            if row.leaf_of(log.origin(), &mut text) != row.leaf {
                return Err(ReadError::Damaged { position: expected, what: "its hash does not fit" });
            }
            subjects.extend(sealed_for(row));
        }
        after = last.position;
        seen(after);
    }
    let subjects: Vec<Uuid> = subjects.into_iter().collect();
    Ok(vault.count(&subjects)?)
}

/// Whether the keys reach as far as the log does: those of the last events are looked
/// up, and only if one is missing all are counted.
pub(super) fn check_recent_keys(log: &Backend, vault: &Vault) -> Result<(), OpenError> {
    let recent: Vec<Uuid> = log.before(Position::MAX, RECENT)?.iter().filter_map(sealed_for).collect();
    if vault.count(&recent)?.missing == 0 {
        return Ok(());
    }
    let count = examine(log, vault, &mut |_| {})?;
    Err(OpenError::MissingKeys { missing: count.missing })
}

/// Brings the keys of rows that are about to be opened into memory, if they lie far away.
pub(crate) fn fetch_keys(vault: &Vault, rows: &[Row]) -> Result<(), VaultError> {
    if !vault.is_far() {
        return Ok(());
    }
    vault.fetch(&rows.iter().filter_map(sealed_for).collect::<Vec<Uuid>>())
}

/// The same for what another node has just written, with the keys that it will use next.
pub(super) fn fetch_keys_ahead(vault: &Vault, rows: &[Row]) -> Result<(), VaultError> {
    if !vault.is_far() {
        return Ok(());
    }
    vault.fetch_ahead(&rows.iter().filter_map(sealed_for).collect::<Vec<Uuid>>())
}

fn sealed_for(row: &Row) -> Option<Uuid> {
    if row.sealed { Parts::of(&row.payload)?.subject } else { None }
}

impl Inner {
    fn entry(&self, row: &Row) -> Entry {
        let mut text = String::with_capacity(row.payload.len() + row.metadata.len() + 512);
        row.compose(self.log.origin(), &mut text);
        Entry { position: row.position, text, leaf: row.leaf }
    }

    fn open(&self, rows: Vec<Row>) -> Result<Vec<Arc<Recorded>>, ReadError> {
        fetch_keys(&self.vault, &rows)?;
        rows.into_iter().map(|row| open_row(row, &self.vault).map(Arc::new)).collect()
    }

    /// So many events as there are after a position, at most `limit`: a batch on disk
    /// whose head is not shown yet stays unseen.
    fn up_to_head(&self, after: Position, limit: usize) -> usize {
        let left = self.head.borrow().saturating_sub(after);
        usize::try_from(left).unwrap_or(usize::MAX).min(limit)
    }

    fn stream_at(&self, first: Position) -> Result<StreamId, ReadError> {
        if let Some(event) = self.tail.at(first) {
            return Ok(event.stream.clone());
        }
        let row = self.log.at(&[first])?.pop();
        row.map(|row| row.stream).ok_or(ReadError::Damaged { position: first, what: "the index leads there" })
    }

    /// Times never go back along the log, so halving finds the place.
    pub(super) fn position_at(&self, at: i64) -> Result<Position, ReadError> {
        let (mut low, mut high) = (0, *self.head.borrow());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let time = match self.tail.at(middle) {
                Some(event) => event.at,
                None => match self.log.at(&[middle])?.pop() {
                    Some(row) => row.at,
                    None => return Err(ReadError::Damaged { position: middle, what: "it is not there" }),
                },
            };
            if time <= at { low = middle } else { high = middle - 1 }
        }
        Ok(low)
    }
}
