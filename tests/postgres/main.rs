//! The program with its log in PostgreSQL, seen from its socket.
//!
//! `cargo test --features postgres --test postgres`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what went wrong by panicking"
)]

mod analysts;
mod asleep;
#[path = "../../store/tests/conformance/postgres/cluster.rs"]
#[allow(dead_code, reason = "the store's own tests need all of it")]
mod cluster;
mod falls;
mod keys;
mod load;
mod moving;
mod nodes;
#[path = "../support/mod.rs"]
mod support;
mod views;

use cluster::Cluster;
use serde_json::json;
use std::path::Path;
use support::program::Program;
use support::service::{invite, invited, organization, run};
use support::{Client, PASSWORD};

#[test]
fn a_service_with_its_log_in_postgresql_survives_the_servers_restart_and_its_own_end() {
    let database = Cluster::own().database();
    let (folder, store) = (tempfile::tempdir().unwrap(), format!("store={}", database.url()));
    let mut program = Program::start(folder.path(), &["--store", &database.url()]);
    let organization = organization(&program);
    invite(&program, &organization, "ada@guests.example").expect(201);
    let kinds = "SELECT string_agg(DISTINCT event_type, ' ' ORDER BY event_type) FROM ledger.events \
                 WHERE aggregate_type = 'invitation'";
    // The courier sends after the answer.
    program.comes_to("what it does stands in the database", || database.run(kinds) == "Created EmailSent");
    assert_eq!(database.run("SELECT count(*) FROM ledger.events WHERE payload::text LIKE '%ada@%'"), "0");

    let (code, words) = run(&["doctor", "--set", &store], &program.data);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("events in PostgreSQL 1") && words.contains("postgres://***@localhost/"), "{words}");
    let (_, words) = run(&["backup", folder.path().join("copy").to_str().unwrap(), "--set", &store], &program.data);
    assert!(words.contains("back it up there first"), "{words}");

    // The server goes away: what is asked for is refused, and the service stays.
    database.cluster.stop();
    let refused = invite(&program, &organization, "bob@guests.example").expect(503);
    assert!(refused.header("retry-after").is_some());
    let silent =
        ["log", "state", "keys"].map(|what| format!("the database server that has the {what} does not answer"));
    program.comes_to("it says what is missing", || {
        program.deployment().get("/readyz").expect(503).json()["reasons"] == json!(silent)
    });
    let (code, words) = run(&["doctor", "--set", &store], &program.data);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("WRONG    store"), "{words}");
    database.cluster.start_again("");
    while invite(&program, &organization, "bob@guests.example").status != 201 {}
    program.comes_to("it is ready", || program.deployment().get("/readyz").status == 200);
    assert_eq!(invited(&program).len(), 2);

    // The service goes away, and with it all that can be made anew.
    let there = invited(&program);
    program.ask_to_end();
    assert_eq!(program.ended().code(), Some(0), "{}", program.words());
    for disposable in ["index.db", "views.db"] {
        std::fs::remove_file(program.data.join(disposable)).unwrap();
    }
    let again = Program::start(folder.path(), &["--store", &database.url()]);
    assert_eq!(invited(&again), there);
    let taken = invite(&again, &organization, "ada@guests.example");
    assert_eq!(taken.status, 409, "the claim was read from the log: {}", taken.text());
}

/// State and keys in the folder, as they were before they could lie elsewhere.
const IN_THE_FOLDER: [&str; 4] = ["--state", "data", "--keys", "data"];

fn serve(data: &Path, store: &str, more: &[&str]) -> (Option<i32>, String) {
    let arguments = ["serve", "--mail", "none", "--listen", "127.0.0.1:0", "--store", store];
    run(&[&arguments, more].concat(), data)
}

#[test]
fn with_state_or_keys_in_a_folder_one_service_has_the_database() {
    let database = Cluster::shared().database();
    let url = database.url();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Program::start(folder.path(), &[&["--store", url.as_str()][..], &IN_THE_FOLDER].concat());
    for (number, places) in [&IN_THE_FOLDER[..], &["--state", "data"], &["--keys", "data"]].into_iter().enumerate() {
        let (code, words) = serve(&other.path().join(format!("alone-{number}")), &url, places);
        assert_ne!(code, Some(0));
        assert!(words.contains("another service writes to this ledger: stop it"), "{words}");
    }
    let (code, words) = serve(&other.path().join("shared"), &url, &[]);
    assert_ne!(code, Some(0));
    assert!(words.contains("keeps its state or keys in its folder writes to this ledger"), "{words}");
    first.ask_to_end();
    first.ended();
    // What the folder has is not left behind by leaving a setting out.
    let (_, words) = serve(&first.data, &url, &["--state", "data"]);
    assert!(words.contains("holds keys of its own; set `keys` to data"), "{words}");
    let (_, words) = serve(&first.data, &url, &["--keys", "data"]);
    assert!(words.contains("holds sessions and outbox of its own; set `state` to data"), "{words}");
    // The setting left out: no second history begins.
    let (code, words) = serve(&first.data, "data", &[]);
    assert_ne!(code, Some(0));
    assert!(words.contains("belongs to a log in PostgreSQL"), "{words}");
    assert!(!first.data.join("ledger.db").exists());
    // Another folder has other keys, and so has the database.
    for places in [&IN_THE_FOLDER[..], &[]] {
        let (code, words) = serve(&other.path().join(format!("keys-{}", places.len())), &url, places);
        assert_ne!(code, Some(0));
        assert!(words.contains("these are not the keys of the ledger in the database"), "{words}");
    }
}

