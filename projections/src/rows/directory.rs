use domain::application::Application;
use domain::invitation::Role;
use domain::organization::Organization;
use domain::tenant::{Settings, Tenant};
use domain::user::{Client, User};
use domain::{Address, Scope, TenantName, Timestamp};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A tenant and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    pub name: TenantName,
    pub settings: Settings,
    pub created_at: Timestamp,
}

impl From<&Tenant> for TenantRow {
    fn from(tenant: &Tenant) -> Self {
        Self { name: tenant.name.clone(), settings: tenant.settings, created_at: tenant.created_at }
    }
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationRow {
    pub id: Uuid,
    pub name: String,
    pub bind_recipient: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<&Organization> for OrganizationRow {
    fn from(organization: &Organization) -> Self {
        Self {
            id: organization.id,
            name: organization.name.clone(),
            bind_recipient: organization.bind_recipient,
            created_at: organization.created_at,
            updated_at: organization.updated_at,
        }
    }
}

/// A user's account and records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub id: Uuid,
    /// `None` once the person is forgotten.
    pub email: Option<Address>,
    pub name: Option<String>,
    pub address_verified: bool,
    pub client: Option<Client>,
    /// The aggregate's id of the employee record.
    pub employee: Option<Uuid>,
    pub liaison: bool,
    pub administrator: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            address_verified: user.address_verified,
            client: user.client.clone(),
            employee: user.employee,
            liaison: user.liaison,
            administrator: user.administrator,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A member of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub user: Uuid,
    pub role: Role,
    pub email: Option<Address>,
    pub name: Option<String>,
    pub granted_at: Timestamp,
}

/// A program that calls with a token of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRow {
    pub id: Uuid,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    pub revoked: bool,
    pub created_at: Timestamp,
}

impl From<&Application> for ApplicationRow {
    fn from(application: &Application) -> Self {
        Self {
            id: application.id,
            name: application.name.clone(),
            scopes: application.scopes.clone(),
            revoked: application.revoked,
            created_at: application.created_at,
        }
    }
}
