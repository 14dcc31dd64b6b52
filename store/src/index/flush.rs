//! Flushing: layers go to disk on a thread of their own, in large batches.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::Index;
use crate::{
    Position,
    locks::{lock, read, write},
};

/// Events after which a layer is flushed.
const FLUSH_EVENTS: u64 = 8_192;
/// Age after which it is flushed however small.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
/// Events in memory beyond which the writer waits for the disk.
const MOST_EVENTS: u64 = 32_768;
/// How long it waits before it turns units away.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between attempts while the file cannot be written.
const RETRY: Duration = Duration::from_millis(500);
/// Attempts at the end; what is missing then is caught up at the next start.
const LAST_ATTEMPTS: u32 = 2;
/// Flushes between two looks for receipts too old to keep.
const PRUNE_EVERY: u64 = 8;

pub(crate) struct Flusher {
    gate: Mutex<Gate>,
    turn: Condvar,
    /// Position up to which the file follows.
    flushed: AtomicU64,
}

struct Gate {
    /// A sealed layer waits to be written.
    full: bool,
    closed: bool,
    /// When the active layer was empty last.
    since: Instant,
}

impl Flusher {
    pub(super) fn new(flushed: Position, since: Instant) -> Self {
        let gate = Gate { full: false, closed: false, since };
        Self { gate: Mutex::new(gate), turn: Condvar::new(), flushed: AtomicU64::new(flushed) }
    }
}

impl Index {
    /// Position up to which the file follows.
    pub(crate) fn flushed(&self) -> Position {
        self.flusher.flushed.load(Ordering::Relaxed)
    }

    /// Whether there is anything that a flush would write.
    pub(crate) fn is_dirty(&self) -> bool {
        self.disk.is_some() && read(&self.active).events > 0
    }

    /// Seals the active layer if it is due and the last one is written. Only the writer calls it.
    pub(crate) fn seal_if_due(&self) {
        if self.disk.is_none() {
            return;
        }
        let events = read(&self.active).events;
        let mut gate = lock(&self.flusher.gate);
        if events == 0 {
            gate.since = Instant::now();
        } else if !gate.full && (events >= FLUSH_EVENTS || gate.since.elapsed() >= FLUSH_WITHIN) {
            self.seal(&mut gate);
        }
    }

    fn seal(&self, gate: &mut Gate) {
        let mut sealed = write(&self.sealed);
        let active = std::mem::take(&mut *write(&self.active));
        *sealed = Some(Arc::new(active));
        gate.full = true;
        gate.since = Instant::now();
        self.flusher.turn.notify_all();
    }

    /// Waits, bounded, until memory has room for more events. False: turn units away.
    pub(crate) fn wait_for_room(&self) -> bool {
        if self.disk.is_none() || read(&self.active).events < MOST_EVENTS {
            return true;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut gate = lock(&self.flusher.gate);
        while gate.full {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (gate, _) = self.flusher.turn.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner);
        }
        self.seal(&mut gate);
        true
    }

    /// The flushing thread: until `close_flusher`, and then what is left. `oldest` tells the
    /// position before which receipts may be forgotten.
    pub(crate) fn run_flusher(&self, oldest: impl Fn() -> Option<Position>) {
        let mut flushes = 0_u64;
        loop {
            let mut gate = lock(&self.flusher.gate);
            while !gate.full && !gate.closed {
                gate = self.flusher.turn.wait(gate).unwrap_or_else(PoisonError::into_inner);
            }
            if !gate.full {
                return;
            }
            drop(gate);
            if !self.flush_sealed() {
                return;
            }
            flushes += 1;
            if flushes % PRUNE_EVERY == 1
                && let (Some(disk), Some(before)) = (&self.disk, oldest())
                && let Err(fault) = disk.prune_receipts(before)
            {
                tracing::warn!(error = &fault as &dyn std::error::Error, "old receipts could not be pruned");
            }
        }
    }

    /// Writes the sealed layer, again until it works. False: given up, at the end.
    fn flush_sealed(&self) -> bool {
        let Some(disk) = &self.disk else { return false };
        let Some(layer) = read(&self.sealed).clone() else { return true };
        let mut last_attempts = 0;
        while let Err(fault) = self.watched(disk.flush(&layer, self.ledger, &self.secret)) {
            if self.is_damaged() {
                return false;
            }
            tracing::error!(error = &fault as &dyn std::error::Error, "the index could not be flushed");
            let gate = lock(&self.flusher.gate);
            if gate.closed {
                last_attempts += 1;
                if last_attempts >= LAST_ATTEMPTS {
                    return false;
                }
            }
            drop(self.flusher.turn.wait_timeout(gate, RETRY));
        }
        *write(&self.sealed) = None;
        if let Some((last, _)) = layer.last {
            self.flusher.flushed.store(last, Ordering::Relaxed);
        }
        lock(&self.flusher.gate).full = false;
        self.flusher.turn.notify_all();
        true
    }

    /// Seals what is left and lets the flushing thread end after it. Only the writer calls it, last.
    pub(crate) fn close_flusher(&self) {
        let mut gate = lock(&self.flusher.gate);
        let deadline = Instant::now() + PATIENCE;
        while gate.full && Instant::now() < deadline {
            (gate, _) = self.flusher.turn.wait_timeout(gate, RETRY).unwrap_or_else(PoisonError::into_inner);
        }
        if !gate.full && self.is_dirty() {
            self.seal(&mut gate);
        }
        gate.closed = true;
        self.flusher.turn.notify_all();
    }

    /// Moves the file's write-ahead log into it; after the flushing thread has ended.
    pub(crate) fn tidy(&self) {
        if let Some(disk) = &self.disk
            && let Err(fault) = disk.checkpoint()
        {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the index could not be checkpointed");
        }
    }
}
