//! Counts for the metrics page: cheap to keep, cheap to read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Position;

/// Upper bounds of the classes of batch sizes, in units.
const BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Counts since the start, and a few present values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Position of the last event.
    pub head: Position,
    /// Batches written.
    pub commits: u64,
    /// Units that landed.
    pub units: u64,
    /// Events that landed.
    pub events: u64,
    /// Events that other nodes appended, and this one followed.
    pub followed: u64,
    /// Batches for which another node was quicker; each was checked again.
    pub overtaken: u64,
    /// Units refused, for whatever reason.
    pub refused: u64,
    /// Units turned away because the queue was full.
    pub busy: u64,
    /// Batches written by number of units: upper bound, and count within that class.
    pub batches: Vec<(u64, u64)>,
    /// Time spent writing batches, µs.
    pub commit_us: u64,
    /// Units that wait.
    pub queued: u64,
    /// Events that are in the log and in the index's memory, but not in its file.
    pub index_lag: u64,
    /// Size of the log's write-ahead log as last seen, bytes.
    pub wal_bytes: u64,
    /// Space left as last seen, bytes; 0 in memory.
    pub free_bytes: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    pub commits: AtomicU64,
    pub units: AtomicU64,
    pub events: AtomicU64,
    pub followed: AtomicU64,
    pub overtaken: AtomicU64,
    pub refused: AtomicU64,
    pub busy: AtomicU64,
    pub commit_us: AtomicU64,
    pub wal_bytes: AtomicU64,
    pub free_bytes: AtomicU64,
    batches: [AtomicU64; BOUNDS.len()],
}

impl Counts {
    pub(super) fn batch(&self, units: u64, events: u64, us: u64) {
        self.commits.fetch_add(1, Relaxed);
        self.units.fetch_add(units, Relaxed);
        self.events.fetch_add(events, Relaxed);
        self.commit_us.fetch_add(us, Relaxed);
        let class = BOUNDS.iter().position(|bound| units <= *bound).unwrap_or(BOUNDS.len() - 1);
        self.batches[class].fetch_add(1, Relaxed);
    }

    pub(super) fn figures(&self, head: Position, queued: u64, index_lag: u64) -> Figures {
        Figures {
            head,
            commits: self.commits.load(Relaxed),
            units: self.units.load(Relaxed),
            events: self.events.load(Relaxed),
            followed: self.followed.load(Relaxed),
            overtaken: self.overtaken.load(Relaxed),
            refused: self.refused.load(Relaxed),
            busy: self.busy.load(Relaxed),
            batches: BOUNDS.iter().copied().zip(self.batches.iter().map(|count| count.load(Relaxed))).collect(),
            commit_us: self.commit_us.load(Relaxed),
            queued,
            index_lag,
            wal_bytes: self.wal_bytes.load(Relaxed),
            free_bytes: self.free_bytes.load(Relaxed),
        }
    }
}
