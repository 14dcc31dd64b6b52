//! Sealing: XChaCha20-Poly1305 with a random nonce, bound to the event's header.
//!
//! A sealed value opens only with its subject's key and only in the event it
//! was written for, so that nobody can move it to another.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{AeadInPlace, generic_array::GenericArray},
};
use rand::RngCore;
use uuid::Uuid;

use super::{Key, VaultError};
use crate::Version;

const PREFIX: &str = "v1.";
const NONCE: usize = 24;
const TAG: usize = 16;

/// What a sealed value is bound to.
pub(crate) struct Header<'a> {
    pub event_id: Uuid,
    pub stream: &'a str,
    pub version: Version,
    pub kind: &'a str,
    pub schema: u32,
}

impl Header<'_> {
    /// Every part with its length in front, so that no two headers read alike.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.stream.len() + self.kind.len());
        let (version, schema) = (self.version.to_be_bytes(), self.schema.to_be_bytes());
        let parts: [&[u8]; 5] =
            [self.event_id.as_bytes(), self.stream.as_bytes(), &version, self.kind.as_bytes(), &schema];
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// A sealed value, opened.
pub(crate) enum Opened {
    Clear(Vec<u8>),
    /// The key is destroyed.
    Erased,
}

pub(super) fn seal(key: &Key, header: &Header<'_>, clear: &[u8]) -> Result<String, VaultError> {
    let cipher = XChaCha20Poly1305::new(GenericArray::from_slice(&***key));
    let mut bytes = vec![0; NONCE];
    rand::thread_rng().fill_bytes(&mut bytes);
    bytes.reserve_exact(clear.len() + TAG);
    bytes.extend_from_slice(clear);
    let (nonce, body) = bytes.split_at_mut(NONCE);
    let tag = cipher
        .encrypt_in_place_detached(GenericArray::from_slice(nonce), &header.bytes(), body)
        .map_err(|_| VaultError::Tampered)?;
    bytes.extend_from_slice(&tag);
    let mut text = String::with_capacity(PREFIX.len() + bytes.len().div_ceil(3) * 4);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
    Ok(text)
}

pub(super) fn open(key: &Key, header: &Header<'_>, sealed: &str) -> Result<Vec<u8>, VaultError> {
    let encoded = sealed.strip_prefix(PREFIX).ok_or(VaultError::Tampered)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| VaultError::Tampered)?;
    let (nonce, rest) = bytes.split_at_checked(NONCE).ok_or(VaultError::Tampered)?;
    let body = rest.len().checked_sub(TAG).ok_or(VaultError::Tampered)?;
    let (body, tag) = rest.split_at(body);
    let mut clear = body.to_vec();
    XChaCha20Poly1305::new(GenericArray::from_slice(&***key))
        .decrypt_in_place_detached(
            GenericArray::from_slice(nonce),
            &header.bytes(),
            &mut clear,
            GenericArray::from_slice(tag),
        )
        .map_err(|_| VaultError::Tampered)?;
    Ok(clear)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;
    use zeroize::Zeroizing;

    use super::{Header, open, seal};

    fn header(version: u64) -> Header<'static> {
        Header { event_id: Uuid::from_u128(1), stream: "invitation-a/b", version, kind: "Created", schema: 1 }
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_event_with_its_own_key_only() {
        let key = Arc::new(Zeroizing::new([7; 32]));
        let sealed = seal(&key, &header(1), b"ada@example.com").unwrap();
        assert!(sealed.starts_with("v1."));
        assert_eq!(open(&key, &header(1), &sealed).unwrap(), b"ada@example.com");
        assert!(open(&key, &header(2), &sealed).is_err(), "another version of the stream");
        assert!(open(&Arc::new(Zeroizing::new([8; 32])), &header(1), &sealed).is_err(), "another key");
        assert!(open(&key, &header(1), &sealed[..sealed.len() - 4]).is_err(), "cut");
        assert!(open(&key, &header(1), "v1.").is_err(), "empty");
        assert_ne!(sealed, seal(&key, &header(1), b"ada@example.com").unwrap(), "nonces differ");
    }
}
