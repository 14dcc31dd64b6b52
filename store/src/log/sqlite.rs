//! The log in SQLite: `ledger.db` holds events by position and nothing else,
//! so that a commit is one short sequential write.
//!
//! Commit point: COMMIT in WAL mode with synchronous=FULL returns after the
//! fsync. Killed before it, the frames lack their commit mark and are ignored;
//! after it, they are replayed. The database itself refuses UPDATE, DELETE and
//! REPLACE on events.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use rusqlite::{Connection, OptionalExtension, Statement};
use uuid::Uuid;

use super::{AppendFault, Origin, Row};
use crate::{
    OpenError, Position, ReadError, StreamId,
    locks::lock,
    sqlite::{self, Format, Readers, signed},
};

pub(crate) const FILE: &str = "ledger.db";
/// Readers that may be at work at once.
const READERS: usize = 3;
/// Rows that one INSERT carries when there are enough.
const ROWS_AT_ONCE: usize = 16;
/// The newest events this program understands, compared with the ledger's `min_reader`.
const READER: i64 = 1;
const COLUMNS: usize = 13;
/// The name of the mark in `meta`.
const ARRIVAL: &str = "arrival";

pub(crate) const FORMAT: Format = Format {
    kind: 1,
    version: 1,
    schema: "
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  tenant   TEXT NOT NULL,
  tseq     INTEGER NOT NULL,
  stream   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  event_id BLOB NOT NULL,
  type     TEXT NOT NULL,
  schema   INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  payload  TEXT NOT NULL,
  metadata TEXT NOT NULL,
  sealed   INTEGER NOT NULL,
  leaf     BLOB NOT NULL
) STRICT;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events are never changed: append another one'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events
  WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
  BEGIN SELECT RAISE(ABORT, 'events are never replaced'); END;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE epochs (first INTEGER PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;
INSERT INTO epochs VALUES (1, 1);
INSERT INTO meta VALUES ('min_reader', '1');
",
    full: true,
    secure_delete: false,
    cache_kib: 1_024,
    autocheckpoint: 0,
};

const SELECT: &str = "SELECT position, tenant, tseq, stream, version, event_id, type, schema, at, payload, metadata, \
                      sealed, leaf FROM events";

pub(crate) struct SqliteLog {
    path: PathBuf,
    origin: Origin,
    writer: Mutex<Connection>,
    /// Checkpoints, off the answering path.
    sweeper: Mutex<Connection>,
    readers: Readers,
    inserts: [String; 2],
}