#[test]
fn a_folder_belongs_to_one_log_and_places_that_do_not_fit_are_refused_by_name() {
    let database = Cluster::shared().database();
    let url = database.url();
    let own = tempfile::tempdir().unwrap();
    let mut plain = Program::start(own.path(), &[]);
    plain.ask_to_end();
    plain.ended();
    let (_, words) = serve(&plain.data, &url, &[]);
    assert!(words.contains("holds a log of its own"), "{words}");
    let new = own.path().join("new");
    let (_, words) = serve(&new, "mysql://localhost/ledger", &[]);
    assert!(words.contains("must be data, postgres://"), "{words}");
    let (_, words) = serve(&new, "data", &["--keys", &url]);
    assert!(words.contains("`keys` names a database, but the log lies in the folder"), "{words}");
    let (_, words) = serve(&new, &url, &["--state", "elsewhere"]);
    assert!(words.contains("must be store, data or postgres://"), "{words}");
    assert!(!new.exists());
}

#[test]
fn a_server_that_has_state_or_keys_alone_is_missed_by_name() {
    let log = Cluster::shared().database();
    let (state, keys) = (Cluster::own().database(), Cluster::own().database());
    let folder = tempfile::tempdir().unwrap();
    let places = ["--store", &log.url(), "--state", &state.url(), "--keys", &keys.url()];
    let program = Program::start(folder.path(), &places);
    let metric = |what: &str| {
        let page = program.deployment().get("/metrics").expect(200).text();
        let line =
            page.lines().find(|line| line.starts_with(&format!("invitation_ledger_server_answers{{of=\"{what}\"}}")));
        line.unwrap().rsplit_once(' ').unwrap().1.to_owned()
    };
    for (what, database) in [("state", &state), ("keys", &keys)] {
        assert_eq!(["log", "state", "keys"].map(metric), ["1"; 3]);
        database.cluster.stop();
        let reasons = json!([format!("the database server that has the {what} does not answer")]);
        program.comes_to("it is missed", || {
            let told = program.deployment().get("/readyz");
            told.status == 503 && told.json()["reasons"] == reasons
        });
        assert_eq!((metric("log").as_str(), metric(what).as_str()), ("1", "0"));
        let doctor = program.deployment().get("/api/ledger/doctor").expect(200).json();
        let findings = doctor["findings"].as_array().unwrap();
        let wrong: Vec<&serde_json::Value> = findings.iter().filter(|finding| finding["health"] == "wrong").collect();
        assert_eq!(wrong.len(), 1, "{doctor}");
        assert_eq!((&wrong[0]["check"], &wrong[0]["found"]), (&json!(what), &reasons[0]));
        database.cluster.start_again("");
        program.comes_to("it is ready again", || program.deployment().get("/readyz").status == 200);
    }
}

/// Whoever logs in has his failures counted by the database.
#[test]
fn a_log_in_that_waits_for_the_database_holds_nobody_else_up() {
    const AT_ONCE: usize = 6;
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &["--store", &database.url(), "--mail", "none"]);
    let mut holder = database.fall_silent("BEGIN; LOCK TABLE state.entries IN ACCESS EXCLUSIVE MODE");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE '%state.entries%starts_with%'";
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'state.entries'::regclass \
                AND mode = 'AccessExclusiveLock' AND granted";
    program.comes_to("the state answers nobody", || database.run(held) == "1");
    std::thread::scope(|scope| {
        let log_ins: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let visitor = Client::new(program.address, None);
                let asked = json!({"email": format!("guest-{number}@guests.example"), "password": PASSWORD});
                scope.spawn(move || visitor.post("/api/login", &asked).status)
            })
            .collect();
        program
            .comes_to("each waits for its own answer", || database.run(waiting).parse::<usize>().unwrap() >= AT_ONCE);
        Client::new(program.address, None).get("/healthz").expect(200);
        assert!(log_ins.iter().all(|log_in| !log_in.is_finished()), "nobody was answered before");
        holder.kill().unwrap();
        holder.wait().unwrap();
        let told: Vec<u16> = log_ins.into_iter().map(|log_in| log_in.join().unwrap()).collect();
        assert_eq!(told, [401; AT_ONCE]);
    });
}

#[test]
fn keys_may_lie_in_a_database_of_their_own_and_the_operators_token_is_that_of_all() {
    let (database, vault) = (Cluster::shared().database(), Cluster::shared().database());
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (url, keys) = (database.url(), vault.url());
    let settings = ["--store", url.as_str(), "--keys", keys.as_str()];
    let first = Program::start(one.path(), &settings);
    let mut second = Program::start(other.path(), &settings);
    assert_eq!(first.deployment().token(), second.deployment().token());
    assert_eq!(database.run("SELECT to_regnamespace('keys') IS NULL, to_regnamespace('state') IS NULL"), "t|f");
    assert_eq!(vault.run("SELECT count(*) FROM keys.secrets WHERE name IN ('master', 'admin token')"), "2");
    let store = format!("store={url}");
    let (code, words) = run(&["doctor", "--set", &store, "--set", &format!("keys={keys}")], &second.data);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("keys in PostgreSQL") && words.contains("for any number of services"), "{words}");
    second.ask_to_end();
    second.ended();
    std::fs::write(second.data.join("admin-token"), format!("il_dep_{}", "A".repeat(43))).unwrap();
    let (_, words) = serve(&second.data, &url, &["--keys", &keys]);
    assert!(words.contains("has another admin-token than the services it shares keys with"), "{words}");
}
