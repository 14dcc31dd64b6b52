//! A ledger on a bench: with a clock that stands until it is moved, and claims read from payloads.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use serde_json::{Value, json};
use store::{
    Append, BackendOptions, Claim, ClaimChange, ClaimsOf, CommandId, Entry, Ledger, LedgerOptions, NewEvent, NowFn,
    OpenError, Receipt, StreamId, SubmitError, Unit, Vault, VaultOptions, Version,
};
use tempfile::TempDir;
use uuid::Uuid;

/// 2023-11-14T22:13:20Z.
pub const START: i64 = 1_700_000_000_000_000;
pub const TENANT: &str = "acme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
}

pub struct Bench {
    pub kind: Kind,
    pub folder: TempDir,
    pub vault: Vault,
    pub ledger: Ledger,
    clock: Arc<AtomicI64>,
}

impl Bench {
    pub fn new(kind: Kind) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let vault = open_vault(kind, &folder);
        let ledger = Ledger::open(options(kind, &folder, &vault, &clock)).unwrap();
        Bench { kind, folder, vault, ledger, clock }
    }

    /// Moves the clock.
    pub fn pass(&self, microseconds: i64) {
        self.clock.fetch_add(microseconds, Ordering::SeqCst);
    }

    /// Closes the ledger and the vault.
    pub async fn close(self) -> Closed {
        self.ledger.close().await;
        self.vault.close().await;
        let Bench { kind, folder, vault, ledger, clock } = self;
        drop((ledger, vault));
        Closed { kind, folder, clock }
    }

    pub async fn submit(&self, unit: Unit) -> Result<Receipt, SubmitError> {
        self.ledger.submit(unit).await
    }

    /// All entries, as they are hashed.
    pub fn entries(&self) -> Vec<Entry> {
        self.ledger.read_entries(0, usize::MAX).unwrap()
    }
}

/// A folder nobody works in.
pub struct Closed {
    pub kind: Kind,
    pub folder: TempDir,
    pub clock: Arc<AtomicI64>,
}

impl Closed {
    pub fn try_open(self) -> Result<Bench, Box<(Closed, OpenError)>> {
        let vault = open_vault(self.kind, &self.folder);
        match Ledger::open(options(self.kind, &self.folder, &vault, &self.clock)) {
            Ok(ledger) => Ok(Bench { kind: self.kind, folder: self.folder, vault, ledger, clock: self.clock }),
            Err(fault) => Err(Box::new((self, fault))),
        }
    }

    pub fn open(self) -> Bench {
        self.try_open().map_err(|refused| refused.1).unwrap()
    }
}

fn open_vault(kind: Kind, folder: &TempDir) -> Vault {
    Vault::open(match kind {
        Kind::Memory => VaultOptions::Memory,
        Kind::Sqlite => VaultOptions::Sqlite { path: folder.path().join("keys.db") },
    })
    .unwrap()
}

fn options(kind: Kind, folder: &TempDir, vault: &Vault, clock: &Arc<AtomicI64>) -> LedgerOptions {
    let backend = match kind {
        Kind::Memory => BackendOptions::Memory,
        Kind::Sqlite => BackendOptions::Sqlite { folder: folder.path().to_owned() },
    };
    let clock = clock.clone();
    let now: NowFn = Arc::new(move || clock.load(Ordering::SeqCst));
    LedgerOptions { min_free_bytes: 0, ..LedgerOptions::new(backend, claims(), vault.clone(), now) }
}

/// A ledger over files in a folder that somebody else looks after.
pub fn in_folder(folder: &std::path::Path) -> (Ledger, Vault) {
    let vault = Vault::open(VaultOptions::Sqlite { path: folder.join("keys.db") }).unwrap();
    let backend = BackendOptions::Sqlite { folder: folder.to_owned() };
    let now: NowFn = Arc::new(|| START);
    (Ledger::open(LedgerOptions::new(backend, claims(), vault.clone(), now)).unwrap(), vault)
}

/// `"take": ["address ada"]` takes, `"release": ["address"]` releases; a personal `email` is a claim too.
pub fn claims() -> ClaimsOf {
    Arc::new(|_: &StreamId, _: &str, payload: &Value| {
        let texts = |member: &str| -> Vec<String> {
            let list = payload[member].as_array().cloned().unwrap_or_default();
            list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let mut changes: Vec<ClaimChange> =
            texts("release").iter().map(|family| ClaimChange::Release { family: family_of(family) }).collect();
        for text in texts("take") {
            let (family, name) = text.split_once(' ').unwrap();
            changes.push(ClaimChange::Take { family: family_of(family), name: name.to_owned() });
        }
        if let Some(email) = payload["personal"]["email"].as_str() {
            changes.push(ClaimChange::Take { family: "email", name: email.to_owned() });
        }
        changes
    })
}

fn family_of(name: &str) -> &'static str {
    match name {
        "address" => "address",
        "account" => "account",
        other => panic!("no family {other} on the bench"),
    }
}

pub fn claim(family: &'static str, name: &str) -> Claim {
    Claim { family, name: name.to_owned() }
}

/// The stream of that number.
pub fn stream(number: u128) -> StreamId {
    StreamId::from(format!("invitation-{TENANT}/{}", Uuid::from_u128(number)))
}

pub fn event(payload: Value) -> NewEvent {
    NewEvent {
        id: Uuid::new_v4(),
        kind: "Happened".into(),
        schema: 1,
        payload,
        metadata: BTreeMap::from([("actor".to_owned(), "ada".to_owned())]),
    }
}

/// Appends of one payload each.
pub fn unit<const N: usize>(appends: [(StreamId, Version, Value); N]) -> Unit {
    let appends = appends
        .into_iter()
        .map(|(stream, expected, payload)| Append { stream, expected, events: vec![event(payload)] })
        .collect();
    Unit { tenant: TENANT.into(), appends, ..Unit::default() }
}

/// One event at the beginning of a stream.
pub fn create(number: u128) -> Unit {
    unit([(stream(number), 0, json!({"number": 1}))])
}

pub fn command(byte: u8) -> CommandId {
    CommandId([byte; 32])
}
