use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Admitted, Call, Operation, Reach, Who, read};
use crate::envelope::content::Form;
use crate::envelope::employee_changes;
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Employee;
use crate::envelope::sending::{self, Asked, Asking, Word};
use crate::envelope::slug::Slug;
use crate::wire::values;
use crate::wire::{Bearer, HeaderParam, KeyText, Secured};
use async_trait::async_trait;
use domain::bus::{MailRef, Unit};
use domain::use_cases::{Allowed, FindFaults, UpdateEmployee};
use domain::{Failure, Refusal, Root, UseCase, What, employee};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::EmployeeRow;
use std::sync::Arc;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "employees_update", form: Form::Json, needs_params: true, writes: true, who: Who::Recorded };

/// What an employee may send of their own record.
const OWN: [&str; 6] = ["token", "tenant", "id", "email", "phone", "address"];
/// An e-mail change tells two addresses: the old one is part 0, the new one part 1.
const OLD_ADDRESS: u8 = 0;
const NEW_ADDRESS: u8 = 1;

/// What `employees/update` takes. What is absent stays as it is, null clears.
#[derive(Object)]
#[oai(rename = "EmployeesUpdateParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    /// The employee's.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    id: i64,
    active: Option<bool>,
    #[oai(nullable)]
    service_area_id: Option<i64>,
    #[oai(nullable, validator(max_length = 200))]
    first_name: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    last_name: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    legal_name: Option<String>,
    /// Up to 100 characters each.
    #[oai(nullable, validator(max_items = 100))]
    skills: Option<Vec<String>>,
    /// Unique among the active employees of the tenant. A change is told to the old and the new address.
    #[oai(validator(max_length = 254))]
    email: String,
    #[oai(nullable, validator(max_length = 200))]
    phone: Option<String>,
    #[oai(nullable)]
    address: Option<AddressParams>,
    /// `YYYY-MM-DD` or RFC 3339.
    #[oai(nullable)]
    date_hired: Option<String>,
    /// `YYYY-MM-DD` or RFC 3339; from that day on, in UTC, the record gives no rights.
    #[oai(nullable)]
    date_off_boarded: Option<String>,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

/// Merged into the address key by key; null clears a key, and in place of the object all of them.
#[derive(Object)]
#[oai(rename = "AddressParams", deny_unknown_fields)]
pub(in crate::envelope) struct AddressParams {
    #[oai(nullable, validator(max_length = 200))]
    street: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    street2: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    city: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    state: Option<String>,
    #[oai(nullable, validator(max_length = 200))]
    postal_code: Option<String>,
    /// A decimal number, -180 to 180.
    #[oai(nullable, validator(max_length = 200))]
    longitude: Option<String>,
    /// A decimal number, -90 to 90.
    #[oai(nullable, validator(max_length = 200))]
    latitude: Option<String>,
}

pub(in crate::envelope) struct EmployeesUpdate(pub Service);

#[OpenApi]
impl EmployeesUpdate {
    /// Change an employee's record
    ///
    /// Changes what is sent. A changed e-mail is told to the old and the new address, and the answer waits up to ten
    /// seconds for both; where that fails the change stands. It never changes the address somebody logs in with.
    #[oai(
        path = "/api/v1/employees/update",
        method = "post",
        operation_id = "employees_update",
        tag = "Area::Employees"
    )]
    async fn employees_update(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
        /// Makes a repeated request give the same answer, once done.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
    ) -> Reply<Answer<Employee>> {
        reply(update(&self.0, request, &body).await)
    }
}

