//! What holds in every dialect: addresses, texts, headers, sending limits.

use crate::support::said::members;
use crate::support::wire::{Answer, Request};
use crate::support::{Client, House};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const BOB: &str = "bob@guests.example";
const MINUTE: Duration = Duration::from_secs(60);

/// One way to have an address invited, and what it answers when that is refused for the address.
struct Doors {
    house: House,
    organization: Uuid,
    integration: u64,
    client: Client,
}

impl Doors {
    fn open(settings: &[(&str, &str)]) -> Self {
        let house = House::with(settings);
        let organization = house.organization("Acme Roofing");
        let integration = house.integration("Acme Calendar");
        let client = house.application(&["invites", "integrations", "employees"]);
        Self { house, organization, integration, client }
    }

    fn jsonapi(&self, email: &str) -> Answer {
        self.client.invite_document(self.organization, email, "member")
    }

    fn envelope(&self, email: &str) -> Answer {
        self.client.envelope("integrations/invitation_email", &json!({"id": self.integration, "email": email}))
    }

    fn platform(&self, email: &str) -> Answer {
        self.client.post("/api/users/invitations", &json!({"EmailAddresses": [email]}))
    }

    fn operator(&self, email: &str) -> Answer {
        self.client.post("/api/ledger/invitations", &json!({"kind": "platform", "email": email}))
    }

    fn all(&self, email: &str) -> [u16; 4] {
        [self.jsonapi(email), self.envelope(email), self.platform(email), self.operator(email)]
            .map(|answer| answer.status)
    }
}

#[test]
fn what_is_no_address_is_none_in_any_dialect() {
    let doors = Doors::open(&[]);
    let head = doors.house.head();
    let long_local = format!("{}@guests.example", "a".repeat(65));
    let long = format!("a@{}.example", [0; 4].map(|_| "b".repeat(63)).join("."));
    for email in [
        "",
        "bob",
        "bob@",
        "@guests.example",
        "a..b@guests.example",
        "\"bob\"@guests.example",
        "bob@[127.0.0.1]",
        "bob@127.0.0.1",
        "bob@localhost",
        "bob@guests.example\r\nBcc: eve@guests.example",
        "bo b@guests.example",
        "b\u{202e}ob@guests.example",
        "bob\u{0}@guests.example",
        &long_local,
        &long,
    ] {
        assert_eq!(doors.all(email), [422, 400, 400, 400], "{email:?}");
    }
    assert_eq!(doors.house.head(), head);
}

#[test]
fn two_spellings_of_an_address_are_one_and_mail_goes_to_the_address_as_given() {
    let doors = Doors::open(&[]);
    doors.jsonapi("Jörg.Maier@Büro.example").given(201);
    let at = json!({"pointer": "/data/attributes/recipient_email"});
    let decomposed = "jo\u{308}rg.maier@bu\u{308}ro.example";
    for same in ["jörg.maier@büro.example", "JöRG.maier@xn--bro-hoa.example", decomposed] {
        doors.jsonapi(same).problem(409, "already-invited", &at);
    }
    doors.jsonapi("jÖrg.maier@büro.example").given(201);
    // The name as given; the domain in the form that every mail server takes.
    doors.jsonapi("Bob.Baker@Büro.example").given(201);
    assert_eq!(doors.house.letters_to("Bob.Baker@xn--bro-hoa.example").len(), 1);
}

#[test]
fn an_address_of_64_bytes_before_the_at_and_254_in_all_is_taken() {
    let doors = Doors::open(&[]);
    let local = "a".repeat(64);
    let domain = format!("{}.{}.{}.example", "b".repeat(63), "c".repeat(63), "d".repeat(53));
    let email = format!("{local}@{domain}");
    assert_eq!(email.len(), 254);
    doors.jsonapi(&email).given(201);
    assert_eq!(doors.jsonapi(&format!("{local}@d{domain}")).status, 422);
}

