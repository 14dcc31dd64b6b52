//! Kept state: a small ordered key-value store for what is neither event nor
//! view: digests, sessions, limit windows, outbox rows.
//!
//! Promise: `commit` returns after its changes are on disk, all or none;
//! `commit_later` is seen by reads at once and on disk within a second, or with
//! the next commit. Keys are ordered by their bytes.
//!
//! In PostgreSQL it is that of all nodes: a commit is seen by all of them at once,
//! a change for later by its own node alone until it is written.

mod grouped;
mod lease;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use thiserror::Error;

use crate::OpenError;
use grouped::{Grouped, Table as _};
pub use lease::{Lease, Tenure};
use memory::MemoryState;
#[cfg(feature = "postgres")]
use postgres::PostgresTable;
use sqlite::SqliteTable;
pub(crate) use sqlite::forget;

/// Where the state lies.
#[derive(Clone, Debug)]
pub enum StateOptions {
    Memory,
    /// The file `state.db`.
    Sqlite {
        path: PathBuf,
    },
    /// The schema `state` of a database that several nodes may share.
    #[cfg(feature = "postgres")]
    Postgres {
        url: crate::DatabaseUrl,
    },
}

/// Why state could not be read or changed. After everything but `Unknown` nothing of the batch is there.
#[derive(Debug, Error)]
pub enum StateError {
    #[error("the state database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The database server could not be asked, or did not answer.
    #[error("the database server that has the state failed")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the state does not open")]
    Open(#[source] Box<OpenError>),
    /// A check of the batch failed.
    #[error("an entry of {space} is not what was expected")]
    Changed { space: String, key: String },
    #[error("the queue of changes is full")]
    Busy,
    #[error("no space left for the state")]
    DiskFull,
    #[error("it is unknown whether the change landed")]
    Unknown,
    #[error("the state does not accept changes any more")]
    Stopped,
}

impl From<OpenError> for StateError {
    fn from(fault: OpenError) -> Self {
        StateError::Open(Box::new(fault))
    }
}

/// Where the state says that it is being moved, or was left by a move, and of which ledger it is: a move of that
/// ledger may write it over, and nobody has a lease there.
pub(crate) const MOVING: (&str, &str) = ("move", "ledger");

/// A place in the state.
pub(crate) type Place = (String, String);

/// Changes that land together, if every check holds.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    checks: Vec<(Place, Option<Vec<u8>>)>,
    /// In the order given; a later one wins.
    changes: Vec<(Place, Option<Vec<u8>>)>,
}

impl Batch {
    pub fn new() -> Batch {
        Batch::default()
    }

    pub fn put(mut self, space: &str, key: &str, value: Vec<u8>) -> Batch {
        self.changes.push(((space.to_owned(), key.to_owned()), Some(value)));
        self
    }

    pub fn delete(mut self, space: &str, key: &str) -> Batch {
        self.changes.push(((space.to_owned(), key.to_owned()), None));
        self
    }

    /// The batch lands only if this is there before it; none: only if nothing is.
    pub fn expect(mut self, space: &str, key: &str, value: Option<Vec<u8>>) -> Batch {
        self.checks.push(((space.to_owned(), key.to_owned()), value));
        self
    }

    /// Whether it neither checks nor changes anything.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.changes.is_empty()
    }
}

/// The state. Cheap to clone.
#[derive(Clone)]
pub struct State {
    backend: Arc<Backend>,
}

enum Backend {
    Memory(MemoryState),
    Sqlite(Grouped<SqliteTable>),
    #[cfg(feature = "postgres")]
    Postgres(Grouped<PostgresTable>),
}

impl State {
    /// Opens the state, making the file or the schema if there is none.
    pub fn open(options: StateOptions) -> Result<State, StateError> {
        State::open_as(options, false)
    }

    /// Opens it for who has to be the only one: as long as this is open, nobody else changes
    /// anything. Whoever shares the state has to end before, and is told so afterwards.
    /// A file is its folder's: the folder's lock says who has it.
    pub(crate) fn open_alone(options: StateOptions) -> Result<State, StateError> {
        State::open_as(options, true)
    }

