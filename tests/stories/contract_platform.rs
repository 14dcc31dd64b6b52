//! The platform dialect: log-in, CSRF, media types, settings.

use crate::support::said::{PLATFORM, members};
use crate::support::wire::{Answer, Connection, Request};
use crate::support::{Browser, House, PASSWORD, User};
use serde_json::{Value, json};

const ANN: &str = "ann@acme.example";
const BOB: &str = "bob@guests.example";
const INVITE: &str = "/api/users/invitations";
const SETTINGS: &str = "/api/businesses/default/settings";
const ON: &str = "com.soa.feature.enabled";
const OFF: &str = "com.soa.feature.disabled";

fn invitation() -> Request {
    Request::new("POST", INVITE).json(&json!({"EmailAddresses": [BOB]}))
}

fn change(house: &House, part: &str, asked: &Value) -> Answer {
    house.deployment().put(&format!("/api/businesses/default/{part}"), asked)
}

#[test]
fn login_answers_who_it_is_and_sets_two_cookies() {
    let house = House::start();
    let ann = house.user(ANN);
    let answer = house.visitor().post("/api/login", &json!({"email": ANN, "password": PASSWORD, "remember_me": false}));
    let body = json!({"userId": ann.id, "tenant": "default", "expires_at": "2025-06-22T15:06:40Z"});
    assert_eq!(answer.platform(200), body);
    let browser = Browser::of(house.address, "default", &answer);
    let cookies = answer.headers("set-cookie");
    assert_eq!(
        cookies,
        [
            format!("AtmoAuthToken_default={}; Path=/; SameSite=Lax; HttpOnly", browser.session()),
            format!("Csrf-Token_default={}; Path=/; SameSite=Lax", browser.csrf()),
        ]
    );
}

#[test]
fn cookies_are_secure_where_the_public_url_is_https() {
    let house = House::with(&[("public_url", "https://ledger.example")]);
    house.deployment().post("/api/ledger/users", &json!({"email": ANN, "password": PASSWORD})).expect(201);
    let answer = house.visitor().post("/api/login", &json!({"email": ANN, "password": PASSWORD}));
    answer.platform(200);
    for cookie in answer.headers("set-cookie") {
        assert!(cookie.ends_with("; Secure"), "{cookie}");
    }
}

#[test]
fn login_names_every_parameter_at_fault() {
    let house = House::start();
    let answer =
        house.visitor().post("/api/login", &json!({"email": "", "remember_me": 1, "tenant": "A B", "admin": true}));
    let wanted = json!([
        {"param": "email", "reason": "is blank"},
        {"param": "password", "reason": "is missing"},
        {"param": "remember_me", "reason": "must be true or false"},
        {"param": "tenant", "reason": "is no tenant's name"},
        {"param": "admin", "reason": "is not known"},
    ]);
    assert_eq!(answer.code(400, "invalid-parameters"), wanted);
    for body in ["", "{", "[]", "{\"email\":\"a@x.com\",\"email\":\"b@x.com\"}"] {
        house
            .visitor()
            .send(Request::new("POST", "/api/login").body("application/json", body))
            .code(400, "malformed-json");
    }
}

#[test]
fn logout_ends_the_session_and_clears_both_cookies() {
    let house = House::start();
    let ann = house.user(ANN).browser;
    ann.send(Request::new("POST", "/api/logout")).code(401, "csrf-token-missing");
    let answer = ann.write("POST", "/api/logout", &json!({}));
    assert_eq!(answer.platform(200), json!({}));
    let cookies = answer.headers("set-cookie");
    assert_eq!(
        cookies,
        [
            "AtmoAuthToken_default=; Path=/; SameSite=Lax; HttpOnly; Max-Age=0",
            "Csrf-Token_default=; Path=/; SameSite=Lax; Max-Age=0",
        ]
    );
    ann.send(Request::new("GET", SETTINGS)).code(401, "unauthorized");
    ann.write("POST", "/api/logout", &json!({})).code(401, "unauthorized");
}

