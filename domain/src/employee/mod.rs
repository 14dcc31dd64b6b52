//! An employee's record: kept beside the invitations, changed field by field.
//!
//! Only what changed stands in an event. Words about the person are sealed;
//! what rights depend on (`active`, the dates, the area) is not, because it
//! must still be true after the person is forgotten.

mod decide;
mod event;
#[cfg(test)]
mod tests;

pub use decide::{Changes, Command};
pub use event::*;

use crate::bus::Subject;
use crate::{Origin, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub const MAX_SKILLS: usize = 100;
pub const MAX_SKILL: usize = 100;
/// All personal fields together, in bytes of JSON.
pub const MAX_PERSONAL_BYTES: usize = 32 * 1024;

/// The keys of an address, in the order of the document.
pub const ADDRESS_KEYS: [&str; 7] = ["street", "street2", "city", "state", "postal_code", "longitude", "latitude"];

/// An employee, folded. The default value is one that does not exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Employee {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    /// The public integer: `tseq` of `Created`.
    pub number: u64,
    pub user: Option<Uuid>,
    pub subject: Subject,
    pub active: bool,
    pub service_area_id: Option<i64>,
    /// `YYYY-MM-DD`.
    pub date_hired: Option<String>,
    pub date_off_boarded: Option<String>,
    pub personal: Personal,
    /// The version that changed the e-mail last, and so asked for two mails; 0 where none did.
    pub email_changed_in: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Default for Employee {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            number: 0,
            user: None,
            subject: Subject::default(),
            active: true,
            service_area_id: None,
            date_hired: None,
            date_off_boarded: None,
            personal: Personal::default(),
            email_changed_in: 0,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }
}

impl Employee {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }

    /// Whether the record counts: active, and not off-boarded by the clock.
    #[must_use]
    pub fn is_active_at(&self, now: Timestamp) -> bool {
        self.exists() && self.active && !self.is_off_boarded_at(now)
    }

    /// Whether the day of off-boarding has been reached (it begins at 00:00 UTC).
    #[must_use]
    pub fn is_off_boarded_at(&self, now: Timestamp) -> bool {
        let today = now.chrono().date_naive().to_string();
        self.date_off_boarded.as_deref().is_some_and(|day| day <= today.as_str())
    }
}

impl crate::Root for Employee {
    const TYPE: &'static str = "employee";
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
                self.number = origin.tseq;
                self.user = e.user;
                self.subject = e.subject.named();
                self.created_at = origin.at;
                self.evolve_fields(&e.fields, Some(&e.personal));
            }
            Event::Updated(e) => {
                self.evolve_fields(&e.fields, e.personal.as_ref());
                if e.email_changed {
                    self.email_changed_in = origin.version;
                }
            }
            Event::OffBoarded(_) => self.active = false,
            Event::NoticeSent(_) | Event::NoticeFailed(_) => return,
        }
        self.updated_at = origin.at;
    }
}

impl Employee {
    fn evolve_fields(&mut self, fields: &Fields, personal: Option<&Personal>) {
        if let Some(active) = fields.active {
            self.active = active;
        }
        set(&mut self.service_area_id, fields.service_area_id.as_ref());
        set(&mut self.date_hired, fields.date_hired.as_ref());
        set(&mut self.date_off_boarded, fields.date_off_boarded.as_ref());
        if let Some(personal) = personal {
            self.personal.merge(personal);
        }
    }
}

fn set<T: Clone>(field: &mut Option<T>, change: Option<&Option<T>>) {
    if let Some(value) = change {
        field.clone_from(value);
    }
}
