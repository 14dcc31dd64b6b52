//! Times small units through `Ledger::submit`: each a new stream with one event,
//! a sealed member, a subject and a claim.
//!
//! `cargo run --release -p store --example submit -- FOLDER [UNITS] [TASKS]`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool run by hand: it prints, and ends at a fault")]
#![expect(clippy::disallowed_methods, reason = "outside the program, so without its clock")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use store::{
    Append, BackendOptions, ClaimChange, ClaimsOf, Ledger, LedgerOptions, NewEvent, StreamId, Unit, Vault, VaultOptions,
};
use uuid::Uuid;

fn claims() -> ClaimsOf {
    Arc::new(|_: &StreamId, _: &str, payload: &str| {
        let payload: Value = serde_json::from_str(payload).unwrap();
        let email = payload["personal"]["email"].as_str();
        email.map(|email| ClaimChange::Take { family: "address", name: email.to_owned() }).into_iter().collect()
    })
}

const SETTINGS: &str = "settings-default/0193f2a8-0000-7000-8000-000000000002";

/// What the units rely on: a stream that is there already, at version 1.
async fn settle(ledger: &Ledger) {
    if ledger.head() == 0 {
        let event = NewEvent {
            id: Uuid::now_v7(),
            kind: "SettingsChanged".into(),
            schema: 1,
            payload: json!({}),
            metadata: BTreeMap::new(),
        };
        let appends = vec![Append { stream: StreamId::new(SETTINGS), expected: 0, events: vec![event] }];
        ledger.submit(Unit { tenant: "default".into(), appends, ..Unit::default() }).await.unwrap();
    }
}

async fn unit(vault: &Vault, number: u64) -> Unit {
    let subject = vault.subject().await.unwrap();
    let payload = json!({
        "organization": "0193f2a8-0000-7000-8000-000000000001",
        "role": "member",
        "expires_at": 1_700_000_000_000_000_u64,
        "digest": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
        "personal": {"email": format!("person-{number}@example.com"), "message": "Welcome aboard"},
    });
    let event = NewEvent {
        id: Uuid::now_v7(),
        kind: "InvitationCreated".into(),
        schema: 1,
        payload,
        metadata: BTreeMap::from([("actor".to_owned(), "user-1".to_owned())]),
    };
    let stream = StreamId::from(format!("invitation-default/{}", Uuid::now_v7()));
    Unit {
        tenant: "default".into(),
        guards: vec![(StreamId::new(SETTINGS), 1)],
        appends: vec![Append { stream, expected: 0, events: vec![event] }],
        ..Unit::default()
    }
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: unknown").to_owned()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let units: u64 = arguments.next().map_or(200_000, |text| text.parse().unwrap());
    let tasks: u64 = arguments.next().map_or(64, |text| text.parse().unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    store::rewrite_wal(&folder).unwrap();
    let vault = Vault::open(VaultOptions::Sqlite { path: folder.join("keys.db") }).unwrap();
    let now: store::NowFn =
        Arc::new(|| i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap());
    let begun = Instant::now();
    let ledger =
        Ledger::open(LedgerOptions::new(BackendOptions::Sqlite { folder }, claims(), vault.clone(), now)).unwrap();
    println!("opened at {} in {:?}", ledger.head(), begun.elapsed());
    settle(&ledger).await;
    let base = ledger.head();
    let next = Arc::new(AtomicU64::new(base));
    let begun = Instant::now();
    let mut running = Vec::new();
    for _ in 0..tasks {
        let (ledger, vault, next) = (ledger.clone(), vault.clone(), next.clone());
        running.push(tokio::spawn(async move {
            let mut slowest = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= base + units {
                    return slowest;
                }
                let unit = unit(&vault, number).await;
                let asked = Instant::now();
                ledger.submit(unit).await.unwrap();
                slowest = slowest.max(asked.elapsed().as_micros());
            }
        }));
    }
    let mut slowest = 0;
    for task in running {
        slowest = slowest.max(task.await.unwrap());
    }
    let took = begun.elapsed();
    let rate = units as f64 / took.as_secs_f64();
    println!("{units} units in {took:?}: {rate:.0}/s, slowest {slowest} us, {}", resident());
    println!("{:?}", ledger.figures());
    let begun = Instant::now();
    ledger.close().await;
    println!("closed in {:?}", begun.elapsed());
}
