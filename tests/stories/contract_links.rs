//! The routes of a mailed link, `/i/{link}…`, rule by rule.

use crate::support::events::names;
use crate::support::said::members;
use crate::support::wire::{Answer, Connection, Request};
use crate::support::{Browser, Client, House, PASSWORD, User};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const BOB: &str = "bob@guests.example";
const ACTIONS: [&str; 4] = ["view", "accept", "decline", "register"];

struct Mailed {
    house: House,
    organization: Uuid,
    ann: User,
    place: String,
    code: String,
    link: String,
    secret: String,
}

impl Mailed {
    /// Ann has invited Bob, and he has the mail.
    fn start() -> Self {
        let house = House::start();
        let organization = house.organization("Acme Roofing");
        let ann = house.admin_of(organization, "ann@acme.example");
        let made = ann.client.invite_document(organization, BOB, "member");
        let place = made.header("location").unwrap().to_owned();
        let code = made.given(201)["data"]["attributes"]["code"].as_str().unwrap().to_owned();
        let (link, secret) = house.letter_to(BOB).link();
        Self { house, organization, ann, place, code, link, secret }
    }

    fn ask(&self, client: &Client, action: &str, body: &Value) -> Answer {
        client.post(&format!("{}/{action}", self.link), body)
    }

    fn register(&self, code: &str) -> Answer {
        let asked = json!({"code": code, "name": "Bob", "password": PASSWORD});
        self.ask(&self.house.visitor(), "register", &asked)
    }

    /// What `action` wants, with this code.
    fn body(action: &str, code: &str) -> Value {
        match action {
            "register" => json!({"code": code, "name": "Bob", "password": PASSWORD}),
            _ => json!({"code": code}),
        }
    }
}

fn wrong() -> String {
    "0".repeat(64)
}

