//! The envelope dialect's table of statuses, one row after the other.

use crate::support::client::base64;
use crate::support::post_office::Mood;
use crate::support::post_office::PostOffice;
use crate::support::said::{is_time, members};
use crate::support::wire::{Answer, Connection, Request};
use crate::support::{Client, House, PASSWORD};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BOB: &str = "bob@guests.example";
const HOUR: Duration = Duration::from_secs(60 * 60);

fn faults(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(param, reason)| ((*param).to_owned(), (*reason).to_owned())).collect()
}

/// A request to a route of the dialect, as it stands.
fn raw(house: &House, route: &str, media_type: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
    let mut request = Request::new("POST", &format!("/api/v1/{route}"));
    request.body = Some(body.into());
    house.send(&match media_type {
        Some(media_type) => request.header("Content-Type", media_type),
        None => request,
    })
}

fn log_in(house: &House, more: &Value) -> Answer {
    let mut asked = json!({"email": "ann@acme.example", "password": PASSWORD});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.visitor().sensitive("users/login", &asked)
}

#[track_caller]
fn session_of(house: &House, more: &Value) -> Client {
    let session = log_in(house, more).done()["session"].clone();
    assert_eq!(members(&session), ["created_at", "expires_at", "remember_me", "token"]);
    Client::new(house.address, Some(session["token"].as_str().unwrap()))
}

#[test]
fn action_successful_is_200_with_the_data_and_every_absent_value_null() {
    let house = House::start();
    let application = house.application(&["integrations"]);
    let data = application.envelope("integrations/create", &json!({"name": "Payroll"})).done();
    assert_eq!(members(&data), ["created_at", "description", "id", "name"]);
    assert_eq!((&data["name"], &data["description"]), (&json!("Payroll"), &Value::Null));
    assert!(data["id"].as_u64().is_some() && is_time(&data["created_at"]), "{data}");
}

#[test]
fn missing_param_is_400_and_names_all_of_them_the_token_too() {
    let house = House::start();
    let both = |body: Value| raw(&house, "integrations/invitation_email", Some("application/json"), body.to_string());
    let wanted = faults(&[("id", "is missing"), ("email", "is missing"), ("token", "is missing")]);
    assert_eq!(both(json!({"id": null, "token": null})).faults("missing-param"), wanted);
    let wanted = faults(&[("email", "is missing"), ("id", "does not exist")]);
    assert_eq!(both(json!({"token": house.deployment().token(), "id": 1})).faults("missing-param"), wanted);
    let wanted = faults(&[("id", "must be an integer"), ("email", "is missing"), ("token", "is missing")]);
    assert_eq!(both(json!({"id": "1"})).faults("missing-param"), wanted, "what is invalid is told beside it");
}

#[test]
fn invalid_param_is_400_for_types_unknown_fields_ids_addresses_dates_and_lengths() {
    let house = House::start();
    let deployment = house.deployment();
    let integration = house.integration("Acme Calendar");
    let invite = |asked: Value| deployment.envelope("integrations/invitation_email", &asked);
    invite(json!({"id": "7", "email": BOB})).fault("id", "must be an integer");
    invite(json!({"id": integration, "email": BOB, "cc": BOB})).fault("cc", "is not a parameter here");
    invite(json!({"id": 77, "email": BOB})).fault("id", "does not exist");
    invite(json!({"id": integration, "email": "bob"}))
        .fault("email", "needs exactly one @ between a name and a domain");
    let asked = json!({"email": "eve@acme.example", "date_hired": "2024-02-30"});
    deployment.envelope("employees/create", &asked).fault("date_hired", "must be a date, YYYY-MM-DD or RFC 3339");
    let asked = json!({"email": "eve@acme.example", "first_name": "x".repeat(201)});
    deployment.envelope("employees/create", &asked).fault("first_name", "is longer than 200 characters");
}

