//! A row as an event of EventStoreDB, and back.
//!
//! Type and data are the ledger's own, so that any tool reads them: the data is the
//! payload's canonical text as it stands. What else a row holds stands in the event's
//! metadata, beside the server's names for what belongs together. The event's id
//! is made from the leaf: it names these bytes in this place of this ledger.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use eventstore::{EventData, RecordedEvent};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::{Fault, Origin, Row};
use crate::{ReadError, StreamId, Version, canonical, vault::hex};

/// What an event's metadata takes besides the texts in it, at most.
const ENVELOPE_FRAME: usize = 640;
/// Members of the ledger's metadata that the server has names for.
const CORRELATION: (&str, &str) = ("correlation_id", "$correlationId");
const CAUSATION: (&str, &str) = ("causation_id", "$causationId");

/// Bytes an event takes on the way besides its payload and metadata, at most.
pub(in super::super) fn envelope_bytes(stream: &StreamId, metadata: &str) -> usize {
    // The stream's name holds the tenant's; what has a name of the server's stands in the metadata a second time.
    ENVELOPE_FRAME + 2 * stream.as_str().len() + metadata.len()
}

/// The metadata of an event, as it is read back.
#[derive(Deserialize)]
struct Envelope {
    at: i64,
    event_id: Uuid,
    leaf: String,
    metadata: BTreeMap<String, String>,
    origin: String,
    schema: u32,
    sealed: bool,
    stream: String,
    tenant: String,
    tseq: u64,
    version: Version,
}

pub(super) fn event_of(row: &Row, origin: &Origin) -> Result<EventData, Fault> {
    let data = RawValue::from_string(row.payload.clone())?;
    let event = EventData::json(&row.kind, &data)?;
    Ok(event.id(id_of(&row.leaf)).metadata(envelope_of(row, origin)?.into()))
}

/// What the server knows these bytes in this place by.
pub(super) fn id_of(leaf: &[u8; 32]) -> Uuid {
    let [first, _] = leaf.as_chunks::<16>().0 else { return Uuid::nil() };
    uuid::Builder::from_custom_bytes(*first).into_uuid()
}

fn envelope_of(row: &Row, origin: &Origin) -> Result<String, Fault> {
    let known: BTreeMap<&str, &str> = match row.metadata.as_str() {
        "{}" => BTreeMap::new(),
        metadata => serde_json::from_str(metadata)?,
    };
    let mut text = String::with_capacity(ENVELOPE_FRAME + row.metadata.len());
    text.push('{');
    for (name, theirs) in [CAUSATION, CORRELATION] {
        if let Some(value) = known.get(name) {
            let _ = write!(text, r#""{theirs}":"#);
            canonical::write_string(value, &mut text);
            text.push(',');
        }
    }
    // Writing to a String cannot fail.
    let _ = write!(text, r#""at":{},"event_id":"{}","leaf":"{}","metadata":"#, row.at, row.event_id, hex(&row.leaf));
    text.push_str(&row.metadata);
    let _ = write!(
        text,
        r#","origin":"{}","position":{},"schema":{},"sealed":{},"stream":"#,
        origin.name_at(row.position),
        row.position,
        row.schema,
        row.sealed
    );
    canonical::write_string(row.stream.as_str(), &mut text);
    text.push_str(r#","tenant":"#);
    canonical::write_string(&row.tenant, &mut text);
    let _ = write!(text, r#","tseq":{},"version":{}}}"#, row.tseq, row.version);
    Ok(text)
}

/// The event as the ledger wrote it, and nobody else.
pub(super) fn row_of(event: RecordedEvent, origin: &Origin) -> Result<Row, ReadError> {
    let position = event.revision + 1;
    let damaged = |what| ReadError::Damaged { position, what };
    let envelope: Envelope =
        serde_json::from_slice(&event.custom_metadata).map_err(|_| damaged("it is not the ledger's"))?;
    if envelope.origin != origin.name_at(position) {
        return Err(damaged("it is another ledger's"));
    }
    let payload = String::from_utf8(event.data.to_vec()).map_err(|_| damaged("its payload is no text"))?;
    let leaf = leaf_of(&envelope.leaf).ok_or(damaged("it has no leaf"))?;
    let mut metadata = String::with_capacity(event.custom_metadata.len());
    canonical::write_strings(&envelope.metadata, &mut metadata);
    Ok(Row {
        position,
        tenant: envelope.tenant,
        tseq: envelope.tseq,
        stream: StreamId::from(envelope.stream),
        version: envelope.version,
        event_id: envelope.event_id,
        kind: event.event_type,
        schema: envelope.schema,
        at: envelope.at,
        payload,
        metadata,
        sealed: envelope.sealed,
        leaf,
    })
}

/// Which ledger an event says it is of.
pub(super) fn ledger_of(event: &RecordedEvent) -> Option<Uuid> {
    let envelope: Envelope = serde_json::from_slice(&event.custom_metadata).ok()?;
    Uuid::try_parse(envelope.origin.split_once('.')?.0).ok()
}

fn leaf_of(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut leaf = [0; 32];
    if pairs.len() != leaf.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in leaf.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(leaf)
}
