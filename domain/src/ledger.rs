//! What happens to the ledger as a whole, not to anything in it.
//!
//! No aggregate and no command: whoever restores a shortened log writes it, while
//! nobody serves. Nothing of a tenant follows from it.

use serde::{Deserialize, Serialize};

/// The first part of its stream's id.
pub const TYPE: &str = "ledger";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Restored(Restored),
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

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Restored(_) => "Restored",
        }
    }
}
