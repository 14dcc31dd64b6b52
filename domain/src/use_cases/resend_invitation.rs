use super::stage_resend;
use crate::bus::Unit;
use crate::invitation::Invitation;
use crate::{Failure, Refusal, Scope, UseCase, What, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Sends a pending invitation again: a new generation, the old secrets dead.
#[derive(Clone, Debug)]
pub struct ResendInvitation {
    pub invitation: Uuid,
}

#[async_trait]
impl UseCase for ResendInvitation {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let tenant = permission::tenant(unit).await?;
        permission::operate(unit, Scope::Invites).await?;
        let invitation = unit.get::<Invitation>(self.invitation).await?;
        if !invitation.exists() {
            return Err(Refusal::NotFound(What::Invitation).into());
        }
        stage_resend(unit, &invitation, tenant.settings.valid_days).await.map(|_| ())
    }
}
