//! Employees' records.

use super::Group;
use super::answers::{Changed, Made, Shown};
use super::asked::{EmployeeChange, NewEmployee};
use super::desk::{Json, Sent, Visit, answer, done, made};
use super::employee_changes;
use super::read::Query;
use super::refusal::No;
use super::resources::{Employee, EmployeeList};
use crate::Service;
use crate::wire::values::{address, uuid};
use crate::wire::{
    Bearer, Body, HeaderParam, KeyText, Line, PageNumber, PageSize, PathParam, QueryParam, Reply, Secured, TenantText,
};
use domain::use_cases::{Allowed, CreateEmployee, UpdateEmployee};
use domain::{Root, What, employee, text};
use poem::Request;
use poem_openapi::OpenApi;
use projections::{EmployeeRow, ListQuery};
use std::sync::Arc;

pub(super) struct Employees(pub Service);

const ALLOWED: Allowed = Allowed::Employees { all: true };

fn number(id: &PathParam<u64>) -> Result<u64, No> {
    id.text.parse().map_err(|_| No::not_found(What::Employee))
}

#[OpenApi(prefix_path = "/api/ledger", tag = "Group::Employees")]
impl Employees {
    /// List employees
    #[oai(path = "/employees", method = "get", operation_id = "listEmployees")]
    async fn list(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// Counts from 1.
        #[oai(name = "page")]
        _page: QueryParam<Option<PageNumber>>,
        /// At most 100; 25 when it is missing.
        #[oai(name = "size")]
        _size: QueryParam<Option<PageSize>>,
        /// Only records with this in a name, the e-mail, the phone, the skills or the address.
        #[oai(name = "search")]
        _search: QueryParam<Option<Line>>,
    ) -> Reply<Shown<EmployeeList>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            let mut query = Query::of(request);
            let (number, size) = query.page();
            let search = query.optional("search", |term| text::line(term, text::MAX_TEXT));
            query.finish()?;
            let search = search.map(|term| (term, vec![]));
            let query = ListQuery { number, size, search, ..ListQuery::default() };
            done(&EmployeeList::from(self.0.views.employees(visit.tenant(), query).await?))
        })
        .await
    }

    /// Make an employee's record
    #[oai(path = "/employees", method = "post", operation_id = "createEmployee")]
    async fn create(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        /// The same key and body within 24 hours give the same answer, and nothing is done twice.
        #[oai(name = "Idempotency-Key")]
        _key: HeaderParam<Option<KeyText>>,
        body: Body<Json, NewEmployee>,
    ) -> Reply<Made<Employee>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let email = reader.required("email", address);
            let user = reader.optional("user_id", uuid);
            let changes = employee::Changes { email, ..employee_changes::read(&mut reader) };
            reader.finish()?;
            let context = visit.keyed("createEmployee", &sent.bytes)?;
            let employee = visit.perform(context, CreateEmployee { user, changes }).await?;
            made(&Employee::from(&EmployeeRow::from(&*employee)))
        })
        .await
    }

    /// Show an employee's record
    #[oai(path = "/employees/:id", method = "get", operation_id = "showEmployee")]
    async fn show(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<u64>,
    ) -> Reply<Shown<Employee>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let found = self.0.bus.numbered(visit.tenant(), employee::Employee::TYPE, number(&id)?).await?;
            let id = found.ok_or(No::not_found(What::Employee))?;
            let employee: Arc<employee::Employee> = self.0.bus.load(visit.tenant(), id).await?;
            done(&Employee::from(&EmployeeRow::from(&*employee)))
        })
        .await
    }

    /// Change an employee's record
    ///
    /// What is not named stays; null clears; the address merges by key. A
    /// changed e-mail is told to the old and the new address.
    #[oai(path = "/employees/:id", method = "patch", operation_id = "updateEmployee")]
    async fn update(
        &self,
        request: &Request,
        _caller: Secured<Bearer>,
        /// For the deployment's principal: which tenant is meant; `default` when it is missing.
        #[oai(name = "tenant")]
        _tenant: QueryParam<Option<TenantText>>,
        id: PathParam<u64>,
        body: Body<Json, EmployeeChange>,
    ) -> Reply<Changed<Employee>> {
        answer(request, async {
            let visit = Visit::begin(&self.0, request).await?;
            visit.may(ALLOWED).await?;
            Query::of(request).finish()?;
            let number = number(&id)?;
            let sent = Sent::of(request, &body)?;
            let mut reader = sent.reader()?;
            let email = reader.settable("email", address);
            let changes = employee::Changes { email, ..employee_changes::read(&mut reader) };
            reader.finish()?;
            let employee = visit.perform(visit.context(), UpdateEmployee { number, changes }).await?;
            done(&Employee::from(&EmployeeRow::from(&*employee)))
        })
        .await
    }
}
