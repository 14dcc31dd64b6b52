use crate::bus::Unit;
use crate::invitation::{self, Invitation};
use crate::{Failure, Refusal, UseCase, What};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// The holder of a link says no.
#[derive(Clone, Debug)]
pub struct DeclineInvitation {
    pub invitation: Uuid,
    /// SHA-256 of the secret shown, in lower-case hex.
    pub digest: String,
    pub reason: Option<String>,
}

#[async_trait]
impl UseCase for DeclineInvitation {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let invitation = unit.get::<Invitation>(self.invitation).await?;
        if !invitation.exists() {
            return Err(Refusal::NotFound(What::Invitation).into());
        }
        let caller = unit.context().caller();
        let command = invitation::Command::Decline { digest: self.digest.clone(), caller, reason: self.reason.clone() };
        unit.put::<Invitation>(self.invitation, command).await?;
        // What a wrong secret leaves is the memory of it, whatever had become of the invitation before.
        if invitation.proof(&self.digest).is_some() { Ok(()) } else { Err(unit.refuse(Refusal::WrongCode)) }
    }
}
