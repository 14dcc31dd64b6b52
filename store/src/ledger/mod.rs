//! The ledger: the log, its index and its one writer.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Claim, ClaimsOf, CommandId, Entry, Mark, OpenError, Position, ReadError, Receipt, Recorded, StreamId, SubmitError,
    Unit, Vault, Version,
};

/// The clock: microseconds since the epoch, UTC.
pub type NowFn = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Where the log lies.
#[derive(Clone, Debug)]
pub enum BackendOptions {
    Memory,
    /// `ledger.db` and `index.db` in this folder.
    Sqlite {
        folder: PathBuf,
    },
}

/// What a ledger needs to open.
pub struct LedgerOptions {
    pub backend: BackendOptions,
    pub claims: ClaimsOf,
    pub vault: Vault,
    pub now: NowFn,
    /// Below this many free bytes callers' units are refused, so that followers can still flush.
    pub min_free_bytes: u64,
}

/// Counts for the metrics page.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub head: Position,
    pub commits: u64,
    pub units: u64,
    pub events: u64,
    pub refused: u64,
    /// Commits by number of units: upper bound and count.
    pub batches: Vec<(u64, u64)>,
    pub queued: u64,
    pub index_lag: u64,
    pub wal_bytes: u64,
}

/// The log with its index and writer. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {}

impl Ledger {
    pub fn open(_options: LedgerOptions) -> Result<Ledger, OpenError> {
        Err(OpenError::OldSqlite { found: "" })
    }
    pub fn ledger_id(&self) -> Uuid {
        Uuid::nil()
    }
    pub async fn submit(&self, _unit: Unit) -> Result<Receipt, SubmitError> {
        Err(SubmitError::Stopped)
    }
    #[allow(clippy::type_complexity)]
    pub fn receipt(&self, _id: &CommandId) -> Result<Option<(Receipt, Option<[u8; 32]>)>, ReadError> {
        Ok(None)
    }
    pub fn claim_holder(&self, _claim: &Claim) -> Result<Option<StreamId>, ReadError> {
        Ok(None)
    }
    pub fn read_stream(
        &self,
        _stream: &StreamId,
        _after: Version,
        _to: Option<Version>,
    ) -> Result<Vec<Recorded>, ReadError> {
        Ok(vec![])
    }
    pub fn read_log(&self, _after: Position, _limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        Ok(vec![])
    }
    pub fn read_log_back(&self, _before: Position, _limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        Ok(vec![])
    }
    pub fn read_entries(&self, _after: Position, _limit: usize) -> Result<Vec<Entry>, ReadError> {
        Ok(vec![])
    }
    pub fn find_tseq(&self, _tenant: &str, _tseq: u64) -> Result<Option<StreamId>, ReadError> {
        Ok(None)
    }
    pub fn position_at(&self, _at: i64) -> Result<Position, ReadError> {
        Ok(0)
    }
    pub fn head(&self) -> Position {
        0
    }
    pub fn head_mark(&self) -> Mark {
        Mark { ledger_id: Uuid::nil(), position: 0, leaf: [0; 32] }
    }
    pub fn watch_head(&self) -> watch::Receiver<Position> {
        watch::channel(0).1
    }
    pub fn mark_at(&self, _position: Position) -> Result<Option<Mark>, ReadError> {
        Ok(None)
    }
    pub fn failed(&self) -> bool {
        false
    }
    pub fn figures(&self) -> Figures {
        Figures::default()
    }
    pub async fn close(&self) {}
}
