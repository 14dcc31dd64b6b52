//! The log and everything that follows it closely: units, order, claims,
//! receipts, the keys of people, and kept state.
//!
//! Promise: what `Ledger::submit` acknowledges is on disk, in one gapless
//! order, and reads back byte for byte. What it refuses is not there and
//! never will be. `SubmitError::Unknown` is the only answer in between.
//!
//! The store does not know the domain: it sees serialized events, and a pure
//! function from event to claims that is handed to it.

mod canonical;
mod error;
mod folder;
mod index;
mod ledger;
mod locks;
mod log;
mod moving;
mod own;
mod payload;
mod recorded;
#[cfg(feature = "postgres")]
mod server;
#[cfg(feature = "postgres")]
mod sink;
mod sqlite;
mod state;
mod stream;
mod unit;
mod vault;

pub use error::{OpenError, ReadError, SubmitError};
pub use folder::{
    BackupError, Cut, Ended, FolderLock, LockError, Progress, backup, restore, restore_until, rewrite_wal,
};
pub use ledger::{BackendOptions, Figures, KnownReceipt, Ledger, LedgerOptions, NowFn};
#[cfg(any(feature = "postgres", feature = "eventstore"))]
pub use log::DatabaseUrl;
pub use moving::{Cancelled, Move, MoveError, Moved, Site, Word, kept_secret};
pub use own::{NO_TENANT, check_open_at as check_open};
pub use recorded::{Entry, Mark, Metadata, Recorded};
#[cfg(feature = "postgres")]
pub use server::schema::Schema;
#[cfg(feature = "postgres")]
pub use sink::{Change, Column, Sink, SinkError, Written};
pub use state::{Batch, Lease, State, StateError, StateOptions, Tenure};
pub use stream::StreamId;
pub use unit::{
    Append, Claim, ClaimChange, ClaimGuard, ClaimsOf, CommandId, Lane, NewEvent, Receipt, SUBJECT_FAMILY,
    StreamReceipt, Unit,
};
pub use vault::{KeyCount, Subject, Vault, VaultError, VaultOptions};

/// The version of SQLite this program carries.
#[must_use]
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// A place in the log: 1..n in commit order, without gaps. 0 is "before the first".
pub type Position = u64;
/// A place in one stream: 1..n. 0 as an expected version means "the stream must be new".
pub type Version = u64;
