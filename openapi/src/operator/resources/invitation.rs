//! Invitations.

use super::{EmailStatus, InvitationKind, InvitationState, MemberRole};
use domain::Timestamp;
use poem_openapi::Object;
use projections::InvitationRow;
use uuid::Uuid;

/// What an invitation is to.
#[derive(Debug, Object)]
pub(in crate::operator) struct InvitationTarget {
    /// An organization's UUID, an integration's integer, or a tenant's name.
    pub id: String,
    pub name: Option<String>,
}

/// An invitation. Its code is not shown here.
#[derive(Debug, Object)]
pub(in crate::operator) struct Invitation {
    id: Uuid,
    /// The id callers of other dialects know it by, where a client chose one.
    public_id: Uuid,
    kind: InvitationKind,
    target: InvitationTarget,
    role: MemberRole,
    /// Null once the person is forgotten.
    email: Option<String>,
    message: Option<String>,
    state: InvitationState,
    email_status: EmailStatus,
    /// `user:…`, `application:…` or `deployment`.
    invited_by: String,
    accepted_by: Option<Uuid>,
    cancelled_by: Option<String>,
    /// How often it was sent.
    generation: u32,
    created_at: String,
    updated_at: String,
    expires_at: String,
    accepted_at: Option<String>,
}

impl Invitation {
    pub(in crate::operator) fn of(row: &InvitationRow, target: InvitationTarget, now: Timestamp) -> Self {
        Self {
            id: row.id,
            public_id: row.public_id,
            kind: row.kind.into(),
            target,
            role: row.role.into(),
            email: row.email.as_ref().map(|e| e.as_str().to_owned()),
            message: row.message.clone(),
            state: row.state_at(now).into(),
            email_status: row.email_status.into(),
            invited_by: row.invited_by.to_string(),
            accepted_by: row.accepted_by,
            cancelled_by: row.cancelled_by.map(|by| by.to_string()),
            generation: row.generation,
            created_at: row.created_at.rfc3339(),
            updated_at: row.updated_at.rfc3339(),
            expires_at: row.expires_at.rfc3339(),
            accepted_at: row.accepted_at.map(Timestamp::rfc3339),
        }
    }
}

/// What inviting an address came to.
#[derive(Debug, Object)]
pub(in crate::operator) struct InvitedAddress {
    /// Null where a platform invitation met an account: its owner was told by mail.
    pub invitation: Option<Invitation>,
}
