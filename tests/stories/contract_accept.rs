//! `PUT …/invites/{id}/accept`: the refusals in their order, and what accepting does.

use crate::support::client::JSON_API;
use crate::support::events::names;
use crate::support::wire::{Answer, Request};
use crate::support::{Client, House, User};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const BOB: &str = "bob@guests.example";
const MINUTE: Duration = Duration::from_secs(60);

struct Desk {
    house: House,
    organization: Uuid,
    ann: User,
    id: String,
    code: String,
}

impl Desk {
    /// Ann has invited Bob to be a member.
    fn start() -> Self {
        Self::with(&json!({}))
    }

    fn with(more: &Value) -> Self {
        let house = House::start();
        let mut asked = json!({"name": "Acme Roofing"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = house.deployment().post("/api/ledger/organizations", &asked).expect(201).json();
        let organization = crate::support::house::id_of(&made);
        let ann = house.admin_of(organization, "ann@acme.example");
        let made = ann.client.invite_document(organization, BOB, "member").given(201);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, code) = (text(&made["data"]["id"]), text(&made["data"]["attributes"]["code"]));
        Self { house, organization, ann, id, code }
    }

    fn accept(&self, who: &Client, code: &str) -> Answer {
        who.accept_document(self.organization, &self.id, code)
    }

    fn place(&self) -> String {
        format!("/api/v2/organizations/{}/invites/{}", self.organization, self.id)
    }

    /// Sends the invitation again; answers the new code.
    fn again(&self) -> String {
        self.house.deliver();
        self.house.advance(MINUTE);
        let listed = self.house.deployment().get("/api/ledger/invitations").expect(200).json();
        let id = listed["items"][0]["id"].as_str().unwrap();
        self.house.deployment().post(&format!("/api/ledger/invitations/{id}/resend"), &json!({})).expect(200);
        let shown = self.ann.client.get(&self.place()).given(200);
        shown["data"]["attributes"]["code"].as_str().unwrap().to_owned()
    }

    fn events(&self, name: &str) -> usize {
        self.house.log().iter().filter(|event| event.name() == name).count()
    }
}

fn wrong() -> String {
    "0".repeat(64)
}

fn at_code() -> Value {
    json!({"pointer": "/data/attributes/code"})
}

#[test]
fn first_401_for_whoever_has_no_session_whatever_else_is_wrong() {
    let desk = Desk::start();
    let other = Uuid::nil();
    let nobody = desk.house.visitor().accept_document(other, "nonsense", "");
    nobody.problem(401, "unauthorized", &json!({"header": "Authorization"}));
}

#[test]
fn then_403_for_an_application_and_the_deployment() {
    let desk = Desk::start();
    for client in [desk.house.application(&["invites"]), desk.house.deployment()] {
        client.accept_document(desk.organization, "nonsense", "").problem(403, "users-only", &Value::Null);
        desk.accept(&client, &desk.code).problem(403, "users-only", &Value::Null);
    }
}

#[test]
fn then_404_for_what_is_not_in_that_organization() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    let other = desk.house.organization("Acme Floors");
    for (organization, id) in [(other, desk.id.as_str()), (desk.organization, "nonsense"), (Uuid::nil(), &desk.id)] {
        for code in ["", &desk.code] {
            bob.client.accept_document(organization, id, code).problem(404, "not-found", &Value::Null);
        }
    }
}

#[test]
fn then_400_for_a_blank_code_and_400_for_a_wrong_one() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    for blank in ["", " ", "\t"] {
        desk.accept(&bob.client, blank).problem(400, "blank-code", &at_code());
    }
    let send = |body: Value| {
        bob.client.send(Request::new("PUT", &format!("{}/accept", desk.place())).body(JSON_API, body.to_string()))
    };
    let without = json!({"data": {"type": "organization_invites", "attributes": {}}});
    send(without).problem(400, "missing-attribute", &at_code());
    let typed = json!({"data": {"type": "invites", "attributes": {"code": desk.code}}});
    send(typed).problem(409, "type-conflict", &json!({"pointer": "/data/type"}));
    assert_eq!(desk.events("invitation.AcceptRefused"), 0, "blank codes are no tries");
    desk.accept(&bob.client, &wrong()).problem(400, "wrong-code", &at_code());
    desk.accept(&bob.client, &desk.code.to_uppercase()).problem(400, "wrong-code", &at_code());
    assert_eq!(desk.events("invitation.AcceptRefused"), 2);
}

#[test]
fn then_423_after_five_wrong_tries_of_this_caller_until_it_is_sent_again() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    let carol = desk.house.user("carol@guests.example");
    for _ in 0..5 {
        desk.accept(&bob.client, &wrong()).problem(400, "wrong-code", &at_code());
    }
    for code in [&wrong(), &desk.code] {
        desk.accept(&bob.client, code).problem(423, "locked", &Value::Null);
    }
    assert_eq!(desk.events("invitation.AcceptRefused"), 5, "at most five per generation and caller");
    desk.accept(&carol.client, &wrong()).problem(400, "wrong-code", &at_code());
    let code = desk.again();
    desk.accept(&bob.client, &code).given(200);
}

