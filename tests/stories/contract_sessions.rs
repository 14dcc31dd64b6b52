//! Who calls: sessions, log-ins and their limits, in every dialect.

use crate::support::wire::{Answer, Request};
use crate::support::{Browser, Client, House, PASSWORD, User};
use serde_json::{Value, json};
use std::time::Duration;

const ANN: &str = "ann@acme.example";
const HOUR: Duration = Duration::from_secs(60 * 60);

fn log_in(house: &House, email: &str, password: &str, more: &Value) -> Answer {
    let mut asked = json!({"email": email, "password": password});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.visitor().post("/api/login", &asked)
}

fn settings(browser: &Browser) -> Answer {
    browser.send(Request::new("GET", "/api/businesses/default/settings"))
}

#[test]
fn a_session_ends_72_hours_after_its_last_use_in_every_dialect() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, ANN);
    let invites = format!("/api/v2/organizations/{organization}/invites");
    house.advance(72 * HOUR - Duration::from_secs(1));
    ann.client.get(&invites).given(200);
    house.advance(72 * HOUR - Duration::from_secs(1));
    settings(&ann.browser).platform(200);
    house.advance(72 * HOUR);
    ann.client.envelope("employees/index", &json!({})).slug(401, "session-expired");
    ann.client.get(&invites).problem(401, "session-expired", &json!({"header": "Authorization"}));
    settings(&ann.browser).code(401, "unauthorized");
    assert_eq!(ann.client.get("/api/ledger/organizations").status, 401);
}

#[test]
fn a_session_ends_seven_days_after_its_log_in_however_it_is_used_or_renewed() {
    let house = House::start();
    let mut ann = house.user(ANN).browser;
    for _ in 0..6 {
        house.advance(24 * HOUR);
        settings(&ann).platform(200);
    }
    let renewed = ann.write("POST", "/api/login/renewToken", &json!({}));
    let body = renewed.platform(200);
    assert_eq!(body["expires_at"], "2025-06-22T15:06:40Z", "never past seven days from the log-in");
    let old = ann.clone();
    ann = Browser::of(house.address, "default", &renewed);
    assert!(ann.session() != old.session() && ann.csrf() != old.csrf());
    settings(&old).code(401, "unauthorized");
    settings(&ann).platform(200);
    house.advance(24 * HOUR);
    settings(&ann).code(401, "unauthorized");
}

#[test]
fn remember_me_has_no_end() {
    let house = House::start();
    house.user(ANN);
    let answer = log_in(&house, ANN, PASSWORD, &json!({"remember_me": true}));
    assert_eq!(answer.platform(200)["expires_at"], Value::Null);
    let browser = Browser::of(house.address, "default", &answer);
    house.advance(1_000 * HOUR);
    settings(&browser).platform(200);
}

#[test]
fn accepting_gives_a_browser_a_new_session_and_its_old_one_ends() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, ANN);
    let bob = house.user("bob@guests.example");
    ann.client.invite_document(organization, &bob.email, "member").given(201);
    let (link, secret) = house.letter_to(&bob.email).link();
    let accepted = bob.browser.write("POST", &format!("{link}/accept"), &json!({"code": secret})).expect(200);
    let new = Browser::of(house.address, "default", &accepted);
    assert_ne!(new.session(), bob.browser.session());
    settings(&bob.browser).code(401, "unauthorized");
    settings(&new).platform(200);
}

