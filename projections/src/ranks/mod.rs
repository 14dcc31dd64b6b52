//! Order statistics: how many members a list has, and which is the n-th.
//!
//! Promise: any page of a list, with any choice of slots, is found by reading a
//! few small rows, however long the list. A member stands at a coordinate (a
//! position of the log, or a public number) and in a slot (what filters tell
//! apart). Four levels of nodes count members by ranges of coordinates; each
//! node counts by child and slot. A node without members is not stored, so two
//! folds of one log have the same nodes, whatever their batches were.

mod node;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{Window, window};
pub(crate) use write::{Ranks, clear};

/// The highest level: one node per scope.
const ROOT: u8 = 3;
/// Bits of a coordinate that a node of each level tells apart; the root takes the rest.
const BITS: [u32; 3] = [8, 6, 7];
/// Bits of a node's key below the scope's number: two for the level, the rest for the bucket.
const KEY_BITS: u32 = 37;
const BUCKET_BITS: u32 = KEY_BITS - 2;

/// A choice of slots, one bit each.
pub(crate) type Slots = u64;
/// Every slot.
pub(crate) const ANY: Slots = Slots::MAX;

/// The row of a node. Scope numbers have 26 bits, so that the key stays positive.
fn key_of(scope: u32, level: u8, bucket: u64) -> i64 {
    i64::from(scope) << KEY_BITS | i64::from(level) << BUCKET_BITS | bucket.cast_signed()
}

/// Which node of a level a coordinate falls into, and which of its children.
fn locate(level: u8, at: u64) -> (u64, u16) {
    let below: u32 = BITS.iter().take(level.into()).sum();
    let child = at >> below;
    match BITS.get(usize::from(level)) {
        Some(bits) => (child >> bits, narrow(child & ((1 << bits) - 1))),
        None => (0, narrow(child)),
    }
}

/// Children are few; the root has one per two million positions.
fn narrow(child: u64) -> u16 {
    u16::try_from(child).unwrap_or(u16::MAX)
}

/// The keys of a scope's nodes.
pub(crate) struct Nodes {
    pub first: i64,
    pub last: i64,
}

impl Nodes {
    pub(crate) const SELECT: &'static str = "SELECT key, body FROM node WHERE key >= ?1 AND key <= ?2 ORDER BY key";

    pub(crate) fn of(scope: u32) -> Self {
        Self { first: key_of(scope, 0, 0), last: key_of(scope + 1, 0, 0) - 1 }
    }
}
