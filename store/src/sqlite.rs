//! Opening SQLite files the one way this room does it.
//!
//! Promise: a file that is not ours, is damaged or was written by a newer
//! program is refused by name and stays as it was, because its header is read
//! before SQLite sees it; and every setting that durability rests on is read
//! back after it was made.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::{OpenError, locks::lock};

/// The first one without the WAL-reset corruption.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Marks all our files: "ILgr".
pub(crate) const APPLICATION_ID: i32 = 0x494c_6772;
/// How long a connection waits for another process's lock.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection.
const STATEMENTS: usize = 48;
/// Bytes of the header that are read: application id ends at 72.
const HEADER: usize = 72;
/// Page cache of one reading connection, KiB.
const READER_CACHE_KIB: u32 = 1_024;

/// What one of our files is like.
pub(crate) struct Format {
    /// Which of our files it is; the high half of `user_version`.
    pub kind: i32,
    /// The layout; the low half of `user_version`.
    pub version: i32,
    /// Made in one transaction when the file is new.
    pub schema: &'static str,
    /// `FULL` where an acknowledged write must survive power loss.
    pub full: bool,
    /// Overwrite what is deleted.
    pub secure_delete: bool,
    /// Page cache of the writing connection, KiB.
    pub cache_kib: u32,
    /// Pages after which a commit also checkpoints; 0: never.
    pub autocheckpoint: u32,
}

impl Format {
    fn stamp(&self) -> i32 {
        self.kind << 16 | self.version
    }
}

/// Opens the file for writing, making it if there is none.
pub(crate) fn open_writer(path: &Path, format: &Format) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite { found: rusqlite::version() });
    }
    let new = check_header(path, format)?;
    let wrap = |source| opening(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(wrap)?;
    equip(&connection).map_err(wrap)?;
    if new {
        // In rollback mode, so that the stamps stand in the header of the file itself.
        let stamps = format!("PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={};", format.stamp());
        connection
            .execute_batch(&format!("PRAGMA synchronous=FULL; BEGIN EXCLUSIVE; {} {stamps} COMMIT;", format.schema))
            .map_err(wrap)?;
    }
    settle(&connection, path, format)?;
    Ok(connection)
}

/// Opens the file for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let wrap = |source| opening(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(wrap)?;
    equip(&connection).map_err(wrap)?;
    connection.execute_batch(&format!("PRAGMA query_only=ON; PRAGMA cache_size=-{READER_CACHE_KIB};")).map_err(wrap)?;
    Ok(connection)
}

/// What every connection has.
fn equip(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement that compares a column with a number is planned anew whenever it is taken from the
    // cache, since clearing its parameters counts as a change of them (since SQLite 3.54): half of a look-up's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn settle(connection: &Connection, path: &Path, format: &Format) -> Result<(), OpenError> {
    let synchronous = if format.full { "2" } else { "1" };
    let secure = if format.secure_delete { "1" } else { "0" };
    let settings = [
        ("journal_mode", "wal".to_owned()),
        ("synchronous", synchronous.to_owned()),
        ("secure_delete", secure.to_owned()),
        ("recursive_triggers", "1".to_owned()),
        ("trusted_schema", "0".to_owned()),
        ("wal_autocheckpoint", format.autocheckpoint.to_string()),
        ("cache_size", format!("-{}", format.cache_kib)),
        ("temp_store", "2".to_owned()),
    ];
    for (pragma, wanted) in settings {
        connection.execute_batch(&format!("PRAGMA {pragma}={wanted};")).map_err(|source| opening(path, source))?;
        let found: String = connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| {
                Ok(match row.get_ref(0)? {
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    rusqlite::types::ValueRef::Null
                    | rusqlite::types::ValueRef::Real(_)
                    | rusqlite::types::ValueRef::Blob(_) => String::new(),
                })
            })
            .map_err(|source| opening(path, source))?;
        if found != wanted {
            return Err(OpenError::Pragma { file: path.to_owned(), pragma, found });
        }
    }
    Ok(())
}

