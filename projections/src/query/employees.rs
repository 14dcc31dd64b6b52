//! Employees: by number, by id, in lists, and those whose day has come.

use super::listing::{Listed, Plan};
use super::rows::{all, at, one};
use super::{QueryError, ranked};
use crate::columns::{Cells, signed};
use crate::error::FoldError;
use crate::fields::EMPLOYEE_FIELDS;
use crate::fold::{ACTIVE, INACTIVE, View};
use crate::limits::MAX_DUE;
use crate::page::{ListQuery, Page};
use crate::ranks::{ANY, Slots};
use crate::rows::EmployeeRow;
use crate::scopes::Scope;
use crate::views::Views;
use domain::employee::Employee;
use domain::{Failure, TenantName, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};
use uuid::Uuid;

const USES: &[View] = &[View::Employees];
const LISTED: Listed = Listed { table: "employee", fields: EMPLOYEE_FIELDS, order: "number", descending: false };

impl Views {
    /// One employee, by the public integer.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn employee(&self, tenant: &TenantName, number: u64) -> Result<Option<EmployeeRow>, Failure> {
        let tenant = tenant.clone();
        self.look_up(USES, move |connection| by_number(connection, tenant.as_str(), number)).await
    }

    /// One employee, by the aggregate's id.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn employee_by_id(&self, tenant: &TenantName, id: Uuid) -> Result<Option<EmployeeRow>, Failure> {
        let tenant = tenant.clone();
        self.look_up(USES, move |connection| {
            let sql = "SELECT body FROM employee WHERE id = ?1 AND tenant = ?2";
            one(connection, sql, params![id.as_bytes(), tenant.as_str()], read)
        })
        .await
    }

    /// A page of employees, by number unless the query says otherwise.
    ///
    /// # Errors
    /// A refusal for names and values that are not the fields', else as [`Views::invitation`].
    pub async fn employees(&self, tenant: &TenantName, query: ListQuery) -> Result<Page<EmployeeRow>, Failure> {
        let tenant = tenant.clone();
        self.ask(USES, move |connection| list(connection, tenant.as_str(), &query)).await
    }

    /// Active employees whose day of off-boarding has come, at most [`MAX_DUE`]; for the sweeper.
    ///
    /// # Errors
    /// As [`Views::invitation`].
    pub async fn due_off_boardings(&self, now: Timestamp, limit: usize) -> Result<Vec<(TenantName, Uuid)>, Failure> {
        let today = now.chrono().date_naive().to_string();
        let limit = i64::try_from(limit.min(MAX_DUE)).unwrap_or(0);
        self.ask(USES, move |connection| {
            all(
                connection,
                "SELECT tenant, id FROM employee WHERE active = 1 AND date_off_boarded IS NOT NULL
                 AND date_off_boarded <= ?1 ORDER BY date_off_boarded LIMIT ?2",
                params![today, limit],
                |cells| Ok((cells.tenant()?, cells.id()?)),
            )
        })
        .await
    }
}

fn by_number(connection: &Connection, tenant: &str, number: u64) -> Result<Option<EmployeeRow>, QueryError> {
    let Ok(number) = i64::try_from(number) else { return Ok(None) };
    let sql = "SELECT body FROM employee WHERE tenant = ?1 AND number = ?2";
    one(connection, sql, params![tenant, number], read)
}

fn read(cells: &mut Cells<'_, '_>) -> Result<EmployeeRow, FoldError> {
    let employee: Employee = serde_json::from_str(&cells.text()?).map_err(|_| FoldError::Row("an employee"))?;
    Ok(EmployeeRow::from(&employee))
}

fn list(connection: &Connection, tenant: &str, query: &ListQuery) -> Result<Page<EmployeeRow>, QueryError> {
    let plan = Plan::of(query, &LISTED)?;
    if let Some(slots) = slots(&plan) {
        let (total, numbers) = ranked(connection, Scope::Employees { tenant }, slots, plan.cut, plan.descending)?;
        let rows = numbers.into_iter().map(|number| {
            by_number(connection, tenant, number)?.ok_or_else(|| FoldError::Row("a listed row is missing").into())
        });
        return Ok(plan.cut.page(total, rows.collect::<Result<_, QueryError>>()?));
    }
    let (total, positions) = plan.run(connection, &LISTED, tenant, None)?;
    let rows = at(connection, "SELECT body FROM employee WHERE position = ?1", &positions, read)?;
    Ok(plan.cut.page(total, rows))
}

/// The slots, if ranks can answer: the default order, all or by `active` alone.
fn slots(plan: &Plan) -> Option<Slots> {
    if plan.is_plain() {
        return Some(ANY);
    }
    let [("active", values)] = plan.filters.as_slice() else { return None };
    if plan.sort.is_some() || plan.search.is_some() {
        return None;
    }
    let chosen = |slot: u8| values.contains(&Sql::Integer(signed(slot.into())));
    Some(Slots::from(chosen(ACTIVE)) << ACTIVE | Slots::from(chosen(INACTIVE)) << INACTIVE)
}
