//! A service of the program and what its stories ask of it, wherever its log lies.

use super::program::Program;
use super::wire::Answer;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Runs a command of the program to its end; its exit code, and what it said.
pub fn run(arguments: &[&str], data: &Path) -> (Option<i32>, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_invitation-ledger"))
        .args(arguments)
        .arg("--data")
        .arg(data)
        .env_remove("INVITATION_LEDGER_STORE")
        .output()
        .unwrap();
    let words = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (ended.status.code(), words)
}

pub fn organization(program: &Program) -> Value {
    let made = program.deployment().post("/api/ledger/organizations", &json!({"name": "Acme Roofing"})).expect(201);
    made.json()["id"].clone()
}

pub fn invite(program: &Program, organization: &Value, email: &str) -> Answer {
    let asked = json!({"kind": "organization", "organization": organization, "email": email});
    program.deployment().post("/api/ledger/invitations", &asked)
}

pub fn invited(program: &Program) -> BTreeSet<String> {
    let page = program.deployment().get("/api/ledger/invitations?state=all&size=100").expect(200).json();
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["email"].as_str().unwrap().to_owned()).collect()
}
