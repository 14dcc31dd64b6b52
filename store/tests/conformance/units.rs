//! Units: all or nothing, at the versions they were decided at.

use serde_json::json;
use sha2::{Digest, Sha256};
use store::{Append, Lane, NewEvent, StreamId, SubmitError, Unit};

use crate::bench::{Bench, TENANT, create, event, stream, unit};

stories!(
    an_event_reads_back_as_it_was_written,
    a_stream_takes_only_its_next_version,
    a_unit_over_several_streams_is_all_or_nothing,
    a_guard_holds_at_the_commit_or_the_unit_is_decided_again,
    a_unit_without_events_writes_nothing_and_still_checks,
    a_malformed_unit_is_refused_before_the_queue,
    a_unit_too_large_is_refused,
    a_stream_is_read_in_parts,
    the_background_lane_lands_too,
    a_closed_ledger_accepts_nothing,
);

async fn an_event_reads_back_as_it_was_written(bench: Bench) {
    let payload = json!({"z": "\u{20ac} \"quoted\"\n", "a": [1, -2, true, null], "m": {"y": {}, "x": []}});
    let mut first = event(payload.clone());
    first.kind = "Created \u{e9}".into();
    first.schema = 7;
    let id = first.id;
    let receipt = bench
        .submit(Unit {
            tenant: TENANT.into(),
            appends: vec![Append { stream: stream(1), expected: 0, events: vec![first, event(json!({}))] }],
            ..Unit::default()
        })
        .await
        .unwrap();
    assert_eq!((receipt.first, receipt.last, receipt.repeated), (1, 2, false));
    let told = &receipt.streams[0];
    assert_eq!((told.version, told.events, told.first_tseq, told.first_position), (2, 2, 1, 1));

    let read = bench.ledger.read_stream(&stream(1), 0, None).unwrap();
    assert_eq!(read[0].tree().unwrap(), payload);
    assert_eq!((read[0].event_id, read[0].kind.as_str(), read[0].schema), (id, "Created \u{e9}", 7));
    assert_eq!(read[0].at, crate::bench::START);
    assert_eq!(read[0].metadata.get("actor").as_deref(), Some("ada"));
    assert_eq!((read[1].position, read[1].version, read[1].tseq), (2, 2, 2));

    let entry = &bench.entries()[0];
    assert_eq!(
        entry.text,
        format!(
            r#"{{"at":1700000000000000,"event_id":"{id}","metadata":{{"actor":"ada"}},"origin":"{}.1","payload":{{"a":[1,-2,true,null],"m":{{"x":[],"y":{{}}}},"z":"€ \"quoted\"\n"}},"position":1,"schema":7,"sealed":false,"stream":"{}","tenant":"acme","tseq":1,"type":"Created é","version":1}}"#,
            bench.ledger.ledger_id(),
            stream(1)
        )
    );
    let hash: [u8; 32] = Sha256::new().chain_update([0]).chain_update(&entry.text).finalize().into();
    assert_eq!(hash, entry.leaf);
    assert_eq!(hash, read[0].leaf);
    bench.ledger.examine(&mut |_| {}).unwrap();
}

async fn a_stream_takes_only_its_next_version(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    bench.submit(unit([(stream(1), 1, json!({}))])).await.unwrap();
    for (expected, name) in [(0, "new again"), (1, "stale"), (3, "a gap")] {
        let refused = bench.submit(unit([(stream(1), expected, json!({}))])).await.unwrap_err();
        assert!(matches!(refused, SubmitError::Conflict { actual: 2, .. }), "{name}: {refused:?}");
    }
    let absent = bench.submit(unit([(stream(2), 1, json!({}))])).await.unwrap_err();
    assert!(matches!(absent, SubmitError::Conflict { actual: 0, expected: 1, .. }), "{absent:?}");
    assert_eq!(bench.ledger.head(), 2);
    assert_eq!(bench.ledger.version(&stream(1)).unwrap(), 2);
}

async fn a_unit_over_several_streams_is_all_or_nothing(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    let mixed = unit([(stream(2), 0, json!({})), (stream(1), 0, json!({})), (stream(3), 0, json!({}))]);
    let refused = bench.submit(mixed).await.unwrap_err();
    assert!(matches!(&refused, SubmitError::Conflict { stream: s, .. } if *s == stream(1)), "{refused:?}");
    assert_eq!(bench.ledger.read_stream(&stream(2), 0, None).unwrap(), vec![]);
    assert_eq!(bench.ledger.head(), 1);

    let whole = unit([(stream(2), 0, json!({})), (stream(1), 1, json!({})), (stream(3), 0, json!({}))]);
    let receipt = bench.submit(whole).await.unwrap();
    let told: Vec<_> = receipt.streams.iter().map(|s| (s.stream.clone(), s.version, s.first_position)).collect();
    assert_eq!(told, vec![(stream(2), 1, 2), (stream(1), 2, 3), (stream(3), 1, 4)]);
}

