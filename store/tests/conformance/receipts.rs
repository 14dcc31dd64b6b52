//! Receipts: a command lands once, however often it is given.

use serde_json::json;
use store::{Receipt, SubmitError, Unit};

use crate::bench::{Bench, command, create, stream, unit};

stories!(
    a_command_given_again_gets_its_receipt,
    a_command_given_by_many_at_once_lands_once,
    another_body_under_the_same_command_is_refused,
    a_receipt_is_looked_up_before_anything_is_loaded,
);

fn commanded(byte: u8, fingerprint: Option<u8>, unit: Unit) -> Unit {
    Unit { command_id: Some(command(byte)), fingerprint: fingerprint.map(|byte| [byte; 32]), ..unit }
}

async fn a_command_given_again_gets_its_receipt(bench: Bench) {
    let two = || unit([(stream(1), 0, json!({})), (stream(2), 0, json!({}))]);
    let first = bench.submit(commanded(1, Some(7), two())).await.unwrap();
    bench.submit(create(3)).await.unwrap();
    let again = bench.submit(commanded(1, Some(7), two())).await.unwrap();
    assert_eq!(again, Receipt { repeated: true, ..first });
    assert_eq!(bench.ledger.head(), 3);
    // What the events say of it: the metadata, in hex.
    let event = &bench.ledger.read_stream(&stream(1), 0, None).unwrap()[0];
    assert_eq!(event.metadata.get("command_id"), Some("01".repeat(32)));
}

async fn a_command_given_by_many_at_once_lands_once(bench: Bench) {
    let mut running = Vec::new();
    for number in 0..40 {
        let ledger = bench.ledger.clone();
        running.push(tokio::spawn(async move { ledger.submit(commanded(1, None, create(number))).await.unwrap() }));
    }
    let mut firsts = 0;
    for task in running {
        let receipt = task.await.unwrap();
        assert_eq!((receipt.first, receipt.last), (1, 1));
        firsts += u32::from(!receipt.repeated);
    }
    assert_eq!((firsts, bench.ledger.head()), (1, 1));
}

async fn another_body_under_the_same_command_is_refused(bench: Bench) {
    bench.submit(commanded(1, Some(7), create(1))).await.unwrap();
    let other = bench.submit(commanded(1, Some(8), create(2))).await.unwrap_err();
    assert!(matches!(other, SubmitError::OtherBody), "{other:?}");
    let unknown = bench.submit(commanded(1, None, create(2))).await.unwrap();
    assert!(unknown.repeated, "a fingerprint nobody knows counts as the same");
}

async fn a_receipt_is_looked_up_before_anything_is_loaded(bench: Bench) {
    assert_eq!(bench.ledger.receipt(&command(1)).unwrap(), None);
    let told = bench.submit(commanded(1, Some(7), create(1))).await.unwrap();
    let (receipt, fingerprint) = bench.ledger.receipt(&command(1)).unwrap().unwrap();
    assert_eq!(receipt, Receipt { repeated: true, ..told });
    assert_eq!(fingerprint, Some([7; 32]));
}
