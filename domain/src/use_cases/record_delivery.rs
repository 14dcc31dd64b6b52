use crate::bus::{MailRef, Unit};
use crate::employee::{self, Employee};
use crate::invitation::{self, Invitation};
use crate::mail::Outcome;
use crate::user::{self, User};
use crate::{Failure, Refusal, Root, UseCase, What};
use async_trait::async_trait;

/// The courier records what became of a mail. Its command id is fixed by the
/// mail, so that recording is repeated without sending again.
#[derive(Clone, Debug)]
pub struct RecordDelivery {
    pub mail: MailRef,
    pub outcome: Outcome,
}

#[async_trait]
impl UseCase for RecordDelivery {
    type Output = ();

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let MailRef { aggregate, id, number, part, .. } = self.mail.clone();
        let outcome = self.outcome;
        match aggregate {
            Invitation::TYPE => {
                let generation = u32::try_from(number).map_err(|_| Refusal::NotFound(What::Mail))?;
                unit.put::<Invitation>(id, invitation::Command::RecordDelivery { generation, outcome }).await?;
            }
            Employee::TYPE => {
                unit.put::<Employee>(id, employee::Command::RecordNotice { asked: number, part, outcome }).await?;
            }
            User::TYPE => {
                unit.put::<User>(id, user::Command::RecordNotice { asked: number, outcome }).await?;
            }
            _ => return Err(Refusal::NotFound(What::Mail).into()),
        }
        Ok(())
    }
}