#[test]
fn invalid_token_is_401_for_one_that_is_unknown_or_revoked() {
    let house = House::start();
    let made =
        house.deployment().post("/api/ledger/applications", &json!({"name": "Nightly", "scopes": ["employees"]}));
    let made = made.expect(201).json();
    let application = Client::new(house.address, made["token"].as_str());
    application.envelope("employees/index", &json!({})).listed();
    house
        .deployment()
        .post(&format!("/api/ledger/applications/{}/revoke", made["application"]["id"].as_str().unwrap()), &json!({}));
    application.envelope("employees/index", &json!({})).slug(401, "invalid-token");
    for unknown in ["nonsense", "il_ses_x", &format!("il_app_{}", "A".repeat(43))] {
        let stranger = Client::new(house.address, Some(unknown));
        stranger.envelope("employees/index", &json!({})).slug(401, "invalid-token");
    }
}

#[test]
fn session_expired_is_401_after_72_hours_without_use_or_seven_days_in_all() {
    let house = House::start();
    house.user_with("ann@acme.example", &json!({"liaison": true}));
    let (idle, busy) = (session_of(&house, &json!({})), session_of(&house, &json!({"remember_me": false})));
    let remembered = log_in(&house, &json!({"remember_me": true})).done()["session"].clone();
    assert_eq!((&remembered["expires_at"], &remembered["remember_me"]), (&Value::Null, &json!(true)));
    let remembered = Client::new(house.address, remembered["token"].as_str());
    let reads = |client: &Client| client.envelope("employees/index", &json!({})).status;
    for day in 0..7 {
        assert_eq!(reads(&busy), 200, "day {day}");
        house.advance(24 * HOUR - Duration::from_secs(1));
        if day == 2 {
            house.advance(Duration::from_secs(3));
            idle.envelope("employees/index", &json!({})).slug(401, "session-expired");
        }
    }
    house.advance(Duration::from_secs(4));
    busy.envelope("employees/index", &json!({})).slug(401, "session-expired");
    house.advance(1_000 * HOUR);
    assert_eq!(reads(&remembered), 200, "it has no end");
}

#[test]
fn client_required_is_401_and_carries_a_session_that_registers_and_logs_out() {
    let house = House::start();
    house.user("ann@acme.example");
    let fresh = log_in(&house, &json!({})).slug(401, "client-required")["session"].clone();
    assert_eq!(members(&fresh), ["created_at", "expires_at", "remember_me", "token"]);
    assert!(is_time(&fresh["created_at"]) && is_time(&fresh["expires_at"]), "{fresh}");
    assert_eq!(fresh["remember_me"], json!(false));
    let client = Client::new(house.address, fresh["token"].as_str());
    let presented = client.envelope("employees/index", &json!({})).slug(401, "client-required")["session"].clone();
    assert_eq!(presented, fresh, "elsewhere it is the one that was presented");
    // Elsewhere it is good for what the user may do.
    client.post("/api/users/invitations", &json!({"EmailAddresses": [BOB]})).platform(200);

    let data = client.sensitive("users/client_register", &json!({"company_name": "Acme"})).done();
    assert_eq!(members(&data), ["client", "session"]);
    assert_eq!(members(&data["client"]), ["company_name", "created_at", "id"]);
    client.envelope("integrations/index", &json!({})).slug(401, "invalid-token");
    let renewed = Client::new(house.address, data["session"]["token"].as_str());
    renewed.envelope("integrations/index", &json!({})).listed();

    let other = house.user("carl@acme.example");
    other.client.envelope("integrations/index", &json!({})).slug(401, "client-required");
    assert_eq!(other.client.envelope("users/logout", &json!({})).done(), Value::Null);
    other.client.envelope("users/logout", &json!({})).slug(401, "invalid-token");
}

