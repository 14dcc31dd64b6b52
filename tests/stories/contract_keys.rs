//! `Idempotency-Key`: repeated requests, in every dialect.

use crate::support::post_office::{Mood, PostOffice};
use crate::support::wire::{Answer, Request};
use crate::support::{Client, House};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const BOB: &str = "bob@guests.example";
const HOUR: Duration = Duration::from_secs(60 * 60);

fn document(email: &str) -> Value {
    json!({"data": {"type": "organization_invites", "attributes": {"recipient_email": email}}})
}

fn invite(client: &Client, organization: Uuid, email: &str, key: &str) -> Answer {
    let target = format!("/api/v2/organizations/{organization}/invites");
    client.send(Request::new("POST", &target).document(&document(email)).key(key))
}

#[test]
fn the_same_body_gets_the_same_answer_for_24_hours_whatever_has_happened_since() {
    let mut house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites"]);
    let first = invite(&application, organization, BOB, "monday");
    first.given(201);
    application.delete(first.header("location").unwrap()).api(204);
    house.deliver();
    house.restart();
    house.advance(24 * HOUR - Duration::from_secs(1));
    let application = Client::new(house.address, Some(application.token()));
    let head = house.head();
    let again = invite(&application, organization, BOB, "monday");
    assert_eq!((again.status, again.json(), again.header("location")), (201, first.json(), first.header("location")));
    assert_eq!(house.head(), head, "no new event");
}

#[test]
fn another_body_is_409_here_and_400_in_envelope_and_platform() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let client = house.application(&["invites", "integrations"]);
    invite(&client, organization, BOB, "k").given(201);
    let other = invite(&client, organization, "carol@guests.example", "k");
    other.problem(409, "idempotency-key-reused", &json!({"header": "Idempotency-Key"}));
    let create = |name: &str| {
        client.send(Request::new("POST", "/api/v1/integrations/create").json(&json!({"name": name})).key("k"))
    };
    let made = create("Payroll").done();
    assert_eq!(create("Payroll").done(), made);
    create("Calendar").fault("Idempotency-Key", "was used with another body");
    let listed = client.envelope("integrations/index", &json!({})).listed();
    assert_eq!(listed["meta"]["page"]["total_count"], json!(1));
}

#[test]
fn a_key_is_one_principals_and_one_operations() {
    let house = House::start();
    let (roofing, floors) = (house.organization("Acme Roofing"), house.organization("Acme Floors"));
    let (one, other) = (house.application(&["invites"]), house.application(&["invites"]));
    invite(&one, roofing, BOB, "k").given(201);
    invite(&other, roofing, "carol@guests.example", "k").given(201);
    let asked = json!({"EmailAddresses": [BOB]});
    one.send(Request::new("POST", "/api/users/invitations").json(&asked).key("k")).platform(200);
    // The same key and body for another organization is another request.
    invite(&one, floors, BOB, "k").problem(409, "idempotency-key-reused", &json!({"header": "Idempotency-Key"}));
}

#[test]
fn a_definite_refusal_is_repeated_too() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites"]);
    let made = invite(&application, organization, BOB, "first");
    let refused = invite(&application, organization, BOB, "second");
    refused.problem(409, "already-invited", &json!({"pointer": "/data/attributes/recipient_email"}));
    application.delete(made.header("location").unwrap()).api(204);
    let again = invite(&application, organization, BOB, "second");
    assert_eq!((again.status, again.body), (409, refused.body), "although the address is free now");
    house.advance(24 * HOUR);
    invite(&application, organization, BOB, "second").given(201);
}

