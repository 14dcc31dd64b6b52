use crate::bus::Unit;
use crate::employee::{self, Changes, Employee};
use crate::permission::{self, EmployeeReach};
use crate::user::{self, User};
use crate::{Address, Failure, Refusal, UseCase, claims};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// Makes an employee's record.
#[derive(Clone, Debug)]
pub struct CreateEmployee {
    pub user: Option<Uuid>,
    /// `email` is required.
    pub changes: Changes,
}

#[async_trait]
impl UseCase for CreateEmployee {
    type Output = Arc<Employee>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        if permission::employees(unit).await? != EmployeeReach::All {
            return Err(Refusal::NotPermitted.into());
        }
        let email = self.changes.email.clone().ok_or_else(|| Refusal::invalid("email", "is missing"))?;
        let id = unit.new_id();
        if self.changes.active != Some(false) {
            free_address(unit, &email, id).await?;
        }
        if let Some(user) = self.user {
            link(unit, user, id).await?;
        }
        let subject = unit.subject().await?;
        let by = unit.context().actor;
        let command =
            employee::Command::Create { by, user: self.user, subject, changes: Box::new(self.changes.clone()) };
        unit.put::<Employee>(id, command).await.map(|_| ())
    }
}

/// Makes sure no other active employee has the address. One whose day of
/// off-boarding has come gives it up in this unit.
pub(super) async fn free_address(unit: &mut dyn Unit, email: &Address, own: Uuid) -> Result<(), Failure> {
    let claim = claims::active_employee(&unit.context().tenant, email);
    let Some(holder) = unit.holder(claim).await?.filter(|holder| *holder != own) else { return Ok(()) };
    let after = unit.put::<Employee>(holder, employee::Command::OffBoard).await?;
    if after.active { Err(Refusal::EmployeeAddressTaken.into()) } else { Ok(()) }
}

async fn link(unit: &mut dyn Unit, user: Uuid, employee: Uuid) -> Result<(), Failure> {
    let account = unit.get::<User>(user).await?;
    if !account.exists() {
        return Err(Refusal::invalid("user_id", "does not exist").into());
    }
    if let Some(present) = account.employee {
        let present = unit.get::<Employee>(present).await?;
        if present.is_active_at(unit.now()) {
            return Err(Refusal::invalid("user_id", "has an employee record already").into());
        }
    }
    unit.put::<User>(user, user::Command::LinkEmployee { employee }).await.map(|_| ())
}
