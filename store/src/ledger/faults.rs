//! What happens when the disk does not play along.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use serde_json::json;
use uuid::Uuid;

use super::{BackendOptions, Ledger, LedgerOptions};
use crate::{
    Append, Claim, ClaimChange, NewEvent, Receipt, StreamId, SubmitError, Unit, Vault, VaultOptions,
    log::{Backend, SqliteLog},
};

fn open(folder: &Path, min_free_bytes: u64) -> Ledger {
    open_with(folder, min_free_bytes, Arc::new(|| 1_700_000_000_000_000))
}

fn open_with(folder: &Path, min_free_bytes: u64, now: crate::NowFn) -> Ledger {
    let backend = BackendOptions::Sqlite { folder: folder.to_owned() };
    let vault = Vault::open(VaultOptions::Sqlite { path: folder.join("keys.db") }).unwrap();
    let claims: crate::ClaimsOf = Arc::new(|_: &StreamId, _: &str, payload: &str| {
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        payload["name"]
            .as_str()
            .map(|name| ClaimChange::Take { family: "name", name: name.to_owned() })
            .into_iter()
            .collect()
    });
    let options = LedgerOptions::new(backend, claims, vault, now);
    Ledger::open(LedgerOptions { min_free_bytes, ..options }).unwrap()
}

fn unit(number: u128, filler: usize) -> Unit {
    let event = NewEvent {
        id: Uuid::from_u128(number),
        kind: "Happened".into(),
        schema: 1,
        payload: json!({"name": number.to_string(), "filler": "x".repeat(filler)}),
        metadata: BTreeMap::new(),
    };
    let stream = StreamId::from(format!("thing-t/{}", Uuid::from_u128(number)));
    Unit { tenant: "t".into(), appends: vec![Append { stream, expected: 0, events: vec![event] }], ..Unit::default() }
}

fn log(ledger: &Ledger) -> &SqliteLog {
    let Backend::Sqlite(log) = &ledger.inner().log else { panic!("this story needs a file") };
    log
}

/// The same unit again and again, until it is answered otherwise than by acceptance.
async fn fill(ledger: &Ledger, from: u128) -> (u128, SubmitError) {
    for number in from.. {
        if let Err(refusal) = ledger.submit(unit(number, 5_000)).await {
            return (number, refusal);
        }
    }
    unreachable!("numbers do not end")
}

#[tokio::test]
async fn a_full_disk_refuses_the_batch_and_the_ledger_stays_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path(), 0);
    log(&ledger).limit_pages(40);
    let (number, refusal) = fill(&ledger, 1).await;
    assert!(matches!(refusal, SubmitError::DiskFull), "{refusal:?}");
    assert!(number > 3, "some fitted");
    let head = ledger.head();
    assert_eq!(u128::from(head), number - 1);
    assert_eq!(ledger.read_log(0, 100).unwrap().len() as u64, head, "reading goes on");
    let claim = Claim { family: "name", name: number.to_string() };
    assert_eq!(ledger.claim_holder(&claim).unwrap(), None, "the refused unit holds nothing");
    assert!(!ledger.failed());
    // Space again: the very same unit lands, at the very next position.
    log(&ledger).limit_pages(100_000);
    assert_eq!(ledger.submit(unit(number, 5_000)).await.unwrap().last, head + 1);
    ledger.examine(&mut |_| {}).unwrap();
}

#[tokio::test]
async fn a_failing_commit_is_unknown_and_ends_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path(), 0);
    ledger.submit(unit(1, 0)).await.unwrap();
    let mut failed = ledger.watch_failed();
    log(&ledger).fail_commits();
    let answer = ledger.submit(unit(2, 0)).await.unwrap_err();
    assert!(matches!(answer, SubmitError::Unknown), "{answer:?}");
    failed.wait_for(|failed| *failed).await.unwrap();
    let answer = ledger.submit(unit(3, 0)).await.unwrap_err();
    assert!(matches!(answer, SubmitError::Stopped), "{answer:?}");
    assert_eq!(ledger.head(), 1);
    drop(ledger);
    // The next start tells what is true.
    let ledger = open(folder.path(), 0);
    assert_eq!(ledger.head(), 1);
    assert_eq!(ledger.submit(unit(2, 0)).await.unwrap().last, 2);
}

