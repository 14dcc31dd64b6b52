//! What the clock does: invitations end, locks open with a new mail.

use crate::support::{House, PASSWORD};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BOB: &str = "bob@guests.example";

#[test]
fn an_invitation_ends_after_seven_days_in_every_answer() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites", "audit"]);
    let made = application.invite_document(organization, BOB, "member").expect(201);
    let place = made.header("location").unwrap().to_owned();
    let (link, secret) = house.letter_to(BOB).link();

    house.advance(7 * DAY - Duration::from_secs(1));
    house.visitor().post(&format!("{link}/view"), &json!({"code": secret})).expect(200);
    assert_eq!(application.get(&place).json()["data"]["attributes"]["state"], "pending");

    house.advance(Duration::from_secs(1));
    let refused = house.visitor().post(&format!("{link}/view"), &json!({"code": secret})).expect(410).json();
    assert_eq!(refused["code"], "invitation-expired");
    assert_eq!(application.get(&place).json()["data"]["attributes"]["state"], "expired");
    let list = format!("/api/v2/organizations/{organization}/invites");
    assert_eq!(application.get(&list).expect(200).json()["meta"]["pagination"]["total_count"], 0);
    let again = application.invite_document(organization, BOB, "member").expect(201);
    assert_ne!(again.header("location"), Some(place.as_str()), "the address is free again");
}

#[test]
fn a_new_invitation_takes_the_place_of_one_that_nobody_has_swept() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites", "audit"]);
    let old = application.invite_document(organization, BOB, "member").expect(201).json();
    house.advance(7 * DAY);
    let new = application.invite_document(organization, BOB, "admin").expect(201).json();
    assert_ne!(new["data"]["id"], old["data"]["id"], "the answer is the new one");
    assert_eq!(new["data"]["attributes"]["state"], "pending");
    assert_eq!(new["data"]["attributes"]["invite_user_as"], "admin");
}

#[test]
fn five_wrong_codes_lock_until_it_is_sent_again() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    let made = ann.client.invite_document(organization, BOB, "member").expect(201).json();
    let (id, code) = (made["data"]["id"].as_str().unwrap(), made["data"]["attributes"]["code"].as_str().unwrap());
    let bob = house.user(BOB);
    let accept = |code: &str| bob.client.accept_document(organization, id, code).status;

    let wrong = "0".repeat(64);
    assert_eq!([0; 5].map(|_| accept(&wrong)), [400; 5]);
    assert_eq!((accept(&wrong), accept(code)), (423, 423), "locked, right or wrong");
    let carol = house.user("carol@guests.example");
    assert_eq!(carol.client.accept_document(organization, id, &wrong).status, 400, "a lock is one caller's");

    house.deliver();
    house.advance(Duration::from_secs(61));
    let aggregate = house.log().iter().rev().find(|e| e.name() == "invitation.Created").unwrap().stream.clone();
    let aggregate = aggregate.rsplit('/').next().unwrap().to_owned();
    house.deployment().post(&format!("/api/ledger/invitations/{aggregate}/resend"), &json!({})).expect(200);
    assert_eq!(accept(code), 400, "the old code is dead");
    let shown = ann.client.get(&format!("/api/v2/organizations/{organization}/invites/{id}")).expect(200).json();
    assert_eq!(accept(shown["data"]["attributes"]["code"].as_str().unwrap()), 200);
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let mut house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    let made = ann.client.invite_document(organization, BOB, "member").expect(201);
    let place = made.header("location").unwrap().to_owned();
    let (link, secret) = house.letter_to(BOB).link();
    let log = house.log();

    house.restart();

    assert_eq!(house.log(), log);
    let ann = crate::support::Client::new(house.address, Some(ann.client.token()));
    assert_eq!(ann.get(&place).expect(200).json()["data"]["id"], made.json()["data"]["id"], "her session goes on");
    let asked = json!({"code": secret, "name": "Bob", "password": PASSWORD});
    house.visitor().post(&format!("{link}/register"), &asked).expect(200);
}
