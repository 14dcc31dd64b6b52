//! `employees/*`, `integrations/*` and the lists of the envelope dialect, rule by rule.

use crate::support::post_office::{Mood, PostOffice};
use crate::support::said::{is_time, members};
use crate::support::{Client, House, PASSWORD};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const EVE: &str = "eve@acme.example";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The sweeper goes its round in real time; later than this something is wrong.
const SWEEP_WAIT: Duration = Duration::from_secs(30);
const FIELDS: [&str; 16] = [
    "active",
    "address",
    "created_at",
    "date_hired",
    "date_off_boarded",
    "email",
    "first_name",
    "id",
    "last_name",
    "legal_name",
    "phone",
    "service_area_id",
    "skills",
    "updated_at",
    "user_id",
    "version",
];

fn update(client: &Client, id: &Value, email: &str, more: &Value) -> crate::support::wire::Answer {
    let mut asked = json!({"id": id, "email": email});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.envelope("employees/update", &asked)
}

#[track_caller]
fn create(client: &Client, asked: &Value) -> Value {
    client.envelope("employees/create", asked).done()
}

#[test]
fn create_and_read_answer_every_field_and_ids_ascend() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let first = create(&application, &json!({"email": EVE}));
    assert_eq!(members(&first), FIELDS);
    let absent = [
        "user_id",
        "address",
        "date_hired",
        "date_off_boarded",
        "first_name",
        "last_name",
        "legal_name",
        "phone",
        "service_area_id",
        "skills",
    ];
    for field in absent {
        assert_eq!(first[field], Value::Null, "{field}");
    }
    assert_eq!((&first["active"], &first["version"]), (&json!(true), &json!(1)));
    assert!(is_time(&first["created_at"]) && first["created_at"] == first["updated_at"]);
    let user = house.user("sam@acme.example");
    let second = create(&application, &json!({"email": "sam@acme.example", "user_id": user.id}));
    assert_eq!(second["user_id"], json!(user.id));
    assert!(second["id"].as_u64().unwrap() > first["id"].as_u64().unwrap());
    let read = application.envelope("employees/read", &json!({"id": second["id"]})).done();
    assert_eq!(read, second);
    application.envelope("employees/read", &json!({"id": 99})).fault("id", "does not exist");
    let nobody = json!({"email": "x@acme.example", "user_id": "00000000-0000-0000-0000-000000000000"});
    application.envelope("employees/create", &nobody).fault("user_id", "does not exist");
}

