//! A ledger that goes to another place, whatever both lie in: every row as it was, once,
//! however often the move dies on its way and whatever is tried meanwhile.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use store::{
    BackendOptions, Batch, Cancelled, FolderLock, Ledger, LedgerOptions, Move, MoveError, Moved, NewEvent, OpenError,
    Progress, Site, State, StateOptions, Vault, VaultOptions, Word, kept_secret,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::bench::{claims, create, stream, unit};

mod interrupted;
mod refused;

/// Where a place lies.
#[derive(Clone, Copy, Debug)]
enum Lies {
    Folder,
    #[cfg(feature = "postgres")]
    Postgres,
    /// The log; state and keys lie in a folder.
    #[cfg(feature = "eventstore")]
    EventStore,
    /// The log in EventStoreDB, state and keys in PostgreSQL.
    #[cfg(all(feature = "postgres", feature = "eventstore"))]
    Both,
}

/// Within so long whoever was at a place has left it.
const LEFT_WITHIN: Duration = Duration::from_secs(30);

/// A place of a test's own.
struct Spot {
    site: Site,
    _folder: TempDir,
    #[cfg(feature = "postgres")]
    database: Option<crate::bench::Database>,
}

/// Every way from one kind of place to another.
const WAYS: &[(Lies, Lies)] = &[
    (Lies::Folder, Lies::Folder),
    #[cfg(feature = "postgres")]
    (Lies::Folder, Lies::Postgres),
    #[cfg(feature = "postgres")]
    (Lies::Postgres, Lies::Folder),
    #[cfg(feature = "postgres")]
    (Lies::Postgres, Lies::Postgres),
    #[cfg(feature = "eventstore")]
    (Lies::Folder, Lies::EventStore),
    #[cfg(feature = "eventstore")]
    (Lies::EventStore, Lies::Folder),
    #[cfg(all(feature = "postgres", feature = "eventstore"))]
    (Lies::Postgres, Lies::EventStore),
    #[cfg(all(feature = "postgres", feature = "eventstore"))]
    (Lies::Both, Lies::Folder),
    #[cfg(all(feature = "postgres", feature = "eventstore"))]
    (Lies::Postgres, Lies::Both),
];

/// Those that every step of a move is tried on: each kind of place is come to, and each is left.
fn each_kind() -> impl Iterator<Item = &'static (Lies, Lies)> {
    WAYS.iter().filter(|(from, to)| match (from, to) {
        (Lies::Folder, _) => true,
        #[cfg(feature = "postgres")]
        (Lies::Postgres, Lies::Folder) => true,
        #[cfg(feature = "eventstore")]
        (Lies::EventStore, _) => true,
        #[cfg(feature = "postgres")]
        _ => false,
    })
}

impl Spot {
    fn new(lies: Lies) -> Spot {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("data");
        let in_folder = Site {
            name: folder.display().to_string(),
            log: BackendOptions::Sqlite { folder: folder.clone() },
            state: StateOptions::Sqlite { path: folder.join("state.db") },
            keys: VaultOptions::Sqlite { path: folder.join("keys.db") },
            folder: Some(folder.clone()),
        };
        match lies {
            Lies::Folder => Spot {
                site: in_folder,
                _folder: temporary,
                #[cfg(feature = "postgres")]
                database: None,
            },
            #[cfg(feature = "postgres")]
            Lies::Postgres => {
                let database = crate::postgres::cluster::Cluster::shared().database();
                let url = store::DatabaseUrl::new(database.url());
                let site = Site {
                    name: format!("postgres://localhost/{}", database.name),
                    log: BackendOptions::Postgres { url: url.clone(), folder, alone: true },
                    state: StateOptions::Postgres { url: url.clone() },
                    keys: VaultOptions::Postgres { url },
                    folder: None,
                };
                Spot { site, _folder: temporary, database: Some(database) }
            }
            #[cfg(feature = "eventstore")]
            Lies::EventStore => {
                let place = crate::eventstore::Place::shared();
                let url = store::DatabaseUrl::new(place.url.clone());
                let log = BackendOptions::EventStore { url, stream: place.stream, folder, alone: true };
                let site = Site { name: "esdb://localhost".into(), log, ..in_folder };
                Spot {
                    site,
                    _folder: temporary,
                    #[cfg(feature = "postgres")]
                    database: None,
                }
            }
            #[cfg(all(feature = "postgres", feature = "eventstore"))]
            Lies::Both => {
                let place = crate::eventstore::Place::shared();
                let url = store::DatabaseUrl::new(place.url.clone());
                let Spot { site, database, _folder } = Spot::new(Lies::Postgres);
                let log = BackendOptions::EventStore { url, stream: place.stream, folder, alone: false };
                Spot { site: Site { name: "esdb://localhost".into(), log, ..site }, database, _folder }
            }
        }
    }

