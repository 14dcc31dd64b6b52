//! The stream as others meet it: what they read in it, what it must be like, and
//! what comes of writing to it.

use std::sync::{Arc, LazyLock, atomic::AtomicU64};

use serde_json::{Value, json};
use store::{
    Append, BackendOptions, DatabaseUrl, Ledger, LedgerOptions, OpenError, SubmitError, Unit, Vault, VaultOptions,
};
use tempfile::TempDir;

use super::{
    Place, own,
    server::{Cluster, Empty, Expected, Kept, ProposedMessage, UuidValue},
};
use crate::bench::{Bench, START, TENANT, claims, create, event, stream, unit};

/// A node, and the folder it has its index in.
pub(super) type Opened = Result<(Ledger, TempDir), OpenError>;

pub(super) fn open_with(url: String, stream: &str, vault: &Vault) -> Opened {
    open_as(url, stream, vault, false)
}

fn open_as(url: String, stream: &str, vault: &Vault, alone: bool) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let (url, stream) = (DatabaseUrl::new(url), stream.to_owned());
    let backend = BackendOptions::EventStore { url, stream, folder: folder.path().to_owned(), alone };
    let ledger = Ledger::open(LedgerOptions::new(backend, claims(), vault.clone(), Arc::new(|| START)))?;
    Ok((ledger, folder))
}

pub(super) fn open(place: &Place) -> Opened {
    static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::open(VaultOptions::Memory).unwrap());
    open_with(place.url.clone(), &place.stream, &VAULT)
}

/// What is wrong, and what mends it.
pub(super) fn refusal(opened: Opened) -> String {
    match opened {
        Ok(_) => panic!("opened"),
        Err(OpenError::Unfit { reason, fix }) => format!("{reason}: {fix}"),
        Err(other) => panic!("{other:?}"),
    }
}

fn kept(bench: &Bench) -> Vec<Kept> {
    let place = bench.place.as_ref().unwrap();
    place.cluster().kept(&place.stream)
}

