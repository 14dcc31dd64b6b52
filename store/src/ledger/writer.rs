//! The one writer: a thread that takes what waits (and, where commits had company,
//! what comes within a moment), checks it, writes it in one commit, shows it to
//! readers, and answers.
//!
//! Commit point: `Backend::append` returning. Before it nobody is told anything;
//! a crash there leaves nothing of the batch. After it the events stand, whether
//! or not the answers reach anybody. An error there that leaves it open ends the
//! writer: the batch is answered "unknown", everything after it "stopped". Where the
//! log is a server's, it ends nobody: the next turn tells what has become of the batch.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    Inner,
    batch::{Batch, Ground, Outcome, Staged},
    opening::recorded,
    prepare::Prepared,
    queue::{Answer, BATCH_UNITS, BUSY, Queued, Taken},
    shared::NoTurn,
};
use crate::{
    Position, Receipt, StreamReceipt, SubmitError,
    index::Kept,
    locks::write,
    log::{AppendFault, Row, Shared},
    own::Standing,
};

/// Between looks at the index while it has something unflushed and no unit comes, and at a log that others append to.
const IDLE_WAIT: Duration = Duration::from_millis(500);

pub(super) struct Writer {
    pub(super) inner: Arc<Inner>,
    pub(super) head: Position,
    pub(super) last_at: i64,
    /// What the last event that another node appended says of who may append.
    pub(super) standing: Standing,
    text: String,
}

/// How often a batch is checked and appended before everybody in it is told to come back: other nodes were
/// quicker every time.
const RACES: usize = 64;

/// A batch that was not written, as far as anybody knows.
struct Unwritten {
    /// What everybody in it is told; none if another node was quicker.
    told: Option<fn() -> SubmitError>,
    /// Whether there will be another one.
    goes_on: bool,
}

/// What became of a batch.
enum Attempt {
    Answered,
    /// Another node was quicker, and nobody in it is answered yet.
    Overtaken,
    /// The log failed.
    Failed,
}

/// Marks the ledger as failed unless the writer came to its end.
struct Fence<'a>(&'a Inner);

impl Drop for Fence<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

impl Writer {
    pub(super) fn new(inner: Arc<Inner>, head: Position, last_at: i64) -> Self {
        Self { inner, head, last_at, standing: Standing::Open, text: String::new() }
    }

    pub(super) fn run(mut self) {
        let inner = self.inner.clone();
        let _fence = Fence(&inner);
        let (mut taken, mut woken) = (Vec::with_capacity(BATCH_UNITS), false);
        loop {
            let kept = inner.log.shared().and_then(Shared::kept);
            let wait = kept.or((inner.index.is_dirty() || inner.log.shared().is_some()).then_some(IDLE_WAIT));
            match inner.queue.take(wait, &mut taken) {
                Taken::Units => {
                    if !self.process(&mut taken) {
                        return;
                    }
                }
                // Nobody else appends meanwhile; what was heard of came before.
                Taken::Woken if kept.is_some() => woken = true,
                Taken::Nothing | Taken::Woken => {
                    inner.log.shared().filter(|_| kept.is_some()).into_iter().for_each(Shared::let_go);
                    if (kept.is_none() || std::mem::take(&mut woken)) && matches!(self.follow(), Err(NoTurn::Never)) {
                        return;
                    }
                }
                Taken::Closed => break,
            }
            inner.index.seal_if_due();
            self.rewind_wal();
        }
        inner.index.close_flusher();
    }

    /// One batch, from check to answer. False: the log failed.
    fn process(&mut self, taken: &mut Vec<Queued>) -> bool {
        for _ in 0..RACES {
            match self.attempt(taken) {
                Attempt::Answered => return true,
                Attempt::Failed => return false,
                Attempt::Overtaken => {}
            }
        }
        answer_all(taken.drain(..).map(|queued| queued.answer), || BUSY);
        true
    }

