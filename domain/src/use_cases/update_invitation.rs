use super::invitation_in;
use crate::bus::Unit;
use crate::invitation::{self, Invitation, Role};
use crate::{Failure, Refusal, Timestamp, UseCase, permission};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Changes a pending invitation to an organization.
#[derive(Clone, Debug)]
pub struct UpdateInvitation {
    pub organization: Uuid,
    pub invitation: Uuid,
    pub role: Option<Role>,
    pub updated_in_db_at: Option<Timestamp>,
}

#[async_trait]
impl UseCase for UpdateInvitation {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let (_, highest) = permission::organization(unit, self.organization).await?;
        let id = invitation_in(unit, self.organization, self.invitation).await?.id;
        if self.role.is_some_and(|role| role > highest) {
            return Err(Refusal::NotPermitted.into());
        }
        let command = invitation::Command::Update { role: self.role, updated_in_db_at: self.updated_in_db_at };
        unit.put::<Invitation>(id, command).await.map(|_| ())
    }
}
