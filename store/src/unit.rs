//! The unit, the only write: guards, appends and claims that land together or not at all.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use crate::{Position, StreamId, Version, index::ClaimKey};

/// The built-in family: the first event that names a subject claims it, so that
/// the log itself refuses to give one key to two people.
pub const SUBJECT_FAMILY: &str = "subject";

/// One event to append, in clear.
///
/// A payload with an object member `personal` has it sealed before it is
/// queued; `payload["subject"]["id"]` names the key. `payload["subject"]["commitment"]`
/// marks the first event that names the subject.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: Uuid,
    pub kind: String,
    pub schema: u32,
    pub payload: Value,
    pub metadata: BTreeMap<String, String>,
}

/// Events for the end of one stream, which must be at `expected`.
#[derive(Clone, Debug)]
pub struct Append {
    pub stream: StreamId,
    pub expected: Version,
    pub events: Vec<NewEvent>,
}

/// A name that at most one stream holds at a time, within its family.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    pub family: &'static str,
    pub name: String,
}

impl fmt::Display for Claim {
    /// The family only: a name may be an address.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a claim of family {}", self.family)
    }
}

/// What an event does to claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimChange {
    /// The event's stream takes the claim; refused while another holds it.
    Take { family: &'static str, name: String },
    /// The event's stream lets go of all its claims of that family.
    Release { family: &'static str },
}

/// From stream, kind and the clear payload's text to what the event does to claims. Pure: it is asked again at a
/// rebuild.
pub type ClaimsOf = Arc<dyn Fn(&StreamId, &str, &str) -> Vec<ClaimChange> + Send + Sync>;

/// Makes a repeated command harmless: the second gets the first one's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(pub [u8; 32]);

/// Which queue a unit waits in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for the answer.
    #[default]
    Caller,
    /// Sweeper and courier: a small lane, so that they neither starve nor crowd out callers.
    Background,
}

/// A claim, and who held it when it was looked at: a unit that was decided on it
/// lands only while that is so. See [`crate::Ledger::look_at`].
#[derive(Clone, Debug)]
pub struct ClaimGuard {
    pub claim: Claim,
    pub holder: Option<StreamId>,
    /// Known since it was looked up; an HMAC is not made twice.
    pub(crate) key: Option<ClaimKey>,
}

impl ClaimGuard {
    /// The unit lands only if the claim is held by this stream, or by none.
    pub fn new(claim: Claim, holder: Option<StreamId>) -> Self {
        Self { claim, holder, key: None }
    }
}

/// Everything that must become true together.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// The tenant all appended streams belong to.
    pub tenant: String,
    pub command_id: Option<CommandId>,
    /// Of the request's body; kept in the index only, never in the log.
    pub fingerprint: Option<[u8; 32]>,
    /// Streams that must still be at this version.
    pub guards: Vec<(StreamId, Version)>,
    /// Claims that must be held by exactly this stream, or by none, before the unit's own events.
    pub claim_guards: Vec<ClaimGuard>,
    /// At most one per stream, none empty.
    pub appends: Vec<Append>,
    pub lane: Lane,
}

/// What one append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReceipt {
    pub stream: StreamId,
    /// Of the stream, after the append.
    pub version: Version,
    /// How many were appended.
    pub events: u64,
    /// The tenant's number of the first of them.
    pub first_tseq: u64,
    pub first_position: Position,
}

/// A unit that landed. A guard-only unit that held has `first == last == head` and no streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub first: Position,
    pub last: Position,
    /// Microseconds UTC.
    pub at: i64,
    /// In the order of the unit's appends.
    pub streams: Vec<StreamReceipt>,
    /// The command had landed before; this is that receipt.
    pub repeated: bool,
}
