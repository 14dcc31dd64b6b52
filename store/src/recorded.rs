//! Events as they are read back.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Position, ReadError, StreamId, Version};

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
    /// Canonical JSON, in clear unless it was asked for as it lies in the log. The member `personal`
    /// is `{"erased":true}` once the subject's key is destroyed.
    pub payload: Box<str>,
    pub metadata: Metadata,
    /// RFC 6962 leaf hash of the entry.
    pub leaf: [u8; 32],
}

impl Recorded {
    /// The payload as a tree, for those who show any event.
    pub fn tree(&self) -> Result<Value, ReadError> {
        let damaged = |_| ReadError::Damaged { position: self.position, what: "its payload is no JSON" };
        serde_json::from_str(&self.payload).map_err(damaged)
    }
}

/// Who, why and from where: a flat map of texts. Few who read an event ask for it,
/// so it stays the text it is in the log until somebody does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(String);

impl Metadata {
    /// A member, if it is there.
    pub fn get(&self, name: &str) -> Option<String> {
        // It fits, or would not be here.
        Self::look(&self.0, Some(name)).ok()?
    }

    /// All members.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        // It fits, or would not be here.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Whether a text can be metadata.
    pub(crate) fn fits(text: &str) -> bool {
        Self::look(text, None).is_ok()
    }

    /// A member of a text that may be metadata, without making anything else of it.
    pub(crate) fn look(text: &str, wanted: Option<&str>) -> Result<Option<String>, serde_json::Error> {
        let mut text = serde_json::Deserializer::from_str(text);
        let found = Members { wanted }.deserialize(&mut text)?;
        text.end().map(|()| found)
    }

    /// Of a text that fits: looked at, or just made from a map.
    pub(crate) fn of(text: String) -> Self {
        Self(text)
    }
}

/// A flat map of texts, of which at most one member is kept.
struct Members<'n> {
    wanted: Option<&'n str>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Option<String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a flat map of texts")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(is_wanted) = members.next_key_seed(Text { same_as: self.wanted })? {
            if is_wanted {
                found = Some(members.next_value()?);
            } else {
                members.next_value_seed(Text { same_as: None })?;
            }
        }
        Ok(found)
    }
}

/// A text, looked at and not kept: whether it is this one.
struct Text<'n> {
    same_as: Option<&'n str>,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        Ok(self.same_as == Some(text))
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
        assert_eq!(metadata.get("channel").as_deref(), Some("jsonapi"));
        assert_eq!(Metadata::of(r#"{"\u0061ctor":"\u0062"}"#.to_owned()).get("actor").as_deref(), Some("b"));
        assert_eq!(metadata.to_map().len(), 2);
        for damaged in ["", "[]", "{", r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":"b"} x"#, "null"] {
            assert!(!Metadata::fits(damaged), "{damaged}");
        }
    }
}