#[test]
fn writes_by_cookie_need_the_sessions_csrf_token_while_it_is_asked_for() {
    let house = House::start();
    let ann = house.user(ANN).browser;
    let with = |token: &str| ann.send(invitation().header("X-Csrf-Token_default", token));
    ann.send(invitation()).code(401, "csrf-token-missing");
    with("wrong").code(401, "csrf-token-invalid");
    with("").code(401, "csrf-token-invalid");
    let renewed = ann.write("POST", "/api/login/renewToken", &json!({}));
    let now = Browser::of(house.address, "default", &renewed);
    now.send(invitation().header("X-Csrf-Token_default", ann.csrf())).code(401, "csrf-token-invalid");
    now.write("POST", INVITE, &json!({"EmailAddresses": [BOB]})).platform(200);

    change(&house, "securitysettings", &json!({"WriteRequestCSRFSupport": OFF})).platform(200);
    now.send(Request::new("POST", INVITE).json(&json!({"EmailAddresses": ["carol@guests.example"]}))).platform(200);
}

#[test]
fn reads_by_cookie_need_it_while_read_csrf_is_enabled() {
    let house = House::start();
    let ann = house.user(ANN).browser;
    let read = |token: Option<&str>| {
        let request = Request::new("GET", SETTINGS);
        ann.send(match token {
            Some(token) => request.header("X-Csrf-Token_default", token),
            None => request,
        })
    };
    read(None).platform(200);
    change(&house, "securitysettings", &json!({"ReadRequestCSRFSupport": ON})).platform(200);
    read(None).code(401, "csrf-token-missing");
    read(Some("stale")).code(401, "csrf-token-invalid");
    read(Some(ann.csrf())).platform(200);
}

#[test]
fn the_headers_suffix_picks_the_cookie_among_several_tenants() {
    let house = House::start();
    house.deployment().post("/api/ledger/tenants", &json!({"name": "beta"})).expect(201);
    house.deployment().post("/api/ledger/users?tenant=beta", &json!({"email": ANN, "password": PASSWORD})).expect(201);
    let mut both = house.user(ANN).browser;
    let asked = json!({"email": ANN, "password": PASSWORD, "tenant": "beta"});
    let beta = Browser::of(house.address, "beta", &house.visitor().post("/api/login", &asked));
    both.cookies.extend(beta.cookies.clone());
    both.send(Request::new("POST", "/api/login/renewToken")).code(401, "unauthorized");
    let answer = both.send(Request::new("POST", "/api/login/renewToken").header("X-Csrf-Token_beta", beta.csrf()));
    assert_eq!(answer.platform(200)["tenant"], "beta");
    let crossed = Request::new("POST", "/api/login/renewToken").header("X-Csrf-Token_default", beta.csrf());
    both.send(crossed).code(401, "csrf-token-invalid");
}

#[test]
fn a_foreign_origin_is_403_and_the_public_urls_and_the_loopback_host_are_own() {
    let house = House::start();
    let ann = house.user(ANN).browser;
    let from = |origin: &str| {
        let request = Request::new("POST", "/api/login/renewToken").header("Origin", origin);
        ann.send(request.header("X-Csrf-Token_default", "wrong"))
    };
    from("https://evil.example").code(403, "foreign-origin");
    from("null").code(403, "foreign-origin");
    from("http://ledger.example").code(401, "csrf-token-invalid");
    from(&format!("http://{}", house.address)).code(401, "csrf-token-invalid");
    let asked = Request::new("POST", "/api/login").json(&json!({"email": ANN, "password": PASSWORD}));
    house.send(&asked.clone().header("Origin", "https://evil.example")).code(403, "foreign-origin");
    house.send(&asked.header("Sec-Fetch-Site", "cross-site")).code(403, "foreign-origin");
}

