//! Services that die and stand still under load, again and again.
//!
//! `LEDGER_NODE_ROUNDS=100` tells more rounds than the few of every run.

use crate::cluster::{Cluster, Database};
use crate::nodes::Nodes;
use crate::support::wire::Request;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const ROUNDS: usize = 4;
const CALLERS: usize = 6;
/// Acknowledged between two falls.
const BETWEEN: usize = 15;
/// Callers get on within that, whatever falls.
const GETS_ON_WITHIN: Duration = Duration::from_secs(40);
/// Shorter and longer than a lease is waited for.
const STANDS_STILL: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];

/// What callers share.
struct Load {
    addresses: Mutex<Vec<SocketAddr>>,
    token: String,
    organization: Value,
    /// Invitation by address.
    acknowledged: Mutex<BTreeMap<String, String>>,
    next: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    /// Invites one after the other; each until somebody says that it is done, under one key.
    fn call(&self) {
        while !self.over.load(SeqCst) {
            let number = self.next.fetch_add(1, SeqCst);
            let email = format!("guest-{number}@guests.example");
            let asked = json!({"kind": "organization", "organization": self.organization, "email": email});
            let mut attempt = number;
            let made = loop {
                let request = Request::new("POST", "/api/ledger/invitations").json(&asked);
                let request = request.key(&format!("invite-{number}")).bearer(&self.token);
                let address = self.address(attempt);
                match request.send(address) {
                    Ok(answer) if answer.status == 201 => {
                        break answer.json()["invitation"]["id"].as_str().unwrap().to_owned();
                    }
                    Ok(answer) if answer.status == 503 => {}
                    Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
                    // It fell: what became of it, the same key tells at another one.
                    Err(_) => {}
                }
                attempt += 1;
            };
            self.acknowledged.lock().unwrap().insert(email, made);
        }
    }

    fn address(&self, attempt: usize) -> SocketAddr {
        let addresses = self.addresses.lock().unwrap();
        addresses[attempt % addresses.len()]
    }

    fn done(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

/// Callers stop with it, however the test ends.
struct Calling<'a>(&'a Load);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, SeqCst);
    }
}

#[test]
fn nothing_acknowledged_is_lost_whichever_service_falls() {
    let rounds = std::env::var("LEDGER_NODE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let database = Cluster::shared().database();
    let mut nodes = Nodes::start(3, &database);
    let made = nodes.deployment().post("/api/ledger/organizations", &json!({"name": "Acme"})).expect(201).json();
    let load = Load {
        addresses: Mutex::new(nodes.programs.iter().map(|program| program.address).collect()),
        token: nodes.token.clone(),
        organization: made["id"].clone(),
        acknowledged: Mutex::default(),
        next: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let calling = Calling(&load);
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| load.call())).collect();
        for round in 0..rounds {
            get_on(&load, &nodes);
            // Every service in every way, one after the other.
            let fallen = round % nodes.programs.len();
            let program = &nodes.programs[fallen];
            if round % 2 == 0 {
                program.signal("KILL");
                nodes.programs[fallen].ended();
                nodes.start_again(fallen, &database);
                load.addresses.lock().unwrap()[fallen] = nodes.programs[fallen].address;
            } else {
                program.signal("STOP");
                std::thread::sleep(STANDS_STILL[round / 2 % 2]);
                program.signal("CONT");
            }
        }
        get_on(&load, &nodes);
        drop(calling);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    everybody_has_all_of_it(&nodes, &load.acknowledged.lock().unwrap());
    mails_are_sent_or_wait(&nodes, &database, rounds);
}

fn get_on(load: &Load, nodes: &Nodes) {
    let (begun, before) = (Instant::now(), load.done());
    while load.done() < before + BETWEEN {
        assert!(begun.elapsed() < GETS_ON_WITHIN, "nothing is acknowledged any more: {}", nodes.words());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn everybody_has_all_of_it(nodes: &Nodes, acknowledged: &BTreeMap<String, String>) {
    for client in nodes.everywhere() {
        let mut found: Vec<(String, String)> = vec![];
        for page in 1.. {
            let target = format!("/api/ledger/invitations?state=all&size=100&page={page}");
            let items = client.get(&target).expect(200).json()["items"].as_array().unwrap().clone();
            let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
            found.extend(items.iter().map(|item| (text(item, "email"), text(item, "id"))));
            if items.len() < 100 {
                break;
            }
        }
        let by_email: BTreeMap<String, String> = found.iter().cloned().collect();
        assert_eq!(by_email.len(), found.len(), "nobody is invited twice");
        assert_eq!(&by_email, acknowledged, "what is acknowledged is there, and nothing else");
        let doctor = client.get("/api/ledger/doctor").expect(200).text();
        assert!(!doctor.contains("\"wrong\""), "{doctor}");
    }
}

/// Each mail went out, or waits to be repeated because nobody knows whether it did.
fn mails_are_sent_or_wait(nodes: &Nodes, database: &Database, rounds: usize) {
    let count = |kind: &str| -> usize {
        let of = format!("aggregate_type = 'invitation' AND event_type = '{kind}'");
        database.run(&format!("SELECT count(*) FROM ledger.events WHERE {of}")).parse().unwrap()
    };
    let begun = Instant::now();
    let (sent, waiting) = loop {
        let outbox = nodes.deployment().get("/api/ledger/status").expect(200).json()["outbox"].clone();
        let rows = |state: &str| usize::try_from(outbox[state].as_u64().unwrap()).unwrap();
        let (asked, sent) = (count("Created"), count("EmailSent"));
        assert!(asked > 0 && sent <= asked, "{sent} of {asked}");
        let waiting = rows("queued");
        if sent + waiting == asked && rows("dead") == 0 {
            break (sent, waiting);
        }
        assert!(begun.elapsed() < GETS_ON_WITHIN, "{sent} of {asked} sent, {outbox}: {}", nodes.words());
        std::thread::sleep(Duration::from_millis(100));
    };
    let letters = nodes.letters();
    let mut copies = BTreeMap::<&str, usize>::new();
    for letter in &letters {
        *copies.entry(&letter.message_id).or_default() += 1;
    }
    let people: BTreeSet<&str> = letters.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(people.len(), copies.len(), "to each one mail");
    assert!(copies.len() >= sent, "what is told to be sent was written");
    assert!(copies.values().all(|count| *count <= 2), "two copies is the bound");
    let twice = copies.values().filter(|count| **count == 2).count();
    println!("{rounds} falls: {sent} mails sent, {waiting} wait for their repetition, {twice} written twice");
    // A repetition comes a minute after a fall, so that few falls leave none.
    assert!(twice <= rounds * SENT_AT_ONCE, "{twice} written twice");
}

/// Mails that a service has under way at a time.
const SENT_AT_ONCE: usize = 16;
