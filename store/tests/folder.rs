//! The lock on a folder, and its write-ahead logs at start.

use std::fs;

use store::{Batch, FolderLock, LockError, State, StateOptions, rewrite_wal};

#[test]
fn a_folder_has_one_holder_who_says_its_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(FolderLock::holder(folder.path()).unwrap(), None);
    let mut lock = FolderLock::take(folder.path(), "starting").unwrap();
    lock.rename("http://127.0.0.1:8080").unwrap();
    let told = format!("pid {} http://127.0.0.1:8080", std::process::id());
    match FolderLock::take(folder.path(), "other") {
        Err(LockError::Held { holder }) => assert_eq!(holder, told),
        other => panic!("{other:?}"),
    }
    assert_eq!(FolderLock::holder(folder.path()).unwrap(), Some(told));
    drop(lock);
    assert_eq!(FolderLock::holder(folder.path()).unwrap(), None);
    FolderLock::take(folder.path(), "other").unwrap();
}

#[tokio::test]
async fn rewriting_the_logs_at_start_loses_nothing() {
    let live = tempfile::tempdir().unwrap();
    let state = State::open(StateOptions::Sqlite { path: live.path().join("state.db") }).unwrap();
    state.commit(Batch::new().put("s", "a", b"1".to_vec())).await.unwrap();
    // As a kill would leave it: the change stands in the write-ahead log only.
    let killed = tempfile::tempdir().unwrap();
    for file in ["state.db", "state.db-wal"] {
        fs::copy(live.path().join(file), killed.path().join(file)).unwrap();
    }
    let wal = killed.path().join("state.db-wal");
    let before = fs::read(&wal).unwrap();
    assert!(!before.is_empty());
    rewrite_wal(killed.path()).unwrap();
    assert_eq!(fs::read(&wal).unwrap(), before);
    assert!(!killed.path().join("state.db-wal.new").exists());
    let state = State::open(StateOptions::Sqlite { path: killed.path().join("state.db") }).unwrap();
    assert_eq!(state.get("s", "a").unwrap(), Some(b"1".to_vec()));
    rewrite_wal(tempfile::tempdir().unwrap().path()).unwrap();
}
