//! What may happen to an employee's record, and when not.

use super::{
    ADDRESS_KEYS, Created, Employee, Event, Fields, MAX_PERSONAL_BYTES, NoticeFailed, NoticeSent, OffBoarded, Personal,
    Updated,
};
use crate::bus::Subject;
use crate::mail::Outcome;
use crate::{Actor, Address, Patch, Refusal, Timestamp, What};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a caller wants of a record. All texts are checked already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub email: Option<Address>,
    pub active: Option<bool>,
    pub service_area_id: Patch<i64>,
    pub first_name: Patch<String>,
    pub last_name: Patch<String>,
    pub legal_name: Patch<String>,
    pub skills: Patch<Vec<String>>,
    pub phone: Patch<String>,
    /// `Clear` drops the whole address; `Set` merges by key.
    pub address: Patch<BTreeMap<String, Option<String>>>,
    pub date_hired: Patch<String>,
    pub date_off_boarded: Patch<String>,
}

#[derive(Clone, Debug)]
pub enum Command {
    Create {
        by: Actor,
        user: Option<Uuid>,
        subject: Subject,
        changes: Box<Changes>,
    },
    Update {
        by: Actor,
        changes: Box<Changes>,
        waited: bool,
    },
    /// The sweeper's, when the day is reached.
    OffBoard,
    RecordNotice {
        asked: u64,
        part: u8,
        outcome: Outcome,
    },
}

pub(super) fn decide(state: &Employee, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Create { by, user, subject, changes } => {
            if state.exists() {
                return Err(Refusal::IdTaken);
            }
            let email = changes.email.clone().ok_or_else(|| Refusal::invalid("email", "is missing"))?;
            let personal = Personal { email: Some(email), ..personal_changes(state, &changes) };
            fits(&personal)?;
            let fields = fields_of(state, &changes);
            Ok(vec![Event::Created(Created { user, by, fields, subject, personal })])
        }
        Command::Update { by, changes, waited } => {
            exists(state)?;
            let fields = fields_of(state, &changes);
            let mut personal = personal_changes(state, &changes);
            let email = changes.email.filter(|e| state.personal.email.as_ref() != Some(e));
            let email_changed = email.is_some();
            if email_changed {
                personal.previous_email.clone_from(&state.personal.email);
                personal.email = email;
            }
            if fields == Fields::default() && personal.is_empty() {
                return Ok(vec![]);
            }
            let mut whole = state.personal.clone();
            whole.merge(&personal);
            fits(&whole)?;
            let active = fields.active.unwrap_or(state.active);
            let holds_address = (fields.active.is_some() || (active && email_changed)).then_some(active);
            if holds_address == Some(true) && !email_changed {
                personal.held_email.clone_from(&state.personal.email);
            }
            let personal = (!personal.is_empty()).then_some(personal);
            let waited = waited && email_changed;
            Ok(vec![Event::Updated(Updated {
                by,
                fields,
                email_changed,
                holds_address,
                waited,
                subject: state.subject.named(),
                personal,
            })])
        }
        Command::OffBoard => {
            let due = state.exists() && state.active && state.is_off_boarded_at(now);
            Ok(due.then_some(Event::OffBoarded(OffBoarded {})).into_iter().collect())
        }
        Command::RecordNotice { asked, part, outcome } => {
            exists(state)?;
            Ok(vec![match outcome {
                Outcome::Sent => Event::NoticeSent(NoticeSent { asked, part }),
                Outcome::Failed(reason) => Event::NoticeFailed(NoticeFailed { asked, part, reason }),
            }])
        }
    }
}

fn exists(state: &Employee) -> Result<(), Refusal> {
    if state.exists() { Ok(()) } else { Err(Refusal::NotFound(What::Employee)) }
}

fn fits(personal: &Personal) -> Result<(), Refusal> {
    let bytes = serde_json::to_vec(personal).map_or(usize::MAX, |json| json.len());
    if bytes <= MAX_PERSONAL_BYTES {
        return Ok(());
    }
    Err(Refusal::invalid(
        "personal",
        format!("all personal fields together are longer than {MAX_PERSONAL_BYTES} bytes"),
    ))
}

fn fields_of(state: &Employee, changes: &Changes) -> Fields {
    Fields {
        active: changes.active.filter(|a| *a != state.active || !state.exists()),
        service_area_id: changes.service_area_id.against(state.service_area_id.as_ref()),
        date_hired: changes.date_hired.against(state.date_hired.as_ref()),
        date_off_boarded: changes.date_off_boarded.against(state.date_off_boarded.as_ref()),
    }
}

fn personal_changes(state: &Employee, changes: &Changes) -> Personal {
    let present = &state.personal;
    let text =
        |patch: &Patch<String>, value: &Option<Option<String>>| patch.against(value.as_ref().and_then(Option::as_ref));
    Personal {
        email: None,
        previous_email: None,
        held_email: None,
        first_name: text(&changes.first_name, &present.first_name),
        last_name: text(&changes.last_name, &present.last_name),
        legal_name: text(&changes.legal_name, &present.legal_name),
        skills: changes.skills.against(present.skills.as_ref().and_then(Option::as_ref)),
        phone: text(&changes.phone, &present.phone),
        address: address_changes(&present.address, &changes.address),
        erased: false,
    }
}

fn address_changes(
    present: &BTreeMap<String, Option<String>>,
    patch: &Patch<BTreeMap<String, Option<String>>>,
) -> BTreeMap<String, Option<String>> {
    let now = |key: &str| present.get(key).cloned().flatten();
    match patch {
        Patch::Keep => BTreeMap::new(),
        Patch::Clear => ADDRESS_KEYS.iter().filter(|k| now(k).is_some()).map(|k| ((*k).to_owned(), None)).collect(),
        Patch::Set(keys) => keys.iter().filter(|(k, v)| now(k) != **v).map(|(k, v)| (k.clone(), v.clone())).collect(),
    }
}