#[test]
fn a_browser_gets_a_new_session_when_its_rights_change_and_its_old_one_ends() {
    let house = House::start();
    let ann = house.user(ANN);
    let change = |asked: Value| house.deployment().patch(&format!("/api/ledger/users/{}", ann.id), &asked).expect(200);
    let off = json!({"InviteUnregisteredUsers": "com.soa.feature.disabled"});
    let settings_of = |browser: &Browser| browser.write("PUT", "/api/businesses/default/usersettings", &off);
    let name = json!({"name": "Ann Example"});
    change(name);
    assert!(settings(&ann.browser).headers("set-cookie").is_empty(), "a name is no right");
    // A refusal carries the cookies, too.
    change(json!({"liaison": true}));
    let refused = settings_of(&ann.browser);
    assert_eq!(refused.status, 403);
    let second = Browser::of(house.address, "default", &refused);
    assert!(second.session() != ann.browser.session() && second.csrf() != ann.browser.csrf());
    settings(&ann.browser).code(401, "unauthorized");
    // What was asked for is done under the rights of now.
    change(json!({"administrator": true}));
    let done = settings_of(&second).expect(200);
    let third = Browser::of(house.address, "default", &done);
    settings(&second).code(401, "unauthorized");
    assert!(settings(&third).headers("set-cookie").is_empty(), "once");
    // Whoever renews or logs out gets the cookies of that alone.
    change(json!({"administrator": false}));
    let renewed = third.write("POST", "/api/login/renewToken", &json!({})).expect(200);
    assert_eq!(renewed.headers("set-cookie").len(), 2);
    let fourth = Browser::of(house.address, "default", &renewed);
    change(json!({"liaison": false}));
    let out = fourth.write("POST", "/api/logout", &json!({})).expect(200);
    assert!(
        out.headers("set-cookie").iter().all(|cookie| cookie.contains("Max-Age=0")),
        "{:?}",
        out.headers("set-cookie")
    );
    settings(&fourth).code(401, "unauthorized");
}

#[test]
fn of_requests_at_once_after_a_change_of_rights_one_gets_the_new_session() {
    let house = House::start();
    let ann = house.user(ANN);
    house.deployment().patch(&format!("/api/ledger/users/{}", ann.id), &json!({"liaison": true})).expect(200);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| settings(&ann.browser))).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let given: Vec<&Answer> = answers.iter().filter(|answer| !answer.headers("set-cookie").is_empty()).collect();
    assert_eq!(given.len(), 1, "one new session");
    settings(&Browser::of(house.address, "default", given[0])).platform(200);
    for late in answers.iter().filter(|answer| answer.status != 200) {
        late.code(401, "unauthorized");
    }
}

#[test]
fn a_bearer_session_reads_its_rights_at_each_request() {
    let house = House::start();
    let ann = house.user(ANN);
    let index = || ann.client.envelope("employees/index", &json!({}));
    index().slug(401, "client-required");
    let change = |asked: Value| house.deployment().patch(&format!("/api/ledger/users/{}", ann.id), &asked).expect(200);
    change(json!({"liaison": true}));
    index().listed();
    change(json!({"liaison": false}));
    index().slug(401, "client-required");
}

#[test]
fn an_unknown_user_and_a_wrong_password_are_answered_the_same() {
    let house = House::start();
    house.user(ANN);
    let wrong = log_in(&house, ANN, "not the password", &json!({}));
    let unknown = log_in(&house, "nobody@acme.example", "not the password", &json!({}));
    let foreign = log_in(&house, ANN, PASSWORD, &json!({"tenant": "elsewhere"}));
    assert_eq!(wrong.code(401, "log-in-refused"), json!([]));
    assert_eq!((&wrong.body, &wrong.body), (&unknown.body, &foreign.body));
    assert_eq!(wrong.headers("set-cookie"), Vec::<&str>::new());
}

#[test]
fn ten_failed_log_ins_of_an_account_shut_it_for_fifteen_minutes_over_a_restart_too() {
    let mut house = House::start();
    house.user(ANN);
    house.user("bob@guests.example");
    for n in 0..10 {
        assert_eq!(log_in(&house, ANN, "not the password", &json!({})).status, 401, "{n}");
    }
    house.advance(Duration::from_secs(60));
    let shut = log_in(&house, "ANN@acme.example", PASSWORD, &json!({}));
    shut.code(429, "too-many-requests");
    assert_eq!(shut.retry_after(), 14 * 60);
    let asked = json!({"email": ANN, "password": PASSWORD});
    let shut = house.visitor().sensitive("users/login", &asked);
    shut.slug(429, "too-many-requests");
    assert_eq!(shut.retry_after(), 14 * 60);
    log_in(&house, "bob@guests.example", PASSWORD, &json!({})).platform(200);
    house.restart();
    log_in(&house, ANN, PASSWORD, &json!({})).code(429, "too-many-requests");
    house.advance(Duration::from_secs(14 * 60));
    log_in(&house, ANN, PASSWORD, &json!({})).platform(200);
}

