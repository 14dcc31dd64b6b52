//! From the bytes of a request to its parameters: media types, base64 on the
//! sensitive routes, strict JSON.

use super::refusal::Refused;
use super::slug::Slug;
use crate::wire::{BodyFault, Media, media, parse};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use poem::Request;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// How an operation's body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// Base64 of the JSON as `text/plain`, so that it stands in no log that looks for JSON.
    Sensitive,
}

/// The standard alphabet, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain";
/// What answers carry.
pub(super) const ANSWER_TYPE: &str = "application/json; charset=utf-8";

/// Whether the caller takes JSON at all.
pub(super) fn acceptable(request: &Request) -> Result<(), Refused> {
    let lines: Vec<&str> = request.headers().get_all("accept").iter().filter_map(|v| v.to_str().ok()).collect();
    if lines.iter().all(|line| line.trim().is_empty()) {
        return Ok(());
    }
    let ranges = media::accept(lines).unwrap_or_default();
    if media::weight(&ranges, JSON) > 0 { Ok(()) } else { Err(Refused::new(Slug::NotAcceptable)) }
}

/// Whether the body is of the type the operation reads.
pub(super) fn content_type(request: &Request, form: Form) -> Result<(), Refused> {
    let expected = match form {
        Form::Json => JSON,
        Form::Sensitive => PLAIN,
    };
    let mut lines = request.headers().get_all("content-type").iter();
    let sent = match (lines.next(), lines.next()) {
        (Some(one), None) => one.to_str().ok().and_then(media::MediaType::parse),
        (_, _) => None,
    };
    let readable = sent.is_some_and(|sent| {
        let charset = sent.parameter("charset").map(str::to_ascii_lowercase);
        sent.essence == expected && charset.is_none_or(|c| matches!(c.as_str(), "utf-8" | "utf8" | "us-ascii"))
    });
    if readable {
        return Ok(());
    }
    Err(Refused::saying(Slug::InvalidContentType, format!("The content type of this route is {expected}.")))
}

/// The members of the body's object.
pub(super) fn decode(bytes: Result<&[u8], BodyFault>, form: Form) -> Result<Map<String, Value>, Refused> {
    let bytes = bytes.map_err(|fault| match fault {
        BodyFault::TooLarge => Refused::new(Slug::PayloadTooLarge),
        BodyFault::TimedOut | BodyFault::Broken => Refused::saying(Slug::InvalidEncodedParams, sentence(&fault)),
    })?;
    let json: Cow<'_, [u8]> = match form {
        Form::Json => bytes.into(),
        Form::Sensitive => sensitive(bytes)?.into(),
    };
    match parse(&json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Refused::new(Slug::NoParamsDecoded))
        }
        Err(fault) => Err(Refused::saying(Slug::InvalidEncodedParams, sentence(&fault))),
    }
}

fn sensitive(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let text: Vec<u8> = bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64
        .decode(text)
        .map_err(|_| Refused::saying(Slug::InvalidEncodedParams, "The body of this route is base64 of JSON."))
}

/// A fault's words, for people.
fn sentence(fault: &dyn std::error::Error) -> String {
    let text = fault.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

/// Bodies of ordinary routes.
pub(super) struct JsonMedia;

impl Media for JsonMedia {
    const TYPES: &'static [&'static str] = &[JSON];
}

/// Bodies of sensitive routes.
pub(super) struct SensitiveMedia;

impl Media for SensitiveMedia {
    const TYPES: &'static [&'static str] = &[PLAIN];
}

/// Base64 of JSON, in the document.
pub(super) struct Base64OfJson;

impl Type for Base64OfJson {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string(byte)".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "byte")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

/// The member `data` of an answer that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nothing;

impl Type for Nothing {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "nothing".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema { nullable: true, ..MetaSchema::new("object") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::empty())
    }
}

impl ParseFromJSON for Nothing {
    fn parse_from_json(_: Option<Value>) -> ParseResult<Self> {
        Ok(Self)
    }
}

