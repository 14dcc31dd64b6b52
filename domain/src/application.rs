//! An application: a program of a tenant that calls with a token of its own.
//! The token is no event; only its name, its scopes and its end are.

use crate::{Actor, Origin, Refusal, Scope, TenantName, Timestamp, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    Updated(Updated),
    Revoked(Revoked),
}

/// The name is a program's; the docs say so to operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub by: Actor,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Scope>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revoked {
    pub by: Actor,
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::Updated(_) => "Updated",
            Self::Revoked(_) => "Revoked",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    Create { by: Actor, name: String, scopes: BTreeSet<Scope> },
    Update { by: Actor, name: Option<String>, scopes: Option<BTreeSet<Scope>> },
    Revoke { by: Actor },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Application {
    pub id: Uuid,
    pub tenant: TenantName,
    pub version: u64,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    pub revoked: bool,
    pub created_at: Timestamp,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            tenant: TenantName::default_tenant(),
            version: 0,
            name: String::new(),
            scopes: BTreeSet::new(),
            revoked: false,
            created_at: Timestamp::default(),
        }
    }
}

impl Application {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }

    /// Whether its token names anybody.
    #[must_use]
    pub fn acts(&self) -> bool {
        self.exists() && !self.revoked
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.acts() && self.scopes.contains(&scope)
    }
}

impl crate::Root for Application {
    const TYPE: &'static str = "application";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, _: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Create { .. } if self.exists() => Err(Refusal::IdTaken),
            Command::Create { by, name, scopes } => Ok(vec![Event::Created(Created { by, name, scopes })]),
            Command::Update { .. } | Command::Revoke { .. } if !self.exists() => {
                Err(Refusal::NotFound(What::Application))
            }
            Command::Update { by, name, scopes } => {
                let name = name.filter(|n| *n != self.name);
                let scopes = scopes.filter(|s| *s != self.scopes);
                let changed = name.is_some() || scopes.is_some();
                Ok(changed.then_some(Event::Updated(Updated { by, name, scopes })).into_iter().collect())
            }
            Command::Revoke { .. } if self.revoked => Ok(vec![]),
            Command::Revoke { by } => Ok(vec![Event::Revoked(Revoked { by })]),
        }
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        match event {
            Event::Created(e) => {
                self.id = origin.id;
                self.tenant = origin.tenant.clone();
                self.name.clone_from(&e.name);
                self.scopes.clone_from(&e.scopes);
                self.created_at = origin.at;
            }
            Event::Updated(e) => {
                if let Some(name) = &e.name {
                    self.name.clone_from(name);
                }
                if let Some(scopes) = &e.scopes {
                    self.scopes.clone_from(scopes);
                }
            }
            Event::Revoked(_) => self.revoked = true,
        }
    }
}
