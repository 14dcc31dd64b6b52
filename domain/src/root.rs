//! What an aggregate is, and the thirty lines that let cqrs-es drive it.
//!
//! `decide` is pure: state, command and time in; events or a refusal out.
//! `evolve` is total: every event of the log can be folded, for ever.

use crate::{Refusal, TenantName, Timestamp};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::de::DeserializeOwned;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt::Debug;
use uuid::Uuid;

/// Where an event stands in the log. Folding needs it for times and for the
/// public integers (`tseq` of the `Created` event). While a command is being
/// decided the numbers the writer gives are not known yet: `tseq` is 0 then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub tenant: TenantName,
    pub id: Uuid,
    pub at: Timestamp,
    pub tseq: u64,
    pub version: u64,
}

/// An event's name, shape version and payload, as the log keeps them. The
/// member `personal` of a payload is sealed before it is stored; the key is
/// named by the member `subject`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub kind: &'static str,
    pub schema: u32,
    pub payload: Value,
}

/// A payload that is not what its kind and schema promise: the log was written
/// by a newer program, or is damaged.
#[derive(Debug, thiserror::Error)]
#[error("event {aggregate}.{kind} schema {schema} cannot be read")]
pub struct DecodeError {
    pub aggregate: &'static str,
    pub kind: String,
    pub schema: u32,
    #[source]
    pub source: serde_json::Error,
}

/// An enum of events. Its serde form is the externally tagged one; the tag
/// becomes the event's kind and the content its payload.
pub trait Event: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static {
    fn kind(&self) -> &'static str;

    /// Version of the payload's shape; starts at 1.
    fn schema(&self) -> u32 {
        1
    }

    /// Lifts an older payload to today's shape. Events are never edited in the log.
    #[must_use]
    fn upcast(_kind: &str, _schema: u32, payload: Value) -> Value {
        payload
    }

    /// # Errors
    /// When serde cannot represent the event, which is a defect of its type.
    fn encode(&self) -> Result<Encoded, serde_json::Error> {
        let mut payload = Value::Null;
        if let Value::Object(tagged) = serde_json::to_value(self)?
            && let Some((_, content)) = tagged.into_iter().next()
        {
            payload = content;
        }
        Ok(Encoded { kind: self.kind(), schema: self.schema(), payload })
    }

    /// From the payload's text, of today's shape: nothing else is made of it on the way.
    ///
    /// # Errors
    /// What serde finds wrong with the text as an event of today.
    fn read(kind: &str, payload: &str) -> Result<Self, serde_json::Error> {
        let content: &RawValue = serde_json::from_str(payload)?;
        let tagged = MapDeserializer::new(std::iter::once((kind, content)));
        Self::deserialize(MapAccessDeserializer::new(tagged))
    }

    /// From the payload's text; one of an older shape is lifted first.
    ///
    /// # Errors
    /// [`DecodeError`] when the payload has not the shape its kind and schema promise.
    fn decode(aggregate: &'static str, kind: &str, schema: u32, payload: &str) -> Result<Self, DecodeError> {
        let unreadable = |source| DecodeError { aggregate, kind: kind.to_owned(), schema, source };
        match Self::read(kind, payload) {
            Ok(event) if event.schema() == schema => Ok(event),
            Ok(_) | Err(_) => {
                let older = serde_json::from_str(payload).map_err(unreadable)?;
                let lifted = [(kind.to_owned(), Self::upcast(kind, schema, older))].into_iter().collect();
                serde_json::from_value(Value::Object(lifted)).map_err(unreadable)
            }
        }
    }
}

/// An aggregate of the domain.
pub trait Root: Default + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The first part of its stream ids. No `-` in it.
    const TYPE: &'static str;
    type Command: Send + Sync + 'static;
    type Event: Event;

    /// # Errors
    /// The refusal, in the domain's words; dialects translate it.
    fn decide(&self, command: Self::Command, now: Timestamp) -> Result<Vec<Self::Event>, Refusal>;
    fn evolve(&mut self, event: &Self::Event, origin: &Origin);
}

/// An event together with its place, which is what cqrs-es folds.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<E> {
    pub event: E,
    pub origin: Origin,
}

// cqrs-es asks for serde on its event type. The ledger stores what
// `Event::encode` makes, so only the event itself is ever serialized here.
impl<E: Serialize> Serialize for Fact<E> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl<'de, E: Deserialize<'de>> Deserialize<'de> for Fact<E> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = E::deserialize(deserializer)?;
        let origin =
            Origin { tenant: TenantName::default_tenant(), id: Uuid::nil(), at: Timestamp(0), tseq: 0, version: 0 };
        Ok(Self { event, origin })
    }
}

impl<E: Event> DomainEvent for Fact<E> {
    fn event_type(&self) -> String {
        self.event.kind().to_owned()
    }
    fn event_version(&self) -> String {
        self.event.schema().to_string()
    }
}

/// A command with the time and place it is decided at.
#[derive(Clone, Debug)]
pub struct Ordered<C> {
    pub command: C,
    /// Place of the event before the first one this command will emit.
    pub base: Origin,
}

/// A domain aggregate in the shape cqrs-es asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Folded<A: Root>(pub A);

impl<A: Root> Default for Folded<A> {
    fn default() -> Self {
        Self(A::default())
    }
}

impl<A: Root> Aggregate for Folded<A> {
    const TYPE: &'static str = A::TYPE;
    type Command = Ordered<A::Command>;
    type Event = Fact<A::Event>;
    type Error = Refusal;
    type Services = ();

    async fn handle(&mut self, ordered: Self::Command, _: &(), sink: &EventSink<Self>) -> Result<(), Refusal> {
        let mut origin = ordered.base;
        for event in self.0.decide(ordered.command, origin.at)? {
            origin.version += 1;
            sink.write(Fact { event, origin: origin.clone() }, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, fact: Self::Event) {
        self.0.evolve(&fact.event, &fact.origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Its second shape has one name where the first had two.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Toy {
        Named { name: String },
    }

    impl Event for Toy {
        fn kind(&self) -> &'static str {
            "Named"
        }

        fn schema(&self) -> u32 {
            2
        }

        fn upcast(_kind: &str, schema: u32, payload: Value) -> Value {
            let part = |member: &str| payload[member].as_str().unwrap_or_default();
            if schema == 1 { json!({"name": format!("{} {}", part("first"), part("name"))}) } else { payload }
        }
    }

    #[test]
    fn an_event_of_an_older_shape_is_lifted_even_if_it_reads_as_one_of_today() {
        let ada = |name: &str| Toy::Named { name: name.to_owned() };
        let older = r#"{"first":"Ada","name":"Lovelace"}"#;
        assert_eq!(Toy::read("Named", older).unwrap(), ada("Lovelace"));
        assert_eq!(Toy::decode("toy", "Named", 1, older).unwrap(), ada("Ada Lovelace"));
        assert_eq!(Toy::decode("toy", "Named", 2, r#"{"name":"Ada"}"#).unwrap(), ada("Ada"));
        for (kind, payload) in [("Named", "{}"), ("Named", "{"), ("Renamed", older)] {
            let refused = Toy::decode("toy", kind, 2, payload).unwrap_err();
            assert_eq!(refused.to_string(), format!("event toy.{kind} schema 2 cannot be read"));
        }
    }
}
