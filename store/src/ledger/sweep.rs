//! Checkpoints and a look at the free space, off the answering path.

use std::{
    path::Path,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Relaxed, Release},
        },
    },
    time::Duration,
};

use super::Inner;
use crate::locks::lock;

/// Bytes of events after which a checkpoint is worth its while; small, so that none is long.
const STEP_BYTES: u64 = 4 * 1024 * 1024;
/// Frames from which the write-ahead log is to be started over: 16 MiB.
const REWIND_FRAMES: u64 = 4_096;
const PAGE_BYTES: u64 = 4_096;
/// Between looks at the free space.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Sweep {
    gate: Mutex<Gate>,
    turn: Condvar,
    rewind: AtomicBool,
}

#[derive(Default)]
struct Gate {
    bytes: u64,
    closed: bool,
}

impl Sweep {
    /// Counts what was written.
    pub(super) fn written(&self, bytes: u64) {
        let mut gate = lock(&self.gate);
        gate.bytes += bytes;
        if gate.bytes >= STEP_BYTES {
            drop(gate);
            self.turn.notify_one();
        }
    }

    /// Whether the writer should finish the checkpoint; told once.
    pub(super) fn rewind_wanted(&self) -> bool {
        self.rewind.load(Relaxed) && self.rewind.swap(false, AcqRel)
    }

    pub(super) fn close(&self) {
        lock(&self.gate).closed = true;
        self.turn.notify_all();
    }

    /// The sweeping thread, until `close`.
    pub(super) fn run(&self, inner: &Inner) {
        loop {
            inner.look_at_space();
            if inner.index.is_damaged() {
                inner.fail();
            }
            let mut gate = lock(&self.gate);
            let mut bytes = 0;
            if !gate.closed && gate.bytes < STEP_BYTES {
                let (woken, timeout) = self.turn.wait_timeout(gate, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
                gate = woken;
                // Whatever little was written is swept when there is leisure.
                if gate.bytes >= STEP_BYTES || timeout.timed_out() {
                    bytes = std::mem::take(&mut gate.bytes);
                }
            } else if !gate.closed {
                bytes = std::mem::take(&mut gate.bytes);
            }
            if gate.closed {
                return;
            }
            drop(gate);
            if bytes > 0 {
                self.checkpoint(inner);
            }
        }
    }

    fn checkpoint(&self, inner: &Inner) {
        match inner.log.checkpoint_beside() {
            Ok(frames) => {
                inner.counts.wal_bytes.store(frames * PAGE_BYTES, Relaxed);
                if frames >= REWIND_FRAMES {
                    self.rewind.store(true, Release);
                }
            }
            Err(fault) => tracing::warn!(error = &fault as &dyn std::error::Error, "the log could not be checkpointed"),
        }
    }
}

/// Bytes free for us where the folder lies; none if it cannot be told.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|found| found.f_bavail.saturating_mul(found.f_frsize))
}
