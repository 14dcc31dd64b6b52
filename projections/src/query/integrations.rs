//! Integrations: by number, by id, in lists.

use super::directory::integrations_of;
use super::listing::{Listed, Plan};
use super::rows::{at, one};
use super::{QueryError, ranked};
use crate::columns::{Cells, actor_blob};
use crate::error::FoldError;
use crate::fields::INTEGRATION_FIELDS;
use crate::fold::View;
use crate::page::{ListQuery, Page};
use crate::ranks::ANY;
use crate::rows::IntegrationRow;
use crate::scopes::Scope;
use crate::views::Views;
use domain::{Actor, Failure, TenantName, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};
use uuid::Uuid;

const LISTED: Listed = Listed { table: "integration", fields: INTEGRATION_FIELDS, order: "number", descending: false };

macro_rules! select {
    ($where:literal) => {
        concat!("SELECT id, number, name, description, created_by, created_at FROM integration WHERE ", $where)
    };
}

impl Views {
    /// One integration, by the public integer.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn integration(&self, tenant: &TenantName, number: u64) -> Result<Option<IntegrationRow>, Failure> {
        let tenant = tenant.clone();
        self.look_up(&[View::Integrations], move |connection| by_number(connection, tenant.as_str(), number)).await
    }

    /// One integration, by the aggregate's id.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn integration_by_id(&self, tenant: &TenantName, id: Uuid) -> Result<Option<IntegrationRow>, Failure> {
        let tenant = tenant.clone();
        self.look_up(&[View::Integrations], move |connection| {
            one(connection, select!("id = ?1 AND tenant = ?2"), params![id.as_bytes(), tenant.as_str()], read)
        })
        .await
    }

    /// A page of integrations, by number unless the query says otherwise. A
    /// client sees those they created or accepted: `visible_to` is that user.
    ///
    /// # Errors
    /// A refusal for names and values that are not the fields', else as [`Views::invitation`].
    pub async fn integrations(
        &self,
        tenant: &TenantName,
        query: ListQuery,
        visible_to: Option<Uuid>,
    ) -> Result<Page<IntegrationRow>, Failure> {
        let tenant = tenant.clone();
        let uses: &[View] =
            if visible_to.is_some() { &[View::Integrations, View::Directory] } else { &[View::Integrations] };
        self.ask(uses, move |connection| list(connection, &tenant, &query, visible_to)).await
    }
}

fn by_number(connection: &Connection, tenant: &str, number: u64) -> Result<Option<IntegrationRow>, QueryError> {
    let Ok(number) = i64::try_from(number) else { return Ok(None) };
    one(connection, select!("tenant = ?1 AND number = ?2"), params![tenant, number], read)
}

fn read(cells: &mut Cells<'_, '_>) -> Result<IntegrationRow, FoldError> {
    Ok(IntegrationRow {
        id: cells.id()?,
        number: cells.number()?,
        name: cells.text()?,
        description: cells.maybe_text()?,
        created_by: cells.actor()?,
        created_at: Timestamp(cells.integer()?),
    })
}

fn list(
    connection: &Connection,
    tenant: &TenantName,
    query: &ListQuery,
    visible_to: Option<Uuid>,
) -> Result<Page<IntegrationRow>, QueryError> {
    let plan = Plan::of(query, &LISTED)?;
    let name = tenant.as_str();
    if plan.is_plain() && visible_to.is_none() {
        let (total, numbers) =
            ranked(connection, Scope::Integrations { tenant: name }, ANY, plan.cut, plan.descending)?;
        let rows = numbers.into_iter().map(|number| {
            by_number(connection, name, number)?.ok_or_else(|| FoldError::Row("a listed row is missing").into())
        });
        return Ok(plan.cut.page(total, rows.collect::<Result<_, QueryError>>()?));
    }
    let visible = match visible_to {
        Some(user) => {
            let accepted = integrations_of(connection, tenant, user)?;
            let ids: Vec<String> = accepted.iter().map(|id| id.simple().to_string()).collect();
            let ids = serde_json::to_string(&ids).map_err(|_| FoldError::Row("an id"))?;
            let values = vec![Sql::Blob(actor_blob(Actor::User(user))), Sql::Text(ids)];
            Some(("created_by = ?2 OR id IN (SELECT unhex(value) FROM json_each(?3))", values))
        }
        None => None,
    };
    let (total, positions) = plan.run(connection, &LISTED, name, visible)?;
    Ok(plan.cut.page(total, at(connection, select!("position = ?1"), &positions, read)?))
}
