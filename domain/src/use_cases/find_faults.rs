use super::create_employee::{account_fault, address_holder, address_taken};
use super::pending_on;
use crate::bus::Unit;
use crate::employee::Employee;
use crate::integration::Integration;
use crate::invitation::{Kind, State};
use crate::{Address, Failure, Fault, Refusal, Root, UseCase, permission};
use async_trait::async_trait;
use uuid::Uuid;

const NOT_THERE: &str = "does not exist";

/// What only the ledger can find at fault in a request: for a dialect that tells
/// all faults at once, and has found some in the request's form already. What
/// could not be read is `None` and not asked for.
///
/// The operation itself finds the same; it is not run, because a part of what it
/// needs is missing. Nor is the caller's general permission asked for here.
#[derive(Clone, Debug)]
pub enum FindFaults {
    /// Of an employee's record to be made.
    NewEmployee { user: Option<Uuid>, email: Option<Address>, active: bool },
    /// Of a record to be read or changed; `active` where it is to become so or not.
    Employee { number: Option<u64>, email: Option<Address>, active: Option<bool> },
    /// Of an integration to be read, or to which an address is to be invited.
    Integration { number: Option<u64>, email: Option<Address> },
}

#[async_trait]
impl UseCase for FindFaults {
    type Output = ();

    const READS_ONLY: bool = true;

    /// # Errors
    /// `Invalid` with all that is at fault; `NotPermitted` for an integration that
    /// is out of the caller's reach.
    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let faults = match self {
            Self::NewEmployee { user, email, active } => {
                let email = email.as_ref().filter(|_| *active);
                let mut faults = taken(unit, email, Uuid::nil()).await?;
                if let Some(user) = *user {
                    faults.extend(account_fault(unit, user).await?);
                }
                faults
            }
            Self::Employee { number, email, active } => employee(unit, *number, email.as_ref(), *active).await?,
            Self::Integration { number, email } => integration(unit, *number, email.as_ref()).await?,
        };
        if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults).into()) }
    }
}

async fn employee(
    unit: &mut dyn Unit,
    number: Option<u64>,
    email: Option<&Address>,
    active: Option<bool>,
) -> Result<Vec<Fault>, Failure> {
    let Some(number) = number else { return Ok(vec![]) };
    let Some(id) = unit.numbered(Employee::TYPE, number).await? else {
        return Ok(vec![Fault::new("id", NOT_THERE)]);
    };
    let active = match active {
        Some(active) => active,
        None => unit.get::<Employee>(id).await?.active,
    };
    taken(unit, email.filter(|_| active), id).await
}

async fn taken(unit: &mut dyn Unit, email: Option<&Address>, own: Uuid) -> Result<Vec<Fault>, Failure> {
    let Some(email) = email else { return Ok(vec![]) };
    let holder = address_holder(unit, email, own).await?;
    let now = unit.now();
    Ok(holder.filter(|holder| holder.is_active_at(now)).map(|_| address_taken()).into_iter().collect())
}

async fn integration(unit: &mut dyn Unit, number: Option<u64>, email: Option<&Address>) -> Result<Vec<Fault>, Failure> {
    let Some(number) = number else { return Ok(vec![]) };
    let Some(id) = unit.numbered(Integration::TYPE, number).await? else {
        return Ok(vec![Fault::new("id", NOT_THERE)]);
    };
    let integration = unit.get::<Integration>(id).await?;
    permission::integration(unit, &integration).await?;
    let Some(email) = email else { return Ok(vec![]) };
    let holder = pending_on(unit, Kind::Integration, id, email).await?;
    let accepted = holder.filter(|holder| holder.state == State::Accepted);
    Ok(accepted.map(|_| Fault::new("email", "has accepted an invitation already")).into_iter().collect())
}
