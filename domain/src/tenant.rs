//! A tenant and its settings. Everything else belongs to exactly one tenant.

use crate::{Actor, Origin, Refusal, TenantName, Timestamp, What};
use serde::{Deserialize, Serialize};

pub const DEFAULT_VALID_DAYS: u32 = 7;
/// An invitation lives a year at most.
pub const MAX_VALID_DAYS: u32 = 365;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created(Created),
    SettingsChanged(SettingsChanged),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    pub by: Actor,
    pub name: TenantName,
}

/// Only what changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingsChanged {
    pub by: Actor,
    #[serde(flatten)]
    pub changes: SettingsPatch,
}

/// A part of the settings; a missing member is unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_csrf: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_csrf: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_unregistered: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_days: Option<u32>,
}

/// What a tenant's settings are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `ReadRequestCSRFSupport` of the platform dialect.
    pub read_csrf: bool,
    /// `WriteRequestCSRFSupport`.
    pub write_csrf: bool,
    /// `InviteUnregisteredUsers`: users may invite to the platform.
    pub invite_unregistered: bool,
    /// `InvitedUserValidDays`: how long a new invitation lives.
    pub valid_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { read_csrf: false, write_csrf: true, invite_unregistered: true, valid_days: DEFAULT_VALID_DAYS }
    }
}

impl crate::Event for Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::SettingsChanged(_) => "SettingsChanged",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Command {
    Create { by: Actor, name: TenantName },
    ChangeSettings { by: Actor, changes: SettingsPatch },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tenant {
    pub name: TenantName,
    pub version: u64,
    pub settings: Settings,
    pub created_at: Timestamp,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            name: TenantName::default_tenant(),
            version: 0,
            settings: Settings::default(),
            created_at: Timestamp::default(),
        }
    }
}

impl Tenant {
    #[must_use]
    pub fn exists(&self) -> bool {
        self.version > 0
    }
}

impl crate::Root for Tenant {
    const TYPE: &'static str = "tenant";
    type Command = Command;
    type Event = Event;

    fn decide(&self, command: Command, _: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Create { .. } if self.exists() => Err(Refusal::NameTaken),
            Command::Create { by, name } => Ok(vec![Event::Created(Created { by, name })]),
            Command::ChangeSettings { .. } if !self.exists() => Err(Refusal::NotFound(What::Tenant)),
            Command::ChangeSettings { by, changes } => {
                if changes.valid_days.is_some_and(|d| !(1..=MAX_VALID_DAYS).contains(&d)) {
                    return Err(Refusal::invalid("valid_days", format!("must be 1 to {MAX_VALID_DAYS}")));
                }
                let now = self.settings;
                let changes = SettingsPatch {
                    read_csrf: changes.read_csrf.filter(|v| *v != now.read_csrf),
                    write_csrf: changes.write_csrf.filter(|v| *v != now.write_csrf),
                    invite_unregistered: changes.invite_unregistered.filter(|v| *v != now.invite_unregistered),
                    valid_days: changes.valid_days.filter(|v| *v != now.valid_days),
                };
                let changed = changes != SettingsPatch::default();
                Ok(changed.then_some(Event::SettingsChanged(SettingsChanged { by, changes })).into_iter().collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event, origin: &Origin) {
        self.version = origin.version;
        match event {
            Event::Created(e) => {
                self.name = e.name.clone();
                self.created_at = origin.at;
            }
            Event::SettingsChanged(e) => {
                let s = &mut self.settings;
                s.read_csrf = e.changes.read_csrf.unwrap_or(s.read_csrf);
                s.write_csrf = e.changes.write_csrf.unwrap_or(s.write_csrf);
                s.invite_unregistered = e.changes.invite_unregistered.unwrap_or(s.invite_unregistered);
                s.valid_days = e.changes.valid_days.unwrap_or(s.valid_days);
            }
        }
    }
}
