//! A backup restored to less than it holds, knowingly: the log says so, and
//! whoever knows more of it notices.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::atomic::Ordering,
};

use serde_json::{Value, json};
use store::{BackupError, Batch, Cut, Ended, NO_TENANT, NewEvent, State, StateOptions, StreamId, Unit};
use uuid::Uuid;

use crate::bench::{Bench, Closed, Kind, START, claim, command, create, stream, unit};

/// When the restore takes place, µs.
const LATER: i64 = START + 60_000_000;
const EPOCH: i64 = LATER / 1_000_000;

/// Six commits of two events, each with an address, a receipt and its own time.
async fn six_commits() -> Bench {
    let bench = Bench::new(Kind::Sqlite);
    for number in 1..=6 {
        bench.submit(commit(number)).await.unwrap();
        bench.pass(1_000);
    }
    bench
}

fn commit(number: u8) -> Unit {
    let payload = json!({"take": [format!("address {number}")]});
    let (one, other) = (stream(number.into()), stream(u128::from(number) + 100));
    Unit { command_id: Some(command(number)), ..unit([(one, 0, payload), (other, 0, json!({}))]) }
}

fn says_restored(ended: &Ended) -> NewEvent {
    NewEvent {
        id: Uuid::new_v4(),
        kind: "Restored".into(),
        schema: 1,
        payload: json!({"from": ended.origin, "position": ended.position}),
        metadata: BTreeMap::from([("actor".to_owned(), "ada".to_owned())]),
    }
}

fn cut(from: &Path, to: &Path, until: u64, now: i64) -> Result<String, BackupError> {
    let cut = Cut { until, now, forget: &["outbox"], event: &says_restored };
    store::restore_until(from, to, &cut, &mut |_| {})
}

/// A folder cut out of that one.
fn shortened(closed: &Closed, until: u64, now: i64) -> Closed {
    let folder = tempfile::tempdir().unwrap();
    cut(closed.folder.path(), folder.path(), until, now).unwrap();
    Closed { clock: std::sync::Arc::new(now.into()), ..Closed::in_folder(folder) }
}

fn origins(bench: &Bench) -> Vec<String> {
    let origin = |text: &str| serde_json::from_str::<Value>(text).unwrap()["origin"].as_str().unwrap().to_owned();
    bench.entries().iter().map(|entry| origin(&entry.text)).collect()
}

#[tokio::test]
async fn a_backup_is_three_whole_files_and_nothing_beside() {
    let bench = six_commits().await;
    let folder = tempfile::tempdir().unwrap();
    let from = bench.folder.path().to_owned();
    State::open(StateOptions::Sqlite { path: from.join("state.db") })
        .unwrap()
        .commit(Batch::new().put("s", "a", b"1".to_vec()))
        .await
        .unwrap();
    store::backup(&from, folder.path(), &mut |_| {}).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let names: BTreeSet<String> = fs::read_dir(folder.path()).unwrap().map(name).collect();
    assert_eq!(names, ["keys.db", "ledger.db", "state.db"].map(str::to_owned).into());
}

#[tokio::test]
async fn the_log_says_where_it_was_cut_and_goes_on_under_another_origin() {
    let bench = six_commits().await;
    let (id, entries) = (bench.ledger.ledger_id(), bench.entries());
    let whole = bench.close().await;
    let folder = tempfile::tempdir().unwrap();
    let origin = cut(whole.folder.path(), folder.path(), 8, LATER).unwrap();
    assert_eq!(origin, format!("{id}.{EPOCH}"));
    let bench = Closed { clock: whole.clock.clone(), ..Closed::in_folder(folder) }.open();
    whole.clock.store(LATER, Ordering::SeqCst);
    assert_eq!((bench.ledger.ledger_id(), i64::from(bench.ledger.epoch())), (id, EPOCH));
    let restored = bench.ledger.read_log(8, 10).unwrap();
    assert_eq!(restored.len(), 1, "nothing of what came after the cut");
    assert_eq!(restored[0].stream, StreamId::new(&format!("ledger-{NO_TENANT}/{id}")));
    assert_eq!((restored[0].tenant.as_str(), restored[0].tseq, restored[0].version), (NO_TENANT, 1, 1));
    assert_eq!(
        (restored[0].at, restored[0].tree().unwrap()),
        (LATER, json!({"from": format!("{id}.1"), "position": 8}))
    );
    assert_eq!(bench.entries()[..8], entries[..8], "what is kept is kept to the byte");
    bench.submit(create(900)).await.unwrap();
    let mut expected = vec![format!("{id}.1"); 8];
    expected.extend([origin.clone(), origin]);
    assert_eq!(origins(&bench), expected);
    bench.ledger.examine(&mut |_| {}).unwrap();
    let again = bench.close().await.open();
    assert_eq!((again.ledger.head(), i64::from(again.ledger.epoch())), (10, EPOCH));
}

#[tokio::test]
async fn claims_and_receipts_of_what_is_given_up_count_no_more() {
    let whole = six_commits().await.close().await;
    let bench = shortened(&whole, 8, LATER).open();
    for (number, there) in [(1, true), (4, true), (5, false), (6, false)] {
        let holder = bench.ledger.claim_holder(&claim("address", &number.to_string())).unwrap();
        assert_eq!(holder, there.then(|| stream(number.into())), "address {number}");
        assert_eq!(bench.ledger.receipt(&command(number)).unwrap().is_some(), there, "command {number}");
    }
    let kept = bench.submit(commit(4)).await.unwrap();
    assert_eq!((kept.repeated, kept.last), (true, 8));
    let anew = bench.submit(commit(5)).await.unwrap();
    assert_eq!((anew.repeated, anew.first), (false, 10));
    let tseq = bench.ledger.find_tseq("acme", 9).unwrap();
    assert_eq!(tseq, Some(stream(5)), "numbers given up are given again");
}