#[test]
fn a_lock_is_told_before_what_became_of_the_invitation() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    for _ in 0..5 {
        desk.accept(&bob.client, &wrong());
    }
    desk.ann.client.delete(&desk.place()).api(204);
    desk.accept(&bob.client, &desk.code).problem(423, "locked", &Value::Null);
    let carol = desk.house.user("carol@guests.example");
    desk.accept(&carol.client, &wrong()).problem(400, "wrong-code", &at_code());
    desk.accept(&carol.client, &desk.code).problem(410, "gone", &Value::Null);
}

#[test]
fn secrets_of_earlier_generations_are_wrong_and_do_not_count() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    let old_mail = desk.house.letter_to(BOB).link().1;
    let code = desk.again();
    for _ in 0..4 {
        desk.accept(&bob.client, &desk.code).problem(400, "wrong-code", &at_code());
        desk.accept(&bob.client, &old_mail).problem(400, "wrong-code", &at_code());
    }
    assert_eq!(desk.events("invitation.AcceptRefused"), 0);
    desk.accept(&bob.client, &code).given(200);
}

#[test]
fn then_410_when_it_is_cancelled() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    desk.ann.client.delete(&desk.place()).api(204);
    desk.accept(&bob.client, &desk.code).problem(410, "gone", &Value::Null);
}

#[test]
fn then_410_when_it_is_declined() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    let (link, secret) = desk.house.letter_to(BOB).link();
    desk.house.visitor().post(&format!("{link}/decline"), &json!({"code": secret})).expect(200);
    desk.accept(&bob.client, &desk.code).problem(410, "gone", &Value::Null);
}

#[test]
fn then_410_when_it_is_expired_by_the_clock() {
    let desk = Desk::start();
    desk.house.advance(7 * 24 * 60 * MINUTE - Duration::from_secs(1));
    let bob = desk.house.user(BOB);
    desk.house.advance(Duration::from_secs(1));
    desk.accept(&bob.client, &desk.code).problem(410, "gone", &Value::Null);
}

#[test]
fn then_410_when_another_user_has_accepted_it() {
    let desk = Desk::start();
    let (bob, carol) = (desk.house.user(BOB), desk.house.user("carol@guests.example"));
    desk.accept(&carol.client, &desk.code).given(200);
    desk.accept(&bob.client, &desk.code).problem(410, "gone", &Value::Null);
}

#[test]
fn then_403_when_the_inviter_may_no_longer_invite_so_which_is_recorded_and_not_used_up() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    let member = format!("/api/ledger/organizations/{}/members/{}", desk.organization, desk.ann.id);
    let deployment = desk.house.deployment();
    deployment.put(&member, &json!({"role": "member"})).expect(200);
    desk.accept(&bob.client, &desk.code).problem(403, "inviter-may-not", &Value::Null);
    assert_eq!(desk.events("invitation.AcceptRefused"), 1);
    let state = deployment.get(&desk.place()).given(200)["data"]["attributes"]["state"].clone();
    assert_eq!(state, "pending");
    deployment.put(&member, &json!({"role": "admin"})).expect(200);
    desk.accept(&bob.client, &desk.code).given(200);
}

#[test]
fn then_403_when_the_inviting_application_is_revoked() {
    let desk = Desk::start();
    let made =
        desk.house.deployment().post("/api/ledger/applications", &json!({"name": "Nightly", "scopes": ["invites"]}));
    let made = made.expect(201).json();
    let application = Client::new(desk.house.address, made["token"].as_str());
    let invite = application.invite_document(desk.organization, "carol@guests.example", "member").given(201);
    let carol = desk.house.user("carol@guests.example");
    let id = made["application"]["id"].as_str().unwrap();
    desk.house.deployment().post(&format!("/api/ledger/applications/{id}/revoke"), &json!({})).expect(200);
    let code = invite["data"]["attributes"]["code"].as_str().unwrap();
    let refused = carol.client.accept_document(desk.organization, invite["data"]["id"].as_str().unwrap(), code);
    refused.problem(403, "inviter-may-not", &Value::Null);
}

#[test]
fn then_403_where_the_recipient_is_bound_and_the_address_not_proven() {
    let desk = Desk::with(&json!({"bind_recipient": true}));
    let (bob, carol) = (desk.house.user(BOB), desk.house.user("carol@guests.example"));
    for user in [&bob, &carol] {
        desk.accept(&user.client, &desk.code).problem(403, "address-not-proven", &Value::Null);
    }
    assert_eq!(desk.events("invitation.AcceptRefused"), 2, "recorded, not used up");
    let (_, secret) = desk.house.letter_to(BOB).link();
    desk.accept(&bob.client, &secret).given(200);
    let accepted = desk.house.log();
    let accepted = accepted.iter().find(|event| event.name() == "invitation.Accepted").unwrap();
    assert_eq!(accepted.payload["proof"], "mail", "the mail's secret proves the address");
}

