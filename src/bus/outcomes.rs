//! Answers under an `Idempotency-Key` that wrote nothing to the log.
//!
//! They stand in the kept state for as long as a key counts: definite refusals
//! word for word, and of a success without events what it had read.

use super::expiry::Expiry;
use domain::{Context, Failure, Refusal, Timestamp, Unavailable};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::time::Duration;
use store::{Batch, CommandId, State, StateError, StreamId};

/// How long an `Idempotency-Key` counts.
pub const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Where they stand in the kept state.
pub(super) const SPACE: &str = "outcome";

/// What is kept of an answer.
pub(super) enum Kept {
    Refused(Refusal),
    /// A success without events: what it read, at which versions.
    Read(Vec<(StreamId, u64)>),
}

#[derive(Serialize, Deserialize)]
struct Row {
    until: Timestamp,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    read: Vec<(String, u64)>,
}

pub(super) struct Outcomes {
    state: State,
    expiry: Expiry,
}

impl Outcomes {
    pub fn new(state: State, expiry: Expiry) -> Self {
        Self { state, expiry }
    }

    /// # Errors
    /// `KeyReused` when the key came with another body before.
    pub fn find(
        &self,
        command: &CommandId,
        fingerprint: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<Option<Kept>, Failure> {
        let Some(bytes) = self.state.get(SPACE, &hex(&command.0)).map_err(unkept)? else { return Ok(None) };
        let row: Row = serde_json::from_slice(&bytes).map_err(Failure::internal)?;
        if now >= row.until {
            return Ok(None);
        }
        if fingerprint.is_some_and(|f| hex(&f) != row.fingerprint) {
            return Err(Failure::KeyReused);
        }
        Ok(Some(match row.refusal {
            Some(refusal) => Kept::Refused(refusal),
            None => {
                Kept::Read(row.read.into_iter().map(|(stream, version)| (StreamId::new(&stream), version)).collect())
            }
        }))
    }

    /// Keeps the answer of a keyed command that wrote nothing, durably, before it is given.
    pub async fn keep(
        &self,
        context: &Context,
        command: Option<CommandId>,
        refusal: Option<&Refusal>,
        (wrote, read): (bool, &[(StreamId, u64)]),
        now: Timestamp,
    ) -> Result<(), Failure> {
        let (Some(command), Some(key)) = (command, &context.idempotency) else { return Ok(()) };
        if wrote || refusal.is_some_and(|r| !r.is_definite()) {
            return Ok(());
        }
        let row = Row {
            until: now.plus(KEY_LIFETIME),
            fingerprint: hex(&key.fingerprint),
            refusal: refusal.cloned(),
            read: read.iter().map(|(stream, version)| (stream.as_str().to_owned(), *version)).collect(),
        };
        let bytes = serde_json::to_vec(&row).map_err(Failure::internal)?;
        self.state.commit(Batch::default().put(SPACE, &hex(&command.0), bytes)).await.map_err(unkept)?;
        self.expiry.count(now);
        Ok(())
    }
}

/// A database that does not answer now may do so soon; whatever else fails is a fault.
pub(super) fn unkept(fault: StateError) -> Failure {
    match fault {
        StateError::Busy | StateError::Server(_) => Unavailable::Busy { retry_after_s: super::RETRY_AFTER_S }.into(),
        StateError::DiskFull => Unavailable::DiskFull.into(),
        StateError::Unknown => Unavailable::OutcomeUnknown.into(),
        StateError::Stopped => Unavailable::Stopping.into(),
        fault @ (StateError::Sqlite(_) | StateError::Open(_) | StateError::Changed { .. }) => Failure::internal(fault),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
