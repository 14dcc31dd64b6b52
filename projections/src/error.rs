//! What can go wrong in a projection, by who has to act on it.

use std::path::PathBuf;
use store::{Position, ReadError};
use thiserror::Error;

/// Why the views cannot be opened, rebuilt or digested.
#[derive(Debug, Error)]
pub enum ViewsError {
    #[error("the views' database failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{} cannot be used", file.display())]
    Io {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A setting of the database did not take.
    #[error("the views' database refuses the setting {pragma}: it is {found}")]
    Pragma { pragma: &'static str, found: String },
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    #[error("there is no view `{name}`")]
    NoSuchView { name: String },
    /// Another rebuild is under way.
    #[error("the views are being rebuilt already")]
    Rebuilding,
    /// The log was read with a gap: a fault of the program.
    #[error("the log was read from {found}, not from {wanted}")]
    Gap { wanted: Position, found: Position },
    /// A row is not what this room wrote.
    #[error("a stored row cannot be read: {0}")]
    Row(&'static str),
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// A swap failed half way: the views are gone until the program starts again.
    #[error("the views are closed")]
    Closed,
}

impl ViewsError {
    /// Whether the file itself is broken: SQLite met a page that cannot be one of its
    /// own. Trying again is of no use, folding anew is.
    pub(crate) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, Self::Sqlite(fault) if matches!(fault.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }
}

/// Why one view stops at one event. The others go on.
#[derive(Debug, Error)]
pub(crate) enum Unfoldable {
    #[error("it cannot be decoded")]
    Decode(#[from] domain::DecodeError),
    #[error("its stream is not named `type-tenant/uuid`")]
    Stream,
    /// It changes something that was never created.
    #[error("it changes something the view has no row of")]
    NoRow,
}

/// Outcome of folding one event: the view's own trouble, or the database's.
#[derive(Debug, Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Event(#[from] Unfoldable),
    #[error("the views' database failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("a stored row cannot be read: {0}")]
    Row(&'static str),
}

impl From<domain::DecodeError> for FoldError {
    fn from(source: domain::DecodeError) -> Self {
        Self::Event(Unfoldable::Decode(source))
    }
}

impl From<FoldError> for ViewsError {
    fn from(fault: FoldError) -> Self {
        match fault {
            FoldError::Sqlite(source) => Self::Sqlite(source),
            FoldError::Row(what) => Self::Row(what),
            // A view's own trouble stops that view and never reaches here.
            FoldError::Event(_) => Self::Row("an event of a stopped view"),
        }
    }
}
