//! An invitation: one address, one target, one acceptance.
//!
//! Pending until accepted, cancelled, declined or expired, and never pending
//! again. By the clock it is expired as soon as it is due, whether the event
//! is in the log yet or not. Each sending is a generation with two secrets of
//! its own, of which only digests stand here.

mod decide;
mod event;
#[cfg(test)]
mod tests;

pub use decide::{Accept, Command};
pub use event::*;

use crate::bus::Subject;
use crate::{Actor, Address, Origin, TenantName, Timestamp, mail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// Wrong tries of one caller after which the invitation is locked for them.
pub const MAX_WRONG_TRIES: u32 = 5;
/// Callers whose wrong tries are remembered per generation; one more is refused
/// without a memory, so that strangers cannot make the stream grow.
pub const MAX_CALLERS: usize = 100;
/// Generations whose secrets are still recognized as old ones.
pub const EARLIER_GENERATIONS: usize = 20;
/// At most one sending per invitation in this time.
pub const RESEND_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Integration,
    Organization,
    #[default]
    Platform,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integration => "integration",
            Self::Organization => "organization",
            Self::Platform => "platform",
        }
    }
}

/// What accepting makes of the user, in an organization. Ordered: an inviter
/// may give their own role and those below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    #[default]
    Admin,
}

impl Role {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Pending,
    Accepted,
    Cancelled,
    Declined,
    Expired,
}

impl State {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Cancelled => "cancelled",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The aggregate behind an id that a client chose: the same id may be chosen in
/// another organization.
#[must_use]
pub fn aggregate_id(organization: Uuid, chosen: Uuid) -> Uuid {
    Uuid::new_v5(&organization, chosen.as_bytes())
}

/// SHA-256 of a generation's two secrets, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Of the `code` shown to those who may invite.
    pub code: String,
    /// Of the secret that stands in the mail alone.
    pub mail: String,
}

/// Which of the two secrets was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Code,
    Mail,
}

/// An invitation, folded. The default value is one that does not exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invitation {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    pub kind: Kind,
    /// What callers know it by; see [`aggregate_id`].
    pub public_id: Uuid,
    pub target: Uuid,
    pub role: Role,
    pub invited_by: Actor,
    pub link: Uuid,
    pub digests: Digests,
    pub generation: u32,
    /// Digests of earlier generations, newest last, at most [`EARLIER_GENERATIONS`].
    pub earlier: Vec<Digests>,
    pub subject: Subject,
    /// `None` once the person is forgotten.
    pub email: Option<Address>,
    pub message: Option<String>,
    /// Without the clock; ask [`Invitation::state_at`].
    pub state: State,
    pub email_status: mail::Status,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub sent_for_at: Timestamp,
    pub expires_at: Timestamp,
    pub updated_in_db_at: Option<Timestamp>,
    pub accepted_at: Option<Timestamp>,
    pub accepted_by: Option<Uuid>,
    pub cancelled_by: Option<Actor>,
    /// Refused tries of the present generation, by caller.
    pub refused: BTreeMap<String, Refused>,
}

/// What is remembered of one caller's refused tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub wrong: u32,
    pub events: u32,
}

impl Default for Invitation {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            kind: Kind::default(),
            public_id: Uuid::nil(),
            target: Uuid::nil(),
            role: Role::default(),
            invited_by: Actor::System,
            link: Uuid::nil(),
            digests: Digests::default(),
            generation: 0,
            earlier: vec![],
            subject: Subject::default(),
            email: None,
            message: None,
            state: State::default(),
            email_status: mail::Status::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            sent_for_at: Timestamp::default(),
            expires_at: Timestamp::default(),
            updated_in_db_at: None,
            accepted_at: None,
            accepted_by: None,
            cancelled_by: None,
            refused: BTreeMap::new(),
        }
    }
}

