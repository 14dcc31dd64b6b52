use domain::invitation::{Invitation, Kind, Role, State};
use domain::{Actor, Address, TenantName, Timestamp, mail};
use uuid::Uuid;

/// An invitation. `state` is the log's: a list has what is due expired first,
/// and a single one is asked with [`InvitationRow::state_at`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationRow {
    pub tenant: TenantName,
    /// The aggregate's id.
    pub id: Uuid,
    /// What callers know it by.
    pub public_id: Uuid,
    pub kind: Kind,
    pub target: Uuid,
    /// Name of the organization, integration or tenant. `None` after a write.
    pub target_name: Option<String>,
    pub role: Role,
    /// `None` once the person is forgotten.
    pub email: Option<Address>,
    pub message: Option<String>,
    pub state: State,
    pub email_status: mail::Status,
    pub invited_by: Actor,
    pub accepted_by: Option<Uuid>,
    pub cancelled_by: Option<Actor>,
    pub generation: u32,
    pub link: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub updated_in_db_at: Option<Timestamp>,
    /// Of `Created` in the log; 0 after a write.
    pub position: u64,
}

impl InvitationRow {
    /// Pending by the log, expired by the clock.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == State::Pending && now >= self.expires_at
    }

    /// The state as the clock sees it.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        if self.is_due(now) { State::Expired } else { self.state }
    }
}

impl From<&Invitation> for InvitationRow {
    fn from(invitation: &Invitation) -> Self {
        Self {
            tenant: invitation.tenant.clone(),
            id: invitation.id,
            public_id: invitation.public_id,
            kind: invitation.kind,
            target: invitation.target,
            target_name: None,
            role: invitation.role,
            email: invitation.email.clone(),
            message: invitation.message.clone(),
            state: invitation.state,
            email_status: invitation.email_status,
            invited_by: invitation.invited_by,
            accepted_by: invitation.accepted_by,
            cancelled_by: invitation.cancelled_by,
            generation: invitation.generation,
            link: invitation.link,
            created_at: invitation.created_at,
            updated_at: invitation.updated_at,
            expires_at: invitation.expires_at,
            accepted_at: invitation.accepted_at,
            updated_in_db_at: invitation.updated_in_db_at,
            position: 0,
        }
    }
}
