//! An organization: what users are invited to join as member or admin.

use crate::{Actor, Origin, Refusal, TenantName, Timestamp, What};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    Updated(Updated),
}

/// The name is a directory's business name, not a person's; the docs say so to operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub by: Actor,
    pub name: String,
    /// Only the invited address may accept, and must be proven.
    pub bind_recipient: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_recipient: Option<bool>,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::Updated(_) => "Updated",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    Create { by: Actor, name: String, bind_recipient: bool },
    Update { by: Actor, name: Option<String>, bind_recipient: Option<bool> },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Organization {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    pub name: String,
    pub bind_recipient: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Default for Organization {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            name: String::new(),
            bind_recipient: false,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }
}

impl Organization {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }
}

impl crate::Root for Organization {
    const TYPE: &'static str = "organization";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, _: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Create { .. } if self.exists() => Err(Refusal::IdTaken),
            Command::Create { by, name, bind_recipient } => {
                Ok(vec![Event::Created(Created { by, name, bind_recipient })])
            }
            Command::Update { .. } if !self.exists() => Err(Refusal::NotFound(What::Organization)),
            Command::Update { by, name, bind_recipient } => {
                let name = name.filter(|n| *n != self.name);
                let bind_recipient = bind_recipient.filter(|b| *b != self.bind_recipient);
                let changed = name.is_some() || bind_recipient.is_some();
                Ok(changed.then_some(Event::Updated(Updated { by, name, bind_recipient })).into_iter().collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        match event {
            Event::Created(e) => {
                self.id = origin.id;
                self.tenant = origin.tenant.clone();
                self.name.clone_from(&e.name);
                self.bind_recipient = e.bind_recipient;
                self.created_at = origin.at;
            }
            Event::Updated(e) => {
                if let Some(name) = &e.name {
                    self.name.clone_from(name);
                }
                self.bind_recipient = e.bind_recipient.unwrap_or(self.bind_recipient);
            }
        }
        self.updated_at = origin.at;
    }
}
