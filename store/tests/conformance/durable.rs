//! What only files can do: be reopened, lost, swapped, cut, copied, or written to by others.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use rusqlite::Connection;
use serde_json::json;
use store::{Append, OpenError, Position, SubmitError, Unit};

use crate::bench::{Bench, Closed, Kind, claim, command, create, stream, unit};

kept_stories!(
    a_reopened_ledger_answers_as_before,
    a_lost_index_is_rebuilt_equal,
    a_text_file_in_place_of_the_index_is_set_aside,
    lost_keys_stop_the_start_with_a_count,
    keys_older_than_the_log_stop_the_start,
    old_receipts_are_forgotten_after_two_days_at_a_rebuild,
);

async fn filled() -> Bench {
    fill(Bench::new(Kind::Sqlite)).await
}

async fn fill(bench: Bench) -> Bench {
    for number in 0..30 {
        let payload = json!({"take": [format!("address {number}")]});
        let made = Unit {
            command_id: Some(command(number)),
            fingerprint: Some([number; 32]),
            ..unit([(stream(number.into()), 0, payload), (stream(u128::from(number) + 100), 0, json!({}))])
        };
        bench.submit(made).await.unwrap();
    }
    for number in 0..10 {
        bench.submit(unit([(stream(number), 1, json!({"release": ["address"]}))])).await.unwrap();
    }
    bench
}

/// Everything the index answers.
fn answers(bench: &Bench) -> Vec<String> {
    let ledger = &bench.ledger;
    let mut answers = Vec::new();
    for number in 0..30_u8 {
        let holder = ledger.claim_holder(&claim("address", &number.to_string())).unwrap();
        let receipt = ledger.receipt(&command(number)).unwrap().map(|(receipt, _)| receipt);
        let versions: Vec<_> = ledger
            .read_stream(&stream(number.into()), 0, None)
            .unwrap()
            .iter()
            .map(|e| (e.position, e.version))
            .collect();
        let number = ledger.find_tseq("acme", u64::from(number) + 1).unwrap();
        answers.push(format!("{holder:?} {receipt:?} {versions:?} {number:?}"));
    }
    answers
}

async fn a_reopened_ledger_answers_as_before(bench: Bench) {
    let bench = fill(bench).await;
    let (before, entries, id) = (answers(&bench), bench.entries(), bench.ledger.ledger_id());
    let bench = bench.close().await.open();
    assert_eq!((answers(&bench), bench.entries(), bench.ledger.ledger_id()), (before, entries, id));
    let (_, fingerprint) = bench.ledger.receipt(&command(3)).unwrap().unwrap();
    assert_eq!(fingerprint, Some([3; 32]));
    assert_eq!(bench.submit(create(500)).await.unwrap().last, 71);
    assert!(matches!(bench.submit(create(500)).await, Err(SubmitError::Conflict { actual: 1, .. })));
}

async fn a_lost_index_is_rebuilt_equal(bench: Bench) {
    let bench = fill(bench).await;
    let before = answers(&bench);
    let closed = bench.close().await;
    fs::remove_file(closed.folder.path().join("index.db")).unwrap();
    let bench = closed.open();
    assert_eq!(answers(&bench), before);
    let taken = bench.submit(unit([(stream(900), 0, json!({"take": ["address 20"]}))])).await.unwrap_err();
    assert!(matches!(taken, SubmitError::Claimed { holder, .. } if holder == stream(20)));
}

async fn a_text_file_in_place_of_the_index_is_set_aside(bench: Bench) {
    let bench = fill(bench).await;
    let before = answers(&bench);
    let closed = bench.close().await;
    fs::write(closed.folder.path().join("index.db"), "these are notes of mine").unwrap();
    let bench = closed.open();
    assert_eq!(answers(&bench), before);
    let aside = fs::read(bench.folder.path().join("index.db.set-aside")).unwrap();
    assert_eq!(aside, b"these are notes of mine");
}

#[tokio::test]
async fn a_foreign_or_damaged_index_is_set_aside_and_rebuilt() {
    let bench = filled().await;
    let before = answers(&bench);
    let closed = bench.close().await;
    let index = closed.folder.path().join("index.db");
    // Another ledger's.
    let other = filled().await.close().await;
    fs::copy(other.folder.path().join("index.db"), &index).unwrap();
    let bench = closed.open();
    assert_eq!(answers(&bench), before, "another ledger's index");
    // Ours, with its middle overwritten.
    let closed = bench.close().await;
    let mut bytes = fs::read(&index).unwrap();
    let pages = bytes.len() / 4_096;
    for page in 1..pages {
        bytes[page * 4_096..page * 4_096 + 64].fill(0xa5);
    }
    fs::write(&index, bytes).unwrap();
    assert_eq!(answers(&closed.open()), before, "a damaged index");
}