impl ToJSON for Nothing {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decoded(bytes: &[u8], form: Form) -> Result<Value, &'static str> {
        decode(Ok(bytes), form).map(Value::Object).map_err(|refused| refused.slug.name())
    }

    fn typed(lines: &[&str], form: Form) -> Result<(), &'static str> {
        let request = lines.iter().fold(Request::builder(), |r, line| r.header("Content-Type", *line)).finish();
        content_type(&request, form).map_err(|refused| refused.slug.name())
    }

    #[test]
    fn a_sensitive_body_is_base64_padded_or_not_and_broken_into_lines_or_not() {
        let expected = Ok(json!({"a": "1"}));
        // {"a": "1"} is ten bytes: two signs of padding.
        for text in ["eyJhIjogIjEifQ==", "eyJhIjogIjEifQ", " eyJhIjog\r\nIjEi\tfQ==\n", "eyJhIjogIjEifQ="] {
            assert_eq!(decoded(text.as_bytes(), Form::Sensitive), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_base64_of_json_is_refused() {
        let texts = ["{\"a\": \"1\"}", "", "eyJh*IjogIjEifQ==", "bm90IGpzb24=", "8J-YgA==", "eyJhIjogIjEifR"];
        for text in texts {
            assert_eq!(decoded(text.as_bytes(), Form::Sensitive), Err("invalid-encoded-params"), "{text}");
        }
        assert_eq!(decoded(b"\xff", Form::Sensitive), Err("invalid-encoded-params"));
        assert_eq!(decoded(b"bnVsbA==", Form::Sensitive), Err("no-params-decoded"));
    }

    #[test]
    fn only_an_object_holds_parameters() {
        assert_eq!(decoded(b"{\"id\": 1}", Form::Json), Ok(json!({"id": 1})));
        for text in ["[]", "null", "\"token\"", "7", "true"] {
            assert_eq!(decoded(text.as_bytes(), Form::Json), Err("no-params-decoded"), "{text}");
        }
        for text in ["", "{", "token=x", "{\"a\":1,\"a\":2}", "{\"a\":1}{"] {
            assert_eq!(decoded(text.as_bytes(), Form::Json), Err("invalid-encoded-params"), "{text}");
        }
        let faults = [(BodyFault::TooLarge, 413), (BodyFault::TimedOut, 400), (BodyFault::Broken, 400)];
        for (fault, status) in faults {
            let refused = decode(Err(fault), Form::Json).map_err(|r| r.slug.http().as_u16());
            assert_eq!(refused, Err(status));
        }
    }

    #[test]
    fn the_content_type_is_the_routes_own() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert_eq!(typed(&[good], Form::Json), Ok(()), "{good}");
        }
        for bad in ["text/plain", "application/json; charset=utf-16", "application/vnd.api+json", "json", ""] {
            assert_eq!(typed(&[bad], Form::Json), Err("invalid-content-type"), "{bad}");
        }
        assert_eq!(typed(&[], Form::Json), Err("invalid-content-type"));
        assert_eq!(typed(&["application/json", "application/json"], Form::Json), Err("invalid-content-type"));
        assert_eq!(typed(&["text/plain"], Form::Sensitive), Ok(()));
        assert_eq!(typed(&["application/json"], Form::Sensitive), Err("invalid-content-type"));
    }

    #[test]
    fn answers_are_json_for_whoever_takes_json() {
        let asked = |accept: &str| acceptable(&Request::builder().header("Accept", accept).finish()).is_ok();
        assert!(acceptable(&Request::builder().finish()).is_ok());
        for good in ["*/*", "application/*", "text/html, application/json;q=0.1"] {
            assert!(asked(good), "{good}");
        }
        for bad in ["text/html", "application/json;q=0, */*", "nonsense"] {
            assert!(!asked(bad), "{bad}");
        }
    }
}