impl Invitation {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }

    /// The state as the clock sees it.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        if self.is_due(now) { State::Expired } else { self.state }
    }

    /// Pending by the log, expired by the clock.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == State::Pending && now >= self.expires_at
    }

    #[must_use]
    pub fn is_pending(&self, now: Timestamp) -> bool {
        self.exists() && self.state_at(now) == State::Pending
    }

    /// Which secret of the present generation this digest belongs to. The
    /// compared values are digests of 256-bit secrets, and all bytes of both
    /// are looked at.
    #[must_use]
    pub fn proof(&self, digest: &str) -> Option<Proof> {
        let code = same(&self.digests.code, digest);
        let mail = same(&self.digests.mail, digest);
        if mail {
            Some(Proof::Mail)
        } else if code {
            Some(Proof::Code)
        } else {
            None
        }
    }

    #[must_use]
    pub fn is_locked_for(&self, caller: &str) -> bool {
        self.refused.get(caller).is_some_and(|r| r.wrong >= MAX_WRONG_TRIES)
    }

    /// A secret that was good before the invitation was sent again.
    #[must_use]
    pub fn is_of_earlier_generation(&self, digest: &str) -> bool {
        self.earlier.iter().fold(false, |found, d| found | same(&d.code, digest) | same(&d.mail, digest))
    }

    fn begin_generation(&mut self, generation: u32, digests: &Digests, valid_days: u32, at: Timestamp) {
        if self.generation > 0 {
            if self.earlier.len() == EARLIER_GENERATIONS {
                self.earlier.remove(0);
            }
            self.earlier.push(std::mem::take(&mut self.digests));
        }
        self.generation = generation;
        self.digests = digests.clone();
        self.email_status = mail::Status::Queued;
        self.sent_for_at = at;
        self.expires_at = at.plus(days(valid_days));
        self.refused.clear();
    }
}

#[must_use]
fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 24 * 60 * 60)
}

/// Equality whose time does not depend on where the texts differ.
#[must_use]
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && !a.is_empty() && a.bytes().zip(b.bytes()).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

impl crate::Root for Invitation {
    const TYPE: &'static str = "invitation";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, now: Timestamp) -> Result<Vec<Event>, crate::Refusal> {
        decide::decide(self, command, now)
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        match event {
            Event::Created(e) => {
                self.id = origin.id;
                self.tenant = origin.tenant.clone();
                self.kind = e.kind;
                self.public_id = e.public_id.unwrap_or(origin.id);
                self.target = e.target;
                self.role = e.role;
                self.invited_by = e.invited_by;
                self.link = e.link;
                self.subject = e.subject.named();
                self.email = e.personal.email().cloned();
                self.message = e.personal.message().map(ToOwned::to_owned);
                self.created_at = origin.at;
                self.updated_in_db_at = e.updated_in_db_at;
                self.begin_generation(1, &e.digests, e.valid_days, origin.at);
            }
            Event::EmailSent(e) if e.generation == self.generation => self.email_status = mail::Status::Sent,
            Event::EmailFailed(e) if e.generation == self.generation => {
                self.email_status = mail::Status::after(e.reason)
            }
            // Reports about an earlier sending say nothing about this one.
            Event::EmailSent(_) | Event::EmailFailed(_) => {}
            Event::Accepted(e) => {
                self.state = State::Accepted;
                self.accepted_at = Some(origin.at);
                self.accepted_by = Some(e.by);
            }
            Event::Cancelled(e) => {
                self.state = State::Cancelled;
                self.cancelled_by = Some(e.by);
            }
            Event::Updated(e) => {
                self.role = e.role.unwrap_or(self.role);
                self.updated_in_db_at = e.updated_in_db_at.or(self.updated_in_db_at);
            }
            Event::ResendRequested(e) => self.begin_generation(e.generation, &e.digests, e.valid_days, origin.at),
            Event::Declined(_) => self.state = State::Declined,
            Event::Expired(_) => self.state = State::Expired,
            Event::AcceptRefused(e) => {
                let refused = self.refused.entry(e.caller.clone()).or_default();
                refused.events += 1;
                refused.wrong += u32::from(e.because == Because::WrongCode);
            }
        }
        // Delivery reports and refused tries are no changes of the invitation.
        if !matches!(event, Event::EmailSent(_) | Event::EmailFailed(_) | Event::AcceptRefused(_)) {
            self.updated_at = origin.at;
        }
    }
}
