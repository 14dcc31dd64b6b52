//! Several nodes on one log: whatever one has written, the others know before they decide.

use std::collections::BTreeSet;

use serde_json::json;
use store::{Append, Ledger, Position, Receipt, StreamId, SubmitError, Unit};

use crate::{
    bench::{Bench, TENANT, claim, command, create, event, stream, unit},
    claims::race,
};

shared_stories!(
    one_of_fifty_takers_over_three_nodes_wins,
    a_guard_on_what_another_node_wrote_is_stale,
    what_another_node_writes_is_seen_without_being_asked_for,
    who_arrives_at_a_node_finds_what_any_of_them_acknowledged,
    positions_are_gapless_and_seen_in_order_on_every_node,
    a_command_given_again_at_another_node_gets_its_receipt,
    a_command_given_at_three_nodes_at_once_lands_once,
    claims_and_numbers_are_those_of_all_nodes,
    personal_members_are_read_on_every_node,
    a_node_that_was_far_behind_writes_at_the_true_end,
    a_node_that_starts_while_others_write_lacks_nothing,
    a_node_that_was_away_finds_what_was_written_meanwhile,
);

async fn one_of_fifty_takers_over_three_nodes_wins(bench: Bench) {
    let nodes = bench.nodes(3);
    let winner = race(&nodes).await;
    for node in &nodes {
        seen(node, 1).await;
        assert_eq!(node.claim_holder(&claim("address", "ada")).unwrap(), Some(winner.clone()));
    }
}

async fn a_guard_on_what_another_node_wrote_is_stale(bench: Bench) {
    let nodes = bench.nodes(2);
    for version in 0..20 {
        // Straight after the one's answer, with no time for the other to hear of it.
        nodes[0].submit(unit([(stream(1), version, json!({}))])).await.unwrap();
        let guards = |version| vec![(stream(1), version)];
        let stale = Unit { guards: guards(version), ..create(u128::from(version) + 10) };
        let told = nodes[1].submit(stale).await.unwrap_err();
        assert!(matches!(told, SubmitError::Conflict { actual, .. } if actual == version + 1), "{told:?}");
        let only = Unit { tenant: TENANT.into(), guards: guards(version), ..Unit::default() };
        assert!(matches!(nodes[1].submit(only).await, Err(SubmitError::Conflict { .. })));
        let held = Unit { tenant: TENANT.into(), guards: guards(version + 1), ..Unit::default() };
        assert_eq!(nodes[1].submit(held).await.unwrap().last, version + 1);
        let late = nodes[1].submit(unit([(stream(1), version, json!({}))])).await.unwrap_err();
        assert!(matches!(late, SubmitError::Conflict { actual, .. } if actual == version + 1), "{late:?}");
    }
    assert_eq!(nodes[1].read_stream(&stream(1), 0, None).unwrap().len(), 20);
}

async fn what_another_node_writes_is_seen_without_being_asked_for(bench: Bench) {
    let nodes = bench.nodes(2);
    let told = nodes[0].submit(create(1)).await.unwrap();
    seen(&nodes[1], told.last).await;
    assert_eq!(nodes[1].read_log(0, 9).unwrap(), nodes[0].read_log(0, 9).unwrap());
    assert_eq!(nodes[1].head_mark(), nodes[0].head_mark());
    assert_eq!(nodes[1].figures().followed, 1);
}

async fn who_arrives_at_a_node_finds_what_any_of_them_acknowledged(bench: Bench) {
    let nodes = bench.nodes(3);
    for number in 0..30_u64 {
        let (writer, reader) = (&nodes[number as usize % 3], &nodes[(number as usize + 1) % 3]);
        let told = writer.submit(create(u128::from(number))).await.unwrap();
        reader.arrive().await.unwrap();
        assert_eq!((told.last, reader.head()), (number + 1, number + 1));
    }
}

