use crate::bus::Unit;
use crate::employee::{self, Changes, Employee};
use crate::permission::{self, EmployeeReach};
use crate::user::{self, User};
use crate::{Address, Failure, Fault, Refusal, UseCase, claims};
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
        let account = match self.user {
            Some(user) => account_fault(unit, user).await?,
            None => None,
        };
        if self.changes.active != Some(false) {
            match (free_address(unit, &email, id).await, &account) {
                (Err(Failure::Refused(Refusal::EmployeeAddressTaken)), Some(account)) => {
                    return Err(Refusal::Invalid(vec![address_taken(), account.clone()]).into());
                }
                (freed, _) => freed?,
            }
        }
        if let Some(fault) = account {
            return Err(Refusal::Invalid(vec![fault]).into());
        }
        if let Some(user) = self.user {
            unit.put::<User>(user, user::Command::LinkEmployee { employee: id }).await?;
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
    let Some(holder) = address_holder(unit, email, own).await? else { return Ok(()) };
    if holder.is_active_at(unit.now()) {
        return Err(Refusal::EmployeeAddressTaken.into());
    }
    unit.put::<Employee>(holder.id, employee::Command::OffBoard).await.map(|_| ())
}

/// The other employee who has the address: active, if not for the day of off-boarding.
pub(super) async fn address_holder(
    unit: &mut dyn Unit,
    email: &Address,
    own: Uuid,
) -> Result<Option<Arc<Employee>>, Failure> {
    let claim = claims::active_employee(&unit.context().tenant, email);
    match unit.holder(claim).await?.filter(|holder| *holder != own) {
        Some(holder) => unit.get::<Employee>(holder).await.map(Some),
        None => Ok(None),
    }
}

/// [`Refusal::EmployeeAddressTaken`] as one fault among others.
pub(super) fn address_taken() -> Fault {
    Fault::new("email", "belongs to another active employee")
}

/// Why a record cannot be this account's.
pub(super) async fn account_fault(unit: &mut dyn Unit, user: Uuid) -> Result<Option<Fault>, Failure> {
    let account = unit.get::<User>(user).await?;
    if !account.exists() {
        return Ok(Some(Fault::new("user_id", "does not exist")));
    }
    let Some(present) = account.employee else { return Ok(None) };
    let present = unit.get::<Employee>(present).await?;
    let taken = present.is_active_at(unit.now());
    Ok(taken.then(|| Fault::new("user_id", "has an employee record already")))
}
