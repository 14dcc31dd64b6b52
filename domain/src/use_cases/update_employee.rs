use super::create_employee::free_address;
use crate::Patch;
use crate::bus::Unit;
use crate::employee::{self, Changes, Employee};
use crate::permission::{self, EmployeeReach};
use crate::{Failure, Refusal, Root, UseCase, What};
use async_trait::async_trait;
use std::sync::Arc;

/// Changes what is sent of an employee's record.
#[derive(Clone, Debug)]
pub struct UpdateEmployee {
    /// The public integer.
    pub number: u64,
    pub changes: Changes,
}

#[async_trait]
impl UseCase for UpdateEmployee {
    type Output = Arc<Employee>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        permission::tenant(unit).await?;
        let reach = permission::employees(unit).await?;
        let id = unit.numbered(Employee::TYPE, self.number).await?;
        match reach {
            EmployeeReach::Own(own) if id != Some(own) || !self.is_own_business() => {
                return Err(Refusal::NotPermitted.into());
            }
            EmployeeReach::Own(_) | EmployeeReach::All => {}
        }
        let id = id.ok_or(Refusal::NotFound(What::Employee))?;
        let employee = unit.get::<Employee>(id).await?;
        let active = self.changes.active.unwrap_or(employee.active);
        let email = self.changes.email.as_ref().or(employee.personal.email.as_ref());
        if let (true, Some(email)) = (active, email) {
            free_address(unit, email, id).await?;
        }
        let by = unit.context().actor;
        let waited = unit.context().waits_for_mail;
        let command = employee::Command::Update { by, changes: Box::new(self.changes.clone()), waited };
        unit.put::<Employee>(id, command).await.map(|_| ())
    }
}

impl UpdateEmployee {
    /// Employees change their own phone, address and e-mail, and nothing else.
    fn is_own_business(&self) -> bool {
        let own = Changes {
            email: self.changes.email.clone(),
            phone: self.changes.phone.clone(),
            address: self.changes.address.clone(),
            ..Changes::default()
        };
        debug_assert_eq!(own.first_name, Patch::Keep);
        own == self.changes
    }
}
