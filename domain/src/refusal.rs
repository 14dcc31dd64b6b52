//! Why something was not done. Both enums are closed: a dialect matches them
//! without a wildcard, so a new case breaks every dialect until it answers.

use serde::{Deserialize, Serialize};
use std::error::Error;
use uuid::Uuid;

/// What a caller asked for that does not exist for them. Foreign and unknown
/// are the same word on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Tenant,
    Organization,
    Integration,
    Invitation,
    Employee,
    User,
    Application,
    Mail,
}

impl What {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Organization => "organization",
            Self::Integration => "integration",
            Self::Invitation => "invitation",
            Self::Employee => "employee",
            Self::User => "user",
            Self::Application => "application",
            Self::Mail => "mail",
        }
    }
}

/// A parameter at fault, named as the domain names it; the dialect says where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub param: String,
    pub reason: String,
}

impl Fault {
    #[must_use]
    pub fn new(param: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { param: param.into(), reason: reason.into() }
    }
}

/// The domain's definite "no". It leaves no event, except where the contract
/// says so (`AcceptRefused`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[error("there is no such {}", .0.name())]
    NotFound(What),
    #[error("this caller may not do that")]
    NotPermitted,
    /// An application presented itself where only a user can act.
    #[error("only a logged-in user can do that")]
    UsersOnly,
    #[error("some parameters are at fault")]
    Invalid(Vec<Fault>),
    #[error("a pending invitation of that address exists")]
    AlreadyPending { invitation: Uuid },
    #[error("that address belongs to a member already")]
    AlreadyMember,
    #[error("that address has accepted already")]
    AlreadyAccepted,
    #[error("that id is in use")]
    IdTaken,
    #[error("the address belongs to another active employee")]
    EmployeeAddressTaken,
    #[error("that address has an account")]
    AccountExists,
    #[error("that name is taken")]
    NameTaken,
    #[error("the invitation is {0}")]
    NotPending(crate::invitation::State),
    #[error("the code is wrong")]
    WrongCode,
    #[error("too many wrong codes; the invitation must be sent again")]
    Locked,
    #[error("the inviter may no longer invite so")]
    InviterMayNot,
    #[error("the organization accepts only the invited address, and this account has not proven it")]
    AddressNotProven,
    #[error("inviting is switched off")]
    InvitingDisabled,
    #[error("try again in {retry_after_s} seconds")]
    TooSoon { retry_after_s: u64 },
}

impl Refusal {
    #[must_use]
    pub fn invalid(param: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(param, reason)])
    }

    /// Whether the same request would get the same answer however often it is
    /// repeated; only such answers are kept under an `Idempotency-Key`.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        !matches!(self, Self::TooSoon { .. })
    }
}

/// Why the ledger itself could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error("the queue is full")]
    Busy { retry_after_s: u64 },
    #[error("the disk is full")]
    DiskFull,
    #[error("the clock is behind the ledger")]
    Clock,
    /// The write may or may not have landed; the same `Idempotency-Key` settles it.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
    /// Views did not reach the head in time.
    #[error("the views are behind")]
    ViewsBehind,
    #[error("the ledger is stopping")]
    Stopping,
}

/// All that can keep a use case from its result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The same `Idempotency-Key` came with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// The caller was somebody when they were asked who they are, and is no longer where the log ends.
    #[error("the token is unknown or revoked")]
    Nobody,
    #[error("the service cannot do this now")]
    Unavailable(#[from] Unavailable),
    #[error("internal failure")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// Whether what was asked for may have been done all the same.
    #[must_use]
    pub fn may_have_landed(&self) -> bool {
        match self {
            Self::Unavailable(Unavailable::OutcomeUnknown) => true,
            Self::Refused(_) | Self::KeyReused | Self::Nobody | Self::Unavailable(_) | Self::Internal(_) => false,
        }
    }

    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}
