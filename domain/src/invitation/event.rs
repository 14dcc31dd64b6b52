//! What can happen to an invitation.

use super::{Digests, Kind, Proof, Role};
use crate::bus::Subject;
use crate::mail::Reason;
use crate::{Actor, Address, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    EmailSent(EmailSent),
    EmailFailed(EmailFailed),
    Accepted(Accepted),
    Cancelled(Cancelled),
    Updated(Updated),
    ResendRequested(ResendRequested),
    Declined(Declined),
    Expired(Expired),
    AcceptRefused(AcceptRefused),
}

/// Somebody was invited; asks for a mail of generation 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub kind: Kind,
    /// The id a client chose, unique in the organization; else the aggregate's own id is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_id: Option<Uuid>,
    /// The organization or integration; of a platform invitation the tenant's own id.
    pub target: Uuid,
    pub role: Role,
    pub invited_by: Actor,
    /// Names the accept page; says nothing about the invitation.
    pub link: Uuid,
    pub digests: Digests,
    pub valid_days: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_in_db_at: Option<Timestamp>,
    /// The request waits for the mail's result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waited: bool,
    pub subject: Subject,
    pub personal: Recipient,
}

/// Sealed: who is invited, and the inviter's own words to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recipient {
    Known {
        email: Address,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Erased {
        erased: bool,
    },
}

impl Recipient {
    #[must_use]
    pub fn email(&self) -> Option<&Address> {
        match self {
            Self::Known { email, .. } => Some(email),
            Self::Erased { .. } => None,
        }
    }
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Known { message, .. } => message.as_deref(),
            Self::Erased { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailSent {
    pub generation: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailFailed {
    pub generation: u32,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    pub by: Uuid,
    pub generation: u32,
    /// Which secret was shown; only the mail's own proves the address.
    pub proof: Proof,
    /// An integration's invitation keeps its address claimed, so that an
    /// address that accepted is not invited there again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds_address: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancelled {
    pub by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_in_db_at: Option<Timestamp>,
}

/// A new generation: earlier secrets are dead from here on. Asks for a mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResendRequested {
    pub generation: u32,
    pub by: Actor,
    pub digests: Digests,
    pub valid_days: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waited: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declined {
    pub generation: u32,
    pub subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<DeclineReason>,
}

/// Sealed: the recipient's own words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeclineReason {
    #[serde(default)]
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expired {
    pub generation: u32,
}

/// A try to accept that the contract wants remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptRefused {
    pub generation: u32,
    /// `user:…`, or `peer:` and an HMAC of the peer's address.
    pub caller: String,
    pub because: Because,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    WrongCode,
    InviterMayNot,
    AddressNotProven,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::EmailSent(_) => "EmailSent",
            Self::EmailFailed(_) => "EmailFailed",
            Self::Accepted(_) => "Accepted",
            Self::Cancelled(_) => "Cancelled",
            Self::Updated(_) => "Updated",
            Self::ResendRequested(_) => "ResendRequested",
            Self::Declined(_) => "Declined",
            Self::Expired(_) => "Expired",
            Self::AcceptRefused(_) => "AcceptRefused",
        }
    }
}
