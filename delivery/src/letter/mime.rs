//! A letter as the bytes of a message: text and HTML as alternatives.
//!
//! Invariant: nothing with a control character reaches a header or an
//! envelope (RUSTSEC-2026-0561 is about a mail library that lets them pass).

use super::{Letter, is_unsafe};
use crate::error::DeliveryError;
use domain::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a line without its end, by RFC 5322.
const MAX_LINE: usize = 998;

/// How the text part may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// As it is, in 7 or 8 bits, so that a link stands whole on its line.
    Whole,
    /// As it is if it is ASCII; else encoded, for servers that pass 7 bits only.
    SevenBit,
}

/// Why a letter cannot be made a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    Address,
    Message,
}

/// The sender's mailbox, from the settings.
pub(crate) fn sender(text: &str) -> Result<Mailbox, DeliveryError> {
    let clean = !text.chars().any(is_unsafe);
    text.parse().ok().filter(|_| clean).ok_or_else(|| DeliveryError::From(super::one_line(text)))
}

/// The recipient with the domain in its ASCII form, which every server takes.
pub(crate) fn recipient(letter: &Letter) -> Result<Address, Unsendable> {
    let key = letter.to.key();
    let local = letter.to.as_str().rsplit_once('@').map(|(local, _)| local);
    let domain = key.rsplit_once('@').map(|(_, domain)| domain);
    let (Some(local), Some(domain)) = (local, domain) else { return Err(Unsendable::Address) };
    if local.chars().chain(domain.chars()).any(is_unsafe) {
        return Err(Unsendable::Address);
    }
    Address::new(local, domain).map_err(|_| Unsendable::Address)
}

/// The message, the same bytes for the same letter.
pub(crate) fn message(letter: &Letter, from: &Mailbox, form: TextForm) -> Result<Message, Unsendable> {
    let headers = [&letter.subject, &letter.message_id];
    if headers.iter().any(|header| header.chars().any(is_unsafe)) {
        return Err(Unsendable::Message);
    }
    let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(whole(&letter.text, form)?);
    // HTML may well have a line that is too long; it is encoded then.
    let html = whole(&letter.html, form).unwrap_or_else(|_| Body::new(letter.html.clone()));
    let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(html);
    let parts = MultiPart::alternative().boundary(boundary(letter)).singlepart(text).singlepart(html);
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, recipient(letter)?))
        .subject(letter.subject.clone())
        .date(system_time(letter.date))
        .message_id(Some(letter.message_id.clone()))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(parts)
        .map_err(|_| Unsendable::Message)
}

/// The text as it is, where the form allows it.
fn whole(text: &str, form: TextForm) -> Result<Body, Unsendable> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.iter().any(|line| line.len() > MAX_LINE || line.contains(['\0', '\r'])) {
        return Err(Unsendable::Message);
    }
    let bits = match (text.is_ascii(), form) {
        (true, TextForm::Whole | TextForm::SevenBit) => ContentTransferEncoding::SevenBit,
        (false, TextForm::Whole) => ContentTransferEncoding::EightBit,
        (false, TextForm::SevenBit) => return Ok(Body::new(text.to_owned())),
    };
    // By itself the library would encode lines of more than 76 columns, links among them.
    let whole = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"]).flatten().copied().collect();
    Ok(Body::dangerous_pre_encoded(whole, bits))
}

/// From the message id, which is a hash: neither guessable in advance nor different at a repeat.
fn boundary(letter: &Letter) -> String {
    let id: String = letter.message_id.chars().filter(char::is_ascii_alphanumeric).take(48).collect();
    format!("=_{id}")
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(at.seconds()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            to: domain::Address::parse("Jörg@Büro.example").unwrap(),
            subject: "Komm zu Büro".to_owned(),
            text: "Grüße\nhttps://x.example/i/1#aa\n".to_owned(),
            html: "<p>x</p>".to_owned(),
            message_id: "<inv-00@x.example>".to_owned(),
            date: Timestamp::from_seconds(0),
        }
    }

    #[test]
    fn the_link_stands_whole_on_its_line() {
        let from = sender("Invitations <i@x.example>").ok().unwrap();
        let bytes = message(&letter(), &from, TextForm::Whole).ok().unwrap().formatted();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\r\nhttps://x.example/i/1#aa\r\n"), "{text}");
        assert!(text.contains("Content-Transfer-Encoding: 8bit\r\n"), "{text}");
    }

    #[test]
    fn control_characters_are_refused_everywhere() {
        let from = sender("i@x.example").ok().unwrap();
        let subject = Letter { subject: "a\r\nBcc: b@x.example".to_owned(), ..letter() };
        assert_eq!(message(&subject, &from, TextForm::Whole).err(), Some(Unsendable::Message));
        let id = Letter { message_id: "<a\n@x>".to_owned(), ..letter() };
        assert_eq!(message(&id, &from, TextForm::Whole).err(), Some(Unsendable::Message));
        assert!(sender("A\r\nBcc: b@x.example <a@x.example>").is_err());
    }

    #[test]
    fn the_domain_is_sent_in_ascii_and_the_name_as_given() {
        assert_eq!(recipient(&letter()).map(|a| a.to_string()), Ok("Jörg@xn--bro-hoa.example".to_owned()));
    }
}