#[test]
fn a_key_is_1_to_255_visible_characters_once() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let client = house.application(&["invites", "integrations"]);
    let at = json!({"header": "Idempotency-Key"});
    for wrong in ["", "a b", "ü", &"k".repeat(256)] {
        invite(&client, organization, BOB, wrong).problem(400, "invalid-idempotency-key", &at);
    }
    let twice = Request::new("POST", "/api/v1/integrations/create").json(&json!({"name": "Payroll"})).key("a").key("b");
    client.send(twice).fault("Idempotency-Key", "must be 1 to 255 visible ASCII characters, once");
    let asked = json!({"EmailAddresses": [BOB]});
    let spaced = Request::new("POST", "/api/users/invitations").json(&asked).key("a b");
    let told = json!([{"param": "Idempotency-Key", "reason": "must be 1 to 255 visible ASCII characters, once"}]);
    assert_eq!(client.send(spaced).code(400, "invalid-parameters"), told);
    invite(&client, organization, BOB, &"k".repeat(255)).given(201);
}

#[test]
fn log_ins_registrations_and_reads_take_no_notice_of_it() {
    let house = House::start();
    let password = crate::support::PASSWORD;
    house.user_with("ann@acme.example", &json!({"liaison": true}));
    let log_in = || {
        let asked = json!({"email": "ann@acme.example", "password": password});
        house.send(&Request::new("POST", "/api/login").json(&asked).key("k"))
    };
    let (first, second) = (log_in(), log_in());
    first.platform(200);
    assert_ne!(first.headers("set-cookie"), second.headers("set-cookie"), "two sessions");
    let application = house.application(&["integrations"]);
    let index =
        || application.send(Request::new("POST", "/api/v1/integrations/index").json(&json!({})).key("k")).listed();
    assert_eq!(index()["meta"]["page"]["total_count"], json!(0));
    application.envelope("integrations/create", &json!({"name": "Payroll"})).done();
    assert_eq!(index()["meta"]["page"]["total_count"], json!(1));
}

#[test]
fn a_repeated_request_sends_no_second_mail_and_costs_no_limit() {
    let house = House::with(&[("limits.mails_per_recipient", "1")]);
    let integration = house.integration("Acme Calendar");
    let asked = json!({"id": integration, "email": BOB});
    let ask =
        || house.deployment().send(Request::new("POST", "/api/v1/integrations/invitation_email").json(&asked).key("k"));
    let first = ask().done();
    for _ in 0..3 {
        assert_eq!(ask().done(), first);
    }
    assert_eq!(house.letters_to(BOB).len(), 1);
}

/// The old one is due, and nobody has swept it: the new one clears it away in the same unit.
#[test]
fn an_invitation_that_took_an_expired_ones_place_is_the_one_repeated() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let integration = house.integration("Acme Calendar");
    let application = house.application(&["invites", "integrations"]);
    let old = invite(&application, organization, BOB, "old").given(201);
    let by_envelope = |key: &str| {
        let asked = json!({"id": integration, "email": BOB});
        application.send(Request::new("POST", "/api/v1/integrations/invitation_email").json(&asked).key(key))
    };
    let old_mail = by_envelope("old").done();
    house.deliver();
    house.advance(7 * 24 * HOUR);
    let new = invite(&application, organization, BOB, "new");
    assert_ne!(new.given(201)["data"]["id"], old["data"]["id"]);
    let again = invite(&application, organization, BOB, "new");
    assert_eq!((again.json(), again.header("location")), (new.json(), new.header("location")));
    let new_mail = by_envelope("new").done();
    assert_ne!(new_mail["id"], old_mail["id"]);
    assert_eq!(by_envelope("new").done(), new_mail);
}