    fn attempt(&mut self, taken: &mut Vec<Queued>) -> Attempt {
        if !self.inner.index.wait_for_room() {
            answer_all(taken.drain(..).map(|queued| queued.answer), || BUSY);
            return Attempt::Answered;
        }
        let writes = taken.iter().any(|queued| !queued.unit.appends.is_empty());
        let now = match self.lead(writes) {
            Ok(now) => now,
            Err(no_turn) => {
                let refusal = || if no_turn == NoTurn::Later { BUSY } else { SubmitError::Stopped };
                answer_all(taken.drain(..).map(|queued| queued.answer), refusal);
                return if no_turn == NoTurn::Later { Attempt::Answered } else { Attempt::Failed };
            }
        };
        let races = self.inner.log.has_races();
        // Without a lock, what came after the look at the log would be checked against what may be past.
        if writes && !races && self.inner.log.shared().is_some() {
            self.inner.queue.take_along(taken);
        }
        let again: Vec<Prepared> =
            if races { taken.iter().map(|queued| queued.unit.clone()).collect() } else { Vec::new() };
        let mut batch = Batch::after(self.head, std::mem::take(&mut self.text));
        let mut answers = Vec::with_capacity(taken.len());
        let ground = Ground {
            index: self.inner.index.pin(),
            log: &self.inner.log,
            now,
            last_at: self.last_at,
            no_space: self.inner.no_space.load(Relaxed),
        };
        for Queued { unit, answer } in taken.drain(..) {
            answers.push((answer, batch.admit(unit, &ground)));
        }
        drop(ground);
        self.text = std::mem::take(&mut batch.text);
        if batch.staged.is_empty() {
            if let Some(shared) = self.inner.log.shared().filter(|_| writes) {
                shared.let_go();
            }
            self.answer(answers);
            return Attempt::Answered;
        }
        let begun = Instant::now();
        let (rows, clear): (Vec<Row>, Vec<_>) =
            batch.staged.into_iter().map(|Staged { row, clear }| (row, clear)).unzip();
        if let Err(Unwritten { told, goes_on }) = self.write(&rows) {
            let Some(told) = told else {
                let waiting = answers.into_iter().map(|(answer, _)| answer);
                taken.extend(again.into_iter().zip(waiting).map(|(unit, answer)| Queued { unit, answer }));
                return Attempt::Overtaken;
            };
            answer_unwritten(answers, told);
            return if goes_on { Attempt::Answered } else { Attempt::Failed };
        }
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let landed = answers.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Landed(_))).count() as u64;
        self.inner.counts.batch(landed, rows.len() as u64, took);
        self.head = batch.head;
        self.last_at = batch.at;
        self.inner.index.commit(batch.layer);
        self.publish(rows, clear);
        self.answer(answers);
        Attempt::Answered
    }

    /// The commit point.
    fn write(&self, rows: &[Row]) -> Result<(), Unwritten> {
        let unwritten = |told, goes_on| Err(Unwritten { told: Some(told), goes_on });
        match self.inner.log.append(rows, self.inner.queue.len() > 0) {
            Ok(()) => Ok(()),
            Err(AppendFault::Full) => unwritten(|| SubmitError::DiskFull, true),
            Err(AppendFault::Busy) => unwritten(|| BUSY, true),
            Err(AppendFault::Overtaken) => {
                self.inner.counts.overtaken.fetch_add(1, Relaxed);
                Err(Unwritten { told: None, goes_on: true })
            }
            Err(AppendFault::Unknown(fault)) => {
                tracing::error!(error = &*fault, "the log failed at a commit");
                self.inner.fail();
                unwritten(|| SubmitError::Unknown, false)
            }
            Err(AppendFault::Unsettled(fault)) => {
                tracing::error!(error = &*fault, "it is unknown whether a batch landed; the next turn tells");
                unwritten(|| SubmitError::Unknown, true)
            }
        }
    }

    /// Shows readers what is on disk: events first, then the head that leads to them.
    pub(super) fn publish(&self, rows: Vec<Row>, clear: Vec<Option<String>>) {
        let mark = rows.last().map(|row| (row.position, row.leaf));
        let bytes: usize = rows.iter().map(|row| row.payload.len() + row.metadata.len()).sum();
        self.inner.tail.push(rows.into_iter().zip(clear).map(|(row, clear)| {
            let text = row.payload.len() + row.metadata.len();
            (Arc::new(recorded(row, clear)), text)
        }));
        if let Some((position, leaf)) = mark {
            *write(&self.inner.mark) = (position, leaf);
            self.inner.head.send_replace(position);
        }
        self.inner.sweep.written(bytes as u64);
    }

    fn answer(&self, answers: Vec<(Answer, Outcome)>) {
        for (answer, outcome) in answers {
            let told = match outcome {
                Outcome::Landed(receipt) => Ok(receipt),
                Outcome::Held(position) => Ok(held(position, self.last_at)),
                Outcome::Repeated(kept) => self.inner.receipt_of(&kept).map_err(SubmitError::from),
                Outcome::Refused(refusal) => {
                    self.inner.counts.refused.fetch_add(1, Relaxed);
                    Err(refusal)
                }
            };
            // Who no longer waits does not hear it; what happened stands.
            let _ = answer.send(told);
        }
    }

    /// Once the checkpoints beside have left little, finishes them here: with nothing
    /// written meanwhile, the next commit starts the write-ahead log over.
    fn rewind_wal(&self) {
        if self.inner.sweep.rewind_wanted()
            && let Err(fault) = self.inner.log.checkpoint_between()
        {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the log could not be checkpointed");
        }
    }
}

fn answer_all(answers: impl Iterator<Item = Answer>, refusal: impl Fn() -> SubmitError) {
    for answer in answers {
        let _ = answer.send(Err(refusal()));
    }
}

/// Only what was to be written shares the batch's fate. The others wrote nothing, but what they would be told may
/// rest on what the batch was to write: they come back.
fn answer_unwritten(answers: Vec<(Answer, Outcome)>, told: fn() -> SubmitError) {
    for (answer, outcome) in answers {
        let refusal = match outcome {
            Outcome::Landed(_) => told(),
            Outcome::Held(_) | Outcome::Repeated(_) | Outcome::Refused(_) => BUSY,
        };
        let _ = answer.send(Err(refusal));
    }
}

fn held(position: Position, at: i64) -> Receipt {
    Receipt { first: position, last: position, at, streams: Vec::new(), repeated: false }
}

/// The receipt a unit got, from its rows.
pub(super) fn receipt_from(rows: &[Row], kept: &Kept) -> Receipt {
    let mut streams: Vec<StreamReceipt> = Vec::new();
    for row in rows {
        match streams.last_mut().filter(|last| last.stream == row.stream) {
            Some(last) => {
                last.version = row.version;
                last.events += 1;
            }
            None => streams.push(StreamReceipt {
                stream: row.stream.clone(),
                version: row.version,
                events: 1,
                first_tseq: row.tseq,
                first_position: row.position,
            }),
        }
    }
    let at = rows.last().map_or(0, |row| row.at);
    Receipt { first: kept.first, last: kept.last, at, streams, repeated: true }
}
