//! A dialect only decodes and encodes: the same story told through each door
//! leaves the same log.

use crate::support::events::{names, story};
use crate::support::house::id_of;
use crate::support::{House, PASSWORD, User};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const BOB: &str = "bob@guests.example";

/// Who and what is there before a story begins.
struct Stage {
    house: House,
    /// Administrator and liaison, and admin of the organization.
    ann: User,
    organization: Uuid,
    integration: u64,
}

impl Stage {
    fn set() -> Self {
        let house = House::start();
        let organization = house.organization("Acme Roofing");
        let integration = house.integration("Acme Calendar");
        // The envelope dialect wants a record of its callers.
        let ann = house.user_with("ann@acme.example", &json!({"administrator": true, "liaison": true}));
        let place = format!("/api/ledger/organizations/{organization}/members/{}", ann.id);
        house.deployment().put(&place, &json!({"role": "admin"})).expect(200);
        house.deliver();
        Self { house, ann, organization, integration }
    }

    /// What the operator dialect is asked to make an invitation of this kind.
    fn asked(&self, kind: &str) -> Value {
        match kind {
            "organization" => json!({"kind": kind, "organization": self.organization, "email": BOB}),
            "integration" => json!({"kind": kind, "integration": self.integration, "email": BOB}),
            _ => json!({"kind": kind, "email": BOB}),
        }
    }

    fn by_operator(&self, kind: &str) -> Uuid {
        let made = self.ann.client.post("/api/ledger/invitations", &self.asked(kind)).expect(201).json();
        id_of(&made["invitation"])
    }
}

