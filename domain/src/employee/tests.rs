//! Given / when / then for every transition of an employee's record.

use super::*;
use crate::{Actor, Address, Patch, Refusal, Root, What};
use std::collections::BTreeMap;

fn start() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000) // 2023-11-14
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn create(changes: Changes) -> Command {
    let subject = Subject { id: Uuid::from_u128(9), commitment: Some("c".repeat(64)) };
    Command::Create { by: Actor::Deployment, user: None, subject, changes: Box::new(changes) }
}

fn update(changes: Changes) -> Command {
    Command::Update { by: Actor::Deployment, changes: Box::new(changes), waited: false }
}

fn hired() -> Changes {
    Changes { email: Some(address("jane@x.com")), first_name: Patch::Set("Jane".into()), ..Changes::default() }
}

fn apply(state: &mut Employee, events: &[Event]) {
    for event in events {
        let version = state.version + 1;
        let origin = Origin {
            tenant: TenantName::default_tenant(),
            id: Uuid::from_u128(1),
            at: start(),
            tseq: 40 + version,
            version,
        };
        state.evolve(event, &origin);
    }
}

fn given(commands: Vec<Command>) -> Employee {
    let mut state = Employee::default();
    for command in commands {
        let events = state.decide(command, start()).unwrap();
        apply(&mut state, &events);
    }
    state
}

fn updated(state: &Employee, changes: Changes) -> Updated {
    match state.decide(update(changes), start()).unwrap().as_slice() {
        [Event::Updated(event)] => event.clone(),
        other => panic!("one update expected, not {other:?}"),
    }
}

#[test]
fn a_record_gets_the_number_of_its_first_event() {
    let state = given(vec![create(hired())]);
    assert_eq!((state.number, state.version, state.active), (41, 1, true));
    assert_eq!(state.decide(create(hired()), start()), Err(Refusal::IdTaken));
    let nobody = create(Changes { email: None, ..hired() });
    assert_eq!(Employee::default().decide(nobody, start()), Err(Refusal::invalid("email", "is missing")));
}

#[test]
fn only_what_changed_stands_in_the_event() {
    let state = given(vec![create(hired())]);
    let changes = Changes {
        email: Some(address("jane@x.com")),
        first_name: Patch::Set("Jane".into()),
        phone: Patch::Set("1".into()),
        ..Changes::default()
    };
    let event = updated(&state, changes);
    assert_eq!(event.fields, Fields::default());
    assert_eq!(event.personal, Some(Personal { phone: Some(Some("1".into())), ..Personal::default() }));
    assert!(!event.email_changed);
}

#[test]
fn nothing_changed_is_no_event_and_null_clears() {
    let state = given(vec![create(hired())]);
    assert_eq!(state.decide(update(hired()), start()), Ok(vec![]));
    assert_eq!(
        state.decide(update(Changes { phone: Patch::Clear, ..Changes::default() }), start()),
        Ok(vec![]),
        "cleared already"
    );
    let event = updated(&state, Changes { first_name: Patch::Clear, ..Changes::default() });
    assert_eq!(event.personal.unwrap().first_name, Some(None));
}

#[test]
fn an_address_merges_by_key() {
    let keys = |pairs: &[(&str, Option<&str>)]| {
        Patch::Set(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.map(ToOwned::to_owned))).collect::<BTreeMap<_, _>>())
    };
    let first = Changes { address: keys(&[("street", Some("1 Main St")), ("city", Some("Reno"))]), ..hired() };
    let second =
        Changes { address: keys(&[("city", Some("Elko")), ("street", Some("1 Main St"))]), ..Changes::default() };
    let mut state = given(vec![create(first)]);
    let event = updated(&state, second);
    assert_eq!(
        event.personal.as_ref().unwrap().address,
        BTreeMap::from([("city".to_owned(), Some("Elko".to_owned()))])
    );
    apply(&mut state, &[Event::Updated(event)]);
    assert_eq!(state.personal.address["street"], Some("1 Main St".into()));
    let cleared = updated(&state, Changes { address: Patch::Clear, ..Changes::default() }).personal.unwrap().address;
    assert_eq!(cleared, BTreeMap::from([("street".to_owned(), None), ("city".to_owned(), None)]));
}

#[test]
fn a_changed_address_names_the_old_one_and_asks_for_mail() {
    let mut state = given(vec![create(hired())]);
    let event = updated(&state, Changes { email: Some(address("new@x.com")), ..Changes::default() });
    assert!(event.email_changed);
    assert_eq!(event.holds_address, Some(true));
    let personal = event.personal.clone().unwrap();
    assert_eq!((personal.email, personal.previous_email), (Some(address("new@x.com")), Some(address("jane@x.com"))));
    apply(&mut state, &[Event::Updated(event)]);
    assert_eq!(state.personal.email, Some(address("new@x.com")));
    assert_eq!(state.personal.previous_email, None, "the state forgets the old one");
    assert_eq!((state.version, state.email_changed_in), (2, 2));
    let called = updated(&state, Changes { phone: Patch::Set("1".into()), ..Changes::default() });
    apply(&mut state, &[Event::Updated(called)]);
    assert_eq!((state.version, state.email_changed_in), (3, 2));
}

#[test]
fn leaving_frees_the_address_and_coming_back_claims_it() {
    let mut state = given(vec![create(hired())]);
    let left = updated(&state, Changes { active: Some(false), ..Changes::default() });
    assert_eq!(left.holds_address, Some(false));
    apply(&mut state, &[Event::Updated(left)]);
    assert!(!state.is_active_at(start()));
    let back = updated(&state, Changes { active: Some(true), ..Changes::default() });
    assert_eq!(back.holds_address, Some(true));
    assert_eq!(back.personal.unwrap().held_email, Some(address("jane@x.com")));
    assert!(!back.email_changed);
}

#[test]
fn the_day_of_off_boarding_counts_by_the_clock_at_once() {
    let leaving = Changes { date_off_boarded: Patch::Set("2023-11-15".into()), ..hired() };
    let state = given(vec![create(leaving)]);
    assert!(state.is_active_at(start()));
    let next_day = start().plus(std::time::Duration::from_secs(24 * 60 * 60));
    assert!(!state.is_active_at(next_day));
    assert_eq!(state.decide(Command::OffBoard, start()), Ok(vec![]));
    assert_eq!(state.decide(Command::OffBoard, next_day), Ok(vec![Event::OffBoarded(OffBoarded {})]));
}

#[test]
fn all_personal_fields_together_are_bounded() {
    let skills = vec!["s".repeat(MAX_SKILL); MAX_SKILLS];
    let words = Changes { skills: Patch::Set(skills), ..hired() };
    assert!(Employee::default().decide(create(words), start()).is_ok());
    let state = given(vec![create(hired())]);
    let huge = Changes { first_name: Patch::Set("x".repeat(MAX_PERSONAL_BYTES)), ..Changes::default() };
    assert!(matches!(state.decide(update(huge), start()), Err(Refusal::Invalid(_))));
    assert_eq!(Employee::default().decide(update(hired()), start()), Err(Refusal::NotFound(What::Employee)));
}
