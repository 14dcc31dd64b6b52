//! Bearer tokens: 256 random bits behind a prefix that says what they open.
//!
//! The text exists in the answer that shows it once and in requests; what is
//! kept is its SHA-256. 256 random bits need no slow hash, and looking up by
//! digest leaks nothing about the token.

use crate::TokenError;
use crate::secrets::sha256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use rand::rngs::OsRng;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Random bytes of a token.
pub(crate) const TOKEN_BYTES: usize = 32;
/// Their length in base64url without padding.
const ENCODED_BYTES: usize = 43;

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The one principal outside tenants.
    Deployment,
    Application,
    Session,
}

impl TokenKind {
    const ALL: [Self; 3] = [Self::Deployment, Self::Application, Self::Session];

    /// The readable part in front.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Deployment => "il_dep_",
            Self::Application => "il_app_",
            Self::Session => "il_ses_",
        }
    }
}

/// A token's text. It cannot be printed or serialized by accident, and is
/// wiped from memory when dropped.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    text: Zeroizing<String>,
}

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random(kind: TokenKind) -> Result<Self, TokenError> {
        let mut bits = Zeroizing::new([0; TOKEN_BYTES]);
        fill_random(&mut *bits)?;
        let mut text = Zeroizing::new(String::with_capacity(kind.prefix().len() + ENCODED_BYTES));
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(*bits, &mut text);
        Ok(Self { kind, text })
    }

    /// A token as it was presented. Only its form is checked.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let kind = TokenKind::ALL.into_iter().find(|k| text.starts_with(k.prefix())).ok_or(TokenError::Malformed)?;
        let secret = &text[kind.prefix().len()..];
        let ours = secret.len() == ENCODED_BYTES
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if ours { Ok(Self { kind, text: Zeroizing::new(text.to_owned()) }) } else { Err(TokenError::Malformed) }
    }

    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The text, to be shown once or sent as a cookie.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        TokenDigest(sha256(self.text.as_bytes()))
    }
}

/// SHA-256 of a token's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// As kept state spells it: lower-case hex.
    pub(crate) fn parse(hex: &str) -> Option<Self> {
        let nibble = |b: u8| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let mut bytes = [0; 32];
        if hex.len() != bytes.len() * 2 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The deployment's token, as the program holds it: only the digest.
#[derive(Clone)]
pub struct AdminToken(TokenDigest);

impl AdminToken {
    /// From the text of the file it lies in; white space around it is ignored.
    ///
    /// # Errors
    /// When that is no deployment token.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let token = Token::parse(text.trim())?;
        match token.kind {
            TokenKind::Deployment => Ok(Self::of(&token)),
            TokenKind::Application | TokenKind::Session => Err(TokenError::Malformed),
        }
    }

    /// Of a token just made with [`Token::random`].
    #[must_use]
    pub fn of(token: &Token) -> Self {
        Self(token.digest())
    }

    /// In a time that does not depend on where the two differ.
    pub(crate) fn is(&self, digest: &TokenDigest) -> bool {
        self.0.0.ct_eq(&digest.0).into()
    }
}

impl Drop for AdminToken {
    fn drop(&mut self) {
        self.0.0.zeroize();
    }
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), TokenError> {
    OsRng.try_fill_bytes(bytes).map_err(TokenError::NoRandomness)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    // Digits are UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_itself_and_no_two_are_alike() {
        for kind in TokenKind::ALL {
            let token = Token::random(kind).unwrap();
            assert!(token.reveal().starts_with(kind.prefix()));
            assert_eq!(token.reveal().len(), kind.prefix().len() + ENCODED_BYTES);
            let read = Token::parse(token.reveal()).ok().unwrap();
            assert_eq!(read.kind(), kind);
            assert!(read.digest() == token.digest());
            assert_ne!(token.reveal(), Token::random(kind).unwrap().reveal());
        }
    }

    #[test]
    fn what_is_no_token_is_not_looked_up() {
        let good = Token::random(TokenKind::Session).unwrap();
        let cut = &good.reveal()[..good.reveal().len() - 1];
        let long = format!("{}A", good.reveal());
        let odd = format!("{cut}!");
        for text in ["", "il_ses_", cut, &long, &odd, "il_xyz_AAAA", &good.reveal()[7..]] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_deployment_token_is_recognized_and_others_are_not() {
        let token = Token::random(TokenKind::Deployment).unwrap();
        let admin = AdminToken::parse(&format!("{}\n", token.reveal())).ok().unwrap();
        assert!(admin.is(&token.digest()));
        assert!(!admin.is(&Token::random(TokenKind::Deployment).unwrap().digest()));
        assert!(AdminToken::parse(Token::random(TokenKind::Session).unwrap().reveal()).is_err());
    }

    #[test]
    fn a_digest_reads_back_from_its_hex() {
        let digest = Token::random(TokenKind::Session).unwrap().digest();
        assert!(TokenDigest::parse(&digest.to_string()) == Some(digest));
        assert!(TokenDigest::parse("zz").is_none());
        assert!(TokenDigest::parse(&"g".repeat(64)).is_none());
    }
}