    /// Who would be in the way of having it alone.
    pub(crate) fn holders(options: &StateOptions) -> Result<Vec<String>, StateError> {
        match options {
            StateOptions::Memory | StateOptions::Sqlite { .. } => Ok(Vec::new()),
            #[cfg(feature = "postgres")]
            StateOptions::Postgres { url } => Ok(PostgresTable::holders(url)?),
        }
    }

    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only a server's state is shared"))]
    fn open_as(options: StateOptions, alone: bool) -> Result<State, StateError> {
        let backend = match options {
            StateOptions::Memory => Backend::Memory(MemoryState::default()),
            StateOptions::Sqlite { path } => Backend::Sqlite(Grouped::start(SqliteTable::open(&path)?)?),
            #[cfg(feature = "postgres")]
            StateOptions::Postgres { url } => Backend::Postgres(Grouped::start(PostgresTable::open(&url, alone)?)?),
        };
        Ok(State { backend: Arc::new(backend) })
    }

    /// The database server it lies in, and its version: other nodes may have it too.
    /// None if it is this process's own.
    pub fn server(&self) -> Option<&str> {
        match &*self.backend {
            Backend::Memory(_) | Backend::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => Some(state.table().server()),
        }
    }

    /// Whether that server answered when it was asked last. Leases ask all the time.
    pub fn reachable(&self) -> bool {
        match &*self.backend {
            Backend::Memory(_) | Backend::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.table().reachable(),
        }
    }

    pub fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        match &*self.backend {
            Backend::Memory(state) => Ok(state.get(space, key)),
            Backend::Sqlite(state) => state.get(space, key),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.get(space, key),
        }
    }

    /// Those of these entries that are there, by key: one question, however many they are.
    pub fn get_each(&self, space: &str, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, StateError> {
        match &*self.backend {
            Backend::Memory(state) => {
                Ok(keys.iter().filter_map(|key| Some((key.clone(), state.get(space, key)?))).collect())
            }
            Backend::Sqlite(state) => state.get_each(space, keys),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.get_each(space, keys),
        }
    }

    /// Entries of a space whose key begins with `prefix` and is greater than `after`,
    /// ascending by key, at most `limit`.
    pub fn scan(
        &self,
        space: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        match &*self.backend {
            Backend::Memory(state) => Ok(state.scan(space, prefix, after, limit)),
            Backend::Sqlite(state) => state.scan(space, prefix, after, limit),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.scan(space, prefix, after, limit),
        }
    }

    /// Entries of a space. Takes time with their number.
    pub fn count(&self, space: &str) -> Result<u64, StateError> {
        match &*self.backend {
            Backend::Memory(state) => Ok(state.count(space)),
            Backend::Sqlite(state) => state.count(space),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.count(space),
        }
    }

    /// Whatever there is on disk, in order, after a place: for who carries all of it elsewhere.
    pub(crate) fn page(&self, after: Option<&Place>, limit: usize) -> Result<Vec<(Place, Vec<u8>)>, StateError> {
        match &*self.backend {
            // It ends with its process, and nothing is carried there or away.
            Backend::Memory(_) => Ok(Vec::new()),
            Backend::Sqlite(state) => state.table().page(after, limit),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.table().page(after, limit),
        }
    }

    /// Changes everything in the batch durably, or nothing.
    pub async fn commit(&self, batch: Batch) -> Result<(), StateError> {
        match &*self.backend {
            Backend::Memory(state) => state.commit(batch),
            Backend::Sqlite(state) => state.commit(batch).await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.commit(batch).await,
        }
    }

    /// Changes what the batch says, seen at once, on disk a little later: for what may be
    /// lost in a crash. Checks have no place in it: a batch with any is dropped and logged.
    pub fn commit_later(&self, batch: Batch) {
        if !batch.checks.is_empty() {
            tracing::error!("a batch with checks was given to commit_later and dropped");
            return;
        }
        match &*self.backend {
            Backend::Memory(state) => state.apply(batch.changes),
            Backend::Sqlite(state) => state.commit_later(batch.changes),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.commit_later(batch.changes),
        }
    }

    /// Writes what waits and tidies the file; nothing is accepted afterwards.
    pub async fn close(&self) {
        let backend = self.backend.clone();
        let end = move || match &*backend {
            Backend::Memory(_) => {}
            Backend::Sqlite(state) => state.end(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(state) => state.end(),
        };
        // A panic in there has been printed, and there is nobody left to tell.
        let _ = tokio::task::spawn_blocking(end).await;
    }
}
