//! Folding again beside the live file, and putting the result in its place.

use super::{Inner, Views, follow};
use crate::ViewsError;
use crate::file::File;
use crate::fold::View;
use crate::limits::{SWAP_WITHIN, TAKE};
use crate::locks::{read, write};
use std::sync::TryLockError;

impl Views {
    /// Folds one view, or all, from the start of the log, beside the live ones,
    /// and then swaps. Reading goes on meanwhile; at the swap queries wait for
    /// the last few events. `on_progress` is told position and head after each
    /// block. Blocks its thread.
    ///
    /// # Errors
    /// When there is no such view, another rebuild runs, or disk or log fail;
    /// the live views are as they were, except after a failed swap.
    pub fn rebuild(&self, view: Option<&str>, on_progress: &mut dyn FnMut(u64, u64)) -> Result<(), ViewsError> {
        let view = match view {
            Some(name) => Some(View::named(name).ok_or_else(|| ViewsError::NoSuchView { name: name.to_owned() })?),
            None => None,
        };
        self.inner.rebuild(view, on_progress)
    }
}

impl Inner {
    /// Folds everything anew because the file is damaged. The projector's work, so
    /// that nobody folds the damaged one meanwhile.
    pub(super) fn mend(&self) -> Result<(), ViewsError> {
        self.rebuild(None, &mut |_, _| {})?;
        tracing::warn!("the views' file was damaged and is folded anew");
        Ok(())
    }

    fn rebuild(&self, view: Option<View>, on_progress: &mut dyn FnMut(u64, u64)) -> Result<(), ViewsError> {
        let _only = match self.rebuilding.try_lock() {
            Ok(only) => only,
            Err(TryLockError::Poisoned(only)) => only.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(ViewsError::Rebuilding),
        };
        let rebuilt = self.begin(view)?;
        self.fill(&rebuilt, on_progress)?;
        self.swap(rebuilt, on_progress)?;
        // A copy of a damaged file may be damaged too; what is folded from the log is not.
        if view.is_none() {
            self.reached.send_modify(|reached| reached.damaged = false);
        }
        Ok(())
    }

    fn begin(&self, view: Option<View>) -> Result<File, ViewsError> {
        let live = read(&self.file);
        let live = live.as_ref().ok_or(ViewsError::Closed)?;
        let beside = live.place().beside();
        let rebuilt = match view {
            Some(view) => live.copy_without(view, beside, &self.ledger)?,
            None => File::create(beside, &self.ledger)?,
        };
        rebuilt.folder().to_be_copied()?;
        Ok(rebuilt)
    }

    /// Folds until the head is close.
    fn fill(&self, rebuilt: &File, on_progress: &mut dyn FnMut(u64, u64)) -> Result<(), ViewsError> {
        let ledger = &self.ledger;
        rebuilt.hurry()?;
        loop {
            if *self.stopping.borrow() {
                return Err(ViewsError::Closed);
            }
            // Not in a `while let`: the lock would be held through the loop.
            let after = rebuilt.folder().after();
            let Some(after) = after.filter(|after| ledger.head().saturating_sub(*after) > SWAP_WITHIN) else { break };
            follow::ahead(ledger, after, |block| {
                rebuilt.folder().fold(block)?;
                on_progress(block.last().map_or(after, |event| event.position), ledger.head());
                Ok(!*self.stopping.borrow())
            })?;
        }
        rebuilt.rest()
    }

    /// With nobody reading or folding: the last events, then the exchange.
    fn swap(&self, rebuilt: File, on_progress: &mut dyn FnMut(u64, u64)) -> Result<(), ViewsError> {
        let mut live = write(&self.file);
        let ledger = &self.ledger;
        loop {
            let after = rebuilt.folder().after();
            let block = match after {
                Some(after) => ledger.read_log(after, TAKE)?,
                None => vec![],
            };
            if block.is_empty() {
                break;
            }
            rebuilt.folder().fold(&block)?;
        }
        let head = ledger.head();
        on_progress(rebuilt.folder().after().unwrap_or(head), head);
        let stopped: Vec<_> = rebuilt.folder().standings().to_vec();
        let old = live.take().ok_or(ViewsError::Closed)?;
        let swapped = File::swap(old, rebuilt, ledger)?;
        swapped.folder().keep_stopped(&stopped);
        self.publish(swapped.folder().standings());
        *live = Some(swapped);
        Ok(())
    }
}
