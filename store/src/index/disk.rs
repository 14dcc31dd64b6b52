//! `index.db`: what the log's order implies, in a form that is quick to ask.
//!
//! Disposable: NORMAL, written in large batches well behind the log, thrown
//! away and rebuilt whenever it does not fit it. Streams are named by the
//! position of their first event, so that rows stay small and lie in time.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::aside::{condemn, is_condemned, set_aside};
use super::filter::{Filter, Kind};
use super::layer::{ClaimSecret, Head, Kept, Layer};
use crate::{
    CommandId, Mark, OpenError, Position, ReadError, StreamId, Version,
    locks::{lock, read, write},
    sqlite::{self, Format, Readers, signed},
};

pub(crate) const FILE: &str = "index.db";
/// Readers that may be at work at once, besides the writer's own.
const READERS: usize = 2;
/// Page cache of the connection that checks units, KiB.
const FRONT_CACHE_KIB: u32 = 1_024;
/// Keys read at once while the filter is filled; between two reads the write-ahead log can be carried over.
pub(super) const FILTERED_AT_ONCE: i64 = 8_192;
/// An invitation is created and sent: two events, a stream and a subject.
const KEYS_OF_TWO_EVENTS: u64 = 2;
/// Receipts forgotten at once: as many as may have come since the last time.
const PRUNED_AT_ONCE: i64 = 131_072;

