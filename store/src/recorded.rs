//! Events as they are read back.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
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
    pub metadata: Metadata,
    /// RFC 6962 leaf hash of the entry.
    pub leaf: [u8; 32],
}

/// Who, why and from where: a flat map of texts. Few who read an event ask for it,
/// so it stays the text it is in the log until somebody does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(String);

impl Metadata {
    /// A member, if it is there.
    pub fn get(&self, name: &str) -> Option<String> {
        self.to_map().remove(name)
    }

    /// All members.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        // It fits, or would not be here.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Whether a text can be metadata.
    pub(crate) fn fits(text: &str) -> bool {
        serde_json::from_str::<Flat>(text).is_ok()
    }

    /// Of a text that fits: looked at, or just made from a map.
    pub(crate) fn of(text: String) -> Self {
        Self(text)
    }
}

/// A flat map of texts, looked at and not kept.
struct Flat;

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Flat)
    }
}

impl<'de> Visitor<'de> for Flat {
    type Value = Flat;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a flat map of texts")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Flat, M::Error> {
        while members.next_entry::<Text, Text>()?.is_some() {}
        Ok(Flat)
    }
}

/// A text, looked at and not kept.
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

impl Visitor<'_> for Text {
    type Value = Text;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Text, E> {
        Ok(Text)
    }
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

#[cfg(test)]
mod tests {
    use super::Metadata;

    #[test]
    fn metadata_is_a_flat_map_of_texts_and_nothing_else() {
        let text = r#"{"actor":"a\"b","channel":"jsonapi"}"#;
        assert!(Metadata::fits(text));
        let metadata = Metadata::of(text.to_owned());
        assert_eq!(metadata.get("actor").as_deref(), Some("a\"b"));
        assert_eq!(metadata.get("nobody"), None);
        assert_eq!(metadata.to_map().len(), 2);
        for damaged in ["", "[]", "{", r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":"b"} x"#, "null"] {
            assert!(!Metadata::fits(damaged), "{damaged}");
        }
    }
}
