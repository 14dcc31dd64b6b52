//! The JSON:API dialect: resource, routes and media types, rule by rule.

use crate::support::client::JSON_API;
use crate::support::events::names;
use crate::support::said::{is_time, members};
use crate::support::wire::{Answer, Connection, Request};
use crate::support::{Client, House, User};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const BOB: &str = "bob@guests.example";
const SECOND: Duration = Duration::from_secs(1);

struct Roofers {
    house: House,
    organization: Uuid,
    ann: User,
}

impl Roofers {
    fn start() -> Self {
        let house = House::start();
        let organization = house.organization("Acme Roofing");
        let ann = house.admin_of(organization, "ann@acme.example");
        Self { house, organization, ann }
    }

    fn invites(&self) -> String {
        format!("/api/v2/organizations/{}/invites", self.organization)
    }

    fn invite(&self, email: &str) -> Value {
        self.ann.client.invite_document(self.organization, email, "admin").given(201)["data"].clone()
    }

    fn create(&self, data: &Value) -> Answer {
        self.ann.client.document("POST", &self.invites(), data)
    }

    fn post(&self, attributes: &Value) -> Answer {
        self.create(&json!({"type": "organization_invites", "attributes": attributes}))
    }

    fn place(&self, invite: &Value) -> String {
        format!("{}/{}", self.invites(), invite["id"].as_str().unwrap())
    }

    fn patch(&self, invite: &Value, attributes: &Value) -> Answer {
        let data = json!({"type": "organization_invites", "id": invite["id"], "attributes": attributes});
        self.ann.client.document("PATCH", &self.place(invite), &data)
    }

    fn accept(&self, who: &Client, invite: &Value) -> Answer {
        let code = invite["attributes"]["code"].as_str().unwrap();
        who.accept_document(self.organization, invite["id"].as_str().unwrap(), code)
    }
}

fn pointer(at: &str) -> Value {
    json!({"pointer": at})
}