/// What is wrong with the form does not hide what the ledger finds wrong in the rest.
#[test]
fn all_faults_are_told_at_once_those_of_form_and_those_the_ledger_finds() {
    let house = House::start();
    let application = house.application(&["employees", "integrations"]);
    let eve = create(&application, &json!({"email": EVE}));
    let user = house.user("sam@acme.example");
    let sam = create(&application, &json!({"email": "sam@acme.example", "user_id": user.id}));
    let nobody = "00000000-0000-0000-0000-000000000000";
    let told = |route: &str, asked: Value| application.envelope(route, &asked).faults("invalid-param");
    let at = |faults: &[(&str, &str)]| -> Vec<(String, String)> {
        faults.iter().map(|(param, reason)| ((*param).to_owned(), (*reason).to_owned())).collect()
    };
    let (there, taken) = ("does not exist", "belongs to another active employee");
    let phone = ("phone", "must be a string");

    let asked = json!({"email": EVE, "user_id": nobody, "phone": 7});
    assert_eq!(told("employees/create", asked), at(&[phone, ("email", taken), ("user_id", there)]));
    let asked = json!({"email": EVE, "user_id": user.id});
    let linked = ("user_id", "has an employee record already");
    assert_eq!(told("employees/create", asked), at(&[("email", taken), linked]));
    let asked = json!({"email": "not an address", "user_id": nobody});
    let malformed = application.envelope("employees/create", &asked).faults("invalid-param");
    assert_eq!((malformed[0].0.as_str(), &malformed[1..]), ("email", &at(&[("user_id", there)])[..]));

    let asked = json!({"id": eve["id"], "email": "sam@acme.example", "phone": 7});
    assert_eq!(told("employees/update", asked), at(&[phone, ("email", taken)]));
    let inactive = json!({"id": eve["id"], "email": "sam@acme.example", "phone": 7, "active": false});
    assert_eq!(told("employees/update", inactive), at(&[phone]), "who is not active may share an address");
    assert_eq!(told("employees/update", json!({"id": 99, "email": EVE, "phone": 7})), at(&[phone, ("id", there)]));
    let unknown = ("planet", "is not a parameter here");
    assert_eq!(told("employees/read", json!({"id": 99, "planet": 1})), at(&[unknown, ("id", there)]));
    assert_eq!(told("integrations/read", json!({"id": 99, "planet": 1})), at(&[unknown, ("id", there)]));
    let asked = json!({"id": 99, "email": EVE, "planet": 1});
    assert_eq!(told("integrations/invitation_email", asked), at(&[unknown, ("id", there)]));

    for id in [&eve["id"], &json!(99)] {
        let asked = json!({"id": id, "planet": 1});
        user.client.envelope("employees/read", &asked).slug(403, "permission-denied");
    }
    let own = user.client.envelope("employees/read", &json!({"id": sam["id"], "planet": 1}));
    assert_eq!(own.faults("invalid-param"), at(&[unknown]));
}

#[test]
fn update_changes_what_is_sent_null_clears_and_the_address_merges_by_key() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let made = create(
        &application,
        &json!({"email": EVE, "first_name": "Eve", "phone": "+1 555 0100",
        "address": {"street": "1 Main", "city": "Tulsa"}, "skills": ["roofs"]}),
    );
    let changed = update(
        &application,
        &made["id"],
        EVE,
        &json!({"phone": null, "last_name": "Earl",
        "address": {"street": null, "state": "OK", "longitude": "-95.99", "latitude": "36.15"}}),
    )
    .done();
    assert_eq!((&changed["first_name"], &changed["last_name"]), (&json!("Eve"), &json!("Earl")));
    assert_eq!((&changed["phone"], &changed["skills"]), (&Value::Null, &json!(["roofs"])));
    let address = json!({"street": null, "street2": null, "city": "Tulsa", "state": "OK", "postal_code": null,
        "longitude": "-95.99", "latitude": "36.15"});
    assert_eq!(changed["address"], address);
    let cleared = update(&application, &made["id"], EVE, &json!({"address": null, "skills": null})).done();
    assert_eq!((&cleared["address"], &cleared["skills"], &cleared["version"]), (&Value::Null, &Value::Null, &json!(3)));
}

#[test]
fn longitude_and_latitude_are_numbers_in_range() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let made = create(&application, &json!({"email": EVE}));
    let place = |longitude: &str, latitude: &str| {
        let more = json!({"address": {"longitude": longitude, "latitude": latitude}});
        update(&application, &made["id"], EVE, &more)
    };
    place("180", "-90").done();
    let wanted =
        [("address.longitude", "must be -180 to 180"), ("address.latitude", "must be a decimal number in a string")];
    assert_eq!(place("180.01", "north").faults("invalid-param"), wanted.map(|(p, r)| (p.to_owned(), r.to_owned())));
    let numbers = json!({"address": {"longitude": 1.5}});
    update(&application, &made["id"], EVE, &numbers).fault("address.longitude", "must be a string");
}

#[test]
fn nothing_changed_is_200_and_no_event() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let made = create(&application, &json!({"email": EVE, "phone": "1", "date_hired": "2021-11-23"}));
    let head = house.head();
    let same = json!({"phone": "1", "date_hired": "2021-11-23T10:00:00Z", "first_name": null, "active": true});
    house.advance(DAY);
    assert_eq!(update(&application, &made["id"], EVE, &same).done(), made);
    assert_eq!(house.head(), head);
}