#[test]
fn texts_are_bounded_one_by_one_and_personal_ones_together() {
    let doors = Doors::open(&[]);
    let create = |more: Value| {
        let mut asked = json!({"email": "eve@acme.example"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        doors.client.envelope("employees/create", &asked)
    };
    create(json!({"phone": "x".repeat(201)})).fault("phone", "is longer than 200 characters");
    create(json!({"skills": vec!["x"; 101]})).fault("skills", "has more than 100 items");
    create(json!({"skills": ["x".repeat(101)]})).fault("skills[0]", "is longer than 100 characters");
    create(json!({"first_name": "a\u{202e}b"})).fault("first_name", "has control or direction characters");
    // 100 skills of 100 characters, but of four bytes each: 40,000 bytes.
    let whole = create(json!({"skills": vec!["𐍈".repeat(100); 100]})).faults("invalid-param");
    assert_eq!(whole.len(), 1, "{whole:?}");
    assert!(whole[0].1.contains("32"), "{whole:?}");
    create(json!({"skills": vec!["x".repeat(100); 100], "phone": "é".repeat(200)})).done();
}

#[test]
fn unknown_members_and_a_key_twice_are_refused_in_every_dialect() {
    let doors = Doors::open(&[]);
    let send = |method: &str, target: &str, media: &str, body: &str| {
        doors.client.send(Request::new(method, target).body(media, body)).status
    };
    let invites = format!("/api/v2/organizations/{}/invites", doors.organization);
    let json_api = "application/vnd.api+json";
    for twice in [
        r#"{"data":{"type":"organization_invites","attributes":{"recipient_email":"a@x.example","recipient_email":"b@x.example"}}}"#,
        r#"{"data":{"type":"organization_invites","attributes":{"recipient_email":"a@x.example"}},"included":[]}"#,
    ] {
        assert_eq!(send("POST", &invites, json_api, twice), 400, "{twice}");
    }
    for (target, bodies) in [
        ("/api/v1/integrations/create", [r#"{"name":"a","name":"b"}"#, r#"{"name":"a","shoes":1}"#]),
        (
            "/api/users/invitations",
            [
                r#"{"EmailAddresses":["a@x.example"],"EmailAddresses":[]}"#,
                r#"{"EmailAddresses":["a@x.example"],"x":1}"#,
            ],
        ),
        (
            "/api/ledger/invitations",
            [
                r#"{"kind":"platform","kind":"platform","email":"a@x.example"}"#,
                r#"{"kind":"platform","email":"a@x.example","x":1}"#,
            ],
        ),
    ] {
        for body in bodies {
            assert_eq!(send("POST", target, "application/json", body), 400, "{target} {body}");
        }
    }
}

#[test]
fn a_callers_request_id_is_kept_if_it_is_a_uuid() {
    let doors = Doors::open(&[]);
    let targets = [
        format!("/api/v2/organizations/{}/invites", doors.organization),
        "/api/v1/employees/index".to_owned(),
        "/api/businesses/default/settings".to_owned(),
        "/api/ledger/invitations".to_owned(),
    ];
    let own = "8646b67b-9a28-4de7-bd0e-27adacc99e45";
    for target in targets {
        let ask = |id: &str| doors.client.send(Request::new("GET", &target).header("X-Request-Id", id));
        assert_eq!(ask(own).header("x-request-id"), Some(own), "{target}");
        let drawn = ask("mine").header("x-request-id").map(str::to_owned).unwrap();
        assert!(Uuid::try_parse(&drawn).is_ok(), "{drawn}");
        assert_ne!(ask("mine").header("x-request-id"), Some(drawn.as_str()));
    }
}

#[test]
fn head_is_get_without_its_body() {
    let doors = Doors::open(&[]);
    for target in
        [format!("/api/v2/organizations/{}/invites", doors.organization), "/api/ledger/invitations".to_owned()]
    {
        let (get, head) = (doors.client.get(&target), doors.client.send(Request::new("HEAD", &target)));
        assert_eq!((head.status, head.body.as_slice()), (200, &b""[..]), "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn ten_mails_in_ten_minutes_to_one_address_through_whatever_door_and_over_a_restart() {
    let mut doors = Doors::open(&[]);
    for n in 0..8 {
        let floors = doors.house.organization(&format!("Acme {n}"));
        doors.client.invite_document(floors, "Bob@Guests.example", "member").given(201);
    }
    doors.envelope(BOB).done();
    doors.house.advance(MINUTE);
    doors.platform(BOB).platform(200);
    doors.house.deliver();
    let limited = doors.jsonapi(BOB);
    limited.problem(429, "too-many-requests", &Value::Null);
    assert_eq!(limited.retry_after(), 9 * 60);
    doors.jsonapi("carol@guests.example").given(201);
    doors.house.restart();
    doors.client = Client::new(doors.house.address, Some(doors.client.token()));
    assert_eq!(doors.jsonapi(BOB).status, 429, "counted across restarts");
    doors.house.advance(9 * MINUTE);
    doors.jsonapi(BOB).given(201);
}

#[test]
fn a_users_invitations_in_an_hour_are_counted_over_all_sessions_and_given_back_when_refused() {
    let house = House::with(&[("limits.invitations_per_user", "3")]);
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann@acme.example");
    let again = crate::support::User::log_in(house.address, ann.id, &ann.email, crate::support::PASSWORD);
    ann.client.invite_document(organization, "g0@guests.example", "member").given(201);
    for _ in 0..5 {
        assert_eq!(
            ann.client.invite_document(organization, "g0@guests.example", "member").status,
            409,
            "costs nothing"
        );
    }
    again.client.invite_document(organization, "g1@guests.example", "member").given(201);
    again.client.post("/api/users/invitations", &json!({"EmailAddresses": ["g2@guests.example"]})).platform(200);
    for user in [&ann, &again] {
        let limited = user.client.invite_document(organization, "g3@guests.example", "member");
        limited.problem(429, "too-many-requests", &Value::Null);
        assert_eq!(limited.retry_after(), 3600);
    }
    house.advance(60 * MINUTE);
    ann.client.invite_document(organization, "g3@guests.example", "member").given(201);
}

#[test]
fn a_tenants_users_share_a_limit_and_applications_have_none() {
    let house = House::with(&[("limits.invitations_per_tenant", "2")]);
    let organization = house.organization("Acme Roofing");
    let (ann, ada) =
        (house.admin_of(organization, "ann@acme.example"), house.admin_of(organization, "ada@acme.example"));
    ann.client.invite_document(organization, "g0@guests.example", "member").given(201);
    ada.client.invite_document(organization, "g1@guests.example", "member").given(201);
    ann.client.invite_document(organization, "g2@guests.example", "member").problem(
        429,
        "too-many-requests",
        &Value::Null,
    );
    let application = house.application(&["invites"]);
    for n in 2..6 {
        application.invite_document(organization, &format!("g{n}@guests.example"), "member").given(201);
    }
}

#[test]
fn an_application_may_have_a_limit_of_its_own() {
    let house = House::with(&[("limits.invitations_per_application", "1")]);
    let organization = house.organization("Acme Roofing");
    let (first, second) = (house.application(&["invites"]), house.application(&["invites"]));
    first.invite_document(organization, "g0@guests.example", "member").given(201);
    first.invite_document(organization, "g1@guests.example", "member").problem(429, "too-many-requests", &Value::Null);
    second.invite_document(organization, "g1@guests.example", "member").given(201);
}

#[test]
fn an_invitation_lives_the_days_that_held_when_it_was_made_or_sent_again() {
    let doors = Doors::open(&[]);
    let days = |days: u32| {
        let asked = json!({"InvitedUserValidDays": days});
        doors.house.deployment().put("/api/businesses/default/usersettings", &asked).platform(200);
    };
    days(2);
    let first = doors.envelope(BOB).done();
    assert_eq!(first["expires_at"], "2025-06-17T15:06:40Z");
    days(30);
    let place = format!("/api/ledger/invitations/{}", first["id"].as_str().unwrap());
    let shown = doors.house.deployment().get(&place).expect(200).json();
    let shown = if shown.get("invitation").is_some() { shown["invitation"].clone() } else { shown };
    assert_eq!(shown["expires_at"], "2025-06-17T15:06:40Z", "fixed at creation: {:?}", members(&shown));
    doors.house.advance(MINUTE);
    assert_eq!(doors.envelope(BOB).done()["expires_at"], "2025-07-15T15:07:40Z");
}

#[test]
fn every_write_is_seen_by_every_read_that_starts_after_it() {
    let doors = Doors::open(&[("limits.mails_per_recipient", "1000")]);
    let list = format!("/api/v2/organizations/{}/invites?per_page=1", doors.organization);
    for n in 1..=30 {
        doors.jsonapi(&format!("g{n}@guests.example")).given(201);
        let seen = doors.client.get(&list).given(200)["meta"]["pagination"]["total_count"].clone();
        assert_eq!(seen, json!(n));
    }
}

#[test]
fn mails_sent_again_and_notices_to_account_holders_count_across_restarts_too() {
    let mut house = House::with(&[("limits.invitations_per_user", "3")]);
    let ann = house.user("ann@acme.example");
    house.user("known@acme.example");
    let invite = |house: &House, email: &str| {
        let asked = json!({"EmailAddresses": [email]});
        Client::new(house.address, Some(ann.client.token())).post("/api/users/invitations", &asked)
    };
    invite(&house, BOB).expect(200);
    house.advance(61 * MINUTE);
    // Bob's invitation was made before the hour that counts; that it is sent again is within it.
    for email in [BOB, "known@acme.example", "carol@guests.example"] {
        invite(&house, email).expect(200);
    }
    let limited = invite(&house, "dave@guests.example").expect(429);
    house.restart();
    let again = invite(&house, "dave@guests.example").expect(429);
    assert_eq!(again.header("retry-after"), limited.header("retry-after"));
    house.advance(60 * MINUTE);
    invite(&house, "dave@guests.example").expect(200);
}

/// Far enough apart to be read back in pages, and the mails' limit looks back less far.
#[test]
fn what_lies_a_thousand_events_back_counts_across_restarts_too() {
    let limits = [("limits.invitations_per_user", "1202"), ("limits.mails_per_recipient", "1"), ("mail", "none")];
    let mut house = House::with(&limits);
    let ann = house.user("ann@acme.example");
    let invite = |house: &House, emails: &[String]| {
        let asked = json!({"EmailAddresses": emails});
        Client::new(house.address, Some(ann.client.token())).post("/api/users/invitations", &asked)
    };
    let (bob, carol) = ([BOB.to_owned()], ["carol@guests.example".to_owned()]);
    invite(&house, &bob).expect(200);
    house.advance(12 * MINUTE);
    for hundred in 0..12 {
        let guests: Vec<String> = (0..100).map(|n| format!("g{hundred}-{n}@guests.example")).collect();
        invite(&house, &guests).expect(200);
        house.advance(MINUTE / 60);
    }
    invite(&house, &bob).expect(200);
    let limited = [&bob, &carol].map(|emails| invite(&house, emails).expect(429).retry_after());
    assert_eq!(limited, [48 * 60 - 12; 2], "an hour after Bob's first one");
    house.restart();
    assert_eq!([&bob, &carol].map(|emails| invite(&house, emails).expect(429).retry_after()), limited);
    house.restart_with(&[("limits.invitations_per_user", "1203")]);
    assert_eq!(invite(&house, &bob).expect(429).retry_after(), 10 * 60, "he was sent one again just now");
    invite(&house, &carol).expect(200);
}

#[test]
fn what_machines_ask_is_read_and_nothing_else() {
    let house = House::start();
    let unreadable = house.visitor().get("/%ff").expect(400);
    assert!(unreadable.text().contains("The address cannot be read."), "{}", unreadable.text());
    assert!(unreadable.header("content-security-policy").is_some(), "as every page");
    for page in ["/healthz", "/readyz", "/metrics"] {
        house.visitor().get(page).expect(200);
        let answer = house.visitor().send(Request::new("DELETE", page)).expect(405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{page}");
    }
}
