//! Reads query parameters and JSON bodies, and remembers everything that is
//! wrong with them: a caller is told all faults at once.

use super::refusal::No;
use crate::wire::values::{Read, shown, string};
use crate::wire::{Member, Members, query};
use domain::Patch;
use domain::{Fault, text};
use poem::Request;
use serde_json::Value;
use std::str::FromStr;

/// Rows of a page when nobody says.
pub(super) const PAGE_SIZE: u64 = 25;
/// Rows of a page at most.
pub(super) const MAX_PAGE_SIZE: u64 = 100;
/// Pages are not counted beyond this.
const MAX_PAGE_NUMBER: u64 = 1_000_000_000;

const MISSING: &str = "is missing";
const UNKNOWN: &str = "is not known here";

/// The members of one JSON object, while they are being read. Each name is
/// asked for once; what was not asked for is unknown, and so a fault.
pub(super) struct Reader<'a> {
    members: Members<'a>,
    /// What stands before each name in a fault: `address.` inside an address.
    prefix: &'static str,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// `None` when the value is no object.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        Some(Self { members: Members::of(value)?, prefix: "", faults: vec![] })
    }

    pub(super) fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}{name}", self.prefix), reason));
    }

    pub(super) fn has_fault(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.param == name)
    }

    fn keep<T>(&mut self, name: &str, read: Read<T>) -> Option<T> {
        read.map_err(|reason| self.fault(name, reason)).ok()
    }

    /// Absent and null are faults.
    pub(super) fn required<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.members.take(name) {
            Member::Absent | Member::Null => {
                self.fault(name, MISSING);
                None
            }
            Member::Present(value) => self.keep(name, read(value)),
        }
    }

    /// Absent and null are the same.
    pub(super) fn optional<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.members.take(name) {
            Member::Absent | Member::Null => None,
            Member::Present(value) => self.keep(name, read(value)),
        }
    }

    /// Absent leaves alone; null is refused, because the field has always a value.
    pub(super) fn settable<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.members.take(name) {
            Member::Absent => None,
            Member::Null => self.keep(name, read(&Value::Null)),
            Member::Present(value) => self.keep(name, read(value)),
        }
    }

    /// Absent leaves alone, null clears.
    pub(super) fn patch<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Read<T>) -> Patch<T> {
        match self.members.take(name) {
            Member::Absent => Patch::Keep,
            Member::Null => Patch::Clear,
            Member::Present(value) => self.keep(name, read(value)).map_or(Patch::Keep, Patch::Set),
        }
    }

    /// Reads the members of an object inside; its faults are named with `prefix`.
    pub(super) fn within<T>(
        &mut self,
        name: &'static str,
        prefix: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Patch<T> {
        let value = match self.members.take(name) {
            Member::Absent => return Patch::Keep,
            Member::Null => return Patch::Clear,
            Member::Present(value) => value,
        };
        let Some(members) = Members::of(value) else {
            self.fault(name, "must be an object");
            return Patch::Keep;
        };
        let mut inner = Self { members, prefix, faults: vec![] };
        let result = read(&mut inner);
        self.faults.append(&mut inner.all_faults());
        Patch::Set(result)
    }

    fn all_faults(mut self) -> Vec<Fault> {
        for name in self.members.unknown() {
            self.fault(&shown(name), UNKNOWN);
        }
        self.faults
    }

    /// # Errors
    /// All faults, unknown names included.
    pub(super) fn finish(self) -> Result<(), No> {
        let faults = self.all_faults();
        if faults.is_empty() { Ok(()) } else { Err(No::Params(faults)) }
    }
}

pub(super) fn message(value: &Value) -> Read<String> {
    text::lines(&string(value)?, text::MAX_MESSAGE)
}

