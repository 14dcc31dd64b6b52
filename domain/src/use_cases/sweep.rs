use crate::bus::Unit;
use crate::employee::{self, Employee};
use crate::invitation::{self, Invitation};
use crate::{Failure, UseCase};
use async_trait::async_trait;
use uuid::Uuid;

/// Writes down that an invitation is over. By the clock it was already; one
/// that is not due, or has ended otherwise, is left alone.
#[derive(Clone, Debug)]
pub struct ExpireInvitation {
    pub invitation: Uuid,
}

#[async_trait]
impl UseCase for ExpireInvitation {
    type Output = ();

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let invitation = unit.get::<Invitation>(self.invitation).await?;
        if invitation.is_due(unit.now()) {
            unit.put::<Invitation>(self.invitation, invitation::Command::Expire).await?;
        }
        Ok(())
    }
}

/// Writes down that an employee's day of off-boarding has come.
#[derive(Clone, Debug)]
pub struct OffBoardEmployee {
    pub employee: Uuid,
}

#[async_trait]
impl UseCase for OffBoardEmployee {
    type Output = ();

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        unit.put::<Employee>(self.employee, employee::Command::OffBoard).await.map(|_| ())
    }
}
