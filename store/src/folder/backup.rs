//! Backup and restore of a data folder.
//!
//! The order is ledger, state, keys: a copy taken while the service runs has
//! keys for every event in it. Events are copied by position and re-hashed on
//! the way, so a damaged log does not become a damaged backup in silence.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params};
use thiserror::Error;

use super::{KEYS, LEDGER, STATE};
use crate::{
    OpenError, Position,
    log::{Row, SqliteLog, sqlite::FORMAT as LEDGER_FORMAT},
    sqlite,
};

/// Events copied in one transaction.
pub(super) const PAGE: usize = 4_096;

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `ledger` (in events), `state` or `keys` (in files).
    pub part: &'static str,
    pub done: u64,
    pub of: u64,
}

/// Why a backup or a restore stopped.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("{} cannot be used", file.display())]
    Io {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} failed", file.display())]
    Sqlite {
        file: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the folder cannot be opened")]
    Open(#[from] OpenError),
    #[error("reading the log failed")]
    Read(#[from] crate::ReadError),
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} holds no ledger", .0.display())]
    NoLedger(PathBuf),
    #[error("the event at position {0} is damaged")]
    Damaged(Position),
    #[error("the log ends at position {head}")]
    PastTheEnd { head: Position },
    /// A cut there would keep one half of what was written as a whole.
    #[error("the event at position {position} was written together with the next one")]
    Torn { position: Position, before: Position },
    #[error("the event of the restore cannot be written: {0}")]
    Event(&'static str),
}

/// Copies the kept files of a folder, which may be in use, into an empty or new one.
pub fn backup(from: &Path, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
    if !from.join(LEDGER).exists() {
        return Err(BackupError::NoLedger(from.to_owned()));
    }
    copy_folder(from, to, None, progress)
}

/// Copies the kept files, the log up to the given position or whole.
pub(super) fn copy_folder(
    from: &Path,
    to: &Path,
    until: Option<Position>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    require_empty(to)?;
    copy_log(from, to, until, progress)?;
    for (part, file) in [("state", STATE), ("keys", KEYS)] {
        progress(Progress { part, done: 0, of: 1 });
        copy_file(&from.join(file), &to.join(file))?;
        progress(Progress { part, done: 1, of: 1 });
    }
    sync(to)
}

/// Makes a folder from a backup. Writes only into an empty or new folder.
pub fn restore(from: &Path, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
    backup(from, to, progress)
}

fn require_empty(folder: &Path) -> Result<(), BackupError> {
    let wrap = |source| BackupError::Io { file: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(wrap)?;
    match fs::read_dir(folder).map_err(wrap)?.next() {
        None => Ok(()),
        Some(_) => Err(BackupError::NotEmpty(folder.to_owned())),
    }
}

/// Copies the log by position, up to the given one or to where it ends now.
fn copy_log(
    from: &Path,
    to: &Path,
    until: Option<Position>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BackupError> {
    let source = SqliteLog::open_to_read(from)?;
    let file = to.join(LEDGER);
    let wrap = |source| BackupError::Sqlite { file: file.clone(), source };
    let head = source.before(Position::MAX, 1)?.first().map_or(0, |row| row.position);
    let of = until.map_or(head, |until| until.min(head));
    {
        let target = sqlite::open_writer(&file, &LEDGER_FORMAT)?;
        copy_meta(&from.join(LEDGER), &target)?;
    }
    let target = SqliteLog::open(to)?;
    let mut text = String::new();
    let mut done = 0;
    while done < of {
        let rows = source.after(done, usize::try_from(of - done).unwrap_or(PAGE).min(PAGE))?;
        check(&rows, done, &source, &mut text)?;
        let Some(last) = rows.last() else { return Err(BackupError::Damaged(done + 1)) };
        target.append(&rows).map_err(wrap)?;
        done = last.position;
        target.checkpoint_between().map_err(wrap)?;
        progress(Progress { part: "ledger", done, of });
    }
    drop(target);
    // Who writes and is the last to close leaves nothing beside the file.
    drop(sqlite::open_writer(&file, &LEDGER_FORMAT)?);
    Ok(())
}

fn check(rows: &[Row], after: Position, source: &SqliteLog, text: &mut String) -> Result<(), BackupError> {
    for (row, expected) in rows.iter().zip(after + 1..) {
        if row.position != expected || row.leaf_of(source.origin(), text) != row.leaf {
            return Err(BackupError::Damaged(expected));
        }
    }
    Ok(())
}

/// The ledger's id and epochs.
fn copy_meta(from: &Path, target: &Connection) -> Result<(), BackupError> {
    let wrap = |source| BackupError::Sqlite { file: from.to_owned(), source };
    let source = sqlite::open_reader(from)?;
    let mut select = source.prepare("SELECT name, value FROM meta").map_err(wrap)?;
    let mut rows = select.query([]).map_err(wrap)?;
    while let Some(row) = rows.next().map_err(wrap)? {
        let (name, value): (String, String) = (row.get(0).map_err(wrap)?, row.get(1).map_err(wrap)?);
        target.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [name, value]).map_err(wrap)?;
    }
    let mut select = source.prepare("SELECT first, epoch FROM epochs").map_err(wrap)?;
    let mut rows = select.query([]).map_err(wrap)?;
    while let Some(row) = rows.next().map_err(wrap)? {
        let (first, epoch): (i64, i64) = (row.get(0).map_err(wrap)?, row.get(1).map_err(wrap)?);
        target.execute("INSERT OR REPLACE INTO epochs VALUES (?1, ?2)", params![first, epoch]).map_err(wrap)?;
    }
    Ok(())
}

/// Copies a small file as it stands at one moment, if there is one.
fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    if !from.exists() {
        return Ok(());
    }
    let wrap = |source| BackupError::Sqlite { file: from.to_owned(), source };
    let source = sqlite::open_reader(from)?;
    let target = to.to_str().ok_or_else(|| BackupError::Io {
        file: to.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the name is not UTF-8"),
    })?;
    // The copy is made as private as the file it is of, before anything is in it.
    let io = |source| BackupError::Io { file: to.to_owned(), source };
    let permissions = fs::metadata(from).map_err(io)?.permissions();
    let made = File::create_new(to).map_err(io)?;
    made.set_permissions(permissions).map_err(io)?;
    // Reading is all it does to the source, but SQLite counts it as a change.
    source.execute_batch("PRAGMA query_only=OFF").map_err(wrap)?;
    source.execute("VACUUM INTO ?1", [target]).map_err(wrap)?;
    made.sync_all().map_err(io)
}

pub(super) fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| BackupError::Io { file: folder.to_owned(), source })
}
