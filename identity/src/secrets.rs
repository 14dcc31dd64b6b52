//! Everything derived from the vault's master secret.
//!
//! A secret here is HMAC-SHA-256 of its parts, each behind its length, under a
//! key of its own purpose: derived whenever it is needed, never kept. What
//! callers show is compared in constant time.

use crate::Token;
use crate::token::hex;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::TenantName;
use domain::invitation::Digests;
use ring::{digest, hmac};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Hex digits a peer or an account is known by where failures are counted.
const PEER_DIGITS: usize = 16;
const ACCOUNT_DIGITS: usize = 32;
/// An IPv6 customer holds a /64; its first bytes are the peer.
const V6_PREFIX_BYTES: usize = 8;

/// The derived secrets. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    keys: Arc<Keys>,
}

struct Keys {
    invitation: hmac::Key,
    fingerprint: hmac::Key,
    peer: hmac::Key,
    command: hmac::Key,
    csrf: hmac::Key,
    account: hmac::Key,
    recipient: hmac::Key,
}

impl Secrets {
    /// `master` gives a key per label, the same ones after every start.
    #[must_use]
    pub fn new(master: impl Fn(&'static str) -> [u8; 32]) -> Self {
        let key = |label| hmac::Key::new(hmac::HMAC_SHA256, &master(label));
        let keys = Keys {
            invitation: key("identity/invitation"),
            fingerprint: key("identity/fingerprint"),
            peer: key("identity/peer"),
            command: key("identity/command"),
            csrf: key("identity/csrf"),
            account: key("identity/account"),
            recipient: key("identity/recipient"),
        };
        Self { keys: Arc::new(keys) }
    }

    /// What is shown as `code` to those who may invite: 64 digits of lower-case hex.
    #[must_use]
    pub fn code(&self, tenant: &TenantName, invitation: Uuid, generation: u32) -> String {
        self.of_invitation(b"api", tenant, invitation, generation)
    }

    /// What stands in the mail alone, and proves its address.
    #[must_use]
    pub fn mail_secret(&self, tenant: &TenantName, invitation: Uuid, generation: u32) -> String {
        self.of_invitation(b"mail", tenant, invitation, generation)
    }

    /// What the log keeps of both.
    #[must_use]
    pub fn digests(&self, tenant: &TenantName, invitation: Uuid, generation: u32) -> Digests {
        Digests {
            code: Self::digest_of(&self.code(tenant, invitation, generation)),
            mail: Self::digest_of(&self.mail_secret(tenant, invitation, generation)),
        }
    }

    /// SHA-256 of a secret as it was shown, in lower-case hex.
    #[must_use]
    pub fn digest_of(shown: &str) -> String {
        hex(&sha256(shown.as_bytes()))
    }

    fn of_invitation(&self, which: &[u8], tenant: &TenantName, invitation: Uuid, generation: u32) -> String {
        let parts: [&[u8]; 4] = [which, tenant.as_str().as_bytes(), invitation.as_bytes(), &generation.to_be_bytes()];
        hex(&derive(&self.keys.invitation, &parts))
    }

    /// Of a request's body, so that another body under the same key is noticed.
    #[must_use]
    pub fn fingerprint(&self, body: &[u8]) -> [u8; 32] {
        derive(&self.keys.fingerprint, &[body])
    }

    /// Where an anonymous caller's tries are counted: 16 hex digits; an IPv6
    /// network of /64 is one peer.
    #[must_use]
    pub fn peer(&self, ip: IpAddr) -> String {
        let digest = match ip.to_canonical() {
            IpAddr::V4(v4) => derive(&self.keys.peer, &[&v4.octets()]),
            IpAddr::V6(v6) => derive(&self.keys.peer, &[&v6.octets()[..V6_PREFIX_BYTES]]),
        };
        cut(&digest, PEER_DIGITS)
    }

    /// The id of a keyed command: an `Idempotency-Key` within its scope.
    #[must_use]
    pub fn command_id(&self, tenant: &TenantName, principal: &str, operation: &str, key: &str) -> [u8; 32] {
        let parts = [tenant.as_str().as_bytes(), principal.as_bytes(), operation.as_bytes(), key.as_bytes()];
        derive(&self.keys.command, &parts)
    }

    /// What the holder of a cookie session shows to write.
    #[must_use]
    pub fn csrf(&self, token: &Token) -> String {
        URL_SAFE_NO_PAD.encode(derive(&self.keys.csrf, &[token.reveal().as_bytes()]))
    }

    /// Where an account's failed log-ins are counted, whether there is one or not.
    pub(crate) fn account(&self, tenant: &TenantName, address: &str) -> String {
        cut(&derive(&self.keys.account, &[tenant.as_str().as_bytes(), address.as_bytes()]), ACCOUNT_DIGITS)
    }

    /// Where mails to a recipient are counted. Keyed, so that nobody can choose
    /// two addresses that are counted as one.
    pub(crate) fn recipient(&self, tenant: &TenantName, address_key: &str) -> u64 {
        let digest = derive(&self.keys.recipient, &[tenant.as_str().as_bytes(), address_key.as_bytes()]);
        digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Equality in a time that does not depend on where the texts differ.
    #[must_use]
    pub fn same(a: &str, b: &str) -> bool {
        a.as_bytes().ct_eq(b.as_bytes()).into()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    bytes_of(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The 32 bytes of a SHA-256.
fn bytes_of(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest);
    bytes
}

/// Each part stands behind its length, so that no two lists of parts are the same bytes.
fn derive(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(key);
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    bytes_of(mac.sign().as_ref())
}

fn cut(digest: &[u8; 32], digits: usize) -> String {
    hex(&digest[..digits / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenKind;
    use sha2::{Digest, Sha256};

    fn secrets() -> Secrets {
        Secrets::new(|label| Sha256::digest(label.as_bytes()).into())
    }

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).unwrap()
    }

    #[test]
    fn the_code_is_the_documented_hmac_of_length_prefixed_parts() {
        let invitation = Uuid::from_u128(7);
        let key: [u8; 32] = Sha256::digest(b"identity/invitation").into();
        let mut bytes = vec![];
        for part in [&b"api"[..], b"acme", invitation.as_bytes(), &[0, 0, 0, 3]] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        // RFC 2104, by another implementation of the hash.
        let padded = |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect() };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(&bytes).finalize();
        let mac = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
        let code = secrets().code(&tenant("acme"), invitation, 3);
        assert_eq!(code, hex(&mac));
        assert_eq!(code.len(), 64);
    }

    #[test]
    fn every_part_of_a_secret_counts() {
        let s = secrets();
        let (a, b) = (tenant("a"), tenant("b"));
        let id = Uuid::from_u128(1);
        let all = [
            s.code(&a, id, 1),
            s.code(&a, id, 2),
            s.code(&b, id, 1),
            s.code(&a, Uuid::from_u128(2), 1),
            s.mail_secret(&a, id, 1),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
        assert_eq!(s.code(&a, id, 1), secrets().code(&a, id, 1));
        let digests = s.digests(&a, id, 1);
        assert_eq!(digests.code, Secrets::digest_of(&all[0]));
        assert_eq!(digests.mail, Secrets::digest_of(&all[4]));
    }

    #[test]
    fn a_network_of_sixty_four_bits_is_one_peer() {
        let peer = |ip: &str| secrets().peer(ip.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
        assert_eq!(peer("10.0.0.1"), peer("::ffff:10.0.0.1"));
        assert_eq!(peer("10.0.0.1").len(), PEER_DIGITS);
    }

    #[test]
    fn a_command_id_is_not_fooled_by_where_one_part_ends() {
        let id = |operation, key| secrets().command_id(&tenant("a"), "deployment", operation, key);
        assert_ne!(id("create", "1"), id("create1", ""));
        assert_eq!(id("create", "1"), id("create", "1"));
    }

    #[test]
    fn a_csrf_token_goes_with_one_session_token() {
        let token = Token::random(TokenKind::Session).unwrap();
        let other = Token::random(TokenKind::Session).unwrap();
        assert_eq!(secrets().csrf(&token), secrets().csrf(&token));
        assert_ne!(secrets().csrf(&token), secrets().csrf(&other));
        assert_eq!(secrets().csrf(&token).len(), 43);
    }
}
