//! A link's body: an object of texts. It is read member by member, and all that
//! is wrong with it is told at once, in words that repeat no value.

use super::fault::Fault;
use domain::Refusal;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use std::fmt;

pub struct Body {
    members: Vec<(String, Value)>,
    faults: Vec<domain::Fault>,
}

impl Body {
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut input = serde_json::Deserializer::from_slice(bytes);
        let read = input.deserialize_map(InOrder).and_then(|members| input.end().map(|()| members));
        let members = read.map_err(|fault| match fault.classify() {
            Category::Data => Fault::Body("it must be a JSON object".to_owned()),
            Category::Syntax | Category::Eof | Category::Io => {
                Fault::Body(format!("it is not valid JSON (line {}, column {})", fault.line(), fault.column()))
            }
        })?;
        Ok(Self { members, faults: vec![] })
    }

    /// The secret: it must be there before it can be wrong.
    pub fn code(&mut self) -> String {
        self.required("code", |text| match text.trim() {
            "" => Err("is blank".to_owned()),
            code => Ok(code.to_owned()),
        })
    }

    /// A text as its rule keeps it. What is returned for one at fault is
    /// never used: [`Self::end`] refuses it.
    pub fn required(&mut self, name: &'static str, rule: impl FnOnce(&str) -> Result<String, String>) -> String {
        self.optional(name, rule).unwrap_or_else(|| {
            if self.faults.iter().all(|fault| fault.param != name) {
                self.faults.push(domain::Fault::new(name, "is missing"));
            }
            String::new()
        })
    }

    /// As [`Self::required`], for what may be absent or null.
    pub fn optional(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(&str) -> Result<String, String>,
    ) -> Option<String> {
        let kept = match self.take(name)? {
            Value::Null => return None,
            Value::String(text) => rule(&text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err("must be a string".to_owned())
            }
        };
        kept.map_err(|why| self.faults.push(domain::Fault::new(name, why))).ok()
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        let place = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.swap_remove(place);
        let before = self.members.len();
        self.members.retain(|(member, _)| member != name);
        if self.members.len() < before {
            self.faults.push(domain::Fault::new(name, "is there twice"));
            return None;
        }
        Some(value)
    }

    /// Refuses what was found wrong, and whatever nobody asked for.
    pub fn end(mut self) -> Result<(), Fault> {
        let mut unknown: Vec<String> = self.members.into_iter().map(|(name, _)| name).collect();
        unknown.sort_unstable();
        unknown.dedup();
        self.faults.extend(unknown.into_iter().map(|name| domain::Fault::new(name, "is not known")));
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.faults).into()) }
    }
}

/// The members of an object, doubled ones included.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = vec![];
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Failure;

    fn faults(text: &str) -> Vec<(String, String)> {
        let mut body = Body::read(text.as_bytes()).unwrap();
        body.code();
        body.optional("reason", |text| Ok(text.to_owned()));
        match body.end() {
            Ok(()) => vec![],
            Err(Fault::Failed(Failure::Refused(Refusal::Invalid(faults)))) => {
                faults.into_iter().map(|fault| (fault.param, fault.reason)).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn told(faults: &[(&str, &str)]) -> Vec<(String, String)> {
        faults.iter().map(|(param, reason)| ((*param).to_owned(), (*reason).to_owned())).collect()
    }

    #[test]
    fn a_body_is_read_member_by_member() {
        let mut body = Body::read(br#"{"code": " secret ", "reason": null}"#).unwrap();
        assert_eq!(body.code(), "secret");
        assert_eq!(body.optional("reason", |text| Ok(text.to_owned())), None);
        assert!(body.end().is_ok());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_no_value_is_repeated() {
        assert_eq!(faults("{}"), told(&[("code", "is missing")]));
        assert_eq!(faults(r#"{"code": null}"#), told(&[("code", "is missing")]));
        assert_eq!(faults(r#"{"code": " "}"#), told(&[("code", "is blank")]));
        assert_eq!(
            faults(r#"{"z": 1, "code": 4711, "reason": ["hunter2"], "a": "hunter2", "a": 2}"#),
            told(&[
                ("code", "must be a string"),
                ("reason", "must be a string"),
                ("a", "is not known"),
                ("z", "is not known"),
            ])
        );
        assert_eq!(faults(r#"{"code": "c", "code": "c"}"#), told(&[("code", "is there twice")]));
        assert_eq!(faults(r#"{"code": "c", "reason": 1, "reason": "c"}"#), told(&[("reason", "is there twice")]));
    }

    #[test]
    fn what_is_no_object_is_said_to_be_none() {
        let words = |text: &str| Body::read(text.as_bytes()).err().map(|fault| fault.to_string()).unwrap();
        assert_eq!(words("[]"), "the body cannot be read: it must be a JSON object");
        assert_eq!(words("\"hunter2\""), "the body cannot be read: it must be a JSON object");
        assert_eq!(words(""), "the body cannot be read: it is not valid JSON (line 1, column 0)");
        assert_eq!(words("{\"code\": \"c\"} x"), "the body cannot be read: it is not valid JSON (line 1, column 15)");
    }
}
