//! Invariant 4: no secret, and nothing personal in clear, in what is kept.

use crate::support::wire::Request;
use crate::support::{House, PASSWORD};
use serde_json::{Value, json};
use std::path::Path;

/// All that must not be found; each with a word for the report.
type Secrets = Vec<(&'static str, String)>;

fn found_in(file: &Path, secrets: &Secrets) -> Vec<String> {
    let bytes = std::fs::read(file).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    secrets.iter().filter(|(_, secret)| holds(secret)).map(|(what, _)| format!("{what} in {name}")).collect()
}

#[test]
fn neither_secrets_nor_people_stand_in_ledger_index_or_state() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let ann = house.admin_of(organization, "ann.archer@acme.example");
    let application = house.application(&["invites"]);
    let made = application.invite_document(organization, "bob.baker@guests.example", "member").expect(201).json();
    let (link, secret) = house.letter_to("bob.baker@guests.example").link();
    let asked = json!({"code": secret, "name": "Robert Quentin Baker", "password": PASSWORD});
    house.visitor().post(&format!("{link}/register"), &asked).expect(200);
    let asked =
        json!({"email": "eve.earl@acme.example", "phone": "+1-555-0100-7788", "legal_name": "Evelyn Earl-Grey"});
    house.deployment().post("/api/ledger/employees", &asked).expect(201);
    house.deliver();
    let secrets: Secrets = vec![
        ("a code", made["data"]["attributes"]["code"].as_str().unwrap().to_owned()),
        ("a mail's secret", secret),
        ("a password", PASSWORD.to_owned()),
        ("a session", ann.client.token().to_owned()),
        ("an application's token", application.token().to_owned()),
        ("a CSRF token", ann.browser.csrf().to_owned()),
        ("the operators' token", house.deployment().token().to_owned()),
        ("an inviter's address", "ann.archer".to_owned()),
        ("a recipient's address", "bob.baker".to_owned()),
        ("a name", "Robert Quentin".to_owned()),
        ("an employee's address", "eve.earl".to_owned()),
        ("a phone number", "555-0100-7788".to_owned()),
        ("a legal name", "Earl-Grey".to_owned()),
    ];
    let data = house.data();
    let kept = ["ledger.db", "ledger.db-wal", "index.db", "index.db-wal", "state.db", "state.db-wal"];
    let files: Vec<_> = kept.iter().map(|name| data.join(name)).filter(|file| file.exists()).collect();
    assert!(files.len() >= 3, "{files:?}");
    let found: Vec<String> = files.iter().flat_map(|file| found_in(file, &secrets)).collect();
    assert_eq!(found, Vec::<String>::new());
    // The search itself can find: the token's file holds the token.
    assert_eq!(found_in(&data.join("admin-token"), &secrets), ["the operators' token in admin-token"]);
}

/// How many passwords are kept, whoever they belong to.
fn passwords(house: &House) -> i64 {
    let count = "SELECT count(*) FROM kept WHERE space = 'password'";
    house.database("state.db").query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_password_is_kept_for_an_account_or_not_at_all() {
    let house = House::start();
    let create = |asked: &Value, key: &str| {
        house.deployment().send(Request::new("POST", "/api/ledger/users").json(asked).key(key))
    };
    let asked = json!({"email": "ann@acme.example", "password": PASSWORD});
    let made = create(&asked, "ann").expect(201).json();
    assert_eq!(passwords(&house), 1);
    assert_eq!(create(&asked, "ann").expect(201).json(), made, "repeated");
    create(&asked, "ann-again").expect(409);
    create(&json!({"email": "bob@acme.example", "password": PASSWORD}), "ann").expect(409);
    assert_eq!(passwords(&house), 1);
    let log_in = json!({"email": "ann@acme.example", "password": PASSWORD});
    assert_eq!(house.visitor().post("/api/login", &log_in).platform(200)["userId"], made["id"]);
}

/// All of them show the right secret before any of them has made the account.
#[test]
fn of_those_who_register_at_once_the_losers_leave_no_password() {
    let house = House::start();
    let organization = house.organization("Acme Roofing");
    let application = house.application(&["invites"]);
    application.invite_document(organization, "bob@guests.example", "member").expect(201);
    let (link, secret) = house.letter_to("bob@guests.example").link();
    let register = &|name: &str| {
        let asked = json!({"code": secret, "name": name, "password": PASSWORD});
        house.visitor().post(&format!("{link}/register"), &asked).status
    };
    let mut answers = std::thread::scope(|scope| {
        let tries: Vec<_> = ["Bob", "Rob", "Robert", "Bert"].map(|name| scope.spawn(move || register(name))).into();
        tries.into_iter().map(|tried| tried.join().unwrap()).collect::<Vec<_>>()
    });
    answers.sort_unstable();
    assert_eq!((answers[0], passwords(&house)), (200, 1), "{answers:?}");
    assert!(answers[1..].iter().all(|status| matches!(status, 409 | 410)), "{answers:?}");
}