#[tokio::test]
async fn below_the_mark_of_free_space_callers_are_refused_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path(), u64::MAX);
    let answer = ledger.submit(unit(1, 0)).await.unwrap_err();
    assert!(matches!(answer, SubmitError::DiskFull), "{answer:?}");
    let background = Unit { lane: crate::Lane::Background, ..unit(1, 0) };
    assert_eq!(ledger.submit(background).await.unwrap().last, 1);
    assert_eq!(ledger.submit(guard()).await.map(|Receipt { last, .. }| last).unwrap(), 1);
}

/// A clock that stands still while it is told to, and with it the writer.
struct Clock {
    stopped: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
}

impl Clock {
    fn new() -> (Self, crate::NowFn) {
        let clock = Self { stopped: Arc::default(), looks: Arc::default() };
        let (standing, looked) = (clock.stopped.clone(), clock.looks.clone());
        let now: crate::NowFn = Arc::new(move || {
            looked.fetch_add(1, Relaxed);
            while standing.load(Relaxed) {
                std::thread::yield_now();
            }
            1_700_000_000_000_000
        });
        (clock, now)
    }

    /// The writer has taken one unit and stands still: it may not look at the clock.
    async fn stop(&self, ledger: &Ledger) -> Answer {
        self.stopped.store(true, Relaxed);
        let before = self.looks.load(Relaxed);
        let taken = asked(ledger, guard());
        while self.looks.load(Relaxed) == before {
            tokio::task::yield_now().await;
        }
        taken
    }

    fn go_on(&self) {
        self.stopped.store(false, Relaxed);
    }
}

type Answer = tokio::task::JoinHandle<Result<Receipt, SubmitError>>;

fn asked(ledger: &Ledger, unit: Unit) -> Answer {
    let ledger = ledger.clone();
    tokio::spawn(async move { ledger.submit(unit).await })
}

fn guard() -> Unit {
    Unit { tenant: "t".into(), guards: vec![(StreamId::new("thing-t/none"), 0)], ..Unit::default() }
}

async fn queued(ledger: &Ledger, units: usize) {
    while ledger.figures().queued < units as u64 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn in_a_batch_of_unknown_outcome_who_was_refused_is_not_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = Clock::new();
    let ledger = open_with(folder.path(), 0, now);
    let first = clock.stop(&ledger).await;
    // Refused, since the stream begins in this very batch; and a guard, which writes nothing.
    let created = asked(&ledger, unit(2, 0));
    queued(&ledger, 1).await;
    let again = asked(&ledger, unit(2, 0));
    queued(&ledger, 2).await;
    let guarded = asked(&ledger, guard());
    queued(&ledger, 3).await;
    log(&ledger).fail_commits();
    clock.go_on();
    first.await.unwrap().unwrap();
    assert!(matches!(created.await.unwrap(), Err(SubmitError::Unknown)));
    for certain in [again, guarded] {
        let told = certain.await.unwrap();
        assert!(matches!(told, Err(SubmitError::Busy { .. })), "nothing of it is there: {told:?}");
    }
}

#[tokio::test]
async fn a_full_queue_turns_callers_away_and_leaves_the_background_its_lane() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = Clock::new();
    let ledger = open_with(folder.path(), 0, now);
    let mut waiting = vec![clock.stop(&ledger).await];
    for _ in 0..4_096 {
        waiting.push(asked(&ledger, guard()));
    }
    queued(&ledger, 4_096).await;
    let turned_away = ledger.submit(guard()).await.unwrap_err();
    assert!(matches!(turned_away, SubmitError::Busy { retry_after_s: 1 }), "{turned_away:?}");
    assert_eq!(ledger.figures().busy, 1);
    waiting.push(asked(&ledger, Unit { lane: crate::Lane::Background, ..guard() }));
    queued(&ledger, 4_097).await;
    clock.go_on();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
}
