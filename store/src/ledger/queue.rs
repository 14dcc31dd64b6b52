//! The queue before the writer: two lanes, bounded in units and bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
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
/// How long a commit waits for company, and for how much at most.
const COMPANY_WAIT: Duration = Duration::from_micros(500);
const MOST_COMPANY: usize = 32;
/// What a caller turned away is told to wait.
const RETRY_AFTER_S: u64 = 1;

type Guard<'q> = MutexGuard<'q, Lanes>;
pub(super) type Answer = oneshot::Sender<Result<Receipt, SubmitError>>;

/// A unit and who waits for it.
pub(super) struct Queued {
    pub unit: Prepared,
    pub answer: Answer,
}

pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    company_wait: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { lanes: Mutex::default(), arrived: Condvar::new(), company_wait: COMPANY_WAIT }
    }
}

#[derive(Default)]
struct Lanes {
    callers: VecDeque<Queued>,
    background: VecDeque<Queued>,
    bytes: usize,
    closed: bool,
    /// The writer is to look at the log, units or not.
    woken: bool,
    /// Units at which the writer wants to be woken; none while it works.
    wake_at: Option<usize>,
    /// Units of the batch before.
    last_batch: usize,
}

/// What the writer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// At least one unit.
    Units,
    /// None within the wait.
    Nothing,
    /// None, but there is something else to be done.
    Woken,
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
        let wanted = lanes.wake_at.is_some_and(|units| lanes.units() >= units);
        drop(lanes);
        // A wake-up is a system call, and a writer at work looks here anyway.
        if wanted {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Ends the writer's wait for units: something else is to be done.
    pub(super) fn wake(&self) {
        lock(&self.lanes).woken = true;
        self.arrived.notify_one();
    }

    /// Takes one unit, waiting at most so long for it and for company, and then all that wait.
    ///
    /// When the commit before had company, this one waits a moment for half as
    /// much: callers that were answered together ask again together, and the
    /// first of them would be committed alone.
    pub(super) fn take(&self, wait: Option<Duration>, batch: &mut Vec<Queued>) -> Taken {
        let mut lanes = self.wait_for(1, wait, lock(&self.lanes));
        let woken = std::mem::take(&mut lanes.woken);
        if lanes.units() == 0 {
            return match (lanes.closed, woken) {
                (true, _) => Taken::Closed,
                (false, true) => Taken::Woken,
                (false, false) => Taken::Nothing,
            };
        }
        let company = (lanes.last_batch / 2).min(MOST_COMPANY);
        if lanes.units() < company {
            lanes =
                self.wait_for(company, Some(wait.map_or(self.company_wait, |wait| wait.min(self.company_wait))), lanes);
        }
        let mut bytes = 0;
        lanes.fill(Lane::Background, BATCH_BACKGROUND, &mut bytes, batch);
        lanes.fill(Lane::Caller, BATCH_UNITS, &mut bytes, batch);
        lanes.last_batch = batch.len();
        Taken::Units
    }

    /// Takes along what has come since, as far as it fits: while a writer waits for its turn
    /// among others, more company comes than it would ever wait for.
    pub(super) fn take_along(&self, batch: &mut Vec<Queued>) {
        let mut bytes = batch.iter().map(|queued| queued.unit.bytes).sum();
        let mut lanes = lock(&self.lanes);
        lanes.fill(Lane::Background, BATCH_BACKGROUND, &mut bytes, batch);
        lanes.fill(Lane::Caller, BATCH_UNITS, &mut bytes, batch);
        lanes.last_batch = batch.len();
    }

    /// Waits until there are so many units, nothing more will come, or the time is over.
    fn wait_for<'q>(&self, units: usize, wait: Option<Duration>, mut lanes: Guard<'q>) -> Guard<'q> {
        lanes.wake_at = Some(units);
        let too_few = |lanes: &mut Lanes| lanes.units() < units && !lanes.closed && !lanes.woken;
        let mut lanes = match wait {
            None => self.arrived.wait_while(lanes, too_few).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => {
                self.arrived.wait_timeout_while(lanes, wait, too_few).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        lanes.wake_at = None;
        lanes
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
        lock(&self.lanes).units() as u64
    }
}

impl Lanes {
    fn units(&self) -> usize {
        self.callers.len() + self.background.len()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Prepared {
        Prepared {
            tenant: "default".to_owned(),
            command_id: None,
            fingerprint: None,
            guards: vec![],
            claim_guards: vec![],
            appends: vec![],
            lane: Lane::Caller,
            bytes: 1,
        }
    }

    fn push(queue: &Queue, units: usize) {
        for _ in 0..units {
            queue.push(Queued { unit: unit(), answer: oneshot::channel().0 }).unwrap();
        }
    }

    fn take(queue: &Queue) -> usize {
        let mut batch = vec![];
        assert_eq!(queue.take(None, &mut batch), Taken::Units);
        batch.len()
    }

    #[test]
    fn a_commit_that_had_company_waits_for_half_as_much() {
        let queue = Queue { company_wait: Duration::from_secs(600), ..Queue::default() };
        push(&queue, 10);
        assert_eq!(take(&queue), 10);
        push(&queue, 4);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| take(&queue));
            while lock(&queue.lanes).wake_at != Some(5) {
                std::thread::yield_now();
            }
            push(&queue, 1);
            assert_eq!(taken.join().unwrap(), 5);
        });
    }

    #[test]
    fn who_has_a_turn_that_others_wait_for_waits_for_no_company() {
        let queue = Queue { company_wait: Duration::from_secs(600), ..Queue::default() };
        push(&queue, 10);
        assert_eq!(take(&queue), 10);
        push(&queue, 4);
        let mut batch = vec![];
        assert_eq!((queue.take(Some(Duration::ZERO), &mut batch), batch.len()), (Taken::Units, 4));
        queue.wake();
        assert_eq!(queue.take(Some(Duration::from_secs(600)), &mut batch), Taken::Woken, "for something else");
    }

    #[test]
    fn nobody_waits_for_company_that_does_not_come() {
        let queue = Queue::default();
        push(&queue, 200);
        assert_eq!(take(&queue), 200);
        push(&queue, 1);
        assert_eq!(take(&queue), 1);
        push(&queue, 1);
        assert_eq!((take(&queue), lock(&queue.lanes).wake_at), (1, None));
    }

    #[test]
    fn what_came_during_the_wait_for_a_turn_is_taken_along_as_far_as_it_fits() {
        let queue = Queue::default();
        push(&queue, 2);
        let mut batch = vec![];
        assert_eq!(queue.take(None, &mut batch), Taken::Units);
        push(&queue, BATCH_UNITS);
        queue.take_along(&mut batch);
        assert_eq!((batch.len(), queue.len()), (BATCH_UNITS, 2));
        batch[0].unit.bytes = BATCH_BYTES;
        batch.truncate(1);
        queue.take_along(&mut batch);
        assert_eq!((batch.len(), queue.len()), (1, 2), "a full batch grows no more");
    }

    #[test]
    fn what_waits_is_taken_before_the_end_is_told() {
        let queue = Queue::default();
        push(&queue, 2);
        queue.close();
        assert!(queue.push(Queued { unit: unit(), answer: oneshot::channel().0 }).is_err());
        assert_eq!(take(&queue), 2);
        assert_eq!(queue.take(None, &mut vec![]), Taken::Closed);
        assert_eq!(Queue::default().take(Some(Duration::ZERO), &mut vec![]), Taken::Nothing);
    }
}
