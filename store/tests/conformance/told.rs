//! What writers were told while a server came and went, compared with the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::json;
use store::{Ledger, Receipt, StreamId, SubmitError};

use crate::bench::{stream, unit};

/// What a writer that was turned away waits.
pub const RETRY_AFTER: Duration = Duration::from_millis(20);

/// What became of units, by stream: acknowledged, refused, or nobody knows.
#[derive(Default)]
pub struct Told {
    pub landed: BTreeMap<StreamId, Receipt>,
    pub refused: BTreeSet<StreamId>,
    pub unknown: BTreeSet<StreamId>,
}

impl Told {
    pub fn note(&mut self, stream: StreamId, answer: Result<Receipt, SubmitError>) {
        match answer {
            Ok(receipt) => assert!(self.landed.insert(stream, receipt).is_none()),
            Err(SubmitError::Busy { .. }) => assert!(self.refused.insert(stream)),
            Err(SubmitError::Unknown) => assert!(self.unknown.insert(stream)),
            Err(other) => panic!("{stream}: {other:?}"),
        }
    }

    pub fn merge(&mut self, other: Told) {
        self.landed.extend(other.landed);
        self.refused.extend(other.refused);
        self.unknown.extend(other.unknown);
    }

    /// Compares with the log itself.
    pub fn check(&self, ledger: &Ledger) {
        let log = ledger.read_log(0, usize::MAX).unwrap();
        let mut found: BTreeMap<StreamId, u64> = BTreeMap::new();
        for event in &log {
            assert!(found.insert(event.stream.clone(), event.position).is_none(), "{} is there twice", event.stream);
        }
        for (stream, receipt) in &self.landed {
            assert_eq!(found.remove(stream), Some(receipt.last), "{stream} was acknowledged");
        }
        for stream in &self.refused {
            assert!(!found.contains_key(stream), "{stream} was refused");
        }
        found.retain(|stream, _| !self.unknown.contains(stream));
        assert_eq!(found, BTreeMap::new(), "nobody was told of these");
        ledger.examine(&mut |_| {}).unwrap();
    }
}

/// Writes one unit after the other until it is told to stop.
pub async fn write(ledger: Ledger, writer: u128, stop: Arc<AtomicBool>, landed: Arc<AtomicU64>) -> Told {
    let mut told = Told::default();
    for round in 0.. {
        if stop.load(Relaxed) {
            break;
        }
        let stream = stream(writer * 1_000_000 + round);
        let answer = ledger.submit(unit([(stream.clone(), 0, json!({}))])).await;
        landed.fetch_add(u64::from(answer.is_ok()), Relaxed);
        if answer.is_err() {
            // As a client does that was asked to come back later, only sooner.
            tokio::time::sleep(RETRY_AFTER).await;
        }
        told.note(stream, answer);
    }
    told
}
