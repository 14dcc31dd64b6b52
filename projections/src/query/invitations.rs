//! Invitations: by id, by link, in lists, and those that are due.

use super::rows::{all, one};
use super::{QueryError, ranked};
use crate::columns::{Cells, actor_blob, kind_code, signed, state_code};
use crate::error::FoldError;
use crate::fold::{View, slots};
use crate::limits::MAX_DUE;
use crate::page::{Cut, InvitationQuery, InviteQuery, InviteSort, Page};
use crate::rows::InvitationRow;
use crate::scopes::Scope;
use crate::views::Views;
use domain::invitation::{Kind, aggregate_id};
use domain::organization::Organization;
use domain::{Address, Failure, Root, TenantName, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params, params_from_iter};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StringDeserializer};
use uuid::Uuid;

/// A row's target has its name in other views.
const USES: &[View] = &[View::Invitations, View::Directory, View::Integrations];

macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT tenant, id, public_id, kind, target, role, email, message, state, email_status, invited_by,
             accepted_by, cancelled_by, generation, link, created_at, updated_at, expires_at, accepted_at,
             updated_in_db_at, position FROM invitation ",
            $where
        )
    };
}

impl Views {
    /// One invitation, by the aggregate's id.
    ///
    /// # Errors
    /// As every query: [`domain::Unavailable::ViewsBehind`], or an internal failure.
    pub async fn invitation(&self, tenant: &TenantName, id: Uuid) -> Result<Option<InvitationRow>, Failure> {
        let tenant = tenant.clone();
        self.look_up(USES, move |connection| by_id(connection, &tenant, id)).await
    }

    /// One invitation of an organization, by the id its callers know; without the
    /// organization's name, which they know too.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn invitation_in(
        &self,
        tenant: &TenantName,
        organization: Uuid,
        public_id: Uuid,
    ) -> Result<Option<InvitationRow>, Failure> {
        let tenant = tenant.clone();
        self.look_up(USES, move |connection| {
            for id in [public_id, aggregate_id(organization, public_id)] {
                let found = unnamed(connection, &tenant, id)?.filter(|row| {
                    row.kind == Kind::Organization && row.target == organization && row.public_id == public_id
                });
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        })
        .await
    }

    /// The invitation behind a mailed link, of whatever tenant: the row names it.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn invitation_by_link(&self, link: Uuid) -> Result<Option<InvitationRow>, Failure> {
        self.look_up(USES, move |connection| {
            let row = one(connection, select!("WHERE link = ?1"), [link.as_bytes()], read)?;
            row.map(|row| named(connection, row)).transpose()
        })
        .await
    }

    /// A page of an organization's invitations.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn organization_invites(
        &self,
        tenant: &TenantName,
        query: InviteQuery,
    ) -> Result<Page<InvitationRow>, Failure> {
        let tenant = tenant.clone();
        self.ask(USES, move |connection| invites(connection, &tenant, &query)).await
    }

    /// A page of a tenant's invitations, newest first.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn invitations(
        &self,
        tenant: &TenantName,
        query: InvitationQuery,
    ) -> Result<Page<InvitationRow>, Failure> {
        let tenant = tenant.clone();
        self.ask(USES, move |connection| of_tenant(connection, &tenant, &query)).await
    }

    /// Pending invitations whose time is over, the longest due first, at most
    /// [`MAX_DUE`]. The sweeper and lists have them expired.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn due_invitations(
        &self,
        tenant: Option<&TenantName>,
        target: Option<Uuid>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantName, Uuid)>, Failure> {
        let tenant = tenant.map(|tenant| tenant.as_str().to_owned());
        let limit = i64::try_from(limit.min(MAX_DUE)).unwrap_or(0);
        let read = |cells: &mut Cells<'_, '_>| Ok((cells.tenant()?, cells.id()?));
        match target {
            // Before every list, and nearly always nothing.
            Some(target) => {
                let due = "SELECT tenant, id FROM invitation WHERE state = 0 AND expires_at <= ?1 AND target = ?4
                     AND (?2 IS NULL OR tenant = ?2) ORDER BY expires_at LIMIT ?3";
                self.look_up(&[View::Invitations], move |connection| {
                    all(connection, due, params![now.0, tenant, limit, target.as_bytes()], read)
                })
                .await
            }
            None => {
                let due = "SELECT tenant, id FROM invitation WHERE state = 0 AND expires_at <= ?1
                     AND (?2 IS NULL OR tenant = ?2) ORDER BY expires_at LIMIT ?3";
                self.ask(&[View::Invitations], move |connection| {
                    all(connection, due, params![now.0, tenant, limit], read)
                })
                .await
            }
        }
    }
}

fn by_id(connection: &Connection, tenant: &TenantName, id: Uuid) -> Result<Option<InvitationRow>, QueryError> {
    unnamed(connection, tenant, id)?.map(|row| named(connection, row)).transpose()
}

