//! One payload before sealing per event and schema, in `domain/golden/`.
//!
//! A changed shape breaks these tests: stored events are never edited, so a
//! new shape needs a new schema number and an upcaster, and its own file. Set
//! `UPDATE_GOLDEN=1` to write files for new events.

use crate::bus::Subject;
use crate::invitation::{Digests, Kind, Proof, Role};
use crate::mail::Reason;
use crate::personal::{Text, text_of};
use crate::{Actor, Address, Event, Root, Scope, TenantName, Timestamp};
use crate::{application, employee, integration, invitation, ledger, membership, organization, tenant, user};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn address() -> Address {
    Address::parse("jane.mead@acmepaymentscorp.com").unwrap()
}

fn first() -> Subject {
    Subject { id: id(9), commitment: Some("c0".repeat(32)) }
}

fn later() -> Subject {
    first().named()
}

fn digests() -> Digests {
    Digests { code: "a1".repeat(32), mail: "b2".repeat(32) }
}

fn by() -> Actor {
    Actor::User(id(5))
}

fn invitations() -> Vec<invitation::Event> {
    use invitation::Event as E;
    use invitation::{
        AcceptRefused, Accepted, Because, Cancelled, Created, DeclineReason, Declined, EmailFailed, EmailSent,
    };
    use invitation::{Expired, Recipient, ResendRequested, Updated};
    vec![
        E::Created(Created {
            kind: Kind::Organization,
            public_id: Some(id(2)),
            target: id(3),
            role: Role::Admin,
            invited_by: by(),
            link: id(4),
            digests: digests(),
            valid_days: 7,
            updated_in_db_at: Some(Timestamp::from_seconds(1_637_678_282)),
            waited: true,
            subject: first(),
            personal: Recipient::Known { email: address(), message: Some("Join us.".into()) },
        }),
        E::EmailSent(EmailSent { generation: 1 }),
        E::EmailFailed(EmailFailed { generation: 1, reason: Reason::RecipientRefused }),
        E::Accepted(Accepted { by: id(6), generation: 1, proof: Proof::Mail, holds_address: true }),
        E::Cancelled(Cancelled { by: by() }),
        E::Updated(Updated {
            role: Some(Role::Member),
            updated_in_db_at: Some(Timestamp::from_seconds(1_637_678_283)),
        }),
        E::ResendRequested(ResendRequested {
            generation: 2,
            by: by(),
            digests: digests(),
            valid_days: 7,
            waited: true,
        }),
        E::Declined(Declined {
            generation: 1,
            subject: later(),
            personal: Some(DeclineReason { reason: "No time.".into() }),
        }),
        E::Expired(Expired { generation: 1 }),
        E::AcceptRefused(AcceptRefused {
            generation: 1,
            caller: "peer:00ff00ff00ff00ff".into(),
            because: Because::WrongCode,
        }),
    ]
}

fn employees() -> Vec<employee::Event> {
    use employee::Event as E;
    use employee::{Created, Fields, NoticeFailed, NoticeSent, OffBoarded, Personal, Updated};
    let fields = Fields {
        active: Some(true),
        service_area_id: Some(Some(12)),
        date_hired: Some(Some("2021-11-23".into())),
        date_off_boarded: Some(None),
    };
    let text = |t: &str| Some(Some(t.to_owned()));
    let personal = Personal {
        email: Some(address()),
        first_name: text("Jane"),
        last_name: text("Mead"),
        legal_name: text("Jane A. Mead"),
        skills: Some(Some(vec!["plumbing".into()])),
        phone: text("+1 555 0100"),
        address: BTreeMap::from([("street".to_owned(), Some("1 Main St".to_owned())), ("latitude".to_owned(), None)]),
        ..Personal::default()
    };
    let changed = Personal { previous_email: Some(address()), held_email: Some(address()), ..personal.clone() };
    vec![
        E::Created(Created { user: Some(id(5)), by: by(), fields: fields.clone(), subject: first(), personal }),
        E::Updated(Updated {
            by: by(),
            fields,
            email_changed: true,
            holds_address: Some(true),
            waited: true,
            subject: later(),
            personal: Some(changed),
        }),
        E::OffBoarded(OffBoarded {}),
        E::NoticeSent(NoticeSent { asked: 2, part: 1 }),
        E::NoticeFailed(NoticeFailed { asked: 2, part: 0, reason: Reason::GaveUp }),
    ]
}

