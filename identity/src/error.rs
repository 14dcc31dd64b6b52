//! What can go wrong when somebody wants to be known.

use domain::{Failure, Unavailable};
use store::StateError;
use thiserror::Error;

/// Why a token cannot be made or read.
#[derive(Debug, Error)]
pub enum TokenError {
    #[error("that is no token of this service")]
    Malformed,
    #[error("the system has no randomness to give")]
    NoRandomness(#[source] rand::Error),
}

impl From<TokenError> for Failure {
    fn from(fault: TokenError) -> Self {
        Self::internal(fault)
    }
}

/// Why this room does not start.
#[derive(Debug, Error)]
pub enum IdentityError {
    #[error("the limit `{name}` must count within 1 to {max} seconds", max = crate::limits::MAX_WINDOW_S)]
    Window { name: &'static str },
    #[error("the settings of Argon2id are out of range")]
    Argon2(#[source] argon2::Error),
    #[error("no hash for nobody's password could be composed")]
    Dummy(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a token names nobody.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Never given out, logged out, replaced by a newer one, or of a revoked application.
    #[error("the token is unknown or revoked")]
    Unknown,
    /// The session was ended by age, or by what became of its user.
    #[error("the session has ended")]
    Expired,
    #[error("it cannot be told now who calls")]
    Unavailable(#[source] Failure),
}

/// Why nobody was logged in. `Refused` is one word for every reason.
#[derive(Debug, Error)]
pub enum LogInError {
    #[error("address or password is wrong")]
    Refused,
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error("nobody can log in now")]
    Unavailable(#[source] Failure),
}

/// Why a password was not kept.
#[derive(Debug, Error)]
pub enum PasswordError {
    #[error("must be at least {min} characters", min = domain::text::MIN_PASSWORD)]
    TooShort,
    #[error("must be at most {max} characters", max = domain::text::MAX_PASSWORD)]
    TooLong,
    #[error("the password cannot be kept now")]
    Unavailable(#[source] Failure),
}

/// A limit is reached; nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many; try again in {retry_after_s} seconds")]
pub struct TooMany {
    /// When the same request would fit, if nobody else comes first. At least 1.
    pub retry_after_s: u64,
}

/// Seconds after which a full queue is worth another try.
pub(crate) const RETRY_AFTER_S: u64 = 1;

pub(crate) fn state(fault: StateError) -> Failure {
    match fault {
        StateError::Busy | StateError::Server(_) => Unavailable::Busy { retry_after_s: RETRY_AFTER_S }.into(),
        StateError::DiskFull => Unavailable::DiskFull.into(),
        StateError::Unknown => Unavailable::OutcomeUnknown.into(),
        StateError::Stopped => Unavailable::Stopping.into(),
        fault @ (StateError::Sqlite(_) | StateError::Open(_) | StateError::Changed { .. }) => Failure::internal(fault),
    }
}