/// A text of a closed list of words.
pub(super) fn word<T: Copy>(known: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Read<T> {
    move |value| one_of(known, &string(value)?)
}

fn one_of<T: Copy>(known: &[(&'static str, T)], text: &str) -> Read<T> {
    known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// The query, while it is being read.
pub(super) struct Query {
    given: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Query {
    pub(super) fn of(request: &Request) -> Self {
        // Which tenant a call is for was read with the caller.
        let given = query(request).into_iter().filter(|(name, _)| name != "tenant").collect();
        Self { given, faults: vec![] }
    }

    pub(super) fn optional<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Read<T>) -> Option<T> {
        let mut values: Vec<String> = vec![];
        self.given.retain(|(n, value)| {
            let named = n == name;
            if named {
                values.push(value.clone());
            }
            !named
        });
        let result = match values.as_slice() {
            [] => return None,
            [one] => read(one),
            _ => Err("is given twice".to_owned()),
        };
        result.map_err(|reason| self.faults.push(Fault::new(name, reason))).ok()
    }

    /// `page` and `size`.
    pub(super) fn page(&mut self) -> (u64, u64) {
        let number = self.optional("page", |text| whole(text, 1, MAX_PAGE_NUMBER));
        let size = self.optional("size", |text| whole(text, 1, MAX_PAGE_SIZE));
        (number.unwrap_or(1), size.unwrap_or(PAGE_SIZE))
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.optional(name, |text| text.parse::<bool>().map_err(|_| "must be true or false".to_owned()))
            .unwrap_or(false)
    }

    pub(super) fn word<T: Copy>(&mut self, name: &str, known: &'static [(&'static str, T)]) -> Option<T> {
        self.optional(name, |text| one_of(known, text))
    }

    /// # Errors
    /// All faults, unknown names included.
    pub(super) fn finish(mut self) -> Result<(), No> {
        self.faults.extend(self.given.iter().map(|(name, _)| Fault::new(shown(name), UNKNOWN)));
        if self.faults.is_empty() { Ok(()) } else { Err(No::Params(self.faults)) }
    }
}

/// A whole number in a query.
pub(super) fn whole<N: FromStr + PartialOrd + std::fmt::Display + Copy>(text: &str, least: N, most: N) -> Read<N> {
    text.parse::<N>()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::values::{address, boolean, name, short};
    use serde_json::json;

    fn faults(no: Result<(), No>) -> Vec<(String, String)> {
        match no {
            Err(No::Params(faults)) => faults.into_iter().map(|f| (f.param, f.reason)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_faults_of_a_body_are_told_at_once() {
        let body = json!({"name": " ", "bind_recipient": null, "address": {"city": 7, "planet": "Mars"}, "x\ny": 1});
        let mut reader = Reader::of(&body).unwrap();
        assert_eq!(reader.required("name", name), None);
        assert_eq!(reader.required("email", address), None);
        assert_eq!(reader.settable("bind_recipient", boolean), None);
        let city = reader.within("address", "address.", |inner| inner.patch("city", short));
        assert_eq!(city, Patch::Set(Patch::Keep));
        let expected = [
            ("name", "is blank"),
            ("email", "is missing"),
            ("bind_recipient", "must be true or false"),
            ("address.city", "must be a string"),
            ("address.planet", "is not known here"),
            ("x\\ny", "is not known here"),
        ];
        assert_eq!(faults(reader.finish()), expected.map(|(p, r)| (p.to_owned(), r.to_owned())));
    }

    #[test]
    fn a_query_is_read_whole() {
        let request = Request::builder().uri_str("/?page=0&size=100&kind=x&kind=y&tenant=acme&colour=red").finish();
        let mut query = Query::of(&request);
        assert_eq!(query.page(), (1, 100));
        assert_eq!(query.word("kind", &[("x", 1)]), None);
        let expected = [
            ("page", "must be a whole number from 1 to 1000000000"),
            ("kind", "is given twice"),
            ("colour", "is not known here"),
        ];
        assert_eq!(faults(query.finish()), expected.map(|(p, r)| (p.to_owned(), r.to_owned())));
    }
}
