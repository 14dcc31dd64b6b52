//! The program with its log in EventStoreDB, seen from its socket.
//!
//! `cargo test --features eventstore,postgres --test eventstore`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what went wrong by panicking"
)]

#[cfg(feature = "postgres")]
#[path = "../../store/tests/conformance/postgres/cluster.rs"]
#[allow(dead_code, reason = "the store's own tests need all of it")]
mod cluster;
#[cfg(feature = "postgres")]
mod nodes;
mod outcomes;
mod sealed;
#[path = "../../store/tests/conformance/eventstore/server/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the store's own tests need all of it")]
mod server;
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use server::Cluster;
use std::path::Path;
use support::program::Program;
use support::service::{invite, invited, organization, run};

const STREAM: &str = "invitation_ledger";

/// Starts a service that is not meant to come up, and tells what it says.
fn refused(data: &Path, more: &[&str]) -> String {
    let (code, words) = run(&[&["serve", "--mail", "none", "--listen", "127.0.0.1:0"], more].concat(), data);
    assert_ne!(code, Some(0), "{words}");
    words
}

#[test]
fn a_service_with_its_log_in_eventstoredb_survives_the_servers_restart_and_its_own_end() {
    let cluster = Cluster::start(1);
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url(0));
    let mut program = Program::start(folder.path(), &["--store", &url]);
    let organization = organization(&program);
    invite(&program, &organization, "ada@guests.example").expect(201);
    // The courier sends after the answer.
    program.comes_to("what it does stands in the stream", || {
        cluster.kept(STREAM).iter().any(|event| event.kind == "EmailSent")
    });
    let clear = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().contains("ada@");
    assert!(cluster.kept(STREAM).iter().all(|event| !clear(&event.data) && !clear(&event.metadata)));
    let metadata: Value = serde_json::from_slice(&cluster.kept(STREAM).last().unwrap().metadata).unwrap();
    assert!(metadata["$correlationId"].is_string(), "{metadata}");

    // Another command asks the service, and chooses nothing for the client of EventStoreDB.
    let store = format!("store={url}");
    let (code, words) = run(&["doctor", "--set", &store], &program.data);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("state in the folder, keys in the folder: for this service alone"), "{words}");
    let (_, words) = run(&["backup", folder.path().join("copy").to_str().unwrap(), "--set", &store], &program.data);
    assert!(words.contains("back it up there first"), "{words}");

    // The server goes away: what is asked for is refused, and the service stays.
    cluster.nodes[0].stop();
    let turned_away = invite(&program, &organization, "bob@guests.example").expect(503);
    assert!(turned_away.header("retry-after").is_some());
    let ready = program.deployment().get("/readyz").expect(503).json();
    assert_eq!(ready["reasons"], json!(["the database server that has the log does not answer"]));
    cluster.nodes[0].start();
    while invite(&program, &organization, "bob@guests.example").status != 201 {}
    program.deployment().get("/readyz").expect(200);
    assert_eq!(invited(&program).len(), 2);

    // The service goes away, and with it all that can be made anew.
    let there = invited(&program);
    program.ask_to_end();
    assert_eq!(program.ended().code(), Some(0), "{}", program.words());
    // With no service there, a command opens the log itself.
    let (code, words) = run(&["doctor", "--set", &store], &program.data);
    assert_eq!(code, Some(0), "{words}");
    for disposable in ["index.db", "views.db"] {
        std::fs::remove_file(program.data.join(disposable)).unwrap();
    }
    let again = Program::start(folder.path(), &["--store", &url]);
    assert_eq!(invited(&again), there);
    let taken = invite(&again, &organization, "ada@guests.example");
    assert_eq!(taken.status, 409, "the claim was read from the log: {}", taken.text());
}

#[test]
fn a_folder_belongs_to_one_log_and_a_log_to_one_folders_keys() {
    let cluster = Cluster::start(1);
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = Program::start(folder.path(), &["--store", &cluster.url(0)]);
    let told = refused(other.path(), &["--store", &cluster.url(0)]);
    assert!(told.contains("these are not the keys of the ledger on the server"), "{told}");
    first.deployment().get("/readyz").expect(200);
    first.ask_to_end();
    first.ended();
    // The setting left out: no second history begins.
    let told = refused(&first.data, &[]);
    assert!(told.contains("belongs to a log in EventStoreDB"), "{told}");
    assert!(!first.data.join("ledger.db").exists());
    // State and keys are no streams.
    let new = other.path().join("new");
    let told = refused(&new, &["--store", cluster.url(0).as_str(), "--keys", "esdb://localhost:2113"]);
    assert!(told.contains("must be store, data or postgres://"), "{told}");
    assert!(!new.exists());
}
