//! Employees.

use domain::employee::ADDRESS_KEYS;
use poem_openapi::Object;
use projections::EmployeeRow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A postal address.
#[derive(Debug, Default, Object)]
pub(in crate::operator) struct PostalAddress {
    street: Option<String>,
    street2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
    longitude: Option<String>,
    latitude: Option<String>,
}

impl PostalAddress {
    fn of(parts: &BTreeMap<String, Option<String>>) -> Self {
        let [street, street2, city, state, postal_code, longitude, latitude] =
            ADDRESS_KEYS.map(|key| parts.get(key).cloned().flatten());
        Self { street, street2, city, state, postal_code, longitude, latitude }
    }
}

/// An employee's record.
#[derive(Debug, Object)]
pub(in crate::operator) struct Employee {
    /// Ascending per tenant, never reused.
    id: u64,
    user_id: Option<Uuid>,
    email: Option<String>,
    active: bool,
    service_area_id: Option<i64>,
    first_name: Option<String>,
    last_name: Option<String>,
    legal_name: Option<String>,
    skills: Option<Vec<String>>,
    phone: Option<String>,
    address: PostalAddress,
    date_hired: Option<String>,
    date_off_boarded: Option<String>,
    created_at: String,
    updated_at: String,
    version: u64,
}

impl From<&EmployeeRow> for Employee {
    fn from(row: &EmployeeRow) -> Self {
        let personal = &row.personal;
        Self {
            id: row.number,
            user_id: row.user,
            email: personal.email.as_ref().map(|e| e.as_str().to_owned()),
            active: row.active,
            service_area_id: row.service_area_id,
            first_name: personal.first_name.clone().flatten(),
            last_name: personal.last_name.clone().flatten(),
            legal_name: personal.legal_name.clone().flatten(),
            skills: personal.skills.clone().flatten(),
            phone: personal.phone.clone().flatten(),
            address: PostalAddress::of(&personal.address),
            date_hired: row.date_hired.clone(),
            date_off_boarded: row.date_off_boarded.clone(),
            created_at: row.created_at.rfc3339(),
            updated_at: row.updated_at.rfc3339(),
            version: row.version,
        }
    }
}
