//! From stored rows to events in clear.

use serde::de::IgnoredAny;

use crate::{
    Metadata, ReadError, Recorded, Vault, VaultError,
    log::Row,
    payload::Parts,
    vault::{Header, Opened},
};

/// What stands in the place of a personal member whose key is destroyed.
const ERASED: &str = r#"{"erased":true}"#;

/// The payload of a row with its personal member opened, or said to be erased; none if nothing in it is sealed.
pub(crate) fn open_payload(row: &Row, parts: Parts<'_>, vault: &Vault) -> Result<Option<String>, ReadError> {
    let damaged = |what| ReadError::Damaged { position: row.position, what };
    if !row.sealed {
        return Ok(None);
    }
    let subject = parts.subject.ok_or(damaged("it is sealed for nobody"))?;
    let sealed = parts.personal.and_then(|member| serde_json::from_str::<&str>(member).ok());
    let sealed = sealed.ok_or(damaged("its sealed member is missing"))?;
    let header = Header {
        event_id: row.event_id,
        stream: row.stream.as_str(),
        version: row.version,
        kind: &row.kind,
        schema: row.schema,
    };
    let personal = match vault.unseal(subject, &header, sealed) {
        Ok(Opened::Clear(bytes)) => String::from_utf8(bytes)
            .ok()
            .filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
            .ok_or(damaged("its sealed member is no JSON"))?,
        Ok(Opened::Erased) => ERASED.to_owned(),
        Err(VaultError::Missing { subject }) => return Err(ReadError::KeyMissing { subject }),
        Err(VaultError::Tampered) => return Err(damaged("its sealed member does not open")),
        Err(fault) => return Err(fault.into()),
    };
    Ok(parts.with_personal(&personal))
}

/// What the store reads of a row's payload.
pub(crate) fn parts_of(row: &Row) -> Result<Parts<'_>, ReadError> {
    let damaged = ReadError::Damaged { position: row.position, what: "its payload is no object that can be read" };
    Parts::of(&row.payload).ok_or(damaged)
}

/// A row as it lies there.
pub(super) fn sealed_row(row: Row) -> Result<Recorded, ReadError> {
    parts_of(&row)?;
    check_metadata(&row)?;
    Ok(recorded(row, None))
}

/// A row, opened.
pub(crate) fn open_row(row: Row, vault: &Vault) -> Result<Recorded, ReadError> {
    let clear = open_payload(&row, parts_of(&row)?, vault)?;
    check_metadata(&row)?;
    Ok(recorded(row, clear))
}

pub(super) fn check_metadata(row: &Row) -> Result<(), ReadError> {
    let damaged = ReadError::Damaged { position: row.position, what: "its metadata is no map of strings" };
    if Metadata::fits(&row.metadata) { Ok(()) } else { Err(damaged) }
}

/// A row that was checked or made here, with its payload in clear if that is another one.
pub(super) fn recorded(row: Row, clear: Option<String>) -> Recorded {
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
        payload: clear.unwrap_or(row.payload).into_boxed_str(),
        metadata: Metadata::of(row.metadata),
        leaf: row.leaf,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{open_row, sealed_row};
    use crate::{ReadError, StreamId, Vault, VaultOptions, log::Row};

    const SUBJECT: &str = r#"{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;

    fn row(payload: &str, sealed: bool) -> Row {
        Row {
            position: 7,
            tenant: "t".to_owned(),
            tseq: 1,
            stream: StreamId::new("thing-t/1"),
            version: 1,
            event_id: Uuid::nil(),
            kind: "Happened".to_owned(),
            schema: 1,
            at: 0,
            payload: payload.to_owned(),
            metadata: "{}".to_owned(),
            sealed,
            leaf: [0; 32],
        }
    }

    #[test]
    fn a_damaged_row_is_refused_and_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(VaultOptions::Sqlite { path: folder.path().join("keys.db") }).unwrap();
        let unreadable = "its payload is no object that can be read";
        for (payload, sealed, told) in [
            ("{", false, unreadable),
            ("[null,null]", false, unreadable),
            (r#"{"personal":"v1.x"}"#, true, "it is sealed for nobody"),
            (&format!(r#"{{"subject":{SUBJECT}}}"#), true, "its sealed member is missing"),
            (&format!(r#"{{"personal":{{}},"subject":{SUBJECT}}}"#), true, "its sealed member is missing"),
        ] {
            let refused = open_row(row(payload, sealed), &vault).unwrap_err();
            assert!(
                matches!(refused, ReadError::Damaged { position: 7, what } if what == told),
                "{payload}: {refused:?}"
            );
        }
        let no_key = row(&format!(r#"{{"personal":"v1.x","subject":{SUBJECT}}}"#), true);
        assert!(matches!(open_row(no_key.clone(), &vault).unwrap_err(), ReadError::KeyMissing { .. }));
        assert_eq!(*sealed_row(no_key.clone()).unwrap().payload, no_key.payload, "it is not opened");
        let beyond = open_row(row(r#"{"a":1e999}"#, false), &vault).unwrap();
        assert!(matches!(beyond.tree().unwrap_err(), ReadError::Damaged { position: 7, .. }));
    }
}
