//! Events as they are read back.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::{Position, StreamId, Version};

/// One event of the log, opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub position: Position,
    /// Contiguous per tenant, from 1.
    pub tseq: u64,
    pub tenant: String,
    pub stream: StreamId,
    pub version: Version,
    pub event_id: Uuid,
    pub kind: String,
    pub schema: u32,
    /// Microseconds UTC; never goes back along the log.
    pub at: i64,
    /// In clear. `personal` is `{"erased": true}` once the subject's key is destroyed.
    pub payload: Value,
    pub metadata: BTreeMap<String, String>,
    /// RFC 6962 leaf hash of the entry.
    pub leaf: [u8; 32],
}

/// One entry of the log as it stands there, sealed: what is hashed, proved and exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub position: Position,
    /// Canonical JSON.
    pub text: String,
    /// As stored; equal to the hash of `text` unless somebody changed the file.
    pub leaf: [u8; 32],
}

/// How far a follower has come, and in which ledger: compared when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub ledger_id: Uuid,
    pub position: Position,
    /// Leaf hash at `position`; zeros at 0.
    pub leaf: [u8; 32],
}