#[test]
fn permission_denied_is_403_for_a_valid_principal_that_may_not() {
    let house = House::start();
    let reader = house.application(&["audit"]);
    let liaison = house.user_with("lia@acme.example", &json!({"liaison": true}));
    let head = house.head();
    reader.envelope("employees/index", &json!({})).slug(403, "permission-denied");
    reader.envelope("employees/create", &json!({"email": BOB})).slug(403, "permission-denied");
    reader.envelope("integrations/invitation_email", &json!({"id": 1, "email": BOB})).slug(403, "permission-denied");
    reader.envelope("notifications/index", &json!({})).slug(403, "permission-denied");
    reader.envelope("users/logout", &json!({})).slug(403, "permission-denied");
    liaison.client.envelope("notifications/index", &json!({})).slug(403, "permission-denied");
    assert_eq!(house.head(), head, "no refusal leaves an event");
}

#[test]
fn invalid_content_type_is_400_unless_it_is_json_or_plain_text_on_sensitive_routes() {
    let house = House::start();
    let body = json!({"token": house.deployment().token()}).to_string();
    for media_type in
        [None, Some("text/plain"), Some("application/vnd.api+json"), Some("application/json; charset=latin1")]
    {
        raw(&house, "employees/index", media_type, body.clone()).slug(400, "invalid-content-type");
    }
    for media_type in ["application/json", "Application/JSON; charset=UTF-8"] {
        raw(&house, "employees/index", Some(media_type), body.clone()).listed();
    }
    let secret = base64(json!({"email": "x@acme.example", "password": "x"}).to_string().as_bytes());
    raw(&house, "users/login", Some("application/json"), secret.clone()).slug(400, "invalid-content-type");
    raw(&house, "users/login", Some("text/plain; charset=utf-8"), secret).slug(400, "invalid-param");
}

#[test]
fn no_params_decoded_is_400_unless_a_bearer_header_is_all_that_is_needed() {
    let house = House::start();
    for body in ["{}", "[]", "null", "7", "\"token\""] {
        raw(&house, "employees/index", Some("application/json"), body).slug(400, "no-params-decoded");
    }
    house.deployment().post("/api/v1/employees/index", &json!({})).listed();
    house.deployment().post("/api/v1/employees/read", &json!({})).slug(400, "no-params-decoded");
    raw(&house, "users/login", Some("text/plain"), base64(b"{}")).slug(400, "no-params-decoded");
}

#[test]
fn invalid_encoded_params_is_400_for_broken_json_twice_the_same_key_and_no_base64() {
    let house = House::start();
    for body in ["", "{", "{\"token\": \"a\", \"token\": \"b\"}", "{\"token\":1} x", "\u{feff}{}"] {
        raw(&house, "employees/index", Some("application/json"), body).slug(400, "invalid-encoded-params");
    }
    for body in ["{\"email\":\"a@x.com\"}", "", "e30-", "!!!!", &base64(b"{")] {
        raw(&house, "users/login", Some("text/plain"), body).slug(400, "invalid-encoded-params");
    }
}

#[test]
fn a_sensitive_body_may_lack_its_padding_and_hold_white_space() {
    let house = House::start();
    house.user_with("ann@acme.example", &json!({"liaison": true}));
    let text = base64(json!({"email": "ann@acme.example", "password": PASSWORD}).to_string().as_bytes());
    let (head, tail) = text.split_at(20);
    for body in [text.trim_end_matches('=').to_owned(), format!(" {head}\r\n\t{tail}\n")] {
        assert_eq!(members(&raw(&house, "users/login", Some("text/plain"), body).done()), ["session"]);
    }
}

#[test]
fn not_acceptable_is_406_when_accept_excludes_json() {
    let house = House::start();
    let ask = |accept: &str| {
        house
            .deployment()
            .send(Request::new("POST", "/api/v1/employees/index").json(&json!({})).header("Accept", accept))
    };
    for accept in ["text/html", "application/json;q=0", "application/vnd.api+json"] {
        ask(accept).slug(406, "not-acceptable");
    }
    for accept in ["*/*", "application/*", "text/html, application/json;q=0.1", ""] {
        ask(accept).listed();
    }
}