#[test]
fn fifty_failed_log_ins_of_a_peer_shut_it() {
    let house = House::start();
    house.user(ANN);
    for n in 0..50 {
        assert_eq!(log_in(&house, &format!("nobody-{n}@acme.example"), "not the password", &json!({})).status, 401);
    }
    let shut = log_in(&house, ANN, PASSWORD, &json!({}));
    shut.code(429, "too-many-requests");
    assert_eq!(shut.retry_after(), 15 * 60);
}

#[test]
fn a_password_has_at_least_twelve_characters() {
    let house = House::start();
    let create = |password: &str| {
        let asked = json!({"email": ANN, "name": "Ann", "password": password});
        house.deployment().post("/api/ledger/users", &asked)
    };
    assert_eq!(create("elevenchars").status, 400);
    create("twelve chars").expect(201);
    log_in(&house, ANN, "twelve chars", &json!({})).platform(200);
}

#[test]
fn tokens_have_a_readable_prefix_and_are_shown_once() {
    let house = House::start();
    let made = house.deployment().post("/api/ledger/applications", &json!({"name": "Nightly", "scopes": ["audit"]}));
    let made = made.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("il_app_"));
    assert!(house.deployment().token().starts_with("il_dep_"));
    assert!(house.user(ANN).client.token().starts_with("il_ses_"));
    for target in [
        format!("/api/ledger/applications/{}", made["application"]["id"].as_str().unwrap()),
        "/api/ledger/applications".to_owned(),
    ] {
        assert!(!house.deployment().get(&target).expect(200).text().contains(token), "{target}");
    }
}

#[test]
fn a_user_belongs_to_one_tenant_and_nothing_of_another_is_there_for_them() {
    let house = House::start();
    let deployment = house.deployment();
    deployment.post("/api/ledger/tenants", &json!({"name": "beta"})).expect(201);
    let asked = json!({"email": ANN, "password": PASSWORD, "administrator": true, "liaison": true});
    deployment.post("/api/ledger/users?tenant=beta", &asked).expect(201);
    log_in(&house, ANN, PASSWORD, &json!({})).code(401, "log-in-refused");
    let answer = log_in(&house, ANN, PASSWORD, &json!({"tenant": "beta"}));
    assert_eq!(answer.platform(200)["tenant"], "beta");
    let ann = Client::new(house.address, Some(Browser::of(house.address, "beta", &answer).session()));

    let organization = house.organization("Acme Roofing");
    let admin: User = house.admin_of(organization, "ada@acme.example");
    let integration = house.integration("Acme Calendar");
    let employee = deployment.envelope("employees/create", &json!({"email": "eve@acme.example"})).done();
    let invites = format!("/api/v2/organizations/{organization}/invites");
    let foreign = ann.get(&invites);
    foreign.problem(404, "not-found", &Value::Null);
    let unknown = ann.get("/api/v2/organizations/00000000-0000-0000-0000-000000000000/invites");
    assert_eq!(foreign.body, unknown.body, "foreign and unknown answer the same");
    admin.client.get(&invites).given(200);
    ann.get("/api/businesses/default/settings").code(404, "not-found");
    ann.envelope("employees/read", &json!({"id": employee["id"]})).fault("id", "does not exist");
    let asked = json!({"id": integration, "email": "bob@guests.example"});
    ann.envelope("integrations/invitation_email", &asked).fault("id", "does not exist");
    assert_eq!(ann.envelope("employees/index", &json!({})).listed()["meta"]["page"]["total_count"], json!(0));
    ann.envelope("employees/index", &json!({"tenant": "default"})).fault("tenant", "does not exist");
    let named = deployment.envelope("employees/index", &json!({"tenant": "beta"})).listed();
    assert_eq!(named["data"], json!([]), "the deployment may name any tenant");
}