#[test]
fn the_resource_has_the_documented_members_and_ours() {
    let roofers = Roofers::start();
    let data = roofers.invite(BOB);
    assert_eq!(members(&data), ["attributes", "id", "relationships", "type"]);
    let attributes = &data["attributes"];
    let names = [
        "accepted_at",
        "code",
        "created_at",
        "email_status",
        "expires_at",
        "invite_user_as",
        "recipient_email",
        "state",
        "updated_at",
        "updated_in_db_at",
    ];
    assert_eq!(members(attributes), names);
    assert_eq!((&attributes["accepted_at"], &attributes["state"]), (&Value::Null, &json!("pending")));
    let code = attributes["code"].as_str().unwrap();
    assert!(code.len() == 64 && code.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{code}");
    assert!(
        ["created_at", "updated_at", "updated_in_db_at", "expires_at"].iter().all(|name| is_time(&attributes[name]))
    );
    assert_eq!(
        (&attributes["updated_in_db_at"], &attributes["updated_at"]),
        (&attributes["created_at"], &attributes["created_at"])
    );
    let user = json!({"data": {"id": roofers.ann.id, "type": "users"}});
    let nobody = json!({"data": null});
    let wanted = json!({"accepted_by_user": nobody, "cancelled_by_user": nobody, "invited_by_user": user});
    assert_eq!(data["relationships"], wanted);
    let application = roofers.house.application(&["invites"]);
    let by_application = application.invite_document(roofers.organization, "carol@guests.example", "member").given(201);
    assert_eq!(by_application["data"]["relationships"]["invited_by_user"], nobody);
}

#[test]
fn post_is_201_with_location_and_admin_is_the_default() {
    let roofers = Roofers::start();
    let answer = roofers.post(&json!({"recipient_email": BOB, "created_at": "x", "updated_at": 7}));
    let data = answer.given(201)["data"].clone();
    assert_eq!(answer.header("location"), Some(roofers.place(&data).as_str()));
    assert_eq!(data["attributes"]["invite_user_as"], "admin");
    let got = roofers.ann.client.get(answer.header("location").unwrap()).given(200);
    assert_eq!(got["data"]["id"], data["id"]);
}

#[test]
fn post_takes_both_forms_of_updated_in_db_at() {
    let roofers = Roofers::start();
    for (n, text) in ["2021-11-23 14:38:02 UTC", "2021-11-23T14:38:02Z", "2021-11-23T15:38:02+01:00"].iter().enumerate()
    {
        let asked = json!({"recipient_email": format!("bob-{n}@guests.example"), "updated_in_db_at": text});
        let data = roofers.post(&asked).given(201);
        assert_eq!(data["data"]["attributes"]["updated_in_db_at"], "2021-11-23T14:38:02Z", "{text}");
    }
    // Beyond 1684 and 2255 its microseconds are no integer that every JSON reader reads.
    for impossible in ["yesterday", "9999-12-31T23:59:59Z", "2255-06-06T00:00:00Z", "1684-07-27T00:00:00Z"] {
        let wrong = json!({"recipient_email": BOB, "updated_in_db_at": impossible});
        roofers.post(&wrong).problem(422, "invalid-value", &pointer("/data/attributes/updated_in_db_at"));
    }
}

#[test]
fn post_refuses_malformed_documents_with_400_and_impossible_values_with_422() {
    let roofers = Roofers::start();
    let send = |body: &str| {
        let request = Request::new("POST", &roofers.invites()).body(JSON_API, body);
        roofers.ann.client.send(request)
    };
    send("{").problem(400, "malformed-body", &pointer(""));
    send("{\"data\": 1, \"data\": 2}").problem(400, "malformed-body", &pointer(""));
    send("[]").problem(400, "malformed-document", &pointer(""));
    send("{}").problem(400, "malformed-document", &pointer("/data"));
    roofers.post(&json!({})).problem(400, "missing-attribute", &pointer("/data/attributes/recipient_email"));
    roofers.post(&json!({"recipient_email": 7})).problem(
        400,
        "malformed-attribute",
        &pointer("/data/attributes/recipient_email"),
    );
    let unknown = json!({"recipient_email": BOB, "a/b": 1});
    roofers.post(&unknown).problem(400, "unknown-member", &pointer("/data/attributes/a~1b"));
    roofers.post(&json!({"recipient_email": "bob"})).problem(
        422,
        "invalid-value",
        &pointer("/data/attributes/recipient_email"),
    );
    let owner = json!({"recipient_email": BOB, "invite_user_as": "owner"});
    roofers.post(&owner).problem(422, "invalid-value", &pointer("/data/attributes/invite_user_as"));
    let both = roofers.post(&json!({"recipient_email": "bob", "x": 1})).problems(400);
    let codes: Vec<&str> = both.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["invalid-value", "unknown-member"], "all faults at once, the more general status");
}

#[test]
fn members_that_json_api_allows_are_ignored() {
    let roofers = Roofers::start();
    let body = json!({"jsonapi": {"version": "1.1"}, "meta": {"a": 1}, "links": {}, "data": {
        "type": "organization_invites", "meta": {}, "links": {}, "attributes": {"recipient_email": BOB}}});
    roofers.ann.client.send(Request::new("POST", &roofers.invites()).document(&body)).given(201);
}

#[test]
fn post_with_another_type_a_used_id_a_pending_invite_or_a_members_address_is_409() {
    let roofers = Roofers::start();
    let attributes = json!({"recipient_email": BOB});
    roofers.create(&json!({"type": "invites", "attributes": attributes})).problem(
        409,
        "type-conflict",
        &pointer("/data/type"),
    );
    let own = "570bd313-3776-441c-921f-f2d6cee5de05";
    let chosen = |email: &str| {
        roofers.create(&json!({"type": "organization_invites", "id": own, "attributes": {"recipient_email": email}}))
    };
    assert_eq!(chosen(BOB).given(201)["data"]["id"], own, "a client's own UUID is kept");
    chosen("carol@guests.example").problem(409, "id-taken", &pointer("/data/id"));
    let email = pointer("/data/attributes/recipient_email");
    roofers.post(&json!({"recipient_email": "BOB@guests.EXAMPLE"})).problem(409, "already-invited", &email);
    roofers.post(&json!({"recipient_email": "ann@acme.example"})).problem(409, "already-member", &email);
    roofers.create(&json!({"type": "organization_invites", "id": "x", "attributes": {"recipient_email": "dora@guests.example"}}))
        .problem(422, "invalid-value", &pointer("/data/id"));
    // Another organization's ids are its own.
    let other = roofers.house.organization("Acme Floors");
    let data = json!({"type": "organization_invites", "id": own, "attributes": attributes});
    let made = roofers.house.deployment().document("POST", &format!("/api/v2/organizations/{other}/invites"), &data);
    assert_eq!(made.given(201)["data"]["id"], own);
}