fn unnamed(connection: &Connection, tenant: &TenantName, id: Uuid) -> Result<Option<InvitationRow>, QueryError> {
    one(connection, select!("WHERE id = ?1 AND tenant = ?2"), params![id.as_bytes(), tenant.as_str()], read)
}

fn invites(
    connection: &Connection,
    tenant: &TenantName,
    query: &InviteQuery,
) -> Result<Page<InvitationRow>, QueryError> {
    let (tenant, kind, target) = (tenant.as_str(), Kind::Organization, query.organization);
    let (scope, descending) = match query.sort {
        InviteSort::CreatedAsc => (Scope::Target { tenant, kind, target }, false),
        InviteSort::CreatedDesc => (Scope::Target { tenant, kind, target }, true),
        InviteSort::UpdatedAsc => (Scope::TargetUpdated { tenant, kind, target }, false),
        InviteSort::UpdatedDesc => (Scope::TargetUpdated { tenant, kind, target }, true),
    };
    let cut = Cut::new(query.page, query.per_page);
    let (total, at) = ranked(connection, scope, slots(Some(kind), query.state, query.role), cut, descending)?;
    let rows = match query.sort {
        InviteSort::CreatedAsc | InviteSort::CreatedDesc => created_at(connection, &at)?,
        InviteSort::UpdatedAsc | InviteSort::UpdatedDesc => changed_at(connection, &at)?,
    };
    Ok(cut.page(total, with_names(connection, rows)?))
}

/// The rows whose `Created` stands at these positions.
fn created_at(connection: &Connection, positions: &[u64]) -> Result<Vec<InvitationRow>, QueryError> {
    super::rows::at(connection, select!("WHERE position = ?1"), positions, read)
}

/// The rows whose last change stands at these positions: `Created` itself where there was none since.
fn changed_at(connection: &Connection, positions: &[u64]) -> Result<Vec<InvitationRow>, QueryError> {
    positions
        .iter()
        .map(|at| {
            let at = signed(*at);
            let row = match one(connection, select!("WHERE position = ?1 AND changed = position"), [at], read)? {
                Some(row) => Some(row),
                None => one(connection, select!("WHERE changed = ?1 AND changed <> position"), [at], read)?,
            };
            row.ok_or_else(|| FoldError::Row("a listed row is missing").into())
        })
        .collect()
}

fn of_tenant(
    connection: &Connection,
    tenant: &TenantName,
    query: &InvitationQuery,
) -> Result<Page<InvitationRow>, QueryError> {
    let cut = Cut::new(query.page, query.per_page);
    let slots = slots(query.kind, query.state, None);
    let name = tenant.as_str();
    let (total, at) = match (&query.address, query.target, query.invited_by) {
        (Some(address), _, _) => of_address(connection, name, query, address, cut)?,
        (None, None, None) => ranked(connection, Scope::Invitations { tenant: name }, slots, cut, true)?,
        (None, None, Some(by)) => ranked(connection, Scope::Inviter { tenant: name, by }, slots, cut, true)?,
        (None, Some(target), None) => of_target(connection, name, query, target, cut)?,
        (None, Some(_), Some(_)) => scanned(connection, name, query, cut)?,
    };
    let rows = created_at(connection, &at)?;
    Ok(cut.page(total, with_names(connection, rows)?))
}

/// A target's id is of one kind, whether the query says which or not.
fn of_target(
    connection: &Connection,
    tenant: &str,
    query: &InvitationQuery,
    target: Uuid,
    cut: Cut,
) -> Result<(u64, Vec<u64>), QueryError> {
    for kind in [Kind::Organization, Kind::Integration, Kind::Platform] {
        if query.kind.is_some_and(|wanted| wanted != kind) {
            continue;
        }
        let chosen = slots(Some(kind), query.state, None);
        let found = ranked(connection, Scope::Target { tenant, kind, target }, chosen, cut, true)?;
        if found.0 > 0 {
            return Ok(found);
        }
    }
    Ok((0, vec![]))
}

/// Conditions that hold for every way of narrowing, and their values: `?1` is the tenant.
fn conditions(query: &InvitationQuery, tenant: &str) -> (String, Vec<Sql>) {
    let mut sql = String::from("tenant = ?1");
    let mut values = vec![Sql::Text(tenant.to_owned())];
    let mut and = |column: &'static str, value: Sql| {
        values.push(value);
        sql.push_str(&format!(" AND {column} = ?{}", values.len()));
    };
    if let Some(kind) = query.kind {
        and("kind", Sql::Integer(kind_code(kind).into()));
    }
    if let Some(target) = query.target {
        and("target", Sql::Blob(target.as_bytes().to_vec()));
    }
    if let Some(state) = query.state {
        and("state", Sql::Integer(state_code(state).into()));
    }
    if let Some(by) = query.invited_by {
        and("invited_by", Sql::Blob(actor_blob(by)));
    }
    (sql, values)
}

