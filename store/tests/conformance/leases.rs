//! Leases: of several nodes one does it, and what it writes lands only while it may.

use std::time::{Duration, Instant};

use store::{Batch, DatabaseUrl, Lease, State, StateError, StateOptions};

use crate::postgres::cluster::{Cluster, Database};

fn node(database: &Database) -> State {
    State::open(StateOptions::Postgres { url: DatabaseUrl::new(database.url()) }).unwrap()
}

fn wish(state: &State) -> Lease {
    Lease::new(state.clone(), "courier")
}

fn write(value: &str) -> Batch {
    Batch::new().put("s", "a", value.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_has_it_until_it_is_given_back() {
    let database = Cluster::shared().database();
    let (one, other) = (node(&database), node(&database));
    let first = wish(&one).take().await;
    assert!(first.stands() && first.is_fenced());
    let waiting = tokio::spawn({
        let other = wish(&other);
        async move { other.take().await }
    });
    one.commit(first.fence(write("first"))).await.unwrap();
    // Another lease is another matter.
    Lease::new(other.clone(), "sweeper").take().await.give_back().await;
    assert!(!waiting.is_finished());
    let fence = first.clone();
    first.give_back().await;
    let second = waiting.await.unwrap();
    assert!(second.stands() && !fence.stands());
    fence.over().await;
    let late = one.commit(fence.fence(write("late"))).await;
    assert!(matches!(late, Err(StateError::Changed { .. })), "{late:?}");
    other.commit(second.fence(write("second"))).await.unwrap();
    assert_eq!(one.get("s", "a").unwrap(), Some(b"second".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_silent_is_followed_within_ten_seconds_and_writes_nothing_afterwards() {
    let database = Cluster::shared().database();
    let (one, other) = (node(&database), node(&database));
    // One that stands still: its beats are on a runtime that does not run.
    let asleep = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = std::thread::spawn(move || (asleep.block_on(wish(&one).take()), asleep, one)).join().unwrap();
    let (first, asleep, one) = first;
    let begun = Instant::now();
    let second = wish(&other).take().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(
        begun.elapsed() > Duration::from_secs(4),
        "no earlier than the other one gave it up: {:?}",
        begun.elapsed()
    );
    assert!(second.stands() && !first.stands(), "it knows without asking");
    let late = one.commit(first.fence(write("late"))).await;
    assert!(matches!(late, Err(StateError::Changed { .. })), "{late:?}");
    assert_eq!(other.get("s", "a").unwrap(), None);
    // Awake, it hears of it.
    std::thread::spawn(move || {
        asleep.block_on(first.over());
        assert!(!first.stands());
    })
    .join()
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_it_at_once_one_gets_it() {
    let database = Cluster::shared().database();
    let nodes: Vec<State> = (0..5).map(|_| node(&database)).collect();
    let (told, mut got) = tokio::sync::mpsc::unbounded_channel();
    for state in &nodes {
        let (lease, told) = (wish(state), told.clone());
        tokio::spawn(async move { told.send(lease.take().await) });
    }
    for round in 0..5_u8 {
        let tenure = got.recv().await.unwrap();
        assert!(got.is_empty(), "round {round}");
        nodes[0].commit(tenure.fence(write("mine"))).await.unwrap();
        tenure.give_back().await;
    }
}

/// Whoever slept through the move may still be able to reach the state, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_state_that_is_moved_nobody_has_a_lease() {
    let database = Cluster::shared().database();
    let (one, other) = (node(&database), node(&database));
    let first = wish(&one).take().await;
    other.commit(Batch::new().put("move", "ledger", vec![1; 16])).await.unwrap();
    let late = one.commit(first.fence(write("late"))).await;
    assert!(matches!(late, Err(StateError::Changed { .. })), "{late:?}");
    first.over().await;
    // Nobody has had this one.
    let free = Lease::new(other.clone(), "sweeper");
    assert!(tokio::time::timeout(Duration::from_secs(2), free.take()).await.is_err());
    other.commit(Batch::new().delete("move", "ledger")).await.unwrap();
    assert!(free.take().await.stands(), "the move was given up");
}

#[tokio::test]
async fn a_state_of_ones_own_needs_no_waiting_and_no_fence() {
    let state = State::open(StateOptions::Memory).unwrap();
    let (first, second) = (wish(&state).take().await, wish(&state).take().await);
    assert!(first.stands() && second.stands() && !first.is_fenced());
    state.commit(first.fence(write("first"))).await.unwrap();
    assert_eq!(state.count("lease").unwrap(), 0);
    first.give_back().await;
}
