//! The log itself: rows by position, appended in batches, never changed.
//!
//! This is the seam for backends: an `enum` with five operations. Whoever adds
//! one adds a variant here, and the conformance tests run for it.

mod memory;
mod row;
pub(crate) mod sqlite;

use std::path::Path;

pub(crate) use memory::MemoryLog;
pub(crate) use row::{Origin, Row, subject_of};
pub(crate) use sqlite::SqliteLog;

use crate::{OpenError, Position, ReadError, ledger::BackendOptions};

/// Why a batch was not appended.
#[derive(Debug)]
pub(crate) enum AppendFault {
    /// No space: rolled back, nothing of it is there.
    Full,
    /// Another process holds the log: nothing of it is there.
    Busy,
    /// It may be there or not.
    Unknown(rusqlite::Error),
}

impl AppendFault {
    /// The fault in SQLite's words, for who has no other answer to it.
    pub(crate) fn into_sqlite(self) -> rusqlite::Error {
        let coded = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        match self {
            AppendFault::Full => coded(rusqlite::ffi::SQLITE_FULL),
            AppendFault::Busy => coded(rusqlite::ffi::SQLITE_BUSY),
            AppendFault::Unknown(source) => source,
        }
    }
}

/// Where the log lies.
pub(crate) enum Backend {
    Memory(MemoryLog),
    Sqlite(Box<SqliteLog>),
}

impl Backend {
    pub(crate) fn open(options: &BackendOptions) -> Result<Self, OpenError> {
        Ok(match options {
            BackendOptions::Memory => Backend::Memory(MemoryLog::new()),
            BackendOptions::Sqlite { folder } => Backend::Sqlite(Box::new(SqliteLog::open(folder)?)),
        })
    }

    pub(crate) fn origin(&self) -> &Origin {
        match self {
            Backend::Memory(log) => log.origin(),
            Backend::Sqlite(log) => log.origin(),
        }
    }

    /// Appends all rows or none, durably. Only the writer thread calls it.
    pub(crate) fn append(&self, rows: &[Row]) -> Result<(), AppendFault> {
        match self {
            Backend::Memory(log) => log.append(rows),
            Backend::Sqlite(log) => log.append(rows),
        }
    }

    /// Ascending, from the one after `after`.
    pub(crate) fn after(&self, after: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        match self {
            Backend::Memory(log) => Ok(log.after(after, limit)),
            Backend::Sqlite(log) => log.after(after, limit),
        }
    }

    /// Descending, from the one before `before`.
    pub(crate) fn before(&self, before: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        match self {
            Backend::Memory(log) => Ok(log.before(before, limit)),
            Backend::Sqlite(log) => log.before(before, limit),
        }
    }

    /// Those at the given positions, in that order; what is not there is left out.
    pub(crate) fn at(&self, positions: &[Position]) -> Result<Vec<Row>, ReadError> {
        match self {
            Backend::Memory(log) => Ok(log.at(positions)),
            Backend::Sqlite(log) => log.at(positions),
        }
    }

    /// The last row.
    pub(crate) fn last(&self) -> Result<Option<Row>, ReadError> {
        Ok(self.before(Position::MAX, 1)?.pop())
    }

    /// Moves what was written ahead into its place, beside the writer. Tells how much there was, in frames.
    pub(crate) fn checkpoint_beside(&self) -> Result<u64, rusqlite::Error> {
        match self {
            Backend::Memory(_) => Ok(0),
            Backend::Sqlite(log) => log.checkpoint_beside(),
        }
    }

    /// The same on the writer's thread, between two batches.
    pub(crate) fn checkpoint_between(&self) -> Result<u64, rusqlite::Error> {
        match self {
            Backend::Memory(_) => Ok(0),
            Backend::Sqlite(log) => log.checkpoint_between(),
        }
    }

    /// The same at the end, leaving nothing written ahead.
    pub(crate) fn checkpoint_last(&self) -> Result<(), rusqlite::Error> {
        match self {
            Backend::Memory(_) => Ok(()),
            Backend::Sqlite(log) => log.checkpoint_last(),
        }
    }
}

/// The folder whose free space bounds the log.
pub(crate) fn folder_of(options: &BackendOptions) -> Option<&Path> {
    match options {
        BackendOptions::Memory => None,
        BackendOptions::Sqlite { folder } => Some(folder),
    }
}
