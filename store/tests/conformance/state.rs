//! Kept state, told for memory, for a file and for a database that nodes share.

use store::{Batch, State, StateError, StateOptions};
use tempfile::TempDir;

fn open(folder: &TempDir) -> State {
    State::open(StateOptions::Sqlite { path: folder.path().join("state.db") }).unwrap()
}

fn text(value: &str) -> Vec<u8> {
    value.as_bytes().to_vec()
}

fn keys(state: &State, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    state.scan("s", prefix, after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
}

macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $story() {
                super::$story(store::State::open(store::StateOptions::Memory).unwrap()).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $story() {
                let folder = tempfile::tempdir().unwrap();
                super::$story(super::open(&folder)).await;
            })+
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(super::shared::node(&crate::postgres::cluster::Cluster::shared().database())).await;
            })+
        }
        #[cfg(feature = "postgres")]
        mod pooled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(super::shared::node(&crate::postgres::cluster::Cluster::pooled().database())).await;
            })+
        }
    };
}

stories!(
    what_is_put_is_there_and_what_is_deleted_is_not,
    a_batch_with_a_broken_check_changes_nothing,
    one_of_thirty_racing_checks_wins,
    a_scan_is_ordered_and_bounded,
    a_change_for_later_is_seen_at_once,
    later_and_at_once_keep_their_order,
    many_are_asked_for_at_once,
);

async fn many_are_asked_for_at_once(state: State) {
    let put = (0..600).fold(Batch::new(), |batch, number| batch.put("s", &format!("{number}"), text("1")));
    state.commit(put.put("t", "other", text("2"))).await.unwrap();
    state.commit_later(Batch::new().put("s", "7", text("3")).delete("s", "8").put("s", "new", text("4")));
    let keys: Vec<String> = ["5", "7", "8", "new", "none", "other"].map(str::to_owned).to_vec();
    let found = state.get_each("s", &keys).unwrap();
    let one_by_one = keys.iter().filter_map(|key| Some((key.clone(), state.get("s", key).unwrap()?)));
    assert_eq!(found, one_by_one.collect());
    assert_eq!((found.len(), &found["7"], &found["new"]), (3, &text("3"), &text("4")));
    assert!(state.get_each("s", &[]).unwrap().is_empty());
    let all: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    assert_eq!(state.get_each("s", &all).unwrap().len(), 599);
}

async fn what_is_put_is_there_and_what_is_deleted_is_not(state: State) {
    state
        .commit(Batch::new().put("s", "a", text("1")).put("s", "b", text("2")).put("t", "a", text("3")))
        .await
        .unwrap();
    assert_eq!(state.get("s", "a").unwrap(), Some(text("1")));
    assert_eq!(state.get("t", "a").unwrap(), Some(text("3")));
    assert_eq!((state.count("s").unwrap(), state.count("t").unwrap(), state.count("u").unwrap()), (2, 1, 0));
    state.commit(Batch::new().delete("s", "a").delete("s", "none").put("s", "b", text("4"))).await.unwrap();
    assert_eq!((state.get("s", "a").unwrap(), state.get("s", "b").unwrap()), (None, Some(text("4"))));
    assert_eq!(state.count("s").unwrap(), 1);
}

async fn a_batch_with_a_broken_check_changes_nothing(state: State) {
    state.commit(Batch::new().put("s", "a", text("1")).expect("s", "a", None)).await.unwrap();
    let broken = Batch::new().put("s", "b", text("2")).expect("s", "a", None);
    match state.commit(broken).await {
        Err(StateError::Changed { space, key }) => assert_eq!((space.as_str(), key.as_str()), ("s", "a")),
        other => panic!("{other:?}"),
    }
    assert_eq!(state.get("s", "b").unwrap(), None);
    state.commit(Batch::new().put("s", "a", text("2")).expect("s", "a", Some(text("1")))).await.unwrap();
    assert!(state.commit(Batch::new().delete("s", "a").expect("s", "a", Some(text("1")))).await.is_err());
}

