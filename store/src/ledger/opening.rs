//! From stored rows to events in clear.

use serde_json::{Value, json};

use super::prepare::PERSONAL;
use crate::{
    Metadata, ReadError, Recorded, Vault, VaultError,
    log::{Row, subject_of},
    vault::{Header, Opened},
};

/// The payload of a row, its personal member opened or said to be erased.
pub(crate) fn open_payload(row: &Row, vault: &Vault) -> Result<Value, ReadError> {
    let damaged = |what| ReadError::Damaged { position: row.position, what };
    let mut payload = sealed_payload(row)?;
    if !row.sealed {
        return Ok(payload);
    }
    let subject = subject_of(&payload).ok_or(damaged("it is sealed for nobody"))?;
    let sealed = payload.get(PERSONAL).and_then(Value::as_str).ok_or(damaged("its sealed member is missing"))?;
    let header = Header {
        event_id: row.event_id,
        stream: row.stream.as_str(),
        version: row.version,
        kind: &row.kind,
        schema: row.schema,
    };
    let personal = match vault.unseal(subject, &header, sealed) {
        Ok(Opened::Clear(text)) => {
            serde_json::from_slice(&text).map_err(|_| damaged("its sealed member is no JSON"))?
        }
        Ok(Opened::Erased) => json!({"erased": true}),
        Err(VaultError::Missing { subject }) => return Err(ReadError::KeyMissing { subject }),
        Err(VaultError::Tampered) => return Err(damaged("its sealed member does not open")),
        Err(fault) => return Err(fault.into()),
    };
    if let Some(member) = payload.get_mut(PERSONAL) {
        *member = personal;
    }
    Ok(payload)
}

fn sealed_payload(row: &Row) -> Result<Value, ReadError> {
    let damaged = |_| ReadError::Damaged { position: row.position, what: "its payload is no JSON" };
    serde_json::from_str(&row.payload).map_err(damaged)
}

/// A row as it lies there.
pub(super) fn sealed_row(row: Row) -> Result<Recorded, ReadError> {
    let payload = sealed_payload(&row)?;
    check_metadata(&row)?;
    Ok(recorded(row, payload))
}

/// A row, opened.
pub(crate) fn open_row(row: Row, vault: &Vault) -> Result<Recorded, ReadError> {
    let payload = open_payload(&row, vault)?;
    check_metadata(&row)?;
    Ok(recorded(row, payload))
}

pub(super) fn check_metadata(row: &Row) -> Result<(), ReadError> {
    let damaged = ReadError::Damaged { position: row.position, what: "its metadata is no map of strings" };
    if Metadata::fits(&row.metadata) { Ok(()) } else { Err(damaged) }
}

/// A row that was checked or made here, with its clear payload at hand.
pub(super) fn recorded(row: Row, payload: Value) -> Recorded {
    Recorded {
        position: row.position,
        tseq: row.tseq,
        tenant: row.tenant,
        stream: row.stream,
        version: row.version,
        event_id: row.event_id,
        kind: row.kind,
        schema: row.schema,
        at: row.at,
        payload,
        metadata: Metadata::of(row.metadata),
        leaf: row.leaf,
    }
}
