//! Many at once: one acceptance per invitation, one pending invitation per
//! address, whoever comes first.

use crate::support::wire::Request;
use crate::support::{House, PASSWORD, User};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Barrier, Mutex};
use std::thread::scope;

const MANY: usize = 100;
/// Accounts made side by side, so that hashing passwords uses both cores.
const HANDS: usize = 4;

/// All of them at the same moment; how often each status was answered.
fn at_once(count: usize, act: impl Fn(usize) -> u16 + Sync) -> BTreeMap<u16, usize> {
    let start = Barrier::new(count);
    let statuses: Vec<u16> = scope(|scope| {
        let (start, act) = (&start, &act);
        let one = |n| {
            scope.spawn(move || {
                start.wait();
                act(n)
            })
        };
        let running: Vec<_> = (0..count).map(one).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut counts = BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

fn users(house: &House, count: usize) -> Vec<User> {
    scope(|scope| {
        let hand = |hand| {
            let mine = (hand..count).step_by(HANDS);
            scope.spawn(move || mine.map(|n| house.user(&format!("user-{n}@people.example"))).collect::<Vec<_>>())
        };
        let hands: Vec<_> = (0..HANDS).map(hand).collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    })
}

#[test]
fn a_hundred_users_accept_one_code() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    let made = ann.client.invite_document(organization, "bob@guests.example", "member").expect(201).json();
    let (id, code) = (made["data"]["id"].as_str().unwrap(), made["data"]["attributes"]["code"].as_str().unwrap());
    let users = users(&house, MANY);
    let before = house.head();

    let statuses = at_once(MANY, |n| users[n].client.accept_document(organization, id, code).status);

    assert_eq!(statuses, BTreeMap::from([(200, 1), (410, MANY - 1)]), "one is in, for the others it is over");
    let events = house.log_after(before);
    let count = |name: &str| events.iter().filter(|event| event.name() == name).count();
    assert_eq!((count("invitation.Accepted"), count("membership.Granted")), (1, 1));
}

#[test]
fn the_same_user_many_times_is_one_acceptance() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    let made = ann.client.invite_document(organization, "bob@guests.example", "member").expect(201).json();
    let (id, code) = (made["data"]["id"].as_str().unwrap(), made["data"]["attributes"]["code"].as_str().unwrap());
    let bob = house.user("bob@guests.example");
    let before = house.head();

    let statuses = at_once(20, |_| bob.client.accept_document(organization, id, code).status);

    assert_eq!(statuses, BTreeMap::from([(200, 20)]), "the same user again is told the same");
    let accepted = house.log_after(before).iter().filter(|event| event.name() == "invitation.Accepted").count();
    assert_eq!(accepted, 1);
}

#[test]
fn one_link_makes_one_account() {
    const VISITORS: usize = 8;
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    ann.client.invite_document(organization, "bob@guests.example", "member").expect(201);
    let (link, secret) = house.letter_to("bob@guests.example").link();
    let before = house.head();

    let statuses = at_once(VISITORS, |n| {
        let asked = json!({"code": secret, "name": format!("Bob {n}"), "password": PASSWORD});
        house.visitor().post(&format!("{link}/register"), &asked).status
    });

    assert_eq!(statuses.get(&200), Some(&1), "{statuses:?}");
    assert_eq!(statuses.keys().filter(|status| ![200, 409, 410].contains(status)).count(), 0, "{statuses:?}");
    let events = house.log_after(before);
    let count = |name: &str| events.iter().filter(|event| event.name() == name).count();
    assert_eq!((count("user.Created"), count("invitation.Accepted"), count("membership.Granted")), (1, 1, 1));
}

#[test]
fn one_address_is_invited_once() {
    let house = House::with(&[("limits.mails_per_recipient", "1000")]);
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites"]);
    let before = house.head();

    let statuses = at_once(40, |_| application.invite_document(organization, "Bob@Guests.example", "member").status);

    assert_eq!(statuses, BTreeMap::from([(201, 1), (409, 39)]));
    let created = house.log_after(before).iter().filter(|event| event.name() == "invitation.Created").count();
    assert_eq!(created, 1);
    assert_eq!(house.letters_to("Bob@guests.example").len() + house.letters_to("Bob@Guests.example").len(), 1);
}

#[test]
fn one_key_many_times_at_once_is_one_invitation_and_one_answer() {
    let house = House::with(&[("limits.mails_per_recipient", "1000")]);
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites"]);
    let target = format!("/api/v2/organizations/{organization}/invites");
    for round in 0..10 {
        let email = format!("bob-{round}@guests.example");
        let document = json!({"data": {"type": "organization_invites", "attributes": {"recipient_email": email}}});
        let ids = Mutex::new(BTreeSet::new());
        let statuses = at_once(20, |_| {
            let request = Request::new("POST", &target).document(&document).key(&format!("round-{round}"));
            let answer = application.send(request);
            ids.lock().unwrap().insert(answer.json()["data"]["id"].clone().to_string());
            answer.status
        });
        assert_eq!(statuses, BTreeMap::from([(201, 20)]), "who comes while the first is under way hears the same");
        assert_eq!(ids.into_inner().unwrap().len(), 1);
    }
}