#[test]
fn get_is_200_in_any_state_and_404_elsewhere() {
    let roofers = Roofers::start();
    let client = &roofers.ann.client;
    let invite = roofers.invite(BOB);
    let place = roofers.place(&invite);
    assert_eq!(client.get(&place).given(200)["data"]["attributes"]["state"], "pending");
    client.delete(&place).api(204);
    assert_eq!(client.get(&place).given(200)["data"]["attributes"]["state"], "cancelled");
    let other = roofers.house.organization("Acme Floors");
    let elsewhere = format!("/api/v2/organizations/{other}/invites/{}", invite["id"].as_str().unwrap());
    roofers.house.deployment().get(&elsewhere).problem(404, "not-found", &Value::Null);
    for id in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        client.get(&format!("{}/{id}", roofers.invites())).problem(404, "not-found", &Value::Null);
        client.get(&format!("/api/v2/organizations/{id}/invites")).problem(404, "not-found", &Value::Null);
    }
}

#[test]
fn readers_who_may_not_invite_see_no_code_and_strangers_nothing() {
    let roofers = Roofers::start();
    let invite = roofers.invite(BOB);
    let mia = roofers.house.member_of(roofers.organization, "mia@acme.example", "member");
    let seen = mia.client.get(&roofers.place(&invite)).given(200);
    assert!(seen["data"]["attributes"].get("code").is_none(), "{seen}");
    let list = mia.client.get(&roofers.invites()).given(200);
    assert!(list["data"][0]["attributes"].get("code").is_none(), "{list}");
    mia.client.invite_document(roofers.organization, "x@guests.example", "member").problem(
        403,
        "forbidden",
        &Value::Null,
    );
    mia.client.delete(&roofers.place(&invite)).problem(403, "forbidden", &Value::Null);
    let stranger = roofers.house.user("sten@acme.example");
    stranger.client.get(&roofers.invites()).problem(403, "forbidden", &Value::Null);
    // Administrators of the tenant are no admins of its organizations.
    let ada = roofers.house.administrator("ada@acme.example");
    ada.client.get(&roofers.invites()).problem(403, "forbidden", &Value::Null);
}

#[test]
fn the_location_leads_the_deployments_principal_into_the_tenant_it_named() {
    let house = House::start();
    let deployment = house.deployment();
    deployment.post("/api/ledger/tenants", &json!({"name": "acme"})).expect(201);
    let made = deployment.post("/api/ledger/organizations?tenant=acme", &json!({"name": "Acme Roofing"})).expect(201);
    let organization = made.json()["id"].as_str().unwrap().to_owned();
    let data = json!({"type": "organization_invites", "attributes": {"recipient_email": BOB}});
    let target = format!("/api/v2/organizations/{organization}/invites?tenant=acme");
    let made = deployment.document("POST", &target, &data);
    let id = made.given(201)["data"]["id"].clone();
    let location = made.header("location").unwrap();
    assert_eq!(location, format!("/api/v2/organizations/{organization}/invites/{}?tenant=acme", id.as_str().unwrap()));
    assert_eq!(deployment.get(location).given(200)["data"]["id"], id);
    deployment.delete(location).api(204);
}

