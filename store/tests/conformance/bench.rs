//! A ledger on a bench: with a clock that stands until it is moved, and claims read from payloads.

use std::{
    collections::BTreeMap,
    path::Path,
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
    /// The log in PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "eventstore")]
    EventStore,
    /// The keys, too.
    #[cfg(feature = "postgres")]
    Shared,
    /// Both, behind a pooler that lends sessions for one transaction at a time.
    #[cfg(feature = "postgres")]
    Pooled,
}

#[cfg(feature = "postgres")]
pub use crate::postgres::cluster::Database;
/// There is none.
#[cfg(not(feature = "postgres"))]
pub enum Database {}

#[cfg(feature = "eventstore")]
pub use crate::eventstore::Place;
/// There is none.
#[cfg(not(feature = "eventstore"))]
pub enum Place {}

pub struct Bench {
    pub kind: Kind,
    pub folder: TempDir,
    /// Where the log lies, unless in the folder.
    pub database: Option<Database>,
    pub place: Option<Place>,
    pub vault: Vault,
    pub ledger: Ledger,
    clock: Arc<AtomicI64>,
    /// Those of other nodes.
    #[cfg(any(feature = "postgres", feature = "eventstore"))]
    folders: std::sync::Mutex<Vec<TempDir>>,
}

impl Bench {
    pub fn new(kind: Kind) -> Bench {
        match kind {
            Kind::Memory | Kind::Sqlite => Closed { kind, ..Closed::in_folder(tempfile::tempdir().unwrap()) }.open(),
            #[cfg(feature = "postgres")]
            Kind::Postgres => Bench::postgres(crate::postgres::cluster::Cluster::shared()),
            #[cfg(feature = "eventstore")]
            Kind::EventStore => Bench::eventstore(Place::shared()),
            #[cfg(feature = "postgres")]
            Kind::Shared => Bench::shared(crate::postgres::cluster::Cluster::shared()),
            #[cfg(feature = "postgres")]
            Kind::Pooled => Bench::on(crate::postgres::cluster::Cluster::pooled(), Kind::Pooled),
        }
    }

    /// Moves the clock.
    pub fn pass(&self, microseconds: i64) {
        self.clock.fetch_add(microseconds, Ordering::SeqCst);
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.database {
            database.run(&format!("UPDATE bench_clock SET at = at + {microseconds}"));
        }
    }

    /// Closes the ledger and the vault.
    pub async fn close(self) -> Closed {
        self.ledger.close().await;
        self.vault.close().await;
        let Bench { kind, folder, database, place, vault, ledger, clock, .. } = self;
        drop((ledger, vault));
        Closed { kind, folder, database, place, clock }
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
    pub database: Option<Database>,
    pub place: Option<Place>,
    pub clock: Arc<AtomicI64>,
}

impl Closed {
    /// Files that came here by other ways.
    pub fn in_folder(folder: TempDir) -> Closed {
        Closed { kind: Kind::Sqlite, folder, database: None, place: None, clock: Arc::new(AtomicI64::new(START)) }
    }

    pub fn try_open(self) -> Result<Bench, Box<(Closed, OpenError)>> {
        let vault = open_vault(self.kind, &self.folder, self.database.as_ref());
        match Ledger::open(self.options(self.folder.path(), &vault)) {
            Ok(ledger) => {
                let Closed { kind, folder, database, place, clock } = self;
                #[cfg(any(feature = "postgres", feature = "eventstore"))]
                let folders = std::sync::Mutex::default();
                Ok(Bench {
                    kind,
                    folder,
                    database,
                    place,
                    vault,
                    ledger,
                    clock,
                    #[cfg(any(feature = "postgres", feature = "eventstore"))]
                    folders,
                })
            }
            Err(fault) => Err(Box::new((self, fault))),
        }
    }

    fn options(&self, folder: &Path, vault: &Vault) -> LedgerOptions {
        let backend = match self.kind {
            Kind::Memory => BackendOptions::Memory,
            Kind::Sqlite => BackendOptions::Sqlite { folder: folder.to_owned() },
            #[cfg(feature = "postgres")]
            Kind::Postgres | Kind::Shared | Kind::Pooled => postgres(self.database.as_ref(), folder),
            #[cfg(feature = "eventstore")]
            Kind::EventStore => eventstore(self.place.as_ref(), folder),
        };
        options(backend, vault, &self.clock)
    }

