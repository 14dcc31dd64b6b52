//! The documents on the wire, as the OpenAPI document describes them.
//! Requests are read by [`super::decode`], in the contract's own order; answers
//! are written by serde, under the names that poem-openapi documents.

use crate::wire::{EmailText, Ignored, NameText, Time};
use domain::invitation::{Role, State};
use domain::mail::Status;
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

/// What an invite makes of the user who accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "InviteRole", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleName {
    Admin,
    Member,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}

/// Where an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "InviteState", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(super) enum StateName {
    Pending,
    Accepted,
    Declined,
    Cancelled,
    Expired,
}

impl From<State> for StateName {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Accepted => Self::Accepted,
            State::Declined => Self::Declined,
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
        }
    }
}

/// States to list, or `all` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "InviteStateFilter", rename_all = "snake_case")]
pub(super) enum StateFilter {
    Pending,
    Accepted,
    Declined,
    Cancelled,
    Expired,
    All,
}

/// Orders of a list; a minus is descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "InviteSort")]
pub(super) enum SortName {
    #[oai(rename = "created_at")]
    Created,
    #[oai(rename = "updated_at")]
    Updated,
    #[oai(rename = "-created_at")]
    NewestFirst,
    #[oai(rename = "-updated_at")]
    LastChangedFirst,
}

/// Where the newest mail of an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "InviteEmailStatus", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(super) enum EmailStatus {
    Queued,
    Sent,
    Failed,
    Unknown,
}

impl From<Status> for EmailStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Sent => Self::Sent,
            Status::Failed => Self::Failed,
            Status::Unknown => Self::Unknown,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "InviteType")]
#[serde(rename_all = "snake_case")]
pub(super) enum InviteType {
    #[oai(rename = "organization_invites")]
    OrganizationInvites,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "UserType")]
#[serde(rename_all = "snake_case")]
pub(super) enum UserType {
    #[oai(rename = "users")]
    Users,
}

/// An invite to an organization.
#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "Invite")]
pub(super) struct Invite {
    pub id: Uuid,
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: InviteType,
    pub attributes: Attributes,
    pub relationships: Relationships,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "InviteAttributes")]
pub(super) struct Attributes {
    /// Null until it is accepted.
    pub accepted_at: Option<Time>,
    /// 64 digits of lower-case hex. Only for readers who may invite.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub created_at: Time,
    pub invite_user_as: RoleName,
    /// Null once the person is forgotten.
    pub recipient_email: Option<EmailText>,
    /// Moves with every change; not with mail reports and refused tries.
    pub updated_at: Time,
    /// What the client said last, else `created_at`.
    pub updated_in_db_at: Time,
    pub state: StateName,
    pub expires_at: Time,
    pub email_status: EmailStatus,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "InviteRelationships")]
pub(super) struct Relationships {
    pub accepted_by_user: ToUser,
    pub cancelled_by_user: ToUser,
    pub invited_by_user: ToUser,
}

/// A user, or nobody.
#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "UserRelationship")]
pub(super) struct ToUser {
    pub data: Option<UserIdentifier>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "UserIdentifier")]
pub(super) struct UserIdentifier {
    pub id: Uuid,
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: UserType,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "InviteDocument")]
pub(super) struct InviteDocument {
    pub data: Invite,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "InviteListDocument")]
pub(super) struct InviteListDocument {
    pub data: Vec<Invite>,
    pub meta: ListMeta,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "InviteListMeta")]
pub(super) struct ListMeta {
    pub pagination: Pagination,
    /// The order that was asked for, as it was asked for.
    pub sort: Option<String>,
    pub filter: ListFilter,
}

#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "Pagination")]
pub(super) struct Pagination {
    pub page: u64,
    pub per_page: u64,
    pub total_count: u64,
    pub total_pages: u64,
}

/// The filters that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "InviteListFilter")]
pub(super) struct ListFilter {
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_user_as: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// An invite to make.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "CreateInviteDocument", deny_unknown_fields)]
pub(super) struct CreateDocument {
    pub data: CreateData,
    /// Taken and ignored, as JSON:API allows it here.
    pub jsonapi: Option<Ignored>,
    /// Taken and ignored.
    pub meta: Option<Ignored>,
    /// Taken and ignored.
    pub links: Option<Ignored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "CreateInviteData", deny_unknown_fields)]
