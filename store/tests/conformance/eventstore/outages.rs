//! The server goes away, or an answer of it, or the node that led: what was acknowledged
//! is there once, what was refused is not, and the ledger goes on by itself.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use serde_json::json;
use store::{Ledger, OpenError, Receipt, SubmitError, Unit};

use super::{
    Place, own,
    server::{Append, Cluster, Gate, Node, Read},
};
use crate::{
    bench::{Bench, Closed, Kind, claim, command, create, stream, unit},
    told::{Told, write},
};

fn node(bench: &Bench, number: usize) -> Arc<Node> {
    bench.place.as_ref().unwrap().cluster().nodes[number].clone()
}

/// Until so many appends have come to the node.
fn wait_for_arrivals(node: &Node, count: u64) {
    while node.arrived.load(SeqCst) < count {
        std::thread::yield_now();
    }
}

/// Again until it is not turned away; nothing of a unit that is turned away is there.
async fn insist(ledger: &Ledger, unit: Unit) -> Receipt {
    loop {
        match ledger.submit(unit.clone()).await {
            Ok(receipt) => return receipt,
            Err(SubmitError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_without_an_answer_is_repeated_and_lands_once() {
    let bench = own(1);
    let faults = [Append::LandsUnheard, Append::IsLostUnheard, Append::LandsUnheard, Append::IsLostUnheard];
    for (number, fault) in faults.into_iter().enumerate() {
        node(&bench, 0).then(fault.clone());
        node(&bench, 0).then(fault);
        let receipt = bench.submit(create(number as u128)).await.unwrap();
        assert_eq!(receipt.last, number as u64 + 1);
    }
    assert_eq!((node(&bench, 0).to_come(), bench.entries().len()), (0, 4));
    assert_eq!(bench.ledger.figures().overtaken, 0);
    bench.ledger.examine(&mut |_| {}).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_between_append_and_answer_is_asked_again() {
    let bench = own(1);
    bench.submit(create(1)).await.unwrap();
    let (server, ledger) = (node(&bench, 0), bench.ledger.clone());
    let before = server.arrived.load(SeqCst);
    server.then(Append::LandsInSilence);
    let told = tokio::spawn(async move { ledger.submit(create(2)).await });
    wait_for_arrivals(&server, before + 1);
    server.stop();
    server.start();
    assert_eq!(told.await.unwrap().unwrap().last, 2);
    assert_eq!(bench.entries().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_lands_after_it_was_too_late_is_not_there_twice() {
    let bench = own(1);
    let gate = Gate::default();
    node(&bench, 0).then(Append::TimesOut(gate.clone()));
    assert_eq!(bench.submit(create(1)).await.unwrap().last, 1);
    gate.open();
    assert_eq!(bench.submit(create(2)).await.unwrap().last, 2);
    assert_eq!(bench.entries().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_in_one_place_the_slower_checks_its_batch_again() {
    let bench = own(1);
    let (server, other, gate) = (node(&bench, 0), bench.node(), Gate::default());
    let take = |number, expected| unit([(stream(number), expected, json!({"take": ["address ada"]}))]);
    let arrived = server.arrived.load(SeqCst);
    server.then(Append::Waits(gate.clone()));
    let slower = [take(1, 0), create(2), Unit { guards: vec![(stream(3), 0)], ..create(4) }].map(|given| {
        let ledger = bench.ledger.clone();
        tokio::spawn(async move { ledger.submit(given).await })
    });
    wait_for_arrivals(&server, arrived + 1);
    // Into the same place, with the same claim, and past the guard.
    assert_eq!(other.submit(unit([(stream(3), 0, json!({"take": ["address ada"]}))])).await.unwrap().last, 1);
    gate.open();
    let [claimed, free, guarded] = slower;
    let claimed = claimed.await.unwrap().unwrap_err();
    assert!(matches!(&claimed, SubmitError::Claimed { holder, .. } if *holder == stream(3)), "{claimed:?}");
    assert_eq!(free.await.unwrap().unwrap().last, 2);
    let guarded = guarded.await.unwrap().unwrap_err();
    assert!(matches!(guarded, SubmitError::Conflict { actual: 1, .. }), "{guarded:?}");
    assert_eq!(bench.ledger.figures().overtaken, 1);
    assert_eq!((bench.entries().len(), other.submit(create(9)).await.unwrap().last), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lands_after_its_callers_were_told_unknown_is_met_in_its_place() {
    let bench = own(1);
    bench.submit(create(1)).await.unwrap();
    let (server, ledger, gate) = (node(&bench, 0), bench.ledger.clone(), Gate::default());
    let arrived = server.arrived.load(SeqCst);
    server.then(Append::Waits(gate.clone()));
    let given = || Unit { command_id: Some(command(1)), ..create(2) };
    let first = given();
    let told = tokio::spawn(async move { ledger.submit(first).await });
    wait_for_arrivals(&server, arrived + 1);
    server.stop();
    let told = told.await.unwrap();
    assert!(matches!(told, Err(SubmitError::Unknown)), "{told:?}");
    assert!(!bench.ledger.failed());
    server.start();
    // Another one goes to the very place; while it is on its way, the old one lands there.
    let (ledger, second) = (bench.ledger.clone(), Gate::default());
    let arrived = server.arrived.load(SeqCst);
    server.then(Append::Waits(second.clone()));
    let late = tokio::spawn(async move { insist(&ledger, create(3)).await });
    wait_for_arrivals(&server, arrived + 1);
    gate.open();
    let place = bench.place.clone().unwrap();
    while place.cluster().kept(&place.stream).len() < 2 {
        std::thread::yield_now();
    }
    second.open();
    assert_eq!(late.await.unwrap().last, 3);
    let settled = bench.submit(given()).await.unwrap();
    assert_eq!((settled.repeated, settled.first, settled.last), (true, 2, 2));
    assert_eq!((bench.entries().len(), bench.ledger.figures().overtaken), (3, 1));
    bench.ledger.examine(&mut |_| {}).unwrap();
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password_and_may_come_later() {
    let cluster = Arc::new(Cluster::start(1));
    cluster.nodes[0].stop();
    let mut place = Place::on(&cluster);
    place.url = place.url.replace("127.0.0.1", "ledger:hush-hush@127.0.0.1");
    let files = Closed::in_folder(tempfile::tempdir().unwrap());
    let (closed, fault) = match (Closed { kind: Kind::EventStore, place: Some(place), ..files }).try_open() {
        Ok(_) => panic!("opened"),
        Err(refused) => *refused,
    };
    assert!(matches!(fault, OpenError::Server(_)), "{fault:?}");
    assert!(!format!("{fault:?}").contains("hush-hush"));
    cluster.nodes[0].start();
    let bench = closed.open();
    assert_eq!(bench.entries(), vec![]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_turns_units_away_and_its_return_is_noticed() {
    let bench = own(1);
    bench.submit(create(1)).await.unwrap();
    node(&bench, 0).stop();
    for number in 2..5 {
        let told = bench.submit(create(number)).await.unwrap_err();
        assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
    }
    assert!(!bench.ledger.reachable());
    assert_eq!(bench.ledger.read_log(0, 9).unwrap().len(), 1, "what is in memory is read");
    bench.ledger.forget_recent();
    assert!(bench.ledger.read_log(0, 9).is_err());
    node(&bench, 0).start();
    assert_eq!(insist(&bench.ledger, create(2)).await.last, 2);
    assert!(bench.ledger.reachable());
    assert_eq!(bench.entries().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_lead_names_the_one_that_does() {
    let cluster = Arc::new(Cluster::start(3));
    let place = Place { url: cluster.url(1), ..Place::on(&cluster) };
    let bench = Bench::eventstore(place);
    assert_eq!(bench.submit(create(1)).await.unwrap().last, 1);
    for (number, leader) in [1, 2, 0, 2].into_iter().enumerate() {
        cluster.elect(leader);
        let last = bench.submit(create(number as u128 + 10)).await.unwrap().last;
        assert_eq!(last, number as u64 + 2, "node {leader} leads");
        bench.ledger.forget_recent();
        assert_eq!(bench.entries().len() as u64, last);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_falls_the_next_one_is_found() {
    let cluster = Arc::new(Cluster::start(3));
    let bench = Bench::eventstore(Place { url: cluster.url_of_all(), ..Place::on(&cluster) });
    bench.submit(create(1)).await.unwrap();
    for (number, leader) in [1, 2].into_iter().enumerate() {
        cluster.nodes[number].stop();
        cluster.elect(leader);
        assert_eq!(insist(&bench.ledger, create(number as u128 + 10)).await.last, number as u64 + 2);
    }
    bench.ledger.forget_recent();
    assert_eq!(bench.entries().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_ends_too_early_is_not_taken_for_the_end_of_the_log() {
    let bench = own(1);
    for number in 0..5 {
        bench.submit(create(number)).await.unwrap();
    }
    bench.ledger.forget_recent();
    for answers in 0..5 {
        node(&bench, 0).then_read(Read::EndsAfter(answers));
        node(&bench, 0).then_read(Read::Unavailable);
        assert_eq!(bench.entries().len(), 5, "cut after {answers}");
    }
    // As often as it is asked: units are turned away, and nothing is taken for lost.
    for _ in 0..3 {
        node(&bench, 0).then_read(Read::EndsAfter(0));
    }
    insist(&bench.ledger, create(9)).await;
    assert!(!bench.ledger.failed());
    assert_eq!(bench.entries().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_gets_larger_batches() {
    let bench = own(1);
    node(&bench, 0).answer_after(Duration::from_millis(40));
    let writers: Vec<_> = (0..64_u128)
        .map(|writer| {
            let ledger = bench.ledger.clone();
            tokio::spawn(async move {
                for round in 0..3 {
                    ledger.submit(create(writer * 10 + round)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let figures = bench.ledger.figures();
    assert_eq!((figures.head, figures.events), (192, 192));
    assert!(figures.commits < 64, "{} commits", figures.commits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_not_waited_for_without_end() {
    let bench = own(1);
    bench.submit(create(1)).await.unwrap();
    node(&bench, 0).fall_silent(true);
    let told = bench.submit(create(2)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
    node(&bench, 0).fall_silent(false);
    assert_eq!(insist(&bench.ledger, create(2)).await.last, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_back_ends_the_node_and_its_next_start_follows_what_is_there() {
    let bench = own(1);
    for number in 0..10 {
        bench.submit(unit([(stream(number), 0, json!({"take": [format!("address {number}")]}))])).await.unwrap();
    }
    // As a copy of the server's data would have it that is older.
    let place = bench.place.clone().unwrap();
    place.cluster().streams.lock().unwrap().kept.get_mut(&place.stream).unwrap().truncate(7);
    let told = bench.submit(create(50)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Stopped), "{told:?}");
    assert!(bench.ledger.failed());
    let bench = bench.close().await.open();
    assert_eq!(bench.ledger.head(), 7);
    assert_eq!(bench.ledger.claim_holder(&claim("address", "9")).unwrap(), None, "its index was made anew");
    assert_eq!(bench.submit(unit([(stream(60), 0, json!({"take": ["address 9"]}))])).await.unwrap().last, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_while_everything_goes_wrong_lose_nothing_and_add_nothing() {
    const FAULTS: u32 = 60;
    let cluster = Arc::new(Cluster::start(3));
    let bench = Bench::eventstore(Place { url: cluster.url_of_all(), ..Place::on(&cluster) });
    let nodes = bench.nodes(2);
    let (stop, landed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8_u128)
        .map(|writer| {
            let ledger = nodes[writer as usize % 2].clone();
            tokio::spawn(write(ledger, writer, stop.clone(), landed.clone()))
        })
        .collect();
    let (mut before, mut late) = (0, Vec::new());
    for number in 0..FAULTS {
        // Something lands between two faults, or nothing would be tried.
        while landed.load(Relaxed) < before + 3 {
            tokio::task::yield_now().await;
        }
        let leader = number as usize / 10 % 3;
        let server = &cluster.nodes[leader];
        let gate = Gate::default();
        match number % 10 {
            0 => cluster.elect(leader),
            1 | 6 => server.then(Append::LandsUnheard),
            2 | 7 => server.then(Append::IsLostUnheard),
            3 => server.then(Append::TimesOut(gate.clone())),
            4 => server.then_read(Read::EndsAfter(1)),
            5 => server.then_read(Read::Unavailable),
            8 => server.then(Append::LandsInSilence),
            _ => {}
        }
        if number % 10 == 9 {
            server.stop();
            server.start();
        }
        late.push(gate);
        before = landed.load(Relaxed);
    }
    late.iter().for_each(Gate::open);
    stop.store(true, Relaxed);
    let mut told = Told::default();
    for writer in writers {
        told.merge(writer.await.unwrap());
    }
    let last = insist(&bench.ledger, create(98_000_000)).await;
    nodes[1].watch_head().wait_for(|head| *head >= last.last).await.unwrap();
    told.landed.insert(stream(98_000_000), last);
    nodes.iter().for_each(|node| told.check(node));
    assert!(nodes.iter().all(|node| !node.failed()));
}
