//! The log's schema, and which ledger it holds.

use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::super::Origin;
use crate::{
    OpenError,
    server::schema::{ADVISORY, Schema, check_within, newer, server},
};

pub(super) const SCHEMA: Schema = Schema {
    name: "ledger",
    steps: &[include_str!("schema.sql")],
    rights: &[("events", "SELECT"), ("events", "INSERT"), ("head", "SELECT"), ("head", "UPDATE"), ("epochs", "SELECT")],
};
/// The newest events this program understands, compared with the ledger's `min_reader`.
const READER: i64 = 1;
/// Who has this one writes alone; those who share the log share it.
pub(super) const ALONE: i64 = ADVISORY + 1;
/// Who has this one may append.
pub(super) const TURN: i64 = ADVISORY + 4;

/// Which ledger it is, if it still is what one can rest on: asked at every connection that is made to write.
pub(super) async fn look(on: &mut PgConnection) -> Result<Origin, OpenError> {
    let mut looking = on.begin().await.map_err(server)?;
    let found = look_within(&mut looking).await?;
    looking.commit().await.map_err(server)?;
    Ok(found)
}

async fn look_within(on: &mut PgConnection) -> Result<Origin, OpenError> {
    check_within(on).await?;
    let meta = "SELECT (SELECT value FROM ledger.meta WHERE name = 'ledger_id'), \
                (SELECT value::bigint FROM ledger.meta WHERE name = 'min_reader')";
    let row = sqlx::query(meta).persistent(false).fetch_one(&mut *on).await.map_err(server)?;
    let (id, found): (Option<&str>, Option<i64>) = (row.try_get(0).map_err(server)?, row.try_get(1).map_err(server)?);
    let id = id.and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(|| SCHEMA.foreign())?;
    if let Some(found) = found.filter(|found| *found > READER) {
        return Err(newer("events", found, READER));
    }
    let epochs = sqlx::query("SELECT first, epoch FROM ledger.epochs ORDER BY first").persistent(false);
    let epochs = epochs
        .fetch_all(on)
        .await
        .map_err(server)?
        .iter()
        .map(|row| {
            Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), u32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(1)))
        })
        .collect::<Result<_, _>>()
        .map_err(server)?;
    Ok(Origin::new(id, epochs))
}
