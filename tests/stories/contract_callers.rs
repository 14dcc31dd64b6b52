//! Who calls, where rights end: off-boarded people, other tenants, other organizations.

use crate::support::house::id_of;
use crate::support::wire::Request;
use crate::support::{Browser, Client, House, PASSWORD};
use serde_json::{Value, json};
use std::time::Duration;

const BOB: &str = "bob@guests.example";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn an_organizations_admin_counts_in_that_organization_alone() {
    let house = House::start();
    let (roofing, floors) = (house.organization("Acme Roofing"), house.organization("Acme Floors"));
    let ann = house.admin_of(roofing, "ann@acme.example");
    ann.client.invite_document(roofing, BOB, "admin").given(201);
    ann.client.invite_document(floors, BOB, "member").problem(403, "forbidden", &Value::Null);
    let asked = json!({"InvitedUserValidDays": 3});
    ann.client.put("/api/businesses/default/usersettings", &asked).code(403, "forbidden");
    assert_eq!(ann.client.get("/api/ledger/organizations").status, 403);
}

#[test]
fn an_off_boarded_employee_neither_accepts_nor_stands_behind_an_invitation() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let sam = house.admin_of(organization, "sam@acme.example");
    let by_sam = sam.client.invite_document(organization, BOB, "member").given(201)["data"].clone();
    let to_sam = house.deployment().invite_document(house.organization("Acme Floors"), &sam.email, "member").given(201);
    let (link, secret) = house.letter_to(&sam.email).link();
    let record = json!({"email": sam.email, "user_id": sam.id, "date_off_boarded": "2025-06-16"});
    house.deployment().envelope("employees/create", &record).done();
    house.advance(DAY);

    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (id, code) = (text(&to_sam["data"]["id"]), text(&to_sam["data"]["attributes"]["code"]));
    let at = json!({"header": "Authorization"});
    sam.client.accept_document(organization, &id, &code).problem(401, "session-expired", &at);
    sam.client.post(&format!("{link}/accept"), &json!({"code": secret})).link_code(401, "unauthorized");
    sam.browser.write("POST", &format!("{link}/accept"), &json!({"code": secret})).link_code(401, "unauthorized");
    let bob = house.user(BOB);
    let refused = bob.client.accept_document(organization, &text(&by_sam["id"]), &text(&by_sam["attributes"]["code"]));
    refused.problem(403, "inviter-may-not", &Value::Null);
}

#[test]
fn a_link_is_accepted_by_users_of_its_own_tenant() {
    let house = House::start();
    let deployment = house.deployment();
    deployment.post("/api/ledger/tenants", &json!({"name": "beta"})).expect(201);
    let made = deployment.post("/api/ledger/organizations?tenant=beta", &json!({"name": "Beta Roofing"})).expect(201);
    let organization = id_of(&made.json());
    let attributes = json!({"recipient_email": BOB, "invite_user_as": "member"});
    let data = json!({"type": "organization_invites", "attributes": attributes});
    let target = format!("/api/v2/organizations/{organization}/invites?tenant=beta");
    deployment.document("POST", &target, &data).given(201);
    let (link, secret) = house.letter_to(BOB).link();

    let bob = house.user(BOB);
    let asked = json!({"code": secret});
    bob.client.post(&format!("{link}/accept"), &asked).link_code(401, "unauthorized");
    bob.client.post(&format!("{link}/accept"), &json!({"code": "0".repeat(64)})).link_code(400, "wrong-code");
    let registered = json!({"code": secret, "name": "Bob", "password": PASSWORD});
    let answer = house.visitor().post(&format!("{link}/register"), &registered);
    answer.api(200);
    assert_eq!(answer.json()["tenant"], "beta", "an account in one tenant is none in another");
    assert!(Browser::of(house.address, "beta", &answer).session().starts_with("il_ses_"));
}

#[test]
fn a_session_under_another_tenants_cookie_is_no_session() {
    let house = House::start();
    house.deployment().post("/api/ledger/tenants", &json!({"name": "beta"})).expect(201);
    let ann = house.user("ann@acme.example");
    let cookie = |text: String| {
        let request = Request::new("GET", "/api/businesses/default/settings").header("Cookie", &text);
        house.send(&request)
    };
    let own = ann.browser.session();
    cookie(format!("AtmoAuthToken_default={own}")).platform(200);
    cookie(format!("AtmoAuthToken_beta={own}")).code(401, "unauthorized");
    cookie(format!("AtmoAuthToken_default={}", house.deployment().token())).code(401, "unauthorized");
    cookie(format!("AtmoAuthToken_default=il_ses_x; AtmoAuthToken_default={own}")).code(401, "unauthorized");
}

#[test]
fn the_deployment_names_a_tenant_and_one_that_is_not_there_is_not_found() {
    let house = House::start();
    let deployment = house.deployment();
    let nowhere = "/api/v2/organizations/00000000-0000-0000-0000-000000000000/invites?tenant=";
    deployment.get(&format!("{nowhere}gamma")).problem(404, "not-found", &Value::Null);
    deployment.get(&format!("{nowhere}No")).problem(400, "invalid-parameter", &json!({"parameter": "tenant"}));
    deployment.get("/api/businesses/gamma/settings").code(404, "not-found");
    deployment
        .envelope("integrations/create", &json!({"name": "x", "tenant": "gamma"}))
        .fault("tenant", "does not exist");
    let asked = json!({"EmailAddresses": [BOB]});
    deployment.post("/api/users/invitations?tenant=gamma", &asked).code(404, "not-found");
}

#[test]
fn a_new_password_ends_all_sessions_of_the_user() {
    let house = House::start();
    let ann = house.user_with("ann@acme.example", &json!({"liaison": true}));
    let change = json!({"password": "another long password"});
    house.deployment().patch(&format!("/api/ledger/users/{}", ann.id), &change).expect(200);
    ann.client.envelope("employees/index", &json!({})).slug(401, "session-expired");
    let log_in = |password: &str| {
        house.visitor().post("/api/login", &json!({"email": "ann@acme.example", "password": password}))
    };
    log_in(PASSWORD).code(401, "log-in-refused");
    let answer = log_in("another long password");
    answer.platform(200);
    let again = Client::new(house.address, Some(Browser::of(house.address, "default", &answer).session()));
    again.envelope("employees/index", &json!({})).listed();
}