    pub fn open(self) -> Bench {
        self.try_open().map_err(|refused| refused.1).unwrap()
    }
}

fn open_vault(kind: Kind, folder: &TempDir, database: Option<&Database>) -> Vault {
    let _ = database;
    Vault::open(match kind {
        Kind::Memory => VaultOptions::Memory,
        Kind::Sqlite => VaultOptions::Sqlite { path: folder.path().join("keys.db") },
        #[cfg(feature = "postgres")]
        Kind::Postgres => VaultOptions::Sqlite { path: folder.path().join("keys.db") },
        #[cfg(feature = "eventstore")]
        Kind::EventStore => VaultOptions::Sqlite { path: folder.path().join("keys.db") },
        #[cfg(feature = "postgres")]
        Kind::Shared | Kind::Pooled => VaultOptions::Postgres { url: store::DatabaseUrl::new(database.unwrap().url()) },
    })
    .unwrap()
}

fn options(backend: BackendOptions, vault: &Vault, clock: &Arc<AtomicI64>) -> LedgerOptions {
    let clock = clock.clone();
    let now: NowFn = Arc::new(move || clock.load(Ordering::SeqCst));
    LedgerOptions { min_free_bytes: 0, ..LedgerOptions::new(backend, claims(), vault.clone(), now) }
}

#[cfg(feature = "postgres")]
fn postgres(database: Option<&Database>, folder: &Path) -> BackendOptions {
    let url = store::DatabaseUrl::new(database.unwrap().url());
    BackendOptions::Postgres { url, folder: folder.to_owned(), alone: false }
}

#[cfg(feature = "eventstore")]
fn eventstore(place: Option<&Place>, folder: &Path) -> BackendOptions {
    let Place { url, stream, .. } = place.unwrap().clone();
    BackendOptions::EventStore { url: store::DatabaseUrl::new(url), stream, folder: folder.to_owned(), alone: false }
}

/// A node that goes away and comes back.
#[cfg(any(feature = "postgres", feature = "eventstore"))]
pub struct Node {
    pub folder: TempDir,
    pub ledger: Ledger,
}

#[cfg(any(feature = "postgres", feature = "eventstore"))]
impl Node {
    /// Ends it, and leaves what it has on disk.
    pub async fn close(self) -> TempDir {
        self.ledger.close().await;
        self.folder
    }
}

#[cfg(feature = "postgres")]
impl Bench {
    /// On a database of that server.
    pub fn postgres(cluster: &'static crate::postgres::cluster::Cluster) -> Bench {
        Bench::on(cluster, Kind::Postgres)
    }

    /// With the keys there, too.
    pub fn shared(cluster: &'static crate::postgres::cluster::Cluster) -> Bench {
        Bench::on(cluster, Kind::Shared)
    }

    fn on(cluster: &'static crate::postgres::cluster::Cluster, kind: Kind) -> Bench {
        let files = Closed::in_folder(tempfile::tempdir().unwrap());
        let bench = Closed { kind, database: Some(cluster.database()), ..files }.open();
        bench.database.iter().for_each(stand_still);
        bench
    }
}

#[cfg(feature = "eventstore")]
impl Bench {
    /// In that stream.
    pub fn eventstore(place: Place) -> Bench {
        let files = Closed::in_folder(tempfile::tempdir().unwrap());
        Closed { kind: Kind::EventStore, place: Some(place), ..files }.open()
    }
}

#[cfg(any(feature = "postgres", feature = "eventstore"))]
impl Bench {
    /// So many nodes on this bench's log, the bench's own among them.
    pub fn nodes(&self, count: usize) -> Vec<Ledger> {
        let mut nodes = vec![self.ledger.clone()];
        nodes.extend((1..count).map(|_| self.node()));
        nodes
    }

    /// Another node on this bench's log.
    pub fn node(&self) -> Ledger {
        let Node { folder, ledger } = self.node_in(tempfile::tempdir().unwrap());
        self.folders.lock().unwrap().push(folder);
        ledger
    }

    pub fn node_in(&self, folder: TempDir) -> Node {
        self.node_with(folder, claims())
    }

    fn nodes_vault(&self, folder: &TempDir) -> Vault {
        #[cfg(feature = "postgres")]
        if matches!(self.kind, Kind::Shared | Kind::Pooled) {
            return open_vault(self.kind, folder, self.database.as_ref());
        }
        let _ = folder;
        self.vault.clone()
    }

    pub fn node_with(&self, folder: TempDir, claims: ClaimsOf) -> Node {
        let backend = match self.kind {
            #[cfg(feature = "postgres")]
            Kind::Postgres | Kind::Shared | Kind::Pooled => postgres(self.database.as_ref(), folder.path()),
            #[cfg(feature = "eventstore")]
            Kind::EventStore => eventstore(self.place.as_ref(), folder.path()),
            Kind::Memory | Kind::Sqlite => panic!("a log of one node"),
        };
        // With shared keys a node has a vault of its own.
        let vault = self.nodes_vault(&folder);
        let options = LedgerOptions { claims, ..options(backend, &vault, &self.clock) };
        Node { folder, ledger: Ledger::open(options).unwrap() }
    }
}

/// Puts the bench's clock in the place of the database's own.
#[cfg(feature = "postgres")]
fn stand_still(database: &Database) {
    database.run(&format!(
        "CREATE TABLE bench_clock AS SELECT {START}::bigint AS at;
         CREATE OR REPLACE FUNCTION ledger.now() RETURNS bigint LANGUAGE sql VOLATILE
           AS 'SELECT at FROM public.bench_clock'"
    ));
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
    Arc::new(|_: &StreamId, _: &str, payload: &str| {
        let payload: Value = serde_json::from_str(payload).unwrap();
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