    /// A copy of it, in a place of the same kind.
    fn again(&self, lies: Lies) -> Spot {
        let copy = Spot::new(lies);
        #[cfg(feature = "postgres")]
        if let (Some(database), Some(theirs)) = (&copy.database, &self.database) {
            database.cluster.exchange(database, theirs);
        }
        if let (Some(folder), Some(theirs)) = (&copy.site.folder, &self.site.folder) {
            std::fs::create_dir_all(folder).unwrap();
            for (name, bytes) in files(theirs) {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
        copy
    }

    /// Opens it as a service does. The index lies in a folder that is thrown away.
    fn serve(&self) -> Result<Served, OpenError> {
        let index = tempfile::tempdir().unwrap();
        if let Some(folder) = &self.site.folder {
            std::fs::create_dir_all(folder).unwrap();
        }
        let mut log = self.site.log.clone();
        match &mut log {
            #[cfg(feature = "postgres")]
            BackendOptions::Postgres { folder, .. } => *folder = index.path().to_owned(),
            #[cfg(feature = "eventstore")]
            BackendOptions::EventStore { folder, .. } => *folder = index.path().to_owned(),
            BackendOptions::Memory | BackendOptions::Sqlite { .. } => {}
        }
        let vault = Vault::open(self.site.keys.clone()).unwrap();
        let options = LedgerOptions::new(log, claims(), vault.clone(), std::sync::Arc::new(now));
        let ledger = Ledger::open(LedgerOptions { min_free_bytes: 0, ..options })?;
        let state = State::open(self.site.state.clone()).unwrap();
        Ok(Served { ledger, vault, state, _index: index })
    }

    /// Why it may not be served.
    fn closed(&self) -> String {
        match self.serve() {
            Ok(_) => panic!("{} was opened", self.site.name),
            Err(OpenError::Closed { reason, .. }) => reason,
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Ends every session that anybody has there, as a network does.
    #[cfg(feature = "postgres")]
    fn cut_off(&self) {
        if let Some(database) = &self.database {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            database.run(cut);
            self.wait_until_left();
        }
    }

    /// Who served it last may still be seen by the server for a moment; and the folder's lock is held by every
    /// child of this process that was forked meanwhile, until it becomes the program it is to run.
    fn wait_until_left(&self) {
        if let Some(folder) = &self.site.folder {
            let begun = Instant::now();
            while let Some(holder) = FolderLock::holder(folder).unwrap() {
                assert!(begun.elapsed() < LEFT_WITHIN, "{holder}");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.database {
            database.run(
                "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                 AND backend_type = 'client backend' AND pid <> pg_backend_pid()) LOOP \
                 PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$",
            );
        }
    }
}

struct Served {
    ledger: Ledger,
    vault: Vault,
    state: State,
    _index: TempDir,
}

/// As a database server tells it.
fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// All of a ledger that a move must not change.
#[derive(Clone, Debug, PartialEq)]
struct Contents {
    entries: Vec<String>,
    clear: Vec<Value>,
    master: [u8; 32],
    entries_of_state: BTreeMap<String, Vec<u8>>,
    keys: (u64, u64, u64),
}

impl Served {
    fn contents(&self, up_to: u64, subjects: &[Uuid]) -> Contents {
        let entries = self.ledger.read_entries(0, usize::try_from(up_to).unwrap()).unwrap();
        let events = self.ledger.read_log(0, usize::try_from(up_to).unwrap()).unwrap();
        let count = self.vault.count(subjects).unwrap();
        let state = self.state.scan("sessions", "", None, 10_000).unwrap();
        Contents {
            entries: entries.into_iter().map(|entry| entry.text).collect(),
            clear: events.iter().map(|event| event.tree().unwrap()).collect(),
            master: self.vault.secret("any"),
            entries_of_state: state.into_iter().collect(),
            keys: (count.live, count.destroyed, count.missing),
        }
    }

    fn end(self) {
        let Served { ledger, vault, state, _index } = self;
        drop((ledger, state, vault));
    }
}

/// What a place has in it that is to be moved.
#[derive(Clone)]
struct Told {
    head: u64,
    subjects: Vec<Uuid>,
    contents: Contents,
}

/// A place that was filled, and what it holds. A stream is not copied: another one is filled in the same way.
struct Filled {
    lies: Lies,
    #[cfg_attr(not(feature = "eventstore"), expect(dead_code, reason = "all other places are copied"))]
    events: u128,
    spot: Spot,
    told: Told,
}

impl Filled {
    fn new(lies: Lies, events: u128) -> Self {
        let spot = Spot::new(lies);
        let told = fill(&spot, events);
        Self { lies, events, spot, told }
    }

    /// One that holds the same, to try something else with.
    fn again(&self) -> (Spot, Told) {
        #[cfg(feature = "eventstore")]
        if matches!(self.lies, Lies::EventStore) {
            let Self { spot, told, .. } = Self::new(self.lies, self.events);
            return (spot, told);
        }
        (self.spot.again(self.lies), self.told.clone())
    }
}

/// Fills a place: people, one of them forgotten, state, several tenants' worth of order.
fn fill(spot: &Spot, events: u128) -> Told {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap();
    let served = spot.serve().unwrap();
    let mut subjects = Vec::new();
    runtime.block_on(async {
        for number in 0..events {
            served.ledger.submit(create(number)).await.unwrap();
        }
        for number in 0..3 {
            let subject = served.vault.subject().await.unwrap();
            let personal = json!({"email": format!("{number}@guests.example"), "odd": "\u{1f980} \\ \" \u{7f}"});
            let named = json!({"id": subject.id, "commitment": subject.commitment});
            let payload = json!({"subject": named, "personal": personal, "big": 9_007_199_254_740_991_u64});
            served.ledger.submit(unit([(stream(1_000 + number), 0, payload)])).await.unwrap();
            subjects.push(subject.id);
        }
        let mut batch = Batch::new();
        for number in 0..1_500 {
            batch = batch.put("sessions", &format!("{number:05}"), vec![u8::try_from(number % 251).unwrap()]);
        }
        served.state.commit(batch).await.unwrap();
    });
    served.vault.destroy(subjects[1]).unwrap();
    // Kept in clear no longer.
    served.end();
    spot.wait_until_left();
    let served = spot.serve().unwrap();
    let head = served.ledger.head();
    let contents = served.contents(head, &subjects);
    served.end();
    spot.wait_until_left();
    Told { head, subjects, contents }
}

fn event(word: &Word<'_>) -> NewEvent {
    let hex = |leaf: &[u8; 32]| leaf.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (kind, payload) = match word {
        Word::Moved { to, arrival } => ("Moved", json!({"to": to, "arrival": arrival})),
        Word::Opened { arrival, events, leaf, entries, keys } => (
            "Opened",
            json!({"arrival": arrival, "events": events, "leaf": hex(leaf), "entries": entries, "keys": keys}),
        ),
        Word::Abandoned { arrival } => ("Abandoned", json!({"arrival": arrival})),
        Word::Reopened { arrival } => ("Reopened", json!({"arrival": arrival})),
    };
    NewEvent { id: Uuid::new_v4(), kind: kind.into(), schema: 1, payload, metadata: BTreeMap::new() }
}

type Hear<'h> = &'h mut dyn FnMut(Progress) -> ControlFlow<()>;

fn with<T>(from: &Spot, to: &Spot, progress: Hear<'_>, then: impl FnOnce(Move<'_>) -> T) -> T {
    then(Move {
        from: &from.site,
        to: &to.site,
        now: &now,
        event: &event,
        secrets: vec![("token", "il_dep_1")],
        furnish: &|| Ok(()),
        progress,
    })
}

fn move_over(from: &Spot, to: &Spot) -> Result<Moved, MoveError> {
    with(from, to, &mut |_| ControlFlow::Continue(()), |going| going.run())
}

fn cancel(from: &Spot, to: &Spot) -> Result<Cancelled, MoveError> {
    with(from, to, &mut |_| ControlFlow::Continue(()), |going| going.cancel())
}

/// The move dies before that step; none: it came to its end.
fn die_before(step: usize, from: &Spot, to: &Spot) -> Option<Result<Moved, MoveError>> {
    let mut steps = 0;
    let mut died = false;
    let told = with(
        from,
        to,
        &mut |_| {
            steps += 1;
            died = steps > step;
            if died { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
        |going| going.run(),
    );
    if died {
        assert!(matches!(told, Err(MoveError::Stopped)), "{told:?}");
        from.wait_until_left();
        to.wait_until_left();
        return None;
    }
    Some(told)
}

fn words(spot: &Spot, after: u64) -> Vec<String> {
    let served = spot.serve().unwrap();
    let kinds = served.ledger.read_log(after, 10).unwrap().iter().map(|event| event.kind.clone()).collect();
    served.ledger.examine(&mut |_| {}).unwrap();
    served.end();
    spot.wait_until_left();
    kinds
}

#[test]
fn a_ledger_goes_from_any_place_to_any_other_byte_for_byte() {
    for (from, to) in WAYS {
        let (old, new) = (Spot::new(*from), Spot::new(*to));
        let told = fill(&old, 40);
        let moved = move_over(&old, &new).unwrap();
        assert_eq!((moved.events, moved.copied, moved.tenants), (told.head + 1, told.head + 1, 2), "{from:?} {to:?}");
        // Keys are made ahead in blocks of 1,024, and one of them is a tombstone.
        assert_eq!((moved.entries, moved.keys % 1_024), (1_500, 0));
        new.wait_until_left();
        let served = new.serve().unwrap();
        let contents = served.contents(told.head, &told.subjects);
        assert_eq!(contents, told.contents, "{from:?} {to:?}");
        assert_eq!(*kept_secret(&new.site.keys, "token").unwrap().unwrap(), "il_dep_1");
        assert_eq!(contents.keys, (2, 1, 0));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(served.ledger.submit(create(2_000))).unwrap();
        served.end();
        new.wait_until_left();
        assert_eq!(words(&new, told.head), ["Moved", "Opened", "Happened"]);
        let closed = old.closed();
        assert_eq!(closed, format!("the ledger has moved to {}", new.site.name));
        old.wait_until_left();
        // Once more changes nothing, and says so.
        assert!(move_over(&old, &new).unwrap().before);
        new.wait_until_left();
        assert_eq!(words(&new, told.head), ["Moved", "Opened", "Happened"]);
    }
}

#[test]
fn it_comes_home_to_where_it_once_was_with_what_was_forgotten_meanwhile() {
    for (from, to) in WAYS {
        let (home, away) = (Spot::new(*from), Spot::new(*to));
        let told = fill(&home, 5);
        move_over(&home, &away).unwrap();
        away.wait_until_left();
        let served = away.serve().unwrap();
        served.vault.destroy(told.subjects[0]).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            served.ledger.submit(create(2_000)).await.unwrap();
            let change = Batch::new().delete("sessions", "00007").put("sessions", "new", vec![1]);
            served.state.commit(change).await.unwrap();
        });
        served.end();
        away.wait_until_left();
        home.wait_until_left();
        let moved = move_over(&away, &home).unwrap();
        assert_eq!((moved.copied, moved.events), (3, told.head + 4), "{from:?} {to:?}: Opened, one event, Moved");
        home.wait_until_left();
        assert_eq!(words(&home, told.head), ["Moved", "Opened", "Happened", "Moved", "Opened"]);
        let served = home.serve().unwrap();
        let count = served.vault.count(&told.subjects).unwrap();
        assert_eq!((count.live, count.destroyed, count.missing), (1, 2, 0), "nobody is remembered again");
        assert_eq!(served.state.get("sessions", "00007").unwrap(), None);
        assert_eq!(served.state.get("sessions", "new").unwrap(), Some(vec![1]));
        assert_eq!(served.state.count("move").unwrap(), 0);
        served.end();
        assert_eq!(away.closed(), format!("the ledger has moved to {}", home.site.name));
    }
}

/// Bytes of the files of a folder, to see that nothing is touched.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}
