//! One row of the log, and the one function that composes its entry.

use std::fmt::Write as _;

use ring::digest;
use uuid::Uuid;

use crate::{Position, StreamId, Version, canonical, vault::bytes_of};

/// An event as it is stored: sealed, with its texts verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub position: Position,
    pub tenant: String,
    pub tseq: u64,
    pub stream: StreamId,
    pub version: Version,
    pub event_id: Uuid,
    pub kind: String,
    pub schema: u32,
    pub at: i64,
    pub payload: String,
    pub metadata: String,
    pub sealed: bool,
    pub leaf: [u8; 32],
}

/// Which ledger an entry belongs to: its id, and the epoch in force at the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub id: Uuid,
    /// (first position, epoch), ascending.
    epochs: Vec<(Position, u32)>,
}

impl Origin {
    pub(crate) fn new(id: Uuid, epochs: Vec<(Position, u32)>) -> Self {
        Self { id, epochs }
    }

    pub(crate) fn epoch_at(&self, position: Position) -> u32 {
        self.epochs.iter().rev().find(|(first, _)| *first <= position).map_or(1, |(_, epoch)| *epoch)
    }

    /// What an entry at the position says it is of.
    pub(crate) fn name_at(&self, position: Position) -> String {
        format!("{}.{}", self.id, self.epoch_at(position))
    }

    /// (first position, epoch), ascending.
    pub(crate) fn epochs(&self) -> &[(Position, u32)] {
        &self.epochs
    }

    /// The number of the epoch begun last.
    pub(crate) fn last_epoch(&self) -> u32 {
        self.epochs.iter().map(|(_, epoch)| *epoch).max().unwrap_or(1)
    }
}

impl Row {
    /// Appends the entry: canonical JSON, composed from the stored columns alone.
    /// Payload and metadata are canonical texts already and stand in it verbatim.
    pub(crate) fn compose(&self, origin: &Origin, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, r#"{{"at":{},"event_id":"{}","metadata":"#, self.at, self.event_id);
        out.push_str(&self.metadata);
        let _ = write!(out, r#","origin":"{}.{}","payload":"#, origin.id, origin.epoch_at(self.position));
        out.push_str(&self.payload);
        let _ =
            write!(out, r#","position":{},"schema":{},"sealed":{},"stream":"#, self.position, self.schema, self.sealed);
        canonical::write_string(self.stream.as_str(), out);
        out.push_str(r#","tenant":"#);
        canonical::write_string(&self.tenant, out);
        let _ = write!(out, r#","tseq":{},"type":"#, self.tseq);
        canonical::write_string(&self.kind, out);
        let _ = write!(out, r#","version":{}}}"#, self.version);
    }

    /// What the leaf of this row must be. `buffer` is overwritten.
    pub(crate) fn leaf_of(&self, origin: &Origin, buffer: &mut String) -> [u8; 32] {
        buffer.clear();
        self.compose(origin, buffer);
        leaf_hash(buffer)
    }
}

/// RFC 6962: the hash of a leaf.
fn leaf_hash(entry: &str) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&[0]);
    hash.update(entry.as_bytes());
    bytes_of(hash.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Origin, Row, leaf_hash};
    use crate::{StreamId, canonical};

    #[test]
    fn an_entry_is_canonical_json_of_the_columns() {
        let row = Row {
            position: 7,
            tenant: "acme".into(),
            tseq: 3,
            stream: StreamId::new("invitation-acme/x\"y"),
            version: 2,
            event_id: Uuid::from_u128(5),
            kind: "Created".into(),
            schema: 1,
            at: 1_700_000_000_000_000,
            payload: r#"{"a":1}"#.into(),
            metadata: r#"{"k":"v"}"#.into(),
            sealed: false,
            leaf: [0; 32],
        };
        let origin = Origin::new(Uuid::from_u128(9), vec![(1, 1), (7, 2)]);
        let mut text = String::new();
        let leaf = row.leaf_of(&origin, &mut text);
        assert_eq!(
            text,
            r#"{"at":1700000000000000,"event_id":"00000000-0000-0000-0000-000000000005","metadata":{"k":"v"},"origin":"00000000-0000-0000-0000-000000000009.2","payload":{"a":1},"position":7,"schema":1,"sealed":false,"stream":"invitation-acme/x\"y","tenant":"acme","tseq":3,"type":"Created","version":2}"#
        );
        let mut again = String::new();
        canonical::write(&serde_json::from_str(&text).unwrap(), &mut again).unwrap();
        assert_eq!(again, text);
        assert_eq!(leaf, leaf_hash(&text));
    }
}
