//! Refusals and faults of the ledger, one closed enum per way of meeting it.

use std::path::PathBuf;

use thiserror::Error;
use uuid::Uuid;

use crate::{Claim, Position, StreamId, VaultError, Version};

/// Why a unit was not acknowledged. Everything but `Unknown` means that nothing of it is in the log.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// A guard or an expected version no longer holds: decide again.
    #[error("{stream} is at version {actual}, not {expected}")]
    Conflict { stream: StreamId, expected: Version, actual: Version },
    /// A claim guard no longer holds: decide again.
    #[error("{claim} changed hands")]
    ClaimChanged { claim: Claim, holder: Option<StreamId> },
    /// Another stream holds a claim the unit takes.
    #[error("{claim} is held by {holder}")]
    Claimed { claim: Claim, holder: StreamId },
    /// The command id is known, with another body.
    #[error("the command was given before with another body")]
    OtherBody,
    /// The unit or one of its events exceeds its limit.
    #[error("the unit is too large")]
    TooLarge,
    /// The unit breaks a rule of the log's form; a fault of the program.
    #[error("malformed unit: {0}")]
    Malformed(&'static str),
    /// The queue is full.
    #[error("the write queue is full")]
    Busy { retry_after_s: u64 },
    /// No space; the log is as it was.
    #[error("no space left for the log")]
    DiskFull,
    /// The log's last time is too far ahead of the clock.
    #[error("the clock is behind the log's last time")]
    ClockBehind,
    /// The unit may or may not have landed; its command id settles it after a restart.
    #[error("it is unknown whether the unit landed")]
    Unknown,
    /// The ledger is closed or has failed.
    #[error("the ledger does not accept units any more")]
    Stopped,
    /// The keys of the people named could not be used.
    #[error("sealing failed")]
    Vault(#[from] VaultError),
    /// The unit could not be checked.
    #[error("checking the unit failed")]
    Read(#[from] ReadError),
}

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The database server could not be asked, or did not answer.
    #[error("the database server failed")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored event does not read back as what was written.
    #[error("the event at position {position} is damaged: {what}")]
    Damaged { position: Position, what: &'static str },
    /// The key was never here or is lost: not the same as destroyed.
    #[error("the key of subject {subject} is missing")]
    KeyMissing { subject: Uuid },
    #[error("the keys could not be read")]
    Vault(#[from] VaultError),
}

/// Why a ledger, a vault or a state does not open.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("{} cannot be used", file.display())]
    Io {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} cannot be opened", file.display())]
    Sqlite {
        file: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// Not a file of this program: left untouched.
    #[error("{} is not a file of this program", file.display())]
    Foreign { file: PathBuf },
    /// Damaged: left untouched.
    #[error("{} is damaged", file.display())]
    Corrupt { file: PathBuf },
    /// Written by a newer version: left untouched.
    #[error("{} has format {found}, this program reads up to {known}", file.display())]
    Newer { file: PathBuf, found: i64, known: i64 },
    /// A setting of the database did not take.
    #[error("{} refuses the setting {pragma}: it is {found}", file.display())]
    Pragma { file: PathBuf, pragma: &'static str, found: String },
    /// The database server could not be asked.
    #[error("the database server cannot be used")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database is none that a ledger can rest on: what is wrong, and what mends it.
    #[error("{reason}: {fix}")]
    Unfit { reason: String, fix: String },
    /// Nobody may serve this log: it was moved elsewhere, or it is not whole yet.
    #[error("{reason}: {fix}")]
    Closed { reason: String, fix: &'static str },
    #[error("sqlite {found} is older than 3.51.3, which is needed")]
    OldSqlite { found: &'static str },
    #[error("{missing} subjects named in the log have no key: restore keys.db")]
    MissingKeys { missing: u64 },
    #[error("the index could not be brought up to date")]
    Index(#[from] ReadError),
    #[error("the keys could not be used")]
    Vault(#[from] VaultError),
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
}