#[test]
fn method_not_allowed_is_405_and_allow_says_post() {
    let house = House::start();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = house.visitor().send(Request::new(method, "/api/v1/employees/update"));
        answer.slug(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
}

#[test]
fn payload_too_large_is_413_beyond_64_kib() {
    let house = House::start();
    let body = |size: usize| {
        let asked = json!({"token": house.deployment().token()}).to_string();
        asked.clone() + &" ".repeat(size - asked.len())
    };
    raw(&house, "employees/index", Some("application/json"), body(64 * 1024)).listed();
    raw(&house, "employees/index", Some("application/json"), body(64 * 1024 + 1)).slug(413, "payload-too-large");
}

#[test]
fn too_many_requests_is_429_and_says_when_to_come_back() {
    let house = House::start();
    let integration = house.integration("Acme Calendar");
    let asked = json!({"id": integration, "email": BOB});
    let invite = || house.deployment().envelope("integrations/invitation_email", &asked);
    invite().done();
    house.advance(Duration::from_secs(20));
    let soon = invite();
    soon.slug(429, "too-many-requests");
    assert_eq!(soon.retry_after(), 40, "at most once a minute");
    house.advance(Duration::from_secs(40));
    invite().done();
}

#[test]
fn service_unavailable_is_503_and_says_when_to_come_back() {
    let mut house = House::start();
    let token = house.deployment().token().to_owned();
    house.restart_with(&[("limits.min_free_bytes", "1125899906842624")]);
    let deployment = Client::new(house.address, Some(&token));
    let answer = deployment.envelope("integrations/create", &json!({"name": "Payroll"}));
    answer.slug(503, "service-unavailable");
    assert_eq!(answer.retry_after(), 30);
    deployment.envelope("integrations/index", &json!({})).listed();
}

#[test]
fn mandrill_email_failed_is_500_when_the_provider_refuses_and_nothing_is_tried_again() {
    let office = PostOffice::open(Mood::Refuses);
    let house = House::with(&[("mail", &office.url())]);
    let integration = house.integration("Acme Calendar");
    let head = house.head();
    let answer =
        house.deployment().envelope("integrations/invitation_email", &json!({"id": integration, "email": BOB}));
    let body = answer.slug(500, "mandrill-email-failed");
    assert_eq!(body["message"], "The e-mail was not sent (recipient_refused). The invitation stays pending.");
    house.deliver();
    house.advance(48 * HOUR);
    house.deliver();
    let kinds: Vec<String> = house.log_after(head).iter().map(|event| event.name()).collect();
    assert_eq!(
        (kinds, office.asked()),
        (vec!["invitation.Created".to_owned(), "invitation.EmailFailed".to_owned()], 1)
    );
    let listed = house.deployment().get("/api/ledger/invitations").expect(200).json();
    let shown = &listed["items"][0];
    assert_eq!((&shown["state"], &shown["email_status"]), (&json!("pending"), &json!("failed")), "{listed}");

    let notes = house.deployment().envelope("notifications/index", &json!({})).listed();
    let note = &notes["data"][0];
    assert_eq!(notes["data"].as_array().unwrap().len(), 1, "{notes}");
    assert_eq!(members(note), ["created_at", "id", "invitation_id", "kind", "reason"]);
    assert_eq!((&note["invitation_id"], &note["reason"]), (&shown["id"], &json!("recipient_refused")));
}

/// With `--mail none` nobody will ever say what became of a mail.
#[test]
fn where_no_mail_is_sent_nothing_is_waited_for_and_the_answer_says_so() {
    let mut house = House::with(&[("mail", "none")]);
    let integration = house.integration("Acme Calendar");
    let ask = |house: &House| {
        let asked = json!({"id": integration, "email": BOB});
        let request = Request::new("POST", "/api/v1/integrations/invitation_email").json(&asked).key("bob");
        house.deployment().send(request)
    };
    let begun = Instant::now();
    let off = "This service sends no e-mail at present: it waits until that is changed. The invitation is pending.";
    assert_eq!(ask(&house).slug(500, "mandrill-email-failed")["message"], off);
    assert_eq!(ask(&house).slug(500, "mandrill-email-failed")["message"], off, "a repeated request is told the same");
    let eve = house.deployment().envelope("employees/create", &json!({"email": "eve@acme.example"})).done();
    let asked = json!({"id": eve["id"], "email": "eve@new.example"});
    let told = house.deployment().envelope("employees/update", &asked).slug(500, "mandrill-email-failed");
    let off = "The record was changed. This service sends no e-mail at present: those that tell so wait until that is \
               changed.";
    assert_eq!(told["message"], off);
    house.deployment().envelope("employees/update", &json!({"id": eve["id"], "email": "eve@new.example"})).done();
    assert!(begun.elapsed() < Duration::from_secs(20), "nothing was waited for");

    house.restart_with(&[("mail", "file")]);
    house.deliver();
    assert_eq!(ask(&house).done()["email_status"], "sent");
    assert_eq!(house.letters().len(), 3, "what waited is sent once");
}

#[test]
fn mandrill_email_failed_is_500_when_the_wait_is_over_and_delivery_goes_on() {
    let office = PostOffice::open(Mood::Later);
    let house = House::with(&[("mail", &office.url()), ("mail_wait_seconds", "1")]);
    let integration = house.integration("Acme Calendar");
    let head = house.head();
    let asked = json!({"id": integration, "email": BOB});
    let body = house.deployment().envelope("integrations/invitation_email", &asked).slug(500, "mandrill-email-failed");
    let told = "It is not known yet whether the e-mail was sent. The invitation is pending, and its delivery goes on.";
    assert_eq!(body["message"], told);
    office.is_now(Mood::Takes);
    house.advance(Duration::from_secs(90));
    // A mail to somebody else wakes the courier.
    let other = json!({"id": integration, "email": "carol@guests.example"});
    house.deployment().envelope("integrations/invitation_email", &other).done();
    house.deliver();
    let mut taken = office.taken();
    taken.sort();
    assert_eq!(taken, [BOB, "carol@guests.example"]);
    let sent = house.log_after(head).iter().filter(|event| event.name() == "invitation.EmailSent").count();
    assert_eq!(sent, 2, "the courier alone records it");
}

#[test]
fn route_non_existent_is_500_for_every_unknown_path() {
    let house = House::start();
    for path in
        ["/api/v1", "/api/v1/", "/api/v1/nonsense", "/api/v1/employees", "/api/v1/employees/update/", "/api/v1/%FF"]
    {
        for method in ["GET", "POST"] {
            house.visitor().send(Request::new(method, path)).slug(500, "route-non-existent");
        }
    }
}

#[test]
fn route_not_found_and_service_not_found_are_404_for_what_is_switched_off() {
    let house = House::with(&[("routes.disabled", "employees/read"), ("services.disabled", "integrations")]);
    let deployment = house.deployment();
    deployment.envelope("employees/read", &json!({"id": 1})).slug(404, "route-not-found");
    deployment.envelope("integrations/index", &json!({})).slug(404, "service-not-found");
    deployment.envelope("integrations/invitation_email", &json!({"x": 1})).slug(404, "service-not-found");
    deployment.envelope("employees/index", &json!({})).listed();
}

#[test]
fn identify_request_error_is_500_when_a_header_is_not_utf_8() {
    let house = House::start();
    let mut request =
        b"POST /api/v1/employees/index HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX-Odd: \xff\r\n\r\n".to_vec();
    Connection::open(house.address).unwrap().send_raw(&request).unwrap().slug(500, "identify-request-error");
    request = request.into_iter().map(|byte| if byte == 0xff { b'f' } else { byte }).collect();
    let answer = Connection::open(house.address).unwrap().send_raw(&request).unwrap();
    answer.slug(400, "invalid-content-type");
}

#[test]
fn the_token_may_stand_in_body_or_header_and_not_differ() {
    let house = House::start();
    let (own, other) = (house.deployment(), house.application(&["employees"]));
    own.post("/api/v1/employees/index", &json!({"token": own.token()})).listed();
    own.post("/api/v1/employees/index", &json!({"token": null})).listed();
    let both = own.post("/api/v1/employees/index", &json!({"token": other.token()}));
    both.fault("token", "is not the one in the Authorization header");
}
