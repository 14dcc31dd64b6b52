//! A ledger moves while its service stands still, or had a mail under way: whoever wakes
//! writes nothing and sends nothing, and no mail is lost or sent a third time.

use crate::cluster::{Cluster, Database};
use crate::moving::{kinds, moved};
use crate::support::house::{BEGINNING, House, PUBLIC_URL};
use crate::support::post_office::{Mood, PostOffice};
use crate::support::program::Program;
use crate::support::service::{invite, invited, organization};
use crate::support::wire::Request;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant, UNIX_EPOCH};

const ADA: &str = "ada@guests.example";
/// A mail of unknown outcome waits a minute.
const A_MINUTE: Duration = Duration::from_secs(61);
const WITHIN: Duration = Duration::from_secs(20);

/// As whoever keeps the server does with sessions that nobody answers for.
fn end_sessions(database: &Database) {
    let others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                  AND backend_type = 'client backend'";
    database.run(&format!("SELECT count(pg_terminate_backend(pid)) {others}"));
    while database.run(&format!("SELECT count(*) {others}")) != "0" {}
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WITHIN, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Even if it cannot read in the log that the ledger has gone.
#[test]
fn a_service_that_slept_while_the_ledger_moved_writes_and_sends_nothing_when_it_wakes() {
    let office = PostOffice::open(Mood::Takes);
    let (log, beside) = (Cluster::own().database(), Cluster::shared().database());
    let (node, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (url, other, smtp) = (log.url(), beside.url(), office.url());
    let places = ["--store", &url, "--state", &other, "--keys", &other, "--mail", &smtp];
    let mut service = Program::start(node.path(), &places);
    let acme = organization(&service);
    // It is about to write down a mail that is due when it is stopped.
    let mut holder = beside.fall_silent("BEGIN; LOCK TABLE state.entries IN EXCLUSIVE MODE");
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO state.entries%'";
    service.comes_to("nobody changes the state", || beside.run(waits) == "t");
    invite(&service, &acme, ADA).expect(201);
    service.stand_still();
    let asked = Request::new("POST", "/api/ledger/invitations")
        .json(&json!({"kind": "organization", "organization": acme, "email": "bob@guests.example"}))
        .bearer(service.deployment().token());
    let address = service.address;
    let asking = std::thread::spawn(move || asked.send(address));
    holder.kill().unwrap();
    holder.wait().unwrap();

    let data = home.path().join("data");
    let to = data.to_str().unwrap();
    let beside_it = ["--from-state", &other, "--from-keys", &other];
    let (code, words) = moved(&data, &url, to, &beside_it);
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("is in use by session ") && words.contains("all of its events are copied by now"),
        "{words}"
    );
    end_sessions(&log);
    end_sessions(&beside);
    let (code, words) = moved(&data, &url, to, &beside_it);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("copied 1 event, "), "{words}");

    log.cluster.stop();
    service.signal("CONT");
    service.comes_to("it hears of it from the state", || service.words().contains("the ledger is being moved"));
    assert!(office.taken().is_empty(), "{}", service.words());
    log.cluster.start_again("");
    assert!(!service.ended().success(), "it ends when it reads that the ledger has moved");
    assert!(asking.join().unwrap().is_ok_and(|answer| answer.status == 503) || office.taken().is_empty());
    assert_eq!(kinds(&log), "Moved");
    assert_eq!(log.run("SELECT event_type FROM ledger.events ORDER BY position DESC LIMIT 1"), "Moved");

    let there = Program::start(home.path(), &["--mail", &smtp]);
    there.comes_to("the mail goes out", || !office.taken().is_empty());
    there.comes_to("and is settled", || there.deployment().get("/api/ledger/outbox").json()["items"] == json!([]));
    assert_eq!(office.taken(), [ADA]);
    assert_eq!(invited(&there), BTreeSet::from([ADA.to_owned()]), "what nobody was told of never happened");
}

/// It holds the folder's lock for as long as it is there at all.
#[test]
fn a_folder_whose_service_stands_still_stays_its_own() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Cluster::shared().database());
    let mut service = Program::start(folder.path(), &["--mail", "none"]);
    let acme = organization(&service);
    invite(&service, &acme, ADA).expect(201);
    let (data, pid) = (service.data.clone(), service.pid());
    service.stand_still();
    let (code, words) = moved(&data, data.to_str().unwrap(), &database.url(), &[]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains(&format!("is in use by pid {pid} ")), "{words}");
    service.signal("CONT");
    invite(&service, &acme, "bob@guests.example").expect(201);
    service.signal("KILL");
    service.ended();
    let (code, words) = moved(&data, data.to_str().unwrap(), &database.url(), &[]);
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(kinds(&database), "Moved Opened");
}

#[test]
fn a_mail_that_was_under_way_when_the_ledger_moved_is_sent_once_more_and_never_again() {
    let office = PostOffice::open(Mood::Silent);
    let (folder, database) = (tempfile::tempdir().unwrap(), Cluster::shared().database());
    let smtp = office.url();
    let mut service = Program::start(folder.path(), &["--mail", &smtp, "--public-url", PUBLIC_URL]);
    let acme = organization(&service);
    invite(&service, &acme, ADA).expect(201);
    service.comes_to("it was handed over", || !office.taken().is_empty());
    service.signal("KILL");
    service.ended();
    let data = service.data.clone();
    let (code, words) = moved(&data, data.to_str().unwrap(), &database.url(), &[]);
    assert_eq!(code, Some(0), "{words}");

    office.is_now(Mood::Takes);
    let mut house = House::with(&[("store", &database.url()), ("mail", &smtp)]);
    let outbox = |house: &House| house.deployment().get("/api/ledger/outbox").expect(200).json()["items"].clone();
    assert_eq!(outbox(&house)[0]["state"], "sending", "{}", outbox(&house));
    house.advance(UNIX_EPOCH.elapsed().unwrap() - Duration::from_secs(BEGINNING.cast_unsigned()));
    house.restart();
    until("it is known that nobody knows", || outbox(&house)[0]["state"] == "queued");
    house.advance(A_MINUTE);
    house.restart();
    until("it is sent once more", || outbox(&house) == json!([]));
    let ids = office.message_ids();
    assert_eq!((office.taken(), ids.len()), (vec![ADA.to_owned(); 2], 2));
    assert_eq!(ids[0], ids[1], "the provider can tell that it is the same");
    assert_eq!(database.run("SELECT count(*) FROM ledger.events WHERE event_type = 'EmailSent'"), "1");
    house.advance(Duration::from_secs(48 * 60 * 60));
    house.restart();
    house.deliver();
    assert_eq!(office.taken().len(), 2);
}
