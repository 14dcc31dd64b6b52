//! Who is calling, and how much they may ask: tokens, sessions, passwords,
//! the secrets of invitations, and limits.
//!
//! Promise: no secret that was handed out is kept; of tokens only SHA-256
//! stays, of passwords only Argon2id, and the codes of invitations are derived
//! again whenever they are shown. A caller is known by looking in memory; an
//! ended session, a revoked application and an off-boarded employee are
//! nobody from the moment their end is durable.
//!
//! This room knows nothing of HTTP, and decides nothing about rights: it names
//! the caller, and use cases read what the caller may.

mod applications;
pub mod cookies;
mod error;
mod failures;
mod limits;
mod passwords;
mod principal;
mod secrets;
mod service;
mod sessions;
mod settings;
mod token;

pub use error::{AuthError, IdentityError, LogInError, PasswordError, TokenError, TooMany};
pub use limits::{Charge, LimitSettings, Limits, Rate, Spent};
pub use principal::{Principal, Session};
pub use secrets::Secrets;
pub use service::{Identity, LogIn};
pub use settings::{IdentityOptions, PasswordSettings};
pub use token::{AdminToken, Token, TokenKind};
