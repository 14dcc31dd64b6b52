use super::{Draft, account, pending_holder, stage_invitation};
use crate::bus::Unit;
use crate::invitation::{self, Invitation, Kind, Role};
use crate::membership::{self, Membership};
use crate::{Address, Failure, Refusal, Timestamp, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Invites an address to be a member or admin of an organization.
#[derive(Clone, Debug)]
pub struct InviteToOrganization {
    pub organization: Uuid,
    /// The client's own id, kept if it is free in this organization.
    pub id: Option<Uuid>,
    pub email: Address,
    pub role: Role,
    pub updated_in_db_at: Option<Timestamp>,
    pub message: Option<String>,
}

#[async_trait]
impl UseCase for InviteToOrganization {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let tenant = permission::tenant(unit).await?;
        let (_, highest) = permission::organization(unit, self.organization).await?;
        if self.role > highest {
            return Err(Refusal::NotPermitted.into());
        }
        if let Some(chosen) = self.id {
            // One of our own ids may be chosen again by a client that read it.
            for candidate in [chosen, invitation::aggregate_id(self.organization, chosen)] {
                let used = unit.get::<Invitation>(candidate).await?;
                if used.exists() && used.target == self.organization {
                    return Err(Refusal::IdTaken.into());
                }
            }
        }
        if let Some(user) = account(unit, &self.email).await? {
            let membership = unit.get::<Membership>(membership::id_of(self.organization, user.id)).await?;
            if membership.role.is_some() {
                return Err(Refusal::AlreadyMember.into());
            }
        }
        if let Some(holder) = pending_holder(unit, Kind::Organization, self.organization, &self.email).await? {
            return Err(Refusal::AlreadyPending { invitation: holder.public_id }.into());
        }
        let draft = Draft {
            kind: Kind::Organization,
            target: self.organization,
            role: self.role,
            chosen_id: self.id,
            email: &self.email,
            message: self.message.clone(),
            updated_in_db_at: self.updated_in_db_at,
            valid_days: tenant.settings.valid_days,
        };
        stage_invitation(unit, draft).await.map(|_| ())
    }
}
