//! What is counted and paged together: a scope is one list before its filters.
//! Scopes are named by bytes and numbered at first use; numbers differ between
//! two files of the same log, names do not.

use crate::columns::{actor_blob, kind_code};
use crate::error::FoldError;
use crate::fold::View;
use crate::limits::SCOPES_KEPT;
use domain::Actor;
use domain::invitation::Kind;
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use uuid::Uuid;

/// A scope's number is part of a node's key, which has so many bits for it.
pub(crate) const NUMBER_BITS: u32 = 26;

/// A list, and what its coordinates are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'a> {
    /// Invitations to one target, by position of `Created`.
    Target {
        tenant: &'a str,
        kind: Kind,
        target: Uuid,
    },
    /// Invitations to one target, by position of their last change.
    TargetUpdated {
        tenant: &'a str,
        kind: Kind,
        target: Uuid,
    },
    /// A tenant's invitations, by position of `Created`.
    Invitations {
        tenant: &'a str,
    },
    /// Invitations of one inviter, by position of `Created`.
    Inviter {
        tenant: &'a str,
        by: Actor,
    },
    /// By public number.
    Employees {
        tenant: &'a str,
    },
    /// By public number.
    Integrations {
        tenant: &'a str,
    },
    /// By position.
    Notifications {
        tenant: &'a str,
    },
    /// By position of the first event, as all that follow.
    Organizations {
        tenant: &'a str,
    },
    Users {
        tenant: &'a str,
    },
    Applications {
        tenant: &'a str,
    },
    Members {
        tenant: &'a str,
        place: Uuid,
    },
    Tenants,
}

impl Scope<'_> {
    fn view(self) -> View {
        match self {
            Self::Target { .. } | Self::TargetUpdated { .. } | Self::Invitations { .. } | Self::Inviter { .. } => {
                View::Invitations
            }
            Self::Employees { .. } => View::Employees,
            Self::Integrations { .. } => View::Integrations,
            Self::Notifications { .. } => View::Notifications,
            Self::Organizations { .. }
            | Self::Users { .. }
            | Self::Applications { .. }
            | Self::Members { .. }
            | Self::Tenants => View::Directory,
        }
    }

    /// A tag, what is fixed in length, then the tenant: no two scopes share a name.
    fn write_name(self, name: &mut Vec<u8>) {
        name.clear();
        let (tag, tenant) = match self {
            Self::Target { tenant, .. } => (1, tenant),
            Self::TargetUpdated { tenant, .. } => (2, tenant),
            Self::Invitations { tenant } => (3, tenant),
            Self::Inviter { tenant, .. } => (4, tenant),
            Self::Employees { tenant } => (5, tenant),
            Self::Integrations { tenant } => (6, tenant),
            Self::Notifications { tenant } => (7, tenant),
            Self::Organizations { tenant } => (8, tenant),
            Self::Users { tenant } => (9, tenant),
            Self::Applications { tenant } => (10, tenant),
            Self::Members { tenant, .. } => (11, tenant),
            Self::Tenants => (12, ""),
        };
        name.push(tag);
        match self {
            Self::Target { kind, target, .. } | Self::TargetUpdated { kind, target, .. } => {
                name.push(kind_code(kind));
                name.extend_from_slice(target.as_bytes());
            }
            Self::Inviter { by, .. } => {
                let by = actor_blob(by);
                // Lengths differ between actors with and without an id.
                name.push(u8::from(by.len() > 1));
                name.extend_from_slice(&by);
            }
            Self::Members { place, .. } => name.extend_from_slice(place.as_bytes()),
            Self::Invitations { .. }
            | Self::Employees { .. }
            | Self::Integrations { .. }
            | Self::Notifications { .. }
            | Self::Organizations { .. }
            | Self::Users { .. }
            | Self::Applications { .. }
            | Self::Tenants => {}
        }
        name.extend_from_slice(tenant.as_bytes());
    }
}

/// The number of a scope, if anything was ever counted in it.
pub(crate) fn find(connection: &Connection, scope: Scope<'_>) -> Result<Option<u32>, FoldError> {
    let mut name = Vec::new();
    scope.write_name(&mut name);
    find_name(connection, &name)
}

fn find_name(connection: &Connection, name: &[u8]) -> Result<Option<u32>, FoldError> {
    let mut select = connection.prepare_cached("SELECT number FROM scope WHERE name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?)
}

/// The writer's memory of scope numbers; bounded, and thrown away with a rolled back transaction.
#[derive(Default)]
pub(crate) struct Scopes {
    numbers: HashMap<Box<[u8]>, u32>,
    name: Vec<u8>,
}

impl Scopes {
    /// The scope's number, given now if it is new.
    pub(crate) fn number(&mut self, connection: &Connection, scope: Scope<'_>) -> Result<u32, FoldError> {
        scope.write_name(&mut self.name);
        if let Some(number) = self.numbers.get(self.name.as_slice()) {
            return Ok(*number);
        }
        let number = match find_name(connection, &self.name)? {
            Some(number) => number,
            None => {
                let mut insert = connection.prepare_cached("INSERT INTO scope (view, name) VALUES (?1, ?2)")?;
                insert.execute((scope.view().name(), &self.name))?;
                u32::try_from(connection.last_insert_rowid())
                    .ok()
                    .filter(|number| *number < 1 << NUMBER_BITS)
                    .ok_or(FoldError::Row("there are too many lists"))?
            }
        };
        if self.numbers.len() >= SCOPES_KEPT {
            self.numbers.clear();
        }
        self.numbers.insert(self.name.as_slice().into(), number);
        Ok(number)
    }

    pub(crate) fn forget(&mut self) {
        self.numbers.clear();
    }
}
