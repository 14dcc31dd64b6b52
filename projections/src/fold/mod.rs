//! Folding: one event into the rows of one view.
//!
//! Promise: a fold depends on nothing but the event and the view's own rows,
//! and it refuses an event before it has written anything of it, so a view can
//! stop between two events and keep what it has.

mod desk;
mod directory;
mod employees;
mod integrations;
mod invitations;
mod notifications;
#[cfg(test)]
mod tests;

pub(crate) use desk::Desk;
pub(crate) use employees::{ACTIVE, INACTIVE};
pub(crate) use invitations::slots;

use crate::error::{FoldError, Unfoldable};
use domain::{DecodeError, Event, Origin, TenantName, Timestamp};
use store::Recorded;
use uuid::Uuid;

/// The views, each with its own progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Invitations,
    Employees,
    Integrations,
    Directory,
    Notifications,
}

/// A table of a view, and what orders its rows.
pub(crate) struct Table {
    pub name: &'static str,
    pub key: &'static str,
}

impl View {
    pub(crate) const ALL: [Self; 5] =
        [Self::Invitations, Self::Employees, Self::Integrations, Self::Directory, Self::Notifications];

    /// Its identity in the file and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invitations => "invitations",
            Self::Employees => "employees",
            Self::Integrations => "integrations",
            Self::Directory => "directory",
            Self::Notifications => "notifications",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }

    /// Its tables, besides its part of the counts.
    pub(crate) fn tables(self) -> &'static [Table] {
        match self {
            Self::Invitations => &[Table { name: "invitation", key: "position" }],
            Self::Employees => &[Table { name: "employee", key: "position" }],
            Self::Integrations => &[Table { name: "integration", key: "position" }],
            Self::Directory => &[Table { name: "directory", key: "position" }],
            Self::Notifications => &[Table { name: "notification", key: "position" }],
        }
    }

    /// Folds one event of an aggregate of that type; one that is no business of
    /// the view changes nothing.
    pub(crate) fn fold(self, desk: &mut Desk<'_>, aggregate: &str, event: &Recorded) -> Result<(), FoldError> {
        match self {
            Self::Invitations if aggregate == "invitation" => invitations::fold(desk, event),
            Self::Employees if aggregate == "employee" => employees::fold(desk, event),
            Self::Integrations if aggregate == "integration" => integrations::fold(desk, event),
            Self::Directory => directory::fold(desk, aggregate, event),
            Self::Notifications => notifications::fold(desk, aggregate, event),
            Self::Invitations | Self::Employees | Self::Integrations => Ok(()),
        }
    }
}

pub(crate) fn decode<E: Event>(aggregate: &'static str, event: &Recorded) -> Result<E, DecodeError> {
    E::decode(aggregate, &event.kind, event.schema, &event.payload)
}

/// The aggregate's id: what stands behind the last `/` of the stream.
pub(crate) fn id_of(event: &Recorded) -> Result<Uuid, Unfoldable> {
    let (_, id) = event.stream.as_str().rsplit_once('/').ok_or(Unfoldable::Stream)?;
    Uuid::parse_str(id).map_err(|_| Unfoldable::Stream)
}

/// The event's place as aggregates see it.
pub(crate) fn origin_of(event: &Recorded) -> Result<Origin, Unfoldable> {
    Ok(Origin {
        tenant: TenantName::parse(&event.tenant).map_err(|_| Unfoldable::Stream)?,
        id: id_of(event)?,
        at: Timestamp(event.at),
        tseq: event.tseq,
        version: event.version,
    })
}
