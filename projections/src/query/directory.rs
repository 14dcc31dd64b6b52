//! Tenants, organizations, users, members and applications.

use super::rows::{all, at, one};
use super::{QueryError, ranked};
use crate::columns::Cells;
use crate::error::FoldError;
use crate::fold::View;
use crate::page::{Cut, Page};
use crate::ranks::ANY;
use crate::rows::{ApplicationRow, MemberRow, OrganizationRow, TenantRow, UserRow};
use crate::scopes::Scope;
use crate::views::Views;
use domain::application::Application;
use domain::membership::{Membership, Place};
use domain::organization::Organization;
use domain::tenant::Tenant;
use domain::user::User;
use domain::{Failure, Root, TenantName};
use rusqlite::{Connection, params};
use uuid::Uuid;

const USES: &[View] = &[View::Directory];
const BODY_AT: &str = "SELECT body FROM directory WHERE position = ?1";

impl Views {
    /// Organizations by creation.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn organizations(
        &self,
        tenant: &TenantName,
        page: u64,
        size: u64,
    ) -> Result<Page<OrganizationRow>, Failure> {
        let (tenant, cut) = (tenant.clone(), Cut::new(page, size));
        self.ask(USES, move |connection| {
            let scope = Scope::Organizations { tenant: tenant.as_str() };
            listed::<Organization, _>(connection, scope, cut, |o| OrganizationRow::from(o))
        })
        .await
    }

    /// # Errors
    /// As [`Views::invitation`].
    pub async fn organization(&self, tenant: &TenantName, id: Uuid) -> Result<Option<OrganizationRow>, Failure> {
        let tenant = tenant.clone();
        self.ask(USES, move |connection| {
            let found = aggregate::<Organization>(connection, Organization::TYPE, &tenant, id)?;
            Ok(found.as_ref().map(OrganizationRow::from))
        })
        .await
    }

    /// Members of an organization, by the first grant.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn members(
        &self,
        tenant: &TenantName,
        organization: Uuid,
        page: u64,
        size: u64,
    ) -> Result<Page<MemberRow>, Failure> {
        let (tenant, cut) = (tenant.clone(), Cut::new(page, size));
        self.ask(USES, move |connection| {
            let scope = Scope::Members { tenant: tenant.as_str(), place: organization };
            let (total, found) = ranked(connection, scope, ANY, cut, false)?;
            let memberships = at(connection, BODY_AT, &found, body::<Membership>)?;
            let rows = memberships.into_iter().map(|m| member(connection, &tenant, &m)).collect::<Result<_, _>>()?;
            Ok(cut.page(total, rows))
        })
        .await
    }

    /// Users by creation.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn users(&self, tenant: &TenantName, page: u64, size: u64) -> Result<Page<UserRow>, Failure> {
        let (tenant, cut) = (tenant.clone(), Cut::new(page, size));
        self.ask(USES, move |connection| {
            listed::<User, _>(connection, Scope::Users { tenant: tenant.as_str() }, cut, |u| UserRow::from(u))
        })
        .await
    }

    /// # Errors
    /// As [`Views::invitation`].
    pub async fn user(&self, tenant: &TenantName, id: Uuid) -> Result<Option<UserRow>, Failure> {
        let tenant = tenant.clone();
        self.ask(USES, move |connection| {
            Ok(aggregate::<User>(connection, User::TYPE, &tenant, id)?.as_ref().map(UserRow::from))
        })
        .await
    }

    /// Applications by creation, revoked ones among them.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn applications(
        &self,
        tenant: &TenantName,
        page: u64,
        size: u64,
    ) -> Result<Page<ApplicationRow>, Failure> {
        let (tenant, cut) = (tenant.clone(), Cut::new(page, size));
        self.ask(USES, move |connection| {
            let scope = Scope::Applications { tenant: tenant.as_str() };
            listed::<Application, _>(connection, scope, cut, |a| ApplicationRow::from(a))
        })
        .await
    }

    /// Tenants by creation.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn tenants(&self, page: u64, size: u64) -> Result<Page<TenantRow>, Failure> {
        let cut = Cut::new(page, size);
        self.ask(USES, move |connection| listed::<Tenant, _>(connection, Scope::Tenants, cut, |t| TenantRow::from(t)))
            .await
    }
}

/// One aggregate of the directory.
pub(super) fn aggregate<A: Root>(
    connection: &Connection,
    kind: &'static str,
    tenant: &TenantName,
    id: Uuid,
) -> Result<Option<A>, QueryError> {
    one(
        connection,
        "SELECT body FROM directory WHERE id = ?1 AND type = ?2 AND tenant = ?3",
        params![id.as_bytes(), kind, tenant.as_str()],
        body::<A>,
    )
}

/// Integrations a user is a member of.
pub(super) fn integrations_of(
    connection: &Connection,
    tenant: &TenantName,
    user: Uuid,
) -> Result<Vec<Uuid>, QueryError> {
    let memberships = all(
        connection,
        "SELECT body FROM directory WHERE user = ?1 AND user IS NOT NULL AND tenant = ?2 AND type = 'membership'",
        params![user.as_bytes(), tenant.as_str()],
        body::<Membership>,
    )?;
    let current = memberships.into_iter().filter(|m| m.place == Place::Integration && m.role.is_some());
    Ok(current.map(|m| m.target).collect())
}

fn body<A: Root>(cells: &mut Cells<'_, '_>) -> Result<A, FoldError> {
    serde_json::from_str(&cells.text()?).map_err(|_| FoldError::Row("an aggregate"))
}

fn listed<A: Root, T>(
    connection: &Connection,
    scope: Scope<'_>,
    cut: Cut,
    row: impl Fn(&A) -> T,
) -> Result<Page<T>, QueryError> {
    let (total, found) = ranked(connection, scope, ANY, cut, false)?;
    let aggregates = at(connection, BODY_AT, &found, body::<A>)?;
    Ok(cut.page(total, aggregates.iter().map(row).collect()))
}

fn member(connection: &Connection, tenant: &TenantName, membership: &Membership) -> Result<MemberRow, QueryError> {
    let user = aggregate::<User>(connection, User::TYPE, tenant, membership.user)?;
    Ok(MemberRow {
        user: membership.user,
        role: membership.role.ok_or(FoldError::Row("a listed member without a role"))?,
        email: user.as_ref().and_then(|user| user.email.clone()),
        name: user.and_then(|user| user.name),
        granted_at: membership.granted_at,
    })
}
