//! E-mail addresses: what is accepted, and when two are the same.
//!
//! RFC 6531 dot-string local part of at most 64 bytes without quotes, a UTS-46
//! domain without literals, 254 bytes in all, NFC, no control or bidi
//! characters. Mail goes to the address as given; two addresses are the same
//! when [`Address::key`] is, and making a key of a key changes nothing.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use unicode_normalization::{UnicodeNormalization, is_nfc};

pub const MAX_ADDRESS_BYTES: usize = 254;
pub const MAX_LOCAL_BYTES: usize = 64;

/// A well-formed address, as given (after NFC normalization). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Arc<str>", from = "Arc<str>")]
pub struct Address {
    given: Arc<str>,
    /// The same text again where it is its own key, as most are.
    key: Arc<str>,
}

/// Why a text is no address; the words are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("is blank")]
    Blank,
    #[error("is longer than 254 bytes")]
    TooLong,
    #[error("needs exactly one @ between a name and a domain")]
    Shape,
    #[error("has a name before the @ that is not a plain dot-separated one of at most 64 bytes")]
    Local,
    #[error("has a domain that does not exist in the domain name system's form")]
    Domain,
    #[error("has control, space or direction characters")]
    Characters,
}

impl Address {
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Blank);
        }
        if text.len() > MAX_ADDRESS_BYTES * 2 {
            return Err(AddressError::TooLong);
        }
        let normalized: String = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
        if normalized.chars().any(is_unsafe) {
            return Err(AddressError::Characters);
        }
        let (local, domain) = normalized.rsplit_once('@').ok_or(AddressError::Shape)?;
        if !is_dot_string(local) {
            return Err(AddressError::Local);
        }
        let ascii = ascii_domain(domain).ok_or(AddressError::Domain)?;
        if normalized.len() > MAX_ADDRESS_BYTES || local.len() + 1 + ascii.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        Ok(Self::keyed(normalized.as_str().into(), local, &ascii))
    }

    fn keyed(given: Arc<str>, local: &str, ascii_domain: &str) -> Self {
        let is_key = |(name, domain)| name == local && domain == ascii_domain;
        let plain = !local.bytes().any(|b| b.is_ascii_uppercase()) && given.rsplit_once('@').is_some_and(is_key);
        let key = if plain { given.clone() } else { format!("{}@{ascii_domain}", local.to_ascii_lowercase()).into() };
        Self { given, key }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// What addresses are compared by: ASCII of the local part in lower case,
    /// the domain in its ASCII form.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl From<Address> for Arc<str> {
    fn from(address: Address) -> Self {
        address.given
    }
}

/// Of a text that was an address before: it is not checked again.
impl From<Arc<str>> for Address {
    fn from(given: Arc<str>) -> Self {
        // Nothing of it is mapped; replays read millions of these.
        if given.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
            return Self { key: given.clone(), given };
        }
        match given.clone().rsplit_once('@') {
            Some((local, domain)) => {
                let ascii = ascii_domain(domain).unwrap_or_else(|| domain.to_ascii_lowercase());
                Self::keyed(given, local, &ascii)
            }
            None => Self { key: given.clone(), given },
        }
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.given
    }
}

/// Characters that may not reach a header, an envelope or a log line: controls,
/// white space, and those that change the direction or hide in a text.
fn is_unsafe(c: char) -> bool {
    c.is_control() || c.is_whitespace() || is_bidi_or_hidden(c)
}

#[must_use]
pub(crate) fn is_bidi_or_hidden(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

fn is_dot_string(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= MAX_LOCAL_BYTES
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() && is_host_name(domain) && !domain.split('.').any(|l| l.len() > 3 && l[2..].starts_with("--"))
    {
        return Some(domain.to_ascii_lowercase());
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    is_host_name(&ascii).then_some(ascii)
}

fn is_host_name(ascii: &str) -> bool {
    let labels = || ascii.split('.');
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // A last label of digits is an IPv4 literal or nothing that resolves.
    labels().nth(1).is_some()
        && labels().all(label)
        && !labels().next_back().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_the_documents_are_accepted() {
        for text in [
            "jane.mead@acmepaymentscorp.com",
            "4oswaldo@steuber-greenfelder.info",
            "Jörg@Büro.example",
            "a+b@x.co",
            "用户@例え.jp",
        ] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_could_trick_a_mail_server_or_a_reader_is_refused() {
        let cases = [
            ("", AddressError::Blank),
            ("jane", AddressError::Shape),
            ("jane@", AddressError::Domain),
            ("@x.com", AddressError::Local),
            ("a@b@x.com", AddressError::Local),
            ("a..b@x.com", AddressError::Local),
            ("\"a b\"@x.com", AddressError::Characters),
            ("\"ab\"@x.com", AddressError::Local),
            ("a@[127.0.0.1]", AddressError::Domain),
            ("a@127.0.0.1", AddressError::Domain),
            ("a@localhost", AddressError::Domain),
            ("a@x.com\r\nBcc: b@x.com", AddressError::Characters),
            ("a\u{202E}b@x.com", AddressError::Characters),
        ];
        for (text, error) in cases {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@x.com", "a".repeat(65))), Err(AddressError::Local));
        assert_eq!(
            Address::parse(&format!(
                "a@{}.com",
                ["b".repeat(63), "c".repeat(63), "d".repeat(63), "e".repeat(63)].join(".")
            )),
            Err(AddressError::TooLong)
        );
    }

    #[test]
    fn upper_case_and_international_spellings_are_one_address() {
        let key = |t: &str| Address::parse(t).unwrap().key().to_owned();
        assert_eq!(key("Jane.Mead@ACME.com"), "jane.mead@acme.com");
        assert_eq!(key("a@BÜRO.example"), key("a@xn--bro-hoa.example"));
        assert_eq!(key("jo\u{0308}rg@x.com"), key("jörg@x.com"));
        assert_eq!(key(&key("Ä.B@Büro.example")), key("Ä.B@Büro.example"));
    }

    #[test]
    fn an_address_read_back_has_the_key_it_was_parsed_with() {
        let given =
            ["ada@example.com", "Ada.B@Example.COM", "jö@bücher.example", "x@xn--bcher-kva.example", "a_b+c@x-y.z1"];
        for given in given {
            let parsed = Address::parse(given).unwrap();
            let read: Address = serde_json::from_str(&serde_json::to_string(&parsed).unwrap()).unwrap();
            assert_eq!((read.as_str(), read.key()), (parsed.as_str(), parsed.key()));
        }
    }
}
