//! Kept state: a small ordered key-value store.

use std::path::PathBuf;

use thiserror::Error;

use crate::OpenError;

/// Where the state lies.
#[derive(Clone, Debug)]
pub enum StateOptions {
    Memory,
    /// The file `state.db`.
    Sqlite {
        path: PathBuf,
    },
}

/// Why state could not be read or changed.
#[derive(Debug, Error)]
pub enum StateError {
    #[error("the state database failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the state does not open")]
    Open(#[source] Box<OpenError>),
    #[error("{space}/{key} is not what was expected")]
    Changed { space: String, key: String },
    #[error("the queue of changes is full")]
    Busy,
    #[error("no space left for the state")]
    DiskFull,
    #[error("the change may or may not have landed")]
    Unknown,
    #[error("the state is closed or has failed")]
    Stopped,
}

/// Changes that land together.
#[derive(Clone, Debug, Default)]
pub struct Batch {}

impl Batch {
    pub fn new() -> Batch {
        Batch::default()
    }
    pub fn put(self, _space: &str, _key: &str, _value: Vec<u8>) -> Batch {
        self
    }
    pub fn delete(self, _space: &str, _key: &str) -> Batch {
        self
    }
    pub fn expect(self, _space: &str, _key: &str, _value: Option<Vec<u8>>) -> Batch {
        self
    }
}

/// The state. Cheap to clone.
#[derive(Clone)]
pub struct State {}

impl State {
    pub fn open(_options: StateOptions) -> Result<State, StateError> {
        Ok(State {})
    }
    pub fn get(&self, _space: &str, _key: &str) -> Result<Option<Vec<u8>>, StateError> {
        Ok(None)
    }
    pub fn scan(
        &self,
        _space: &str,
        _prefix: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Ok(vec![])
    }
    pub fn count(&self, _space: &str) -> Result<u64, StateError> {
        Ok(0)
    }
    pub async fn commit(&self, _batch: Batch) -> Result<(), StateError> {
        Ok(())
    }
    pub fn commit_later(&self, _batch: Batch) {}
    pub async fn close(&self) {}
}