async fn one_of_thirty_racing_checks_wins(state: State) {
    let mut running = Vec::new();
    for number in 0..30 {
        let state = state.clone();
        running.push(tokio::spawn(async move {
            state.commit(Batch::new().expect("s", "one", None).put("s", "one", vec![number])).await.is_ok()
        }));
    }
    let mut winners = 0;
    for task in running {
        winners += u32::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

async fn a_scan_is_ordered_and_bounded(state: State) {
    for key in ["b/2", "a/1", "b/1", "b", "c", "b/3", "é"] {
        state.commit_later(Batch::new().put("s", key, text(key)).put("other", key, text(key)));
    }
    state.commit(Batch::new().put("s", "b/4", text("x"))).await.unwrap();
    assert_eq!(keys(&state, "", None, 100), vec!["a/1", "b", "b/1", "b/2", "b/3", "b/4", "c", "é"]);
    assert_eq!(keys(&state, "b/", None, 100), vec!["b/1", "b/2", "b/3", "b/4"]);
    assert_eq!(keys(&state, "b/", Some("b/2"), 1), vec!["b/3"]);
    assert_eq!(keys(&state, "b/", Some("b/4"), 1), Vec::<String>::new());
    assert_eq!(keys(&state, "b/", Some("a"), 1), vec!["b/1"]);
    assert_eq!(keys(&state, "é", None, 9), vec!["é"]);
}

async fn a_change_for_later_is_seen_at_once(state: State) {
    state
        .commit(Batch::new().put("s", "a", text("1")).put("s", "b", text("1")).put("s", "c", text("1")))
        .await
        .unwrap();
    state.commit_later(Batch::new().put("s", "b", text("2")).delete("s", "a").put("s", "d", text("2")));
    assert_eq!((state.get("s", "a").unwrap(), state.get("s", "b").unwrap()), (None, Some(text("2"))));
    assert_eq!(keys(&state, "", None, 2), vec!["b", "c"]);
    assert_eq!(keys(&state, "", None, 9), vec!["b", "c", "d"]);
    assert_eq!(state.count("s").unwrap(), 3);
    // A check sees it too.
    assert!(state.commit(Batch::new().expect("s", "a", Some(text("1"))).put("s", "a", text("9"))).await.is_err());
    state.commit(Batch::new().expect("s", "a", None).expect("s", "b", Some(text("2")))).await.unwrap();
    // One with checks of its own has no answer to give, and is dropped.
    state.commit_later(Batch::new().expect("s", "b", Some(text("2"))).put("s", "b", text("3")));
    assert_eq!(state.get("s", "b").unwrap(), Some(text("2")));
}

async fn later_and_at_once_keep_their_order(state: State) {
    for round in 0..50_u8 {
        state.commit_later(Batch::new().put("s", "a", vec![round, 0]));
        state.commit(Batch::new().put("s", "a", vec![round, 1])).await.unwrap();
        assert_eq!(state.get("s", "a").unwrap(), Some(vec![round, 1]));
        state.commit_later(Batch::new().put("s", "a", vec![round, 2]));
        assert_eq!(state.get("s", "a").unwrap(), Some(vec![round, 2]));
    }
}

#[tokio::test]
async fn it_is_all_there_after_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(&folder);
    state.commit(Batch::new().put("s", "a", text("1"))).await.unwrap();
    state.commit_later(Batch::new().put("s", "b", text("2")));
    state.close().await;
    assert!(matches!(state.commit(Batch::new().put("s", "c", text("3"))).await, Err(StateError::Stopped)));
    drop(state);
    let state = open(&folder);
    assert_eq!(keys(&state, "", None, 9), vec!["a", "b"]);
}

#[tokio::test]
async fn a_commit_takes_along_what_was_for_later() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(&folder);
    state.commit_later(Batch::new().put("s", "later", text("1")));
    state.commit(Batch::new().put("s", "now", text("2"))).await.unwrap();
    // What another connection sees is what a crash would leave.
    let other = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    let count: i64 = other.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn a_foreign_file_is_refused_by_name_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, "a letter").unwrap();
    match State::open(StateOptions::Sqlite { path: path.clone() }) {
        Ok(_) => panic!("opened"),
        Err(StateError::Open(fault)) => assert!(fault.to_string().contains("state.db"), "{fault}"),
        Err(other) => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"a letter");
}

/// Several nodes with one database.
#[cfg(feature = "postgres")]
mod shared {
    use std::time::Instant;

    use store::{Batch, DatabaseUrl, OpenError, State, StateError, StateOptions};

    use super::{keys, text};
    use crate::postgres::cluster::{Cluster, Database};