#[test]
fn a_proven_address_may_use_the_code_where_the_recipient_is_bound() {
    let desk = Desk::with(&json!({"bind_recipient": true}));
    let floors = desk.house.organization("Acme Floors");
    let first = desk.house.deployment().invite_document(floors, BOB, "member").given(201);
    let bob = desk.house.user(BOB);
    let letters = desk.house.letters_to(BOB);
    let secret_of = |name: &str| letters.iter().find(|letter| letter.text.contains(name)).unwrap().link().1;
    let proves = bob.client.accept_document(floors, first["data"]["id"].as_str().unwrap(), &secret_of("Acme Floors"));
    proves.given(200);
    desk.accept(&bob.client, &desk.code).given(200);
}

#[test]
fn last_200_with_a_membership_the_code_presented_and_who_accepted() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    desk.house.deliver();
    desk.house.advance(MINUTE);
    let head = desk.house.head();
    let data = desk.accept(&bob.client, &desk.code).given(200)["data"].clone();
    let attributes = &data["attributes"];
    assert_eq!((&attributes["code"], &attributes["state"]), (&json!(desk.code), &json!("accepted")));
    let moved = (&attributes["accepted_at"], &attributes["updated_at"]);
    assert_eq!(moved, (&json!("2025-06-15T15:07:40Z"), &json!("2025-06-15T15:07:40Z")));
    assert_eq!(data["relationships"]["accepted_by_user"], json!({"data": {"id": bob.id, "type": "users"}}));
    assert_eq!(names(&desk.house.log_after(head)), ["invitation.Accepted", "membership.Granted"]);
    let members = format!("/api/ledger/organizations/{}/members", desk.organization);
    let members = desk.house.deployment().get(&members).expect(200).json();
    let role =
        members["items"].as_array().unwrap().iter().find(|m| m["user"] == json!(bob.id)).unwrap()["role"].clone();
    assert_eq!(role, "member");
}

#[test]
fn the_same_user_again_is_200_without_an_event_with_either_secret() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    let (_, secret) = desk.house.letter_to(BOB).link();
    let first = desk.accept(&bob.client, &desk.code).given(200);
    let head = desk.house.head();
    desk.house.advance(MINUTE);
    assert_eq!(desk.accept(&bob.client, &desk.code).given(200), first);
    assert_eq!(desk.house.head(), head);
    let echoed = desk.accept(&bob.client, &secret).given(200);
    assert_eq!(echoed["data"]["attributes"]["code"], json!(secret), "the one presented");
}

#[test]
fn a_wrong_code_is_400_for_everybody_after_it_was_accepted_too() {
    let desk = Desk::start();
    let (bob, carol) = (desk.house.user(BOB), desk.house.user("carol@guests.example"));
    desk.accept(&bob.client, &desk.code).given(200);
    for who in [&carol, &bob] {
        desk.accept(&who.client, &wrong()).problem(400, "wrong-code", &at_code());
        desk.accept(&who.client, "y").problem(400, "wrong-code", &at_code());
    }
    assert_eq!(desk.events("membership.Granted"), 2, "Ann's and Bob's");
    desk.accept(&carol.client, &desk.code).problem(410, "gone", &Value::Null);
}

#[test]
fn refused_tries_and_delivery_reports_do_not_move_updated_at() {
    let desk = Desk::start();
    let bob = desk.house.user(BOB);
    desk.house.deliver();
    desk.house.advance(MINUTE);
    desk.accept(&bob.client, &wrong()).problem(400, "wrong-code", &at_code());
    let shown = desk.ann.client.get(&desk.place()).given(200)["data"]["attributes"].clone();
    assert_eq!((&shown["updated_at"], &shown["email_status"]), (&json!("2025-06-15T15:06:40Z"), &json!("sent")));
}

#[test]
fn sending_again_renews_the_expiry_and_keeps_inviter_and_role() {
    let desk = Desk::start();
    let before = desk.ann.client.get(&desk.place()).given(200)["data"].clone();
    let code = desk.again();
    let after = desk.ann.client.get(&desk.place()).given(200)["data"].clone();
    assert_ne!(json!(code), before["attributes"]["code"]);
    assert_eq!(after["attributes"]["expires_at"], "2025-06-22T15:07:40Z");
    assert_eq!(after["attributes"]["invite_user_as"], before["attributes"]["invite_user_as"]);
    assert_eq!(after["relationships"], before["relationships"]);
    let event = desk.house.log().into_iter().find(|event| event.name() == "invitation.ResendRequested").unwrap();
    assert_eq!(event.payload["by"], "deployment", "by somebody else, the event names them: {}", event.payload);
}