/// One way to do it.
type Door = (&'static str, fn(&Stage));

/// Plays it through every door on a stage of its own, and answers the names of
/// the events that all of them left.
#[track_caller]
fn same_log(doors: &[Door]) -> Vec<String> {
    let told: Vec<(&str, Vec<String>, Vec<Value>)> = doors
        .iter()
        .map(|(name, door)| {
            let stage = Stage::set();
            let before = stage.house.head();
            door(&stage);
            stage.house.deliver();
            let events = stage.house.log_after(before);
            (*name, names(&events), story(&events).into_iter().map(without_wait).collect())
        })
        .collect();
    let (first, names, wanted) = &told[0];
    for (name, _, found) in &told[1..] {
        assert_eq!(found, wanted, "{name} (left) and {first} (right) tell different stories");
    }
    names.clone()
}

/// Whether a caller waits for the mail is the door's own: only the envelope dialect does.
fn without_wait(mut event: Value) -> Value {
    if let Some(payload) = event["payload"].as_object_mut() {
        payload.remove("waited");
    }
    event
}

/// Bob follows the link of his mail and makes an account.
fn bob_registers(stage: &Stage) {
    let (link, secret) = stage.house.letter_to(BOB).link();
    let asked = json!({"code": secret, "name": "Bob", "password": PASSWORD});
    stage.house.visitor().post(&format!("{link}/register"), &asked).expect(200);
}

#[test]
fn inviting_to_an_organization() {
    let names = same_log(&[
        ("operator", |stage| {
            stage.by_operator("organization");
            bob_registers(stage);
        }),
        ("jsonapi", |stage| {
            stage.ann.client.invite_document(stage.organization, BOB, "admin").expect(201);
            bob_registers(stage);
        }),
    ]);
    let wanted =
        ["invitation.Created", "invitation.EmailSent", "user.Created", "invitation.Accepted", "membership.Granted"];
    assert_eq!(sorted(names), sorted(wanted.map(str::to_owned).to_vec()));
}

#[test]
fn inviting_to_an_integration() {
    let names = same_log(&[
        ("operator", |stage| {
            stage.by_operator("integration");
            bob_registers(stage);
        }),
        ("envelope", |stage| {
            let asked = json!({"id": stage.integration, "email": BOB});
            stage.ann.client.envelope("integrations/invitation_email", &asked).expect(200);
            bob_registers(stage);
        }),
    ]);
    let wanted =
        ["invitation.Created", "invitation.EmailSent", "user.Created", "invitation.Accepted", "membership.Granted"];
    assert_eq!(sorted(names), sorted(wanted.map(str::to_owned).to_vec()));
}

#[test]
fn inviting_to_the_platform() {
    let names = same_log(&[
        ("operator", |stage| {
            stage.by_operator("platform");
            bob_registers(stage);
        }),
        ("platform, with a token", |stage| {
            let asked = json!({"EmailAddresses": [BOB]});
            stage.ann.client.post("/api/users/invitations", &asked).expect(200);
            bob_registers(stage);
        }),
        ("platform, from a browser", |stage| {
            let asked = json!({"EmailAddresses": [BOB]});
            stage.ann.browser.write("POST", "/api/users/invitations", &asked).expect(200);
            bob_registers(stage);
        }),
    ]);
    let wanted = ["invitation.Created", "invitation.EmailSent", "user.Created", "invitation.Accepted"];
    assert_eq!(sorted(names), sorted(wanted.map(str::to_owned).to_vec()));
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn sending_again() {
    const PAUSE: Duration = Duration::from_secs(61);
    fn again(stage: &Stage, first: impl Fn(), second: impl Fn()) {
        first();
        stage.house.deliver();
        stage.house.advance(PAUSE);
        second();
    }
    let names = same_log(&[
        ("operator", |stage| {
            let id = stage.by_operator("integration");
            stage.house.deliver();
            stage.house.advance(PAUSE);
            stage.ann.client.post(&format!("/api/ledger/invitations/{id}/resend"), &json!({})).expect(200);
        }),
        ("operator, by inviting again", |stage| {
            let invite = || {
                stage.by_operator("integration");
            };
            again(stage, invite, invite);
        }),
        ("envelope", |stage| {
            let asked = json!({"id": stage.integration, "email": BOB});
            let invite = || {
                stage.ann.client.envelope("integrations/invitation_email", &asked).expect(200);
            };
            again(stage, invite, invite);
        }),
    ]);
    let wanted = ["invitation.Created", "invitation.EmailSent", "invitation.ResendRequested", "invitation.EmailSent"];
    assert_eq!(names, wanted);
}

#[test]
fn taking_back() {
    let names = same_log(&[
        ("operator", |stage| {
            let id = stage.by_operator("organization");
            stage.house.deliver();
            stage.ann.client.post(&format!("/api/ledger/invitations/{id}/cancel"), &json!({})).expect(200);
        }),
        ("jsonapi", |stage| {
            let made = stage.ann.client.invite_document(stage.organization, BOB, "admin").expect(201);
            stage.house.deliver();
            stage.ann.client.delete(made.header("location").unwrap()).expect(204);
        }),
    ]);
    assert_eq!(names, ["invitation.Created", "invitation.EmailSent", "invitation.Cancelled"]);
}

#[test]
fn changing_how_long_invitations_live() {
    let names = same_log(&[
        ("operator", |stage| {
            stage.ann.client.patch("/api/ledger/settings", &json!({"valid_days": 3})).expect(200);
        }),
        ("platform", |stage| {
            let asked = json!({"InvitedUserValidDays": 3});
            stage.ann.client.put("/api/businesses/default/usersettings", &asked).expect(200);
        }),
    ]);
    assert_eq!(names, ["tenant.SettingsChanged"]);
}

#[test]
fn keeping_an_employees_record() {
    let names = same_log(&[
        ("operator", |stage| {
            let asked = json!({"email": "eve@acme.example", "first_name": "Eve", "skills": ["roofs"]});
            let made = stage.ann.client.post("/api/ledger/employees", &asked).expect(201).json();
            let asked = json!({"phone": "+1 555 0100", "address": {"city": "Springfield"}});
            stage.ann.client.patch(&format!("/api/ledger/employees/{}", made["id"]), &asked).expect(200);
        }),
        ("envelope", |stage| {
            let asked = json!({"email": "eve@acme.example", "first_name": "Eve", "skills": ["roofs"]});
            let made = stage.ann.client.envelope("employees/create", &asked).expect(200).json();
            let asked = json!({"id": made["data"]["id"], "email": "eve@acme.example", "phone": "+1 555 0100",
                "address": {"city": "Springfield"}});
            stage.ann.client.envelope("employees/update", &asked).expect(200);
        }),
    ]);
    assert_eq!(names, ["employee.Created", "employee.Updated"]);
}

#[test]
fn making_an_integration() {
    let names = same_log(&[
        ("operator", |stage| {
            let asked = json!({"name": "Acme Mail", "description": "Sends letters"});
            stage.ann.client.post("/api/ledger/integrations", &asked).expect(201);
        }),
        ("envelope", |stage| {
            let asked = json!({"name": "Acme Mail", "description": "Sends letters"});
            stage.ann.client.envelope("integrations/create", &asked).expect(200);
        }),
    ]);
    assert_eq!(names, ["integration.Created"]);
}