async fn positions_are_gapless_and_seen_in_order_on_every_node(bench: Bench) {
    const EVENTS: u64 = 64 * 10;
    let nodes = bench.nodes(3);
    let mut readers = Vec::new();
    for (node, page) in nodes.iter().flat_map(|node| [1, 7, 100, 1_000].map(|page| (node.clone(), page))) {
        readers.push(tokio::spawn(tail(node, page, EVENTS)));
    }
    let mut writers = Vec::new();
    for writer in 0..64_usize {
        let ledger = nodes[writer % 3].clone();
        writers.push(tokio::spawn(async move {
            let mut got = Vec::new();
            for round in 0..10 {
                let receipt = ledger.submit(create(writer as u128 * 1_000 + round)).await.unwrap();
                got.push((receipt.last, receipt.streams[0].stream.clone()));
            }
            got
        }));
    }
    let mut told: Vec<(Position, StreamId)> = Vec::new();
    for task in writers {
        let got = task.await.unwrap();
        assert!(got.is_sorted(), "each writer's own come one after the other");
        told.extend(got);
    }
    told.sort();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), told, "every reader saw what the receipts name, once, in order");
    }
    assert_eq!(told.iter().map(|(position, _)| *position).collect::<Vec<_>>(), (1..=EVENTS).collect::<Vec<_>>());
    for node in &nodes {
        node.examine(&mut |_| {}).unwrap();
    }
}

/// Follows a node's head, a page at a time.
async fn tail(ledger: Ledger, page: usize, events: u64) -> Vec<(Position, StreamId)> {
    let (mut head, mut found) = (ledger.watch_head(), Vec::new());
    while (found.len() as u64) < events {
        let after = found.last().map_or(0, |(position, _)| *position);
        let read = ledger.read_log(after, page).unwrap();
        if read.is_empty() {
            head.wait_for(|head| *head > after).await.unwrap();
        }
        found.extend(read.iter().map(|event| (event.position, event.stream.clone())));
    }
    found
}

async fn a_command_given_again_at_another_node_gets_its_receipt(bench: Bench) {
    let nodes = bench.nodes(2);
    let two = || Unit {
        command_id: Some(command(1)),
        fingerprint: Some([7; 32]),
        ..unit([(stream(1), 0, json!({})), (stream(2), 0, json!({}))])
    };
    let first = nodes[0].submit(two()).await.unwrap();
    let again = nodes[1].submit(two()).await.unwrap();
    assert_eq!(again, Receipt { repeated: true, ..first });
    let (receipt, _) = nodes[1].receipt(&command(1)).unwrap().unwrap();
    assert_eq!((receipt, nodes[1].head()), (again, 2));
}

async fn a_command_given_at_three_nodes_at_once_lands_once(bench: Bench) {
    let nodes = bench.nodes(3);
    let mut running = Vec::new();
    for number in 0..30 {
        let ledger = nodes[number % 3].clone();
        let given = Unit { command_id: Some(command(1)), ..create(number as u128) };
        running.push(tokio::spawn(async move { ledger.submit(given).await.unwrap() }));
    }
    let mut firsts = 0;
    for task in running {
        let receipt = task.await.unwrap();
        assert_eq!((receipt.first, receipt.last), (1, 1));
        firsts += u32::from(!receipt.repeated);
    }
    assert_eq!((firsts, bench.entries().len()), (1, 1));
}

async fn claims_and_numbers_are_those_of_all_nodes(bench: Bench) {
    let nodes = bench.nodes(3);
    for round in 0..30_u64 {
        let (one, other) = (&nodes[round as usize % 3], &nodes[(round as usize + 1) % 3]);
        let taken = one.submit(unit([(stream(round.into()), 0, json!({"take": ["address ada"]}))])).await.unwrap();
        assert_eq!(taken.streams[0].first_tseq, round * 2 + 1);
        let late = other.submit(unit([(stream(1_000), 0, json!({"take": ["address ada"]}))])).await.unwrap_err();
        assert!(matches!(&late, SubmitError::Claimed { holder, .. } if *holder == stream(round.into())), "{late:?}");
        let freed = other.submit(unit([(stream(round.into()), 1, json!({"release": ["address"]}))])).await.unwrap();
        assert_eq!(freed.streams[0].first_tseq, round * 2 + 2);
    }
    for node in &nodes {
        seen(node, 60).await;
        assert_eq!(node.claim_holder(&claim("address", "ada")).unwrap(), None);
        assert_eq!((node.tenant_head(TENANT).unwrap(), node.find_tseq(TENANT, 7).unwrap()), (60, Some(stream(3))));
    }
}