/// True if the file is to be made. Reads the header without SQLite, which would write beside it.
pub(crate) fn check_header(path: &Path, format: &Format) -> Result<bool, OpenError> {
    let file = path.to_owned();
    let mut header = Vec::with_capacity(HEADER);
    match File::open(path) {
        Ok(opened) => opened
            .take(HEADER as u64)
            .read_to_end(&mut header)
            .map_err(|source| OpenError::Io { file: file.clone(), source })?,
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(true),
        Err(source) => return Err(OpenError::Io { file, source }),
    };
    if header.is_empty() {
        return Ok(true);
    }
    if header.len() < HEADER || !header.starts_with(b"SQLite format 3\0") {
        return Err(OpenError::Foreign { file });
    }
    let number = |at: usize| header[at..at + 4].iter().fold(0_i32, |sum, byte| sum << 8 | i32::from(*byte));
    let (stamp, application) = (number(60), number(68));
    if stamp == 0 && application == 0 && hot_journal(path) {
        // A crash while it was made: SQLite rolls it back to nothing.
        return Ok(true);
    }
    if application != APPLICATION_ID || stamp >> 16 != format.kind {
        return Err(OpenError::Foreign { file });
    }
    let found = stamp & 0xffff;
    if found > format.version {
        return Err(OpenError::Newer { file, found: found.into(), known: format.version.into() });
    }
    Ok(false)
}

/// Whether the file has today's layout, and not an older one.
pub(crate) fn is_current(connection: &Connection, format: &Format) -> bool {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0))
        .is_ok_and(|found| found == format.stamp())
}

fn hot_journal(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name).exists()
}

fn opening(path: &Path, source: rusqlite::Error) -> OpenError {
    let file = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { file },
        Some(_) | None => OpenError::Sqlite { file, source },
    }
}

/// Whether the fault says that there is no space.
pub(crate) fn is_full(fault: &rusqlite::Error) -> bool {
    fault.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether the fault says that the file itself is broken: trying again is of no use.
pub(crate) fn is_damage(fault: &rusqlite::Error) -> bool {
    matches!(fault.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether the fault says that somebody else holds the file.
pub(crate) fn is_busy(fault: &rusqlite::Error) -> bool {
    matches!(fault.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// SQLite's integers are signed; none of our numbers comes near the sign.
pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A fixed set of reading connections; who finds none free waits for one.
pub(crate) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, OpenError> {
        let connections =
            (0..count).map(|_| open_reader(path).map(Mutex::new)).collect::<Result<Vec<_>, OpenError>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    pub(crate) fn take(&self) -> MutexGuard<'_, Connection> {
        if let Some(free) = self.connections.iter().find_map(|connection| connection.try_lock().ok()) {
            return free;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        lock(&self.connections[turn])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    const FORMAT: Format = Format {
        kind: 99,
        version: 1,
        schema: "CREATE TABLE ends (first INTEGER, version INTEGER, PRIMARY KEY (first, version)) WITHOUT ROWID;",
        full: false,
        secure_delete: false,
        cache_kib: 64,
        autocheckpoint: 0,
    };

    /// How often a look-up was planned again when it was taken from the cache ten times.
    fn planned_again(on: &Connection) -> i32 {
        let sql = "SELECT version FROM ends WHERE first = ?1 ORDER BY version DESC LIMIT 1";
        for first in 0..10 {
            let found = on.prepare_cached(sql).unwrap().query_row([first], |row| row.get::<_, i64>(0));
            assert!(matches!(found, Err(rusqlite::Error::QueryReturnedNoRows)));
        }
        on.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare)
    }

    #[test]
    fn a_statement_from_the_cache_is_not_planned_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ends.db");
        let writer = open_writer(&path, &FORMAT).unwrap();
        assert_eq!((planned_again(&writer), planned_again(&open_reader(&path).unwrap())), (0, 0));
    }
}
