//! A house with two tenants: `default`, whose things the cases are about, and
//! `other`, whose administrator may do everything there and nothing here.

use crate::support::house::id_of;
use crate::support::wire::Request;
use crate::support::{Browser, Client, House, PASSWORD, User};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Stands in every name and address of `default`, and in nothing that `other` is told.
pub const CANARY: &str = "canary";
/// What the service does by itself is done within that real time.
const WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Between two mails of one invitation.
const RESEND_PAUSE: Duration = Duration::from_secs(61);

pub struct World {
    pub house: House,
    /// Administrator and liaison of `default`, and admin of the organization.
    pub ann: User,
    /// The token of the administrator and liaison of `other`.
    pub foreigner: String,
    pub organization: Uuid,
    pub integration: u64,
    pub employee: u64,
    counted: Cell<u32>,
}

impl World {
    pub fn new() -> Self {
        let house = House::with(&[("limits.mails_per_recipient", "1000000")]);
        let deployment = house.deployment();
        deployment.post("/api/ledger/tenants", &json!({"name": "other"})).expect(201);
        let asked = json!({
            "email": "olga@other.example", "password": PASSWORD, "administrator": true, "liaison": true,
        });
        deployment.post("/api/ledger/users?tenant=other", &asked).expect(201);
        let asked = json!({"email": "olga@other.example", "password": PASSWORD, "tenant": "other"});
        let answer = house.visitor().post("/api/login", &asked).expect(200);
        let foreigner = Browser::of(house.address, "other", &answer).session().to_owned();
        let organization = house.organization("Canary Roofing");
        let integration = house.integration("Canary Calendar");
        let ann = house.user_with("ann@canary.example", &json!({"administrator": true, "liaison": true}));
        let place = format!("/api/ledger/organizations/{organization}/members/{}", ann.id);
        deployment.put(&place, &json!({"role": "admin"})).expect(200);
        let asked = json!({"email": "eve@canary.example", "first_name": "Canary"});
        let employee = deployment.post("/api/ledger/employees", &asked).expect(201).json()["id"].as_u64().unwrap();
        Self { house, ann, foreigner, organization, integration, employee, counted: Cell::new(0) }
    }

    fn deployment(&self) -> Client {
        self.house.deployment()
    }

    /// An address nobody has had yet.
    pub fn address(&self) -> String {
        format!("guest{}@canary.example", self.next())
    }

    pub fn next(&self) -> u32 {
        self.counted.set(self.counted.get() + 1);
        self.counted.get()
    }

    /// An account without rights.
    pub fn user(&self) -> User {
        self.house.user(&self.address())
    }

    pub fn member(&self) -> User {
        self.house.member_of(self.organization, &self.address(), "member")
    }

    /// A new session of the administrator.
    pub fn session(&self) -> String {
        User::log_in(self.house.address, self.ann.id, &self.ann.email, PASSWORD).client.token().to_owned()
    }

    pub fn application(&self) -> Uuid {
        let asked = json!({"name": "Canary shop", "scopes": ["invites"]});
        id_of(&self.deployment().post("/api/ledger/applications", &asked).expect(201).json()["application"])
    }

    /// A pending invitation to the organization: its id and its code.
    pub fn invite(&self) -> (String, String) {
        let made = self.ann.client.invite_document(self.organization, &self.address(), "member").expect(201).json();
        let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        (text("/data/id"), text("/data/attributes/code"))
    }

    /// One that may be sent again.
    pub fn invite_of_a_while_ago(&self) -> String {
        let (id, _) = self.invite();
        self.house.deliver();
        self.house.advance(RESEND_PAUSE);
        id
    }

    /// A mail that could not be sent and waits for its next try.
    pub fn waiting_mail(&self) -> String {
        let folder = self.house.data().join("outbox");
        let aside = self.house.data().join("outbox-aside");
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::write(&folder, "no folder").unwrap();
        let (invitation, _) = self.invite();
        let found = self.await_that("a mail that waits", || {
            let waiting = self.deployment().get("/api/ledger/outbox?state=queued").expect(200).json();
            let mut items = waiting["items"].as_array().unwrap().clone().into_iter();
            let tried = items.find(|mail| mail["aggregate_id"] == invitation.as_str() && mail["attempts"] != 0)?;
            Some(tried["id"].as_str().unwrap().to_owned())
        });
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&aside, &folder).unwrap();
        found
    }

    /// Sends what still waits.
    pub fn settle(&self) {
        let waiting = self.deployment().get("/api/ledger/outbox?state=queued&limit=1000").expect(200).json();
        for mail in waiting["items"].as_array().unwrap() {
            let id = mail["id"].as_str().unwrap();
            let answer = self.deployment().send(Request::new("POST", &format!("/api/ledger/outbox/{id}/retry")));
            // It may be on its way, or sent, by now.
            assert!([200, 404, 409].contains(&answer.status), "{}", answer.text());
        }
    }

    /// A rebuild has been asked for, and is over.
    pub fn rebuilt(&self) {
        let answer = self.deployment().post("/api/ledger/rebuild", &json!({}));
        // One that a case before has asked for may be running.
        assert!([202, 409].contains(&answer.status), "{}", answer.text());
        self.await_that("the end of a rebuild", || {
            let shown = self.deployment().get("/api/ledger/rebuild").expect(200).json();
            shown["finished_at"].is_string().then_some(())
        });
    }

    fn await_that<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < WAIT, "{what} did not come");
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

pub fn deployment(world: &World) -> String {
    world.house.deployment().token().to_owned()
}

pub fn administrator(world: &World) -> String {
    world.ann.client.token().to_owned()
}

pub fn somebody(world: &World) -> String {
    world.user().client.token().to_owned()
}

pub fn new_session(world: &World) -> String {
    world.session()
}

pub fn get(target: &str) -> Request {
    Request::new("GET", target)
}

pub fn post(target: &str, body: &Value) -> Request {
    Request::new("POST", target).json(body)
}
