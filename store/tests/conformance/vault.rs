//! Keys: made ahead, handed out once, never again after a restart.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use store::{KeyCount, Vault, VaultError, VaultOptions};
use tempfile::TempDir;
use uuid::Uuid;

fn open(folder: &TempDir) -> Vault {
    Vault::open(VaultOptions::Sqlite { path: folder.path().join("keys.db") }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_subject_is_handed_out_twice_not_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for boot in 1..=2 {
        let vault = open(&folder);
        let mut running = Vec::new();
        for _ in 0..8 {
            let vault = vault.clone();
            running.push(tokio::spawn(async move {
                let mut got = Vec::new();
                while got.len() < 400 {
                    got.push(vault.subject().await.unwrap());
                }
                got
            }));
        }
        for task in running {
            seen.extend(task.await.unwrap().into_iter().map(|subject| (subject.id, subject.commitment)));
        }
        assert_eq!(seen.len(), boot * 3_200);
        let ids: Vec<Uuid> = seen.iter().map(|(id, _)| *id).collect();
        let count = vault.count(&ids).unwrap();
        assert_eq!(count, KeyCount { live: seen.len() as u64, destroyed: 0, missing: 0 });
        vault.close().await;
    }
}

#[tokio::test]
async fn a_command_that_needs_no_key_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder);
    vault.close().await;
    drop(vault);
    let keys = Connection::open(folder.path().join("keys.db")).unwrap();
    let count: i64 = keys.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn secrets_are_the_same_after_a_restart_and_tombstones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder);
    let (secret, subject) = (vault.secret("codes"), vault.subject().await.unwrap());
    vault.destroy(subject.id).unwrap();
    vault.close().await;
    drop(vault);
    let vault = open(&folder);
    assert_eq!(vault.secret("codes"), secret);
    assert_eq!(vault.count(&[subject.id]).unwrap(), KeyCount { live: 0, destroyed: 1, missing: 0 });
}

