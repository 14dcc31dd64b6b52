//! A ledger goes from a folder to PostgreSQL, and to another folder: what people hold
//! of it, sessions, tokens and links in mails, never notices.

use crate::cluster::Cluster;
use crate::support::post_office::{Mood, PostOffice};
use crate::support::program::Program;
use crate::support::service::{invite, invited, organization, run};
use crate::support::{Client, Letter, PASSWORD, User};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

pub fn moved(data: &Path, from: &str, to: &str, more: &[&str]) -> (Option<i32>, String) {
    run(&[&["move", "--from", from, "--to", to], more].concat(), data)
}

pub fn ended(mut program: Program) {
    program.ask_to_end();
    assert_eq!(program.ended().code(), Some(0), "{}", program.words());
}

pub fn kinds(database: &crate::cluster::Database) -> String {
    let sql = "SELECT string_agg(event_type, ' ' ORDER BY position) FROM ledger.events WHERE aggregate_type = 'ledger'";
    database.run(sql)
}

fn application(program: &Program) -> String {
    let asked = json!({"name": "shop", "scopes": ["invites"]});
    let made = program.deployment().post("/api/ledger/applications", &asked).expect(201).json();
    made["token"].as_str().unwrap().to_owned()
}

#[test]
fn a_ledger_moves_to_postgresql_and_back_and_nobody_who_uses_it_notices() {
    let office = PostOffice::open(Mood::Takes);
    let database = Cluster::shared().database();
    let (one, two, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = database.url();
    let smtp = office.url();
    let mail = ["--mail", smtp.as_str()];

    // A folder: somebody has a session, an application a token, Ada and Bob a mail in two dialects, and one
    // mail more that the provider does not take now.
    let program = Program::start(one.path(), &[]);
    let data = program.data.clone();
    let acme = organization(&program);
    let asked = json!({"email": "liz@acme.example", "name": "Liz", "password": PASSWORD, "administrator": true});
    let liz = program.deployment().post("/api/ledger/users", &asked).expect(201).json();
    let liz = User::log_in(program.address, liz["id"].as_str().unwrap().parse().unwrap(), "liz@acme.example", PASSWORD);
    knows(&program, &liz);
    let token = application(&program);
    invite(&program, &acme, "ada@guests.example").expect(201);
    let shop = Client::new(program.address, Some(&token));
    shop.post("/api/users/invitations", &json!({"EmailAddresses": ["bob@guests.example"]})).expect(200);
    program.comes_to("both have their mail", || Letter::read_all(&data.join("outbox")).len() == 2);
    let ada = Letter::read_all(&data.join("outbox")).into_iter().find(|letter| letter.to.starts_with("ada")).unwrap();
    ended(program);
    let program = Program::start(one.path(), &["--mail", "none"]);
    invite(&program, &acme, "cid@guests.example").expect(201);

    // While it is served, the move asks to stop it.
    let from = data.to_str().unwrap();
    let (code, words) = moved(&data, from, &url, &[]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains(&format!("is in use by pid {} http://", program.pid())), "{words}");
    assert!(words.contains("give the same command again: all of its events are copied by now"), "{words}");
    // Nobody serves what is not whole.
    let (code, words) = run(&["serve", "--listen", "127.0.0.1:0", "--store", &url], &two.path().join("data"));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("is being moved to this place and is not open yet"), "{words}");
    invite(&program, &acme, "dan@guests.example").expect(201);
    let before = invited(&program);
    ended(program);
    let (code, words) = moved(&data, from, &url, &[]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("compared at both places") && words.contains("serve it from there"), "{words}");
    assert_eq!(kinds(&database), "Moved Opened");
    assert!(!words.contains("postgres@"), "no user, no password: {words}");

    // The folder is closed, and says to where it went; giving up comes too late.
    let (code, words) = run(&["serve", "--listen", "127.0.0.1:0"], &data);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains(&format!("the ledger has moved to postgres://localhost/{}", database.name)), "{words}");
    let (code, words) = moved(&data, from, &url, &["--cancel"]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("too late"), "{words}");

    // Two services there: all is as it was, and what waited is sent, once.
    let service = Program::start(two.path(), &[&["--store", url.as_str()][..], &mail].concat());
    let other = Program::start(three.path(), &[&["--store", url.as_str()][..], &mail].concat());
    assert_eq!(service.deployment().token(), std::fs::read_to_string(data.join("admin-token")).unwrap().trim());
    assert_eq!(invited(&other), before);
    service.comes_to("what waited is sent", || office.taken().len() == 2);
    let eve = json!({"EmailAddresses": ["eve@guests.example"]});
    Client::new(other.address, Some(&token)).post("/api/users/invitations", &eve).expect(200);
    knows(&other, &liz);
    // Ada follows the link of the mail that the folder's service had sent.
    let (link, secret) = ada.link();
    let registered = json!({"code": secret, "name": "Ada", "password": PASSWORD});
    Client::new(service.address, None).post(&format!("{link}/register"), &registered).expect(200);
    let mut taken = office.taken();
    taken.sort();
    assert_eq!(taken, ["cid@guests.example", "dan@guests.example", "eve@guests.example"]);
    let there = invited(&service);
    ended(service);
    ended(other);

    // And home to the folder it came from.
    let (code, words) = moved(&data, &url, from, &["--json"]);
    assert_eq!(code, Some(0), "{words}");
    let report = serde_json::Deserializer::from_str(&words).into_iter::<Value>().next().unwrap().unwrap();
    assert_eq!(report["to"], from);
    let program = Program::start(one.path(), &mail);
    assert_eq!(invited(&program), there);
    let fay = json!({"EmailAddresses": ["fay@guests.example"]});
    Client::new(program.address, Some(&token)).post("/api/users/invitations", &fay).expect(200);
    knows(&program, &liz);
    program.comes_to("the newest mail is sent", || office.taken().contains(&"fay@guests.example".to_owned()));
    assert_eq!(office.taken().len(), 4, "nothing goes out twice");
    let (_, words) = run(&["serve", "--listen", "127.0.0.1:0", "--store", &url], &two.path().join("data"));
    assert!(words.contains(&format!("the ledger has moved to {from}")), "{words}");
}

