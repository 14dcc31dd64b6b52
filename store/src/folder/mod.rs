//! Operations on a whole data folder: the lock, the write-ahead logs at start, backup and restore.

mod backup;
mod lock;
mod restore;
mod wal;

pub use backup::{BackupError, Progress, backup, restore};
pub use lock::{FolderLock, LockError};
pub use restore::{Cut, Ended, restore_until};
pub use wal::rewrite_wal;

/// The kept files of a folder; the index is not among them, it is made from the log.
pub(crate) const STATE: &str = "state.db";
pub(crate) const KEYS: &str = "keys.db";
pub(crate) const LEDGER: &str = crate::log::sqlite::FILE;