#[tokio::test]
async fn a_disk_that_takes_its_time_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder);
    let other = Connection::open(folder.path().join("keys.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let subject = vault.subject();
    tokio::pin!(subject);
    tokio::time::pause();
    assert!(tokio::time::timeout(Duration::from_secs(4), &mut subject).await.is_err(), "it is given up");
    tokio::time::resume();
    other.execute_batch("ROLLBACK").unwrap();
    subject.await.unwrap();
}

#[tokio::test]
async fn nobody_waits_long_for_a_file_that_refuses_keys() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder);
    let other = Connection::open(folder.path().join("keys.db")).unwrap();
    other.execute_batch("CREATE TRIGGER full BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'no room'); END").unwrap();
    let asked = Instant::now();
    assert!(matches!(vault.subject().await, Err(VaultError::Empty)));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    other.execute_batch("DROP TRIGGER full").unwrap();
    // The next attempt comes by itself.
    while vault.subject().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(asked.elapsed() < Duration::from_secs(30), "no key is made again");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _vault = open(&folder);
    let mode = std::fs::metadata(folder.path().join("keys.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Several nodes with one database.
#[cfg(feature = "postgres")]
mod shared {
    use std::{
        collections::BTreeSet,
        fs,
        time::{Duration, Instant},
    };

    use serde_json::json;
    use store::{DatabaseUrl, KeyCount, Vault, VaultError, VaultOptions};

    use crate::{
        bench::{Bench, Kind, stream, unit},
        postgres::cluster::{Cluster, Database},
    };

    /// A key that another node has destroyed is used for no longer.
    const FORGOTTEN_WITHIN: Duration = Duration::from_millis(1_500);

    fn node(database: &Database) -> Vault {
        Vault::open(VaultOptions::Postgres { url: DatabaseUrl::new(database.url()) }).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_subject_is_handed_out_twice_by_three_nodes() {
        let database = Cluster::shared().database();
        let nodes = [node(&database), node(&database), node(&database)];
        assert_eq!(nodes[0].secret("codes"), nodes[2].secret("codes"));
        let mut running = Vec::new();
        for number in 0..9 {
            let vault = nodes[number % 3].clone();
            running.push(tokio::spawn(async move {
                let mut got = Vec::new();
                while got.len() < 300 {
                    match vault.subject().await {
                        Ok(subject) => got.push(subject.id),
                        Err(fault) => assert!(matches!(fault, VaultError::Empty), "{fault:?}"),
                    }
                }
                got
            }));
        }
        let mut seen = BTreeSet::new();
        for task in running {
            seen.extend(task.await.unwrap());
        }
        assert_eq!(seen.len(), 2_700);
        // Whoever made a key, every node has it.
        let ids: Vec<_> = seen.into_iter().collect();
        for vault in &nodes {
            assert_eq!(vault.count(&ids).unwrap(), KeyCount { live: 2_700, destroyed: 0, missing: 0 });
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_key_that_is_destroyed_at_one_node_is_used_by_no_other() {
        let database = Cluster::shared().database();
        let (one, other) = (node(&database), node(&database));
        for _ in 0..3 {
            let subject = one.subject().await.unwrap().id;
            assert_eq!(other.count(&[subject]).unwrap().live, 1);
            one.destroy(subject).unwrap();
            let begun = Instant::now();
            assert_eq!(one.count(&[subject]).unwrap().destroyed, 1, "at once where it was destroyed");
            while other.count(&[subject]).unwrap().destroyed == 0 {
                assert!(begun.elapsed() < FORGOTTEN_WITHIN);
            }
            assert_eq!(database.run(&format!("SELECT key IS NULL FROM keys.keys WHERE subject = '{subject}'")), "t");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_others_hold_in_clear_goes_with_the_key() {
        let bench = Bench::new(Kind::Shared);
        let nodes = bench.nodes(2);
        let subject = bench.vault.subject().await.unwrap();
        let payload = json!({
            "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
            "personal": {"name": "Ada"},
        });
        nodes[0].submit(unit([(stream(1), 0, payload.clone())])).await.unwrap();
        nodes[1].watch_head().wait_for(|head| *head == 1).await.unwrap();
        let read = |node: usize| nodes[node].read_log(0, 1).unwrap()[0].tree().unwrap()["personal"].clone();
        assert_eq!(read(1), payload["personal"]);
        bench.vault.destroy(subject.id).unwrap();
        assert_eq!(read(0), json!({"erased": true}));
        let begun = Instant::now();
        while read(1) != json!({"erased": true}) {
            assert!(begun.elapsed() < FORGOTTEN_WITHIN);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_keys_of_many_are_asked_for_in_one_go() {
        let bench = Bench::shared(Cluster::own());
        for number in 0..300 {
            let subject = bench.vault.subject().await.unwrap();
            let payload = json!({
                "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
                "personal": {"name": "Ada"},
            });
            bench.ledger.submit(unit([(stream(number), 0, payload)])).await.unwrap();
        }
        let database = bench.database.as_ref().unwrap();
        database.run(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name));
        let late = bench.node();
        assert_eq!(late.read_log(0, 1_000).unwrap().len(), 300);
        let log = fs::read_to_string(format!("{}/server.log", database.cluster.folder)).unwrap();
        let asked = log.lines().filter(|line| line.contains("SELECT last, subject, key")).count();
        assert!((1..=3).contains(&asked), "{asked} questions for the keys of 300");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_an_answer_no_key_in_memory_is_used() {
        let database = Cluster::own().database();
        let vault = node(&database);
        let subject = vault.subject().await.unwrap().id;
        database.cluster.stop();
        let begun = Instant::now();
        loop {
            match vault.count(&[subject]) {
                Ok(count) => assert_eq!(count.live, 1),
                Err(fault) => break assert!(matches!(fault, VaultError::Server(_)), "{fault:?}"),
            }
            assert!(begun.elapsed() < FORGOTTEN_WITHIN);
        }
        database.cluster.start_again("");
        while vault.count(&[subject]).is_err() {}
    }
}