impl SqliteLog {
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        let writer = sqlite::open_writer(&path, &FORMAT)?;
        let wrap = |source| OpenError::Sqlite { file: path.clone(), source };
        let fresh = Uuid::new_v4().to_string();
        writer.execute("INSERT OR IGNORE INTO meta VALUES ('ledger_id', ?1)", [fresh]).map_err(wrap)?;
        let origin = read_origin(&writer, &path)?;
        let sweeper = sqlite::open_writer(&path, &FORMAT)?;
        sweeper.busy_timeout(std::time::Duration::ZERO).map_err(wrap)?;
        let readers = Readers::open(&path, READERS)?;
        let inserts = [insert(1), insert(ROWS_AT_ONCE)];
        Ok(Self { path, origin, writer: Mutex::new(writer), sweeper: Mutex::new(sweeper), readers, inserts })
    }

    /// Opens a log that is only to be read, and may be in use. Appending to it fails.
    pub(crate) fn open_to_read(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        sqlite::check_header(&path, &FORMAT)?;
        let reader = sqlite::open_reader(&path)?;
        let origin = read_origin(&reader, &path)?;
        let sweeper = Mutex::new(sqlite::open_reader(&path)?);
        let readers = Readers::open(&path, 1)?;
        let inserts = [insert(1), insert(ROWS_AT_ONCE)];
        Ok(Self { path, origin, writer: Mutex::new(reader), sweeper, readers, inserts })
    }

    /// Begins an epoch at a position no event has yet, and forgets those that would begin later.
    pub(crate) fn begin_epoch(folder: &Path, first: Position, epoch: u32) -> Result<(), OpenError> {
        let file = folder.join(FILE);
        let writer = sqlite::open_writer(&file, &FORMAT)?;
        let wrap = |source| OpenError::Sqlite { file: file.clone(), source };
        let unit = writer.unchecked_transaction().map_err(wrap)?;
        unit.execute("DELETE FROM epochs WHERE first >= ?1", [signed(first)]).map_err(wrap)?;
        unit.execute("INSERT INTO epochs VALUES (?1, ?2)", (signed(first), epoch)).map_err(wrap)?;
        unit.commit().map_err(wrap)
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The mark of a ledger that is on its way here.
    pub(crate) fn arrival(&self) -> Result<Option<Uuid>, OpenError> {
        let reader = self.readers.take();
        let found = reader
            .query_row("SELECT value FROM meta WHERE name = ?1", [ARRIVAL], |row| row.get::<_, String>(0))
            .optional();
        Ok(found.map_err(|source| self.failed(source))?.map(|text| Uuid::try_parse(&text).unwrap_or_default()))
    }

    /// Makes the log this ledger's, and marks it.
    pub(crate) fn arrive(&mut self, origin: &Origin, arrival: Uuid) -> Result<(), OpenError> {
        let mark = || {
            let mut writer = lock(&self.writer);
            let unit = writer.transaction()?;
            unit.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [ARRIVAL, &arrival.to_string()])?;
            unit.execute("INSERT OR REPLACE INTO meta VALUES ('ledger_id', ?1)", [origin.id.to_string()])?;
            unit.execute("DELETE FROM epochs", [])?;
            for (first, epoch) in origin.epochs() {
                unit.execute("INSERT INTO epochs VALUES (?1, ?2)", (signed(*first), epoch))?;
            }
            unit.commit()
        };
        mark().map_err(|source| self.failed(source))?;
        self.origin = origin.clone();
        Ok(())
    }

    pub(crate) fn arrived(&self) -> Result<(), OpenError> {
        let removed = lock(&self.writer).execute("DELETE FROM meta WHERE name = ?1", [ARRIVAL]);
        removed.map(|_| ()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> OpenError {
        OpenError::Sqlite { file: self.path.clone(), source }
    }

    pub(crate) fn append(&self, rows: &[Row]) -> Result<(), rusqlite::Error> {
        let writer = lock(&self.writer);
        let stored = self.append_on(&writer, rows);
        if stored.is_err() && !writer.is_autocommit() {
            // Nothing more can be done about a failing rollback: the next BEGIN tells.
            let _ = writer.execute_batch("ROLLBACK");
        }
        stored
    }

    fn append_on(&self, writer: &Connection, rows: &[Row]) -> Result<(), rusqlite::Error> {
        writer.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]))?;
        let (many, few) = rows.as_chunks::<ROWS_AT_ONCE>();
        if !many.is_empty() {
            let mut statement = writer.prepare_cached(&self.inserts[1])?;
            for chunk in many {
                bind(&mut statement, chunk)?;
            }
        }
        if !few.is_empty() {
            let mut statement = writer.prepare_cached(&self.inserts[0])?;
            for row in few {
                bind(&mut statement, std::slice::from_ref(row))?;
            }
        }
        writer.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map(|_| ())
    }

    pub(crate) fn after(&self, after: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        self.rows(&format!("{SELECT} WHERE position > ?1 ORDER BY position LIMIT ?2"), after, limit)
    }

    pub(crate) fn before(&self, before: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        self.rows(&format!("{SELECT} WHERE position < ?1 ORDER BY position DESC LIMIT ?2"), before, limit)
    }

    pub(crate) fn at(&self, positions: &[Position]) -> Result<Vec<Row>, ReadError> {
        let reader = self.readers.take();
        let mut statement = reader.prepare_cached(&format!("{SELECT} WHERE position = ?1"))?;
        let mut found = Vec::with_capacity(positions.len());
        for position in positions {
            let mut rows = statement.query([signed(*position)])?;
            if let Some(row) = rows.next()? {
                found.push(decode(row)?);
            }
        }
        Ok(found)
    }

    fn rows(&self, sql: &str, from: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        let reader = self.readers.take();
        let mut statement = reader.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // A position beyond i64 asks for everything before the end.
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let mut rows = statement.query([from, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(decode(row)?);
        }
        Ok(found)
    }

    /// Copies frames into the database without holding up writer or readers.
    /// Tells how many there were when it began.
    pub(crate) fn checkpoint_beside(&self) -> Result<u64, rusqlite::Error> {
        checkpoint(&lock(&self.sweeper))
    }

    /// The same on the writing connection: with nothing written meanwhile, the
    /// next commit starts the write-ahead log over.
    pub(crate) fn checkpoint_between(&self) -> Result<u64, rusqlite::Error> {
        checkpoint(&lock(&self.writer))
    }

    /// The same, leaving the write-ahead log empty.
    pub(crate) fn checkpoint_last(&self) -> Result<(), rusqlite::Error> {
        lock(&self.writer).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Lets the log grow to so many pages only, to try a full disk.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        lock(&self.writer).query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())).unwrap();
    }

    /// Makes every commit fail from here on, as a failing device would.
    #[cfg(test)]
    pub(crate) fn fail_commits(&self) {
        lock(&self.writer).commit_hook(Some(|| true)).unwrap();
    }
}

