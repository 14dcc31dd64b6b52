//! An integration: what the envelope dialect's invitations are sent for.

use crate::patch::{Patch, present};
use crate::{Actor, Origin, Refusal, TenantName, Timestamp, What};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    Updated(Updated),
}

/// Name and description describe a product, not a person; the docs say so to operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub by: Actor,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Only what changed. A description that is null was cleared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
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
    Create { by: Actor, name: String, description: Option<String> },
    Update { by: Actor, name: Option<String>, description: Patch<String> },
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
        match command {
            Command::Create { .. } if self.exists() => Err(Refusal::IdTaken),
            Command::Create { by, name, description } => Ok(vec![Event::Created(Created { by, name, description })]),
            Command::Update { .. } if !self.exists() => Err(Refusal::NotFound(What::Integration)),
            Command::Update { by, name, description } => {
                let name = name.filter(|name| *name != self.name);
                let description = description.against(self.description.as_ref());
                let changed = name.is_some() || description.is_some();
                Ok(changed.then_some(Event::Updated(Updated { by, name, description })).into_iter().collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        match event {
            Event::Created(e) => {
                self.id = origin.id;
                self.tenant = origin.tenant.clone();
                self.number = origin.tseq;
                self.created_by = e.by;
                self.name.clone_from(&e.name);
                self.description.clone_from(&e.description);
                self.created_at = origin.at;
            }
            Event::Updated(e) => {
                if let Some(name) = &e.name {
                    self.name.clone_from(name);
                }
                if let Some(description) = &e.description {
                    self.description.clone_from(description);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;

    const BY: Actor = Actor::Deployment;

    fn given(events: &[Event]) -> Integration {
        let mut integration = Integration::default();
        for (event, version) in events.iter().zip(1..) {
            let (tenant, id) = (TenantName::default_tenant(), Uuid::from_u128(4));
            integration.evolve(event, &Origin { tenant, id, at: Timestamp(0), tseq: 6 + version, version });
        }
        integration
    }

    fn created() -> Event {
        Event::Created(Created { by: BY, name: "Calendar".into(), description: Some("Shows dates.".into()) })
    }

    fn update(name: Option<&str>, description: Patch<String>) -> Command {
        Command::Update { by: BY, name: name.map(str::to_owned), description }
    }

    #[test]
    fn only_what_changes_is_an_event() {
        let calendar = given(&[created()]);
        let decided = |command| calendar.decide(command, Timestamp(0)).unwrap();
        assert_eq!(decided(update(None, Patch::Keep)), []);
        assert_eq!(decided(update(Some("Calendar"), Patch::Set("Shows dates.".into()))), []);
        let renamed = Updated { by: BY, name: Some("Dates".into()), description: None };
        assert_eq!(decided(update(Some("Dates"), Patch::Keep)), [Event::Updated(renamed)]);
        let cleared = Updated { by: BY, name: None, description: Some(None) };
        assert_eq!(decided(update(Some("Calendar"), Patch::Clear)), [Event::Updated(cleared)]);
    }

    #[test]
    fn what_was_changed_is_what_stands_and_its_number_stays() {
        let cleared = Updated { by: BY, name: Some("Dates".into()), description: Some(None) };
        let dates = given(&[created(), Event::Updated(cleared)]);
        assert_eq!((dates.name.as_str(), dates.description.as_deref(), dates.number), ("Dates", None, 7));
        assert_eq!(dates.decide(update(None, Patch::Clear), Timestamp(0)).unwrap(), []);
        let described = Updated { by: BY, name: None, description: Some(Some("Of days.".into())) };
        let dates = given(&[created(), Event::Updated(described)]);
        assert_eq!((dates.name.as_str(), dates.description.as_deref()), ("Calendar", Some("Of days.")));
    }

    #[test]
    fn what_is_not_there_is_not_changed_and_what_is_there_is_not_made() {
        let refused = given(&[]).decide(update(Some("Dates"), Patch::Keep), Timestamp(0));
        assert_eq!(refused, Err(Refusal::NotFound(What::Integration)));
        let again = Command::Create { by: BY, name: "Calendar".into(), description: None };
        assert_eq!(given(&[created()]).decide(again, Timestamp(0)), Err(Refusal::IdTaken));
    }
}
