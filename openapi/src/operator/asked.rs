//! The bodies this dialect takes, for the document. They are read by
//! [`super::read`], which tells all faults at once.

#![allow(dead_code, reason = "these types describe bodies in the document and are never made")]

use super::resources::{InvitationKind, MemberRole, ScopeName};
use crate::wire::{
    Day, EmailText, Latitude, Line, Longitude, MessageText, NameText, Number, SafeInteger, Skill, TenantText,
};
use poem_openapi::Object;
use uuid::Uuid;

/// A tenant to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// 1 to 32 of a-z, 0-9 and -.
    name: TenantText,
}

/// The settings to change; the others stay.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct SettingsChange {
    read_csrf: Option<bool>,
    write_csrf: Option<bool>,
    invite_unregistered: Option<bool>,
    #[oai(validator(minimum(value = "1"), maximum(value = "365")))]
    valid_days: Option<u32>,
}

/// An organization to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewOrganization {
    name: NameText,
    /// False when it is missing.
    #[oai(nullable)]
    bind_recipient: Option<bool>,
}

/// What to change of an organization.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct OrganizationChange {
    name: Option<NameText>,
    bind_recipient: Option<bool>,
}

/// The role to give.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct MembershipChange {
    role: MemberRole,
}

/// An integration to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewIntegration {
    name: NameText,
    #[oai(nullable)]
    description: Option<Line>,
}

/// What to change of an integration; a description that is null goes.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct IntegrationChange {
    name: Option<NameText>,
    #[oai(nullable)]
    description: Option<Line>,
}

/// An employee's record to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewEmployee {
    email: EmailText,
    #[oai(nullable)]
    user_id: Option<Uuid>,
    active: Option<bool>,
    #[oai(nullable)]
    service_area_id: Option<SafeInteger>,
    #[oai(nullable)]
    first_name: Option<Line>,
    #[oai(nullable)]
    last_name: Option<Line>,
    #[oai(nullable)]
    legal_name: Option<Line>,
    /// At most 100 of 100 characters.
    #[oai(nullable, validator(max_items = 100))]
    skills: Option<Vec<Skill>>,
    #[oai(nullable)]
    phone: Option<Line>,
    #[oai(nullable)]
    address: Option<AddressChange>,
    /// `YYYY-MM-DD` or RFC 3339.
    #[oai(nullable)]
    date_hired: Option<Day>,
    /// `YYYY-MM-DD` or RFC 3339.
    #[oai(nullable)]
    date_off_boarded: Option<Day>,
}

/// What to change of an employee's record: null clears, the address merges by key.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct EmployeeChange {
    email: Option<EmailText>,
    active: Option<bool>,
    #[oai(nullable)]
    service_area_id: Option<SafeInteger>,
    #[oai(nullable)]
    first_name: Option<Line>,
    #[oai(nullable)]
    last_name: Option<Line>,
    #[oai(nullable)]
    legal_name: Option<Line>,
    /// At most 100 of 100 characters.
    #[oai(nullable, validator(max_items = 100))]
    skills: Option<Vec<Skill>>,
    #[oai(nullable)]
    phone: Option<Line>,
    #[oai(nullable)]
    address: Option<AddressChange>,
    /// `YYYY-MM-DD` or RFC 3339.
    #[oai(nullable)]
    date_hired: Option<Day>,
    /// `YYYY-MM-DD` or RFC 3339.
    #[oai(nullable)]
    date_off_boarded: Option<Day>,
}

/// Merged into the address key by key; null clears a key, and in place of the object all of them.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct AddressChange {
    #[oai(nullable)]
    street: Option<Line>,
    #[oai(nullable)]
    street2: Option<Line>,
    #[oai(nullable)]
    city: Option<Line>,
    #[oai(nullable)]
    state: Option<Line>,
    #[oai(nullable)]
    postal_code: Option<Line>,
    /// A decimal number, -180 to 180.
    #[oai(nullable)]
    longitude: Option<Longitude>,
    /// A decimal number, -90 to 90.
    #[oai(nullable)]
    latitude: Option<Latitude>,
}

/// An account to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewUser {
    email: EmailText,
    #[oai(nullable)]
    name: Option<NameText>,
    /// At least 12 characters. Without one nobody can log in with it yet.
    #[oai(nullable, validator(min_length = 12, max_length = 200))]
    password: Option<String>,
    /// Company name of a client record made with the account.
    #[oai(nullable)]
    client: Option<NameText>,
    #[oai(nullable)]
    liaison: Option<bool>,
    #[oai(nullable)]
    administrator: Option<bool>,
}

/// What to change of an account.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct UserChange {
    name: Option<NameText>,
    /// A new password ends all sessions of the user.
    #[oai(validator(min_length = 12, max_length = 200))]
    password: Option<String>,
    client: Option<NameText>,
    liaison: Option<bool>,
    administrator: Option<bool>,
}

/// An application to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewApplication {
    name: NameText,
    #[oai(validator(min_items = 1))]
    scopes: Vec<ScopeName>,
}

/// What to change of an application.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ApplicationChange {
    name: Option<NameText>,
    #[oai(validator(min_items = 1))]
    scopes: Option<Vec<ScopeName>>,
}

/// An invitation to make.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewInvitation {
    kind: InvitationKind,
    /// Of an organization's invitation the organization.
    #[oai(nullable)]
    organization: Option<Uuid>,
    /// Of an integration's invitation the integration.
    #[oai(nullable)]
    integration: Option<Number>,
    email: EmailText,
    #[oai(nullable)]
    role: Option<MemberRole>,
    /// At most 2,000 characters. Integrations take none.
    #[oai(nullable)]
    message: Option<MessageText>,
}

/// Which view to rebuild.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct RebuildRequest {
    /// All of them when it is missing.
    #[oai(nullable)]
    view: Option<NameText>,
}

/// Where to copy to.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct BackupRequest {
    /// An empty or new folder of the machine the service runs on; absolute.
    #[oai(validator(max_length = 4096, pattern = "^/"))]
    folder: String,
}