fn checkpoint(connection: &Connection) -> Result<u64, rusqlite::Error> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        row.get::<_, i64>(1).map(|frames| u64::try_from(frames).unwrap_or(0))
    })
}

impl AppendFault {
    pub(super) fn of(fault: rusqlite::Error) -> Self {
        if sqlite::is_full(&fault) {
            AppendFault::Full
        } else if sqlite::is_busy(&fault) {
            AppendFault::Busy
        } else {
            AppendFault::Unknown(fault.into())
        }
    }
}

/// An INSERT of so many rows.
fn insert(rows: usize) -> String {
    let one = format!("({})", vec!["?"; COLUMNS].join(","));
    format!(
        "INSERT INTO events (position, tenant, tseq, stream, version, event_id, type, schema, at, payload, metadata, \
         sealed, leaf) VALUES {}",
        vec![one; rows].join(",")
    )
}

fn bind(statement: &mut Statement<'_>, rows: &[Row]) -> Result<(), rusqlite::Error> {
    let mut base = 0;
    for row in rows {
        statement.raw_bind_parameter(base + 1, signed(row.position))?;
        statement.raw_bind_parameter(base + 2, row.tenant.as_str())?;
        statement.raw_bind_parameter(base + 3, signed(row.tseq))?;
        statement.raw_bind_parameter(base + 4, row.stream.as_str())?;
        statement.raw_bind_parameter(base + 5, signed(row.version))?;
        statement.raw_bind_parameter(base + 6, row.event_id.as_bytes().as_slice())?;
        statement.raw_bind_parameter(base + 7, row.kind.as_str())?;
        statement.raw_bind_parameter(base + 8, row.schema)?;
        statement.raw_bind_parameter(base + 9, row.at)?;
        statement.raw_bind_parameter(base + 10, row.payload.as_str())?;
        statement.raw_bind_parameter(base + 11, row.metadata.as_str())?;
        statement.raw_bind_parameter(base + 12, row.sealed)?;
        statement.raw_bind_parameter(base + 13, row.leaf.as_slice())?;
        base += COLUMNS;
    }
    statement.raw_execute().map(|_| ())
}

pub(crate) fn decode(row: &rusqlite::Row<'_>) -> Result<Row, rusqlite::Error> {
    Ok(Row {
        position: row.get::<_, i64>(0)?.cast_unsigned(),
        tenant: row.get(1)?,
        tseq: row.get::<_, i64>(2)?.cast_unsigned(),
        stream: StreamId::new(row.get_ref(3)?.as_str()?),
        version: row.get::<_, i64>(4)?.cast_unsigned(),
        event_id: Uuid::from_bytes(row.get(5)?),
        kind: row.get(6)?,
        schema: row.get(7)?,
        at: row.get(8)?,
        payload: row.get(9)?,
        metadata: row.get(10)?,
        sealed: row.get(11)?,
        leaf: row.get(12)?,
    })
}

/// The ledger's id and epochs.
fn read_origin(writer: &Connection, path: &Path) -> Result<Origin, OpenError> {
    let wrap = |source| OpenError::Sqlite { file: path.to_owned(), source };
    let meta = |name: &str| {
        writer.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get::<_, String>(0)).map_err(wrap)
    };
    let id = Uuid::try_parse(&meta("ledger_id")?).map_err(|_| OpenError::Corrupt { file: path.to_owned() })?;
    let found = meta("min_reader")?.parse().unwrap_or(i64::MAX);
    if found > READER {
        return Err(OpenError::Newer { file: path.to_owned(), found, known: READER });
    }
    let mut statement = writer.prepare("SELECT first, epoch FROM epochs ORDER BY first").map_err(wrap)?;
    let epochs = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(wrap)?;
    Ok(Origin::new(id, epochs))
}
