//! `POST /api/users/invitations`, rule by rule.

use crate::support::events::names;
use crate::support::wire::{Answer, Request};
use crate::support::{Client, House};
use serde_json::{Value, json};
use std::time::Duration;

const ANN: &str = "ann@acme.example";
const BOB: &str = "bob@guests.example";
const OFF: &str = "com.soa.feature.disabled";

fn invite(client: &Client, addresses: &[&str]) -> Answer {
    client.post("/api/users/invitations", &json!({"EmailAddresses": addresses}))
}

#[test]
fn the_answer_is_the_bare_array_in_the_order_given_with_duplicates_folded() {
    let house = House::start();
    let ann = house.user(ANN);
    let head = house.head();
    let answer = invite(&ann.client, &["Zoe@Guests.example", BOB, "zoe@guests.EXAMPLE", BOB]);
    assert_eq!(answer.platform(200), json!(["Zoe@Guests.example", BOB]));
    house.deliver();
    let created = names(&house.log_after(head)).into_iter().filter(|name| name == "invitation.Created").count();
    assert_eq!(created, 2);
    assert_eq!((house.letters_to("Zoe@guests.example").len(), house.letters_to(BOB).len()), (1, 1));
}

#[test]
fn the_message_stands_in_the_mail_and_has_at_most_2000_characters() {
    let house = House::start();
    let ann = house.user(ANN);
    let with = |message: Value| {
        ann.client.post("/api/users/invitations", &json!({"EmailAddresses": [BOB], "Message": message}))
    };
    let told = json!([{"param": "Message", "reason": "is longer than 2000 characters"}]);
    assert_eq!(with(json!("x".repeat(2001))).code(400, "invalid-parameters"), told);
    let told = json!([{"param": "Message", "reason": "must be a string"}]);
    assert_eq!(with(json!(7)).code(400, "invalid-parameters"), told);
    with(json!("You should join this awesome app management platform.")).platform(200);
    let letter = house.letter_to(BOB);
    assert!(letter.text.contains("You should join this awesome app management platform."), "{}", letter.text);
}