#[test]
fn an_employee_who_took_an_off_boarded_ones_address_is_the_one_repeated() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let create = |key: &str, more: Value| {
        let mut asked = json!({"email": "eve@acme.example"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        application.send(Request::new("POST", "/api/v1/employees/create").json(&asked).key(key))
    };
    let old = create("old", json!({"date_off_boarded": "2025-06-16"})).done();
    house.advance(24 * HOUR);
    let new = create("new", json!({"first_name": "Eve"})).done();
    assert_ne!(new["id"], old["id"]);
    assert_eq!(create("new", json!({"first_name": "Eve"})).done(), new);
    let update = |key: &str, phone: &str| {
        let asked = json!({"id": new["id"], "email": "eve@acme.example", "phone": phone});
        application.send(Request::new("POST", "/api/v1/employees/update").json(&asked).key(key))
    };
    let changed = update("first", "1").done();
    update("second", "2").done();
    assert_eq!(update("first", "1").done(), changed, "as it stood then");
}

/// Changes Eve's address under this key.
fn move_eve(client: &Client, id: &Value, email: &str, key: &str) -> Answer {
    let asked = json!({"id": id, "email": email});
    client.send(Request::new("POST", "/api/v1/employees/update").json(&asked).key(key))
}

#[test]
fn a_changed_address_is_answered_the_same_whatever_mails_there_were_since() {
    let office = PostOffice::open(Mood::Takes);
    let mut house = House::with(&[("mail", &office.url())]);
    let application = house.application(&["employees"]);
    let eve = application.envelope("employees/create", &json!({"email": "eve@acme.example"})).done();
    let first = move_eve(&application, &eve["id"], "eve@new.example", "first");
    first.done();
    let unchanged = move_eve(&application, &eve["id"], "eve@new.example", "unchanged");
    assert_eq!(unchanged.done()["email"], "eve@new.example");
    office.is_now(Mood::Refuses);
    let refused = move_eve(&application, &eve["id"], "eve@newer.example", "second");
    refused.slug(500, "mandrill-email-failed");
    house.deliver();
    house.restart();
    let application = Client::new(house.address, Some(application.token()));
    let (head, asked) = (house.head(), office.asked());
    for (email, key, answer) in [
        ("eve@new.example", "first", &first),
        ("eve@new.example", "unchanged", &unchanged),
        ("eve@newer.example", "second", &refused),
    ] {
        let again = move_eve(&application, &eve["id"], email, key);
        assert_eq!((again.status, again.text()), (answer.status, answer.text()), "{key}");
    }
    assert_eq!((house.head(), office.asked()), (head, asked), "no event, no mail");
}

#[test]
fn an_open_mail_is_open_again_until_the_provider_has_said_its_word() {
    let office = PostOffice::open(Mood::Later);
    let house = House::with(&[("mail", &office.url()), ("mail_wait_seconds", "1")]);
    let application = house.application(&["employees"]);
    let eve = application.envelope("employees/create", &json!({"email": "eve@acme.example"})).done();
    let open = move_eve(&application, &eve["id"], "eve@new.example", "k");
    open.slug(500, "mandrill-email-failed");
    let again = move_eve(&application, &eve["id"], "eve@new.example", "k");
    assert_eq!((again.status, again.text()), (500, open.text()), "still open");
    office.is_now(Mood::Takes);
    house.advance(Duration::from_secs(90));
    house.inside().delivery().tick();
    house.deliver();
    let done = move_eve(&application, &eve["id"], "eve@new.example", "k").done();
    assert_eq!((&done["email"], &done["version"]), (&json!("eve@new.example"), &json!(2)));
}

/// The mail of the first sending is known from the log, long after its link is dead.
#[test]
fn an_invitation_sent_again_since_is_answered_as_it_was() {
    let mut house = House::start();
    let integration = house.integration("Acme Calendar");
    let token = house.application(&["integrations"]).token().to_owned();
    let ask = |house: &House, key: &str| {
        let asked = json!({"id": integration, "email": BOB});
        let request = Request::new("POST", "/api/v1/integrations/invitation_email").json(&asked).key(key);
        Client::new(house.address, Some(&token)).send(request)
    };
    let first = ask(&house, "first").done();
    house.advance(Duration::from_secs(60));
    ask(&house, "second").done();
    house.restart();
    assert_eq!(ask(&house, "first").done(), first);
    assert_eq!(house.letters_to(BOB).len(), 2);
}