#[test]
fn an_address_is_unique_among_active_employees() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let eve = create(&application, &json!({"email": EVE}));
    let taken = "belongs to another active employee";
    application.envelope("employees/create", &json!({"email": "EVE@Acme.example"})).fault("email", taken);
    let sam = create(&application, &json!({"email": "sam@acme.example"}));
    update(&application, &sam["id"], EVE, &json!({})).fault("email", taken);
    update(&application, &eve["id"], EVE, &json!({"active": false})).done();
    update(&application, &sam["id"], EVE, &json!({})).done();
    update(&application, &eve["id"], EVE, &json!({"active": true})).fault("email", taken);
}

#[test]
fn a_changed_address_is_told_to_the_old_and_the_new_one_and_is_no_log_in() {
    let house = House::start();
    let user = house.user(EVE);
    let application = house.application(&["employees"]);
    let made = create(&application, &json!({"email": EVE, "user_id": user.id}));
    let changed = update(&application, &made["id"], "eve@new.example", &json!({})).done();
    assert_eq!(changed["email"], "eve@new.example");
    assert_eq!((house.letters_to(EVE).len(), house.letters_to("eve@new.example").len()), (1, 1));
    let log_in = |email: &str| {
        let asked = json!({"email": email, "password": PASSWORD});
        house.visitor().sensitive("users/login", &asked)
    };
    log_in(EVE).done();
    log_in("eve@new.example").fault("password", "does not belong to an account of this email");
}

#[test]
fn a_notice_that_cannot_be_sent_is_mandrill_email_failed_and_the_change_stands() {
    let office = PostOffice::open(Mood::Refuses);
    let house = House::with(&[("mail", &office.url())]);
    let application = house.application(&["employees", "operate"]);
    let made = create(&application, &json!({"email": EVE}));
    let body = update(&application, &made["id"], "eve@new.example", &json!({})).slug(500, "mandrill-email-failed");
    let told = "The record was changed, but an e-mail that tells so was not sent to the old or the new address.";
    assert_eq!(body["message"], told);
    let read = application.envelope("employees/read", &json!({"id": made["id"]})).done();
    assert_eq!(read["email"], "eve@new.example");
    house.deliver();
    let notes = application.envelope("notifications/index", &json!({})).listed();
    let reasons: Vec<(&Value, &Value)> =
        notes["data"].as_array().unwrap().iter().map(|n| (&n["invitation_id"], &n["reason"])).collect();
    assert_eq!(reasons, [(&Value::Null, &json!("recipient_refused")), (&Value::Null, &json!("recipient_refused"))]);
}

#[test]
fn employees_read_and_change_their_own_phone_address_and_email_alone() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let sam = house.user("sam@acme.example");
    let eve = create(&application, &json!({"email": EVE}));
    let own = create(&application, &json!({"email": "sam@acme.example", "user_id": sam.id}));
    let denied = |answer: crate::support::wire::Answer| answer.slug(403, "permission-denied");
    sam.client.envelope("employees/read", &json!({"id": own["id"]})).done();
    denied(sam.client.envelope("employees/read", &json!({"id": eve["id"]})));
    denied(sam.client.envelope("employees/read", &json!({"id": 99})));
    update(&sam.client, &own["id"], "sam@acme.example", &json!({"phone": "2", "address": {"city": "Tulsa"}})).done();
    update(&sam.client, &own["id"], "sam@new.example", &json!({})).done();
    denied(update(&sam.client, &own["id"], "sam@new.example", &json!({"skills": []})));
    denied(update(&sam.client, &own["id"], "sam@new.example", &json!({"active": false})));
    denied(update(&sam.client, &eve["id"], EVE, &json!({"phone": "2"})));
    denied(sam.client.envelope("employees/create", &json!({"email": "x@acme.example"})));
}

