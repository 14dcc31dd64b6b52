//! Texts and numbers with rules, as the document says them. Bodies and
//! parameters are read by hand; these types say what is read and written.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{Any, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

macro_rules! documented {
    ($(#[$doc:meta])* $name:ident of $raw:ty, $schema:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $raw);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                self.0.to_json()
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                <$raw>::parse_from_json(value).map(Self).map_err(ParseError::propagate)
            }
        }
    };
}

fn format(format: &'static str) -> MetaSchema {
    MetaSchema::new_with_format("string", format)
}

fn pattern(pattern: &str) -> MetaSchema {
    MetaSchema { pattern: Some(pattern.to_owned()), ..MetaSchema::new("string") }
}

fn text(pattern: &str, max_length: usize) -> MetaSchema {
    MetaSchema { max_length: Some(max_length), ..self::pattern(pattern) }
}

fn whole(least: f64, most: f64) -> MetaSchema {
    MetaSchema { minimum: Some(least), maximum: Some(most), ..MetaSchema::new_with_format("integer", "int64") }
}

/// Integers beyond this are not the same in every JSON reader.
const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;
/// Without control and direction characters, as `domain::text` has it.
const LINE: &str = r"^[^\u0000-\u001F\u007F-\u009F\u061C\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]*$";
/// The same with line breaks and tabs.
const LINES: &str =
    r"^[^\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]*$";
/// A line with a letter, digit or sign in it.
const NAME: &str = r"^[^\u0000-\u001F\u007F-\u009F\u061C\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]*[!-~\u00A1-\u0377\u0400-\u0556][^\u0000-\u001F\u007F-\u009F\u061C\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]*$";

documented!(
    /// A time, RFC 3339, UTC, whole seconds.
    Time of String, format("date-time")
);
documented!(
    /// An e-mail address.
    EmailText of String, format("email")
);
documented!(
    /// A day, `YYYY-MM-DD`.
    Day of String, format("date")
);
documented!(
    /// The name of a tenant.
    TenantText of String, pattern("^[a-z0-9-]{1,32}$")
);
documented!(
    /// What an `Idempotency-Key` may be.
    KeyText of String, pattern("^[!-~]{1,255}$")
);
documented!(
    /// One line of free text.
    Line of String, text(LINE, domain::text::MAX_TEXT)
);
documented!(
    /// One item of `skills`.
    Skill of String, text(LINE, domain::employee::MAX_SKILL)
);
documented!(
    /// A name somebody has to recognize.
    NameText of String, text(NAME, domain::text::MAX_TEXT)
);
documented!(
    /// The inviter's own words.
    MessageText of String, text(LINES, domain::text::MAX_MESSAGE)
);
documented!(
    /// A decimal number in a string, -180 to 180.
    Longitude of String, text(r"^-?((1[0-7]|[1-9])?[0-9](\.[0-9]{1,12})?|180)$", domain::text::MAX_TEXT)
);
documented!(
    /// A decimal number in a string, -90 to 90.
    Latitude of String, text(r"^-?([1-8]?[0-9](\.[0-9]{1,12})?|90)$", domain::text::MAX_TEXT)
);
documented!(
    /// Which page, from 1.
    PageNumber of u64, whole(1.0, 1_000_000_000.0)
);
documented!(
    /// Rows of a page.
    PageSize of u64, whole(1.0, 100.0)
);
documented!(
    /// Entries of a part of something that is read in order.
    PartSize of u64, whole(1.0, 1_000.0)
);
documented!(
    /// A position in the log.
    Position of u64, whole(0.0, MAX_INTEGER)
);
documented!(
    /// The public integer of an employee or integration.
    Number of u64, whole(1.0, MAX_INTEGER)
);
documented!(
    /// An integer that is the same in every JSON reader.
    SafeInteger of i64, whole(-MAX_INTEGER, MAX_INTEGER)
);
documented!(
    /// Whatever stands there, it is not looked at.
    Ignored of Any<Value>, MetaSchema::ANY
);

impl From<domain::Timestamp> for Time {
    fn from(value: domain::Timestamp) -> Self {
        Self(value.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem_openapi::Validator;
    use poem_openapi::validation::Pattern;

    /// Both sides of every border, and one within.
    const SIGNS: &str = "\u{0}\u{8}\t\n\u{B}\r\u{1F} !~\u{7F}\u{9F}\u{A0}\u{A1}\u{61B}\u{61C}\u{61D}\u{200A}\u{200B}\u{200E}\u{200F}\
        \u{2010}\u{2029}\u{202A}\u{202E}\u{202F}\u{205F}\u{2060}\u{2066}\u{206F}\u{2070}\u{FEFE}\u{FEFF}\u{FFF8}\u{FFF9}\
        \u{FFFB}\u{FFFC}aé字\u{1F600}";

    #[test]
    fn patterns_of_free_text_take_what_the_domain_takes() {
        let fits = |pattern: &'static str, text: &str| Pattern::new(pattern).check(&text);
        for sign in SIGNS.chars() {
            let text = sign.to_string();
            let line = domain::text::line(&text, 200).is_ok();
            assert_eq!(fits(LINE, &text), line, "{sign:?}");
            assert_eq!(fits(LINES, &text), domain::text::lines(&text, 200).is_ok(), "{sign:?}");
            // A name may be refused that the domain would take, not the other way.
            assert!(line && !text.trim().is_empty() || !fits(NAME, &text), "{sign:?}");
        }
        assert!(fits(NAME, " Acme Roofing "));
        assert!(!fits(NAME, "   "));
    }
}
