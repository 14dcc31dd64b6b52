//! Names of streams: `{aggregate type}-{tenant}/{uuid}`.
//!
//! An aggregate type holds no `-`, so the first one ends it; a tenant may hold
//! more of them. A name that lacks a part reads as having that part empty.

use std::{fmt, sync::Arc};

use uuid::Uuid;

/// Names one stream. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// The stream of that name.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The stream of an aggregate.
    pub fn of(kind: &str, tenant: &str, id: Uuid) -> Self {
        let mut digits = Uuid::encode_buffer();
        let id = id.hyphenated().encode_lower(&mut digits);
        let mut name = String::with_capacity(kind.len() + tenant.len() + id.len() + 2);
        for part in [kind, "-", tenant, "/", id] {
            name.push_str(part);
        }
        Self::from(name)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `-`.
    pub fn aggregate_type(&self) -> &str {
        self.0.split_once('-').map_or(&*self.0, |(kind, _)| kind)
    }

    /// What stands behind the first `-`: `{tenant}/{uuid}`.
    pub fn aggregate_id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }

    /// The tenant: between the first `-` and the last `/`.
    pub fn tenant(&self) -> &str {
        let id = self.aggregate_id();
        id.rsplit_once('/').map_or(id, |(tenant, _)| tenant)
    }

    /// Up to and with the last `/`, and what follows: how the index stores names.
    pub(crate) fn split(&self) -> (&str, &str) {
        match self.0.rfind('/') {
            Some(at) => self.0.split_at(at + 1),
            None => ("", &self.0),
        }
    }
}

impl From<&str> for StreamId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for StreamId {
    fn from(name: String) -> Self {
        Self(Arc::from(name))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{StreamId, Uuid};

    #[test]
    fn an_aggregate_s_stream_is_named_by_type_tenant_and_id() {
        let stream = StreamId::of("invitation", "big-corp", Uuid::from_u128(0xab));
        assert_eq!(stream.as_str(), "invitation-big-corp/00000000-0000-0000-0000-0000000000ab");
    }

    #[test]
    fn a_name_falls_into_type_tenant_and_id() {
        let stream = StreamId::new("invitation-big-corp/018f-7");
        assert_eq!(stream.aggregate_type(), "invitation");
        assert_eq!(stream.aggregate_id(), "big-corp/018f-7");
        assert_eq!(stream.tenant(), "big-corp");
        assert_eq!(stream.split(), ("invitation-big-corp/", "018f-7"));
    }

    #[test]
    fn a_name_without_its_parts_has_them_empty() {
        let stream = StreamId::new("lonely");
        assert_eq!((stream.aggregate_type(), stream.aggregate_id(), stream.tenant()), ("lonely", "", ""));
    }
}
