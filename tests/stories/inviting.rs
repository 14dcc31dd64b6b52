//! From an invitation to a membership, as people live through it.

use crate::support::{Browser, House, PASSWORD};
use serde_json::{Value, json};

const BOB: &str = "bob@guests.example";

#[test]
fn an_address_becomes_a_member_with_the_link_alone() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    ann.client.invite_document(organization, BOB, "member").expect(201);
    let letter = house.letter_to(BOB);
    let (link, secret) = letter.link();
    let visitor = house.visitor();

    let seen = visitor.post(&format!("{link}/view"), &json!({"code": secret})).expect(200).json();
    assert_eq!((&seen["email"], &seen["can_register"]), (&json!(BOB), &json!(true)));
    assert_eq!(seen["target"]["name"], "Acme Roofing");

    let asked = json!({"code": secret, "name": "Bob", "password": PASSWORD});
    let registered = visitor.post(&format!("{link}/register"), &asked).expect(200);
    let bob = Browser::of(house.address, "default", &registered);
    let id = registered.json()["userId"].as_str().unwrap().to_owned();

    let members = format!("/api/ledger/organizations/{organization}/members");
    let members = house.deployment().get(&members).expect(200).json();
    let roles: Vec<(&Value, &Value)> =
        members["items"].as_array().unwrap().iter().map(|m| (&m["user"], &m["role"])).collect();
    assert!(roles.contains(&(&json!(id), &json!("member"))), "{members}");
    // The cookies are good at once, and the used link is over for others.
    let asked = json!({"EmailAddresses": ["carol@guests.example"]});
    bob.write("POST", "/api/users/invitations", &asked).expect(200);
    visitor.post(&format!("{link}/accept"), &json!({"code": secret})).expect(401);
}

#[test]
fn declining_is_kept_with_its_reason() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    let made = ann.client.invite_document(organization, BOB, "member").expect(201);
    let (link, secret) = house.letter_to(BOB).link();

    let asked = json!({"code": secret, "reason": "I do not know you."});
    house.visitor().post(&format!("{link}/decline"), &asked).expect(200);

    let shown = ann.client.get(made.header("location").unwrap()).expect(200).json();
    assert_eq!(shown["data"]["attributes"]["state"], "declined");
    let last = house.log().pop().unwrap();
    assert_eq!((last.name().as_str(), &last.payload["personal"]["reason"]), ("invitation.Declined", &asked["reason"]));
}

#[test]
fn a_key_makes_a_request_repeatable() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites"]);
    let attributes = json!({"recipient_email": BOB});
    let data = json!({"data": {"type": "organization_invites", "attributes": attributes}});
    let target = format!("/api/v2/organizations/{organization}/invites");
    let request = crate::support::wire::Request::new("POST", &target).document(&data).key("one");

    let first = application.send(request.clone()).expect(201);
    let head = house.head();
    let second = application.send(request.clone()).expect(201);
    assert_eq!((first.body, first.status), (second.body, second.status));
    assert_eq!(house.log_after(head).iter().filter(|e| e.kind == "Created").count(), 0);

    let mut other = data.clone();
    other["data"]["attributes"]["recipient_email"] = json!("carol@guests.example");
    let mut changed = request;
    changed.body = Some(other.to_string().into_bytes());
    application.send(changed).expect(409);
}
