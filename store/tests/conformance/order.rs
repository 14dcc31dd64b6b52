//! Order: gapless, the same for everybody, and never shown early.

use std::{sync::Arc, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use store::{Append, Ledger, Position, StreamId, SubmitError, Unit};
use uuid::Uuid;

use crate::bench::{Bench, START, TENANT, claim, create, event, stream, unit};

/// So many events in the story of writers and readers, if it says so: a million is its long form.
const EVENTS: &str = "LEDGER_ORDER_EVENTS";

stories!(
    positions_are_gapless_under_64_writers,
    tailing_readers_see_each_position_once_and_in_order,
    each_tenant_has_its_own_numbers,
    answers_are_the_same_while_the_index_goes_to_disk,
    the_log_is_read_backwards,
    a_time_leads_to_a_position,
    time_never_goes_back,
    a_clock_far_behind_stops_the_writing,
    a_mark_names_one_log_at_one_place,
);

async fn positions_are_gapless_under_64_writers(bench: Bench) {
    let mut running = Vec::new();
    for writer in 0..64 {
        let ledger = bench.ledger.clone();
        running.push(tokio::spawn(async move {
            let mut got = Vec::new();
            for round in 0..20 {
                let receipt = ledger.submit(create(writer * 1_000 + round)).await.unwrap();
                got.push((receipt.last, receipt.streams[0].stream.clone()));
            }
            got
        }));
    }
    let mut told: Vec<(Position, StreamId)> = Vec::new();
    for task in running {
        told.extend(task.await.unwrap());
    }
    told.sort();
    let read: Vec<(Position, StreamId)> =
        bench.ledger.read_log(0, 10_000).unwrap().iter().map(|e| (e.position, e.stream.clone())).collect();
    assert_eq!(read, told, "every receipt names the place its event has");
    let positions: Vec<Position> = read.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, (1..=1_280).collect::<Vec<_>>());
}

/// Writers that pause as it comes, and of whose units every fifth is refused, which leaves no gap.
async fn tailing_readers_see_each_position_once_and_in_order(bench: Bench) {
    const WRITERS: u64 = 64;
    let each = std::env::var(EVENTS).map_or(2_000, |events| events.parse().unwrap()) / WRITERS;
    let events = each * WRITERS;
    let readers: Vec<_> =
        [1, 7, 100, 1_000].map(|page| tokio::spawn(tail(bench.ledger.clone(), page, events))).into_iter().collect();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let ledger = bench.ledger.clone();
        writers.push(tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(writer);
            for round in 0..each {
                if random.gen_ratio(1, 100) {
                    tokio::time::sleep(Duration::from_micros(random.gen_range(0..2_000))).await;
                }
                let number = u128::from(writer * each + round);
                ledger.submit(create(number)).await.unwrap();
                if random.gen_ratio(1, 5) {
                    let again = ledger.submit(create(number)).await.unwrap_err();
                    assert!(matches!(again, SubmitError::Conflict { actual: 1, .. }), "{again:?}");
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), events);
    }
    assert_eq!(bench.ledger.head(), events);
}

/// Follows the log a page at a time; how many events it saw, each the next one.
async fn tail(ledger: Ledger, page: usize, events: u64) -> u64 {
    let (mut head, mut seen) = (ledger.watch_head(), 0);
    while seen < events {
        let found = ledger.read_log(seen, page).unwrap();
        if found.is_empty() {
            head.wait_for(|head| *head > seen).await.unwrap();
        }
        for event in found {
            assert_eq!(event.position, seen + 1);
            seen += 1;
        }
    }
    seen
}

async fn each_tenant_has_its_own_numbers(bench: Bench) {
    let of = |tenant: &str, number| {
        let stream = StreamId::from(format!("employee-{tenant}/{}", Uuid::from_u128(number)));
        Unit { tenant: tenant.into(), ..unit([(stream, 0, json!({}))]) }
    };
    let stream_of = |tenant: &str, number| StreamId::from(format!("employee-{tenant}/{}", Uuid::from_u128(number)));
    for (tenant, number, tseq) in [("a", 1, 1), ("b-c", 1, 1), ("a", 2, 2), ("a", 3, 3), ("b-c", 2, 2)] {
        let receipt = bench.submit(of(tenant, number)).await.unwrap();
        assert_eq!(receipt.streams[0].first_tseq, tseq, "{tenant} {number}");
    }
    let more = Unit { tenant: "a".into(), ..unit([(stream_of("a", 1), 1, json!({}))]) };
    assert_eq!(bench.submit(more).await.unwrap().streams[0].first_tseq, 4);
    assert_eq!(bench.ledger.find_tseq("a", 3).unwrap(), Some(stream_of("a", 3)));
    assert_eq!(bench.ledger.find_tseq("b-c", 2).unwrap(), Some(stream_of("b-c", 2)));
    assert_eq!(bench.ledger.find_tseq("a", 4).unwrap(), None, "no stream began with it");
    assert_eq!(bench.ledger.find_tseq("c", 1).unwrap(), None);
}