async fn a_guard_holds_at_the_commit_or_the_unit_is_decided_again(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    let guarded = |version| Unit { guards: vec![(stream(1), version), (stream(9), 0)], ..create(2) };
    let refused = bench.submit(guarded(0)).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Conflict { expected: 0, actual: 1, .. }), "{refused:?}");
    assert_eq!(bench.submit(guarded(1)).await.unwrap().last, 2);
}

async fn a_unit_without_events_writes_nothing_and_still_checks(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    bench.submit(create(2)).await.unwrap();
    let guard = |version| Unit { tenant: TENANT.into(), guards: vec![(stream(1), version)], ..Unit::default() };
    let held = bench.submit(guard(1)).await.unwrap();
    assert_eq!((held.first, held.last, held.streams.len()), (2, 2, 0));
    assert!(matches!(bench.submit(guard(2)).await, Err(SubmitError::Conflict { actual: 1, .. })));
    assert_eq!(bench.ledger.figures().commits, 2, "a guard needs no commit");
}

async fn a_malformed_unit_is_refused_before_the_queue(bench: Bench) {
    let append = |stream: StreamId, events| Append { stream, expected: 0, events };
    let of = |appends| Unit { tenant: TENANT.into(), appends, ..Unit::default() };
    let foreign = StreamId::new("invitation-other/1");
    let mut commanded = event(json!({}));
    commanded.metadata.insert("command_id".into(), "00".into());
    let units = [
        (of(vec![append(stream(1), vec![])]), "an append without events"),
        (of(vec![append(stream(1), vec![event(json!({}))]), append(stream(1), vec![event(json!({}))])]), "two appends"),
        (of(vec![append(foreign, vec![event(json!({}))])]), "another tenant"),
        (of(vec![append(StreamId::new("acme"), vec![event(json!({}))])]), "without an aggregate type"),
        (of(vec![append(StreamId::new("a\0-acme/1"), vec![event(json!({}))])]), "without an aggregate type"),
        (of(vec![append(stream(1), vec![NewEvent { kind: "a\0".into(), ..event(json!({})) }])]), "no word"),
        (of(vec![append(stream(1), vec![event(json!({"a": 1.5}))])]), "not an integer"),
        (of(vec![append(stream(1), vec![event(json!(1))])]), "not an object"),
        (of(vec![append(stream(1), vec![event(json!({"personal": "x"}))])]), "personal member is not an object"),
        (of(vec![append(stream(1), vec![event(json!({"personal": {}}))])]), "without a subject"),
        (of(vec![append(stream(1), vec![commanded])]), "command id of its own"),
    ];
    for (unit, reason) in units {
        let refused = bench.submit(unit).await.unwrap_err();
        assert!(matches!(&refused, SubmitError::Malformed(told) if told.contains(reason)), "{reason}: {refused:?}");
    }
    assert_eq!(bench.ledger.head(), 0);
}

async fn a_unit_too_large_is_refused(bench: Bench) {
    let long = unit([(stream(1), 0, json!({"text": "x".repeat(60_000)}))]);
    assert!(matches!(bench.submit(long).await, Err(SubmitError::TooLarge)));
    let many = |count| Unit {
        tenant: TENANT.into(),
        appends: vec![Append {
            stream: stream(1),
            expected: 0,
            events: (0..count).map(|_| event(json!({"text": "x".repeat(50_000)}))).collect(),
        }],
        ..Unit::default()
    };
    assert!(matches!(bench.submit(many(17)).await, Err(SubmitError::TooLarge)));
    // Larger than a batch, and still one commit.
    assert_eq!(bench.submit(many(15)).await.unwrap().last, 15);
    assert_eq!(bench.ledger.figures().commits, 1);
}

async fn a_stream_is_read_in_parts(bench: Bench) {
    for version in 0..6 {
        bench.submit(unit([(stream(1), version, json!({"version": version + 1}))])).await.unwrap();
        bench.submit(create(u128::from(version) + 10)).await.unwrap();
    }
    let read = |after, to| -> Vec<u64> {
        bench.ledger.read_stream(&stream(1), after, to).unwrap().iter().map(|event| event.version).collect()
    };
    assert_eq!(read(0, None), vec![1, 2, 3, 4, 5, 6]);
    assert_eq!(read(2, None), vec![3, 4, 5, 6]);
    assert_eq!(read(2, Some(4)), vec![3, 4]);
    assert_eq!(read(0, Some(0)), Vec::<u64>::new());
    assert_eq!(read(6, None), Vec::<u64>::new());
}

async fn the_background_lane_lands_too(bench: Bench) {
    let receipt = bench.submit(Unit { lane: Lane::Background, ..create(1) }).await.unwrap();
    assert_eq!(receipt.last, 1);
}

async fn a_closed_ledger_accepts_nothing(bench: Bench) {
    bench.submit(create(1)).await.unwrap();
    bench.ledger.close().await;
    assert!(matches!(bench.submit(create(2)).await, Err(SubmitError::Stopped)));
    assert_eq!(bench.ledger.read_stream(&stream(1), 0, None).unwrap().len(), 1, "reading goes on");
}
