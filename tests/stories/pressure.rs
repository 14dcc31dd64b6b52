//! Too much at once, views that lag, log-ins that are timed: what a service
//! under pressure says, seen from its socket.

use crate::support::wire::{Answer, Request};
use crate::support::{Client, House};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Later than this something is wrong.
const SOON: Duration = Duration::from_secs(30);
const NOWHERE: &str = "/api/v2/organizations/00000000-0000-0000-0000-000000000001/invites";

/// Asks again until the answer is the awaited one.
fn until(what: &str, mut ask: impl FnMut() -> Answer, is: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if is(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < SOON, "{what}: {} {}", answer.status, answer.text());
    }
}

/// Held beyond what fits: a request that asks meanwhile may sit in the place of a
/// held one, which is then turned away and holds nothing any more.
const SPARE: usize = 64;

/// As many requests as one dialect answers at the same time, whose bodies do
/// not come: each of them keeps its place.
fn hold(address: SocketAddr, target: &str, media_type: &str) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: 9\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    (0..openapi::HttpSettings::default().requests_at_once + SPARE).map(begin).collect()
}

/// Looks at a refusal in its dialect's words.
type Form = fn(&Answer);

#[test]
fn one_request_more_than_fits_is_503_with_retry_after_in_every_dialects_words() {
    let house = House::with(&[("limits.connections_per_peer", "5000")]);
    let told: [(&str, &str, Form); 4] = [
        ("/api/v1/employees/read", "application/json", |answer| {
            answer.slug(503, "service-unavailable");
        }),
        ("/api/users/invitations", "application/json", |answer| {
            answer.code(503, "unavailable");
        }),
        (NOWHERE, "application/vnd.api+json", |answer| answer.problem(503, "unavailable", &Value::Null)),
        ("/api/ledger/users", "application/json", |answer| {
            assert_eq!(answer.api(503).json()["error"]["code"], "unavailable");
        }),
    ];
    for (target, media_type, form) in told {
        let ask = || house.send(&Request::new("POST", target).body(media_type, "{}"));
        let before = ask().status;
        let held = hold(house.address, target, media_type);
        let full = until(target, ask, |answer| answer.status == 503);
        form(&full);
        assert_eq!(full.retry_after(), 1, "{target}");
        house.visitor().get("/healthz").expect(200);
        drop(held);
        until(target, ask, |answer| answer.status == before);
    }
}

#[test]
fn a_read_that_cannot_be_brought_up_to_date_is_503_after_two_seconds_and_writes_go_on() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites", "employees", "users"]);
    let views = house.database("views.db");
    views.execute_batch("BEGIN IMMEDIATE").unwrap();
    application.envelope("employees/create", &json!({"email": "eve@acme.example"})).done();
    application.invite_document(organization, "bob@guests.example", "member").given(201);
    let invites = format!("/api/v2/organizations/{organization}/invites");
    let envelope = |client: &Client| client.envelope("employees/index", &json!({}));
    let jsonapi = |client: &Client| client.get(&invites);
    let operator = |client: &Client| client.get("/api/ledger/users");
    let timed = |ask: &dyn Fn(&Client) -> Answer| {
        let begun = Instant::now();
        let answer = ask(&application);
        assert!((1_900..10_000).contains(&begun.elapsed().as_millis()), "took {:?}", begun.elapsed());
        assert_eq!(answer.retry_after(), 1);
        answer
    };
    timed(&envelope).slug(503, "service-unavailable");
    timed(&jsonapi).problem(503, "unavailable", &Value::Null);
    assert_eq!(timed(&operator).api(503).json()["error"]["code"], "unavailable");

    views.execute_batch("ROLLBACK").unwrap();
    let there = until("views", || envelope(&application), |answer| answer.status == 200);
    assert_eq!(there.listed()["data"][0]["email"], "eve@acme.example");
    assert_eq!(jsonapi(&application).given(200)["data"].as_array().unwrap().len(), 1);
}

/// Whoever times log-ins learns nothing about who has an account.
#[test]
fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let house = House::start();
    house.user("ann@acme.example");
    let platform = |email: &str| {
        let asked = json!({"email": email, "password": "not the right one"});
        house.visitor().post("/api/login", &asked).code(401, "log-in-refused")
    };
    let envelope = |email: &str| {
        let asked = json!({"email": email, "password": "not the right one"});
        let told = house.visitor().sensitive("users/login", &asked).faults("invalid-param");
        json!(told)
    };
    let dialects: [&dyn Fn(&str) -> Value; 2] = [&platform, &envelope];
    for log_in in dialects {
        // The fastest of several, so that a busy machine does not decide.
        let mut fastest = [f64::MAX; 2];
        for round in 0..4 {
            let unknown = format!("nobody{round}@acme.example");
            let told = ["ann@acme.example", &unknown].map(|email| {
                let begun = Instant::now();
                (log_in(email), begun.elapsed().as_secs_f64())
            });
            assert_eq!(told[0].0, told[1].0, "the same words");
            fastest = [fastest[0].min(told[0].1), fastest[1].min(told[1].1)];
        }
        let ratio = fastest[1] / fastest[0];
        assert!((0.5..2.0).contains(&ratio), "an unknown one takes {ratio} times as long");
    }
}