const FORMAT: Format = Format {
    kind: 2,
    version: 3,
    schema: "
CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), ledger BLOB NOT NULL, secret BLOB NOT NULL,
  position INTEGER NOT NULL, leaf BLOB NOT NULL) STRICT;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE streams (key BLOB PRIMARY KEY, first INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE versions (first INTEGER, version INTEGER, position INTEGER NOT NULL, PRIMARY KEY (first, version))
  STRICT, WITHOUT ROWID;
CREATE TABLE subjects (key BLOB PRIMARY KEY, holder INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE claims (era INTEGER, key BLOB, holder INTEGER NOT NULL, family INTEGER NOT NULL,
  PRIMARY KEY (era, key)) STRICT, WITHOUT ROWID;
CREATE INDEX claims_held ON claims (holder, family);
CREATE TABLE receipts (first INTEGER PRIMARY KEY, command BLOB NOT NULL UNIQUE, last INTEGER NOT NULL,
  fingerprint BLOB) STRICT;
CREATE TABLE tenants (id INTEGER PRIMARY KEY, tseq INTEGER NOT NULL) STRICT;
CREATE TABLE numbers (tenant INTEGER, tseq INTEGER, position INTEGER NOT NULL, PRIMARY KEY (tenant, tseq))
  STRICT, WITHOUT ROWID;
",
    full: false,
    secure_delete: false,
    cache_kib: 2_048,
    autocheckpoint: 2_000,
};

/// Short numbers for what repeats in the index: stream prefixes, tenants, families.
#[derive(Default)]
struct Names {
    known: HashMap<String, u32>,
    /// Not yet in the file.
    unsaved: Vec<(u32, String)>,
}

/// What an index file is good for.
pub(crate) enum Standing {
    /// Nothing was ever written to it.
    Empty,
    /// It follows a log up to here.
    Follows(Mark),
    /// It does not read, or its claims were made with another secret.
    Unfit,
}

pub(crate) struct Disk {
    path: PathBuf,
    names: RwLock<Names>,
    writer: Mutex<Connection>,
    front: Mutex<Connection>,
    readers: Readers,
    /// Of streams, subjects and commands.
    pub(super) filter: Filter,
    /// Of claims, by era.
    pub(super) claimed: Filter,
}

impl Disk {
    /// Opens the file. What cannot be used is set aside under another name and made anew.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        if is_condemned(&path) {
            set_aside(&path)?;
        }
        match Self::open_as_it_is(&path) {
            Err(fault @ (OpenError::Foreign { .. } | OpenError::Corrupt { .. } | OpenError::Newer { .. })) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "the index is set aside and rebuilt");
                set_aside(&path)?;
                Self::open_as_it_is(&path)
            }
            opened => opened,
        }
    }

    fn open_as_it_is(path: &Path) -> Result<Self, OpenError> {
        let writer = sqlite::open_writer(path, &FORMAT)?;
        let wrap = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { file: path.to_owned() },
            Some(_) | None => OpenError::Sqlite { file: path.to_owned(), source },
        };
        let known = writer
            .prepare("SELECT name, id FROM names")
            .and_then(|mut names| names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(wrap)?;
        let events = writer.query_row("SELECT position FROM mark", [], position).optional().map_err(wrap)?;
        let filter = Filter::new(events.unwrap_or(0) * KEYS_OF_TWO_EVENTS / 2);
        let claimed = Filter::grouped();
        if events.is_none() {
            filter.complete();
            claimed.complete();
        }
        let front = sqlite::open_reader(path)?;
        front.execute_batch(&format!("PRAGMA cache_size=-{FRONT_CACHE_KIB}")).map_err(wrap)?;
        Ok(Self {
            path: path.to_owned(),
            names: RwLock::new(Names { known, unsaved: Vec::new() }),
            writer: Mutex::new(writer),
            front: Mutex::new(front),
            readers: Readers::open(path, READERS)?,
            filter,
            claimed,
        })
    }

    /// What the file says of itself.
    pub(crate) fn standing(&self, secret: &ClaimSecret) -> Standing {
        let writer = lock(&self.writer);
        if !sqlite::is_current(&writer, &FORMAT) {
            return Standing::Unfit;
        }
        let row = writer.query_row("SELECT ledger, position, leaf, secret FROM mark", [], |row| {
            let mark = Mark {
                ledger_id: Uuid::from_bytes(row.get(0)?),
                position: row.get::<_, i64>(1)?.cast_unsigned(),
                leaf: row.get(2)?,
            };
            Ok((mark, row.get::<_, [u8; 32]>(3)?))
        });
        match row {
            Ok((mark, found)) if found == secret.mark => Standing::Follows(mark),
            Err(rusqlite::Error::QueryReturnedNoRows) => Standing::Empty,
            Ok(_) | Err(_) => Standing::Unfit,
        }
    }

    /// Empties the file: closes it, sets it aside, makes it anew.
    pub(crate) fn restart(self) -> Result<Self, OpenError> {
        let path = self.path.clone();
        drop(self);
        set_aside(&path)?;
        Self::open_as_it_is(&path)
    }

    /// Leaves word for the next start that the file is of no use.
    pub(crate) fn condemn(&self) {
        condemn(&self.path);
    }

    /// The connection of the thread that checks units.
    pub(crate) fn front(&self) -> MutexGuard<'_, Connection> {
        lock(&self.front)
    }

    /// A connection for anybody else.
    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.readers.take()
    }

    /// Adds to the filter what the file holds; until that is done, every look-up asks the file.
    /// A thread of its own does it beside everything else.
    pub(crate) fn fill_filter(&self, stop: &AtomicBool) -> Result<(), OpenError> {
        let wrap = |source| OpenError::Sqlite { file: self.path.clone(), source };
        let on = sqlite::open_reader(&self.path)?;
        if !self.fill_claimed(&on, stop).map_err(wrap)? {
            return Ok(());
        }
        for (kind, keys_after) in [
            (Kind::Stream, "SELECT key FROM streams WHERE key > ?1 ORDER BY key LIMIT ?2"),
            (Kind::Subject, "SELECT key FROM subjects WHERE key > ?1 ORDER BY key LIMIT ?2"),
            (Kind::Command, "SELECT command FROM receipts WHERE command > ?1 ORDER BY command LIMIT ?2"),
        ] {
            // The empty one comes before all others.
            let mut last = Vec::new();
            while self.fill_page(&on, kind, keys_after, &mut last).map_err(wrap)? {
                if stop.load(Relaxed) {
                    return Ok(());
                }
            }
        }
        self.filter.complete();
        Ok(())
    }

    /// Adds the keys that come after the last one. False: there are none.
    fn fill_page(
        &self,
        on: &Connection,
        kind: Kind,
        keys_after: &str,
        last: &mut Vec<u8>,
    ) -> Result<bool, rusqlite::Error> {
        let mut select = on.prepare_cached(keys_after)?;
        let mut rows = select.query(params![last.as_slice(), FILTERED_AT_ONCE])?;
        let mut any = false;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob()?;
            self.filter.add(kind, key);
            last.clear();
            last.extend_from_slice(key);
            any = true;
        }
        Ok(any)
    }

    /// Whether the file certainly has no such stream.
    pub(crate) fn lacks_stream(&self, stream: &StreamId) -> bool {
        self.key(stream).is_none_or(|key| self.filter.lacks(Kind::Stream, &key))
    }

    /// Whether the file certainly has no such receipt.
    pub(crate) fn lacks_receipt(&self, command: &CommandId) -> bool {
        self.filter.lacks(Kind::Command, &command.0)
    }

    pub(super) fn name(&self, name: &str) -> Option<u32> {
        read(&self.names).known.get(name).copied()
    }

    /// The file's key of a stream; none if nothing like it was ever written.
    fn key(&self, stream: &StreamId) -> Option<Vec<u8>> {
        let (prefix, _) = stream.split();
        self.name(prefix).map(|number| stream_key(number, stream))
    }

    pub(crate) fn first(&self, on: &Connection, stream: &StreamId) -> Result<Option<Position>, ReadError> {
        let Some(key) = self.key(stream) else { return Ok(None) };
        let mut select = on.prepare_cached("SELECT first FROM streams WHERE key = ?1")?;
        Ok(select.query_row([key], position).optional()?)
    }

    pub(crate) fn head(&self, on: &Connection, stream: &StreamId) -> Result<Option<Head>, ReadError> {
        let Some(first) = self.first(on, stream)? else { return Ok(None) };
        let mut select =
            on.prepare_cached("SELECT version FROM versions WHERE first = ?1 ORDER BY version DESC LIMIT 1")?;
        let version = select.query_row([signed(first)], position).optional()?.unwrap_or(1);
        Ok(Some(Head { first, version }))
    }

    /// Versions with their positions, in (after, to].
    pub(crate) fn versions(
        &self,
        on: &Connection,
        first: Position,
        after: Version,
        to: Version,
    ) -> Result<Vec<(Version, Position)>, ReadError> {
        let mut found = Vec::new();
        if after == 0 && to >= 1 {
            found.push((1, first));
        }
        let mut select = on.prepare_cached(
            "SELECT version, position FROM versions WHERE first = ?1 AND version > ?2 AND version <= ?3 ORDER BY version",
        )?;
        let bound = |version: Version| i64::try_from(version).unwrap_or(i64::MAX);
        let mut rows = select.query([signed(first), bound(after), bound(to)])?;
        while let Some(row) = rows.next()? {
            found.push((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()));
        }
        Ok(found)
    }

    pub(crate) fn receipt(&self, on: &Connection, command: &CommandId) -> Result<Option<Kept>, ReadError> {
        let mut select = on.prepare_cached("SELECT first, last, fingerprint FROM receipts WHERE command = ?1")?;
        let row = select.query_row([command.0.as_slice()], |row| {
            let (first, last) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
            Ok(Kept { first, last, fingerprint: row.get(2)? })
        });
        Ok(row.optional()?)
    }

    pub(crate) fn tenant(&self, on: &Connection, tenant: &str) -> Result<u64, ReadError> {
        let Some(tenant) = self.name(tenant) else { return Ok(0) };
        let mut select = on.prepare_cached("SELECT tseq FROM tenants WHERE id = ?1")?;
        Ok(select.query_row([tenant], position).optional()?.unwrap_or(0))
    }

    /// Numbers of a tenant's events, from first to last, with their positions.
    pub(crate) fn numbered(
        &self,
        on: &Connection,
        tenant: &str,
        first: u64,
        last: u64,
    ) -> Result<Vec<(u64, Position)>, ReadError> {
        let Some(tenant) = self.name(tenant) else { return Ok(Vec::new()) };
        let mut select = on.prepare_cached(
            "SELECT tseq, position FROM numbers WHERE tenant = ?1 AND tseq BETWEEN ?2 AND ?3 ORDER BY tseq",
        )?;
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows = select.query_map(params![tenant, bound(first), bound(last)], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes a layer and how far it reaches, in one transaction.
    pub(crate) fn flush(&self, layer: &Layer, ledger: Uuid, secret: &ClaimSecret) -> Result<(), ReadError> {
        let Some((last, leaf)) = layer.last else { return Ok(()) };
        let mut writer = lock(&self.writer);
        let unit = writer.transaction()?;
        self.write_streams(&unit, layer)?;
        self.write_claims(&unit, layer)?;
        self.write_receipts(&unit, layer)?;
        self.write_tenants(&unit, layer)?;
        self.write_names(&unit)?;
        unit.execute(
            "INSERT OR REPLACE INTO mark VALUES (1, ?1, ?2, ?3, ?4)",
            params![ledger.as_bytes().as_slice(), secret.mark.as_slice(), signed(last), leaf.as_slice()],
        )?;
        unit.commit()?;
        write(&self.names).unsaved.clear();
        Ok(())
    }

    fn write_streams(&self, unit: &Transaction<'_>, layer: &Layer) -> Result<(), ReadError> {
        let mut created: Vec<(Vec<u8>, Position)> = layer
            .streams
            .iter()
            .filter(|(_, grown)| grown.created)
            .map(|(stream, grown)| (stream_key(self.number(stream.split().0), stream), grown.head.first))
            .collect();
        created.sort_unstable();
        let mut insert = unit.prepare_cached("INSERT OR REPLACE INTO streams VALUES (?1, ?2)")?;
        for (key, first) in created {
            self.filter.add(Kind::Stream, &key);
            insert.execute(params![key, signed(first)])?;
        }
        let mut later: Vec<(Position, Version, Position)> = layer
            .streams
            .values()
            .flat_map(|grown| grown.later.iter().map(|(version, position)| (grown.head.first, *version, *position)))
            .collect();
        later.sort_unstable();
        let mut insert = unit.prepare_cached("INSERT OR REPLACE INTO versions VALUES (?1, ?2, ?3)")?;
        for (first, version, position) in later {
            insert.execute([signed(first), signed(version), signed(position)])?;
        }
        Ok(())
    }

    fn write_receipts(&self, unit: &Transaction<'_>, layer: &Layer) -> Result<(), ReadError> {
        let mut receipts: Vec<_> = layer.receipts.iter().collect();
        receipts.sort_unstable_by_key(|(command, _)| command.0);
        // A unit may straddle two layers while the index catches up: the later one knows its end.
        let mut insert = unit.prepare_cached(
            "INSERT INTO receipts VALUES (?1, ?2, ?3, ?4) ON CONFLICT (command) DO UPDATE SET last = excluded.last",
        )?;
        for (command, kept) in receipts {
            self.filter.add(Kind::Command, &command.0);
            let fingerprint = kept.fingerprint.as_ref().map(<[u8; 32]>::as_slice);
            insert.execute(params![signed(kept.first), command.0.as_slice(), signed(kept.last), fingerprint])?;
        }
        Ok(())
    }

    fn write_tenants(&self, unit: &Transaction<'_>, layer: &Layer) -> Result<(), ReadError> {
        let mut upsert = unit.prepare_cached("INSERT OR REPLACE INTO tenants VALUES (?1, ?2)")?;
        let mut insert = unit.prepare_cached("INSERT OR REPLACE INTO numbers VALUES (?1, ?2, ?3)")?;
        for (tenant, numbered) in &layer.tenants {
            let tenant = self.number(tenant);
            upsert.execute(params![tenant, signed(numbered.last)])?;
            for (tseq, position) in numbered.each() {
                insert.execute(params![tenant, signed(tseq), signed(position)])?;
            }
        }
        Ok(())
    }

    fn write_names(&self, unit: &Transaction<'_>) -> Result<(), ReadError> {
        for (number, name) in &read(&self.names).unsaved {
            unit.execute("INSERT OR IGNORE INTO names VALUES (?1, ?2)", params![number, name])?;
        }
        Ok(())
    }

    /// The number of a name, given now if it has none. Only the flushing thread calls it.
    pub(super) fn number(&self, name: &str) -> u32 {
        if let Some(number) = self.name(name) {
            return number;
        }
        let mut names = write(&self.names);
        let number = u32::try_from(names.known.len()).unwrap_or(u32::MAX).saturating_add(1);
        names.known.insert(name.to_owned(), number);
        names.unsaved.push((number, name.to_owned()));
        number
    }

    /// Forgets receipts of units before this position, a bounded number at a time.
    pub(crate) fn prune_receipts(&self, before: Position) -> Result<usize, ReadError> {
        let sql = "DELETE FROM receipts WHERE first IN (SELECT first FROM receipts WHERE first < ?1 LIMIT ?2)";
        Ok(lock(&self.writer).prepare_cached(sql)?.execute([signed(before), PRUNED_AT_ONCE])?)
    }

    /// Moves the write-ahead log into the file.
    pub(crate) fn checkpoint(&self) -> Result<(), ReadError> {
        Ok(lock(&self.writer).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}

pub(super) fn position(row: &rusqlite::Row<'_>) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(0).map(i64::cast_unsigned)
}

/// Prefix number, then the id: 16 bytes if it is a UUID in its usual form, else the text.
fn stream_key(prefix: u32, stream: &StreamId) -> Vec<u8> {
    let (_, rest) = stream.split();
    let mut key = Vec::with_capacity(21);
    key.extend_from_slice(&prefix.to_be_bytes());
    match Uuid::try_parse(rest) {
        Ok(id) if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == rest => {
            key.push(0);
            key.extend_from_slice(id.as_bytes());
        }
        Ok(_) | Err(_) => {
            key.push(1);
            key.extend_from_slice(rest.as_bytes());
        }
    }
    key
}
