//! The projector: takes all there is, folds it in one transaction, wakes the
//! waiters, and rests until the log grows; then a moment more, unless somebody
//! waits.

use super::Inner;
use crate::ViewsError;
use crate::file::File;
use crate::limits::{LINGER, LINGER_FOR, LINGER_LOOKS, READ_AHEAD, READ_AHEAD_FROM, RETRY_PAUSE, TAKE};
use crate::locks::read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use store::{Ledger, Position, ReadError, Recorded};

pub(super) type Block = Vec<Arc<Recorded>>;

pub(super) fn spawn(inner: Arc<Inner>) -> Result<JoinHandle<()>, ViewsError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(ViewsError::Thread)?;
    thread::Builder::new()
        .name("projector".to_owned())
        .spawn(move || runtime.block_on(run(&inner)))
        .map_err(ViewsError::Thread)
}

async fn run(inner: &Inner) {
    let mut head = inner.ledger.watch_head();
    let mut stopping = inner.stopping.subscribe();
    loop {
        head.borrow_and_update();
        let caught_up = if inner.is_damaged() { inner.mend() } else { inner.catch_up() };
        if *stopping.borrow_and_update() {
            return;
        }
        if let Err(fault) = caught_up {
            if fault.is_damage() && !inner.is_damaged() {
                inner.found_damaged(&fault);
                continue;
            }
            tracing::error!(fault = &fault as &dyn std::error::Error, "folding the log failed; trying again");
            tokio::select! {
                _ = stopping.changed() => {}
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
            continue;
        }
        tokio::select! {
            _ = stopping.changed() => continue,
            () = inner.damaged.notified() => continue,
            grown = head.changed() => if grown.is_err() { return },
        }
        tokio::select! {
            _ = stopping.changed() => {}
            () = inner.wanted.notified() => {}
            () = linger(inner) => {}
        }
    }
}

/// Lets the log grow.
async fn linger(inner: &Inner) {
    for _ in 0..LINGER_LOOKS {
        tokio::time::sleep(LINGER).await;
        let after = inner.after().ok().flatten();
        if after.is_none_or(|after| inner.ledger.head().saturating_sub(after) >= LINGER_FOR) {
            return;
        }
    }
}

impl Inner {
    /// Folds all that was there when it was called, or until the program stops.
    fn catch_up(&self) -> Result<(), ViewsError> {
        while !*self.stopping.borrow() {
            let Some(after) = self.after()? else { return Ok(()) };
            if self.ledger.head().saturating_sub(after) > READ_AHEAD_FROM {
                self.with_file(File::hurry)?;
                let folded = ahead(&self.ledger, after, |block| {
                    self.fold(block)?;
                    Ok(!*self.stopping.borrow())
                });
                let rested = self.with_file(File::rest);
                self.with_file(|file| {
                    self.publish(file.folder().standings());
                    Ok(())
                })?;
                folded.and(rested)?;
                continue;
            }
            let block = self.ledger.read_log(after, TAKE)?;
            if !block.is_empty() {
                self.fold(&block)?;
            }
            if block.len() < TAKE {
                return Ok(());
            }
        }
        Ok(())
    }

    fn with_file<T>(&self, what: impl FnOnce(&File) -> Result<T, ViewsError>) -> Result<T, ViewsError> {
        what(read(&self.file).as_ref().ok_or(ViewsError::Closed)?)
    }

    fn after(&self) -> Result<Option<Position>, ViewsError> {
        self.with_file(|file| Ok(file.folder().after()))
    }

    fn fold(&self, block: &[Arc<Recorded>]) -> Result<(), ViewsError> {
        self.with_file(|file| {
            let mut folder = file.folder();
            let folded = folder.fold(block);
            self.publish(folder.standings());
            folded
        })
    }
}

/// Hands the log from behind `after` up to its head of now to `fold`, block by
/// block, while another thread reads and opens the next ones. Ends early when
/// `fold` says `false`.
pub(super) fn ahead(
    ledger: &Ledger,
    after: Position,
    mut fold: impl FnMut(&[Arc<Recorded>]) -> Result<bool, ViewsError>,
) -> Result<(), ViewsError> {
    let head = ledger.head();
    thread::scope(|scope| {
        let (blocks, next) = sync_channel(READ_AHEAD);
        let (give_back, folded) = channel();
        thread::Builder::new()
            .name("log-reader".to_owned())
            .spawn_scoped(scope, move || read_blocks(ledger, after, head, (&blocks, &folded)))
            .map_err(ViewsError::Thread)?;
        for block in next {
            let block = block?;
            if !fold(&block)? {
                break;
            }
            // The reader has time to spare, and frees best what it allocated. It may have ended.
            let _ = give_back.send(block);
        }
        Ok(())
    })
}

/// Ends when it is at `head`, or when nobody takes its blocks any more.
fn read_blocks(
    ledger: &Ledger,
    mut after: Position,
    head: Position,
    (blocks, folded): (&SyncSender<Result<Block, ReadError>>, &Receiver<Block>),
) {
    while after < head {
        drop(folded.try_iter().collect::<Vec<_>>());
        let block = ledger.read_log(after, TAKE);
        let last = block.as_ref().ok().and_then(|events| events.last()).map(|event| event.position);
        if blocks.send(block).is_err() {
            return;
        }
        match last {
            Some(last) => after = last,
            None => return,
        }
    }
}
