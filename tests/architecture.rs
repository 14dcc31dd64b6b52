//! The walls of the house, read from `cargo metadata` and from the files.
//!
//! An edge between rooms that is not in [`ROOMS`] fails, and so does a crate in
//! a room that must not know what the crate is for. To add an edge, change the
//! table in `docs/architecture.md` first, and say why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What third-party crates are for, where a wall stands against it.
const SQL: &[&str] = &["rusqlite", "libsqlite3-sys", "sqlx", "postgres-es", "tokio-postgres", "eventstore"];
const SERVING: &[&str] = &["poem", "poem-openapi", "hyper", "hyper-util", "http-body-util"];
const OUTSIDE: &[&str] = &["lettre", "reqwest"];
const COMMAND_LINE: &[&str] = &["clap", "indicatif", "rpassword"];

/// One room, the rooms it may use, and what it must not know.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
    must_not_know: &'static [&'static [&'static str]],
}

const ROOMS: &[Room] = &[
    Room { name: "domain", may_use: &[], must_not_know: &[SQL, SERVING, OUTSIDE, COMMAND_LINE] },
    Room { name: "store", may_use: &[], must_not_know: &[SERVING, OUTSIDE, COMMAND_LINE] },
    Room { name: "projections", may_use: &["domain", "store"], must_not_know: &[SERVING, OUTSIDE, COMMAND_LINE] },
    Room { name: "identity", may_use: &["domain", "store"], must_not_know: &[SQL, SERVING, OUTSIDE, COMMAND_LINE] },
    Room { name: "delivery", may_use: &["domain", "store"], must_not_know: &[SQL, SERVING, COMMAND_LINE] },
    Room {
        name: "openapi",
        may_use: &["domain", "projections", "identity"],
        must_not_know: &[SQL, OUTSIDE, COMMAND_LINE],
    },
    Room {
        name: "console",
        may_use: &["domain", "projections", "identity"],
        must_not_know: &[SQL, OUTSIDE, COMMAND_LINE],
    },
    // Knows the service only by its HTTP.
    Room { name: "bench", may_use: &[], must_not_know: &[SQL] },
    Room {
        name: "invitation-ledger",
        may_use: &["domain", "store", "projections", "identity", "delivery", "openapi", "console"],
        must_not_know: &[SQL],
    },
];

/// All that the domain is built from. None of them does I/O, reads a clock by
/// itself or draws numbers by itself.
const DOMAIN_CRATES: &[&str] =
    &["async-trait", "chrono", "cqrs-es", "idna", "serde", "serde_json", "thiserror", "unicode-normalization", "uuid"];

/// No file of ours reaches this many lines.
const MAX_LINES: usize = 500;
/// Names that say nothing about what is inside.
const EMPTY_WORDS: &[&str] = &["manager", "helper", "helpers", "util", "utils", "common", "core"];
/// Folders that are not ours.
const FOREIGN: &[&str] = &["target", "node_modules", ".venv", ".git"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata(arguments: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Per package: what it names as a dependency, and whether outside of tests.
fn declared() -> BTreeMap<String, Vec<(String, bool)>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let named = dependencies.iter().map(|d| (text(&d["name"]), d["kind"].as_str() != Some("dev"))).collect();
            (text(&package["name"]), named)
        })
        .collect()
}

fn files() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().to_owned()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if entry.file_type().unwrap().is_dir() {
                if !FOREIGN.iter().any(|foreign| name == *foreign) {
                    folders.push(entry.path());
                }
            } else {
                files.push(entry.path());
            }
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    assert!(files.len() > 100, "only {} files were found: the walk is wrong", files.len());
    files
}

#[test]
fn every_package_is_a_room_of_the_table() {
    let found: BTreeSet<String> = declared().into_keys().collect();
    let known: BTreeSet<String> = ROOMS.iter().map(|room| room.name.to_owned()).collect();
    assert_eq!(found, known);
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let declared = declared();
    let mut wrong = vec![];
    for room in ROOMS {
        for (used, _) in &declared[room.name] {
            let is_room = declared.contains_key(used);
            if is_room && !room.may_use.contains(&used.as_str()) {
                wrong.push(format!("{} must not use {used}", room.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    let declared = declared();
    let mut wrong = vec![];
    for room in ROOMS {
        let forbidden: BTreeSet<&str> = room.must_not_know.iter().flat_map(|group| group.iter().copied()).collect();
        for (used, in_program) in &declared[room.name] {
            if *in_program && forbidden.contains(used.as_str()) {
                wrong.push(format!("{} must not know {used}", room.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_domain_is_built_from_pure_crates_alone() {
    let used: Vec<String> = declared().remove("domain").unwrap().into_iter().filter(|d| d.1).map(|d| d.0).collect();
    let foreign: Vec<&String> = used.iter().filter(|name| !DOMAIN_CRATES.contains(&name.as_str())).collect();
    assert_eq!(foreign, Vec::<&String>::new());
}

/// With that feature on anywhere, objects keep the order they were written in,
/// and the log's canonical bytes are canonical no more.
#[test]
fn nothing_turns_on_preserved_order() {
    let metadata = metadata(&[]);
    let packages = metadata["packages"].as_array().unwrap();
    let named = |name: &str| packages.iter().filter(|p| p["name"] == name).map(|p| p["id"].clone()).collect::<Vec<_>>();
    let json = named("serde_json");
    assert_eq!(json.len(), 1, "one serde_json in the graph");
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["id"] == json[0]).unwrap();
    let features: Vec<&str> = node["features"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert!(features.contains(&"std"), "the features are those of the graph: {features:?}");
    assert!(!features.contains(&"preserve_order"), "{features:?}");
    assert_eq!(serde_json::json!({"b": 1, "a": 2}).to_string(), r#"{"a":2,"b":1}"#);
}

#[test]
fn files_stay_short() {
    let lines = |file: &PathBuf| std::fs::read_to_string(file).unwrap().lines().count();
    let long: Vec<String> = files()
        .iter()
        .map(|file| (file.strip_prefix(root()).unwrap().display().to_string(), lines(file)))
        .filter(|(_, lines)| *lines >= MAX_LINES)
        .map(|(file, lines)| format!("{file} has {lines} lines, {MAX_LINES} are too many: split it by what it does"))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

/// Half a minute would be spent on looking for them.
#[test]
fn no_example_hides_in_documentation_where_it_is_never_run() {
    let fences = ["/// ```", "/// ```rust", "//! ```", "//! ```rust"];
    let opens = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        // Every second fence ends what the one before began.
        text.lines()
            .map(str::trim)
            .filter(|line| line.starts_with("//") && line.contains("```"))
            .step_by(2)
            .any(|line| fences.contains(&line))
    };
    let wrong: Vec<PathBuf> = files().into_iter().filter(opens).collect();
    assert_eq!(wrong, Vec::<PathBuf>::new());
}

#[test]
fn names_say_what_is_inside() {
    let empty = |part: &str| EMPTY_WORDS.contains(&part);
    let wrong: Vec<String> = files()
        .iter()
        .map(|file| file.strip_prefix(root()).unwrap().with_extension("").display().to_string())
        .filter(|name| name.split(['/', '_']).any(empty))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
