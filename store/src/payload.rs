//! What the store itself reads of a payload, which is canonical JSON and stays the text it is.
//!
//! The log has the text with its personal member sealed, whoever reads the event the same text
//! with that member opened. From one to the other only that member is replaced: nothing is made
//! of the others, neither way.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The members that mean something to the store. Not to be printed: the text may be in clear.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'p> {
    /// All of it.
    pub text: &'p str,
    /// Whose it is.
    pub subject: Option<Uuid>,
    /// JSON: what commits to the subject's key, in the event that is the first to name the subject.
    pub commitment: Option<&'p str>,
    /// The text of the personal member: an object in clear, a string once it is sealed.
    pub personal: Option<&'p str>,
}

impl<'p> Parts<'p> {
    /// None if it is no text of an object, or one that names a member twice.
    pub(crate) fn of(text: &'p str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Members<'p> {
            #[serde(borrow)]
            subject: Option<&'p RawValue>,
            #[serde(borrow)]
            personal: Option<&'p RawValue>,
        }
        #[derive(Deserialize)]
        struct Subject<'p> {
            #[serde(borrow)]
            id: Cow<'p, str>,
            #[serde(borrow)]
            commitment: Option<&'p RawValue>,
        }
        let members: Members<'p> = object(text)?;
        let named = members.subject.and_then(|subject| object::<Subject<'p>>(subject.get()));
        Some(Self {
            text,
            subject: named.as_ref().and_then(|subject| Uuid::try_parse(&subject.id).ok()),
            commitment: named.and_then(|subject| subject.commitment).map(RawValue::get),
            personal: members.personal.map(RawValue::get),
        })
    }

    /// The whole text with another one in the place of the personal member; none if it has no such member.
    pub(crate) fn with_personal(self, other: &str) -> Option<String> {
        let personal = self.personal?;
        let from = personal.as_ptr().addr() - self.text.as_ptr().addr();
        let (before, rest) = self.text.split_at(from);
        Some([before, other, &rest[personal.len()..]].concat())
    }
}

/// Serde would also take members in a row for an object.
fn object<'p, T: Deserialize<'p>>(text: &'p str) -> Option<T> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Parts;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_subject_is_named_by_its_member_and_nothing_else() {
        let id = Uuid::parse_str(ID).ok();
        for (payload, subject, commitment) in [
            (
                format!(r#"{{"by":{{"subject":1}},"subject":{{"commitment":"c","id":"{ID}"}},"x":[null]}}"#),
                id,
                Some("\"c\""),
            ),
            (format!(r#"{{"subject":{{"id":"\u0030{}"}}}}"#, &ID[1..]), id, None),
            (format!(r#"{{"x":{{"subject":{{"id":"{ID}"}}}}}}"#), None, None),
            (r#"{"subject":{"id":"nobody"}}"#.to_owned(), None, None),
            (r#"{"subject":{"id":7}}"#.to_owned(), None, None),
            (format!(r#"{{"subject":"{ID}"}}"#), None, None),
            (format!(r#"{{"subject":["{ID}","c"]}}"#), None, None),
            (format!(r#"{{"subject":{{"commitment":null,"id":"{ID}"}}}}"#), id, None),
            (r#"{"subject":null}"#.to_owned(), None, None),
        ] {
            let parts = Parts::of(&payload).unwrap();
            assert_eq!((parts.subject, parts.commitment), (subject, commitment), "{payload}");
        }
        for damaged in
            ["", "{", "7", "null", "[null,null]", r#"{"a":1} x"#, r#"{"a":01}"#, r#"{"personal":1,"personal":2}"#]
        {
            assert!(Parts::of(damaged).is_none(), "{damaged}");
        }
    }

    #[test]
    fn the_personal_member_is_replaced_in_its_place() {
        let text = r#"{"a":{"personal":"v1.x"},"personal":"v1.x","z":"\"personal\":\"v1.x\""}"#;
        let parts = Parts::of(text).unwrap();
        assert_eq!(parts.personal, Some(r#""v1.x""#));
        let clear = parts.with_personal(r#"{"email":"ä@x.com"}"#).unwrap();
        assert_eq!(clear, r#"{"a":{"personal":"v1.x"},"personal":{"email":"ä@x.com"},"z":"\"personal\":\"v1.x\""}"#);
        assert_eq!(Parts::of(&clear).unwrap().with_personal(r#""v1.x""#).as_deref(), Some(text));
        for without in ["{}", r#"{"personal":null}"#, r#"{"x":{"personal":1}}"#] {
            assert_eq!(Parts::of(without).unwrap().with_personal("1"), None, "{without}");
        }
    }
}
