//! Why a ledger was not moved.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::Site;
use crate::{OpenError, Position, ReadError, StateError, VaultError, log::Fault};

/// Why a move stopped. Run again, it goes on where it can.
#[derive(Debug, Error)]
pub enum MoveError {
    #[error("{0} holds no ledger that could be moved")]
    NoLedger(String),
    /// Left as it is.
    #[error("{place} {what}")]
    Taken { place: String, what: &'static str },
    /// Everything but the last steps is done.
    #[error("{place} is in use by {holder}")]
    InUse { place: String, holder: String, left: Option<u64> },
    #[error("the event at position {position} of {place} is damaged")]
    Damaged { place: String, position: Position },
    #[error("{to} does not hold the same event at position {position} as {from}")]
    Differs { from: String, to: String, position: Position },
    /// It goes where it was first sent.
    #[error("the ledger of {from} is on its way to {to}")]
    Elsewhere { from: String, to: String },
    #[error("a move to {0} was given up")]
    GivenUp(String),
    /// Too late to give the move up.
    #[error("the ledger is open at {0}")]
    Opened(String),
    #[error("no ledger of {from} is on its way to {to}")]
    NotUnderWay { from: String, to: String },
    /// Somebody writes there, or the place loses what is written.
    #[error("{what} at {place} does not stay as it is written")]
    Unstable { place: String, what: &'static str },
    #[error("{0} has no keys")]
    NoKeys(String),
    /// The move was told to stop.
    #[error("the move was stopped")]
    Stopped,
    /// Nothing of it is there, or the next run finds out.
    #[error("{place} did not take an event")]
    Unwritten {
        place: String,
        #[source]
        source: Option<Fault>,
    },
    #[error("an event about the ledger holds what none may hold: {0}")]
    Event(&'static str),
    #[error("{place} cannot be used")]
    At {
        place: String,
        #[source]
        source: At,
    },
    #[error("{place} could not be furnished")]
    Furnish {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot be used", file.display())]
    Io {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What went wrong with a part of a place.
#[derive(Debug, Error)]
pub enum At {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Keys(#[from] VaultError),
}

/// Says at which place it was.
pub(super) fn at<E: Into<At>>(site: &Site) -> impl Fn(E) -> MoveError {
    let place = site.name.clone();
    move |source| MoveError::At { place: place.clone(), source: source.into() }
}
