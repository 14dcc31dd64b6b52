//! The view of integrations.

use super::{Desk, decode, id_of};
use crate::columns::{actor_blob, signed};
use crate::error::FoldError;
use crate::scopes::Scope;
use domain::Root;
use domain::integration::{Event, Integration};
use rusqlite::params;
use store::Recorded;

pub(super) fn fold(desk: &mut Desk<'_>, event: &Recorded) -> Result<(), FoldError> {
    let Event::Created(created) = decode(Integration::TYPE, event)?;
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
            created.description.as_ref().map(|text| text.to_lowercase()),
            event.at,
        ],
    )?;
    desk.add(Scope::Integrations { tenant: &event.tenant }, event.tseq, 0)
}