/// Overwrites every page but those that opening the file reads.
fn overwrite_below_the_header(index: &Path) {
    let outsider = Connection::open(index).unwrap();
    outsider.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let spared = "SELECT rootpage FROM sqlite_master WHERE tbl_name IN ('mark', 'names')";
    let mut select = outsider.prepare(spared).unwrap();
    let spared: Vec<i64> = select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    drop(select);
    drop(outsider);
    let mut bytes = fs::read(index).unwrap();
    for (page, bytes) in bytes.chunks_mut(4_096).enumerate().skip(1) {
        if !spared.contains(&i64::try_from(page + 1).unwrap()) {
            bytes.fill(0xa5);
        }
    }
    // In place: a service that runs has this file open.
    let mut file = fs::OpenOptions::new().write(true).open(index).unwrap();
    file.write_all(&bytes).unwrap();
}

#[tokio::test]
async fn an_index_damaged_below_its_header_ends_the_ledger_and_is_made_anew_at_the_next_start() {
    let bench = filled().await;
    let before = answers(&bench);
    for running in [false, true] {
        let bench = match running {
            false => {
                let closed = bench_of(&before).await;
                overwrite_below_the_header(&closed.folder.path().join("index.db"));
                closed.open()
            }
            true => {
                let bench = bench_of(&before).await.open();
                overwrite_below_the_header(&bench.folder.path().join("index.db"));
                bench
            }
        };
        let refused = bench.submit(unit([(stream(901), 0, json!({"take": ["address 20"]}))])).await.unwrap_err();
        assert!(matches!(refused, SubmitError::Read(_)), "never decided on what cannot be read: {refused:?}");
        bench.ledger.watch_failed().wait_for(|failed| *failed).await.unwrap();
        let bench = bench.close().await.open();
        assert_eq!(answers(&bench), before, "running: {running}");
        let holder = bench.submit(unit([(stream(901), 0, json!({"take": ["address 20"]}))])).await.unwrap_err();
        assert!(matches!(holder, SubmitError::Claimed { holder, .. } if holder == stream(20)));
        let word = bench.folder.path().join("index.db.damaged");
        assert!(!word.exists() && bench.folder.path().join("index.db.set-aside").exists());
        assert_eq!(bench.close().await.open().ledger.head(), 70, "and once only");
    }
}

/// A closed folder as `filled` makes it.
async fn bench_of(before: &[String]) -> Closed {
    let bench = filled().await;
    assert_eq!(answers(&bench), before);
    bench.close().await
}