#[test]
fn patch_changes_role_and_time_of_a_pending_invite_and_emits_updated() {
    let roofers = Roofers::start();
    let invite = roofers.invite(BOB);
    roofers.house.deliver();
    roofers.house.advance(SECOND);
    let head = roofers.house.head();
    let asked = json!({"invite_user_as": "member", "updated_in_db_at": "2021-11-23 14:38:02 UTC"});
    let changed = roofers.patch(&invite, &asked).given(200)["data"]["attributes"].clone();
    assert_eq!(
        (&changed["invite_user_as"], &changed["updated_in_db_at"]),
        (&json!("member"), &json!("2021-11-23T14:38:02Z"))
    );
    assert_eq!(
        (&changed["created_at"], &changed["updated_at"]),
        (&json!("2025-06-15T15:06:40Z"), &json!("2025-06-15T15:06:41Z"))
    );
    assert_eq!(names(&roofers.house.log_after(head)), ["invitation.Updated"]);
    roofers.patch(&invite, &asked).given(200);
    assert_eq!(roofers.house.head(), head + 1, "the same again is no event");
    let email = pointer("/data/attributes/recipient_email");
    roofers.patch(&invite, &json!({"recipient_email": "x@guests.example"})).problem(400, "unknown-member", &email);
    let null = json!({"invite_user_as": null});
    roofers.patch(&invite, &null).problem(422, "invalid-value", &pointer("/data/attributes/invite_user_as"));
    let data = json!({"type": "organization_invites", "id": Uuid::nil(), "attributes": {}});
    roofers.ann.client.document("PATCH", &roofers.place(&invite), &data).problem(
        409,
        "id-conflict",
        &pointer("/data/id"),
    );
    roofers.ann.client.delete(&roofers.place(&invite)).api(204);
    roofers.patch(&invite, &json!({"invite_user_as": "admin"})).problem(409, "not-pending", &Value::Null);
}

#[test]
fn delete_is_204_without_a_content_type_and_again_without_an_event() {
    let roofers = Roofers::start();
    let invite = roofers.invite(BOB);
    roofers.house.deliver();
    let answer = roofers.ann.client.delete(&roofers.place(&invite));
    answer.api(204);
    assert_eq!((answer.header("content-type"), answer.body.as_slice()), (None, &b""[..]));
    let seen = roofers.ann.client.get(&roofers.place(&invite)).given(200);
    let by = json!({"data": {"id": roofers.ann.id, "type": "users"}});
    assert_eq!(seen["data"]["relationships"]["cancelled_by_user"], by);
    let head = roofers.house.head();
    roofers.ann.client.delete(&roofers.place(&invite)).api(204);
    assert_eq!(roofers.house.head(), head);
    let (link, secret) = roofers.house.letter_to(BOB).link();
    roofers
        .house
        .visitor()
        .post(&format!("{link}/view"), &json!({"code": secret}))
        .link_code(410, "invitation-cancelled");
}

#[test]
fn delete_is_409_once_it_is_accepted_declined_or_expired() {
    let roofers = Roofers::start();
    let delete = |invite: &Value| roofers.ann.client.delete(&roofers.place(invite));
    let (accepted, declined, expired) =
        (roofers.invite(BOB), roofers.invite("d@guests.example"), roofers.invite("e@guests.example"));
    let bob = roofers.house.user(BOB);
    roofers.accept(&bob.client, &accepted).given(200);
    let (link, secret) = roofers.house.letter_to("d@guests.example").link();
    roofers.house.visitor().post(&format!("{link}/decline"), &json!({"code": secret})).expect(200);
    delete(&accepted).problem(409, "not-pending", &Value::Null);
    delete(&declined).problem(409, "not-pending", &Value::Null);
    roofers.house.advance(7 * 24 * 60 * 60 * SECOND);
    let admin = roofers.house.application(&["invites"]);
    admin.delete(&roofers.place(&expired)).problem(409, "not-pending", &Value::Null);
}

