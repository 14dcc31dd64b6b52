//! What operators should know, newest first.

use super::listing::{Listed, Plan};
use super::rows::at;
use super::{QueryError, ranked};
use crate::columns::Cells;
use crate::error::FoldError;
use crate::fields::NOTIFICATION_FIELDS;
use crate::fold::View;
use crate::page::{ListQuery, Page};
use crate::ranks::ANY;
use crate::rows::NotificationRow;
use crate::scopes::Scope;
use crate::views::Views;
use domain::{Failure, TenantName, Timestamp};
use rusqlite::Connection;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

const LISTED: Listed =
    Listed { table: "notification", fields: NOTIFICATION_FIELDS, order: "position", descending: true };

impl Views {
    /// A page of notifications, newest first unless the query says otherwise.
    ///
    /// # Errors
    /// A refusal for names and values that are not the fields', else as [`Views::invitation`].
    pub async fn notifications(&self, tenant: &TenantName, query: ListQuery) -> Result<Page<NotificationRow>, Failure> {
        let tenant = tenant.clone();
        self.ask(&[View::Notifications], move |connection| list(connection, tenant.as_str(), &query)).await
    }
}

fn list(connection: &Connection, tenant: &str, query: &ListQuery) -> Result<Page<NotificationRow>, QueryError> {
    let plan = Plan::of(query, &LISTED)?;
    let (total, positions) = if plan.is_plain() {
        ranked(connection, Scope::Notifications { tenant }, ANY, plan.cut, plan.descending)?
    } else {
        plan.run(connection, &LISTED, tenant, None)?
    };
    let sql = "SELECT position, kind, invitation, reason, created_at FROM notification WHERE position = ?1";
    Ok(plan.cut.page(total, at(connection, sql, &positions, read)?))
}

fn read(cells: &mut Cells<'_, '_>) -> Result<NotificationRow, FoldError> {
    let (id, kind, invitation) = (cells.number()?, cells.text()?, cells.maybe_id()?);
    let reason = cells.text()?;
    let reason: StrDeserializer<'_, Error> = reason.as_str().into_deserializer();
    Ok(NotificationRow {
        id,
        kind,
        invitation,
        reason: Deserialize::deserialize(reason).map_err(|_| FoldError::Row("a reason"))?,
        created_at: Timestamp(cells.integer()?),
    })
}