#[tokio::test]
async fn a_log_shorter_than_its_index_has_it_rebuilt() {
    let bench = filled().await;
    let early = tempfile::tempdir().unwrap();
    let closed = bench.close().await;
    copy(closed.folder.path(), early.path());
    let bench = closed.open();
    bench.submit(unit([(stream(700), 0, json!({"take": ["address late"]}))])).await.unwrap();
    let closed = bench.close().await;
    // The log of before, under the index of after.
    let _ = fs::remove_file(closed.folder.path().join("ledger.db-wal"));
    let _ = fs::remove_file(closed.folder.path().join("ledger.db-shm"));
    fs::copy(early.path().join("ledger.db"), closed.folder.path().join("ledger.db")).unwrap();
    let bench = closed.open();
    assert_eq!(bench.ledger.head(), 70);
    assert_eq!(bench.ledger.claim_holder(&claim("address", "late")).unwrap(), None);
    assert_eq!(bench.submit(unit([(stream(700), 0, json!({}))])).await.unwrap().last, 71);
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_events() {
    let bench = Bench::new(Kind::Sqlite);
    bench.submit(create(1)).await.unwrap();
    // As a stranger would: with a connection of its own, settings as they come.
    let stranger = Connection::open(bench.folder.path().join("ledger.db")).unwrap();
    for (sql, told) in [
        ("UPDATE events SET payload = '{}'", "never changed"),
        ("UPDATE events SET position = 9 WHERE position = 1", "never changed"),
        ("DELETE FROM events", "never removed"),
        ("REPLACE INTO events SELECT * FROM events", "never replaced"),
        (
            "INSERT INTO events SELECT * FROM events WHERE true ON CONFLICT DO UPDATE SET payload = 'x'",
            "never replaced",
        ),
    ] {
        let fault = stranger.execute(sql, []).unwrap_err().to_string();
        assert!(fault.contains(told), "{sql}: {fault}");
    }
    bench.ledger.examine(&mut |_| {}).unwrap();
    assert_eq!(bench.ledger.head(), 1);
}

#[tokio::test]
async fn a_foreign_or_newer_ledger_is_refused_by_name_and_left_alone() {
    let closed = filled().await.close().await;
    let file = closed.folder.path().join("ledger.db");
    let good = fs::read(&file).unwrap();
    let mut newer = good.clone();
    newer[63] = 99;
    let mut foreign = good.clone();
    foreign[68..72].fill(1);
    type Told = fn(&OpenError) -> bool;
    let cases: [(&[u8], Told); 3] = [
        (&newer, |fault| matches!(fault, OpenError::Newer { found: 99, .. })),
        (&foreign, |fault| matches!(fault, OpenError::Foreign { .. })),
        (b"my diary", |fault| matches!(fault, OpenError::Foreign { .. })),
    ];
    let mut closed = closed;
    for (bytes, expected) in cases {
        fs::write(&file, bytes).unwrap();
        let (back, fault) = match closed.try_open() {
            Ok(_) => panic!("opened"),
            Err(refused) => *refused,
        };
        assert!(expected(&fault), "{fault:?}");
        assert!(fault.to_string().contains("ledger.db"), "{fault}");
        assert_eq!(fs::read(&file).unwrap(), bytes, "left as it was");
        closed = back;
    }
    fs::write(&file, good).unwrap();
    assert_eq!(closed.open().ledger.head(), 70);
}

async fn lost_keys_stop_the_start_with_a_count(bench: Bench) {
    for number in 0..3 {
        let subject = bench.vault.subject().await.unwrap();
        let payload = json!({
            "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
            "personal": {"name": "Ada"},
        });
        bench.submit(unit([(stream(number), 0, payload.clone())])).await.unwrap();
        bench
            .submit(unit([(stream(number), 1, json!({"subject": payload["subject"], "personal": {"name": "Bob"}}))]))
            .await
            .unwrap();
    }
    let closed = bench.close().await;
    for file in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let _ = fs::remove_file(closed.folder.path().join(file));
    }
    match closed.try_open() {
        Ok(_) => panic!("opened without keys"),
        Err(refused) => assert!(matches!(refused.1, OpenError::MissingKeys { missing: 3 }), "{:?}", refused.1),
    }
}

async fn keys_older_than_the_log_stop_the_start(bench: Bench) {
    let person = |subject: store::Subject| {
        json!({
            "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
            "personal": {"name": "Ada"},
        })
    };
    let early = bench.vault.subject().await.unwrap();
    bench.submit(unit([(stream(1), 0, person(early))])).await.unwrap();
    let closed = bench.close().await;
    let keys = closed.folder.path().join("keys.db");
    let old = fs::read(&keys).unwrap();
    let bench = closed.open();
    let late = bench.vault.subject().await.unwrap();
    bench.submit(unit([(stream(2), 0, person(late))])).await.unwrap();
    // The index is up to date, so nothing is left to catch up with.
    let closed = bench.close().await;
    let _ = fs::remove_file(closed.folder.path().join("keys.db-wal"));
    let _ = fs::remove_file(closed.folder.path().join("keys.db-shm"));
    fs::write(&keys, old).unwrap();
    match closed.try_open() {
        Ok(_) => panic!("opened with old keys"),
        Err(refused) => assert!(matches!(refused.1, OpenError::MissingKeys { missing: 1 }), "{:?}", refused.1),
    }
}

#[tokio::test]
async fn destroyed_keys_and_clear_texts_are_nowhere_in_the_folder() {
    let bench = Bench::new(Kind::Sqlite);
    let subject = bench.vault.subject().await.unwrap();
    let payload = json!({
        "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
        "personal": {"name": "planted-marker-7261"},
    });
    bench.submit(unit([(stream(1), 0, payload)])).await.unwrap();
    let keys = Connection::open(bench.folder.path().join("keys.db")).unwrap();
    let id = subject.id.as_bytes().to_vec();
    let key: Vec<u8> = keys.query_row("SELECT key FROM keys WHERE subject = ?1", [&id], |row| row.get(0)).unwrap();
    drop(keys);
    assert!(holds(bench.folder.path(), &key), "it is there before");
    bench.vault.destroy(subject.id).unwrap();
    assert!(!holds(bench.folder.path(), &key), "its bytes are gone");
    let closed = bench.close().await;
    assert!(!holds(closed.folder.path(), b"planted-marker"));
    assert!(!holds(closed.folder.path(), &key));
}