/// An address has few invitations: they are counted one by one.
fn of_address(
    connection: &Connection,
    tenant: &str,
    query: &InvitationQuery,
    address: &Address,
    cut: Cut,
) -> Result<(u64, Vec<u64>), QueryError> {
    let (mut sql, mut values) = conditions(query, tenant);
    values.push(Sql::Text(address.key().to_owned()));
    sql.push_str(&format!(" AND email IS NOT NULL AND coalesce(address, email) = ?{}", values.len()));
    counted(connection, &sql, values, cut)
}

/// Target and inviter together have no list of their own: the tenant's rows are
/// looked at one by one.
fn scanned(
    connection: &Connection,
    tenant: &str,
    query: &InvitationQuery,
    cut: Cut,
) -> Result<(u64, Vec<u64>), QueryError> {
    let (sql, values) = conditions(query, tenant);
    counted(connection, &sql, values, cut)
}

fn counted(connection: &Connection, sql: &str, mut values: Vec<Sql>, cut: Cut) -> Result<(u64, Vec<u64>), QueryError> {
    let count = format!("SELECT count(*) FROM invitation WHERE {sql}");
    let total = one(connection, &count, params_from_iter(&values), |cells| cells.number())?.unwrap_or(0);
    let select = format!(
        "SELECT position FROM invitation WHERE {sql} ORDER BY position DESC LIMIT ?{} OFFSET ?{}",
        values.len() + 1,
        values.len() + 2
    );
    values.extend([Sql::Integer(signed(cut.size)), Sql::Integer(i64::try_from(cut.offset()).unwrap_or(i64::MAX))]);
    let at = all(connection, &select, params_from_iter(&values), |cells| cells.number())?;
    Ok((total, at))
}

fn read(cells: &mut Cells<'_, '_>) -> Result<InvitationRow, FoldError> {
    let tenant = cells.tenant()?;
    let id = cells.id()?;
    Ok(InvitationRow {
        tenant,
        id,
        public_id: cells.maybe_id()?.unwrap_or(id),
        kind: cells.kind()?,
        target: cells.id()?,
        target_name: None,
        role: cells.role()?,
        email: cells.maybe_text()?.map(address).transpose()?,
        message: cells.maybe_text()?,
        state: cells.state()?,
        email_status: cells.status()?,
        invited_by: cells.actor()?,
        accepted_by: cells.maybe_id()?,
        cancelled_by: cells.maybe_actor()?,
        generation: u32::try_from(cells.integer()?).map_err(|_| FoldError::Row("a generation"))?,
        link: cells.id()?,
        created_at: Timestamp(cells.integer()?),
        updated_at: Timestamp(cells.integer()?),
        expires_at: Timestamp(cells.integer()?),
        accepted_at: cells.maybe_integer()?.map(Timestamp),
        updated_in_db_at: cells.maybe_integer()?.map(Timestamp),
        position: cells.number()?,
    })
}

/// As the log has it: what was an address once stays one.
fn address(text: String) -> Result<Address, FoldError> {
    let text: StringDeserializer<Error> = text.into_deserializer();
    Address::deserialize(text).map_err(|_| FoldError::Row("an address"))
}

/// Rows of one page are often of one target: its name is looked up once.
fn with_names(connection: &Connection, mut rows: Vec<InvitationRow>) -> Result<Vec<InvitationRow>, QueryError> {
    let mut last: Option<(Kind, Uuid, Option<String>)> = None;
    for row in &mut rows {
        let name = match &last {
            Some((kind, target, name)) if (*kind, *target) == (row.kind, row.target) => name.clone(),
            Some(_) | None => {
                let name = target_name(connection, &row.tenant, row.kind, row.target)?;
                last = Some((row.kind, row.target, name.clone()));
                name
            }
        };
        row.target_name = name;
    }
    Ok(rows)
}

fn named(connection: &Connection, mut row: InvitationRow) -> Result<InvitationRow, QueryError> {
    row.target_name = target_name(connection, &row.tenant, row.kind, row.target)?;
    Ok(row)
}

fn target_name(
    connection: &Connection,
    tenant: &TenantName,
    kind: Kind,
    target: Uuid,
) -> Result<Option<String>, QueryError> {
    let params = params![target.as_bytes(), tenant.as_str()];
    match kind {
        Kind::Platform => Ok(Some(tenant.as_str().to_owned())),
        Kind::Integration => {
            one(connection, "SELECT name FROM integration WHERE id = ?1 AND tenant = ?2", params, |cells| cells.text())
        }
        Kind::Organization => {
            Ok(super::directory::aggregate::<Organization>(connection, Organization::TYPE, tenant, target)?
                .map(|o| o.name))
        }
    }
}
