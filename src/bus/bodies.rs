//! Which body an `Idempotency-Key` came with, for services that share their state.
//!
//! Promise: nothing is decided under a key before its body's fingerprint stands in the
//! shared state, so that another body is refused by whichever service it reaches. A crash
//! after that leaves a key that is used up for other bodies, and free for its own.
//!
//! A service that has its state to itself keeps fingerprints with the receipts, in its
//! index, and commits nothing for them.

use super::expiry::Expiry;
use super::outcomes::{hex, unkept};
use domain::{Failure, Timestamp, Unavailable};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{Batch, CommandId, State, StateError};

/// Where they stand in the kept state.
pub(super) const SPACE: &str = "body";
/// How long a body counts: as long as a receipt.
const LIFETIME: Duration = Duration::from_secs(48 * 60 * 60);

#[derive(Serialize, Deserialize)]
struct Row {
    until: Timestamp,
    fingerprint: String,
}

pub(super) struct Bodies {
    state: State,
    expiry: Expiry,
}

impl Bodies {
    pub fn new(state: State, expiry: Expiry) -> Self {
        Self { state, expiry }
    }

    /// Lets the command on if it has come with this body so far, or never yet. Durable when it returns.
    ///
    /// # Errors
    /// `KeyReused` when it came with another body before.
    pub async fn bind(&self, command: CommandId, fingerprint: [u8; 32], now: Timestamp) -> Result<(), Failure> {
        let (key, row) = (hex(&command.0), Row { until: now.plus(LIFETIME), fingerprint: hex(&fingerprint) });
        let value = serde_json::to_vec(&row).map_err(Failure::internal)?;
        let put = |over| Batch::new().expect(SPACE, &key, over).put(SPACE, &key, value.clone());
        let mut bound = self.state.commit(put(None)).await;
        if let Err(StateError::Changed { .. }) = bound {
            let stands = self.state.get(SPACE, &key).map_err(unkept)?;
            if let Some(known) = counted(stands.as_deref(), now)? {
                return if known == row.fingerprint { Ok(()) } else { Err(Failure::KeyReused) };
            }
            bound = self.state.commit(put(stands)).await;
        }
        match bound {
            Ok(()) => {
                self.expiry.count(now);
                Ok(())
            }
            // Somebody else was quicker, or nobody knows: nothing was decided yet, and it may be tried again.
            Err(StateError::Changed { .. } | StateError::Unknown) => {
                Err(Unavailable::Busy { retry_after_s: super::RETRY_AFTER_S }.into())
            }
            Err(fault) => Err(unkept(fault)),
        }
    }

    /// # Errors
    /// `KeyReused` when the command is known to have come with another body.
    pub fn check(&self, command: CommandId, fingerprint: [u8; 32], now: Timestamp) -> Result<(), Failure> {
        let stands = self.state.get(SPACE, &hex(&command.0)).map_err(unkept)?;
        match counted(stands.as_deref(), now)? {
            Some(known) if known != hex(&fingerprint) => Err(Failure::KeyReused),
            Some(_) | None => Ok(()),
        }
    }
}

/// The fingerprint that an entry holds, if it counts still.
fn counted(stands: Option<&[u8]>, now: Timestamp) -> Result<Option<String>, Failure> {
    let Some(bytes) = stands else { return Ok(None) };
    let row: Row = serde_json::from_slice(bytes).map_err(Failure::internal)?;
    Ok((now < row.until).then_some(row.fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::StateOptions;

    const COMMAND: CommandId = CommandId([1; 32]);

    #[tokio::test]
    async fn a_key_has_one_body_for_two_days_and_then_any_other() {
        let state = State::open(StateOptions::Memory).unwrap();
        let bodies = Bodies::new(state.clone(), Expiry::of(state.clone(), &[SPACE]));
        let (monday, later) = (Timestamp(0), |seconds| Timestamp(0).plus(Duration::from_secs(seconds)));
        assert!(bodies.check(COMMAND, [7; 32], monday).is_ok(), "nobody knows");
        bodies.bind(COMMAND, [7; 32], monday).await.unwrap();
        let end = 48 * 60 * 60;
        bodies.bind(COMMAND, [7; 32], later(end - 1)).await.unwrap();
        assert!(bodies.check(COMMAND, [7; 32], later(end - 1)).is_ok());
        assert!(matches!(bodies.check(COMMAND, [8; 32], later(end - 1)), Err(Failure::KeyReused)));
        assert!(matches!(bodies.bind(COMMAND, [8; 32], later(end - 1)).await, Err(Failure::KeyReused)));
        bodies.bind(CommandId([2; 32]), [8; 32], later(end - 1)).await.unwrap();
        bodies.bind(COMMAND, [8; 32], later(end)).await.unwrap();
        assert!(matches!(bodies.check(COMMAND, [7; 32], later(end)), Err(Failure::KeyReused)));
        assert_eq!(state.count(SPACE).unwrap(), 2);
    }
}
