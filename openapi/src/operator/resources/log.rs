//! The log.

use crate::operator::powers::LogEntry;
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;
use uuid::Uuid;

/// One event.
#[derive(Debug, Object)]
pub(in crate::operator) struct LogEvent {
    /// Gapless, in the order of commits. Null for callers who belong to a tenant:
    /// it would tell how much the others write.
    position: Option<u64>,
    /// `_` where the event is about the ledger as a whole.
    tenant: String,
    /// Contiguous per tenant.
    tseq: u64,
    stream: String,
    version: u64,
    event_id: Uuid,
    #[oai(rename = "type")]
    kind: String,
    schema: u32,
    /// With microseconds.
    at: String,
    payload: Any<Value>,
    metadata: Any<Value>,
    /// Leaf hash of the entry, RFC 6962, in hex.
    leaf: String,
}

impl LogEvent {
    /// With its position, or as a tenant sees it.
    pub fn told(entry: LogEntry, positions: bool) -> Self {
        Self {
            position: positions.then_some(entry.position),
            tenant: entry.tenant,
            tseq: entry.tseq,
            stream: entry.stream,
            version: entry.version,
            event_id: entry.event_id,
            kind: entry.kind,
            schema: entry.schema,
            at: entry.at.chrono().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            payload: Any(entry.payload),
            metadata: Any(entry.metadata.into_iter().map(|(k, v)| (k, Value::String(v))).collect()),
            leaf: entry.leaf,
        }
    }
}

/// A part of the log.
#[derive(Debug, Object)]
pub(in crate::operator) struct LogPart {
    pub items: Vec<LogEvent>,
    /// `after` (or `before`) of the next part; null at the end.
    pub next: Option<u64>,
    /// The last event: its position, or its `tseq` for callers who belong to a tenant.
    pub head: u64,
}

/// All events of one thing.
#[derive(Debug, Object)]
pub(in crate::operator) struct History {
    pub items: Vec<LogEvent>,
}
