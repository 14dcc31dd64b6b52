//! Keys: made ahead, handed out once, never again after a restart.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;

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
                    match vault.subject().await {
                        Ok(subject) => got.push(subject),
                        // A disk that takes its time is an answer, and none of this story's concern.
                        Err(fault) => assert!(matches!(fault, VaultError::Empty), "{fault:?}"),
                    }
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
    let keys = rusqlite::Connection::open(folder.path().join("keys.db")).unwrap();
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

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _vault = open(&folder);
    let mode = std::fs::metadata(folder.path().join("keys.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
