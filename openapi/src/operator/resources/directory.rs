//! Tenants, organizations, integrations, users, applications.

use super::{MemberRole, ScopeName};
use poem_openapi::Object;
use projections::{ApplicationRow, IntegrationRow, MemberRow, OrganizationRow, TenantRow, UserRow};
use uuid::Uuid;

/// The settings of a tenant.
#[derive(Debug, Object)]
pub(in crate::operator) struct TenantSettings {
    /// `ReadRequestCSRFSupport` of the platform dialect.
    pub read_csrf: bool,
    /// `WriteRequestCSRFSupport` of the platform dialect.
    pub write_csrf: bool,
    /// `InviteUnregisteredUsers`: users may invite to the platform.
    pub invite_unregistered: bool,
    /// `InvitedUserValidDays`: how long a new invitation lives.
    pub valid_days: u32,
}

impl From<domain::tenant::Settings> for TenantSettings {
    fn from(s: domain::tenant::Settings) -> Self {
        Self {
            read_csrf: s.read_csrf,
            write_csrf: s.write_csrf,
            invite_unregistered: s.invite_unregistered,
            valid_days: s.valid_days,
        }
    }
}

/// A tenant.
#[derive(Debug, Object)]
pub(in crate::operator) struct Tenant {
    name: String,
    settings: TenantSettings,
    created_at: String,
}

impl From<&TenantRow> for Tenant {
    fn from(row: &TenantRow) -> Self {
        Self { name: row.name.to_string(), settings: row.settings.into(), created_at: row.created_at.rfc3339() }
    }
}

/// An organization.
#[derive(Debug, Object)]
pub(in crate::operator) struct Organization {
    id: Uuid,
    name: String,
    /// Only the invited address may accept an invitation to it, and must be proven.
    bind_recipient: bool,
    created_at: String,
    updated_at: String,
}

impl From<&OrganizationRow> for Organization {
    fn from(row: &OrganizationRow) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            bind_recipient: row.bind_recipient,
            created_at: row.created_at.rfc3339(),
            updated_at: row.updated_at.rfc3339(),
        }
    }
}

/// A member of an organization.
#[derive(Debug, Object)]
pub(in crate::operator) struct Member {
    user: Uuid,
    role: MemberRole,
    /// Null once the person is forgotten.
    email: Option<String>,
    name: Option<String>,
    granted_at: String,
}

impl From<&MemberRow> for Member {
    fn from(row: &MemberRow) -> Self {
        Self {
            user: row.user,
            role: row.role.into(),
            email: row.email.as_ref().map(|e| e.as_str().to_owned()),
            name: row.name.clone(),
            granted_at: row.granted_at.rfc3339(),
        }
    }
}

/// What is left of a membership after a change to it.
#[derive(Debug, Object)]
pub(in crate::operator) struct MembershipNow {
    pub organization: Uuid,
    pub user: Uuid,
    /// Null when the user is no member any more.
    pub role: Option<String>,
}

/// An integration.
#[derive(Debug, Object)]
pub(in crate::operator) struct Integration {
    /// Ascending per tenant, never reused.
    id: u64,
    name: String,
    description: Option<String>,
    created_at: String,
}

impl From<&IntegrationRow> for Integration {
    fn from(row: &IntegrationRow) -> Self {
        Self {
            id: row.number,
            name: row.name.clone(),
            description: row.description.clone(),
            created_at: row.created_at.rfc3339(),
        }
    }
}

/// A client record of a user.
#[derive(Debug, Object)]
pub(in crate::operator) struct ClientRecord {
    id: u64,
    company_name: String,
    created_at: String,
}

/// A user's account.
#[derive(Debug, Object)]
pub(in crate::operator) struct User {
    id: Uuid,
    /// What the user logs in with; null once the person is forgotten.
    email: Option<String>,
    address_verified: bool,
    name: Option<String>,
    client: Option<ClientRecord>,
    liaison: bool,
    administrator: bool,
    created_at: String,
    updated_at: String,
}

impl From<&UserRow> for User {
    fn from(row: &UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email.as_ref().map(|e| e.as_str().to_owned()),
            address_verified: row.address_verified,
            name: row.name.clone(),
            client: row.client.as_ref().map(|c| ClientRecord {
                id: c.number,
                company_name: c.company_name.clone(),
                created_at: c.created_at.rfc3339(),
            }),
            liaison: row.liaison,
            administrator: row.administrator,
            created_at: row.created_at.rfc3339(),
            updated_at: row.updated_at.rfc3339(),
        }
    }
}

/// A program that calls with a token of its own.
#[derive(Debug, Object)]
pub(in crate::operator) struct Application {
    pub id: Uuid,
    pub name: String,
    pub scopes: Vec<ScopeName>,
    pub revoked: bool,
    pub created_at: String,
}

impl From<&ApplicationRow> for Application {
    fn from(row: &ApplicationRow) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            scopes: row.scopes.iter().map(|s| ScopeName::from(*s)).collect(),
            revoked: row.revoked,
            created_at: row.created_at.rfc3339(),
        }
    }
}

/// A new application.
#[derive(Debug, Object)]
pub(in crate::operator) struct NewApplicationToken {
    pub application: Application,
    /// Shown this once. Null in the answer to a repeated `Idempotency-Key`: the
    /// token is not kept, only its digest is.
    pub token: Option<String>,
}
