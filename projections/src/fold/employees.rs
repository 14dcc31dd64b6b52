//! The view of employees: the aggregate itself, with its words beside it in
//! lower case for searching and sorting.

use super::{Desk, decode, origin_of};
use crate::columns::signed;
use crate::error::{FoldError, Unfoldable};
use crate::scopes::Scope;
use domain::Root;
use domain::employee::{Employee, Event};
use rusqlite::{OptionalExtension, params};
use store::Recorded;

/// Slots of the list.
pub(crate) const ACTIVE: u8 = 1;
pub(crate) const INACTIVE: u8 = 0;

const REPLACE: &str = "INSERT OR REPLACE INTO employee (position, tenant, number, id, user, active, service_area_id,
     date_hired, date_off_boarded, email, first_name, last_name, legal_name, skills, phone, address,
     created_at, updated_at, version, body)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";

pub(super) fn fold(desk: &mut Desk<'_>, event: &Recorded) -> Result<(), FoldError> {
    let decoded: Event = decode(Employee::TYPE, event)?;
    let origin = origin_of(event)?;
    let before = find(desk, event, &origin.id)?;
    let (position, mut employee) = match &before {
        Some((position, employee)) => (*position, employee.clone()),
        None if matches!(decoded, Event::Created(_)) => (event.position, Employee::default()),
        None => return Err(Unfoldable::NoRow.into()),
    };
    employee.evolve(&decoded, &origin);
    store(desk, position, &employee)?;
    let scope = Scope::Employees { tenant: &event.tenant };
    let after = slot(&employee);
    match before {
        Some((_, before)) => desk.shift(scope, (before.number, slot(&before)), (employee.number, after)),
        None => desk.add(scope, employee.number, after),
    }
}

fn slot(employee: &Employee) -> u8 {
    if employee.active { ACTIVE } else { INACTIVE }
}

fn find(desk: &Desk<'_>, event: &Recorded, id: &uuid::Uuid) -> Result<Option<(u64, Employee)>, FoldError> {
    let mut select = desk.prepare("SELECT position, body FROM employee WHERE id = ?1 AND tenant = ?2")?;
    let found = select
        .query_row(params![id.as_bytes(), event.tenant], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((position, body)) = found else { return Ok(None) };
    let employee = serde_json::from_str(&body).map_err(|_| FoldError::Row("an employee"))?;
    Ok(Some((position.cast_unsigned(), employee)))
}

fn store(desk: &Desk<'_>, position: u64, employee: &Employee) -> Result<(), FoldError> {
    let personal = &employee.personal;
    let lower = |text: &Option<Option<String>>| text.as_ref()?.as_ref().map(|text| text.to_lowercase());
    let skills = personal.skills.as_ref().and_then(Option::as_ref).map(|skills| skills.join("\n").to_lowercase());
    let address: Vec<&str> = personal.address.values().filter_map(Option::as_deref).collect();
    desk.execute(
        REPLACE,
        params![
            signed(position),
            employee.tenant.as_str(),
            signed(employee.number),
            employee.id.as_bytes(),
            employee.user.as_ref().map(uuid::Uuid::as_bytes),
            employee.active,
            employee.service_area_id,
            employee.date_hired,
            employee.date_off_boarded,
            personal.email.as_ref().map(|email| email.as_str().to_lowercase()),
            lower(&personal.first_name),
            lower(&personal.last_name),
            lower(&personal.legal_name),
            skills,
            lower(&personal.phone),
            (!address.is_empty()).then(|| address.join("\n").to_lowercase()),
            employee.created_at.0,
            employee.updated_at.0,
            signed(employee.version),
            serde_json::to_string(employee).map_err(|_| FoldError::Row("an employee"))?,
        ],
    )
}