async fn old_receipts_are_forgotten_after_two_days_at_a_rebuild(bench: Bench) {
    bench.submit(Unit { command_id: Some(command(1)), ..create(1) }).await.unwrap();
    bench.pass(48 * 3_600 * 1_000_000 + 1);
    bench.submit(Unit { command_id: Some(command(2)), ..create(2) }).await.unwrap();
    let closed = bench.close().await;
    fs::remove_file(closed.folder.path().join("index.db")).unwrap();
    let bench = closed.open();
    assert!(bench.ledger.receipt(&command(1)).unwrap().is_none());
    assert!(bench.ledger.receipt(&command(2)).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_under_load_opens_with_all_that_was_acknowledged_before_it() {
    let bench = Bench::new(Kind::Sqlite);
    let target = tempfile::tempdir().unwrap();
    let ledger = bench.ledger.clone();
    let writing = tokio::spawn(async move {
        for number in 0..400 {
            ledger.submit(create(number)).await.unwrap();
        }
    });
    bench.ledger.watch_head().wait_for(|head| *head >= 100).await.unwrap();
    let mut told = Vec::new();
    store::backup(bench.folder.path(), target.path(), &mut |progress| told.push(progress)).unwrap();
    writing.await.unwrap();
    let last = told.iter().rfind(|progress| progress.part == "ledger").unwrap();
    assert!(last.done == last.of && last.of >= 100, "{last:?}");
    let restored = tempfile::tempdir().unwrap();
    store::restore(target.path(), restored.path(), &mut |_| {}).unwrap();
    let again = store::restore(target.path(), restored.path(), &mut |_| {});
    assert!(matches!(again, Err(store::BackupError::NotEmpty(_))), "{again:?}");
    let copy = Closed { clock: bench.close().await.clock, ..Closed::in_folder(restored) }.open();
    assert_eq!(copy.ledger.head(), last.of);
    copy.ledger.examine(&mut |_| {}).unwrap();
}

#[tokio::test]
async fn after_a_kill_only_what_the_index_lacks_is_read_again() {
    let bench = Bench::new(Kind::Sqlite);
    let write = async |count: u128| {
        for number in 0..count {
            let events = (0..100).map(|_| crate::bench::event(json!({}))).collect();
            let append = Append { stream: stream(bench.ledger.head().into()), expected: 0, events };
            let unit = Unit { tenant: crate::bench::TENANT.into(), appends: vec![append], ..Unit::default() };
            bench.submit(unit).await.unwrap_or_else(|fault| panic!("{number}: {fault}"));
        }
    };
    write(500).await;
    while bench.ledger.figures().index_lag > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    write(3).await;
    // As a kill leaves it: nothing was closed.
    let folder = tempfile::tempdir().unwrap();
    copy(bench.folder.path(), folder.path());
    let index = Connection::open(folder.path().join("index.db")).unwrap();
    let mark: i64 = index.query_row("SELECT position FROM mark", [], |row| row.get(0)).unwrap();
    let mark = mark.cast_unsigned();
    drop(index);
    assert!(mark >= 50_000, "{mark}");
    let clock = bench.close().await.clock;
    let killed = Closed { clock, ..Closed::in_folder(folder) }.open();
    let figures = killed.ledger.figures();
    assert_eq!((figures.head, figures.index_lag), (50_300, 50_300 - mark), "and not the whole log");
}

const CHILD: &str = "STORE_TEST_FOLDER";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Position = 0;
    for round in 1..=3_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durable::the_process_that_is_killed", "--ignored", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok).filter(|line| line.starts_with("landed ")) {
            acknowledged = line["landed ".len()..].parse().unwrap();
            if acknowledged >= round * 300 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= round * 300, "the child wrote");
    }
    store::rewrite_wal(folder.path()).unwrap();
    let bench = Closed::in_folder(folder).open();
    assert!(bench.ledger.head() >= acknowledged, "{} < {acknowledged}", bench.ledger.head());
    bench.ledger.examine(&mut |_| {}).unwrap();
    for event in bench.ledger.read_log(0, 100_000).unwrap() {
        assert_eq!(
            bench.ledger.claim_holder(&claim("address", &event.position.to_string())).unwrap(),
            Some(event.stream.clone())
        );
    }
}

#[test]
#[ignore = "the process that the story above starts and kills"]
fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    store::rewrite_wal(Path::new(&folder)).unwrap();
    let bench = crate::bench::in_folder(Path::new(&folder));
    runtime.block_on(async {
        loop {
            let next = bench.0.head() + 1;
            let made = unit([(stream(next.into()), 0, json!({"take": [format!("address {next}")]}))]);
            let receipt = bench.0.submit(made).await.unwrap();
            println!("landed {}", receipt.last);
        }
    });
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let found = fs::read(entry.unwrap().path()).unwrap();
        found.windows(bytes.len()).any(|window| window == bytes)
    })
}