pub(super) struct CreateData {
    /// The client's own id, kept if it is free in this organization.
    #[oai(nullable)]
    pub id: Option<Uuid>,
    #[oai(rename = "type")]
    pub kind: InviteType,
    pub attributes: CreateAttributes,
    /// Taken and ignored, as JSON:API allows it here.
    pub jsonapi: Option<Ignored>,
    /// Taken and ignored.
    pub meta: Option<Ignored>,
    /// Taken and ignored.
    pub links: Option<Ignored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "CreateInviteAttributes", deny_unknown_fields)]
pub(super) struct CreateAttributes {
    pub recipient_email: EmailText,
    #[oai(nullable)]
    pub invite_user_as: Option<RoleName>,
    /// When the client's own record was last changed: RFC 3339, or `2021-11-23 14:38:02 UTC`; 1685 to 2254.
    #[oai(nullable)]
    pub updated_in_db_at: Option<Time>,
    /// Taken and ignored.
    pub created_at: Option<Ignored>,
    /// Taken and ignored.
    pub updated_at: Option<Ignored>,
}

/// What to change of an invite.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "UpdateInviteDocument", deny_unknown_fields)]
pub(super) struct UpdateDocument {
    pub data: UpdateData,
    /// Taken and ignored, as JSON:API allows it here.
    pub jsonapi: Option<Ignored>,
    /// Taken and ignored.
    pub meta: Option<Ignored>,
    /// Taken and ignored.
    pub links: Option<Ignored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "UpdateInviteData", deny_unknown_fields)]
pub(super) struct UpdateData {
    /// The invite's own id, if it is said at all.
    #[oai(nullable)]
    pub id: Option<Uuid>,
    #[oai(rename = "type")]
    pub kind: InviteType,
    pub attributes: UpdateAttributes,
    /// Taken and ignored, as JSON:API allows it here.
    pub jsonapi: Option<Ignored>,
    /// Taken and ignored.
    pub meta: Option<Ignored>,
    /// Taken and ignored.
    pub links: Option<Ignored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "UpdateInviteAttributes", deny_unknown_fields)]
pub(super) struct UpdateAttributes {
    pub invite_user_as: Option<RoleName>,
    /// RFC 3339, or `2021-11-23 14:38:02 UTC`; 1685 to 2254.
    pub updated_in_db_at: Option<Time>,
    /// Taken and ignored.
    pub created_at: Option<Ignored>,
    /// Taken and ignored.
    pub updated_at: Option<Ignored>,
}

/// The code of an invite.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "AcceptInviteDocument", deny_unknown_fields)]
pub(super) struct AcceptDocument {
    pub data: AcceptData,
    /// Taken and ignored, as JSON:API allows it here.
    pub jsonapi: Option<Ignored>,
    /// Taken and ignored.
    pub meta: Option<Ignored>,
    /// Taken and ignored.
    pub links: Option<Ignored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "AcceptInviteData", deny_unknown_fields)]
pub(super) struct AcceptData {
    /// The invite's own id, if it is said at all.
    #[oai(nullable)]
    pub id: Option<Uuid>,
    #[oai(rename = "type")]
    pub kind: InviteType,
    pub attributes: AcceptAttributes,
    /// Taken and ignored, as JSON:API allows it here.
    pub jsonapi: Option<Ignored>,
    /// Taken and ignored.
    pub meta: Option<Ignored>,
    /// Taken and ignored.
    pub links: Option<Ignored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "AcceptInviteAttributes", deny_unknown_fields)]
pub(super) struct AcceptAttributes {
    /// The `code` of the resource, or the secret of the mail.
    pub code: NameText,
    /// Taken and ignored.
    pub created_at: Option<Ignored>,
    /// Taken and ignored.
    pub updated_at: Option<Ignored>,
}

/// What went wrong, one object each.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "ErrorDocument")]
pub(super) struct ErrorDocument {
    pub errors: Vec<ErrorObject>,
}

#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "ErrorObject")]
pub(super) struct ErrorObject {
    /// The HTTP status, as text.
    pub status: String,
    pub code: String,
    pub title: String,
    pub detail: String,
    #[oai(skip_serializing_if_is_none)]
    pub source: Option<ErrorSource>,
}

/// What in the request is at fault; one of them.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "ErrorSource")]
pub(super) struct ErrorSource {
    #[oai(skip_serializing_if_is_none)]
    pub pointer: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub parameter: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub header: Option<String>,
}
