//! The server goes away, or a session of it: what was acknowledged is there, what was
//! refused is not, and the ledger goes on by itself.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
};

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use store::{ClaimsOf, Ledger, SubmitError, Unit};

use crate::{
    bench::{Bench, Database, claim, command, create, stream, unit},
    postgres::cluster::Cluster,
    told::{RETRY_AFTER, Told, write},
};

/// The session that a node's writer has; it is waiting for what is asked for here.
fn writer_at(database: &Database, waits_for: &str) -> String {
    loop {
        let found = database.run(&format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND {waits_for} LIMIT 1"
        ));
        if !found.is_empty() {
            return found;
        }
    }
}

async fn connected(database: &Database) -> PgConnection {
    PgConnection::connect(&database.url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_killed_at_random_lose_nothing_and_add_nothing() {
    const KILLS: u32 = 40;
    let bench = Bench::postgres(Cluster::shared());
    let nodes = bench.nodes(3);
    let (stop, landed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..12_u128)
        .map(|writer| {
            let ledger = nodes[writer as usize % 3].clone();
            tokio::spawn(write(ledger, writer, stop.clone(), landed.clone()))
        })
        .collect();
    let killing = {
        let url = bench.database.as_ref().unwrap().url();
        let landed = landed.clone();
        async move {
            let mut killer = PgConnection::connect(&url).await.unwrap();
            let mut before = 0;
            for _ in 0..KILLS {
                // Something lands between two kills, or nothing would be tried.
                while landed.load(Relaxed) < before + 5 {
                    tokio::task::yield_now().await;
                }
                let one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = current_database() AND application_name = 'invitation-ledger' \
                             AND state <> 'idle' AND query NOT LIKE 'LISTEN%' ORDER BY random() LIMIT 1";
                killer.execute(one).await.unwrap();
                before = landed.load(Relaxed);
            }
        }
    };
    killing.await;
    stop.store(true, Relaxed);
    let mut told = Told::default();
    for writer in writers {
        told.merge(writer.await.unwrap());
    }
    let last = nodes[0].submit(create(99_000_000)).await.unwrap();
    told.landed.insert(stream(99_000_000), last);
    for node in &nodes {
        node.watch_head().wait_for(|head| *head >= told.landed[&stream(99_000_000)].last).await.unwrap();
        told.check(node);
        assert!(!node.failed());
    }
    println!("{} landed, {} refused, {} unknown", told.landed.len(), told.refused.len(), told.unknown.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_session_dies_before_its_commit_is_refused_and_not_there() {
    let bench = Bench::postgres(Cluster::shared());
    let database = bench.database.as_ref().unwrap();
    bench.submit(create(1)).await.unwrap();
    // Somebody holds the table, so that the batch stands still between lock and commit.
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE ledger.events IN SHARE MODE").await.unwrap();
    let ledger = bench.ledger.clone();
    let taking = unit([(stream(2), 0, json!({"take": ["address ada"]}))]);
    let submitted = tokio::spawn(async move { ledger.submit(taking).await });
    let writer = writer_at(database, "wait_event_type = 'Lock' AND query LIKE '%ledger.events%'");
    database.run(&format!("SELECT pg_terminate_backend({writer})"));
    let told = submitted.await.unwrap().unwrap_err();
    assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(bench.submit(unit([(stream(3), 0, json!({"take": ["address ada"]}))])).await.unwrap().last, 2);
    assert_eq!(bench.ledger.version(&stream(2)).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_session_dies_before_it_landed_is_written_on_another_one() {
    let bench = Bench::postgres(Cluster::shared());
    let database = bench.database.as_ref().unwrap();
    bench.submit(create(1)).await.unwrap();
    let mut holder = connected(database).await;
    holder.execute("BEGIN; LOCK TABLE ledger.events IN SHARE MODE").await.unwrap();
    let ledger = bench.ledger.clone();
    let submitted = tokio::spawn(async move { ledger.submit(create(2)).await });
    let blocked = "wait_event_type = 'Lock' AND query LIKE '%ledger.events%'";
    let writer = writer_at(database, blocked);
    database.run(&format!("SELECT pg_terminate_backend({writer})"));
    writer_at(database, &format!("{blocked} AND pid <> {writer}"));
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(submitted.await.unwrap().unwrap().last, 2);
    assert_eq!(bench.submit(create(3)).await.unwrap().last, 3);
    assert_eq!(bench.ledger.read_log(0, 9).unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_server_refuses_at_its_very_commit_is_not_acknowledged() {
    let bench = Bench::postgres(Cluster::shared());
    let database = bench.database.as_ref().unwrap();
    bench.submit(create(1)).await.unwrap();
    // The row that tells of the append is made before; what is wrong comes after it.
    database.run(
        "CREATE FUNCTION public.refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'too late'; END $$; \
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ledger.events DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION public.refuse_late()",
    );
    let told = bench.submit(create(2)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
    assert_eq!((bench.ledger.head(), database.run("SELECT count(*) FROM ledger.events").as_str()), (1, "1"));
    database.run("DROP TRIGGER late ON ledger.events");
    assert_eq!(bench.submit(create(2)).await.unwrap().last, 2);
}

/// Stops a process of the server, or lets it go on.
fn signal(process: &str, name: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_still_land_is_never_called_refused() {
    let bench = Bench::postgres(Cluster::shared());
    let database = bench.database.as_ref().unwrap();
    bench.submit(create(1)).await.unwrap();
    let mut holder = connected(database).await;
    holder.execute("BEGIN; LOCK TABLE ledger.events IN SHARE MODE").await.unwrap();
    let given = || Unit { command_id: Some(command(1)), ..create(2) };
    let (ledger, unit) = (bench.ledger.clone(), given());
    let submitted = tokio::spawn(async move { ledger.submit(unit).await });
    // The server's side of the session stands still with the batch in its hands.
    let writer = writer_at(database, "wait_event_type = 'Lock' AND query LIKE '%ledger.events%'");
    signal(&writer, "-STOP");
    holder.execute("ROLLBACK").await.unwrap();
    let told = submitted.await.unwrap();
    signal(&writer, "-CONT");
    assert!(matches!(told, Err(SubmitError::Unknown)), "{told:?}");
    let landed = loop {
        match bench.submit(given()).await {
            Err(SubmitError::Busy { .. }) => tokio::time::sleep(RETRY_AFTER).await,
            told => break told.unwrap(),
        }
    };
    assert_eq!((landed.first, landed.last), (2, 2), "once, whether it landed then or now: {landed:?}");
    assert_eq!(bench.submit(create(3)).await.unwrap().last, 3);
    bench.ledger.examine(&mut |_| {}).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_all_the_time_lets_others_write_and_who_stops_gives_its_turn_back() {
    let bench = Bench::postgres(Cluster::shared());
    let (database, node) = (bench.database.as_ref().unwrap(), bench.node());
    let (stop, landed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8_u128)
        .map(|writer| tokio::spawn(write(bench.ledger.clone(), writer, stop.clone(), landed.clone())))
        .collect();
    while landed.load(Relaxed) < 50 {
        tokio::task::yield_now().await;
    }
    for number in 0..20 {
        let before = landed.load(Relaxed);
        node.submit(create(98_000_000 + number)).await.unwrap();
        let meanwhile = landed.load(Relaxed) - before;
        assert!(meanwhile < 500, "{meanwhile} of the other node's came first");
    }
    stop.store(true, Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    while database.run(HAD) != "0" {}
}

/// Who stands still over what another node wrote says so, and goes on when told.
fn stalling() -> (ClaimsOf, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (stalled, stalls) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let claims: ClaimsOf = Arc::new(move |_, _, payload| {
        if payload.contains(r#""stall":true"#) {
            stalled.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
        vec![]
    });
    (claims, stalls, go_on)
}

/// Who has the turn, or waits for it.
const HAD: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_goes_with_an_append_goes_on_once_it_stands() {
    let bench = Bench::postgres(Cluster::own());
    let database = bench.database.as_ref().unwrap();
    // It takes some time over what others wrote: young turns do not go with an append.
    let (claims, stalls, go_on) = stalling();
    let node = bench.node_with(tempfile::tempdir().unwrap(), claims);
    let submitted = |ledger: &Ledger, unit| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.submit(unit).await })
    };
    let mut holder = connected(database).await;
    holder.execute("BEGIN; SELECT * FROM ledger.head FOR UPDATE").await.unwrap();
    let first = submitted(&bench.ledger, unit([(stream(1), 0, json!({"stall": true}))]));
    writer_at(database, "wait_event_type = 'Lock' AND query LIKE '%ledger.events%'");
    let second = submitted(&node.ledger, create(2));
    writer_at(database, "wait_event = 'advisory'");
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().last, 1);
    stalls.recv().unwrap();
    // A standby that never comes: the statement is done, and its commit is not over.
    wait_for_a_standby(database, "nobody");
    go_on.send(()).unwrap();
    writer_at(database, "wait_event = 'SyncRep'");
    let third = submitted(&bench.ledger, create(3));
    writer_at(database, "wait_event = 'advisory'");
    wait_for_a_standby(database, "");
    assert_eq!(second.await.unwrap().unwrap().last, 2);
    assert_eq!(third.await.unwrap().unwrap().last, 3);
    node.ledger.watch_head().wait_for(|head| *head == 3).await.unwrap();
    assert_eq!(node.ledger.read_log(0, 9).unwrap(), bench.ledger.read_log(0, 9).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_somebody_holds_is_waited_for_and_then_units_are_turned_away() {
    let bench = Bench::postgres(Cluster::shared());
    bench.submit(create(1)).await.unwrap();
    let mut holder = PgConnection::connect(&bench.database.as_ref().unwrap().url()).await.unwrap();
    holder.execute("BEGIN; SELECT * FROM ledger.head FOR UPDATE").await.unwrap();
    let told = bench.submit(create(2)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
    // What only relies on what is there needs no turn.
    let guard = Unit { guards: vec![(stream(1), 1)], ..Unit::default() };
    bench.submit(guard).await.unwrap();
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(bench.submit(create(2)).await.unwrap().last, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stalls_in_its_turn_loses_it_and_holds_up_nobody() {
    let bench = Bench::postgres(Cluster::shared());
    let database = bench.database.as_ref().unwrap();
    // It stands still while it folds what another node wrote, as a paused machine would.
    let (claims, stalls, go_on) = stalling();
    let node = bench.node_with(tempfile::tempdir().unwrap(), claims);
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder.execute("BEGIN; SELECT * FROM ledger.head FOR UPDATE").await.unwrap();
    let submitted = |ledger: &Ledger, unit| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.submit(unit).await })
    };
    let waiting = |count: &str| {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while database.run(sql) != count {}
    };
    let first = submitted(&bench.ledger, unit([(stream(1), 0, json!({"stall": true}))]));
    waiting("1");
    let second = submitted(&node.ledger, create(2));
    waiting("2");
    holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().last, 1);
    stalls.recv().unwrap();
    assert_eq!(bench.submit(create(3)).await.unwrap().last, 2, "the server has ended the turn");
    go_on.send(()).unwrap();
    let landed = match second.await.unwrap() {
        Err(told) => {
            assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
            node.ledger.submit(create(2)).await.unwrap()
        }
        // It had heard of the other one before it knew of its turn, and asked for another turn.
        Ok(landed) => landed,
    };
    assert_eq!(landed.last, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_follows_the_others_while_it_waits_for_its_turn() {
    let bench = Bench::postgres(Cluster::shared());
    let database = bench.database.as_ref().unwrap();
    let node = bench.node();
    let asks = |waiting: usize| {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while database.run(sql) != waiting.to_string() {}
    };
    let submitted = |ledger: &Ledger, number| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.submit(create(number)).await })
    };
    // In this order: somebody, the bench, somebody else, the node.
    let mut holders = [connected(database).await, connected(database).await];
    let lock = "BEGIN; SELECT * FROM ledger.head FOR UPDATE";
    holders[0].execute(lock).await.unwrap();
    let first = submitted(&bench.ledger, 1);
    asks(1);
    let [one, other] = &mut holders;
    let mut second = None;
    let holding = async {
        other.execute(lock).await.unwrap();
    };
    let going_on = async {
        asks(2);
        second = Some(submitted(&node, 2));
        asks(3);
        one.execute("ROLLBACK").await.unwrap();
    };
    tokio::join!(holding, going_on);
    let second = second.unwrap();
    assert_eq!(first.await.unwrap().unwrap().last, 1);
    node.watch_head().wait_for(|head| *head == 1).await.unwrap();
    assert!(!second.is_finished(), "it has seen the first event, and waits still");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(second.await.unwrap().unwrap().last, 2);
    bench.ledger.watch_head().wait_for(|head| *head == 2).await.unwrap();
    assert_eq!(node.read_log(0, 9).unwrap(), bench.ledger.read_log(0, 9).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_acknowledged() {
    let bench = Bench::postgres(Cluster::own());
    let database = bench.database.as_ref().unwrap();
    let other = bench.node();
    bench.submit(create(1)).await.unwrap();
    // A standby that never comes: commits stand in the log and are not answered.
    wait_for_a_standby(database, "nobody");
    let ledger = bench.ledger.clone();
    let taking = Unit {
        command_id: Some(command(1)),
        fingerprint: Some([1; 32]),
        ..unit([(stream(2), 0, json!({"take": ["address ada"]}))])
    };
    let submitted = tokio::spawn(async move { ledger.submit(taking).await });
    let writer = writer_at(database, "wait_event = 'SyncRep'");
    database.run(&format!("SELECT pg_terminate_backend({writer})"));
    let receipt = submitted.await.unwrap().unwrap();
    assert_eq!((receipt.first, receipt.last, receipt.repeated), (2, 2, false));
    wait_for_a_standby(database, "");
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(2)));
    assert_eq!(other.submit(create(3)).await.unwrap().last, 3);
    assert_eq!(bench.submit(create(4)).await.unwrap().last, 4);
    bench.ledger.examine(&mut |_| {}).unwrap();
}

fn wait_for_a_standby(database: &Database, name: &str) {
    database.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"));
    database.run("SELECT pg_reload_conf()");
    // The reload reaches a session with its next statement.
    while database.run("SHOW synchronous_standby_names") != name {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_cannot_be_looked_up_is_unknown_and_its_command_settles_it() {
    let bench = Bench::postgres(Cluster::own());
    let database = bench.database.as_ref().unwrap();
    let taking = || Unit { command_id: Some(command(1)), ..unit([(stream(1), 0, json!({"take": ["address ada"]}))]) };
    wait_for_a_standby(database, "nobody");
    let (ledger, given) = (bench.ledger.clone(), taking());
    let submitted = tokio::spawn(async move { ledger.submit(given).await });
    writer_at(database, "wait_event = 'SyncRep'");
    database.cluster.stop();
    let told = submitted.await.unwrap().unwrap_err();
    assert!(matches!(told, SubmitError::Unknown), "{told:?}");
    assert!(matches!(bench.submit(create(2)).await, Err(SubmitError::Busy { .. })));
    assert!(!bench.ledger.failed());
    database.cluster.start_again("-c synchronous_standby_names=");
    let again = loop {
        match bench.submit(taking()).await {
            Err(SubmitError::Busy { .. }) => tokio::time::sleep(RETRY_AFTER).await,
            told => break told.unwrap(),
        }
    };
    assert!(again.repeated, "it had landed: {again:?}");
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(1)));
    assert_eq!(bench.ledger.head(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_under_load_is_waited_for_without_an_end_of_the_process() {
    let bench = Bench::postgres(Cluster::own());
    let nodes = bench.nodes(2);
    let (stop, landed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8_u128)
        .map(|writer| tokio::spawn(write(nodes[writer as usize % 2].clone(), writer, stop.clone(), landed.clone())))
        .collect();
    let progress = async |more: u64| {
        let wanted = landed.load(Relaxed) + more;
        while landed.load(Relaxed) < wanted {
            tokio::task::yield_now().await;
        }
    };
    let cluster = bench.database.as_ref().unwrap().cluster;
    for _ in 0..2 {
        progress(200).await;
        tokio::task::spawn_blocking(|| cluster.stop()).await.unwrap();
        let refused = bench.submit(create(99_000_000)).await.unwrap_err();
        assert!(matches!(refused, SubmitError::Busy { retry_after_s: 1 }), "{refused:?}");
        assert!(bench.ledger.read_log(0, 10).is_ok(), "what is recent is read from memory");
        assert!(!bench.ledger.reachable());
        tokio::task::spawn_blocking(|| cluster.start_again("")).await.unwrap();
    }
    progress(200).await;
    stop.store(true, Relaxed);
    let mut told = Told::default();
    for writer in writers {
        told.merge(writer.await.unwrap());
    }
    let last = bench.submit(create(98_000_000)).await.unwrap();
    nodes[1].watch_head().wait_for(|head| *head >= last.last).await.unwrap();
    told.landed.insert(stream(98_000_000), last);
    nodes.iter().for_each(|node| told.check(node));
    assert!(nodes.iter().all(|node| !node.failed()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_back_ends_the_node_and_its_next_start_follows_what_is_there() {
    let bench = Bench::postgres(Cluster::shared());
    for number in 0..10 {
        bench.submit(unit([(stream(number), 0, json!({"take": [format!("address {number}")]}))])).await.unwrap();
    }
    // As a standby that lagged behind would have it, once it is the primary.
    let seventh = bench.ledger.mark_at(7).unwrap().unwrap().leaf;
    let hex: String = seventh.iter().map(|byte| format!("{byte:02x}")).collect();
    bench.database.as_ref().unwrap().run(&format!(
        "BEGIN; ALTER TABLE ledger.events DISABLE TRIGGER USER; DELETE FROM ledger.events WHERE position > 7;
         ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER events_no_delete;
         ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER events_no_strangers;
         UPDATE ledger.head SET position = 7, leaf = decode('{hex}', 'hex'); COMMIT"
    ));
    let told = bench.submit(create(50)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Stopped), "{told:?}");
    bench.ledger.watch_failed().wait_for(|failed| *failed).await.unwrap();
    let bench = bench.close().await.open();
    assert_eq!(bench.ledger.head(), 7);
    assert_eq!(bench.ledger.claim_holder(&claim("address", "9")).unwrap(), None, "its index was made anew");
    assert_eq!(bench.submit(unit([(stream(60), 0, json!({"take": ["address 9"]}))])).await.unwrap().last, 8);
}
