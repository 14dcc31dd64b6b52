//! The log itself: rows by position, appended in batches, never changed.
//!
//! This is the seam for backends. Whoever adds one adds a variant here, and the
//! conformance tests run for it. A log is this process's own (memory, SQLite), or
//! shared with other nodes: then every batch takes a turn, and begins with what
//! the others have appended since.

mod arrival;
#[cfg(any(feature = "postgres", feature = "eventstore"))]
pub(crate) mod ends;
#[cfg(feature = "eventstore")]
mod eventstore;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
pub(crate) mod sqlite;
#[cfg(any(feature = "postgres", feature = "eventstore"))]
mod url;
#[cfg(any(feature = "postgres", feature = "eventstore"))]
pub(crate) mod waiting;

use std::{path::Path, time::Duration};

#[cfg(feature = "eventstore")]
pub(crate) use eventstore::EventStoreLog;
#[cfg(all(feature = "eventstore", feature = "postgres"))]
pub(crate) use eventstore::choose_tls;
pub(crate) use memory::MemoryLog;
#[cfg(feature = "postgres")]
pub(crate) use postgres::PostgresLog;
pub(crate) use row::{Origin, Row};
pub(crate) use sqlite::SqliteLog;
#[cfg(any(feature = "postgres", feature = "eventstore"))]
pub use url::DatabaseUrl;

use crate::{OpenError, Position, ReadError, StreamId, ledger::BackendOptions};

/// What a backend's own library said.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Where a node stands: the last position it knows, and the leaf there.
pub(crate) type Place = (Position, [u8; 32]);

/// Why a batch was not appended.
#[derive(Debug)]
pub(crate) enum AppendFault {
    /// No space: rolled back, nothing of it is there.
    Full,
    /// The log could not be had: nothing of it is there.
    Busy,
    /// It may be there or not, and nothing more can be appended by this process.
    Unknown(Fault),
    /// It may be there or not. The log goes on, and the next turn tells.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "eventstore")),
        expect(dead_code, reason = "only a server can be out of reach")
    )]
    Unsettled(Fault),
    /// Another node was quicker: nothing of it is there, nor ever will be. To be checked again after the news.
    #[cfg_attr(not(feature = "eventstore"), expect(dead_code, reason = "only a log without a lock has races"))]
    Overtaken,
}

/// A log that other nodes append to as well. Only the writer thread asks.
pub(crate) trait Shared {
    /// Has `wake` called when another node has appended, as a rule: to know for certain, ask for news.
    fn watch(&self, wake: Box<dyn Fn() + Send + Sync>);
    /// What has been appended since, a page of it.
    fn news(&self, since: Place) -> Result<Vec<Row>, TurnFault>;
    /// Waits for this node's turn, unless it has it; `let_go` ends it, and the wait, too. `local` is this machine's
    /// time, µs.
    fn begin(&self, since: Place, local: i64) -> Result<Turn, TurnFault>;
    /// How long a turn that this node has may still be kept for units to come; none if there is nothing to give up.
    fn kept(&self) -> Option<Duration>;
    /// Gives the turn up.
    fn let_go(&self);
}

/// The log's end, as it is and stays while a node has its turn. A log without a lock says `Overtaken` if it did not stay.
#[cfg_attr(
    not(any(feature = "postgres", feature = "eventstore")),
    expect(dead_code, reason = "every log is this process's own")
)]
pub(crate) enum Turn {
    Taken {
        /// The log's own clock, µs, if it has one.
        now: Option<i64>,
        /// What others have appended since the place the node stood at.
        news: Vec<Row>,
    },
    /// The turn is still waited for, and others have appended this meanwhile: to be folded before it is
    /// asked for again.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "only a lock is waited for"))]
    Awaited { news: Vec<Row> },
    /// There is more news than may be read while everybody waits. The turn is over.
    FarBehind,
}

/// Why there is no turn and no news.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "postgres", feature = "eventstore")),
    expect(dead_code, reason = "every log is this process's own")
)]
pub(crate) enum TurnFault {
    /// The log cannot be asked now. Nothing happened.
    Unreachable(Fault),
    /// This is not the log that the node has followed: other events stand in it, or fewer.
    Diverged(&'static str),
}

/// Where the log lies.
pub(crate) enum Backend {
    Memory(MemoryLog),
    Sqlite(Box<SqliteLog>),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresLog>),
    #[cfg(feature = "eventstore")]
    EventStore(Box<EventStoreLog>),
}

impl Backend {
    pub(crate) fn open(options: &BackendOptions) -> Result<Self, OpenError> {
        Ok(match options {
            BackendOptions::Memory => Backend::Memory(MemoryLog::new()),
            BackendOptions::Sqlite { folder } => Backend::Sqlite(Box::new(SqliteLog::open(folder)?)),
            #[cfg(feature = "postgres")]
            BackendOptions::Postgres { url, alone, .. } => Backend::Postgres(Box::new(PostgresLog::open(url, *alone)?)),
            #[cfg(feature = "eventstore")]
            BackendOptions::EventStore { url, stream, alone, .. } => {
                Backend::EventStore(Box::new(EventStoreLog::open(url, stream, *alone)?))
            }
        })
    }

