//! Operations on a whole data folder.

use std::path::Path;

use thiserror::Error;

use crate::OpenError;

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `ledger`, `state` or `keys`.
    pub part: &'static str,
    pub done: u64,
    pub of: u64,
}

/// Why a backup or a restore stopped.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("file system")]
    Io(#[from] std::io::Error),
    #[error("database")]
    Sqlite(#[from] rusqlite::Error),
    #[error("opening")]
    Open(#[from] OpenError),
    #[error("{0} is not an empty folder")]
    NotEmpty(std::path::PathBuf),
    #[error("the event at position {0} is damaged")]
    Damaged(u64),
}

/// Why the folder could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    #[error("the folder is in use by {holder}")]
    Held { holder: String },
    #[error("the lock file cannot be used")]
    Io(#[from] std::io::Error),
}

/// Held as long as this process may write in the folder.
pub struct FolderLock {}

impl FolderLock {
    pub fn take(_folder: &Path, _address: &str) -> Result<FolderLock, LockError> {
        Ok(FolderLock {})
    }
}

pub fn backup(_from: &Path, _to: &Path, _progress: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
    Ok(())
}
pub fn restore(_from: &Path, _to: &Path, _progress: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
    Ok(())
}
pub fn rewrite_wal(_folder: &Path) -> Result<(), std::io::Error> {
    Ok(())
}
