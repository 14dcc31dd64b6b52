//! State in `state.db`: FULL, one writing connection.

use std::{ops::Bound, path::Path, sync::Mutex};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    Batch, Place, StateError,
    grouped::{Pending, Table, WriteFault},
};
use crate::{
    OpenError,
    locks::lock,
    sqlite::{self, Format, Readers},
};

/// Readers that may be at work at once.
const READERS: usize = 3;

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

pub(super) struct SqliteTable {
    writer: Mutex<Connection>,
    readers: Readers,
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

impl SqliteTable {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = Mutex::new(sqlite::open_writer(path, &FORMAT)?);
        Ok(Self { writer, readers: Readers::open(path, READERS)? })
    }

    fn write_on(&self, later: &[Pending], batches: &[Batch]) -> Result<Vec<Result<(), StateError>>, rusqlite::Error> {
        let mut writer = lock(&self.writer);
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
}

impl Table for SqliteTable {
    fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(stored(&self.readers.take(), space, key)?)
    }

    fn scan(&self, from: &Bound<Place>, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let (Bound::Included((space, key)) | Bound::Excluded((space, key))) = from else { return Ok(Vec::new()) };
        let included = matches!(from, Bound::Included(_));
        let reader = self.readers.take();
        let mut select = reader.prepare_cached(
            "SELECT key, value FROM kept WHERE space = ?1 AND key >= ?2 AND (?3 OR key > ?2) ORDER BY key",
        )?;
        let mut rows = select.query(params![space, key, included])?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let key: String = row.get(0)?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key, row.get(1)?));
        }
        Ok(found)
    }

    fn count(&self, space: &str) -> Result<u64, StateError> {
        let reader = self.readers.take();
        let mut select = reader.prepare_cached("SELECT count(*) FROM kept WHERE space = ?1")?;
        let count: i64 = select.query_row([space], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn page(&self, after: Option<&Place>, limit: usize) -> Result<Vec<(Place, Vec<u8>)>, StateError> {
        let (space, key) = after.map_or(("", ""), |(space, key)| (space, key));
        let reader = self.readers.take();
        let mut select = reader.prepare_cached(
            "SELECT space, key, value FROM kept WHERE (space, key) > (?1, ?2) ORDER BY space, key LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = select.query_map(params![space, key, limit], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn write(&self, later: &[Pending], batches: &[Batch]) -> Result<Vec<Result<(), StateError>>, WriteFault> {
        self.write_on(later, batches).map_err(|fault| {
            tracing::error!(error = &fault as &dyn std::error::Error, "the state could not be written");
            if sqlite::is_full(&fault) {
                WriteFault { told: || StateError::DiskFull, fatal: false }
            } else if sqlite::is_busy(&fault) {
                WriteFault { told: || StateError::Busy, fatal: false }
            } else {
                WriteFault { told: || StateError::Unknown, fatal: true }
            }
        })
    }

    fn tidy(&self) {
        let writer = lock(&self.writer);
        if let Err(fault) = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the state could not be checkpointed");
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
