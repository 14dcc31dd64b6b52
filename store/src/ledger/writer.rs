//! The one writer: a thread that takes what waits (and, where commits had company,
//! what comes within a moment), checks it, writes it in one commit, shows it to
//! readers, and answers.
//!
//! Commit point: `Backend::append` returning. Before it nobody is told anything;
//! a crash there leaves nothing of the batch. After it the events stand, whether
//! or not the answers reach anybody. An error there that leaves it open ends the
//! writer: the batch is answered "unknown", everything after it "stopped".

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use quick_cache::unsync::Cache;

use super::{
    Inner,
    batch::{Batch, Ground, Outcome, Staged},
    opening::recorded,
    queue::{Answer, BATCH_UNITS, BUSY, Queued, Taken},
};
use crate::{
    Position, Receipt, StreamId, StreamReceipt, SubmitError,
    index::{Head, Kept},
    locks::write,
    log::{AppendFault, Row},
};

/// Ends of streams kept from the index's file.
const HEADS: usize = 8_192;
/// Between looks at the index while it has something unflushed and no unit comes.
const IDLE_WAIT: Duration = Duration::from_millis(500);

pub(super) struct Writer {
    inner: Arc<Inner>,
    heads: Cache<StreamId, Head>,
    head: Position,
    last_at: i64,
    text: String,
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
        Self { inner, heads: Cache::new(HEADS), head, last_at, text: String::new() }
    }

    pub(super) fn run(mut self) {
        let inner = self.inner.clone();
        let _fence = Fence(&inner);
        let mut taken = Vec::with_capacity(BATCH_UNITS);
        loop {
            let wait = inner.index.is_dirty().then_some(IDLE_WAIT);
            match inner.queue.take(wait, &mut taken) {
                Taken::Units => {
                    if !self.process(&mut taken) {
                        return;
                    }
                }
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            inner.index.seal_if_due();
            self.rewind_wal();
        }
        inner.index.close_flusher();
    }

    /// One batch, from check to answer. False: the log failed.
    fn process(&mut self, taken: &mut Vec<Queued>) -> bool {
        if !self.inner.index.wait_for_room() {
            answer_all(taken.drain(..).map(|queued| queued.answer), || BUSY);
            return true;
        }
        let mut batch = Batch::after(self.head, std::mem::take(&mut self.text));
        let mut answers = Vec::with_capacity(taken.len());
        let mut ground = Ground {
            index: self.inner.index.pin(),
            log: &self.inner.log,
            heads: &mut self.heads,
            now: (self.inner.now)(),
            last_at: self.last_at,
            no_space: self.inner.no_space.load(Relaxed),
        };
        for Queued { unit, answer } in taken.drain(..) {
            answers.push((answer, batch.admit(unit, &mut ground)));
        }
        drop(ground);
        self.text = std::mem::take(&mut batch.text);
        if batch.staged.is_empty() {
            self.answer(answers);
            return true;
        }
        let begun = Instant::now();
        let (rows, clear): (Vec<Row>, Vec<_>) =
            batch.staged.into_iter().map(|Staged { row, clear, metadata }| (row, (clear, metadata))).unzip();
        let written = self.inner.log.append(&rows);
        let answers_only = |answers: Vec<(Answer, Outcome)>| answers.into_iter().map(|(answer, _)| answer);
        match written {
            Ok(()) => {}
            Err(AppendFault::Full) => {
                answer_all(answers_only(answers), || SubmitError::DiskFull);
                return true;
            }
            Err(AppendFault::Busy) => {
                answer_all(answers_only(answers), || BUSY);
                return true;
            }
            Err(AppendFault::Unknown(fault)) => {
                tracing::error!(error = &fault as &dyn std::error::Error, "the log failed at a commit");
                self.inner.fail();
                answer_all(answers_only(answers), || SubmitError::Unknown);
                return false;
            }
        }
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let landed = answers.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Landed(_))).count() as u64;
        self.inner.counts.batch(landed, rows.len() as u64, took);
        self.head = batch.head;
        self.last_at = batch.at;
        for (stream, grown) in batch.layer.streams.iter().filter(|(_, grown)| !grown.created) {
            self.heads.insert(stream.clone(), grown.head);
        }
        self.inner.index.commit(batch.layer);
        self.publish(rows, clear);
        self.answer(answers);
        true
    }

    /// Shows readers what is on disk: events first, then the head that leads to them.
    fn publish(&self, rows: Vec<Row>, clear: Vec<(serde_json::Value, std::collections::BTreeMap<String, String>)>) {
        let mark = rows.last().map(|row| (row.position, row.leaf));
        let bytes: usize = rows.iter().map(|row| row.payload.len() + row.metadata.len()).sum();
        self.inner.tail.push(rows.into_iter().zip(clear).map(|(row, (payload, metadata))| {
            let text = row.payload.len() + row.metadata.len();
            (Arc::new(recorded(row, payload, metadata)), text)
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