async fn answers_are_the_same_while_the_index_goes_to_disk(bench: Bench) {
    // Several layers' worth: they are sealed and flushed while this goes on.
    const UNITS: u128 = 190;
    const STREAMS: u128 = 100;
    let name = |round: u128, number: u128| format!("{}", round * STREAMS + number);
    for round in 0..UNITS {
        let appends = (0..STREAMS).map(|number| Append {
            stream: stream(round * STREAMS + number),
            expected: 0,
            events: vec![event(json!({"take": [format!("address {}", name(round, number))]}))],
        });
        let made = Unit { tenant: TENANT.into(), appends: appends.collect(), ..Unit::default() };
        bench.submit(made).await.unwrap();
        // An old stream grows, and an old claim is asked for.
        let old = round / 2;
        let version = if round % 2 == 0 { 1 } else { 2 };
        bench.submit(unit([(stream(old * STREAMS), version, json!({}))])).await.unwrap();
        let taken = unit([(stream(1_000_000), 0, json!({"take": [format!("address {}", name(old, 1))]}))]);
        let refused = bench.submit(taken).await.unwrap_err();
        assert!(
            matches!(&refused, SubmitError::Claimed { holder, .. } if *holder == stream(old * STREAMS + 1)),
            "{refused:?}"
        );
    }
    for round in (0..UNITS).step_by(17) {
        let holder = bench.ledger.claim_holder(&claim("address", &name(round, 7))).unwrap();
        assert_eq!(holder, Some(stream(round * STREAMS + 7)));
        let versions = bench.ledger.read_stream(&stream(round * STREAMS), 0, None).unwrap().len() as u128;
        assert_eq!(versions, if round < UNITS / 2 { 3 } else { 1 }, "round {round}");
        let tseq = u64::try_from(round * (STREAMS + 1) + 8).unwrap();
        assert_eq!(bench.ledger.find_tseq(TENANT, tseq).unwrap(), Some(stream(round * STREAMS + 7)));
    }
    assert_eq!(u128::from(bench.ledger.head()), UNITS * (STREAMS + 1));
}

async fn the_log_is_read_backwards(bench: Bench) {
    for number in 0..10 {
        bench.submit(create(number)).await.unwrap();
    }
    let back = |before, limit| -> Vec<Position> {
        bench.ledger.read_log_back(before, limit).unwrap().iter().map(|event| event.position).collect()
    };
    assert_eq!(back(Position::MAX, 3), vec![10, 9, 8]);
    assert_eq!(back(8, 100), vec![7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(back(1, 5), Vec::<Position>::new());
    bench.ledger.forget_recent();
    assert_eq!(back(4, 2), vec![3, 2], "from the log itself");
}

async fn a_time_leads_to_a_position(bench: Bench) {
    for number in 0..5 {
        bench.submit(create(number * 2)).await.unwrap();
        bench.submit(create(number * 2 + 1)).await.unwrap();
        bench.pass(1_000_000);
    }
    for (at, position) in [(-1, 0), (0, 2), (999_999, 2), (1_000_000, 4), (3_500_000, 8), (99_000_000, 10)] {
        assert_eq!(bench.ledger.position_at(START + at).unwrap(), position, "{at}");
    }
}

async fn time_never_goes_back(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    bench.pass(-4_000_000);
    let receipt = bench.submit(create(2)).await.unwrap();
    assert_eq!(receipt.at, START);
    bench.pass(4_000_001);
    assert_eq!(bench.submit(create(3)).await.unwrap().at, START + 1);
}

async fn a_clock_far_behind_stops_the_writing(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    bench.pass(-5_000_001);
    assert!(matches!(bench.submit(create(2)).await, Err(SubmitError::ClockBehind)));
    let guard = Unit { guards: vec![(stream(1), 1)], ..Unit::default() };
    bench.submit(guard).await.unwrap();
    bench.pass(1);
    assert_eq!(bench.submit(create(2)).await.unwrap().at, START);
}

async fn a_mark_names_one_log_at_one_place(bench: Bench) {
    let empty = bench.ledger.head_mark();
    assert_eq!((empty.position, empty.leaf), (0, [0; 32]));
    bench.submit(create(1)).await.unwrap();
    let first = bench.ledger.head_mark();
    bench.submit(create(2)).await.unwrap();
    assert_eq!(bench.ledger.mark_at(0).unwrap(), Some(empty));
    assert_eq!(bench.ledger.mark_at(1).unwrap(), Some(first));
    assert_eq!(bench.ledger.mark_at(2).unwrap(), Some(bench.ledger.head_mark()));
    assert_eq!(bench.ledger.mark_at(3).unwrap(), None);
    let events: Vec<Arc<_>> = bench.ledger.read_log(0, 1).unwrap();
    assert_eq!(events[0].leaf, first.leaf);
}
