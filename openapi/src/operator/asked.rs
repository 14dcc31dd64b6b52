//! The bodies this dialect takes, for the document. They are read by
//! [`super::read`], which tells all faults at once.

#![allow(dead_code, reason = "these types describe bodies in the document and are never made")]

use super::resources::{InvitationKind, MemberRole, PostalAddress, ScopeName};
use poem_openapi::Object;
use uuid::Uuid;

/// A tenant to make.
#[derive(Object)]
pub(super) struct NewTenant {
    /// 1 to 32 of a-z, 0-9 and -.
    name: String,
}

/// The settings to change; the others stay.
#[derive(Object)]
pub(super) struct SettingsChange {
    read_csrf: Option<bool>,
    write_csrf: Option<bool>,
    invite_unregistered: Option<bool>,
    /// 1 to 365.
    valid_days: Option<u32>,
}

/// An organization to make.
#[derive(Object)]
pub(super) struct NewOrganization {
    name: String,
    /// False when it is missing.
    bind_recipient: Option<bool>,
}

/// What to change of an organization.
#[derive(Object)]
pub(super) struct OrganizationChange {
    name: Option<String>,
    bind_recipient: Option<bool>,
}

/// The role to give.
#[derive(Object)]
pub(super) struct MembershipChange {
    role: MemberRole,
}

/// An integration to make.
#[derive(Object)]
pub(super) struct NewIntegration {
    name: String,
    description: Option<String>,
}

/// An employee's record to make.
#[derive(Object)]
pub(super) struct NewEmployee {
    email: String,
    user_id: Option<Uuid>,
    active: Option<bool>,
    service_area_id: Option<i64>,
    first_name: Option<String>,
    last_name: Option<String>,
    legal_name: Option<String>,
    /// At most 100 of 100 characters.
    skills: Option<Vec<String>>,
    phone: Option<String>,
    address: Option<PostalAddress>,
    /// `YYYY-MM-DD` or RFC 3339.
    date_hired: Option<String>,
    /// `YYYY-MM-DD` or RFC 3339.
    date_off_boarded: Option<String>,
}

/// What to change of an employee's record: null clears, the address merges by key.
#[derive(Object)]
pub(super) struct EmployeeChange {
    email: Option<String>,
    active: Option<bool>,
    service_area_id: Option<i64>,
    first_name: Option<String>,
    last_name: Option<String>,
    legal_name: Option<String>,
    skills: Option<Vec<String>>,
    phone: Option<String>,
    address: Option<PostalAddress>,
    date_hired: Option<String>,
    date_off_boarded: Option<String>,
}

/// An account to make.
#[derive(Object)]
pub(super) struct NewUser {
    email: String,
    name: Option<String>,
    /// At least 12 characters. Without one nobody can log in with it yet.
    password: Option<String>,
    /// Company name of a client record made with the account.
    client: Option<String>,
    liaison: Option<bool>,
    administrator: Option<bool>,
}

/// What to change of an account.
#[derive(Object)]
pub(super) struct UserChange {
    name: Option<String>,
    /// A new password ends all sessions of the user.
    password: Option<String>,
    client: Option<String>,
    liaison: Option<bool>,
    administrator: Option<bool>,
}

/// An application to make.
#[derive(Object)]
pub(super) struct NewApplication {
    name: String,
    scopes: Vec<ScopeName>,
}

/// What to change of an application.
#[derive(Object)]
pub(super) struct ApplicationChange {
    name: Option<String>,
    scopes: Option<Vec<ScopeName>>,
}

/// An invitation to make.
#[derive(Object)]
pub(super) struct NewInvitation {
    kind: InvitationKind,
    /// Of an organization's invitation the organization.
    organization: Option<Uuid>,
    /// Of an integration's invitation the integration.
    integration: Option<u64>,
    email: String,
    role: Option<MemberRole>,
    /// At most 2,000 characters. Integrations take none.
    message: Option<String>,
}

/// Which view to rebuild.
#[derive(Object)]
pub(super) struct RebuildRequest {
    /// All of them when it is missing.
    view: Option<String>,
}

/// Where to copy to.
#[derive(Object)]
pub(super) struct BackupRequest {
    /// An empty or new folder of the machine the service runs on; absolute.
    folder: String,
}
