//! The tables of the copy: their columns, and how a row of the views becomes one of theirs.

use super::sheet::{Kind, Sheet};
use crate::columns::{Cells, signed};
use crate::error::FoldError;
use domain::application::Application;
use domain::employee::{ADDRESS_KEYS, Employee};
use domain::integration::Integration;
use domain::invitation::Invitation;
use domain::membership::{Membership, Place};
use domain::organization::Organization;
use domain::tenant::Tenant;
use domain::user::User;
use domain::{Root, Timestamp};

pub(super) struct Table {
    pub name: &'static str,
    /// The aggregate whose events touch its rows; none: a row is added, and stays.
    pub aggregate: Option<&'static str>,
    pub columns: &'static [(&'static str, Kind)],
    /// The first so many columns tell rows apart.
    pub key: usize,
    /// What is read of the views, behind the position: columns, table and condition.
    select: &'static str,
    read: fn(&mut Cells<'_, '_>, &mut Sheet) -> Result<Shown, FoldError>,
}

/// Whether a row of the views is one of the copy. If not, nothing of it is in the sheet.
pub(super) type Shown = bool;

impl Table {
    /// Rows after a position, so many.
    pub(super) fn page(&self) -> String {
        format!("SELECT position, {} AND position > ?1 ORDER BY position LIMIT ?2", self.select)
    }

    /// The row of one aggregate.
    pub(super) fn one(&self) -> String {
        format!("SELECT position, {} AND id = ?1 AND tenant = ?2", self.select)
    }

    pub(super) fn sheet(&self) -> Sheet {
        Sheet::of(self.columns.iter().map(|(_, kind)| *kind))
    }

    /// Puts a row into the sheet; answers its position, and whether it is shown.
    pub(super) fn take(&self, row: &rusqlite::Row<'_>, sheet: &mut Sheet) -> Result<(i64, Shown), FoldError> {
        let mut cells = Cells::of(row);
        let position = cells.integer()?;
        let shown = (self.read)(&mut cells, sheet)?;
        if shown {
            sheet.end_row()?;
        }
        Ok((position, shown))
    }

