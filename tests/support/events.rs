//! The log as tests compare it.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Event {
    pub position: u64,
    pub tenant: String,
    pub tseq: u64,
    pub stream: String,
    pub version: u64,
    pub event_id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    pub at: String,
    pub payload: Value,
    pub metadata: BTreeMap<String, String>,
    pub leaf: String,
}

impl Event {
    pub fn lines(text: &str) -> Vec<Self> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// `invitation.Created`
    pub fn name(&self) -> String {
        format!("{}.{}", self.stream.split('-').next().unwrap_or_default(), self.kind)
    }
}

/// The names of events, in order.
pub fn names(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::name).collect()
}

/// The story that events tell, without what is drawn or counted: every id is
/// the number of its first appearance, secrets and hashes are blanked, and
/// what says through which door a command came is left out.
pub fn story(events: &[Event]) -> Vec<Value> {
    let mut ids = BTreeMap::new();
    events
        .iter()
        .map(|event| {
            let mut told = Map::new();
            told.insert("stream".to_owned(), plain(&Value::String(event.stream.clone()), &mut ids));
            told.insert("version".to_owned(), event.version.into());
            told.insert("event".to_owned(), event.name().into());
            told.insert("tenant".to_owned(), event.tenant.clone().into());
            told.insert("schema".to_owned(), event.schema.into());
            told.insert("payload".to_owned(), plain(&event.payload, &mut ids));
            let actor = event.metadata.get("actor").cloned().unwrap_or_default();
            told.insert("actor".to_owned(), plain(&Value::String(actor), &mut ids));
            Value::Object(told)
        })
        .collect()
}

fn plain(value: &Value, ids: &mut BTreeMap<String, usize>) -> Value {
    match value {
        Value::String(text) => Value::String(plain_text(text, ids)),
        Value::Array(items) => items.iter().map(|item| plain(item, ids)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), plain(member, ids))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Ids and hashes stand at the end of texts: `user:{uuid}`, `invitation-default/{uuid}`.
fn plain_text(text: &str, ids: &mut BTreeMap<String, usize>) -> String {
    const UUID: usize = 36;
    const HASH: usize = 64;
    if text.len() >= HASH && text.is_char_boundary(text.len() - HASH) {
        let (before, tail) = text.split_at(text.len() - HASH);
        if tail.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return format!("{before}<hash>");
        }
    }
    if text.len() >= UUID && text.is_char_boundary(text.len() - UUID) {
        let (before, tail) = text.split_at(text.len() - UUID);
        if Uuid::try_parse(tail).is_ok() {
            let next = ids.len();
            let number = *ids.entry(tail.to_owned()).or_insert(next);
            return format!("{before}<id {number}>");
        }
    }
    text.to_owned()
}
