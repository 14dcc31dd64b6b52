//! Reads JSON whose objects may name a key twice, and merges what stands there:
//! poem-openapi writes a path once per part of an API that declares it.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

pub(super) struct Merged(pub Value);

impl<'de> Deserialize<'de> for Merged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Merged;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Merged, E> {
        Ok(Merged(v.into()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Merged, E> {
        Ok(Merged(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Merged, E> {
        Ok(Merged(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Merged, E> {
        Ok(Merged(v.into()))
    }

    fn visit_str<E>(self, v: &str) -> Result<Merged, E> {
        Ok(Merged(v.into()))
    }

    fn visit_unit<E>(self) -> Result<Merged, E> {
        Ok(Merged(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merged, A::Error> {
        let mut items = vec![];
        while let Some(Merged(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Merged(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Merged, A::Error> {
        let mut members = Map::new();
        while let Some((key, Merged(value))) = map.next_entry::<String, Merged>()? {
            match (members.get_mut(&key), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => {
                    members.insert(key, value);
                }
            }
        }
        Ok(Merged(members.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_declared_twice_has_both_methods() {
        let Merged(value) = serde_json::from_str(r#"{"/a": {"get": 1}, "/a": {"post": 2}, "b": [1.5, null]}"#).unwrap();
        assert_eq!(value, json!({"/a": {"get": 1, "post": 2}, "b": [1.5, null]}));
    }
}
