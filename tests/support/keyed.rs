//! One `Idempotency-Key` at two services of one ledger.

use super::Client;
use super::program::Program;
use super::service::organization;
use super::wire::{Answer, Request};
use serde_json::{Value, json};

/// An application, and what it asks for under one key in three dialects.
pub struct Keyed {
    token: String,
    organization: Value,
}

impl Keyed {
    pub fn at(service: &Program) -> Self {
        let asked = json!({"name": "shop", "scopes": ["invites", "integrations"]});
        let made = service.deployment().post("/api/ledger/applications", &asked).expect(201).json();
        Self { token: made["token"].as_str().unwrap().to_owned(), organization: organization(service) }
    }

    /// Asks one service in each dialect: JSON:API, envelope, platform.
    pub fn ask(&self, service: &Program, key: &str, email: &str) -> [Answer; 3] {
        [self.jsonapi(service, key, email), self.envelope(service, key, email), self.platform(service, key, email)]
    }

    pub fn jsonapi(&self, service: &Program, key: &str, email: &str) -> Answer {
        let target = format!("/api/v2/organizations/{}/invites", self.organization.as_str().unwrap());
        let document = json!({"data": {"type": "organization_invites", "attributes": {"recipient_email": email}}});
        self.send(service, Request::new("POST", &target).document(&document).key(key))
    }

    fn envelope(&self, service: &Program, key: &str, name: &str) -> Answer {
        self.send(service, Request::new("POST", "/api/v1/integrations/create").json(&json!({"name": name})).key(key))
    }

    fn platform(&self, service: &Program, key: &str, email: &str) -> Answer {
        let asked = json!({"EmailAddresses": [format!("platform-{email}")]});
        self.send(service, Request::new("POST", "/api/users/invitations").json(&asked).key(key))
    }

    fn send(&self, service: &Program, request: Request) -> Answer {
        Client::new(service.address, Some(&self.token)).send(request)
    }
}

/// What was carried out was carried out: the same words again.
#[track_caller]
pub fn are_the_same(answers: &[Answer; 3], first: &[Answer; 3]) {
    let told = |answers: &[Answer; 3]| answers.each_ref().map(|answer| (answer.status, answer.text()));
    assert_eq!(told(answers), told(first));
}

/// Each dialect refuses another body in its own words.
#[track_caller]
pub fn are_refused([jsonapi, envelope, platform]: &[Answer; 3]) {
    is_refused(jsonapi);
    envelope.fault("Idempotency-Key", "was used with another body");
    platform.code(400, "idempotency-key-reused");
}

#[track_caller]
pub fn is_refused(jsonapi: &Answer) {
    jsonapi.problem(409, "idempotency-key-reused", &json!({"header": "Idempotency-Key"}));
}
