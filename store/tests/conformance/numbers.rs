//! A tenant's events by its own numbers, as if nobody else wrote.

use serde_json::json;
use store::{Append, Ledger, StreamId, Unit};
use uuid::Uuid;

use crate::bench::{Bench, Kind, event};

const ACME: &str = "acme";
const BOLT: &str = "bolt";

fn stream(tenant: &str, number: u128) -> StreamId {
    StreamId::from(format!("invitation-{tenant}/{}", Uuid::from_u128(number)))
}

/// Nine events of one tenant between those of another: streams 1 to 3, each three times.
async fn interleaved(ledger: &Ledger) {
    for version in 0..3 {
        for number in 1..=3 {
            for (tenant, events) in [(ACME, 1), (BOLT, 4)] {
                let events: Vec<_> = (0..events).map(|_| event(json!({"number": 1}))).collect();
                let expected = version * events.len() as u64;
                let append = Append { stream: stream(tenant, number), expected, events };
                let unit = Unit { tenant: tenant.into(), appends: vec![append], ..Unit::default() };
                ledger.submit(unit).await.unwrap();
            }
        }
    }
}

/// Numbers, streams and versions of what was read; whoever else's is in it fails the test.
fn told(events: &[std::sync::Arc<store::Recorded>]) -> Vec<(u64, u128, u64)> {
    let id = |event: &store::Recorded| event.stream.as_str().rsplit('/').next().unwrap().parse::<Uuid>().unwrap();
    assert!(events.iter().all(|event| event.tenant == ACME && event.stream.tenant() == ACME));
    events.iter().map(|event| (event.tseq, id(event).as_u128(), event.version)).collect()
}

fn check(ledger: &Ledger) {
    let whole: Vec<(u64, u128, u64)> = (0..9_u64).map(|at| (at + 1, u128::from(at % 3) + 1, at / 3 + 1)).collect();
    assert_eq!((ledger.head(), ledger.tenant_head(ACME).unwrap(), ledger.tenant_head(BOLT).unwrap()), (45, 9, 36));
    assert_eq!(told(&ledger.read_tenant(ACME, 0, 100).unwrap()), whole);
    assert_eq!(told(&ledger.read_tenant(ACME, 3, 4).unwrap()), whole[3..7]);
    assert!(ledger.read_tenant(ACME, 9, 4).unwrap().is_empty());
    let mut back = whole.clone();
    back.reverse();
    assert_eq!(told(&ledger.read_tenant_back(ACME, u64::MAX, 100).unwrap()), back);
    assert_eq!(told(&ledger.read_tenant_back(ACME, 8, 3).unwrap()), back[2..5]);
    assert!(ledger.read_tenant_back(ACME, 1, 3).unwrap().is_empty());
    assert_eq!((ledger.tenant_head("nobody").unwrap(), ledger.read_tenant("nobody", 0, 9).unwrap().len()), (0, 0));
    for number in 1..=10 {
        let first = (number <= 3).then(|| stream(ACME, number.into()));
        assert_eq!(ledger.find_tseq(ACME, number).unwrap(), first, "number {number} begins a stream or does not");
    }
}

async fn a_tenant_reads_its_own_events_by_its_own_numbers(bench: Bench) {
    interleaved(&bench.ledger).await;
    check(&bench.ledger);
}

stories!(a_tenant_reads_its_own_events_by_its_own_numbers);

#[tokio::test]
async fn numbers_are_there_after_a_start_and_in_place_of_an_index_of_an_older_layout() {
    let bench = Bench::new(Kind::Sqlite);
    interleaved(&bench.ledger).await;
    let bench = bench.close().await.open();
    check(&bench.ledger);
    let closed = bench.close().await;
    let index = closed.folder.path().join("index.db");
    let older = rusqlite::Connection::open(&index).unwrap();
    let stamp: i32 = older.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    older.execute_batch(&format!("PRAGMA user_version={}; DROP TABLE numbers;", stamp - 1)).unwrap();
    drop(older);
    let bench = closed.open();
    check(&bench.ledger);
    assert!(index_was_set_aside(&bench), "what it had is not mended but made anew");
}

fn index_was_set_aside(bench: &Bench) -> bool {
    bench.folder.path().join("index.db.set-aside").exists()
}