async fn update(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let beyond_own = call.params.has_other_than(&OWN);
    let number = call.params.required("id", values::number);
    let email = call.params.required("email", values::address);
    let changes = employee_changes::read(&mut call.params);
    let call = call.admit().await?;
    if call.has_faults() {
        permit(&call, number, beyond_own).await?;
    }
    let more = FindFaults::Employee { number, email: email.clone(), active: changes.active };
    call.settle_with(Allowed::Employees { all: false }, more).await?;
    let (number, email) = (read(number)?, read(email)?);
    let changes = employee::Changes { email: Some(email), ..changes };
    let case = Updating(UpdateEmployee { number, changes });
    let written = sending::perform(service, call.context(), case).await.map_err(|f| call.refuse(f))?;
    let wrote = written.wrote;
    let updated = written.all.into_iter().find(|e| e.number == number);
    let asks = updated.as_ref().is_some_and(|e| wrote && e.email_changed_in == e.version);
    let updated = match updated {
        Some(updated) => updated,
        // The unit wrote another record only: one whose address was free by its day.
        None => unchanged(service, &call, number).await.map_err(|f| call.refuse(f))?,
    };
    if asks {
        said(told(service, &call, &updated).await)?;
    }
    Ok(Done::of(&Employee::from(&EmployeeRow::from(&*updated))))
}

/// The rule of the use case, asked before faults are told: employees touch
/// their own record alone, and there only what is theirs to change.
pub(super) async fn permit(call: &Admitted<'_>, number: Option<u64>, beyond_own: bool) -> Result<(), Refused> {
    let Reach::Own(own) = call.reach().await? else { return Ok(()) };
    let own = call.service.bus.load::<employee::Employee>(&call.caller.tenant, own).await;
    let own = own.map_err(|failure| call.refuse(failure))?;
    if beyond_own || number.is_some_and(|number| number != own.number) {
        return Err(Refused::new(Slug::PermissionDenied));
    }
    Ok(())
}

async fn unchanged(service: &Service, call: &Admitted<'_>, number: u64) -> Result<Arc<employee::Employee>, Failure> {
    let tenant = &call.caller.tenant;
    let id = service.bus.numbered(tenant, employee::Employee::TYPE, number).await?;
    service.bus.load(tenant, id.ok_or(Refusal::NotFound(What::Employee))?).await
}

struct Updating(UpdateEmployee);

#[async_trait]
impl Asking for Updating {
    type Aggregate = employee::Employee;

    async fn run(&self, unit: &mut dyn Unit) -> Result<Asked, Failure> {
        let id = unit.numbered(employee::Employee::TYPE, self.0.number).await?;
        let before = match id {
            Some(id) => unit.get::<employee::Employee>(id).await?,
            None => Arc::default(),
        };
        self.0.run(unit).await?;
        let after = unit.get::<employee::Employee>(before.id).await?;
        let (old, new) = (&before.personal.email, &after.personal.email);
        // The old address first, as its mail is part 0; a forgotten one is told nothing.
        let recipients = if old == new { vec![] } else { [old, new].into_iter().flatten().cloned().collect() };
        Ok(Asked { recipients, invitations: 0 })
    }
}

/// What became of the mails that this change of the e-mail asked for.
async fn told(service: &Service, call: &Admitted<'_>, employee: &employee::Employee) -> Word {
    let notice = |part: u8| MailRef {
        tenant: call.caller.tenant.clone(),
        aggregate: employee::Employee::TYPE,
        id: employee.id,
        number: employee.version,
        part,
    };
    // The address of a forgotten person is gone: nobody is told there.
    let parts: &[u8] = if employee.personal.erased { &[NEW_ADDRESS] } else { &[OLD_ADDRESS, NEW_ADDRESS] };
    let words = parts.iter().map(|part| sending::word(service, notice(*part), true));
    futures_util::future::join_all(words).await.into_iter().fold(Word::Sent, Word::and)
}

fn said(word: Word) -> Result<(), Refused> {
    let message = match word {
        Word::Sent => return Ok(()),
        Word::Refused(_) => {
            "The record was changed, but an e-mail that tells so was not sent to the old or the new address."
        }
        Word::Open => {
            "The record was changed. It is not known yet whether the e-mails that tell so were sent; their delivery \
             goes on."
        }
        Word::Off => {
            "The record was changed. This service sends no e-mail at present: those that tell so wait until that is \
             changed."
        }
    };
    Err(Refused::saying(Slug::MandrillEmailFailed, message))
}
