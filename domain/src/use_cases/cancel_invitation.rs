use super::invitation_in;
use crate::bus::Unit;
use crate::invitation::{self, Invitation};
use crate::{Failure, Scope, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Takes an invitation back. Done twice, the second does nothing.
#[derive(Clone, Debug)]
pub struct CancelInvitation {
    /// The organization in the path; without one any kind is meant, and operators' rights are needed.
    pub organization: Option<Uuid>,
    pub invitation: Uuid,
}

#[async_trait]
impl UseCase for CancelInvitation {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let id = match self.organization {
            Some(organization) => {
                permission::organization(unit, organization).await?;
                invitation_in(unit, organization, self.invitation).await?.id
            }
            None => {
                permission::operate(unit, Scope::Invites).await?;
                self.invitation
            }
        };
        let by = unit.context().actor;
        unit.put::<Invitation>(id, invitation::Command::Cancel { by }).await.map(|_| ())
    }
}