#[test]
fn requests_need_the_media_type_and_accept_must_allow_it() {
    let roofers = Roofers::start();
    let body = json!({"data": {"type": "organization_invites", "attributes": {"recipient_email": BOB}}}).to_string();
    let send =
        |media: &str| roofers.ann.client.send(Request::new("POST", &roofers.invites()).body(media, body.clone()));
    for media in [
        "application/json",
        "text/plain",
        "application/vnd.api+json; charset=latin1",
        "application/vnd.api+json; version=1",
    ] {
        send(media).problem(415, "unsupported-media-type", &json!({"header": "Content-Type"}));
    }
    send("application/vnd.api+json; charset=utf-8").given(201);
    let get = |accept: &str| roofers.ann.client.send(Request::new("GET", &roofers.invites()).header("Accept", accept));
    for accept in ["application/json", "text/html", "application/vnd.api+json;q=0"] {
        get(accept).problem(406, "not-acceptable", &json!({"header": "Accept"}));
    }
    for accept in ["*/*", "application/vnd.api+json", "text/html, application/vnd.api+json;q=0.1"] {
        get(accept).given(200);
    }
}

#[test]
fn routing_answers_are_error_objects() {
    let roofers = Roofers::start();
    let invite = format!("{}/{}", roofers.invites(), Uuid::nil());
    let accept = format!("{invite}/accept");
    let cases = [
        (roofers.invites(), "PUT", "GET, HEAD, POST"),
        (invite, "POST", "DELETE, GET, HEAD, PATCH"),
        (accept, "POST", "PUT"),
    ];
    for (target, method, allow) in cases {
        let answer = roofers.house.visitor().send(Request::new(method, &target));
        answer.problem(405, "method-not-allowed", &Value::Null);
        assert_eq!(answer.header("allow"), Some(allow));
    }
    for target in ["/api/v2", "/api/v2/organizations", "/api/v2/organizations/x/invites/", "/api/v2/%FF"] {
        roofers.house.visitor().get(target).problem(404, "not-found", &Value::Null);
    }
    let request = b"GET /api/v2/organizations/x/invites HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\n\r\n";
    Connection::open(roofers.house.address).unwrap().send_raw(request).unwrap().problem(
        400,
        "malformed-header",
        &Value::Null,
    );
    let large = Request::new("POST", &roofers.invites()).body(JSON_API, vec![b' '; 64 * 1024 + 1]);
    roofers.ann.client.send(large).problem(413, "payload-too-large", &Value::Null);
}

#[test]
fn bearer_only_and_401_says_so() {
    let roofers = Roofers::start();
    let at = json!({"header": "Authorization"});
    let answer = roofers.house.visitor().get(&roofers.invites());
    answer.problem(401, "unauthorized", &at);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    roofers.ann.browser.send(Request::new("GET", &roofers.invites())).problem(401, "unauthorized", &at);
    Client::new(roofers.house.address, Some("il_ses_x")).get(&roofers.invites()).problem(401, "unauthorized", &at);
}

#[test]
fn limits_are_429_and_a_full_disk_503_both_with_retry_after() {
    let mut roofers = Roofers::start();
    roofers.house.restart_with(&[("limits.mails_per_recipient", "1")]);
    let ann = Client::new(roofers.house.address, Some(roofers.ann.client.token()));
    let made = ann.invite_document(roofers.organization, BOB, "member").given(201);
    ann.delete(&roofers.place(&made["data"])).api(204);
    roofers.house.deliver();
    roofers.house.advance(60 * SECOND);
    let limited = ann.invite_document(roofers.organization, BOB, "member");
    limited.problem(429, "too-many-requests", &Value::Null);
    assert_eq!(limited.retry_after(), 9 * 60, "one mail in ten minutes");
    roofers.house.restart_with(&[("limits.min_free_bytes", "1125899906842624"), ("limits.mails_per_recipient", "10")]);
    let ann = Client::new(roofers.house.address, Some(ann.token()));
    let full = ann.invite_document(roofers.organization, BOB, "member");
    full.problem(503, "unavailable", &Value::Null);
    assert_eq!(full.retry_after(), 60);
    ann.get(&roofers.invites()).given(200);
}
