use super::employees_update::AddressParams;
use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Who, read};
use crate::envelope::content::Form;
use crate::envelope::employee_changes;
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Employee;
use crate::envelope::sending::Written;
use crate::wire::values;
use crate::wire::{Bearer, HeaderParam, KeyText, Secured};
use async_trait::async_trait;
use domain::bus::Unit;
use domain::use_cases::{Allowed, CreateEmployee, FindFaults};
use domain::{Failure, UseCase, employee};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::EmployeeRow;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "employees_create", form: Form::Json, needs_params: true, writes: true, who: Who::Recorded };

/// What `employees/create` takes.
#[derive(Object)]
#[oai(rename = "EmployeesCreateParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    /// The account of this person: a UUID.
    #[oai(nullable)]
    user_id: Option<String>,
    /// True where absent.
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
    /// Unique among the active employees of the tenant.
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

pub(in crate::envelope) struct EmployeesCreate(pub Service);

#[OpenApi]
impl EmployeesCreate {
    /// Make an employee's record
    #[oai(
        path = "/api/v1/employees/create",
        method = "post",
        operation_id = "employees_create",
        tag = "Area::Employees"
    )]
    async fn employees_create(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
        /// Makes a repeated request give the same answer, once done.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
    ) -> Reply<Answer<Employee>> {
        reply(create(&self.0, request, &body).await)
    }
}

async fn create(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let user = call.params.optional("user_id", values::uuid);
    let email = call.params.required("email", values::address);
    let changes = employee_changes::read(&mut call.params);
    let call = call.admit().await?;
    let active = changes.active != Some(false);
    let more = FindFaults::NewEmployee { user, email: email.clone(), active };
    call.settle_with(Allowed::Employees { all: true }, more).await?;
    let changes = employee::Changes { email: Some(read(email)?), ..changes };
    let case = Creating(CreateEmployee { user, changes });
    let written = service.bus.perform(call.context(), case).await.map_err(|f| call.refuse(f))?;
    // Before it another record may have been written: one that gave up the address, because its day has come.
    let created = written.all.last().ok_or_else(|| call.refuse(Failure::internal("the unit has no employee")))?;
    Ok(Done::of(&Employee::from(&EmployeeRow::from(&**created))))
}

/// [`CreateEmployee`], answered with every record the unit wrote.
struct Creating(CreateEmployee);

#[async_trait]
impl UseCase for Creating {
    type Output = Written<employee::Employee>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        self.0.run(unit).await
    }
}
