//! The queue before the writer: two lanes, bounded in units and bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::prepare::Prepared;
use crate::{Lane, Receipt, SubmitError, locks::lock};

/// Units of callers that may wait.
const CALLERS: usize = 4_096;
/// Units of sweeper and courier that may wait.
const BACKGROUND: usize = 256;
/// Bytes of all waiting units together.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Units of one commit.
pub(super) const BATCH_UNITS: usize = 256;
/// Of them, from the background lane, so that it neither starves nor crowds out callers.
const BATCH_BACKGROUND: usize = 32;
/// Bytes of one commit, unless its first unit alone is larger.
const BATCH_BYTES: usize = 512 * 1024;
/// What a caller turned away is told to wait.
const RETRY_AFTER_S: u64 = 1;

pub(super) type Answer = oneshot::Sender<Result<Receipt, SubmitError>>;

/// A unit and who waits for it.
pub(super) struct Queued {
    pub unit: Prepared,
    pub answer: Answer,
}

#[derive(Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
}

#[derive(Default)]
struct Lanes {
    callers: VecDeque<Queued>,
    background: VecDeque<Queued>,
    bytes: usize,
    closed: bool,
}

/// What the writer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// At least one unit.
    Units,
    /// None within the wait.
    Nothing,
    /// None, and none will come.
    Closed,
}

/// A full queue.
pub(super) const BUSY: SubmitError = SubmitError::Busy { retry_after_s: RETRY_AFTER_S };

impl Queue {
    pub(super) fn push(&self, queued: Queued) -> Result<(), SubmitError> {
        let mut lanes = lock(&self.lanes);
        if lanes.closed {
            return Err(SubmitError::Stopped);
        }
        let bytes = lanes.bytes + queued.unit.bytes;
        let (lane, most) = match queued.unit.lane {
            Lane::Caller => (&mut lanes.callers, CALLERS),
            Lane::Background => (&mut lanes.background, BACKGROUND),
        };
        if lane.len() >= most || bytes > MOST_BYTES {
            return Err(BUSY);
        }
        lane.push_back(queued);
        lanes.bytes = bytes;
        drop(lanes);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes one unit, waiting at most so long for it, and then all that wait already.
    pub(super) fn take(&self, wait: Option<Duration>, batch: &mut Vec<Queued>) -> Taken {
        let mut lanes = lock(&self.lanes);
        while lanes.callers.is_empty() && lanes.background.is_empty() {
            if lanes.closed {
                return Taken::Closed;
            }
            match wait {
                None => lanes = self.arrived.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let (woken, timeout) =
                        self.arrived.wait_timeout(lanes, wait).unwrap_or_else(PoisonError::into_inner);
                    lanes = woken;
                    if timeout.timed_out() && lanes.callers.is_empty() && lanes.background.is_empty() {
                        return if lanes.closed { Taken::Closed } else { Taken::Nothing };
                    }
                }
            }
        }
        let mut bytes = 0;
        lanes.fill(Lane::Background, BATCH_BACKGROUND, &mut bytes, batch);
        lanes.fill(Lane::Caller, BATCH_UNITS, &mut bytes, batch);
        Taken::Units
    }

    /// Accepts nothing more; what waits is still taken.
    pub(super) fn close(&self) {
        lock(&self.lanes).closed = true;
        self.arrived.notify_all();
    }

    /// Accepts nothing more, and hands back what waits.
    pub(super) fn abandon(&self) -> Vec<Queued> {
        let mut lanes = lock(&self.lanes);
        lanes.closed = true;
        lanes.bytes = 0;
        let mut left: Vec<Queued> = lanes.callers.drain(..).collect();
        left.extend(lanes.background.drain(..));
        left
    }

    pub(super) fn len(&self) -> u64 {
        let lanes = lock(&self.lanes);
        (lanes.callers.len() + lanes.background.len()) as u64
    }
}

impl Lanes {
    fn fill(&mut self, lane: Lane, up_to: usize, bytes: &mut usize, batch: &mut Vec<Queued>) {
        while batch.len() < up_to {
            let waiting = match lane {
                Lane::Caller => &mut self.callers,
                Lane::Background => &mut self.background,
            };
            let Some(next) = waiting.front().map(|queued| queued.unit.bytes) else { return };
            if !batch.is_empty() && *bytes + next > BATCH_BYTES {
                return;
            }
            let Some(queued) = waiting.pop_front() else { return };
            *bytes += next;
            self.bytes -= next;
            batch.push(queued);
        }
    }
}
