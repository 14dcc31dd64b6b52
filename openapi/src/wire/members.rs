//! Reading an object member by member, until nothing unknown is left.

use serde_json::{Map, Value};

/// One member of an object. Null and absent are different things.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Member<'a> {
    Absent,
    Null,
    Present(&'a Value),
}

impl<'a> Member<'a> {
    /// The value, where absent and null mean the same.
    #[must_use]
    pub fn value(self) -> Option<&'a Value> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Present(value) => Some(value),
        }
    }
}

/// An object whose members are taken one after the other; what is left at the
/// end is unknown.
#[derive(Debug)]
pub struct Members<'a> {
    members: &'a Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'a> Members<'a> {
    /// `None` when the value is no object.
    #[must_use]
    pub fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(|members| Self { members, taken: vec![] })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn take(&mut self, name: &'static str) -> Member<'a> {
        self.taken.push(name);
        match self.members.get(name) {
            None => Member::Absent,
            Some(Value::Null) => Member::Null,
            Some(
                value @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)),
            ) => Member::Present(value),
        }
    }

    /// Names that were never taken, in alphabetical order.
    #[must_use]
    pub fn unknown(&self) -> Vec<&'a str> {
        self.members.keys().map(String::as_str).filter(|name| !self.taken.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_and_absent_are_told_apart_and_the_rest_is_unknown() {
        let value = json!({"a": null, "b": 1, "c": 2, "d": 3});
        let mut members = Members::of(&value).unwrap();
        assert_eq!(members.take("a"), Member::Null);
        assert_eq!(members.take("b"), Member::Present(&json!(1)));
        assert_eq!(members.take("z"), Member::Absent);
        assert_eq!(members.unknown(), ["c", "d"]);
        assert!(Members::of(&json!([])).is_none());
    }
}
