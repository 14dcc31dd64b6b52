//! A server behind TLS that asks who one is.

use crate::refused;
use crate::server::Cluster;
use crate::support::program::Program;
use crate::support::service::{invite, invited, organization, run};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::process::Command;

/// A password, and how it stands in an address.
const PASSWORD: &str = "p@ss/w:ör%d";
const ENCODED: &str = "p%40ss%2Fw%3A%C3%B6r%25d";

/// No words may have the password, however it is written.
fn are_discreet(words: &str) {
    let sent = STANDARD.encode(format!("ledger:{PASSWORD}"));
    for password in [PASSWORD, ENCODED, "mistyped", &sent] {
        assert!(!words.contains(password), "{words}");
    }
}

#[test]
fn a_service_logs_in_over_tls_and_says_what_is_wrong_if_it_may_not() {
    let cluster = Cluster::sealed(1);
    cluster.admit("ledger", PASSWORD);
    let at = |password: &str, authority: &str| {
        format!("esdb://ledger:{password}@localhost:{}?{}", cluster.port(0), cluster.believing(authority))
    };
    let folder = tempfile::tempdir().unwrap();
    let url = at(ENCODED, "ours.crt");
    let mut program = Program::start(folder.path(), &["--store", &url, "--log-level", "trace"]);
    let acme = organization(&program);
    invite(&program, &acme, "ada@guests.example").expect(201);
    let there = invited(&program);
    let (code, words) = run(&["doctor", "--set", &format!("store={url}")], &program.data);
    assert_eq!(code, Some(0), "{words}");
    are_discreet(&words);
    program.ask_to_end();
    assert_eq!(program.ended().code(), Some(0), "{}", program.words());
    are_discreet(&program.words());

    let told = refused(&program.data, &["--store", &at("mistyped", "ours.crt")]);
    assert!(told.contains("the server denies the user of the address what a ledger needs"), "{told}");
    assert!(told.contains("check user and password"), "{told}");
    are_discreet(&told);
    let told = refused(&program.data, &["--store", &at(ENCODED, "theirs.crt")]);
    assert!(told.contains("is not believed (UnknownIssuer)") && told.contains("tlsCAFile=FILE"), "{told}");
    are_discreet(&told);

    for disposable in ["index.db", "views.db"] {
        std::fs::remove_file(program.data.join(disposable)).unwrap();
    }
    let again = Program::start(folder.path(), &["--store", &url]);
    assert_eq!(invited(&again), there, "it was read from the log");
}

#[test]
fn a_machine_whose_certificates_cannot_be_read_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let started = |store: &str| {
        let mut serving = Command::new(env!("CARGO_BIN_EXE_invitation-ledger"));
        serving.args(["serve", "--mail", "none", "--listen", "127.0.0.1:0", "--store", store, "--data"]);
        let ended = serving.arg(folder.path()).env("SSL_CERT_FILE", "/nowhere/certificates").output().unwrap();
        assert!(!ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    };
    let told = started("esdb://localhost:1");
    assert!(told.contains("the certificates that this machine believes cannot be read"), "{told}");
    assert!(told.contains("tlsCAFile=FILE") && !told.contains("panicked"), "{told}");
    // With the log elsewhere, they are not missed.
    #[cfg(feature = "postgres")]
    {
        let told = started("postgres://nobody@localhost:1/nothing");
        assert!(!told.contains("certificates") && !told.contains("panicked"), "{told}");
    }
}