#[test]
fn administrators_and_liaisons_keep_all_records_and_clients_none() {
    let house = House::start();
    let eve = create(&house.deployment(), &json!({"email": EVE}));
    let liaison = house.user_with("lia@acme.example", &json!({"liaison": true}));
    let both = house.user_with("ada@acme.example", &json!({"administrator": true, "client": "Acme"}));
    for user in [&liaison, &both] {
        update(&user.client, &eve["id"], EVE, &json!({"first_name": user.email})).done();
    }
    let client = house.user_with("cleo@acme.example", &json!({"client": "Cleo Ltd"}));
    client.client.envelope("employees/read", &json!({"id": eve["id"]})).slug(403, "permission-denied");
}

#[test]
fn index_pages_sorts_searches_and_filters_and_refuses_unknown_names() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let emails: Vec<String> = (0..5).map(|n| format!("e{n}@acme.example")).collect();
    for (n, email) in emails.iter().enumerate() {
        create(
            &application,
            &json!({"email": email, "service_area_id": n % 2, "last_name": if n % 2 == 0 { "Roe" } else { "Doe" }}),
        );
    }
    let index = |asked: Value| {
        let body = application.envelope("employees/index", &asked).listed();
        assert_eq!(members(&body), ["data", "meta", "status"]);
        let found: Vec<String> =
            body["data"].as_array().unwrap().iter().map(|e| e["email"].as_str().unwrap()[..2].to_owned()).collect();
        (found.join(" "), body["meta"]["page"].clone())
    };
    let meta = |number: u64, size: u64, count: u64, pages: u64| json!({"number": number, "size": size, "total_count": count, "total_pages": pages});
    assert_eq!(index(json!({})), ("e0 e1 e2 e3 e4".to_owned(), meta(1, 25, 5, 1)));
    let second = json!({"page": {"number": 2, "size": 2}});
    assert_eq!(index(second), ("e2 e3".to_owned(), meta(2, 2, 5, 3)));
    assert_eq!(index(json!({"page": {"number": 9, "size": 2}})), (String::new(), meta(9, 2, 5, 3)));
    let sorted = json!({"sort": {"by": "email", "order": "desc"}, "filters": {"service_area_id": 0}});
    assert_eq!(index(sorted), ("e4 e2 e0".to_owned(), meta(1, 25, 3, 1)));
    let searched = json!({"search": {"term": "DOE", "attributes": ["last_name"]}});
    assert_eq!(index(searched), ("e1 e3".to_owned(), meta(1, 25, 2, 1)));
    assert_eq!(index(json!({"filters": {"email": ["e1@acme.example", "E2@acme.example"]}})).0, "e1 e2");
    let wrong = json!({"page": {"size": 101}, "sort": {"by": "shoes"}, "filters": {"shoes": 1}, "limit": 3});
    let params: Vec<String> =
        application.envelope("employees/index", &wrong).faults("invalid-param").into_iter().map(|(p, _)| p).collect();
    assert_eq!(params, ["page.size", "sort.by", "filters.shoes", "limit"]);
}

