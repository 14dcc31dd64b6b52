//! Free text from callers: bounded, normalized, free of characters that trick readers.

use crate::address::is_bidi_or_hidden;
use unicode_normalization::UnicodeNormalization;

/// Every text field, unless said otherwise, in characters.
pub const MAX_TEXT: usize = 200;
/// The inviter's own words in a mail, in characters.
pub const MAX_MESSAGE: usize = 2_000;
/// Passwords: NIST SP 800-63B asks for a minimum; the maximum bounds hashing work.
pub const MIN_PASSWORD: usize = 12;
pub const MAX_PASSWORD: usize = 200;

/// One line of text: trimmed at neither end, NFC, no controls, at most `limit` characters.
///
/// # Errors
/// A reason for people.
pub fn line(text: &str, limit: usize) -> Result<String, String> {
    checked(text, limit, false)
}

/// Like [`line`], with line breaks (`\n`) and tabs.
///
/// # Errors
/// A reason for people.
pub fn lines(text: &str, limit: usize) -> Result<String, String> {
    checked(text, limit, true)
}

fn checked(text: &str, limit: usize, breaks: bool) -> Result<String, String> {
    let normalized: String = text.nfc().collect::<String>().replace("\r\n", "\n");
    if normalized.chars().count() > limit {
        return Err(format!("is longer than {limit} characters"));
    }
    let forbidden = |c: char| (c.is_control() && !(breaks && matches!(c, '\n' | '\t'))) || is_bidi_or_hidden(c);
    if normalized.chars().any(forbidden) {
        return Err("has control or direction characters".to_owned());
    }
    Ok(normalized)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_lines_and_a_name_has_one() {
        assert_eq!(lines("Join us.\r\nIt is good.", 50).as_deref(), Ok("Join us.\nIt is good."));
        assert_eq!(line("a\nb", 50), Err("has control or direction characters".into()));
        assert_eq!(line("abc", 2), Err("is longer than 2 characters".into()));
    }
}
