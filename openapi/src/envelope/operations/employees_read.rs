use super::employees_update::permit;
use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Reach, Who, read};
use crate::envelope::content::Form;
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Answer, Done, Reply, reply};
use crate::envelope::resources::Employee;
use crate::envelope::slug::Slug;
use crate::wire::values;
use crate::wire::{Bearer, Secured};
use domain::use_cases::FindFaults;
use domain::{Refusal, What};
use poem::Request;
use poem_openapi::{Object, OpenApi};

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "employees_read", form: Form::Json, needs_params: true, writes: false, who: Who::Recorded };

/// What `employees/read` takes.
#[derive(Object)]
#[oai(rename = "EmployeesReadParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    /// The employee's.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    id: i64,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

pub(in crate::envelope) struct EmployeesRead(pub Service);

#[OpenApi]
impl EmployeesRead {
    /// Read an employee's record
    ///
    /// Employees read their own.
    #[oai(path = "/api/v1/employees/read", method = "post", operation_id = "employees_read", tag = "Area::Employees")]
    async fn employees_read(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
    ) -> Reply<Answer<Employee>> {
        reply(show(&self.0, request, &body).await)
    }
}

async fn show(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let number = call.params.required("id", values::number);
    let call = call.admit().await?;
    let reach = call.reach().await?;
    if call.has_faults() {
        permit(&call, number, false).await?;
    }
    call.no_faults_with(FindFaults::Employee { number, email: None, active: None }).await?;
    let number = read(number)?;
    let tenant = &call.caller.tenant;
    let row = match reach {
        Reach::All => service.views.employee(tenant, number).await.map_err(|f| call.refuse(f))?,
        Reach::Own(own) => {
            let row = service.views.employee_by_id(tenant, own).await.map_err(|f| call.refuse(f))?;
            Some(row.filter(|row| row.number == number).ok_or_else(|| Refused::new(Slug::PermissionDenied))?)
        }
    };
    let row = row.ok_or(Refusal::NotFound(What::Employee))?;
    Ok(Done::of(&Employee::from(&row)))
}
