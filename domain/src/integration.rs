//! An integration: what the envelope dialect's invitations are sent for.

use crate::{Actor, Origin, Refusal, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
}

/// Name and description describe a product, not a person; the docs say so to operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub by: Actor,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    Create { by: Actor, name: String, description: Option<String> },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Integration {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    /// The public integer: `tseq` of `Created`.
    pub number: u64,
    pub created_by: Actor,
    pub name: String,
    pub description: Option<String>,
    pub created_at: Timestamp,
}

impl Default for Integration {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            number: 0,
            created_by: Actor::System,
            name: String::new(),
            description: None,
            created_at: Timestamp::default(),
        }
    }
}

impl Integration {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }
}

impl crate::Root for Integration {
    const TYPE: &'static str = "integration";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, _: Timestamp) -> Result<Vec<Event>, Refusal> {
        let Command::Create { by, name, description } = command;
        if self.exists() {
            return Err(Refusal::IdTaken);
        }
        Ok(vec![Event::Created(Created { by, name, description })])
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        let Event::Created(e) = event;
        self.id = origin.id;
        self.tenant = origin.tenant.clone();
        self.number = origin.tseq;
        self.created_by = e.by;
        self.name.clone_from(&e.name);
        self.description.clone_from(&e.description);
        self.created_at = origin.at;
    }
}