/// Her session is one; a stranger's is none.
fn knows(program: &Program, user: &User) {
    let ask = |token: &str| Client::new(program.address, Some(token)).get("/api/ledger/organizations").status;
    let stranger = format!("il_ses_{}", "A".repeat(43));
    assert_eq!((ask(user.client.token()), ask(&stranger)), (200, 401));
}

/// Kills a move, begun beside the folder, while it says its how-manieth word: the word, or nothing if it came to
/// its end before.
fn killed_after(words: usize, from: &str, to: &str) -> Option<String> {
    let mut moving = Command::new(env!("CARGO_BIN_EXE_invitation-ledger"))
        .args(["move", "--from", "./data", "--to", to])
        .current_dir(Path::new(from).parent().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(moving.stderr.take().unwrap()).lines().map(Result::unwrap);
    let (mut heard, mut last) = (0, String::new());
    while heard < words {
        let Some(line) = said.next() else {
            assert_eq!(moving.wait().unwrap().code(), Some(0), "{last}");
            return None;
        };
        heard += usize::from(line.starts_with("moving the "));
        last = line;
    }
    moving.kill().unwrap();
    moving.wait().unwrap();
    Some(last)
}

#[test]
fn a_move_that_is_killed_anywhere_goes_on_and_one_that_is_given_up_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &["--mail", "none"]);
    let acme = organization(&program);
    for number in 0..40 {
        invite(&program, &acme, &format!("guest-{number}@guests.example")).expect(201);
    }
    let there = invited(&program);
    let data = program.data.clone();
    ended(program);
    let from = data.to_str().unwrap();
    let database = Cluster::shared().database();
    // Killed at each word of it, one word later each time, until it comes to its end before that.
    let mut heard = vec![];
    while let Some(word) = killed_after(heard.len() + 1, from, &database.url()) {
        heard.push(word);
    }
    let parts: Vec<&str> = heard.iter().map(|word| word.split(':').next().unwrap()).collect();
    assert!(parts.starts_with(&["moving the log", "moving the state", "moving the keys"]), "{heard:?}");
    assert_eq!(kinds(&database), "Moved Opened");
    let two = tempfile::tempdir().unwrap();
    let program = Program::start(two.path(), &["--store", &database.url(), "--mail", "none"]);
    assert_eq!(invited(&program), there);
    ended(program);
    // On the way to a second folder it is given up: it stays where it is, and goes to a third one.
    let second = two.path().join("second");
    let held = Program::start(two.path(), &["--store", &database.url(), "--mail", "none"]);
    let (code, _) = moved(&data, &database.url(), second.to_str().unwrap(), &[]);
    assert_eq!(code, Some(1));
    let (code, words) = moved(&data, &database.url(), second.to_str().unwrap(), &["--cancel"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("it was never closed"), "{words}");
    ended(held);
    let (_, words) = run(&["serve", "--listen", "127.0.0.1:0"], &second);
    assert!(words.contains("cannot be served from here"), "{words}");
    let (code, words) = moved(&data, &database.url(), second.to_str().unwrap(), &[]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("was given up"), "{words}");
    let third = two.path().join("third/data");
    let (code, words) = moved(&data, &database.url(), third.to_str().unwrap(), &[]);
    assert_eq!(code, Some(0), "{words}");
    let program = Program::start(&two.path().join("third"), &["--mail", "none"]);
    assert_eq!(invited(&program), there);
}
