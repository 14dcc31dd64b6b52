use super::{Area, Json};
use crate::Service;
use crate::envelope::call::{Call, Operation, Reach, Who};
use crate::envelope::content::Form;
use crate::envelope::filter::Filter;
use crate::envelope::listing::{self, PageParams, SearchParams, SortParams};
use crate::envelope::refusal::Refused;
use crate::envelope::reply::{Done, List, Reply, reply};
use crate::envelope::resources::Employee;
use crate::wire::{Bearer, Secured};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use projections::EMPLOYEE_FIELDS;

pub(in crate::envelope) const OPERATION: Operation =
    Operation { id: "employees_index", form: Form::Json, needs_params: false, writes: false, who: Who::Recorded };

/// What `employees/index` takes.
#[derive(Object)]
#[oai(rename = "EmployeesIndexParams", deny_unknown_fields)]
pub(in crate::envelope) struct Params {
    /// Token of an application or a session; required, unless the header Authorization carries it.
    token: Option<String>,
    page: Option<PageParams>,
    sort: Option<SortParams>,
    search: Option<SearchParams>,
    filters: Option<EmployeeFilters>,
    /// The tenant, for the deployment's own token.
    #[oai(validator(pattern = "^[a-z0-9-]{1,32}$"))]
    tenant: Option<String>,
}

/// Values the attributes must have: one, or an array of which one must match; null is "has none".
#[derive(Object)]
#[oai(rename = "EmployeeFilters", deny_unknown_fields)]
pub(in crate::envelope) struct EmployeeFilters {
    id: Option<Filter<i64>>,
    user_id: Option<Filter<String>>,
    email: Option<Filter<String>>,
    active: Option<Filter<bool>>,
    service_area_id: Option<Filter<i64>>,
    first_name: Option<Filter<String>>,
    last_name: Option<Filter<String>>,
    legal_name: Option<Filter<String>>,
    phone: Option<Filter<String>>,
    date_hired: Option<Filter<String>>,
    date_off_boarded: Option<Filter<String>>,
    version: Option<Filter<i64>>,
}

pub(in crate::envelope) struct EmployeesIndex(pub Service);

#[OpenApi]
impl EmployeesIndex {
    /// List employees' records
    ///
    /// Employees find their own.
    #[oai(path = "/api/v1/employees/index", method = "post", operation_id = "employees_index", tag = "Area::Employees")]
    async fn employees_index(
        &self,
        request: &Request,
        _secured: Secured<Bearer>,
        body: Json<Params>,
    ) -> Reply<List<Employee>> {
        reply(list(&self.0, request, &body).await)
    }
}

async fn list(service: &Service, request: &Request, body: &Json<Params>) -> Result<Done, Refused> {
    let mut call = Call::open(service, request, body.bytes(), &OPERATION)?;
    let mut query = listing::read(&mut call.params, EMPLOYEE_FIELDS);
    let call = call.admit().await?;
    let reach = call.reach().await?;
    call.no_faults()?;
    let tenant = &call.caller.tenant;
    if let Reach::Own(own) = reach {
        let own = service.bus.load::<domain::employee::Employee>(tenant, own).await.map_err(|f| call.refuse(f))?;
        // Filters are joined by "and": whatever else is asked, no other record is found.
        query.filters.push(("id".to_owned(), own.number.into()));
    }
    let page = service.views.employees(tenant, query).await.map_err(|f| call.refuse(f))?;
    let rows: Vec<Employee> = page.rows.iter().map(Employee::from).collect();
    Ok(Done { meta: Some(listing::meta(&page)), ..Done::of(&rows) })
}
