//! The index: versions, claims, receipts and public numbers, following the log.
//!
//! Promise: asked after a commit was acknowledged, it answers with that commit.
//! What is not yet on disk is in memory: the active layer, which only the writer
//! changes, and at most one sealed layer, which a thread of its own flushes.
//! Who asks looks at active, sealed and disk in that order, and a layer leaves
//! memory only after it is on disk, so nothing falls between.

mod aside;
mod claims;
mod disk;
mod filter;
mod flush;
mod follow;
mod layer;
mod recent;

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Arc, MutexGuard, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use rusqlite::Connection;
use uuid::Uuid;

pub(crate) use disk::Disk;
pub(crate) use flush::Flusher;
pub(crate) use follow::{Following, follow};
pub(crate) use layer::{ClaimKey, ClaimSecret, Head, Holding, Kept, Layer};
use recent::Recent;

use crate::{
    CommandId, Position, ReadError, StreamId, Version,
    locks::{read, write},
    sqlite::is_damage,
};

pub(crate) struct Index {
    pub ledger: Uuid,
    pub secret: ClaimSecret,
    active: RwLock<Layer>,
    sealed: RwLock<Option<Arc<Layer>>>,
    disk: Option<Disk>,
    recent: Recent,
    flusher: Flusher,
    /// The file is broken: nothing can be decided on it any more.
    damaged: AtomicBool,
}

/// One view for the checks of a whole batch: the writer's.
///
/// The sealed layer is taken before the file is first read, and kept: were it
/// flushed and dropped meanwhile, the file's snapshot would still lack it.
pub(crate) struct Pinned<'a> {
    index: &'a Index,
    sealed: Option<Arc<Layer>>,
    front: Option<MutexGuard<'a, Connection>>,
    begun: Cell<bool>,
}

impl Pinned<'_> {
    fn find<T>(
        &self,
        in_layer: impl Fn(&Layer) -> Option<T>,
        lacks: impl FnOnce(&Disk) -> bool,
        on_disk: impl FnOnce(&Disk, &Connection) -> Result<T, ReadError>,
        absent: T,
    ) -> Result<T, ReadError> {
        if let Some(found) = in_layer(&read(&self.index.active)) {
            return Ok(found);
        }
        if let Some(found) = self.sealed.as_deref().and_then(in_layer) {
            return Ok(found);
        }
        if self.index.disk.as_ref().is_none_or(lacks) {
            return Ok(absent);
        }
        self.index.watched(match self.disk()? {
            Some((disk, on)) => on_disk(disk, on),
            None => Ok(absent),
        })
    }

    /// The file, within one read transaction: taking its locks costs as much as a look-up.
    fn disk(&self) -> Result<Option<(&Disk, &Connection)>, ReadError> {
        let (Some(disk), Some(on)) = (&self.index.disk, self.front.as_deref()) else { return Ok(None) };
        if !self.begun.replace(true) {
            let begun = on.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([]));
            self.index.watched(begun.map_err(ReadError::from))?;
        }
        Ok(Some((disk, on)))
    }

    pub(crate) fn head(&self, stream: &StreamId) -> Result<Option<Head>, ReadError> {
        let in_layer = |layer: &Layer| layer.streams.get(stream).map(|grown| Some(grown.head));
        let look = || self.find(in_layer, |disk| disk.lacks_stream(stream), |disk, on| disk.head(on, stream), None);
        self.index.recent.head(stream, look)
    }

    /// By the first position of the holding stream.
    pub(crate) fn holder(&self, key: &ClaimKey) -> Result<Option<Position>, ReadError> {
        let in_layer = |layer: &Layer| layer.claims.get(key).map(|holding| holding.holder);
        self.find(in_layer, |disk| disk.lacks_claim(key), |disk, on| disk.holder(on, key), None)
    }

    pub(crate) fn receipt(&self, command: &CommandId) -> Result<Option<Kept>, ReadError> {
        let in_layer = |layer: &Layer| layer.receipts.get(command).copied().map(Some);
        self.find(in_layer, |disk| disk.lacks_receipt(command), |disk, on| disk.receipt(on, command), None)
    }

    /// The last number given in a tenant; 0 if none.
    pub(crate) fn tenant(&self, tenant: &str) -> Result<u64, ReadError> {
        let in_layer = |layer: &Layer| layer.tenants.get(tenant).map(|numbered| numbered.last);
        self.find(in_layer, |_| false, |disk, on| disk.tenant(on, tenant), 0)
    }

    /// What a stream may hold in a family; the caller checks each with `holder`.
    pub(crate) fn held(&self, holder: Position, family: &'static str) -> Result<Vec<ClaimKey>, ReadError> {
        let known = (holder, family);
        let mut keys: Vec<ClaimKey> = read(&self.index.active).held.get(&known).cloned().unwrap_or_default();
        if let Some(sealed) = &self.sealed {
            keys.extend(sealed.held.get(&known).into_iter().flatten());
        }
        if let Some((disk, on)) = self.disk()? {
            keys.extend(self.index.watched(disk.held(on, holder, family))?);
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        if let (true, Some(on)) = (self.begun.get(), self.front.as_deref())
            && let Err(fault) = on.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]))
        {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the index's reader could not end its view");
        }
    }
}

impl Index {
    /// Over a file that follows up to `flushed` already, or in memory.
    pub(crate) fn new(ledger: Uuid, secret: ClaimSecret, disk: Option<Disk>, memory: Layer, flushed: Position) -> Self {
        Self {
            ledger,
            secret,
            active: RwLock::new(memory),
            sealed: RwLock::default(),
            disk,
            recent: Recent::default(),
            flusher: Flusher::new(flushed, Instant::now()),
            damaged: AtomicBool::new(false),
        }
    }