fn users() -> Vec<user::Event> {
    use user::Event as E;
    use user::{
        AccountNoticeRequested, AddressVerified, ClientRegistered, Company, Created, EmployeeLinked, NoticeFailed,
        NoticeSent, Personal, RightsChanged, Updated,
    };
    let personal = Personal { email: Some(address()), name: Some("Jane Mead".into()), erased: false };
    vec![
        E::Created(Created { by: by(), address_verified: true, subject: first(), personal: personal.clone() }),
        E::Updated(Updated { by: by(), subject: later(), personal }),
        E::ClientRegistered(ClientRegistered {
            by: by(),
            subject: later(),
            personal: Company { company_name: "Mead & Co".into(), erased: false },
        }),
        E::RightsChanged(RightsChanged { by: by(), administrator: Some(true), liaison: Some(false) }),
        E::EmployeeLinked(EmployeeLinked { employee: id(7) }),
        E::AddressVerified(AddressVerified {}),
        E::AccountNoticeRequested(AccountNoticeRequested { by: by() }),
        E::NoticeSent(NoticeSent { asked: 2 }),
        E::NoticeFailed(NoticeFailed { asked: 2, reason: Reason::AddressInvalid }),
    ]
}

fn organizations() -> Vec<organization::Event> {
    use organization::{Created, Event as E, Updated};
    vec![
        E::Created(Created { by: by(), name: "Acme".into(), bind_recipient: true }),
        E::Updated(Updated { by: by(), name: Some("Acme Payments".into()), bind_recipient: Some(false) }),
    ]
}

fn integrations() -> Vec<integration::Event> {
    use integration::{Created, Event as E, Updated};
    vec![
        E::Created(Created { by: by(), name: "Calendar".into(), description: Some("Shows dates.".into()) }),
        E::Updated(Updated { by: by(), name: Some("Dates".into()), description: Some(None) }),
    ]
}

fn memberships() -> Vec<membership::Event> {
    use membership::{Event as E, Granted, Place, Revoked, RoleChanged};
    let place = Place::Organization;
    vec![
        E::Granted(Granted {
            place,
            target: id(3),
            user: id(5),
            role: Role::Member,
            by: by(),
            invitation: Some(id(1)),
        }),
        E::RoleChanged(RoleChanged { role: Role::Admin, by: by() }),
        E::Revoked(Revoked { by: Actor::Deployment }),
    ]
}

fn applications() -> Vec<application::Event> {
    use application::{Created, Event as E, Revoked, Updated};
    vec![
        E::Created(Created { by: by(), name: "shop".into(), scopes: BTreeSet::from([Scope::Invites, Scope::Pii]) }),
        E::Updated(Updated { by: by(), name: Some("store".into()), scopes: Some(BTreeSet::from([Scope::Audit])) }),
        E::Revoked(Revoked { by: Actor::Application(id(8)) }),
    ]
}

fn tenants() -> Vec<tenant::Event> {
    use tenant::{Created, Event as E, SettingsChanged, SettingsPatch};
    let changes = SettingsPatch {
        read_csrf: Some(true),
        write_csrf: Some(false),
        invite_unregistered: Some(false),
        valid_days: Some(30),
    };
    vec![
        E::Created(Created { by: Actor::System, name: TenantName::default_tenant() }),
        E::SettingsChanged(SettingsChanged { by: by(), changes }),
    ]
}

fn of_the_ledger() -> Vec<ledger::Event> {
    use ledger::{Abandoned, Event as E, Moved, Opened, Reopened, Restored};
    let (arrival, leaf) = (id(4).to_string(), "d3".repeat(32));
    let to = "postgres://db.example/ledger".to_owned();
    vec![
        E::Restored(Restored { from: format!("{}.1", id(3)), position: 41, leaf: leaf.clone() }),
        E::Moved(Moved { to, arrival: arrival.clone() }),
        E::Opened(Opened { arrival: arrival.clone(), events: 42, leaf, entries: 7, keys: 1024 }),
        E::Abandoned(Abandoned { arrival: arrival.clone() }),
        E::Reopened(Reopened { arrival }),
    ]
}