    /// Adds rows, or changes those that are there.
    pub(super) fn upsert(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let arrays: Vec<String> =
            self.columns.iter().zip(1..).map(|((_, kind), number)| format!("${number}::{}", kind.array())).collect();
        let values: Vec<String> = self.columns.iter().map(|(name, kind)| kind.value(name)).collect();
        let changes: Vec<String> = names[self.key..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
        format!(
            "INSERT INTO views.{table} ({names}) SELECT {values} FROM unnest({arrays}) AS new ({names}) \
             ON CONFLICT ({key}) DO UPDATE SET {changes}",
            table = self.name,
            names = names.join(", "),
            values = values.join(", "),
            arrays = arrays.join(", "),
            key = names[..self.key].join(", "),
            changes = changes.join(", "),
        )
    }

    /// Takes rows away that have no aggregate's row any more, by tenant and id.
    pub(super) fn remove(&self) -> String {
        let table = self.name;
        format!(
            "DELETE FROM views.{table} AS old USING unnest($1::text[], $2::uuid[]) AS gone (tenant, id) \
             WHERE old.tenant = gone.tenant AND old.id = gone.id"
        )
    }

    pub(super) fn clear(&self) -> String {
        format!("DELETE FROM views.{}", self.name)
    }
}

use Kind::{Date, Flag, Id, Integer, Text, Time, Words};

pub(super) const TABLES: [Table; 9] = [
    Table {
        name: "tenants",
        aggregate: Some(Tenant::TYPE),
        columns: &[
            ("tenant", Text),
            ("valid_days", Integer),
            ("invite_unregistered", Flag),
            ("read_csrf", Flag),
            ("write_csrf", Flag),
            ("created_at", Time),
        ],
        key: 1,
        select: "body FROM directory WHERE type = 'tenant'",
        read: tenant,
    },
    Table {
        name: "organizations",
        aggregate: Some(Organization::TYPE),
        columns: &[
            ("tenant", Text),
            ("id", Id),
            ("name", Text),
            ("bind_recipient", Flag),
            ("created_at", Time),
            ("updated_at", Time),
        ],
        key: 2,
        select: "body FROM directory WHERE type = 'organization'",
        read: organization,
    },
    Table {
        name: "users",
        aggregate: Some(User::TYPE),
        columns: &[
            ("tenant", Text),
            ("id", Id),
            ("email", Text),
            ("name", Text),
            ("address_verified", Flag),
            ("administrator", Flag),
            ("liaison", Flag),
            ("employee_id", Id),
            ("client_number", Integer),
            ("company_name", Text),
            ("client_since", Time),
            ("created_at", Time),
            ("updated_at", Time),
        ],
        key: 2,
        select: "body FROM directory WHERE type = 'user'",
        read: user,
    },
    Table {
        name: "members",
        aggregate: Some(Membership::TYPE),
        columns: &[
            ("tenant", Text),
            ("id", Id),
            ("place", Text),
            ("place_id", Id),
            ("user_id", Id),
            ("role", Text),
            ("granted_at", Time),
        ],
        key: 2,
        select: "body FROM directory WHERE type = 'membership'",
        read: member,
    },
    Table {
        name: "applications",
        aggregate: Some(Application::TYPE),
        columns: &[
            ("tenant", Text),
            ("id", Id),
            ("name", Text),
            ("scopes", Words),
            ("revoked", Flag),
            ("created_at", Time),
        ],
        key: 2,
        select: "body FROM directory WHERE type = 'application'",
        read: application,
    },
    Table {
        name: "integrations",
        aggregate: Some(Integration::TYPE),
        columns: &[
            ("tenant", Text),
            ("id", Id),
            ("number", Integer),
            ("name", Text),
            ("description", Text),
            ("created_by", Text),
            ("created_by_id", Id),
            ("created_at", Time),
        ],
        key: 2,
        select: "tenant, id, number, name, description, created_by, created_at FROM integration WHERE true",
        read: integration,
    },
    EMPLOYEES,
    INVITATIONS,
    Table {
        name: "notifications",
        aggregate: None,
        columns: &[
            ("id", Integer),
            ("tenant", Text),
            ("kind", Text),
            ("invitation_id", Id),
            ("reason", Text),
            ("created_at", Time),
        ],
        key: 1,
        select: "position, tenant, kind, invitation, reason, created_at FROM notification WHERE true",
        read: notification,
    },
];

const EMPLOYEES: Table = Table {
    name: "employees",
    aggregate: Some(Employee::TYPE),
    columns: &[
        ("tenant", Text),
        ("id", Id),
        ("number", Integer),
        ("user_id", Id),
        ("active", Flag),
        ("email", Text),
        ("first_name", Text),
        ("last_name", Text),
        ("legal_name", Text),
        ("phone", Text),
        ("skills", Words),
        ("address_street", Text),
        ("address_street2", Text),
        ("address_city", Text),
        ("address_state", Text),
        ("address_postal_code", Text),
        ("address_longitude", Text),
        ("address_latitude", Text),
        ("service_area_id", Integer),
        ("date_hired", Date),
        ("date_off_boarded", Date),
        ("erased", Flag),
        ("version", Integer),
        ("created_at", Time),
        ("updated_at", Time),
    ],
    key: 2,
    select: "body FROM employee WHERE true",
    read: employee,
};

const INVITATIONS: Table = Table {
    name: "invitations",
    aggregate: Some(Invitation::TYPE),
    columns: &[
        ("tenant", Text),
        ("id", Id),
        ("public_id", Id),
        ("kind", Text),
        ("target_id", Id),
        ("role", Text),
        ("state", Text),
        ("email", Text),
        ("message", Text),
        ("email_status", Text),
        ("generation", Integer),
        ("invited_by", Text),
        ("invited_by_id", Id),
        ("accepted_by_id", Id),
        ("cancelled_by", Text),
        ("cancelled_by_id", Id),
        ("created_at", Time),
        ("updated_at", Time),
        ("expires_at", Time),
        ("accepted_at", Time),
        ("updated_in_db_at", Time),
        ("position", Integer),
    ],
    key: 2,
    select: "tenant, id, coalesce(public_id, id), kind, target, role, state, email, message, email_status, generation,
         invited_by, accepted_by, cancelled_by, created_at, updated_at, expires_at, accepted_at, updated_in_db_at,
         position FROM invitation WHERE true",
    read: invitation,
};

fn body<A: Root>(cells: &mut Cells<'_, '_>) -> Result<A, FoldError> {
    serde_json::from_str(&cells.text()?).map_err(|_| FoldError::Row("an aggregate"))
}

fn tenant(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    let tenant: Tenant = body(cells)?;
    sheet.word(tenant.name.as_str())?;
    sheet.integer(Some(tenant.settings.valid_days.into()))?;
    sheet.flag(tenant.settings.invite_unregistered)?;
    sheet.flag(tenant.settings.read_csrf)?;
    sheet.flag(tenant.settings.write_csrf)?;
    sheet.time(Some(tenant.created_at))?;
    Ok(true)
}

fn organization(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    let organization: Organization = body(cells)?;
    sheet.word(organization.tenant.as_str())?;
    sheet.id(Some(organization.id))?;
    sheet.text(Some(organization.name))?;
    sheet.flag(organization.bind_recipient)?;
    sheet.time(Some(organization.created_at))?;
    sheet.time(Some(organization.updated_at))?;
    Ok(true)
}

fn user(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    let user: User = body(cells)?;
    sheet.word(user.tenant.as_str())?;
    sheet.id(Some(user.id))?;
    sheet.text(user.email.map(|email| email.as_str().to_owned()))?;
    sheet.text(user.name)?;
    sheet.flag(user.address_verified)?;
    sheet.flag(user.administrator)?;
    sheet.flag(user.liaison)?;
    sheet.id(user.employee)?;
    sheet.integer(user.client.as_ref().map(|client| signed(client.number)))?;
    sheet.text(user.client.as_ref().map(|client| client.company_name.clone()))?;
    sheet.time(user.client.as_ref().map(|client| client.created_at))?;
    sheet.time(Some(user.created_at))?;
    sheet.time(Some(user.updated_at))?;
    Ok(true)
}

fn member(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    let membership: Membership = body(cells)?;
    let Some(role) = membership.role else { return Ok(false) };
    sheet.word(membership.tenant.as_str())?;
    sheet.id(Some(membership.id))?;
    sheet.word(match membership.place {
        Place::Organization => "organization",
        Place::Integration => "integration",
    })?;
    sheet.id(Some(membership.target))?;
    sheet.id(Some(membership.user))?;
    sheet.word(role.name())?;
    sheet.time(Some(membership.granted_at))?;
    Ok(true)
}

fn application(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    let application: Application = body(cells)?;
    sheet.word(application.tenant.as_str())?;
    sheet.id(Some(application.id))?;
    sheet.text(Some(application.name))?;
    sheet.words(Some(application.scopes.iter().map(|scope| scope.name().to_owned()).collect()))?;
    sheet.flag(application.revoked)?;
    sheet.time(Some(application.created_at))?;
    Ok(true)
}

fn integration(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    sheet.text(Some(cells.text()?))?;
    sheet.id(Some(cells.id()?))?;
    sheet.integer(Some(cells.integer()?))?;
    sheet.text(Some(cells.text()?))?;
    sheet.text(cells.maybe_text()?)?;
    sheet.actor(Some(cells.actor()?))?;
    sheet.integer(Some(cells.integer()?))?;
    Ok(true)
}

fn employee(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    let employee: Employee = body(cells)?;
    let mut personal = employee.personal;
    sheet.word(employee.tenant.as_str())?;
    sheet.id(Some(employee.id))?;
    sheet.integer(Some(signed(employee.number)))?;
    sheet.id(employee.user)?;
    sheet.flag(employee.active)?;
    sheet.text(personal.email.map(|email| email.as_str().to_owned()))?;
    for text in [personal.first_name, personal.last_name, personal.legal_name, personal.phone] {
        sheet.text(text.flatten())?;
    }
    sheet.words(personal.skills.flatten())?;
    for key in ADDRESS_KEYS {
        sheet.text(personal.address.remove(key).flatten())?;
    }
    sheet.integer(employee.service_area_id)?;
    sheet.date(employee.date_hired)?;
    sheet.date(employee.date_off_boarded)?;
    sheet.flag(personal.erased)?;
    sheet.integer(Some(signed(employee.version)))?;
    sheet.time(Some(employee.created_at))?;
    sheet.time(Some(employee.updated_at))?;
    Ok(true)
}

fn invitation(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    sheet.text(Some(cells.text()?))?;
    sheet.id(Some(cells.id()?))?;
    sheet.id(Some(cells.id()?))?;
    sheet.word(cells.kind()?.name())?;
    sheet.id(Some(cells.id()?))?;
    sheet.word(cells.role()?.name())?;
    sheet.word(cells.state()?.name())?;
    sheet.text(cells.maybe_text()?)?;
    sheet.text(cells.maybe_text()?)?;
    sheet.word(cells.status()?.name())?;
    sheet.integer(Some(cells.integer()?))?;
    sheet.actor(Some(cells.actor()?))?;
    sheet.id(cells.maybe_id()?)?;
    sheet.actor(cells.maybe_actor()?)?;
    for _ in ["created_at", "updated_at", "expires_at"] {
        sheet.time(Some(Timestamp(cells.integer()?)))?;
    }
    sheet.integer(cells.maybe_integer()?)?;
    sheet.integer(cells.maybe_integer()?)?;
    sheet.integer(Some(cells.integer()?))?;
    Ok(true)
}

fn notification(cells: &mut Cells<'_, '_>, sheet: &mut Sheet) -> Result<Shown, FoldError> {
    sheet.integer(Some(cells.integer()?))?;
    sheet.text(Some(cells.text()?))?;
    sheet.text(Some(cells.text()?))?;
    sheet.id(cells.maybe_id()?)?;
    sheet.text(Some(cells.text()?))?;
    sheet.integer(Some(cells.integer()?))?;
    Ok(true)
}
