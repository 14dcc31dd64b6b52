//! A backup is restored to less than it holds: what came after is given up for
//! good, and nothing of it happens a second time.

use crate::support::program::Program;
use crate::support::wire::Request;
use crate::support::{Client, Event, Letter, PASSWORD, User};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

fn events(program: &Program) -> Vec<Event> {
    let target = "/api/ledger/log/export?every_tenant=true&personal=true";
    Event::lines(&program.deployment().get(target).expect(200).text())
}

/// Position of the event of that kind that tells of a mail or an invitation to the address.
fn position_of(program: &Program, kind: &str, email: &str) -> Option<u64> {
    let events = events(program);
    let made = events.iter().find(|event| event.payload["personal"]["email"] == email)?;
    events.iter().find(|event| event.stream == made.stream && event.kind == kind).map(|event| event.position)
}

fn wait_for(program: &Program, kind: &str, email: &str) -> u64 {
    let begun = Instant::now();
    loop {
        if let Some(position) = position_of(program, kind, email) {
            return position;
        }
        assert!(begun.elapsed() < WAIT, "no {kind} of {email}: {}", program.words());
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn invite(client: &Client, organization: &Value, email: &str) -> Value {
    let asked = json!({"kind": "organization", "organization": organization, "email": email});
    let request = Request::new("POST", "/api/ledger/invitations").json(&asked);
    client.send(request.key(&format!("invite-{email}"))).expect(201).json()["invitation"].clone()
}

fn user(program: &Program, email: &str) -> User {
    let asked = json!({"email": email, "name": "Jo", "password": PASSWORD});
    let made = program.deployment().post("/api/ledger/users", &asked).expect(201).json();
    User::log_in(program.address, made["id"].as_str().unwrap().parse().unwrap(), email, PASSWORD)
}

fn restore(backup: &Path, data: &Path, until: u64) -> (Option<i32>, String, String) {
    let told = Command::new(env!("CARGO_BIN_EXE_invitation-ledger"))
        .args(["restore", "--json", "--until", &until.to_string(), "--data"])
        .args([data, backup])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (told.status.code(), text(told.stdout), text(told.stderr))
}

fn emails(program: &Program) -> Vec<String> {
    let listed = program.deployment().get("/api/ledger/invitations?state=all&size=100").expect(200).json();
    let mut found: Vec<String> =
        listed["items"].as_array().unwrap().iter().map(|item| item["email"].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}

#[test]
fn a_shortened_ledger_begins_anew_and_does_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let deployment = program.deployment();
    let organization = deployment.post("/api/ledger/organizations", &json!({"name": "Acme"})).expect(201).json();
    let organization = organization["id"].clone();
    let before = user(&program, "before@acme.example");
    invite(&deployment, &organization, "ada@guests.example");
    wait_for(&program, "EmailSent", "ada@guests.example");
    let cleo = invite(&deployment, &organization, "cleo@guests.example");
    let until = wait_for(&program, "Created", "cleo@guests.example");
    // From here on everything is given up: that cleo's mail went out, bob, and a user.
    wait_for(&program, "EmailSent", "cleo@guests.example");
    let bob = invite(&deployment, &organization, "bob@guests.example");
    wait_for(&program, "EmailSent", "bob@guests.example");
    let after = user(&program, "after@acme.example");
    let backup = folder.path().join("backup");
    deployment.post("/api/ledger/backup", &json!({"folder": backup})).expect(200);
    let (head, leaf) = events(&program).iter().map(|event| (event.position, event.leaf.clone())).next_back().unwrap();
    let status = deployment.get("/api/ledger/status").expect(200).json();
    assert_eq!(status["epoch"], 1);
    drop(program);

    let second = tempfile::tempdir().unwrap();
    let (code, out, err) = restore(&backup, &second.path().join("data"), head + 1);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains(&format!("the backup ends with event {head}")), "{err}");
    let (code, out, err) = restore(&backup, &second.path().join("data"), until);
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let program = Program::start(second.path(), &[]);
    let deployment = program.deployment();

    let now = deployment.get("/api/ledger/status").expect(200).json();
    assert_eq!(now["ledger"], status["ledger"]);
    assert_eq!(told["origin"], format!("{}.{}", now["ledger"].as_str().unwrap(), now["epoch"]));
    assert_ne!(now["epoch"], 1);
    let log = events(&program);
    let restored = &log[usize::try_from(until).unwrap()];
    assert_eq!(
        (restored.position, restored.name().as_str(), restored.tenant.as_str()),
        (until + 1, "ledger.Restored", "_")
    );
    assert_eq!(restored.metadata["actor"], "deployment");
    let kept = &log[usize::try_from(until).unwrap() - 1];
    let from = format!("{}.1", now["ledger"].as_str().unwrap());
    assert_eq!(restored.payload, json!({"from": from, "position": until, "leaf": kept.leaf}));

    assert_eq!(emails(&program), ["ada@guests.example", "cleo@guests.example"]);
    let own =
        |user: &User| Client::new(program.address, Some(user.client.token())).get("/api/businesses/default/settings");
    own(&before).expect(200);
    own(&after).expect(401);
    let asked = json!({"email": "after@acme.example", "password": PASSWORD});
    Client::new(program.address, None).post("/api/login", &asked).expect(401);

    // Whether cleo's mail went out is not known here: it is for people to decide.
    let outbox = deployment.get("/api/ledger/outbox").expect(200).json();
    let waiting: Vec<_> =
        outbox["items"].as_array().unwrap().iter().map(|m| (&m["aggregate_id"], &m["state"])).collect();
    assert_eq!(waiting, [(&cleo["id"], &json!("dead"))], "{outbox}");
    // The same key, the same body: what it answered before counts no more.
    let anew = invite(&deployment, &organization, "bob@guests.example");
    assert_ne!(anew["id"], bob["id"]);
    wait_for(&program, "EmailSent", "bob@guests.example");
    let sent: Vec<String> =
        Letter::read_all(&program.data.join("outbox")).into_iter().map(|letter| letter.to).collect();
    assert_eq!(sent, ["bob@guests.example"], "nothing that was asked for before goes out by itself");
    // A reader that had followed the other log to its end does not take this one for it.
    user(&program, "later@acme.example");
    let there = events(&program).into_iter().find(|event| event.position == head);
    assert!(there.is_none_or(|event| event.leaf != leaf));
    let doctor = deployment.get("/api/ledger/doctor").expect(200).json();
    assert_eq!(doctor["healthy"], true, "{doctor}");
}
