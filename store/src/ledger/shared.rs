//! A log that other nodes append to as well: this node follows it, and takes turns.
//!
//! What others appended is folded by the writer alone, so that index, tail and
//! head still have one writer. It looks when it is woken, when nothing has come for
//! a while, and at every turn: what a unit is checked against is always all there is.

use std::sync::atomic::Ordering::Relaxed;

use super::{Inner, RECEIPTS_FOR, opening::check_metadata, reads::fetch_keys_ahead, writer::Writer};
use crate::{
    ReadError,
    index::{Following, Layer},
    locks::read,
    log::{Place, Row, Turn, TurnFault},
    own::Standing,
};

/// How often a node that is far behind gives its turn away to catch up first.
const CATCH_UPS: usize = 3;

/// Why a node may not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Not now.
    Later,
    /// It has followed another log, so that its caches, index and views are of no use; or the log was left.
    Never,
}

impl Inner {
    /// Says once that the log cannot be asked.
    pub(super) fn unreached(&self, fault: &(dyn std::error::Error + 'static)) {
        if !self.unreachable.swap(true, Relaxed) {
            tracing::error!(error = fault, "the log cannot be reached; units are turned away until it can");
        }
    }
}

impl Writer {
    /// Brings this node to the log's end, keeps it there while it writes, and tells the time.
    pub(super) fn lead(&mut self, writes: bool) -> Result<i64, NoTurn> {
        let inner = self.inner.clone();
        let Some(shared) = inner.log.shared() else { return Ok((inner.now)()) };
        if !writes {
            return self.follow().map(|()| (inner.now)());
        }
        let mut catch_ups = 0;
        loop {
            let begun = shared.begin(self.place(), (inner.now)());
            match self.met(begun)? {
                Turn::Taken { now, news } => {
                    let folded = self.fold(news).map_err(|fault| not_followed(&fault)).and_then(|()| self.may_go_on());
                    if folded.is_err() {
                        shared.let_go();
                    }
                    return folded.map(|()| now.unwrap_or_else(|| (inner.now)()));
                }
                Turn::Awaited { news } => {
                    let folded = self.fold(news).map_err(|fault| not_followed(&fault));
                    inner.index.seal_if_due();
                    if folded.is_err() || !inner.index.wait_for_room() {
                        shared.let_go();
                        return Err(NoTurn::Later);
                    }
                }
                Turn::FarBehind if catch_ups < CATCH_UPS => {
                    catch_ups += 1;
                    self.follow()?;
                }
                Turn::FarBehind => return Err(NoTurn::Later),
            }
        }
    }

    /// Folds whatever others have appended. Nothing to do where nobody else does.
    pub(super) fn follow(&mut self) -> Result<(), NoTurn> {
        let inner = self.inner.clone();
        let Some(shared) = inner.log.shared() else { return Ok(()) };
        loop {
            if !inner.index.wait_for_room() {
                return Err(NoTurn::Later);
            }
            let news = self.met(shared.news(self.place()))?;
            if news.is_empty() {
                return self.may_go_on();
            }
            self.fold(news).map_err(|fault| not_followed(&fault))?;
            inner.index.seal_if_due();
        }
    }

    /// At the log's end: whether it is still this node's to serve.
    fn may_go_on(&self) -> Result<(), NoTurn> {
        let Err(told) = self.standing.check() else { return Ok(()) };
        tracing::error!(error = &told as &dyn std::error::Error, "nobody appends to this log any more");
        self.inner.fail();
        Err(NoTurn::Never)
    }

    fn place(&self) -> Place {
        *read(&self.inner.mark)
    }

    /// Looks at how the log was met, and says once when that changes.
    fn met<T>(&self, asked: Result<T, TurnFault>) -> Result<T, NoTurn> {
        match asked {
            Ok(told) => {
                if self.inner.unreachable.swap(false, Relaxed) {
                    tracing::info!("the log can be reached again");
                }
                Ok(told)
            }
            Err(TurnFault::Unreachable(fault)) => {
                self.inner.unreached(&*fault);
                Err(NoTurn::Later)
            }
            Err(TurnFault::Diverged(what)) => {
                let position = self.head;
                tracing::error!(
                    position,
                    what,
                    "this is not the log that was followed; a start looks at everything anew"
                );
                self.inner.fail();
                Err(NoTurn::Never)
            }
        }
    }

    fn fold(&mut self, rows: Vec<Row>) -> Result<(), ReadError> {
        let Some((position, at)) = rows.last().map(|row| (row.position, row.at)) else { return Ok(()) };
        let first = rows.first().map_or(position, |row| row.position);
        let inner = self.inner.clone();
        let following = Following {
            log: &inner.log,
            vault: &inner.vault,
            claims: &inner.claims,
            secret: &inner.index.secret,
            receipts_since: (inner.now)() - RECEIPTS_FOR,
        };
        let (mut layer, mut clear) = (Layer::default(), Vec::with_capacity(rows.len()));
        fetch_keys_ahead(&inner.vault, &rows)?;
        let known = inner.index.pin();
        for row in &rows {
            clear.push(following.apply(&mut layer, &known, row)?);
            check_metadata(row)?;
        }
        drop(known);
        self.head = position;
        self.last_at = at;
        self.standing = Standing::after(rows.last());
        inner.counts.followed.fetch_add(rows.len() as u64, Relaxed);
        inner.index.commit(layer);
        self.publish(rows, clear);
        // Nobody may be listening.
        let _ = inner.others.send((first, position));
        Ok(())
    }
}

fn not_followed(fault: &ReadError) -> NoTurn {
    tracing::error!(error = fault as &dyn std::error::Error, "what other nodes have appended cannot be followed");
    NoTurn::Later
}
