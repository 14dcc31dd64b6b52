//! What a caller wants of an employee's record, read from the parameters that
//! `employees/create` and `employees/update` share.

use super::params::Params;
use crate::wire::values::{address_part, boolean, day, integer, short, skill};
use domain::Patch;
use domain::employee::{ADDRESS_KEYS, Changes, MAX_SKILLS};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads everything but the e-mail, which both operations require and read themselves.
pub(super) fn read(params: &mut Params) -> Changes {
    Changes {
        email: None,
        active: params.settable("active", boolean),
        service_area_id: params.patch("service_area_id", integer),
        first_name: params.patch("first_name", short),
        last_name: params.patch("last_name", short),
        legal_name: params.patch("legal_name", short),
        skills: skills(params),
        phone: params.patch("phone", short),
        address: address(params),
        date_hired: params.patch("date_hired", day),
        date_off_boarded: params.patch("date_off_boarded", day),
    }
}

fn skills(params: &mut Params) -> Patch<Vec<String>> {
    match params.take("skills") {
        None => Patch::Keep,
        Some(Value::Null) => Patch::Clear,
        Some(value) => params.items("skills", &value, MAX_SKILLS, skill).map_or(Patch::Keep, Patch::Set),
    }
}

fn address(params: &mut Params) -> Patch<BTreeMap<String, Option<String>>> {
    match params.take("address") {
        None => Patch::Keep,
        Some(Value::Null) => Patch::Clear,
        Some(value) => params.within("address", value, address_keys).map_or(Patch::Keep, Patch::Set),
    }
}

fn address_keys(inside: &mut Params) -> BTreeMap<String, Option<String>> {
    let mut keys = BTreeMap::new();
    for key in ADDRESS_KEYS {
        let patch = inside.patch(key, |value| address_part(key, value));
        match patch {
            Patch::Keep => {}
            Patch::Clear => {
                keys.insert(key.to_owned(), None);
            }
            Patch::Set(text) => {
                keys.insert(key.to_owned(), Some(text));
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_all(value: Value) -> (Changes, Vec<(String, String)>) {
        let Value::Object(members) = value else { panic!("an object") };
        let mut params = Params::new(members);
        let changes = read(&mut params);
        (changes, params.finish().into_iter().map(|f| (f.param, f.reason)).collect())
    }

    #[test]
    fn what_is_sent_is_changed_and_nothing_else() {
        let (changes, faults) = read_all(json!({
            "active": false,
            "service_area_id": 4,
            "first_name": "Jane",
            "legal_name": null,
            "skills": ["welding", "first aid"],
            "address": {"city": "Tulsa", "street2": null, "longitude": "-95.99", "latitude": "36.15"},
            "date_hired": "2021-11-23T14:38:03Z",
            "date_off_boarded": null,
        }));
        assert_eq!(faults, vec![]);
        let address = [
            ("city".to_owned(), Some("Tulsa".to_owned())),
            ("street2".to_owned(), None),
            ("longitude".to_owned(), Some("-95.99".to_owned())),
            ("latitude".to_owned(), Some("36.15".to_owned())),
        ];
        assert_eq!(
            changes,
            Changes {
                email: None,
                active: Some(false),
                service_area_id: Patch::Set(4),
                first_name: Patch::Set("Jane".into()),
                last_name: Patch::Keep,
                legal_name: Patch::Clear,
                skills: Patch::Set(vec!["welding".into(), "first aid".into()]),
                phone: Patch::Keep,
                address: Patch::Set(address.into()),
                date_hired: Patch::Set("2021-11-23".into()),
                date_off_boarded: Patch::Clear,
            }
        );
        let (cleared, faults) = read_all(json!({"skills": null, "address": null, "phone": null}));
        assert_eq!(faults, vec![]);
        assert_eq!(
            cleared,
            Changes { skills: Patch::Clear, address: Patch::Clear, phone: Patch::Clear, ..Changes::default() }
        );
    }

    #[test]
    fn every_fault_of_every_field_is_told() {
        let (_, faults) = read_all(json!({
            "active": null,
            "service_area_id": "4",
            "first_name": 1,
            "last_name": "x".repeat(201),
            "legal_name": ["a"],
            "skills": ["ok", "y".repeat(101), {}],
            "phone": {},
            "address": {"street": 5, "longitude": "181", "latitude": "north", "country": "US"},
            "date_hired": "2024-02-30",
            "date_off_boarded": 20240101,
        }));
        let expected = [
            ("active", "must be true or false"),
            ("service_area_id", "must be an integer"),
            ("first_name", "must be a string"),
            ("last_name", "is longer than 200 characters"),
            ("legal_name", "must be a string"),
            ("skills[1]", "is longer than 100 characters"),
            ("skills[2]", "must be a string"),
            ("phone", "must be a string"),
            ("address.street", "must be a string"),
            ("address.longitude", "must be -180 to 180"),
            ("address.latitude", "must be a decimal number in a string"),
            ("address.country", "is not a parameter here"),
            ("date_hired", "must be a date, YYYY-MM-DD or RFC 3339"),
            ("date_off_boarded", "must be a string"),
        ];
        assert_eq!(faults, expected.map(|(p, r)| (p.to_owned(), r.to_owned())).to_vec());
    }

    #[test]
    fn lists_and_addresses_of_the_wrong_shape_are_refused() {
        let (_, faults) = read_all(json!({"skills": "welding", "address": ["Tulsa"]}));
        let expected = [("skills", "must be an array"), ("address", "must be an object")];
        assert_eq!(faults, expected.map(|(p, r)| (p.to_owned(), r.to_owned())).to_vec());
        let (_, faults) = read_all(json!({"skills": vec!["a"; 101]}));
        assert_eq!(faults, vec![("skills".to_owned(), "has more than 100 items".to_owned())]);
    }
}