/// As a stranger would that has the address.
fn write(place: &Place, stream: &str, expected: Expected, kind: &str, data: &Value) {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = uuid::Uuid::from_u64_pair(7, number).to_string();
    let message = ProposedMessage {
        id: Some(super::server::Uuid { value: Some(UuidValue::Text(id)) }),
        metadata: [("type", kind), ("content-type", "application/json")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        custom_metadata: Vec::new(),
        data: data.to_string().into_bytes(),
    };
    place.cluster().streams.lock().unwrap().append(stream, expected, &[message]).unwrap();
}

const ANY: Expected = Expected::Any(Empty {});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_one_of_theirs_with_type_data_and_what_belongs_together() {
    let bench = own(1);
    let mut told = event(json!({"b": 1, "a": "\u{20ac} \u{1f600}", "list": [true, null]}));
    told.metadata.insert("correlation_id".into(), "018f0000-0000-7000-8000-000000000001".into());
    told.metadata.insert("causation_id".into(), "018f0000-0000-7000-8000-000000000002".into());
    let append = Append { stream: stream(1), expected: 0, events: vec![told.clone(), event(json!({}))] };
    bench.submit(Unit { tenant: TENANT.into(), appends: vec![append], ..Unit::default() }).await.unwrap();
    let kept = kept(&bench);
    assert_eq!(kept.len(), 2, "one event each, revisions 0 and 1");
    assert_eq!(kept[0].kind, "Happened");
    assert_eq!(kept[0].data, "{\"a\":\"\u{20ac} \u{1f600}\",\"b\":1,\"list\":[true,null]}".as_bytes());
    let metadata: Value = serde_json::from_slice(&kept[0].metadata).unwrap();
    assert_eq!(metadata["$correlationId"], "018f0000-0000-7000-8000-000000000001");
    assert_eq!(metadata["$causationId"], "018f0000-0000-7000-8000-000000000002");
    assert_eq!((&metadata["stream"], &metadata["version"]), (&json!(stream(1).as_str()), &json!(1)));
    assert_eq!((&metadata["position"], &metadata["at"]), (&json!(1), &json!(START)));
    assert_eq!((&metadata["event_id"], &metadata["metadata"]["actor"]), (&json!(told.id.to_string()), &json!("ada")));
    let second: Value = serde_json::from_slice(&kept[1].metadata).unwrap();
    assert_eq!(second.get("$correlationId"), None);
    let origin =
        bench.place.as_ref().unwrap().cluster().kept(&format!("{}_origin", bench.place.as_ref().unwrap().stream));
    assert_eq!(
        origin.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
        vec!["LedgerBegun", "KeysNoted", "ServicesShare"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_stream_alone_everything_is_made_again() {
    let bench = own(1);
    for number in 0..20 {
        bench.submit(unit([(stream(number), 0, json!({"take": [format!("address {number}")]}))])).await.unwrap();
    }
    let (entries, id) = (bench.entries(), bench.ledger.ledger_id());
    let closed = bench.close().await;
    std::fs::remove_file(closed.folder.path().join("index.db")).unwrap();
    let place = closed.place.clone().unwrap();
    place.cluster().streams.lock().unwrap().kept.remove(&format!("{}_origin", place.stream));
    let bench = closed.open();
    assert_eq!((bench.entries(), bench.ledger.ledger_id()), (entries, id));
    bench.ledger.examine(&mut |_| {}).unwrap();
    let taken = bench.submit(unit([(stream(900), 0, json!({"take": ["address 7"]}))])).await.unwrap_err();
    assert!(matches!(taken, SubmitError::Claimed { holder, .. } if holder == stream(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stranger_writes_ends_the_node_and_is_named_at_the_next_start() {
    let bench = own(1);
    bench.submit(create(1)).await.unwrap();
    let place = bench.place.clone().unwrap();
    write(&place, &place.stream, ANY, "SomethingElse", &json!({}));
    let told = bench.submit(create(2)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Stopped), "{told:?}");
    assert!(bench.ledger.failed());
    match bench.close().await.try_open() {
        Ok(_) => panic!("opened"),
        Err(refused) => {
            let fault = format!("{:?}", refused.1);
            assert!(fault.contains("position: 2") && fault.contains("not the ledger's"), "{fault}");
        }
    }
}

#[test]
fn a_stream_that_forgets_is_refused_with_the_setting_to_remove() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    for setting in ["$maxAge", "$maxCount", "$tb"] {
        write(&place, &format!("$${}", place.stream), ANY, "$metadata", &json!({setting: 10}));
        let told = refusal(open(&place));
        assert!(told.contains(&format!("has {setting} set")) && told.contains("remove"), "{told}");
    }
    write(&place, &format!("$${}", place.stream), ANY, "$metadata", &json!({"$acl": {"$w": "ledger"}}));
    open(&place).unwrap();
}

#[test]
fn an_older_server_is_refused_with_the_one_to_have() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    place.cluster().nodes[0].pretend_to_be("21.10.9");
    let told = refusal(open(&place));
    assert!(told.contains("EventStoreDB 21.10.9") && told.contains("22.10 or newer"), "{told}");
    place.cluster().nodes[0].pretend_to_be("22.10.0");
    let (ledger, _folder) = open(&place).unwrap();
    assert_eq!(ledger.server(), Some(format!("EventStoreDB 22.10.0, stream {}", place.stream).as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_the_log_alone_ends_who_had_it_before() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    let vault = Vault::open(VaultOptions::Memory).unwrap();
    let alone = || open_as(place.url.clone(), &place.stream, &vault, true).unwrap();
    let (first, _folder) = alone();
    assert_eq!(first.submit(create(1)).await.unwrap().last, 1);
    let (second, _folder) = alone();
    let told = first.submit(create(2)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Stopped), "{told:?}");
    assert!(first.failed());
    assert_eq!(second.submit(create(2)).await.unwrap().last, 2);
    // Without being asked to write anything, too.
    let (third, _folder) = alone();
    second.watch_failed().wait_for(|failed| *failed).await.unwrap();
    assert_eq!(third.submit(create(3)).await.unwrap().last, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shares_the_log_and_who_wants_it_alone_end_each_other() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    let vault = Vault::open(VaultOptions::Memory).unwrap();
    let open = |alone| open_as(place.url.clone(), &place.stream, &vault, alone).unwrap();
    let ((first, _f1), (second, _f2)) = (open(false), open(false));
    assert_eq!(first.submit(create(1)).await.unwrap().last, 1);
    assert_eq!(second.submit(create(2)).await.unwrap().last, 2, "the two do not mind each other");
    let (alone, _f3) = open(true);
    for ended in [&first, &second] {
        ended.watch_failed().wait_for(|failed| *failed).await.unwrap();
        assert!(matches!(ended.submit(create(9)).await, Err(SubmitError::Stopped)));
    }
    assert_eq!(alone.submit(create(3)).await.unwrap().last, 3);
    let (shared, _f4) = open(false);
    alone.watch_failed().wait_for(|failed| *failed).await.unwrap();
    assert_eq!(shared.submit(create(4)).await.unwrap().last, 4);
}

#[test]
fn a_folder_with_other_keys_is_refused() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    open(&place).unwrap();
    let other = Vault::open(VaultOptions::Memory).unwrap();
    let told = refusal(open_with(place.url.clone(), &place.stream, &other));
    assert!(told.contains("not the keys of the ledger") && told.contains("restore them"), "{told}");
    open(&place).unwrap();
}

#[test]
fn a_ledger_of_a_later_format_or_another_program_is_left_alone() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    let origin = format!("{}_origin", place.stream);
    let id = uuid::Uuid::from_u128(5);
    write(&place, &origin, ANY, "LedgerBegun", &json!({"format": 2, "ledger_id": id, "epochs": [[1, 1]]}));
    let told = refusal(open(&place));
    assert!(told.contains("format 2") && told.contains("start the newer program"), "{told}");
    let place = Place::on(place.cluster());
    write(&place, &place.stream, ANY, "OrderPlaced", &json!({"order": 1}));
    assert!(refusal(open(&place)).contains("another program's"));
    assert_eq!(place.cluster().kept(&format!("{}_origin", place.stream)), vec![]);
}

#[test]
fn of_starts_at_once_one_begins_the_ledger() {
    let place = Place::on(&Arc::new(Cluster::start(1)));
    let ids: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&place).unwrap().0.ledger_id())).collect();
        starting.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_never_exceeds_what_a_server_takes_whatever_it_consists_of() {
    const MOST: usize = 900 * 1024;
    let bench = own(1);
    let of = |number, count| {
        let events = (0..count).map(|_| event(json!({}))).collect();
        let append = Append { stream: stream(number), expected: 0, events };
        Unit { tenant: TENANT.into(), appends: vec![append], ..Unit::default() }
    };
    let mut landed = 0;
    for (number, count) in (700..1_400).step_by(50).enumerate() {
        match bench.submit(of(number as u128, count)).await {
            Ok(_) => landed = count,
            Err(SubmitError::TooLarge) => break,
            Err(other) => panic!("{count} events: {other:?}"),
        }
    }
    assert!((700..1_350).contains(&landed), "{landed} of the smallest events are one unit");
    let before = kept(&bench).len();
    bench.submit(of(1_000, landed)).await.unwrap();
    let size = |kept: &[Kept]| -> usize {
        kept.iter().map(|event| event.data.len() + event.metadata.len() + 2 * event.kind.len()).sum()
    };
    let written = size(&kept(&bench)[before..]);
    assert!(written < MOST, "{written} bytes");
    // Many that come together, too.
    let submitted: Vec<_> = (2_000..2_300_u128)
        .map(|number| {
            let ledger = bench.ledger.clone();
            let payload = json!({"text": "x".repeat(9_000)});
            tokio::spawn(async move { ledger.submit(unit([(stream(number), 0, payload)])).await.unwrap() })
        })
        .collect();
    for task in submitted {
        task.await.unwrap();
    }
}

#[test]
fn an_address_that_is_none_is_not_repeated() {
    let vault = Vault::open(VaultOptions::Memory).unwrap();
    let told = refusal(open_with("esdb://ledger:hush-hush@host:no-port".to_owned(), "ledger", &vault));
    assert!(!told.contains("hush") && told.contains("esdb://user:password@host:2113"), "{told}");
}
