//! Claims: one holder at a time, whatever the race.

use serde_json::json;
use store::{Append, ClaimGuard, Ledger, StreamId, SubmitError, Unit};

use crate::bench::{Bench, TENANT, claim, create, event, stream, unit};

stories!(
    one_of_fifty_takers_wins,
    a_claim_is_free_again_once_released,
    a_release_counts_before_a_later_take_of_the_same_unit,
    two_streams_of_one_unit_cannot_hold_one_claim,
    a_refused_unit_never_harms_its_neighbours,
    a_claim_guard_tells_who_holds_it,
    a_stream_may_take_what_it_holds,
    a_release_frees_all_of_its_family_and_nothing_else,
);

/// Fifty ask for one claim at once, at these nodes in turn. Who got it, as all the others were told.
pub async fn race(nodes: &[Ledger]) -> StreamId {
    let mut running = Vec::new();
    for number in 0..50 {
        let ledger = nodes[number % nodes.len()].clone();
        running.push(tokio::spawn(async move {
            let number = number as u128;
            let taker = unit([(stream(number), 0, json!({"take": ["address ada"]}))]);
            (number, ledger.submit(taker).await)
        }));
    }
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for task in running {
        match task.await.unwrap() {
            (number, Ok(_)) => winners.push(number),
            (_, Err(SubmitError::Claimed { claim, holder })) => losers.push((claim, holder)),
            (_, Err(other)) => panic!("neither won nor lost: {other:?}"),
        }
    }
    assert_eq!((winners.len(), losers.len()), (1, 49));
    let winner = stream(winners[0]);
    assert!(losers.iter().all(|lost| *lost == (claim("address", "ada"), winner.clone())), "{losers:?}");
    winner
}

async fn one_of_fifty_takers_wins(bench: Bench) {
    let winner = race(std::slice::from_ref(&bench.ledger)).await;
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(winner));
    assert_eq!(bench.ledger.head(), 1);
}

async fn a_claim_is_free_again_once_released(bench: Bench) {
    bench.submit(unit([(stream(1), 0, json!({"take": ["address ada", "account ada"]}))])).await.unwrap();
    bench.submit(unit([(stream(1), 1, json!({"release": ["address"]}))])).await.unwrap();
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), None);
    assert_eq!(bench.ledger.claim_holder(&claim("account", "ada")).unwrap(), Some(stream(1)));
    bench.submit(unit([(stream(2), 0, json!({"take": ["address ada"]}))])).await.unwrap();
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(2)));
}

async fn a_release_counts_before_a_later_take_of_the_same_unit(bench: Bench) {
    bench.submit(unit([(stream(1), 0, json!({"take": ["address ada"]}))])).await.unwrap();
    let handover =
        unit([(stream(1), 1, json!({"release": ["address"]})), (stream(2), 0, json!({"take": ["address ada"]}))]);
    bench.submit(handover).await.unwrap();
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(2)));
    let too_early =
        unit([(stream(3), 0, json!({"take": ["address ada"]})), (stream(2), 1, json!({"release": ["address"]}))]);
    assert!(matches!(bench.submit(too_early).await, Err(SubmitError::Claimed { holder, .. }) if holder == stream(2)));
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(2)));
}

async fn two_streams_of_one_unit_cannot_hold_one_claim(bench: Bench) {
    let twins =
        unit([(stream(1), 0, json!({"take": ["address ada"]})), (stream(2), 0, json!({"take": ["address ada"]}))]);
    let refused = bench.submit(twins).await.unwrap_err();
    assert!(matches!(&refused, SubmitError::Claimed { holder, .. } if *holder == stream(1)), "{refused:?}");
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), None);
}

async fn a_refused_unit_never_harms_its_neighbours(bench: Bench) {
    bench.submit(unit([(stream(1), 0, json!({"take": ["address ada"]}))])).await.unwrap();
    // The middle one releases, takes and then fails; its neighbours want what it touched.
    let mut running = Vec::new();
    for round in 0..40 {
        let ledger = bench.ledger.clone();
        running.push(tokio::spawn(async move {
            let number = 100 + round * 3;
            let before = unit([(stream(number), 0, json!({"take": [format!("address b{round}")]}))]);
            let broken = unit([
                (stream(number + 1), 0, json!({"take": [format!("address a{round}")]})),
                (stream(1), 1, json!({"release": ["address"], "take": ["address bob"]})),
                (stream(number + 2), 0, json!({"take": ["address bob"]})),
            ]);
            let after = unit([(stream(number + 2), 0, json!({"take": [format!("address a{round}")]}))]);
            tokio::join!(ledger.submit(before), ledger.submit(broken), ledger.submit(after))
        }));
    }
    for task in running {
        let (before, broken, after) = task.await.unwrap();
        before.unwrap();
        assert!(matches!(&broken, Err(SubmitError::Claimed { .. })), "{broken:?}");
        after.unwrap();
    }
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(1)));
    assert_eq!(bench.ledger.claim_holder(&claim("address", "bob")).unwrap(), None);
    assert_eq!(bench.ledger.head(), 81);
}

async fn a_claim_guard_tells_who_holds_it(bench: Bench) {
    bench.submit(unit([(stream(1), 0, json!({"take": ["address ada"]}))])).await.unwrap();
    let guarded = |number, name: &str, holder| Unit {
        claim_guards: vec![ClaimGuard::new(claim("address", name), holder)],
        ..create(number)
    };
    bench.submit(guarded(2, "ada", Some(stream(1)))).await.unwrap();
    bench.submit(guarded(3, "bob", None)).await.unwrap();
    for (name, wanted, actual) in [
        ("ada", None, Some(stream(1))),
        ("ada", Some(stream(2)), Some(stream(1))),
        ("bob", Some(stream(1)), None),
        ("bob", Some(stream(77)), None),
    ] {
        match bench.submit(guarded(4, name, wanted)).await {
            Err(SubmitError::ClaimChanged { claim: told, holder }) => {
                assert_eq!((told, holder), (claim("address", name), actual));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(bench.ledger.head(), 3);
}

async fn a_stream_may_take_what_it_holds(bench: Bench) {
    let twice = Unit {
        tenant: TENANT.into(),
        appends: vec![Append {
            stream: stream(1),
            expected: 0,
            events: vec![event(json!({"take": ["address ada"]})), event(json!({"take": ["address ada"]}))],
        }],
        ..Unit::default()
    };
    bench.submit(twice).await.unwrap();
    bench.submit(unit([(stream(1), 2, json!({"take": ["address ada"]}))])).await.unwrap();
    assert_eq!(bench.ledger.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(1)));
}

async fn a_release_frees_all_of_its_family_and_nothing_else(bench: Bench) {
    bench.submit(unit([(stream(1), 0, json!({"take": ["address a", "address b", "account a"]}))])).await.unwrap();
    bench.submit(unit([(stream(2), 0, json!({"take": ["address c"]}))])).await.unwrap();
    bench.submit(unit([(stream(1), 1, json!({"release": ["address"]}))])).await.unwrap();
    let holder = |family, name| bench.ledger.claim_holder(&claim(family, name)).unwrap();
    assert_eq!((holder("address", "a"), holder("address", "b")), (None, None));
    assert_eq!(holder("account", "a"), Some(stream(1)));
    assert_eq!(holder("address", "c"), Some(stream(2)));
}