    pub(crate) fn origin(&self) -> &Origin {
        match self {
            Backend::Memory(log) => log.origin(),
            Backend::Sqlite(log) => log.origin(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.origin(),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.origin(),
        }
    }

    /// Whether these are the keys that events of this log are sealed with. A log in a folder lies beside them.
    pub(crate) fn fits_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => {
                let _ = mark;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.fits_keys(mark),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.fits_keys(mark),
        }
    }

    pub(crate) fn server(&self) -> Option<&str> {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => Some(log.server()),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => Some(log.server()),
        }
    }

    /// Whether other nodes may append to it at any time.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => !log.is_alone(),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => !log.is_alone(),
        }
    }

    /// Where the log ends now, if other nodes may have appended to it.
    pub(crate) async fn end(&self) -> Result<Option<Position>, ReadError> {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.end().await,
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.end().await,
        }
    }

    /// The log as one of several nodes has it; none if it is this process's own.
    pub(crate) fn shared(&self) -> Option<&dyn Shared> {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => Some(&**log),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => Some(&**log),
        }
    }

    /// Whether another node may append between a batch's check and its append.
    pub(crate) fn has_races(&self) -> bool {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => false,
            #[cfg(feature = "eventstore")]
            Backend::EventStore(_) => true,
        }
    }

    /// Bytes that an event takes on its way to the log besides its payload and metadata.
    pub(crate) fn envelope_bytes(&self, stream: &StreamId, metadata: &str) -> usize {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => {
                let _ = (stream, metadata);
                0
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => 0,
            // A server takes appends up to a limit.
            #[cfg(feature = "eventstore")]
            Backend::EventStore(_) => eventstore::envelope_bytes(stream, metadata),
        }
    }

    /// Appends all rows or none, durably. `more`: the same node has others to append next, so that its turn may
    /// be worth keeping. Only the writer thread calls it.
    pub(crate) fn append(&self, rows: &[Row], more: bool) -> Result<(), AppendFault> {
        match self {
            Backend::Memory(log) => {
                let _ = more;
                log.append(rows);
                Ok(())
            }
            Backend::Sqlite(log) => log.append(rows).map_err(AppendFault::of),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.append(rows, more),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.append(rows),
        }
    }

    /// Ascending, from the one after `after`.
    pub(crate) fn after(&self, after: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        match self {
            Backend::Memory(log) => Ok(log.after(after, limit)),
            Backend::Sqlite(log) => log.after(after, limit),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.after(after, limit),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.after(after, limit),
        }
    }

    /// Descending, from the one before `before`.
    pub(crate) fn before(&self, before: Position, limit: usize) -> Result<Vec<Row>, ReadError> {
        match self {
            Backend::Memory(log) => Ok(log.before(before, limit)),
            Backend::Sqlite(log) => log.before(before, limit),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.before(before, limit),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.before(before, limit),
        }
    }

    /// Those at the given positions, in that order; what is not there is left out.
    pub(crate) fn at(&self, positions: &[Position]) -> Result<Vec<Row>, ReadError> {
        match self {
            Backend::Memory(log) => Ok(log.at(positions)),
            Backend::Sqlite(log) => log.at(positions),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.at(positions),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.at(positions),
        }
    }

    /// Moves what was written ahead into its place, beside the writer. Tells how much there was, in frames.
    pub(crate) fn checkpoint_beside(&self) -> Result<u64, rusqlite::Error> {
        match self {
            Backend::Memory(_) => Ok(0),
            Backend::Sqlite(log) => log.checkpoint_beside(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => Ok(0),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(_) => Ok(0),
        }
    }

    /// The same on the writer's thread, between two batches.
    pub(crate) fn checkpoint_between(&self) -> Result<u64, rusqlite::Error> {
        match self {
            Backend::Memory(_) => Ok(0),
            Backend::Sqlite(log) => log.checkpoint_between(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => Ok(0),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(_) => Ok(0),
        }
    }

    /// The same at the end, leaving nothing written ahead.
    pub(crate) fn checkpoint_last(&self) -> Result<(), rusqlite::Error> {
        match self {
            Backend::Memory(_) => Ok(()),
            Backend::Sqlite(log) => log.checkpoint_last(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => Ok(()),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(_) => Ok(()),
        }
    }
}

/// The folder that the index lies in, and whose free space bounds what is accepted.
pub(crate) fn folder_of(options: &BackendOptions) -> Option<&Path> {
    match options {
        BackendOptions::Memory => None,
        BackendOptions::Sqlite { folder } => Some(folder),
        #[cfg(feature = "postgres")]
        BackendOptions::Postgres { folder, .. } => Some(folder),
        #[cfg(feature = "eventstore")]
        BackendOptions::EventStore { folder, .. } => Some(folder),
    }
}
