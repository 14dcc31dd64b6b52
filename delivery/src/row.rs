//! What the outbox remembers of one mail.
//!
//! Invariant: no secret and nothing personal stands in a row; address and
//! words are loaded when the mail is sent. The phase is written before what it
//! announces is done, so that a row read after a crash says what may have
//! happened.

use domain::bus::MailRef;
use domain::employee::Employee;
use domain::invitation::Invitation;
use domain::mail::{Outcome, Reason};
use domain::user::User;
use domain::{Root, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use store::Position;
use uuid::Uuid;

/// Which row: the position of the asking event, and which of its mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub position: Position,
    pub part: u8,
}

impl Key {
    /// As kept: rows sort by position.
    pub fn stored(self) -> String {
        format!("{:020}-{}", self.position, self.part)
    }

    /// Reads the kept form.
    pub fn parse(text: &str) -> Option<Self> {
        let (position, part) = text.split_once('-')?;
        Some(Self { position: position.parse().ok()?, part: part.parse().ok()? })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position, self.part)
    }
}

/// A mail as operators name it: `{tenant}-{number of the asking event in it}-{part}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    pub tenant: &'a str,
    pub tseq: u64,
    pub part: u8,
}

impl<'a> Shown<'a> {
    /// A tenant's name may hold hyphens, so that it is read from the end.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '-');
        let (part, tseq, tenant) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { tenant, tseq: tseq.parse().ok()?, part: part.parse().ok()? })
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.tenant, self.tseq, self.part)
    }
}

/// How far a mail has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// To be sent when it is due.
    Waiting,
    /// Bytes may have gone out since then; nobody knows what became of them.
    Attempted { at: Timestamp },
    /// The provider's word is known and not yet recorded in the log. `None`: sent.
    Answered { failed: Option<Reason> },
    /// Only an operator moves it on.
    Dead { because: Because },
}

/// Why a mail is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Because {
    /// As the log says.
    Failed(Reason),
    /// The outbox was lost, and the log has no result: it may have been sent or not.
    StateLost,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub tenant: TenantName,
    pub aggregate: Kind,
    pub id: Uuid,
    pub number: u64,
    pub part: u8,
    pub position: Position,
    /// Of the asking event. 0 in rows of before it was kept.
    #[serde(default)]
    pub version: u64,
    /// The asking event's number in its tenant.
    pub tseq: u64,
    /// The asking event.
    pub event: Uuid,
    /// The request that asked, for logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Uuid>,
    pub asked_at: Timestamp,
    /// Somebody waits for its result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waited: bool,
    pub phase: Phase,
    pub due: Timestamp,
    /// Of all time.
    #[serde(default)]
    pub attempts: u32,
    /// Definite failures to hand it over, in this round.
    #[serde(default)]
    pub failures: u32,
    /// Attempts of this round that may have arrived.
    #[serde(default)]
    pub unknowns: u32,
    /// How often an operator had it sent again. Each round has a result of its own in the log.
    #[serde(default)]
    pub round: u32,
}

/// The aggregates that ask for mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Invitation,
    Employee,
    User,
}

impl Kind {
    pub fn of(aggregate: &str) -> Option<Self> {
        [Self::Invitation, Self::Employee, Self::User].into_iter().find(|k| k.name() == aggregate)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Invitation => Invitation::TYPE,
            Self::Employee => Employee::TYPE,
            Self::User => User::TYPE,
        }
    }
}

impl Row {
    /// As operators name the mail. A position would tell one tenant's people how much the others write.
    pub fn shown(&self) -> Shown<'_> {
        Shown { tenant: self.tenant.as_str(), tseq: self.tseq, part: self.part }
    }

    pub fn key(&self) -> Key {
        Key { position: self.position, part: self.part }
    }

    pub fn mail(&self) -> MailRef {
        MailRef {
            tenant: self.tenant.clone(),
            aggregate: self.aggregate.name(),
            id: self.id,
            number: self.number,
            part: self.part,
        }
    }

    /// The stream of the aggregate that asked.
    pub fn stream(&self) -> store::StreamId {
        store::StreamId::from(format!("{}-{}/{}", self.aggregate.name(), self.tenant, self.id))
    }

    /// The mail in words, the same for every attempt: what commands and hashes name it by.
    pub fn mail_text(&self) -> String {
        format!("{}/{}/{}/{}/{}", self.aggregate.name(), self.tenant, self.id, self.number, self.part)
    }

    /// Waited mails go first, until somebody has had to wait for one in vain.
    pub fn is_urgent(&self) -> bool {
        self.waited && self.attempts == 0 && self.phase == Phase::Waiting
    }

    pub fn is_dead(&self) -> bool {
        matches!(self.phase, Phase::Dead { .. })
    }

    pub fn encode(&self) -> Vec<u8> {
        // A row is numbers, ids and enums: serde can represent all of them.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

pub(crate) fn outcome_of(failed: Option<Reason>) -> Outcome {
    failed.map_or(Outcome::Sent, Outcome::Failed)
}

/// Whether a mail that failed so stays visible as a dead letter. The others
/// are over: the address itself was refused, or an operator gave the mail up.
pub(crate) fn leaves_dead_letter(reason: Reason) -> bool {
    match reason {
        Reason::RecipientRefused | Reason::AddressInvalid | Reason::Abandoned => false,
        Reason::MessageRefused
        | Reason::AccountRefused
        | Reason::GaveUp
        | Reason::OutcomeUnknown
        | Reason::TemplateBroken => true,
    }
}
