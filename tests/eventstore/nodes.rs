//! Several services on one stream, with state and keys in a database that they share.

use crate::cluster::{Cluster as Postgres, Database};
use crate::server::Cluster;
use crate::support::keyed::{Keyed, are_refused, are_the_same};
use crate::support::program::Program;
use crate::support::service::{invite, invited, organization, run};
use crate::support::{Browser, Client, Letter, PASSWORD};
use crate::{STREAM, refused};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whoever sends mail and dies is followed by another within that.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);

struct Places {
    stream: Cluster,
    database: Database,
}

impl Places {
    fn new() -> Self {
        Self { stream: Cluster::start(1), database: Postgres::shared().database() }
    }

    /// Starts a service that shares all of it.
    fn serve(&self, folder: &Path) -> Program {
        let (store, beside) = (self.stream.url(0), self.database.url());
        Program::start(folder, &["--store", &store, "--state", &beside, "--keys", &beside])
    }

    /// So many mails were sent, as the log says.
    fn sent(&self) -> usize {
        self.stream.kept(STREAM).iter().filter(|event| event.kind == "EmailSent").count()
    }
}

fn letters(folders: &[TempDir]) -> Vec<Letter> {
    folders.iter().flat_map(|folder| Letter::read_all(&folder.path().join("data").join("outbox"))).collect()
}

#[test]
fn two_services_are_one_and_the_other_goes_on_at_once_when_one_is_killed() {
    let places = Places::new();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut services: Vec<Program> = folders.iter().map(|folder| places.serve(folder.path())).collect();
    let (code, words) = run(&["doctor", "--set", &format!("store={}", places.stream.url(0))], &services[0].data);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("for any number of services"), "{words}");
    let acme = organization(&services[0]);

    // What one has acknowledged, the other shows.
    let mut expected = BTreeSet::new();
    for number in 0..10 {
        let email = format!("guest-{number}@guests.example");
        invite(&services[number % 2], &acme, &email).expect(201);
        expected.insert(email);
        assert_eq!(invited(&services[(number + 1) % 2]), expected);
    }
    assert_eq!(invite(&services[1], &acme, "guest-0@guests.example").status, 409, "a claim is that of all");
    services[0].comes_to("each mail goes out", || places.sent() == 10);
    let there = letters(&folders);
    assert_eq!(there.len(), 10);
    a_guest_joins(&services, &acme, &there);

    // Whoever sends is killed: the other takes requests without a pause, and sends soon.
    let sender = usize::from(letters(&folders[..1]).is_empty());
    services.remove(sender).signal("KILL");
    let left = &services[0];
    let begun = Instant::now();
    invite(left, &acme, "late@guests.example").expect(201);
    left.comes_to("the other one sends", || places.sent() == 11);
    assert!(begun.elapsed() < TAKEN_OVER_WITHIN, "{:?}", begun.elapsed());

    let again = places.serve(folders[sender].path());
    expected.insert("late@guests.example".to_owned());
    assert_eq!(invited(&again), expected);
    let ids: BTreeSet<String> = letters(&folders).into_iter().map(|letter| letter.message_id).collect();
    assert_eq!((ids.len(), letters(&folders).len()), (11, 11), "each once");
}

/// Registers at one service, logs in at the other, and is known at both.
fn a_guest_joins(services: &[Program], acme: &Value, letters: &[Letter]) {
    let (link, code) = letters.iter().find(|letter| letter.to == "guest-3@guests.example").unwrap().link();
    let registering = json!({"code": code, "name": "Guest", "password": PASSWORD});
    Client::new(services[0].address, None).post(&format!("{link}/register"), &registering).expect(200);
    let credentials = json!({"email": "guest-3@guests.example", "password": PASSWORD});
    let logged_in = Client::new(services[1].address, None).post("/api/login", &credentials).expect(200);
    let target = format!("/api/v2/organizations/{}/invites", acme.as_str().unwrap());
    for service in services {
        let session = Browser::of(service.address, "default", &logged_in).session().to_owned();
        Client::new(service.address, Some(&session)).get(&target).expect(200);
    }
}

#[test]
fn a_service_with_state_or_keys_of_its_own_does_not_join_those_that_share() {
    let places = Places::new();
    let (shared, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = places.serve(shared.path());
    let beside = places.database.url();
    let told = refused(other.path(), &["--store", &places.stream.url(0), "--state", &beside]);
    assert!(told.contains("these are not the keys of the ledger on the server"), "{told}");
    first.deployment().get("/readyz").expect(200);
}

#[test]
fn another_body_under_a_key_is_refused_by_the_other_service_too() {
    let places = Places::new();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let services = folders.each_ref().map(|folder| places.serve(folder.path()));
    let keyed = Keyed::at(&services[0]);
    let first = keyed.ask(&services[0], "k", "ada@guests.example");
    assert_eq!(first.each_ref().map(|answer| answer.status), [201, 200, 200], "{first:?}");
    let created = || places.stream.kept(STREAM).iter().filter(|event| event.kind == "Created").count();
    let before = created();
    for service in &services {
        are_refused(&keyed.ask(service, "k", "bob@guests.example"));
        are_the_same(&keyed.ask(service, "k", "ada@guests.example"), &first);
    }
    assert_eq!(created(), before, "nothing was done twice");
}

/// The stream does not know who appends to it; the state that they share does.
#[test]
fn services_that_share_are_in_the_way_of_a_move_and_once_they_have_ended_it_takes_all_along() {
    let places = Places::new();
    let (folders, home) = ([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()], tempfile::tempdir().unwrap());
    let (from, beside) = (places.stream.url(0), places.database.url());
    let to = home.path().join("data");
    let moved = || {
        let servers = ["--from", &from, "--from-state", &beside, "--from-keys", &beside];
        run(&[&["move", "--to", to.to_str().unwrap()], &servers[..]].concat(), &to)
    };
    let services = folders.each_ref().map(|folder| places.serve(folder.path()));
    let acme = organization(&services[0]);
    invite(&services[1], &acme, "ada@guests.example").expect(201);
    let (code, words) = moved();
    assert_eq!((code, words.matches("session ").count()), (Some(1), 2), "each of them is named: {words}");
    invite(&services[0], &acme, "bob@guests.example").expect(201);
    services[0].comes_to("each mail goes out", || places.sent() == 2);
    let before = invited(&services[1]);
    for mut service in services {
        service.ask_to_end();
        assert_eq!(service.ended().code(), Some(0), "{}", service.words());
    }
    let (code, words) = moved();
    assert_eq!(code, Some(0), "{words}");
    let told = refused(folders[0].path(), &["--store", &from, "--state", &beside, "--keys", &beside]);
    assert!(told.contains(&format!("the ledger has moved to {}", to.display())), "{told}");
    let program = Program::start(home.path(), &[]);
    assert_eq!(invited(&program), before);
    invite(&program, &acme, "cid@guests.example").expect(201);
    let outbox = || Letter::read_all(&program.data.join("outbox"));
    program.comes_to("the newest mail goes out", || !outbox().is_empty());
    assert_eq!(outbox().len(), 1, "nothing goes out twice");
}
