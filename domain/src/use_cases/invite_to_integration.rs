use super::{Draft, pending_holder, stage_invitation, stage_resend};
use crate::bus::Unit;
use crate::integration::Integration;
use crate::invitation::{Invitation, Kind, Role, State};
use crate::{Address, Failure, Refusal, Root, UseCase, What, permission};
use async_trait::async_trait;
use std::sync::Arc;

/// Invites an address to an integration; a pending invitation of that address
/// is sent again instead of doubled.
#[derive(Clone, Debug)]
pub struct InviteToIntegration {
    /// The integration's public integer.
    pub number: u64,
    pub email: Address,
}

#[async_trait]
impl UseCase for InviteToIntegration {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let tenant = permission::tenant(unit).await?;
        // Whoever may reach no integration at all learns nothing about ids.
        permission::create_integration(unit).await?;
        let id = unit.numbered(Integration::TYPE, self.number).await?.ok_or(Refusal::NotFound(What::Integration))?;
        let integration = unit.get::<Integration>(id).await?;
        permission::integration(unit, &integration).await?;
        if let Some(holder) = pending_holder(unit, Kind::Integration, id, &self.email).await? {
            if holder.state == State::Accepted {
                return Err(Refusal::AlreadyAccepted.into());
            }
            return stage_resend(unit, &holder, tenant.settings.valid_days).await.map(|_| ());
        }
        let draft = Draft {
            kind: Kind::Integration,
            target: id,
            role: Role::Member,
            chosen_id: None,
            email: &self.email,
            message: None,
            updated_in_db_at: None,
            valid_days: tenant.settings.valid_days,
        };
        stage_invitation(unit, draft).await.map(|_| ())
    }
}
