//! Connections, and the settings each kind has.

use super::Place;
use crate::ViewsError;
use crate::limits::{BUSY_WAIT, CHECKPOINT_PAGES, READER_CACHE_KIB, STATEMENTS, WAL_BYTES, WRITER_CACHE_KIB};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

const SCHEMA: &str = include_str!("schema.sql");
/// Marks the views' file: "ILvw".
const APPLICATION_ID: i32 = 0x494c_7677;
/// Raise it when folding writes other rows into the same schema.
const FOLDING: u32 = 1;
/// Changes with every change of the schema's text, so that nobody has to think of it.
pub(crate) const SCHEMA_VERSION: i32 = fingerprint(SCHEMA.as_bytes(), FOLDING);

/// FNV-1a, kept positive.
const fn fingerprint(text: &[u8], folding: u32) -> i32 {
    let mut hash = 0x811c_9dc5_u32 ^ folding;
    let mut at = 0;
    while at < text.len() {
        hash = (hash ^ text[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash >> 1).cast_signed()
}

/// What every connection has.
fn equip(connection: &Connection) -> Result<(), ViewsError> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement that compares a column with a number is planned anew whenever it is taken from the
    // cache, since clearing its parameters counts as a change of them (since SQLite 3.54).
    Ok(connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)?)
}

/// A connection without settings of ours.
pub(super) fn raw(place: &Place) -> Result<Connection, ViewsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match place {
        Place::Memory => Connection::open_in_memory_with_flags(flags)?,
        Place::Disk(path) => Connection::open_with_flags(path, flags)?,
    };
    equip(&connection)?;
    Ok(connection)
}

pub(super) fn writer(place: &Place) -> Result<Connection, ViewsError> {
    let connection = raw(place)?;
    settle(&connection, place)?;
    Ok(connection)
}

/// Makes the settings and reads them back.
pub(super) fn settle(connection: &Connection, place: &Place) -> Result<(), ViewsError> {
    let journal = match place {
        Place::Memory => "memory",
        Place::Disk(_) => "wal",
    };
    let settings = [
        ("journal_mode", journal.to_owned()),
        // A power loss may cost the last transactions, never their order: they are folded again.
        ("synchronous", "1".to_owned()),
        // Rows hold personal data: what is deleted is overwritten.
        ("secure_delete", "1".to_owned()),
        ("trusted_schema", "0".to_owned()),
        ("temp_store", "2".to_owned()),
        ("wal_autocheckpoint", CHECKPOINT_PAGES.to_string()),
        ("journal_size_limit", WAL_BYTES.to_string()),
        ("cache_size", format!("-{WRITER_CACHE_KIB}")),
    ];
    for (pragma, wanted) in settings {
        connection.execute_batch(&format!("PRAGMA {pragma} = {wanted};"))?;
        let found = pragma_value(connection, pragma)?;
        if found != wanted {
            return Err(ViewsError::Pragma { pragma, found });
        }
    }
    Ok(())
}

/// Sets how much the writing connection keeps in memory and in its write-ahead log.
pub(super) fn make_room(connection: &Connection, cache_kib: u32, checkpoint_pages: u32) -> Result<(), ViewsError> {
    let settings = format!("PRAGMA cache_size = -{cache_kib}; PRAGMA wal_autocheckpoint = {checkpoint_pages};");
    Ok(connection.execute_batch(&settings)?)
}

fn pragma_value(connection: &Connection, pragma: &str) -> Result<String, ViewsError> {
    Ok(connection.query_row(&format!("PRAGMA {pragma}"), [], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => String::new(),
        })
    })?)
}

pub(super) fn reader(path: &Path) -> Result<Connection, ViewsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    equip(&connection)?;
    connection.execute_batch(&format!(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{READER_CACHE_KIB};"
    ))?;
    Ok(connection)
}

/// Whether the file is ours and in today's schema.
pub(super) fn is_current(connection: &Connection) -> Result<bool, ViewsError> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(application == APPLICATION_ID && version == SCHEMA_VERSION)
}

pub(super) fn lay_out(connection: &Connection) -> Result<(), ViewsError> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    ))?;
    Ok(())
}

/// Copies a whole file as one reader sees it now. All pages in one step: in
/// several, every transaction of the writer would start it over.
pub(super) fn copy(from: &Connection, to: &mut Connection) -> Result<(), ViewsError> {
    let backup = Backup::new(from, to)?;
    match backup.step(-1)? {
        StepResult::Done => Ok(()),
        StepResult::More | StepResult::Busy | StepResult::Locked | _ => Err(ViewsError::Row("the copy is not whole")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    #[test]
    fn a_statement_from_the_cache_is_not_planned_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Disk(folder.path().join("views.db"));
        let writer = writer(&place).unwrap();
        writer.execute_batch("CREATE TABLE pages (owner INTEGER, number INTEGER)").unwrap();
        let sql = "SELECT number FROM pages WHERE owner = ?1 ORDER BY number LIMIT 1";
        for owner in 0..10 {
            let found = writer.prepare_cached(sql).unwrap().query_row([owner], |row| row.get::<_, i64>(0));
            assert!(matches!(found, Err(rusqlite::Error::QueryReturnedNoRows)));
        }
        assert_eq!(writer.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare), 0);
    }
}