#[test]
fn get_is_the_same_static_page_for_every_id_and_changes_nothing() {
    let mailed = Mailed::start();
    let head = mailed.house.head();
    let page = mailed.house.visitor().get(&mailed.link).expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for other in ["/i/00000000-0000-0000-0000-000000000000", "/i/nonsense"] {
        let same = mailed.house.visitor().get(other).expect(200);
        assert_eq!(same.body, page.body, "{other}");
    }
    assert_eq!(mailed.house.head(), head);
    for (method, target, allow) in
        [("POST", mailed.link.clone(), "GET, HEAD"), ("GET", format!("{}/view", mailed.link), "POST")]
    {
        let answer = mailed.house.visitor().send(Request::new(method, &target)).expect(405);
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[test]
fn the_link_is_the_servers_own_and_the_secret_stands_behind_the_hash_alone() {
    let mailed = Mailed::start();
    let id = mailed.place.rsplit('/').next().unwrap();
    assert_ne!(mailed.link, format!("/i/{id}"));
    assert!(mailed.secret.len() == 64 && mailed.secret != mailed.code);
    let text = mailed.house.letter_to(BOB).text;
    assert!(text.contains(&format!("http://ledger.example{}#{}", mailed.link, mailed.secret)), "{text}");
    assert!(!text.contains(&mailed.code), "the code of the API is not in the mail");
}

#[test]
fn view_with_the_right_secret_alone_names_anybody() {
    let mailed = Mailed::start();
    let visitor = mailed.house.visitor();
    let seen = mailed.ask(&visitor, "view", &json!({"code": mailed.secret}));
    seen.api(200);
    assert_eq!(seen.header("referrer-policy"), Some("no-referrer"));
    let seen = seen.json();
    let fields = [
        "can_register",
        "email",
        "expires_at",
        "invited_by",
        "kind",
        "message",
        "role",
        "session",
        "state",
        "target",
        "tenant",
    ];
    assert_eq!(members(&seen), fields);
    assert_eq!((&seen["target"]["name"], &seen["invited_by"]), (&json!("Acme Roofing"), &json!({"name": "ann"})));
    assert_eq!((&seen["email"], &seen["can_register"], &seen["session"]), (&json!(BOB), &json!(true), &Value::Null));
    let by_code = mailed.ask(&visitor, "view", &json!({"code": mailed.code})).expect(200).json();
    assert_eq!(by_code["can_register"], json!(false), "only the mail's secret opens an account");
    let unknown = visitor.post("/i/00000000-0000-0000-0000-000000000000/view", &json!({"code": mailed.secret}));
    for refused in [mailed.ask(&visitor, "view", &json!({"code": wrong()})), unknown] {
        assert_eq!(refused.link_code(400, "wrong-code"), json!([]));
        for name in ["Acme", "ann", "bob"] {
            assert!(!refused.text().contains(name), "{}", refused.text());
        }
    }
}

#[test]
fn bodies_are_json_of_the_known_members() {
    let mailed = Mailed::start();
    let visitor = mailed.house.visitor();
    for action in ["view", "decline"] {
        let target = format!("{}/{action}", mailed.link);
        let form = Request::new("POST", &target).body("application/x-www-form-urlencoded", "code=x");
        visitor.send(form).link_code(415, "unsupported-media-type");
        let packed = Request::new("POST", &target).json(&json!({"code": mailed.secret}));
        visitor.send(packed.header("Content-Encoding", "gzip")).link_code(415, "unsupported-media-type");
        let send = |body: &str| visitor.send(Request::new("POST", &target).body("application/json", body));
        for body in ["", "{", "[]", "7"] {
            send(body).link_code(400, "malformed");
        }
        for (body, param, reason) in [
            ("{}", "code", "is missing"),
            ("{\"code\": 7}", "code", "must be a string"),
            ("{\"code\": \" \"}", "code", "is blank"),
            ("{\"code\": \"a\", \"code\": \"b\"}", "code", "is there twice"),
            ("{\"code\":\"a\",\"x\":1}", "x", "is not known"),
        ] {
            let faults = send(body).link_code(400, "invalid");
            assert_eq!(faults, json!([{"param": param, "reason": reason}]), "{body}");
        }
        let large = Request::new("POST", &target).body("application/json", vec![b' '; 64 * 1024 + 1]);
        visitor.send(large).link_code(413, "payload-too-large");
    }
}

#[test]
fn the_origin_is_checked() {
    let mailed = Mailed::start();
    for action in ACTIONS {
        let request =
            Request::new("POST", &format!("{}/{action}", mailed.link)).json(&Mailed::body(action, &mailed.secret));
        mailed.house.send(&request.clone().header("Origin", "https://evil.example")).link_code(403, "foreign-origin");
        mailed.house.send(&request.header("Sec-Fetch-Site", "cross-site")).link_code(403, "foreign-origin");
    }
    let own = Request::new("POST", &format!("{}/view", mailed.link)).json(&json!({"code": mailed.secret}));
    mailed.house.send(&own.header("Origin", "http://ledger.example")).expect(200);
}

#[test]
fn a_header_that_is_not_utf_8_is_400() {
    let mailed = Mailed::start();
    let body = json!({"code": mailed.secret}).to_string();
    let mut request = format!(
        "POST {}/view HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCookie: ",
        mailed.link,
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(b"\xff\r\n\r\n");
    request.extend_from_slice(body.as_bytes());
    let answer = Connection::open(mailed.house.address).unwrap().send_raw(&request).unwrap();
    assert!(matches!(answer.status, 200 | 400), "a cookie that cannot be read is no cookie: {}", answer.text());
}

#[test]
fn register_makes_the_account_accepts_and_sets_the_cookies() {
    let mailed = Mailed::start();
    let head = mailed.house.head();
    let answer = mailed.register(&mailed.secret);
    answer.api(200);
    let body = answer.json();
    assert_eq!(members(&body), ["kind", "state", "tenant", "userId"]);
    assert_eq!(
        (&body["kind"], &body["state"], &body["tenant"]),
        (&json!("organization"), &json!("accepted"), &json!("default"))
    );
    let cookies = answer.headers("set-cookie");
    assert!(cookies[0].starts_with("AtmoAuthToken_default=il_ses_") && cookies[0].contains("HttpOnly"), "{cookies:?}");
    assert!(cookies[1].starts_with("Csrf-Token_default="), "{cookies:?}");
    let mut events = names(&mailed.house.log_after(head));
    events.sort();
    assert_eq!(events, ["invitation.Accepted", "membership.Granted", "user.Created"]);
    let log_in = json!({"email": BOB, "password": PASSWORD});
    assert_eq!(mailed.house.visitor().post("/api/login", &log_in).platform(200)["userId"], body["userId"]);
    mailed.register(&mailed.secret).link_code(410, "invitation-accepted");
}

#[test]
fn register_refuses_the_code_of_the_api_with_403() {
    let mailed = Mailed::start();
    mailed.register(&mailed.code).link_code(403, "address-not-proven");
    mailed.register(&wrong()).link_code(400, "wrong-code");
    assert!(!names(&mailed.house.log()).contains(&"user.AddressVerified".to_owned()));
    mailed.register(&mailed.secret).api(200);
}

#[test]
fn register_is_409_where_the_address_has_an_account() {
    let mailed = Mailed::start();
    let bob = mailed.house.user(BOB);
    mailed.register(&mailed.secret).link_code(409, "account-exists");
    let seen = mailed.ask(&bob.client, "view", &json!({"code": mailed.secret})).expect(200).json();
    assert_eq!((&seen["can_register"], &seen["session"]["id"]), (&json!(false), &json!(bob.id)));
    mailed.ask(&bob.client, "accept", &json!({"code": mailed.secret})).api(200);
}

#[test]
fn register_names_a_blank_name_and_a_short_password() {
    let mailed = Mailed::start();
    let asked = json!({"code": mailed.secret, "name": " ", "password": "short"});
    let wanted = json!([
        {"param": "name", "reason": "is blank"},
        {"param": "password", "reason": "must have at least 12 characters"},
    ]);
    assert_eq!(mailed.ask(&mailed.house.visitor(), "register", &asked).link_code(400, "invalid"), wanted);
}

#[test]
fn accept_is_401_without_a_session_403_for_applications_and_200_for_a_user() {
    let mailed = Mailed::start();
    let asked = json!({"code": mailed.secret});
    mailed.ask(&mailed.house.visitor(), "accept", &asked).link_code(401, "unauthorized");
    mailed.ask(&Client::new(mailed.house.address, Some("il_ses_x")), "accept", &asked).link_code(401, "unauthorized");
    mailed.ask(&mailed.house.application(&["invites"]), "accept", &asked).link_code(403, "users-only");
    let bob = mailed.house.user(BOB);
    let answer = mailed.ask(&bob.client, "accept", &asked);
    answer.api(200);
    let body = answer.json();
    assert_eq!(
        body,
        json!({"state": "accepted", "kind": "organization", "target": mailed.organization, "tenant": "default"})
    );
    assert!(answer.headers("set-cookie").is_empty(), "a Bearer session goes on");
    mailed.ask(&bob.client, "accept", &asked).api(200);
    let carol = mailed.house.user("carol@guests.example");
    mailed.ask(&carol.client, "accept", &asked).link_code(410, "invitation-accepted");
}

#[test]
fn accepting_with_the_mails_secret_marks_the_address_verified() {
    let mailed = Mailed::start();
    let bob = mailed.house.user(BOB);
    let head = mailed.house.head();
    mailed.ask(&bob.client, "accept", &json!({"code": mailed.secret})).api(200);
    let mut events = names(&mailed.house.log_after(head));
    events.sort();
    assert_eq!(events, ["invitation.Accepted", "membership.Granted", "user.AddressVerified"]);
}

#[test]
fn accept_takes_the_code_too_and_it_verifies_nothing() {
    let mailed = Mailed::start();
    let bob = mailed.house.user(BOB);
    let head = mailed.house.head();
    mailed.ask(&bob.client, "accept", &json!({"code": mailed.code})).api(200);
    assert_eq!(names(&mailed.house.log_after(head)), ["invitation.Accepted", "membership.Granted"]);
}

#[test]
fn a_browsers_csrf_token_counts_here_when_it_is_shown() {
    let mailed = Mailed::start();
    let bob = mailed.house.user(BOB).browser;
    let accept = Request::new("POST", &format!("{}/accept", mailed.link)).json(&json!({"code": mailed.secret}));
    bob.send(accept.clone().header("X-Csrf-Token_default", "wrong")).link_code(401, "unauthorized");
    let answer = bob.send(accept);
    answer.api(200);
    assert_ne!(Browser::of(mailed.house.address, "default", &answer).session(), bob.session());
}

#[test]
fn decline_needs_no_session_and_keeps_a_reason_of_200_characters() {
    let mailed = Mailed::start();
    let visitor = mailed.house.visitor();
    let long = json!({"code": mailed.secret, "reason": "x".repeat(201)});
    let told = json!([{"param": "reason", "reason": "is longer than 200 characters"}]);
    assert_eq!(mailed.ask(&visitor, "decline", &long).link_code(400, "invalid"), told);
    mailed.ask(&visitor, "decline", &json!({"code": wrong()})).link_code(400, "wrong-code");
    let answer = mailed.ask(&visitor, "decline", &json!({"code": mailed.secret, "reason": null}));
    answer.api(200);
    assert_eq!(answer.json()["state"], "declined");
    for action in ["view", "decline", "register"] {
        mailed.ask(&visitor, action, &Mailed::body(action, &mailed.secret)).link_code(410, "invitation-declined");
    }
    mailed.ask(&visitor, "decline", &json!({"code": wrong()})).link_code(400, "wrong-code");
}

#[test]
fn a_wrong_secret_is_400_after_it_was_accepted_too() {
    let mailed = Mailed::start();
    let (bob, carol) = (mailed.house.user(BOB), mailed.house.user("carol@guests.example"));
    mailed.ask(&bob.client, "accept", &json!({"code": mailed.secret})).api(200);
    for who in [&bob, &carol] {
        mailed.ask(&who.client, "accept", &json!({"code": wrong()})).link_code(400, "wrong-code");
    }
}

#[test]
fn what_is_over_is_410_for_everything() {
    let cancelled = Mailed::start();
    cancelled.ann.client.delete(&cancelled.place).api(204);
    let expired = Mailed::start();
    expired.house.advance(Duration::from_secs(7 * 24 * 60 * 60));
    for (mailed, code) in [(&cancelled, "invitation-cancelled"), (&expired, "invitation-expired")] {
        let bob = mailed.house.user(BOB);
        for action in ["view", "accept", "decline"] {
            mailed.ask(&bob.client, action, &Mailed::body(action, &mailed.secret)).link_code(410, code);
        }
        // Who may not see anything does not learn what became of it.
        mailed.ask(&bob.client, "view", &json!({"code": wrong()})).link_code(400, "wrong-code");
    }
}

#[test]
fn register_is_410_for_what_is_over() {
    let cancelled = Mailed::start();
    cancelled.ann.client.delete(&cancelled.place).api(204);
    cancelled.register(&cancelled.secret).link_code(410, "invitation-cancelled");
    let expired = Mailed::start();
    expired.house.advance(Duration::from_secs(7 * 24 * 60 * 60));
    expired.register(&expired.secret).link_code(410, "invitation-expired");
    for mailed in [&cancelled, &expired] {
        assert!(!names(&mailed.house.log()).iter().any(|name| name == "invitation.AcceptRefused"));
    }
}

#[test]
fn five_wrong_tries_of_a_visitor_are_423_for_everything_until_it_is_sent_again() {
    let mailed = Mailed::start();
    let visitor = mailed.house.visitor();
    for _ in 0..5 {
        mailed.ask(&visitor, "decline", &json!({"code": wrong()})).link_code(400, "wrong-code");
    }
    for action in ["view", "decline", "register"] {
        mailed.ask(&visitor, action, &Mailed::body(action, &mailed.secret)).link_code(423, "locked");
    }
    mailed.house.advance(Duration::from_secs(60));
    let listed = mailed.house.deployment().get("/api/ledger/invitations").expect(200).json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    mailed.house.deployment().post(&format!("/api/ledger/invitations/{id}/resend"), &json!({})).expect(200);
    mailed.ask(&visitor, "view", &json!({"code": mailed.secret})).link_code(400, "link-replaced");
    let newest =
        mailed.house.letters_to(BOB).into_iter().map(|letter| letter.link()).find(|(_, s)| *s != mailed.secret);
    let (link, secret) = newest.unwrap();
    assert_eq!(link, mailed.link, "the link stays");
    mailed.ask(&visitor, "view", &json!({"code": secret})).api(200);
}

#[test]
fn twenty_wrong_looks_of_a_peer_are_429_for_ten_minutes() {
    let mailed = Mailed::start();
    let visitor = mailed.house.visitor();
    for n in 0..20 {
        let unknown = format!("/i/{}/view", Uuid::from_u128(n));
        visitor.post(&unknown, &json!({"code": wrong()})).link_code(400, "wrong-code");
    }
    let limited = mailed.ask(&visitor, "view", &json!({"code": mailed.secret}));
    limited.link_code(429, "too-many-requests");
    assert_eq!(limited.retry_after(), 600);
    mailed.house.advance(Duration::from_secs(600));
    mailed.ask(&visitor, "view", &json!({"code": mailed.secret})).api(200);
}

#[test]
fn accepting_a_platform_invitation_makes_a_user_and_no_membership() {
    let house = House::start();
    let ann = house.user("ann@acme.example");
    ann.client.post("/api/users/invitations", &json!({"EmailAddresses": [BOB], "Message": "Come in."})).platform(200);
    let (link, secret) = house.letter_to(BOB).link();
    let seen = house.visitor().post(&format!("{link}/view"), &json!({"code": secret})).expect(200).json();
    assert_eq!(
        (&seen["kind"], &seen["role"], &seen["message"]),
        (&json!("platform"), &Value::Null, &json!("Come in."))
    );
    let head = house.head();
    let asked = json!({"code": secret, "name": "Bob", "password": PASSWORD});
    assert_eq!(house.visitor().post(&format!("{link}/register"), &asked).expect(200).json()["kind"], "platform");
    let mut events = names(&house.log_after(head));
    events.sort();
    assert_eq!(events, ["invitation.Accepted", "user.Created"]);
}