#[tokio::test]
async fn a_follower_that_had_come_further_sees_that_it_is_not_the_same_log() {
    let bench = six_commits().await;
    let (known, common) = (bench.ledger.mark_at(10).unwrap(), bench.ledger.mark_at(8).unwrap());
    let whole = bench.close().await;
    let cut = shortened(&whole, 8, LATER);
    // The index of the whole log, under the shorter one.
    fs::copy(whole.folder.path().join("index.db"), cut.folder.path().join("index.db")).unwrap();
    let bench = cut.open();
    assert_eq!(bench.ledger.claim_holder(&claim("address", "6")).unwrap(), None, "the index was made anew");
    bench.submit(commit(5)).await.unwrap();
    assert!(bench.ledger.head() > 10);
    let now = bench.ledger.mark_at(10).unwrap();
    assert!(now.is_some() && now != known, "{now:?}");
    assert_eq!(bench.ledger.mark_at(8).unwrap(), common, "who had not come so far goes on");
}

#[tokio::test]
async fn only_the_named_parts_of_the_kept_state_are_forgotten() {
    let bench = six_commits().await;
    let state = State::open(StateOptions::Sqlite { path: bench.folder.path().join("state.db") }).unwrap();
    state.commit(Batch::new().put("outbox", "1", b"mail".to_vec())).await.unwrap();
    state.commit(Batch::new().put("password", "jane", b"digest".to_vec())).await.unwrap();
    state.close().await;
    let whole = bench.close().await;
    let cut = shortened(&whole, 8, LATER);
    let state = State::open(StateOptions::Sqlite { path: cut.folder.path().join("state.db") }).unwrap();
    assert_eq!(state.get("outbox", "1").unwrap(), None);
    assert_eq!(state.get("password", "jane").unwrap(), Some(b"digest".to_vec()));
}

#[tokio::test]
async fn each_restore_begins_an_epoch_of_its_own() {
    let whole = six_commits().await.close().await;
    let first = shortened(&whole, 8, LATER);
    let second = shortened(&first, 9, LATER).open();
    let epochs = |bench: &Bench| -> Vec<String> {
        origins(bench).iter().map(|origin| origin.rsplit('.').next().unwrap().to_owned()).collect()
    };
    let kept = |count| vec!["1".to_owned(); count];
    assert_eq!(epochs(&second), [kept(8), vec![EPOCH.to_string(), (EPOCH + 1).to_string()]].concat());
    let restored: Vec<_> = second.ledger.read_log(8, 10).unwrap().iter().map(|event| event.version).collect();
    assert_eq!(restored, [1, 2], "both stand in the ledger's own stream");
    second.ledger.examine(&mut |_| {}).unwrap();
    // Cut before the first restore, its epoch is over and its number is not given again.
    let before = shortened(&second.close().await, 4, LATER).open();
    assert_eq!(epochs(&before), [kept(4), vec![(EPOCH + 2).to_string()]].concat());
    assert_eq!(before.ledger.read_log(4, 10).unwrap()[0].version, 1);
    before.ledger.examine(&mut |_| {}).unwrap();
    // Another one of the same backup, a second later, is not taken for the first.
    let other = shortened(&whole, 8, LATER + 1_000_000).open();
    assert_eq!(i64::from(other.ledger.epoch()), EPOCH + 1);
}

#[tokio::test]
async fn a_cut_that_cannot_be_made_leaves_an_empty_folder() {
    let whole = six_commits().await.close().await;
    let folder = tempfile::tempdir().unwrap();
    let torn = cut(whole.folder.path(), folder.path(), 7, LATER);
    assert!(matches!(torn, Err(BackupError::Torn { position: 7, before: 6 })), "half of a unit: {torn:?}");
    let beyond = cut(whole.folder.path(), folder.path(), 13, LATER);
    assert!(matches!(beyond, Err(BackupError::PastTheEnd { head: 12 })), "{beyond:?}");
    let nothing = cut(whole.folder.path(), folder.path(), 0, LATER);
    assert!(matches!(nothing, Err(BackupError::PastTheEnd { .. })), "{nothing:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    cut(whole.folder.path(), folder.path(), 12, LATER).unwrap();
    let again = cut(whole.folder.path(), folder.path(), 12, LATER);
    assert!(matches!(again, Err(BackupError::NotEmpty(_))), "{again:?}");
}

#[tokio::test]
async fn a_log_without_its_new_epoch_does_not_read_as_whole() {
    let whole = six_commits().await.close().await;
    let cut = shortened(&whole, 8, LATER);
    let epochs = rusqlite::Connection::open(cut.folder.path().join("ledger.db")).unwrap();
    epochs.execute("DELETE FROM epochs WHERE first = 9", []).unwrap();
    drop(epochs);
    let bench = cut.open();
    let told = bench.ledger.examine(&mut |_| {}).unwrap_err().to_string();
    assert_eq!(told, "the event at position 9 is damaged: its hash does not fit");
}
