//! Reading a document: `{"data": {"type", "id", "attributes"}}`.
//!
//! All faults are collected. What breaks the document's shape is 400, what is
//! well-formed and cannot be is 422, another type or id than the path's 409.

use super::problem::{At, Problem, Refused, escaped};
use super::refusal;
use crate::wire::values::MAX_INTEGER;
use crate::wire::{BodyFault, Member, Members, parse, uuid};
use domain::invitation::Role;
use domain::{Address, Timestamp};
use poem::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

const TYPE_NAME: &str = "organization_invites";
/// Members that JSON:API allows beside what an operation reads; ignored.
const IGNORED: [&str; 3] = ["jsonapi", "meta", "links"];
/// Attributes of the resource that are the server's own; taken and ignored.
const SERVERS_OWN: [&str; 2] = ["created_at", "updated_at"];

/// An invite to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewInvite {
    pub id: Option<Uuid>,
    pub email: Address,
    pub role: Role,
    pub updated_in_db_at: Option<Timestamp>,
}

/// What to change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub role: Option<Role>,
    pub updated_in_db_at: Option<Timestamp>,
}

pub(super) fn create(bytes: Result<&[u8], BodyFault>) -> Result<NewInvite, Refused> {
    let body = read(bytes)?;
    let mut reading = Reading::default();
    let Some(mut data) = reading.data(&body) else { return Err(reading.refused()) };
    let id = match data.take("id") {
        Member::Absent | Member::Null => None,
        Member::Present(id) => reading.own_id(id),
    };
    let Some(mut attributes) = reading.attributes(&mut data) else { return Err(reading.refused()) };
    let email = match attributes.take("recipient_email") {
        Member::Absent | Member::Null => reading.required("recipient_email"),
        Member::Present(value) => reading.text("recipient_email", value).and_then(|text| {
            let at = At::attribute("recipient_email");
            Address::parse(text).map_err(|fault| reading.note(Problem::impossible(fault.to_string(), at))).ok()
        }),
    };
    let role = match attributes.take("invite_user_as") {
        Member::Absent | Member::Null => Some(Role::default()),
        Member::Present(value) => reading.role(value),
    };
    let updated_in_db_at = match attributes.take("updated_in_db_at") {
        Member::Absent | Member::Null => None,
        Member::Present(value) => reading.time(value),
    };
    reading.rest(attributes, data);
    match (email, role, reading.problems.is_empty()) {
        (Some(email), Some(role), true) => Ok(NewInvite { id, email, role, updated_in_db_at }),
        (Some(_) | None, Some(_) | None, _) => Err(reading.refused()),
    }
}

pub(super) fn change(bytes: Result<&[u8], BodyFault>, own: Uuid) -> Result<Change, Refused> {
    let body = read(bytes)?;
    let mut reading = Reading::default();
    let Some(mut data) = reading.data(&body) else { return Err(reading.refused()) };
    reading.same_id(data.take("id"), own);
    let Some(mut attributes) = reading.attributes(&mut data) else { return Err(reading.refused()) };
    let role = match attributes.take("invite_user_as") {
        Member::Absent => None,
        Member::Null => reading.cannot_be_null("invite_user_as"),
        Member::Present(value) => reading.role(value),
    };
    let updated_in_db_at = match attributes.take("updated_in_db_at") {
        Member::Absent => None,
        Member::Null => reading.cannot_be_null("updated_in_db_at"),
        Member::Present(value) => reading.time(value),
    };
    reading.rest(attributes, data);
    if reading.problems.is_empty() { Ok(Change { role, updated_in_db_at }) } else { Err(reading.refused()) }
}

/// The code somebody accepts with; never blank.
pub(super) fn code(bytes: Result<&[u8], BodyFault>, own: Uuid) -> Result<String, Refused> {
    let body = read(bytes)?;
    let mut reading = Reading::default();
    let Some(mut data) = reading.data(&body) else { return Err(reading.refused()) };
    reading.same_id(data.take("id"), own);
    let Some(mut attributes) = reading.attributes(&mut data) else { return Err(reading.refused()) };
    let code = match attributes.take("code") {
        Member::Absent | Member::Null => reading.required("code"),
        Member::Present(value) => reading.text("code", value).filter(|text| {
            let blank = text.trim().is_empty();
            if blank {
                reading.note(Problem::malformed("blank-code", "is blank", At::attribute("code")));
            }
            !blank
        }),
    };
    let code = code.map(ToOwned::to_owned);
    reading.rest(attributes, data);
    match code {
        Some(code) if reading.problems.is_empty() => Ok(code),
        Some(_) | None => Err(reading.refused()),
    }
}

fn read(bytes: Result<&[u8], BodyFault>) -> Result<Value, Refused> {
    let bytes = bytes.map_err(refusal::body)?;
    Ok(parse(bytes).map_err(refusal::json)?)
}

