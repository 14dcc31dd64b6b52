//! What other nodes have done and this one has to know beyond what stands in the
//! log: results of mails that a request here waits for, and what was spent of limits.

use super::recent;
use crate::bus::Bus;
use identity::Identity;
use std::sync::Arc;
use store::{Ledger, Position, ReadError};
use tokio::sync::broadcast::error::RecvError;

/// Events read at a time.
const PAGE: usize = 1_000;

/// Hears of what others append for as long as the ledger is there.
pub(super) async fn run(ledger: Ledger, bus: Bus, identity: Identity) {
    let mut others = ledger.others();
    loop {
        match others.recv().await {
            Ok((first, last)) => {
                if let Err(error) = hear(&ledger, &bus, &identity, (first, last)) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, first, last, "limits do not know what other nodes have spent");
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "limits do not know some of what other nodes have spent");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn hear(ledger: &Ledger, bus: &Bus, identity: &Identity, (first, last): (Position, Position)) -> Result<(), ReadError> {
    let mut after = first.saturating_sub(1);
    while after < last {
        let page = ledger.read_log(after, PAGE)?;
        let Some(end) = page.last() else { return Ok(()) };
        after = end.position;
        let new = || page.iter().map(Arc::as_ref).filter(|event| event.position <= last);
        new().for_each(|event| bus.hear(event));
        recent::charge(ledger, identity, new())?;
    }
    Ok(())
}