#[test]
fn a_malformed_address_is_400_naming_each_and_nobody_is_invited() {
    let house = House::start();
    let ann = house.user(ANN);
    let head = house.head();
    let answer = invite(&ann.client, &[BOB, "bob", "a b@guests.example"]);
    let wanted = json!([
        {"param": "EmailAddresses[1]", "value": "bob", "reason": "needs exactly one @ between a name and a domain"},
        {"param": "EmailAddresses[2]", "value": "a b@guests.example", "reason": "has control, space or direction characters"},
    ]);
    assert_eq!(answer.code(400, "invalid-parameters"), wanted);
    let counted = json!([{"param": "EmailAddresses", "reason": "must have 1 to 100 addresses"}]);
    assert_eq!(invite(&ann.client, &[]).code(400, "invalid-parameters"), counted);
    let many: Vec<String> = (0..101).map(|n| format!("guest-{n}@guests.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(invite(&ann.client, &many).code(400, "invalid-parameters"), counted);
    let body = json!({"EmailAddress": [BOB]});
    let wanted = json!([
        {"param": "EmailAddresses", "reason": "is missing"},
        {"param": "EmailAddress", "reason": "is not known"},
    ]);
    assert_eq!(ann.client.post("/api/users/invitations", &body).code(400, "invalid-parameters"), wanted);
    assert_eq!(house.head(), head, "all or none");
}

#[test]
fn a_pending_invitation_is_sent_again_and_at_most_once_a_minute() {
    let house = House::start();
    let ann = house.user(ANN);
    invite(&ann.client, &[BOB]).platform(200);
    house.deliver();
    let head = house.head();
    let soon = invite(&ann.client, &["carol@guests.example", BOB]);
    soon.code(429, "too-many-requests");
    assert_eq!(soon.retry_after(), 60);
    assert_eq!(house.head(), head, "one unit: Carol is not invited either");
    house.advance(Duration::from_secs(60));
    assert_eq!(invite(&ann.client, &[BOB]).platform(200), json!([BOB]));
    house.deliver();
    assert_eq!(names(&house.log_after(head)), ["invitation.ResendRequested", "invitation.EmailSent"]);
}

#[test]
fn an_address_that_has_an_account_is_told_so_by_mail_and_returned_like_the_others() {
    let house = House::start();
    let ann = house.user(ANN);
    house.user(BOB);
    assert_eq!(invite(&ann.client, &[BOB, "carol@guests.example"]).platform(200), json!([BOB, "carol@guests.example"]));
    let told = house.letter_to(BOB);
    assert!(!told.text.contains("/i/"), "no link for who has an account: {}", told.text);
    house.letter_to("carol@guests.example").link();
}

#[test]
fn any_logged_in_user_may_and_nobody_else() {
    let house = House::start();
    let ann = house.user(ANN);
    invite(&house.visitor(), &[BOB]).code(401, "unauthorized");
    invite(&Client::new(house.address, Some("il_ses_x")), &[BOB]).code(401, "unauthorized");
    let basic = Request::new("POST", "/api/users/invitations").json(&json!({"EmailAddresses": [BOB]}));
    house.send(&basic.header("Authorization", "Basic YTpi")).code(401, "unauthorized");
    invite(&house.application(&["audit"]), &[BOB]).code(403, "forbidden");
    invite(&ann.client, &[BOB]).platform(200);
    invite(&house.application(&["invites"]), &["carol@guests.example"]).platform(200);
}

#[test]
fn inviting_is_401_when_it_is_switched_off() {
    let house = House::start();
    let ann = house.user(ANN);
    let target = "/api/businesses/default/usersettings";
    house.deployment().put(target, &json!({"InviteUnregisteredUsers": OFF})).platform(200);
    for addresses in [&[BOB][..], &["no address"], &[]] {
        assert_eq!(invite(&ann.client, addresses).code(401, "inviting-disabled"), json!([]), "before all else");
    }
    let shown = ann.client.get("/api/businesses/default/settings?IncludeSecuritySettings=true").platform(200);
    assert_eq!(shown["SecuritySettings"]["InviteUnregisteredUsers"], OFF);
}

#[test]
fn a_list_is_charged_whole_or_not_at_all() {
    let house = House::with(&[("limits.invitations_per_user", "3")]);
    let ann = house.user(ANN);
    let head = house.head();
    let over = invite(&ann.client, &["a@guests.example", "b@guests.example", "c@guests.example", "d@guests.example"]);
    over.code(429, "too-many-requests");
    assert!(over.retry_after() <= 3600);
    assert_eq!(house.head(), head);
    invite(&ann.client, &["a@guests.example", "b@guests.example", "c@guests.example"]).platform(200);
    invite(&ann.client, &["d@guests.example"]).code(429, "too-many-requests");
}

#[test]
fn a_key_is_answered_again_for_the_same_body_and_400_for_another() {
    let house = House::start();
    let (ann, carl) = (house.user(ANN), house.user("carl@acme.example"));
    let keyed = |client: &Client, addresses: &[&str]| {
        let asked = json!({"EmailAddresses": addresses});
        client.send(Request::new("POST", "/api/users/invitations").json(&asked).key("monday"))
    };
    let first = keyed(&ann.client, &[BOB]);
    first.platform(200);
    house.deliver();
    let head = house.head();
    let again = keyed(&ann.client, &[BOB]);
    again.platform(200);
    assert_eq!((again.body, house.head()), (first.body, head));
    keyed(&ann.client, &["carol@guests.example"]).code(400, "idempotency-key-reused");
    keyed(&carl.client, &["carol@guests.example"]).platform(200);
}

#[test]
fn a_full_disk_is_503_with_retry_after() {
    let mut house = House::start();
    let ann = house.user(ANN);
    house.restart_with(&[("limits.min_free_bytes", "1125899906842624")]);
    let answer = invite(&Client::new(house.address, Some(ann.client.token())), &[BOB]);
    answer.code(503, "unavailable");
    answer.retry_after();
}
