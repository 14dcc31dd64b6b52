//! Reads the parameters of a request, and remembers everything that is wrong
//! with them: a caller is told all faults at once.
//!
//! Each name an operation takes is asked for exactly once; what is left over
//! when the reading ends is unknown, and so a fault. A parameter that is null
//! counts as absent, except where it may be cleared.

use super::refusal::MISSING;
use crate::wire::values::{Read, shown};
use domain::Fault;
use domain::Patch;
use serde_json::{Map, Value};

/// The members of one JSON object, while they are being read.
#[derive(Debug)]
pub(super) struct Params {
    members: Map<String, Value>,
    /// What stands before each name in a fault: `address.` inside an address.
    prefix: String,
    faults: Vec<Fault>,
}

impl Params {
    pub(super) fn new(members: Map<String, Value>) -> Self {
        Self { members, prefix: String::new(), faults: vec![] }
    }

    /// Names in the request at this moment that are none of `names`.
    pub(super) fn has_other_than(&self, names: &[&str]) -> bool {
        self.members.keys().any(|key| !names.contains(&key.as_str()))
    }

    pub(super) fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}{name}", self.prefix), reason));
    }

    /// Absent and null are `missing-param`.
    pub(super) fn required<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.members.remove(name) {
            None | Some(Value::Null) => {
                self.fault(name, MISSING);
                None
            }
            Some(value) => self.keep(name, read(&value)),
        }
    }

    /// Absent and null are the same.
    pub(super) fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.members.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => self.keep(name, read(&value)),
        }
    }

    /// Absent leaves alone; null is refused, because the field has always a value.
    pub(super) fn settable<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.members.remove(name) {
            None => None,
            Some(value) => self.keep(name, read(&value)),
        }
    }

    /// Absent leaves alone, null clears.
    pub(super) fn patch<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Patch<T> {
        match self.members.remove(name) {
            None => Patch::Keep,
            Some(Value::Null) => Patch::Clear,
            Some(value) => self.keep(name, read(&value)).map_or(Patch::Keep, Patch::Set),
        }
    }

    /// A list; each item is read by itself and named by its place.
    pub(super) fn items<T>(
        &mut self,
        name: &str,
        value: &Value,
        limit: usize,
        read: impl Fn(&Value) -> Read<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = value else {
            self.fault(name, "must be an array");
            return None;
        };
        if items.len() > limit {
            self.fault(name, format!("has more than {limit} items"));
            return None;
        }
        let read: Vec<Option<T>> =
            items.iter().enumerate().map(|(at, item)| self.keep(&format!("{name}[{at}]"), read(item))).collect();
        read.into_iter().collect()
    }

    /// Takes a member out, unread.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// Reads the members of an object inside; its faults are named `name.member`.
    pub(super) fn within<T>(&mut self, name: &str, value: Value, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let Value::Object(members) = value else {
            self.fault(name, "must be an object");
            return None;
        };
        let mut inner = Self { members, prefix: format!("{}{name}.", self.prefix), faults: vec![] };
        let result = read(&mut inner);
        self.faults.append(&mut inner.finish());
        Some(result)
    }

    /// All faults, unknown names included, in the order they were met.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        let unknown: Vec<String> = self.members.keys().map(|key| shown(key)).collect();
        for key in unknown {
            self.fault(&key, "is not a parameter here");
        }
        self.faults
    }

    /// What was read, or the fault remembered.
    pub(super) fn keep<T>(&mut self, name: &str, read: Read<T>) -> Option<T> {
        read.map_err(|reason| self.fault(name, reason)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::values::{address, boolean, number, short};
    use serde_json::json;

    fn params(value: Value) -> Params {
        let Value::Object(members) = value else { panic!("an object") };
        Params::new(members)
    }

    fn named(faults: Vec<Fault>) -> Vec<(String, String)> {
        faults.into_iter().map(|f| (f.param, f.reason)).collect()
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut p = params(json!({"id": "7", "email": null, "active": "yes", "toString": 1}));
        assert_eq!(p.required("id", number), None);
        assert_eq!(p.required("email", address), None);
        assert_eq!(p.settable("active", boolean), None);
        assert_eq!(
            named(p.finish()),
            vec![
                ("id".into(), "must be an integer".into()),
                ("email".into(), "is missing".into()),
                ("active".into(), "must be true or false".into()),
                ("toString".into(), "is not a parameter here".into()),
            ]
        );
    }

    #[test]
    fn null_clears_where_it_may_and_is_absent_elsewhere() {
        let mut p = params(json!({"a": null, "b": null, "c": "x"}));
        assert_eq!(p.patch("a", short), Patch::Clear);
        assert_eq!(p.optional("b", short), None);
        assert_eq!(p.patch("c", short), Patch::Set("x".to_owned()));
        assert_eq!(p.patch("d", short), Patch::Keep);
        assert_eq!(p.finish(), vec![]);
    }

    #[test]
    fn a_fault_inside_is_named_by_its_place() {
        let mut p = params(json!({"address": {"city": 7, "planet": "Mars"}, "skills": ["a", 5, "b", null]}));
        let value = p.take("address").unwrap();
        let city = p.within("address", value, |inner| inner.patch("city", short));
        assert_eq!(city, Some(Patch::Keep));
        let skills = p.take("skills").unwrap();
        assert_eq!(p.items("skills", &skills, 100, short), None);
        assert_eq!(
            named(p.finish()),
            vec![
                ("address.city".into(), "must be a string".into()),
                ("address.planet".into(), "is not a parameter here".into()),
                ("skills[1]".into(), "must be a string".into()),
                ("skills[3]".into(), "must be a string".into()),
            ]
        );
    }

    #[test]
    fn an_unknown_name_is_shown_cut_and_harmless() {
        let p = params(json!({"a\u{202E}b": 1}));
        assert_eq!(p.finish()[0].param, "a\\u{202e}b");
        let p = params(json!({"x".repeat(500): 1}));
        assert_eq!(p.finish()[0].param.len(), 100);
    }
}