#[test]
fn bearer_needs_no_csrf_and_cookies_count_in_this_dialect_only() {
    let house = House::start();
    let ann = house.user_with(ANN, &json!({"liaison": true, "administrator": true}));
    ann.client.send(invitation()).platform(200);
    ann.browser.write("POST", "/api/v1/employees/index", &json!({"page": {}})).faults("missing-param");
    ann.browser.send(Request::new("GET", "/api/ledger/organizations")).api(401);
    let invites = "/api/v2/organizations/00000000-0000-0000-0000-000000000000/invites";
    ann.browser.send(Request::new("GET", invites)).problem(401, "unauthorized", &json!({"header": "Authorization"}));
}

#[test]
fn the_answer_carries_exactly_the_chosen_media_type() {
    let house = House::start();
    let ann = house.user(ANN);
    let ask = |accept: Option<&str>| {
        let request = Request::new("GET", SETTINGS);
        ann.client.send(match accept {
            Some(accept) => request.header("Accept", accept),
            None => request,
        })
    };
    for media in PLATFORM {
        let answer = ask(Some(media));
        answer.platform(200);
        assert_eq!(answer.header("content-type"), Some(media));
    }
    let cases = [
        (None, "application/json"),
        (Some("*/*"), "application/json"),
        (Some("text/html, application/*;q=0.1"), "application/json"),
        (Some("application/json;q=0.2, application/vnd.soa.v80+json"), "application/vnd.soa.v80+json"),
        (Some("application/vnd.soa.v72+json;q=0.5;x=y, */*;q=0.1"), "application/vnd.soa.v72+json"),
    ];
    for (accept, media) in cases {
        let answer = ask(accept);
        answer.platform(200);
        assert_eq!(answer.header("content-type"), Some(media), "{accept:?}");
    }
    for accept in ["text/html", "application/vnd.soa.v90+json", "*/*;q=0"] {
        let answer = ask(Some(accept));
        assert_eq!(answer.code(406, "not-acceptable"), json!([]));
    }
}

#[test]
fn a_body_comes_under_one_of_the_five_types_or_it_is_415() {
    let house = House::start();
    let ann = house.user(ANN);
    let send = |media: &str, to: &str| {
        let body = json!({"EmailAddresses": [to]}).to_string();
        ann.client.send(Request::new("POST", INVITE).body(media, body).header("Accept", "application/vnd.soa.v81+json"))
    };
    for (n, media) in PLATFORM.iter().enumerate() {
        send(&format!("{media}; charset=UTF-8"), &format!("bob-{n}@guests.example")).platform(200);
    }
    for media in ["text/plain", "application/vnd.api+json", "application/json; charset=latin1"] {
        let answer = send(media, BOB);
        answer.code(415, "unsupported-media-type");
        assert_eq!(answer.header("content-type"), Some("application/vnd.soa.v81+json"), "refusals too");
    }
    let mut bare = Request::new("POST", INVITE);
    bare.body = Some(b"{}".to_vec());
    ann.client.send(bare).code(415, "unsupported-media-type");
}