#[test]
fn an_off_boarded_employee_is_nobody_at_once_and_the_sweeper_writes_it_down() {
    let house = House::start();
    let application = house.application(&["employees"]);
    let sam = house.user("sam@acme.example");
    let own = create(&application, &json!({"email": "sam@acme.example", "user_id": sam.id}));
    sam.client.envelope("employees/read", &json!({"id": own["id"]})).done();
    let tomorrow = json!({"date_off_boarded": "2025-06-16"});
    update(&application, &own["id"], "sam@acme.example", &tomorrow).done();
    sam.client.envelope("employees/read", &json!({"id": own["id"]})).done();

    house.advance(DAY);
    sam.client.envelope("employees/read", &json!({"id": own["id"]})).slug(401, "session-expired");
    sam.client.post("/api/users/invitations", &json!({"EmailAddresses": [EVE]})).code(401, "unauthorized");
    let asked = json!({"email": "sam@acme.example", "password": PASSWORD});
    house.visitor().sensitive("users/login", &asked).fault("password", "does not belong to an account of this email");
    house.visitor().post("/api/login", &asked).code(401, "log-in-refused");
    let begun = Instant::now();
    while !house.log().iter().any(|event| event.name() == "employee.OffBoarded") {
        assert!(begun.elapsed() < SWEEP_WAIT, "the sweeper does not come round");
        std::thread::yield_now();
    }
    assert_eq!(application.envelope("employees/read", &json!({"id": own["id"]})).done()["active"], json!(false));
}

#[test]
fn an_integration_that_is_renamed_keeps_its_number_and_its_invitations() {
    let house = House::start();
    let integration = house.integration("Acme Calendar");
    let asked = json!({"id": integration, "email": "bob@guests.example"});
    house.deployment().envelope("integrations/invitation_email", &asked).done();
    let path = format!("/api/ledger/integrations/{integration}");
    let change = |asked: Value| house.deployment().patch(&path, &asked).expect(200).json();
    let changed = change(json!({"name": "Acme Dates", "description": "Shows dates."}));
    assert_eq!(changed["name"], "Acme Dates");
    let head = house.head();
    assert_eq!(change(json!({"name": "Acme Dates"})), changed);
    assert_eq!(house.head(), head, "nothing changed, nothing is written");
    assert_eq!(change(json!({"description": null}))["description"], Value::Null);
    let listed = house.deployment().envelope("integrations/index", &json!({})).listed();
    assert_eq!(listed["data"][0]["name"], "Acme Dates");
    house.advance(Duration::from_secs(61));
    house.deployment().envelope("integrations/invitation_email", &asked).done();
    let letters = house.letters_to("bob@guests.example");
    let told: Vec<bool> = letters.iter().map(|letter| letter.text.contains("Acme Dates")).collect();
    assert_eq!((told.len(), told.iter().filter(|now| **now).count()), (2, 1), "{told:?}");
    // A client who made it may not change it, and nobody changes what is not there.
    let refused = house.deployment().patch("/api/ledger/integrations/999", &json!({"name": "X"}));
    assert_eq!(refused.status, 404);
    let refused = house.deployment().patch(&path, &json!({"name": null, "nmae": "X"}));
    assert_eq!(refused.status, 400);
}

#[test]
fn clients_reach_only_integrations_that_they_created_or_accepted() {
    let house = House::start();
    let theirs = house.integration("Acme Calendar");
    let cleo = house.user_with("cleo@acme.example", &json!({"client": "Cleo Ltd"}));
    let own = cleo.client.envelope("integrations/create", &json!({"name": "Payroll", "description": "Pays"})).done();
    assert_eq!(cleo.client.envelope("integrations/read", &json!({"id": own["id"]})).done(), own);
    cleo.client.envelope("integrations/read", &json!({"id": theirs})).slug(403, "permission-denied");
    let listed = cleo.client.envelope("integrations/index", &json!({})).listed();
    assert_eq!(listed["data"], json!([own]));
    let sam = house.user("sam@acme.example");
    create(&house.deployment(), &json!({"email": "sam@acme.example", "user_id": sam.id}));
    assert_eq!(sam.client.envelope("integrations/read", &json!({"id": own["id"]})).done(), own, "employees reach all");

    let asked = json!({"id": theirs, "email": "cleo@acme.example"});
    house.deployment().envelope("integrations/invitation_email", &asked).done();
    let (link, secret) = house.letter_to("cleo@acme.example").link();
    cleo.client.post(&format!("{link}/accept"), &json!({"code": secret})).expect(200);
    assert_eq!(cleo.client.envelope("integrations/read", &json!({"id": theirs})).done()["name"], "Acme Calendar");
    let listed = cleo.client.envelope("integrations/index", &json!({"sort": {"by": "name"}})).listed();
    assert_eq!(listed["meta"]["page"]["total_count"], json!(2), "{listed}");
    let twice = house.deployment().envelope("integrations/invitation_email", &asked);
    twice.fault("email", "has accepted an invitation already");
}

