//! A user's place in an organization or an integration. Its stream is fixed by
//! the two ids, so that one user has at most one membership in one place.

use crate::invitation::Role;
use crate::{Actor, Origin, Refusal, TenantName, Timestamp, What};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of the membership of `user` in the organization or integration `place`.
#[must_use]
pub fn id_of(place: Uuid, user: Uuid) -> Uuid {
    Uuid::new_v5(&place, user.as_bytes())
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    #[default]
    Organization,
    Integration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Granted(Granted),
    RoleChanged(RoleChanged),
    Revoked(Revoked),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    pub place: Place,
    pub target: Uuid,
    pub user: Uuid,
    pub role: Role,
    pub by: Actor,
    /// The invitation that was accepted, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleChanged {
    pub role: Role,
    pub by: Actor,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revoked {
    pub by: Actor,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Granted(_) => "Granted",
            Self::RoleChanged(_) => "RoleChanged",
            Self::Revoked(_) => "Revoked",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    /// An existing member keeps the higher of the two roles.
    Grant(Granted),
    ChangeRole {
        role: Role,
        by: Actor,
    },
    Revoke {
        by: Actor,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Membership {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    pub place: Place,
    pub target: Uuid,
    pub user: Uuid,
    /// `None` before it was granted and after it was revoked.
    pub role: Option<Role>,
    pub granted_at: Timestamp,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            place: Place::default(),
            target: Uuid::nil(),
            user: Uuid::nil(),
            role: None,
            granted_at: Timestamp::default(),
        }
    }
}

impl crate::Root for Membership {
    const TYPE: &'static str = "membership";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, _: Timestamp) -> Result<Vec<Event>, Refusal> {
        Ok(match (command, self.role) {
            (Command::Grant(granted), None) => vec![Event::Granted(granted)],
            (Command::Grant(granted), Some(role)) if granted.role > role => {
                vec![Event::RoleChanged(RoleChanged { role: granted.role, by: granted.by })]
            }
            (Command::Grant(_), Some(_)) | (Command::Revoke { .. }, None) => vec![],
            (Command::ChangeRole { .. }, None) => return Err(Refusal::NotFound(What::User)),
            (Command::ChangeRole { role, .. }, Some(now)) if role == now => vec![],
            (Command::ChangeRole { role, by }, Some(_)) => vec![Event::RoleChanged(RoleChanged { role, by })],
            (Command::Revoke { by }, Some(_)) => vec![Event::Revoked(Revoked { by })],
        })
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        match event {
            Event::Granted(e) => {
                self.id = origin.id;
                self.tenant = origin.tenant.clone();
                self.place = e.place;
                self.target = e.target;
                self.user = e.user;
                self.role = Some(e.role);
                self.granted_at = origin.at;
            }
            Event::RoleChanged(e) => self.role = Some(e.role),
            Event::Revoked(_) => self.role = None,
        }
    }
}
