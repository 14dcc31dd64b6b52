use domain::Timestamp;
use domain::employee::{Employee, Personal};
use uuid::Uuid;

/// An employee's record.
#[derive(Clone, Debug, PartialEq)]
pub struct EmployeeRow {
    pub id: Uuid,
    /// The public integer. 0 while it is not known: see `domain::Origin`.
    pub number: u64,
    pub user: Option<Uuid>,
    pub active: bool,
    pub service_area_id: Option<i64>,
    /// `YYYY-MM-DD`.
    pub date_hired: Option<String>,
    pub date_off_boarded: Option<String>,
    /// `erased` once the person is forgotten.
    pub personal: Personal,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: u64,
}

impl From<&Employee> for EmployeeRow {
    fn from(employee: &Employee) -> Self {
        Self {
            id: employee.id,
            number: employee.number,
            user: employee.user,
            active: employee.active,
            service_area_id: employee.service_area_id,
            date_hired: employee.date_hired.clone(),
            date_off_boarded: employee.date_off_boarded.clone(),
            personal: employee.personal.clone(),
            created_at: employee.created_at,
            updated_at: employee.updated_at,
            version: employee.version,
        }
    }
}
