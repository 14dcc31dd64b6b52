//! Canonical JSON (RFC 8785) for payloads, metadata and log entries.
//!
//! Promise: one value has one text. Members are sorted by their UTF-16 code
//! units, whatever order the map holds them in; numbers are integers that a
//! double holds exactly. Anything else is refused rather than rounded.

use std::{cmp::Ordering, collections::BTreeMap, fmt::Write};

use serde_json::{Map, Value};

/// The largest integer a double holds exactly.
const LARGEST: u64 = (1 << 53) - 1;
/// Deeper than any event of ours, and far from the stack's end.
const DEEPEST: usize = 32;

/// Why a value has no canonical text here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Fraction,
    LargeInteger,
    TooDeep,
}

impl Refused {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Refused::Fraction => "a payload holds a number that is not an integer",
            Refused::LargeInteger => "a payload holds an integer beyond 2^53 - 1",
            Refused::TooDeep => "a payload is nested too deeply",
        }
    }
}

/// Appends the text of a value.
pub(crate) fn write(value: &Value, out: &mut String) -> Result<(), Refused> {
    write_value(value, out, 0)
}

/// Appends the text of a flat map.
pub(crate) fn write_strings(map: &BTreeMap<String, String>, out: &mut String) {
    let mut members: Vec<(&String, &String)> = map.iter().collect();
    members.sort_unstable_by(|a, b| order(a.0, b.0));
    out.push('{');
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_string(value, out);
    }
    out.push('}');
}

fn write_value(value: &Value, out: &mut String, depth: usize) -> Result<(), Refused> {
    if depth > DEEPEST {
        return Err(Refused::TooDeep);
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(object) => write_members(object, out, depth)?,
    }
    Ok(())
}

fn write_members(object: &Map<String, Value>, out: &mut String, depth: usize) -> Result<(), Refused> {
    let sorted = object.keys().zip(object.keys().skip(1)).all(|(a, b)| order(a, b).is_lt());
    let mut first = true;
    let mut member = |name: &String, value: &Value, out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_value(value, out, depth + 1)
    };
    out.push('{');
    if sorted {
        for (name, value) in object {
            member(name, value, out)?;
        }
    } else {
        let mut members: Vec<(&String, &Value)> = object.iter().collect();
        members.sort_unstable_by(|a, b| order(a.0, b.0));
        for (name, value) in members {
            member(name, value, out)?;
        }
    }
    out.push('}');
    Ok(())
}

fn write_number(number: &serde_json::Number, out: &mut String) -> Result<(), Refused> {
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)).ok_or(Refused::Fraction)?;
    if size > LARGEST {
        return Err(Refused::LargeInteger);
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
    Ok(())
}

/// Appends a string with exactly the escapes RFC 8785 asks for.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    loop {
        let plain = plain_bytes(rest.as_bytes());
        out.push_str(&rest[..plain]);
        let Some(byte) = rest.as_bytes().get(plain) else { break };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            other => {
                out.push_str("\\u00");
                out.push(char::from(b'0' + (other >> 4)));
                out.push(char::from(b"0123456789abcdef"[usize::from(other & 15)]));
            }
        }
        rest = &rest[plain + 1..];
    }
    out.push('"');
}

/// How many bytes stand before the first one that is escaped. Entries are long
/// and escapes few, so eight bytes are looked at at a time.
fn plain_bytes(text: &[u8]) -> usize {
    let is_plain = |byte: &u8| !matches!(byte, 0..0x20 | b'"' | b'\\');
    let (words, last) = text.as_chunks::<8>();
    let plain_words = words.iter().take_while(|word| !holds_escaped(u64::from_ne_bytes(**word))).count();
    let from = plain_words * 8;
    let within = words.get(plain_words).map_or(last, |word| word);
    from + within.iter().take_while(|byte| is_plain(byte)).count()
}

/// Whether one of eight bytes is below 0x20, a quotation mark or a backslash.
fn holds_escaped(word: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word & HIGH;
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    below(word, 0x20) | is(b'"') | is(b'\\') != 0
}

fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Refused, write};

    fn text(value: &Value) -> Result<String, Refused> {
        let mut out = String::new();
        write(value, &mut out).map(|()| out)
    }

    #[test]
    fn members_are_sorted_by_utf16_and_strings_escaped_as_rfc_8785_says() {
        // The RFC's own example of sorting, 3.2.3.
        let value: Value = serde_json::from_str(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"Latin"}"#,
        )
        .unwrap();
        assert_eq!(
            text(&value).unwrap(),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin\",\"€\":\"Euro Sign\",\"😀\":\"Emoji\",\"\u{fb33}\":\"Hebrew\"}"
        );
        assert_eq!(text(&json!("\u{1f}\u{7}\u{8}\t\n\u{c}\"\\/")).unwrap(), r#""\u001f\u0007\b\t\n\f\"\\/""#);
    }

    #[test]
    fn what_has_no_single_text_is_refused() {
        assert_eq!(text(&json!({"a": [1.5]})), Err(Refused::Fraction));
        assert_eq!(text(&json!(9_007_199_254_740_992_u64)), Err(Refused::LargeInteger));
        assert_eq!(text(&json!(-9_007_199_254_740_991_i64)).unwrap(), "-9007199254740991");
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(text(&deep), Err(Refused::TooDeep));
    }

    #[test]
    fn serde_json_does_not_preserve_order() {
        // With the feature on, texts of two processes could differ where sorting is left to the map.
        let value: Value = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":2,"b":1}"#, "a dependency switched serde_json/preserve_order on");
    }

    proptest! {
        /// Below U+0080, serde_json escapes what RFC 8785 does.
        #[test]
        fn a_string_is_escaped_as_another_writer_does(text in "[\\x00-\\x7e\"\\\\äß字]{0,40}") {
            let mut written = String::new();
            super::write_string(&text, &mut written);
            prop_assert_eq!(written, serde_json::to_string(&text).unwrap());
        }
    }
}
