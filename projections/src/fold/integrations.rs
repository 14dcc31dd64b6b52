//! The view of integrations.

use super::{Desk, decode, id_of};
use crate::columns::{actor_blob, signed};
use crate::error::FoldError;
use crate::scopes::Scope;
use domain::Root;
use domain::integration::{Created, Event, Integration, Updated};
use rusqlite::params;
use store::Recorded;

pub(super) fn fold(desk: &mut Desk<'_>, event: &Recorded) -> Result<(), FoldError> {
    match decode(Integration::TYPE, event)? {
        Event::Created(created) => insert(desk, event, &created),
        Event::Updated(updated) => update(desk, event, &updated),
    }
}

fn insert(desk: &mut Desk<'_>, event: &Recorded, created: &Created) -> Result<(), FoldError> {
    let id = id_of(event)?;
    desk.execute(
        "INSERT INTO integration (position, tenant, number, id, created_by, name, name_lower, description,
         description_lower, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            signed(event.position),
            event.tenant,
            signed(event.tseq),
            id.as_bytes(),
            actor_blob(created.by),
            created.name,
            created.name.to_lowercase(),
            created.description,
            created.description.as_deref().map(str::to_lowercase),
            event.at,
        ],
    )?;
    desk.add(Scope::Integrations { tenant: &event.tenant }, event.tseq, 0)
}

fn update(desk: &mut Desk<'_>, event: &Recorded, updated: &Updated) -> Result<(), FoldError> {
    let id = id_of(event)?;
    if let Some(name) = &updated.name {
        desk.execute(
            "UPDATE integration SET name = ?2, name_lower = ?3 WHERE id = ?1",
            params![id.as_bytes(), name, name.to_lowercase()],
        )?;
    }
    if let Some(description) = &updated.description {
        desk.execute(
            "UPDATE integration SET description = ?2, description_lower = ?3 WHERE id = ?1",
            params![id.as_bytes(), description, description.as_deref().map(str::to_lowercase)],
        )?;
    }
    Ok(())
}
