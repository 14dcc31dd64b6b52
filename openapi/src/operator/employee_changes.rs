//! What a caller wants of an employee's record, read from the members that
//! making and changing one share.

use super::read::Reader;
use crate::wire::values::{Read, address_part, boolean, day, integer, short, skill};
use domain::Patch;
use domain::employee::{ADDRESS_KEYS, Changes, MAX_SKILLS};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads everything but the e-mail.
pub(super) fn read(reader: &mut Reader<'_>) -> Changes {
    Changes {
        email: None,
        active: reader.settable("active", boolean),
        service_area_id: reader.patch("service_area_id", integer),
        first_name: reader.patch("first_name", short),
        last_name: reader.patch("last_name", short),
        legal_name: reader.patch("legal_name", short),
        skills: reader.patch("skills", skills),
        phone: reader.patch("phone", short),
        address: reader.within("address", "address.", address),
        date_hired: reader.patch("date_hired", day),
        date_off_boarded: reader.patch("date_off_boarded", day),
    }
}

fn skills(value: &Value) -> Read<Vec<String>> {
    let items = value.as_array().ok_or("must be an array")?;
    if items.len() > MAX_SKILLS {
        return Err(format!("has more than {MAX_SKILLS} items"));
    }
    items.iter().enumerate().map(|(at, item)| skill(item).map_err(|why| format!("[{at}] {why}"))).collect()
}

fn address(inner: &mut Reader<'_>) -> BTreeMap<String, Option<String>> {
    let mut parts = BTreeMap::new();
    for key in ADDRESS_KEYS {
        match inner.patch(key, |value| address_part(key, value)) {
            Patch::Keep => {}
            Patch::Clear => {
                parts.insert(key.to_owned(), None);
            }
            Patch::Set(text) => {
                parts.insert(key.to_owned(), Some(text));
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::refusal::No;
    use serde_json::json;

    #[test]
    fn what_is_sent_is_changed_and_nothing_else() {
        let body = json!({
            "active": false, "legal_name": null, "skills": ["welding"],
            "address": {"city": "Tulsa", "street2": null, "longitude": "-95.99"},
            "date_hired": "2021-11-24T23:30:00-02:00", "date_off_boarded": "2024-02-29",
        });
        let mut reader = Reader::of(&body).unwrap();
        let changes = read(&mut reader);
        assert!(reader.finish().is_ok());
        let address = [("city", Some("Tulsa")), ("street2", None), ("longitude", Some("-95.99"))];
        let address = address.map(|(key, part)| (key.to_owned(), part.map(ToOwned::to_owned)));
        let expected = Changes {
            active: Some(false),
            legal_name: Patch::Clear,
            skills: Patch::Set(vec!["welding".into()]),
            address: Patch::Set(address.into()),
            date_hired: Patch::Set("2021-11-24".into()),
            date_off_boarded: Patch::Set("2024-02-29".into()),
            ..Changes::default()
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn every_fault_is_told() {
        let body = json!({
            "active": null, "skills": ["a", 1], "date_hired": "2024-02-30", "date_off_boarded": "tomorrow",
            "address": {"longitude": "181", "latitude": "north", "planet": "Mars"},
        });
        let mut reader = Reader::of(&body).unwrap();
        read(&mut reader);
        let Err(No::Params(faults)) = reader.finish() else { panic!("faults expected") };
        let faults: Vec<(&str, &str)> = faults.iter().map(|f| (f.param.as_str(), f.reason.as_str())).collect();
        let expected = [
            ("active", "must be true or false"),
            ("skills", "[1] must be a string"),
            ("address.longitude", "must be -180 to 180"),
            ("address.latitude", "must be a decimal number in a string"),
            ("address.planet", "is not known here"),
            ("date_hired", "must be a date, YYYY-MM-DD or RFC 3339"),
            ("date_off_boarded", "must be a date, YYYY-MM-DD or RFC 3339"),
        ];
        assert_eq!(faults, expected);
    }
}
