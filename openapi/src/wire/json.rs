//! Strict JSON: one reading of every body, whoever reads it.
//!
//! Refused: duplicate keys, nesting deeper than [`MAX_DEPTH`], anything after
//! the value. Numbers keep their kind, so that `1.0` is not taken for `1`.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Objects and arrays inside each other.
pub const MAX_DEPTH: usize = 16;

/// Why bytes are no JSON we take. The words are for people; nothing of the body is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    #[error("the body is not valid JSON (line {line}, column {column})")]
    Malformed { line: usize, column: usize },
    #[error("the body has an object with a key twice (line {line}, column {column})")]
    DuplicateKey { line: usize, column: usize },
    #[error("the body is nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Noticed {
    Nothing,
    Duplicate,
    Deep,
}

/// # Errors
/// What rule the bytes break.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonFault> {
    let noticed = Cell::new(Noticed::Nothing);
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let read = Node { depth: 0, noticed: &noticed }.deserialize(&mut input);
    let value = read.and_then(|value| input.end().map(|()| value));
    value.map_err(|error| match noticed.get() {
        Noticed::Nothing => JsonFault::Malformed { line: error.line(), column: error.column() },
        Noticed::Duplicate => JsonFault::DuplicateKey { line: error.line(), column: error.column() },
        Noticed::Deep => JsonFault::TooDeep,
    })
}

#[derive(Clone, Copy)]
struct Node<'n> {
    depth: usize,
    noticed: &'n Cell<Noticed>,
}

impl Node<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            self.noticed.set(Noticed::Deep);
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.contains_key(&key) {
                self.noticed.set(Noticed::Duplicate);
                return Err(A::Error::custom("a key twice"));
            }
            let value = map.next_value_seed(inner)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_json_is_read_as_it_is() {
        let text = r#"{"a": [1, -2, 18446744073709551615, 1.0, true, null, "ü"], "b": {}}"#;
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(value, json!({"a": [1, -2, 18_446_744_073_709_551_615_u64, 1.0, true, null, "ü"], "b": {}}));
        assert_eq!(value["a"][3].as_i64(), None, "1.0 is no integer");
    }

    #[test]
    fn a_key_twice_is_refused_wherever_it_stands() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"b":2,"a":3}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(matches!(parse(text.as_bytes()), Err(JsonFault::DuplicateKey { line: 1, .. })), "{text}");
        }
    }

    #[test]
    fn sixteen_levels_are_read_and_seventeen_are_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(16).as_bytes()).is_ok());
        assert_eq!(parse(nested(17).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(parse("[".repeat(60_000).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(parse(r#"{"a":"#.repeat(20).as_bytes()), Err(JsonFault::TooDeep));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", " ", "{", "{\"a\":}", "1 2", "{} x", "\u{feff}{}", "'a'", "NaN", "01", "\"\\ud800\"", "1e999"]
        {
            assert!(matches!(parse(text.as_bytes()), Err(JsonFault::Malformed { .. })), "{text}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(JsonFault::Malformed { .. })));
    }
}