#[test]
fn routing_answers_are_the_dialects_own() {
    let house = House::start();
    let cases = [
        ("PUT", INVITE, "POST"),
        ("GET", "/api/login", "POST"),
        ("GET", "/api/logout", "POST"),
        ("POST", SETTINGS, "GET, HEAD"),
        ("DELETE", "/api/businesses/default/usersettings", "GET, HEAD, PUT"),
    ];
    for (method, target, allow) in cases {
        let answer = house.visitor().send(Request::new(method, target));
        answer.code(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    }
    for target in [
        "/api/users",
        "/api/users/invitations/",
        "/api/businesses/default",
        "/api/login/x",
        "/api/businesses/%FF/settings",
    ] {
        house.visitor().get(target).code(404, "not-found");
    }
    let request = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX-Odd: \xff\r\n\r\n";
    Connection::open(house.address).unwrap().send_raw(request).unwrap().code(400, "malformed-header");
    let large = Request::new("POST", INVITE).body("application/json", vec![b' '; 64 * 1024 + 1]);
    house.deployment().send(large).code(413, "payload-too-large");
}

#[test]
fn settings_are_shown_by_their_flags_to_any_user_of_the_business() {
    let house = House::start();
    let ann: User = house.user(ANN);
    let security = json!({"ReadRequestCSRFSupport": OFF, "WriteRequestCSRFSupport": ON, "InviteUnregisteredUsers": ON});
    let user = json!({"InviteUnregisteredUsers": ON, "InvitedUserValidDays": 7});
    let read = |query: &str| ann.client.get(&format!("{SETTINGS}{query}")).platform(200);
    assert_eq!(read(""), json!({}));
    assert_eq!(read("?IncludeSecuritySettings=true"), json!({"SecuritySettings": security}));
    let both = json!({"SecuritySettings": security, "UserSettings": user});
    assert_eq!(read("?IncludeSecuritySettings=true&IncludeUserSettings=true"), both);
    let long = ann.client.get("/api/businesses/tenantbusiness.default/settings?IncludeUserSettings=true");
    assert_eq!(long.platform(200), json!({"UserSettings": user}));
    assert_eq!(ann.client.get("/api/businesses/default/usersettings").platform(200), user);
    assert_eq!(ann.client.get("/api/businesses/default/securitysettings").platform(200), security);
    let wrong = ann.client.get(&format!("{SETTINGS}?IncludeUserSettings=perhaps"));
    let told = json!([{"param": "IncludeUserSettings", "reason": "must be true or false, once"}]);
    assert_eq!(wrong.code(400, "invalid-parameters"), told);
    house.visitor().get(SETTINGS).code(401, "unauthorized");
    let foreign = ann.client.get("/api/businesses/beta/settings");
    foreign.code(404, "not-found");
    assert_eq!(foreign.body, ann.client.get("/api/businesses/No%20Name/settings").body);
}

#[test]
fn putting_a_part_answers_the_whole_is_an_event_and_holds_at_once() {
    let house = House::start();
    let ada = house.administrator("ada@acme.example");
    let ann = house.user(ANN);
    let head = house.head();
    let target = "/api/businesses/default/usersettings";
    let whole = ada.client.put(target, &json!({"InvitedUserValidDays": 3})).platform(200);
    assert_eq!(whole, json!({"InviteUnregisteredUsers": ON, "InvitedUserValidDays": 3}));
    assert_eq!(ann.client.get(target).platform(200), whole);
    let events: Vec<String> = house.log_after(head).iter().map(|event| event.name()).collect();
    assert_eq!(events, ["tenant.SettingsChanged"]);
    ada.client.put(target, &json!({"InvitedUserValidDays": 3})).platform(200);
    assert_eq!(house.head(), head + 1, "the same again is no event");
    ann.client.put(target, &json!({"InvitedUserValidDays": 5})).code(403, "forbidden");
    let wrong = ada.client.put(target, &json!({"InvitedUserValidDays": 366, "InviteUnregisteredUsers": true, "x": 1}));
    let details = wrong.code(400, "invalid-parameters");
    let params: Vec<&str> = details.as_array().unwrap().iter().map(|d| d["param"].as_str().unwrap()).collect();
    assert_eq!(params, ["InviteUnregisteredUsers", "InvitedUserValidDays", "x"]);
    assert_eq!(members(&details[0]), ["param", "reason"]);
    ada.client.put("/api/businesses/beta/usersettings", &json!({})).code(404, "not-found");
    let application = house.application(&["settings"]);
    application.put(target, &json!({"InvitedUserValidDays": 9})).platform(200);
    house.application(&["audit"]).put(target, &json!({})).code(403, "forbidden");
}