/// Paths of the text members that stand in clear.
fn texts(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::String(_) => {
            found.insert(path.to_owned());
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, found)),
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                texts(member, &path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check<A: Root>(events: Vec<A::Event>) {
    check_events(A::TYPE, events);
}

fn check_events<E: Event>(aggregate: &'static str, events: Vec<E>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files = BTreeSet::new();
    for event in events {
        let encoded = event.encode().unwrap();
        let sealed: Vec<&str> = encoded.payload.get("personal").map(|_| "personal").into_iter().collect();
        let golden = json!({"aggregate": aggregate, "kind": encoded.kind, "schema": encoded.schema, "sealed": sealed, "payload": encoded.payload});
        let name = format!("{}.{}.v{}.json", aggregate, encoded.kind, encoded.schema);
        let file = folder.join(&name);
        let text = format!("{golden:#}\n");
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !file.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&file)
            .unwrap_or_else(|e| panic!("{name}: {e}; set UPDATE_GOLDEN=1 for a new event"));
        assert_eq!(stored, text, "{name}: a stored shape never changes; give the event a new schema and an upcaster");
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let payload = stored["payload"].to_string();
        assert_eq!(E::read(encoded.kind, &payload).unwrap(), event, "{name} must read back as what was written");
        assert_eq!(E::decode(aggregate, encoded.kind, encoded.schema, &payload).unwrap(), event, "{name}");
        let mut clear = BTreeSet::new();
        let mut payload = encoded.payload.clone();
        payload.as_object_mut().unwrap().remove("personal");
        texts(&payload, "", &mut clear);
        for path in clear {
            let text = text_of(aggregate, &path);
            assert!(
                matches!(text, Some(Text::Clear(_))),
                "{name}: `{path}` stands in clear; add it to domain::personal with a reason, or seal it"
            );
        }
        if !sealed.is_empty() {
            assert!(payload.get("subject").is_some(), "{name}: a sealed part needs a subject");
            assert_eq!(text_of(aggregate, "personal"), Some(Text::Sealed), "{name}");
        }
        assert!(files.insert(name), "two samples of one event");
    }
    let prefix = format!("{}.", aggregate);
    let present = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let present: BTreeSet<String> = present.filter(|n| n.starts_with(&prefix)).collect();
    assert_eq!(present, files, "every golden file of {} has its sample here", aggregate);
}

#[test]
fn invitation_events_keep_their_shape() {
    check::<invitation::Invitation>(invitations());
}

#[test]
fn employee_events_keep_their_shape() {
    check::<employee::Employee>(employees());
}

#[test]
fn user_events_keep_their_shape() {
    check::<user::User>(users());
}

#[test]
fn directory_events_keep_their_shape() {
    check::<organization::Organization>(organizations());
    check::<integration::Integration>(integrations());
    check::<membership::Membership>(memberships());
    check::<application::Application>(applications());
    check::<tenant::Tenant>(tenants());
}

#[test]
fn events_of_the_ledger_itself_keep_their_shape() {
    check_events(ledger::TYPE, of_the_ledger());
}

#[test]
fn a_forgotten_person_reads_as_erased_in_every_event() {
    fn erased<A: Root>(events: Vec<A::Event>) {
        for event in events {
            let encoded = event.encode().unwrap();
            let mut payload = encoded.payload;
            if payload.get("personal").is_none() {
                continue;
            }
            payload["personal"] = json!({"erased": true});
            let read = A::Event::decode(A::TYPE, encoded.kind, encoded.schema, &payload.to_string());
            assert!(read.is_ok(), "{}.{}: {:?}", A::TYPE, encoded.kind, read.err());
        }
    }
    erased::<invitation::Invitation>(invitations());
    erased::<employee::Employee>(employees());
    erased::<user::User>(users());
}
