//! What the copy in a database server is made of.

use super::{Inner, Reached, Views};
use crate::ViewsError;
use crate::file::{File, Moment};
use crate::locks::read;
use store::Ledger;
use tokio::sync::watch;

impl Views {
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Reads one moment for as long as it takes. Nobody waits for it.
    pub(crate) fn look_apart<T, E: From<ViewsError>>(
        &self,
        look: impl FnOnce(&Moment<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.with_file(File::apart)?.look(look)
    }

    /// The copy was made anew, as was asked by that number.
    pub(crate) fn was_copied(&self, asked: i64) -> Result<(), ViewsError> {
        self.with_file(|file| file.folder().was_copied(asked))
    }

    fn with_file<T>(&self, what: impl FnOnce(&File) -> Result<T, ViewsError>) -> Result<T, ViewsError> {
        what(read(&self.inner.file).as_ref().ok_or(ViewsError::Closed)?)
    }

    /// Whether the file is broken, and another one is being folded.
    pub(crate) fn is_damaged(&self) -> bool {
        self.inner.is_damaged()
    }

    pub(crate) fn found_damaged(&self, fault: &ViewsError) {
        Inner::found_damaged(&self.inner, fault);
    }

    /// Changes when a view has moved, or the file was swapped.
    pub(crate) fn watch(&self) -> watch::Receiver<Reached> {
        self.inner.reached.subscribe()
    }
}