async fn personal_members_are_read_on_every_node(bench: Bench) {
    let nodes = bench.nodes(2);
    let subject = bench.vault.subject().await.unwrap();
    let payload = json!({
        "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
        "personal": {"email": "ada@example.com"},
    });
    nodes[0].submit(unit([(stream(1), 0, payload.clone())])).await.unwrap();
    seen(&nodes[1], 1).await;
    assert_eq!(nodes[1].read_log(0, 1).unwrap()[0].tree().unwrap(), payload);
    assert_eq!(nodes[1].claim_holder(&claim("email", "ada@example.com")).unwrap(), Some(stream(1)));
    let again = nodes[1].submit(unit([(stream(2), 0, payload)])).await.unwrap_err();
    assert!(matches!(again, SubmitError::Claimed { holder, .. } if holder == stream(1)));
}

/// So many events in units of a hundred.
async fn fill(ledger: &Ledger, from: u128, units: u128) {
    for number in from..from + units {
        let append =
            Append { stream: stream(number), expected: 0, events: (0..100).map(|_| event(json!({}))).collect() };
        ledger.submit(Unit { tenant: TENANT.into(), appends: vec![append], ..Unit::default() }).await.unwrap();
    }
}

async fn a_node_that_was_far_behind_writes_at_the_true_end(bench: Bench) {
    let nodes = bench.nodes(2);
    for round in 0..4 {
        fill(&nodes[0], round * 100, 25).await;
        let told = nodes[1].submit(create(9_000 + round)).await.unwrap();
        assert_eq!(u128::from(told.last), (round + 1) * 2_501);
    }
    nodes[1].examine(&mut |_| {}).unwrap();
}

async fn a_node_that_starts_while_others_write_lacks_nothing(bench: Bench) {
    let writing = tokio::spawn({
        let ledger = bench.ledger.clone();
        async move { fill(&ledger, 0, 60).await }
    });
    bench.ledger.watch_head().wait_for(|head| *head >= 1_000).await.unwrap();
    let late = bench.node();
    let told = late.submit(create(9_000)).await.unwrap();
    writing.await.unwrap();
    seen(&late, 6_001).await;
    seen(&bench.ledger, 6_001).await;
    let read = late.read_log(0, 10_000).unwrap();
    assert_eq!(read.iter().map(|event| event.position).collect::<Vec<_>>(), (1..=6_001).collect::<Vec<_>>());
    assert_eq!(read[usize::try_from(told.last).unwrap() - 1].stream, stream(9_000));
    let streams: BTreeSet<StreamId> = read.iter().map(|event| event.stream.clone()).collect();
    assert!(streams.iter().all(|stream| late.version(stream).unwrap() == bench.ledger.version(stream).unwrap()));
}

async fn a_node_that_was_away_finds_what_was_written_meanwhile(bench: Bench) {
    let away = bench.node_in(tempfile::tempdir().unwrap());
    away.ledger.submit(unit([(stream(1), 0, json!({"take": ["address ada"]}))])).await.unwrap();
    let folder = away.close().await;
    bench.ledger.submit(unit([(stream(1), 1, json!({"release": ["address"]}))])).await.unwrap();
    bench.ledger.submit(unit([(stream(2), 0, json!({"take": ["address ada"]}))])).await.unwrap();
    let back = bench.node_in(folder);
    let back = &back.ledger;
    assert_eq!((back.head(), back.version(&stream(1)).unwrap()), (3, 2));
    assert_eq!(back.claim_holder(&claim("address", "ada")).unwrap(), Some(stream(2)));
    assert!(matches!(back.submit(create(2)).await, Err(SubmitError::Conflict { actual: 1, .. })));
}

/// Waits until a node has come so far.
async fn seen(node: &Ledger, position: Position) {
    node.watch_head().wait_for(|head| *head >= position).await.unwrap();
}
