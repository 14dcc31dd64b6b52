//! What can happen to an employee's record.

use crate::bus::Subject;
use crate::mail::Reason;
use crate::patch::present;
use crate::{Actor, Address};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    Updated(Updated),
    OffBoarded(OffBoarded),
    NoticeSent(NoticeSent),
    NoticeFailed(NoticeFailed),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Uuid>,
    pub by: Actor,
    #[serde(flatten)]
    pub fields: Fields,
    pub subject: Subject,
    pub personal: Personal,
}

/// Only the changed fields stand in it. A changed e-mail asks for two mails:
/// part 0 to the old address, part 1 to the new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    pub by: Actor,
    #[serde(flatten)]
    pub fields: Fields,
    /// The e-mail changed, and both addresses are to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub email_changed: bool,
    /// Whether the record holds its address among the active ones from here on; missing is as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_address: Option<bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waited: bool,
    pub subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Personal>,
}

/// What is not about the person. A missing member is unchanged, a null one cleared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub service_area_id: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub date_hired: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub date_off_boarded: Option<Option<String>>,
}

/// Sealed: everything in words about the person. As in [`Fields`], missing is
/// unchanged and null is cleared; of `address`, so are its keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Personal {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Address>,
    /// The address before, in an event that changes it; never kept in the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_email: Option<Address>,
    /// The unchanged address of a record that becomes active again, for its claim; never kept in the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_email: Option<Address>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub legal_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub skills: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub phone: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub address: BTreeMap<String, Option<String>>,
    /// True in place of everything else once the person is forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

impl Personal {
    /// Folds a change into the state.
    pub(super) fn merge(&mut self, change: &Self) {
        self.erased |= change.erased;
        if let Some(email) = &change.email {
            self.email = Some(email.clone());
        }
        merge_one(&mut self.first_name, &change.first_name);
        merge_one(&mut self.last_name, &change.last_name);
        merge_one(&mut self.legal_name, &change.legal_name);
        merge_one(&mut self.phone, &change.phone);
        if change.skills.is_some() {
            self.skills.clone_from(&change.skills);
        }
        for (key, value) in &change.address {
            self.address.insert(key.clone(), value.clone());
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn merge_one(field: &mut Option<Option<String>>, change: &Option<Option<String>>) {
    if change.is_some() {
        field.clone_from(change);
    }
}

/// The day of off-boarding was reached; recorded by the sweeper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OffBoarded {}

/// A mail this record asked for was delivered to the provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeSent {
    /// Version of the event that asked.
    pub asked: u64,
    pub part: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeFailed {
    pub asked: u64,
    pub part: u8,
    pub reason: Reason,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::Updated(_) => "Updated",
            Self::OffBoarded(_) => "OffBoarded",
            Self::NoticeSent(_) => "NoticeSent",
            Self::NoticeFailed(_) => "NoticeFailed",
        }
    }
}