/// What was found wrong so far.
#[derive(Default)]
struct Reading {
    problems: Vec<Problem>,
}

impl Reading {
    fn note(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn refused(self) -> Refused {
        Refused { problems: self.problems, retry_after_s: None }
    }

    fn malformed(&mut self, detail: &str, pointer: &str) {
        self.note(Problem::malformed("malformed-document", detail, At::Pointer(pointer.to_owned())));
    }

    /// The primary data, with its type checked.
    fn data<'b>(&mut self, body: &'b Value) -> Option<Members<'b>> {
        let Some(mut top) = Members::of(body) else {
            self.malformed("must be an object", "");
            return None;
        };
        let data = top.take("data");
        self.unknown(&mut top, "");
        let Some(mut data) = data.value().and_then(Members::of) else {
            self.malformed("must be an object", "/data");
            return None;
        };
        match data.take("type") {
            Member::Present(Value::String(kind)) if kind == TYPE_NAME => {}
            Member::Present(Value::String(_)) => {
                let problem = Problem::new(StatusCode::CONFLICT, "type-conflict", format!("must be {TYPE_NAME}"));
                self.note(problem.at(At::Pointer("/data/type".to_owned())));
            }
            Member::Absent | Member::Null | Member::Present(_) => self.malformed("must be a text", "/data/type"),
        }
        Some(data)
    }

    fn attributes<'b>(&mut self, data: &mut Members<'b>) -> Option<Members<'b>> {
        let attributes = data.take("attributes").value().and_then(Members::of);
        if attributes.is_none() {
            self.malformed("must be an object", "/data/attributes");
        }
        attributes
    }

    /// What nobody has asked for is unknown.
    fn rest(&mut self, mut attributes: Members<'_>, mut data: Members<'_>) {
        for name in SERVERS_OWN {
            attributes.take(name);
        }
        for name in attributes.unknown() {
            self.unknown_member(&format!("/data/attributes/{}", escaped(name)));
        }
        self.unknown(&mut data, "/data");
    }

    fn unknown(&mut self, members: &mut Members<'_>, at: &str) {
        for name in IGNORED {
            members.take(name);
        }
        for name in members.unknown() {
            self.unknown_member(&format!("{at}/{}", escaped(name)));
        }
    }

    fn unknown_member(&mut self, pointer: &str) {
        self.note(Problem::malformed("unknown-member", "is unknown here", At::Pointer(pointer.to_owned())));
    }

    fn required<T>(&mut self, name: &'static str) -> Option<T> {
        self.note(Problem::malformed("missing-attribute", "is required", At::attribute(name)));
        None
    }

    fn cannot_be_null<T>(&mut self, name: &'static str) -> Option<T> {
        self.note(Problem::impossible("cannot be null", At::attribute(name)));
        None
    }

    fn text<'b>(&mut self, name: &'static str, value: &'b Value) -> Option<&'b str> {
        if value.as_str().is_none() {
            self.note(Problem::malformed("malformed-attribute", "must be a text", At::attribute(name)));
        }
        value.as_str()
    }

    fn role(&mut self, value: &Value) -> Option<Role> {
        let role = super::role(self.text("invite_user_as", value)?);
        if role.is_none() {
            self.note(Problem::impossible("must be admin or member", At::attribute("invite_user_as")));
        }
        role
    }

    fn time(&mut self, value: &Value) -> Option<Timestamp> {
        let time = Timestamp::parse(self.text("updated_in_db_at", value)?);
        // Events hold microseconds, as integers that every JSON reader reads alike.
        let time = time.filter(|time| (-MAX_INTEGER..=MAX_INTEGER).contains(&time.0));
        if time.is_none() {
            let detail =
                "must be a time like 2021-11-23T14:38:02Z or 2021-11-23 14:38:02 UTC, in the years 1685 to 2254";
            self.note(Problem::impossible(detail, At::attribute("updated_in_db_at")));
        }
        time
    }

    fn own_id(&mut self, value: &Value) -> Option<Uuid> {
        let pointer = || At::Pointer("/data/id".to_owned());
        let Some(text) = value.as_str() else {
            self.malformed("must be a text", "/data/id");
            return None;
        };
        let id = uuid(text);
        if id.is_none() {
            self.note(Problem::impossible("must be a UUID", pointer()));
        }
        id
    }

    fn same_id(&mut self, id: Member<'_>, own: Uuid) {
        match id {
            Member::Absent | Member::Null => {}
            Member::Present(Value::String(text)) if uuid(text) == Some(own) => {}
            Member::Present(Value::String(_)) => {
                let problem = Problem::new(StatusCode::CONFLICT, "id-conflict", "is not the id of the path");
                self.note(problem.at(At::Pointer("/data/id".to_owned())));
            }
            Member::Present(_) => self.malformed("must be a text", "/data/id"),
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
