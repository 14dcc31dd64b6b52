use super::integer;
use crate::wire::Time;
use domain::employee::ADDRESS_KEYS;
use poem_openapi::Object;
use projections::EmployeeRow;

/// An employee's record.
#[derive(Clone, Debug, PartialEq, Object)]
#[oai(rename = "Employee")]
pub(in crate::envelope) struct Employee {
    /// Ascending in a tenant, with gaps, never used again.
    pub id: i64,
    /// The account of this person.
    #[oai(nullable)]
    pub user_id: Option<String>,
    #[oai(nullable)]
    pub email: Option<String>,
    pub active: bool,
    #[oai(nullable)]
    pub service_area_id: Option<i64>,
    #[oai(nullable)]
    pub first_name: Option<String>,
    #[oai(nullable)]
    pub last_name: Option<String>,
    #[oai(nullable)]
    pub legal_name: Option<String>,
    #[oai(nullable)]
    pub skills: Option<Vec<String>>,
    #[oai(nullable)]
    pub phone: Option<String>,
    pub address: Option<PostalAddress>,
    /// `YYYY-MM-DD`.
    #[oai(nullable)]
    pub date_hired: Option<String>,
    /// `YYYY-MM-DD`; from that day on, in UTC, the record gives no rights.
    #[oai(nullable)]
    pub date_off_boarded: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    /// Counts the events of this record.
    pub version: i64,
}

/// A postal address and its place on the map.
#[derive(Clone, Debug, Default, PartialEq, Object)]
#[oai(rename = "PostalAddress")]
pub(in crate::envelope) struct PostalAddress {
    #[oai(nullable)]
    pub street: Option<String>,
    #[oai(nullable)]
    pub street2: Option<String>,
    #[oai(nullable)]
    pub city: Option<String>,
    #[oai(nullable)]
    pub state: Option<String>,
    #[oai(nullable)]
    pub postal_code: Option<String>,
    /// A decimal number, -180 to 180.
    #[oai(nullable)]
    pub longitude: Option<String>,
    /// A decimal number, -90 to 90.
    #[oai(nullable)]
    pub latitude: Option<String>,
}

impl From<&EmployeeRow> for Employee {
    fn from(row: &EmployeeRow) -> Self {
        let personal = &row.personal;
        Self {
            id: integer(row.number),
            user_id: row.user.map(|id| id.to_string()),
            email: personal.email.as_ref().map(|e| e.as_str().to_owned()),
            active: row.active,
            service_area_id: row.service_area_id,
            first_name: personal.first_name.clone().flatten(),
            last_name: personal.last_name.clone().flatten(),
            legal_name: personal.legal_name.clone().flatten(),
            skills: personal.skills.clone().flatten(),
            phone: personal.phone.clone().flatten(),
            address: address(row),
            date_hired: row.date_hired.clone(),
            date_off_boarded: row.date_off_boarded.clone(),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            version: integer(row.version),
        }
    }
}

/// Null where no key has a value; else every key, those without one null.
fn address(row: &EmployeeRow) -> Option<PostalAddress> {
    let [street, street2, city, state, postal_code, longitude, latitude] =
        ADDRESS_KEYS.map(|key| row.personal.address.get(key).cloned().flatten());
    let address = PostalAddress { street, street2, city, state, postal_code, longitude, latitude };
    (address != PostalAddress::default()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Address;
    use domain::Timestamp;
    use domain::employee::Personal;
    use poem_openapi::types::ToJSON;
    use serde_json::json;
    use uuid::Uuid;

    fn row() -> EmployeeRow {
        let mut record = domain::employee::Employee { number: 12, version: 1, ..Default::default() };
        record.personal.email = Address::parse("jane@acme.com").ok();
        record.created_at = Timestamp::from_seconds(1_637_678_283);
        record.updated_at = record.created_at;
        EmployeeRow::from(&record)
    }

    #[test]
    fn absent_values_are_null() {
        assert_eq!(
            Employee::from(&row()).to_json(),
            Some(json!({
                "id": 12,
                "user_id": null,
                "email": "jane@acme.com",
                "active": true,
                "service_area_id": null,
                "first_name": null,
                "last_name": null,
                "legal_name": null,
                "skills": null,
                "phone": null,
                "address": null,
                "date_hired": null,
                "date_off_boarded": null,
                "created_at": "2021-11-23T14:38:03Z",
                "updated_at": "2021-11-23T14:38:03Z",
                "version": 1,
            }))
        );
    }

    #[test]
    fn an_address_has_all_its_keys_and_cleared_ones_are_null() {
        let mut row = row();
        row.user = Some(Uuid::from_u128(9));
        row.personal = Personal {
            first_name: Some(None),
            skills: Some(Some(vec!["welding".into()])),
            address: [("city".to_owned(), Some("Tulsa".to_owned())), ("street".to_owned(), None)].into(),
            ..row.personal
        };
        let encoded = Employee::from(&row).to_json().unwrap();
        assert_eq!(encoded["user_id"], json!("00000000-0000-0000-0000-000000000009"));
        assert_eq!(encoded["first_name"], json!(null));
        assert_eq!(encoded["skills"], json!(["welding"]));
        assert_eq!(
            encoded["address"],
            json!({
                "street": null, "street2": null, "city": "Tulsa", "state": null,
                "postal_code": null, "longitude": null, "latitude": null,
            })
        );
        row.personal.address = [("city".to_owned(), None)].into();
        assert_eq!(Employee::from(&row).to_json().unwrap()["address"], json!(null));
    }
}
