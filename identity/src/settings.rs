//! What the composition root decides for this room.

use crate::{AdminToken, LimitSettings};
use serde::Deserialize;

/// How expensive a password is. The default is OWASP's for Argon2id.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordSettings {
    pub memory_kib: u32,
    pub iterations: u32,
    pub lanes: u32,
    /// Passwords hashed at the same time; each takes `memory_kib`.
    pub at_once: usize,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, lanes: 1, at_once: 2 }
    }
}

/// All there is to set.
#[derive(Clone)]
pub struct IdentityOptions {
    pub admin_token: AdminToken,
    pub limits: LimitSettings,
    pub passwords: PasswordSettings,
}

impl IdentityOptions {
    #[must_use]
    pub fn new(admin_token: AdminToken) -> Self {
        Self { admin_token, limits: LimitSettings::default(), passwords: PasswordSettings::default() }
    }
}