    pub fn node(database: &Database) -> State {
        State::open(StateOptions::Postgres { url: DatabaseUrl::new(database.url()) }).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_one_node_commits_the_others_have() {
        let database = Cluster::shared().database();
        let (one, other) = (node(&database), node(&database));
        one.commit(Batch::new().put("s", "a", text("1")).put("s", "é", vec![0, 255])).await.unwrap();
        assert_eq!((other.get("s", "a").unwrap(), other.get("s", "é").unwrap()), (Some(text("1")), Some(vec![0, 255])));
        let stale = Batch::new().expect("s", "a", Some(text("0"))).put("s", "a", text("2"));
        assert!(matches!(other.commit(stale).await, Err(StateError::Changed { .. })));
        other.commit(Batch::new().expect("s", "a", Some(text("1"))).delete("s", "a")).await.unwrap();
        assert_eq!((one.get("s", "a").unwrap(), one.count("s").unwrap()), (None, 1));
        // Later is later for the others, and at the end at the latest.
        one.commit_later(Batch::new().put("s", "b", text("3")));
        one.close().await;
        assert_eq!(keys(&other, "", None, 9), vec!["b", "é"]);
        assert!(matches!(one.commit(Batch::new().put("s", "c", text("4"))).await, Err(StateError::Stopped)));
        assert!(other.server().unwrap().starts_with("PostgreSQL 1"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_checks_that_race_over_three_nodes_one_holds() {
        let database = Cluster::shared().database();
        let nodes = [node(&database), node(&database), node(&database)];
        for round in 0..10_u8 {
            let before = round.checked_sub(1).map(|last| vec![last]);
            let mut running = Vec::new();
            for number in 0..30 {
                let (state, before) = (nodes[number % 3].clone(), before.clone());
                running.push(tokio::spawn(async move {
                    let taken = Batch::new().expect("s", "one", before).put("s", "one", vec![round]);
                    state.commit(taken.put("s", &format!("winner {round} {number}"), vec![])).await
                }));
            }
            let mut winners = 0;
            for task in running {
                match task.await.unwrap() {
                    Ok(()) => winners += 1,
                    Err(fault) => assert!(matches!(fault, StateError::Changed { .. }), "{fault:?}"),
                }
            }
            assert_eq!(winners, 1);
            let told = nodes[0].scan("s", &format!("winner {round} "), None, 9).unwrap();
            assert_eq!(told.len(), 1);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_holds_everybody_up_loses_its_turn() {
        let database = Cluster::shared().database();
        let state = node(&database);
        state.commit(Batch::new().put("s", "a", text("1"))).await.unwrap();
        // It began a turn and said nothing more: stopped, or cut off.
        let mut silent = database.fall_silent(
            "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 2000; SELECT pg_advisory_xact_lock(1229744756)",
        );
        let begun = Instant::now();
        while database.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") != "1" {}
        state.commit(Batch::new().put("s", "a", text("2"))).await.unwrap();
        assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
        silent.kill().unwrap();
        silent.wait().unwrap();
        assert_eq!(state.get("s", "a").unwrap(), Some(text("2")));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_restarts_is_waited_for_and_lost_sessions_are_made_anew() {
        let database = Cluster::own().database();
        let state = node(&database);
        state.commit(Batch::new().put("s", "a", text("1"))).await.unwrap();
        database
            .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'invitation-ledger'");
        state.commit(Batch::new().put("s", "b", text("1"))).await.unwrap();
        database.cluster.stop();
        state.commit_later(Batch::new().put("s", "c", text("1")));
        let told = state.commit(Batch::new().put("s", "d", text("1"))).await;
        assert!(matches!(told, Err(StateError::Busy)), "{told:?}");
        assert!(matches!(state.get("s", "a"), Err(StateError::Server(_))));
        assert_eq!(state.get("s", "c").unwrap(), Some(text("1")), "it waits in memory");
        database.cluster.start_again("");
        state.commit(Batch::new().put("s", "e", text("1"))).await.unwrap();
        assert_eq!(keys(&node(&database), "", None, 9), vec!["a", "b", "c", "e"]);
    }

    #[test]
    fn a_strangers_schema_and_missing_rights_are_refused_with_what_mends_it() {
        let open = |url| match State::open(StateOptions::Postgres { url: DatabaseUrl::new(url) }) {
            Err(StateError::Open(fault)) => {
                assert!(matches!(*fault, OpenError::Unfit { .. }), "{fault:?}");
                fault.to_string()
            }
            Ok(_) => panic!("opened"),
            Err(other) => panic!("{other:?}"),
        };
        let database = Cluster::shared().database();
        database.run("CREATE SCHEMA state; CREATE TABLE state.entries (a int)");
        assert!(open(database.url()).contains("the schema state is another program's"));
        let database = Cluster::shared().database();
        drop(node(&database));
        database
            .run("CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA state TO clerk; GRANT SELECT ON state.meta TO clerk");
        let told = open(database.url_as("clerk"));
        assert!(told.contains("GRANT to it: DELETE ON state.entries, INSERT ON state.entries"), "{told}");
    }
}