    /// The writer's view of now.
    pub(crate) fn pin(&self) -> Pinned<'_> {
        let sealed = read(&self.sealed).clone();
        Pinned { index: self, sealed, front: self.disk.as_ref().map(Disk::front), begun: Cell::new(false) }
    }

    /// Looks in the layers, newest first, then on disk.
    fn find<T>(
        &self,
        in_layer: impl Fn(&Layer) -> Option<T>,
        lacks: impl FnOnce(&Disk) -> bool,
        on_disk: impl FnOnce(&Disk, &Connection) -> Result<T, ReadError>,
        absent: T,
    ) -> Result<T, ReadError> {
        if let Some(found) = in_layer(&read(&self.active)) {
            return Ok(found);
        }
        if let Some(found) = read(&self.sealed).as_deref().and_then(in_layer) {
            return Ok(found);
        }
        match &self.disk {
            Some(disk) if !lacks(disk) => self.watched(on_disk(disk, &disk.reader())),
            Some(_) | None => Ok(absent),
        }
    }

    pub(crate) fn head(&self, stream: &StreamId) -> Result<Option<Head>, ReadError> {
        let in_layer = |layer: &Layer| layer.streams.get(stream).map(|grown| Some(grown.head));
        let look = || self.find(in_layer, |disk| disk.lacks_stream(stream), |disk, on| disk.head(on, stream), None);
        self.recent.head(stream, look)
    }

    /// By the first position of the holding stream.
    pub(crate) fn holder(&self, key: &ClaimKey) -> Result<Option<Position>, ReadError> {
        self.find(
            |layer| layer.claims.get(key).map(|holding| holding.holder),
            |disk| disk.lacks_claim(key),
            |disk, on| disk.holder(on, key),
            None,
        )
    }

    pub(crate) fn receipt(&self, command: &CommandId) -> Result<Option<Kept>, ReadError> {
        self.find(
            |layer| layer.receipts.get(command).copied().map(Some),
            |disk| disk.lacks_receipt(command),
            |disk, on| disk.receipt(on, command),
            None,
        )
    }

    /// The number of a tenant's last event; 0 if it has none.
    pub(crate) fn tenant(&self, tenant: &str) -> Result<u64, ReadError> {
        let in_layer = |layer: &Layer| layer.tenants.get(tenant).map(|numbered| numbered.last);
        self.find(in_layer, |_| false, |disk, on| disk.tenant(on, tenant), 0)
    }

    /// Positions of a tenant's events with numbers from `first` to `last`, by number.
    pub(crate) fn numbered(&self, tenant: &str, first: u64, last: u64) -> Result<BTreeMap<u64, Position>, ReadError> {
        let mut found = BTreeMap::new();
        let mut note = |layer: &Layer| {
            if let Some(numbered) = layer.tenants.get(tenant) {
                found.extend(numbered.each().filter(|(number, _)| (first..=last).contains(number)));
            }
        };
        note(&read(&self.active));
        if let Some(sealed) = read(&self.sealed).as_deref() {
            note(sealed);
        }
        // What is not in memory lies before what is.
        let before = found.keys().next().map_or(last, |known| known - 1);
        if let Some(disk) = self.disk.as_ref().filter(|_| first <= before) {
            found.extend(self.watched(disk.numbered(&disk.reader(), tenant, first, before))?);
        }
        Ok(found)
    }

    /// Positions of a stream's events with versions in (after, to], by version.
    pub(crate) fn versions(
        &self,
        stream: &StreamId,
        after: Version,
        to: Version,
    ) -> Result<BTreeMap<Version, Position>, ReadError> {
        let mut found = BTreeMap::new();
        let mut whole = false;
        let mut note = |layer: &Layer| {
            if let Some(grown) = layer.streams.get(stream) {
                whole |= grown.created;
                let first = grown.created.then_some((1, grown.head.first));
                let wanted = first.into_iter().chain(grown.later.iter().copied());
                found.extend(wanted.filter(|(version, _)| *version > after && *version <= to));
            }
        };
        note(&read(&self.active));
        if let Some(sealed) = read(&self.sealed).as_deref() {
            note(sealed);
        }
        if let (false, Some(disk)) = (whole, &self.disk)
            && !disk.lacks_stream(stream)
        {
            let on = disk.reader();
            if let Some(first) = self.watched(disk.first(&on, stream))? {
                found.extend(self.watched(disk.versions(&on, first, after, to))?);
            }
        }
        Ok(found)
    }

    /// Looks at what the file answered. If the file itself is broken, it is marked, so
    /// that the next start makes it anew, and nothing is decided on it any more. Told once.
    fn watched<T>(&self, answer: Result<T, ReadError>) -> Result<T, ReadError> {
        if let (Err(ReadError::Sqlite(fault)), Some(disk)) = (&answer, &self.disk)
            && is_damage(fault)
            && !self.damaged.swap(true, Relaxed)
        {
            tracing::error!(error = fault as &dyn std::error::Error, "the index is damaged; a start makes it anew");
            disk.condemn();
        }
        answer
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Relaxed)
    }

    /// Reads the file's keys into memory, so that most look-ups need not ask it. A thread of its own runs this.
    pub(crate) fn fill_filter(&self, stop: &AtomicBool) {
        if let Some(disk) = &self.disk
            && let Err(fault) = disk.fill_filter(stop)
        {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the index stays without its filter, and slower");
        }
    }

    /// Takes over what a commit added. Only the writer calls it.
    pub(crate) fn commit(&self, batch: Layer) {
        let grown = recent::grown(&batch);
        write(&self.active).merge(batch);
        self.recent.grow(&grown);
    }
}
