//! What happens to the ledger as a whole, not to anything in it.
//!
//! No aggregate and no command: whoever restores a shortened log or moves it writes
//! it, while nobody serves. Nothing of a tenant follows from it. A log that ends with
//! `Moved` or `Abandoned` takes nothing more: which of the two follows a `Moved` at
//! the new place, `Opened` or `Abandoned`, decides where the ledger goes on.

use serde::{Deserialize, Serialize};

/// The first part of its stream's id.
pub const TYPE: &str = "ledger";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Restored(Restored),
    Moved(Moved),
    Opened(Opened),
    Abandoned(Abandoned),
    Reopened(Reopened),
}

/// The log was knowingly cut: what stood after `position` is given up, and a new
/// epoch of the origin begins with this event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// The origin of the last event kept: the ledger's id and its epoch.
    pub from: String,
    /// The last position kept.
    pub position: u64,
    /// Leaf hash of the entry there, in hex.
    pub leaf: String,
}

/// The ledger goes on elsewhere: the last event at the place it leaves, and copied like all the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// The new place as people know it; no user, no password.
    pub to: String,
    /// The mark that the new place bears while it is filled: no other one may take the ledger in.
    pub arrival: String,
}

/// The ledger has arrived whole and goes on here: the first event of its own at the new place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    pub arrival: String,
    /// Events that were compared with those at the old place.
    pub events: u64,
    /// Leaf hash of the last of them, in hex.
    pub leaf: String,
    /// Entries of kept state, and keys with those destroyed, that were compared.
    pub entries: u64,
    pub keys: u64,
}

/// The move was given up: nobody will ever serve from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Abandoned {
    pub arrival: String,
}

/// The move was given up, and the ledger goes on at the place it was to leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reopened {
    pub arrival: String,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Restored(_) => "Restored",
            Self::Moved(_) => "Moved",
            Self::Opened(_) => "Opened",
            Self::Abandoned(_) => "Abandoned",
            Self::Reopened(_) => "Reopened",
        }
    }
}
