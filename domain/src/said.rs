//! What the text of a payload says to whoever looks for a few of its members, and not for its event: claims, limits.
//!
//! Each member is read when it is asked for. What one holds else than is looked for counts as nothing.

use crate::Address;
use crate::invitation::Kind;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The members that are looked for, as they stand in the text, with the personal part opened.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Said<'p> {
    #[serde(borrow)]
    kind: Option<&'p RawValue>,
    #[serde(borrow)]
    target: Option<&'p RawValue>,
    #[serde(borrow)]
    active: Option<&'p RawValue>,
    #[serde(borrow)]
    holds_address: Option<&'p RawValue>,
    #[serde(borrow)]
    email_changed: Option<&'p RawValue>,
    #[serde(borrow)]
    personal: Option<&'p RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Personal<'p> {
    #[serde(borrow)]
    email: Option<&'p RawValue>,
    #[serde(borrow)]
    held_email: Option<&'p RawValue>,
    #[serde(borrow)]
    previous_email: Option<&'p RawValue>,
}

/// An address that a personal part may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Email,
    HeldEmail,
    PreviousEmail,
}

impl<'p> Said<'p> {
    #[must_use]
    pub fn by(payload: &'p str) -> Self {
        serde_json::from_str(payload).unwrap_or_default()
    }

    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        read(self.kind)
    }

    #[must_use]
    pub fn target(&self) -> Option<Uuid> {
        read(self.target)
    }

    #[must_use]
    pub fn active(&self) -> Option<bool> {
        read(self.active)
    }

    #[must_use]
    pub fn holds_address(&self) -> Option<bool> {
        read(self.holds_address)
    }

    #[must_use]
    pub fn email_changed(&self) -> bool {
        read(self.email_changed).unwrap_or(false)
    }

    /// None if it is no address, or the person is forgotten.
    #[must_use]
    pub fn address(&self, named: Named) -> Option<Address> {
        let personal: Personal<'_> = read(self.personal)?;
        let text: String = read(match named {
            Named::Email => personal.email,
            Named::HeldEmail => personal.held_email,
            Named::PreviousEmail => personal.previous_email,
        })?;
        Address::parse(&text).ok()
    }
}

fn read<'p, T: Deserialize<'p>>(member: Option<&'p RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_holds_something_else_counts_as_nothing_and_spoils_no_other() {
        let text = r#"{"kind":7,"target":null,"active":"yes","holds_address":true,"email_changed":[1],"new":{"a":[]},
            "personal":{"email":{"at":1},"held_email":"B@x.com","previous_email":"no address","name":null}}"#;
        let said = Said::by(text);
        assert_eq!((said.kind(), said.target(), said.active()), (None, None, None));
        assert_eq!((said.holds_address(), said.email_changed()), (Some(true), false));
        assert_eq!(said.address(Named::HeldEmail), Address::parse("B@x.com").ok());
        assert_eq!((said.address(Named::Email), said.address(Named::PreviousEmail)), (None, None));
    }

    #[test]
    fn whoever_is_sealed_or_forgotten_has_no_address() {
        for personal in [r#""c2VhbGVk""#, r#"{"erased":true}"#, "null", "[]"] {
            let text = format!(r#"{{"kind":"platform","personal":{personal}}}"#);
            assert_eq!(Said::by(&text).address(Named::Email), None, "{text}");
            assert_eq!(Said::by(&text).kind(), Some(Kind::Platform), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_says_nothing() {
        for text in ["", "7", "[]", "{"] {
            assert_eq!(Said::by(text).kind(), None, "{text}");
        }
    }
}