#[test]
fn an_integration_invitation_has_the_documented_fields_and_is_sent_again_instead_of_doubled() {
    let house = House::start();
    let integration = house.integration("Acme Calendar");
    let lia = house.user_with("lia@acme.example", &json!({"liaison": true}));
    let asked = json!({"id": integration, "email": "Bob@Guests.example"});
    let first = lia.client.envelope("integrations/invitation_email", &asked).done();
    let fields = [
        "accepted_at",
        "created_at",
        "email",
        "email_status",
        "expires_at",
        "id",
        "invited_by",
        "kind",
        "message",
        "state",
        "target",
        "updated_at",
    ];
    assert_eq!(members(&first), fields);
    assert_eq!(first["target"], json!({"id": integration, "name": "Acme Calendar"}));
    assert_eq!(first["invited_by"], json!({"id": lia.id, "kind": "user"}));
    let plain = ["kind", "email", "email_status", "state"].map(|field| first[field].as_str().unwrap());
    assert_eq!(plain, ["integration", "Bob@Guests.example", "sent", "pending"]);
    assert_eq!((&first["accepted_at"], &first["message"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&first["created_at"], &first["expires_at"]),
        (&json!("2025-06-15T15:06:40Z"), &json!("2025-06-22T15:06:40Z"))
    );

    house.advance(Duration::from_secs(60));
    let again = house
        .deployment()
        .envelope("integrations/invitation_email", &json!({"id": integration, "email": "bob@guests.example"}));
    let again = again.done();
    assert_eq!(
        (&again["id"], &again["email"], &again["invited_by"]),
        (&first["id"], &first["email"], &first["invited_by"])
    );
    assert_eq!((&again["created_at"], &again["expires_at"]), (&first["created_at"], &json!("2025-06-22T15:07:40Z")));
    assert_eq!(house.letters_to("Bob@guests.example").len(), 2);
}

#[test]
fn notifications_come_newest_first_and_are_for_operators() {
    let office = PostOffice::open(Mood::Refuses);
    let house = House::with(&[("mail", &office.url())]);
    let integration = house.integration("Acme Calendar");
    let ids: Vec<Value> = ["first@guests.example", "second@guests.example"]
        .into_iter()
        .map(|email| {
            house.advance(DAY);
            let asked = json!({"id": integration, "email": email});
            house.deployment().envelope("integrations/invitation_email", &asked).slug(500, "mandrill-email-failed");
            house.deliver();
            let listed = house.deployment().get("/api/ledger/invitations?state=all").expect(200).json();
            let of = |invitation: &&Value| invitation["email"] == email;
            listed["items"].as_array().unwrap().iter().find(of).unwrap()["id"].clone()
        })
        .collect();
    let ada = house.user_with("ada@acme.example", &json!({"administrator": true, "liaison": true}));
    for client in [&ada.client, &house.application(&["operate"])] {
        let body = client.envelope("notifications/index", &json!({})).listed();
        let found: Vec<&Value> = body["data"].as_array().unwrap().iter().map(|note| &note["invitation_id"]).collect();
        assert_eq!(found, [&ids[1], &ids[0]]);
        assert!(body["data"].as_array().unwrap().iter().all(|note| is_time(&note["created_at"])), "{body}");
    }
    let one = json!({"filters": {"invitation_id": ids[0]}, "sort": {"by": "id"}});
    let body = ada.client.envelope("notifications/index", &one).listed();
    assert_eq!(body["meta"]["page"]["total_count"], json!(1));
}
