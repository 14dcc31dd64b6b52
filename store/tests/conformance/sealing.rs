//! Personal data: sealed from the first event on, gone with its key.

use serde_json::{Value, json};
use store::{KeyCount, Recorded, Subject, SubmitError, VaultError};
use uuid::Uuid;

use crate::bench::{Bench, claim, stream, unit};

stories!(
    personal_members_never_stand_in_clear_in_the_log,
    what_is_read_sealed_is_the_same_but_for_what_is_personal,
    a_destroyed_key_leaves_an_erased_value,
    a_subject_is_given_to_one_stream_only,
    a_commitment_fits_its_key_or_is_refused,
    keys_are_counted,
    secrets_differ_by_label,
);
#[cfg(feature = "postgres")]
stories_for!(
    shared,
    Shared,
    personal_members_never_stand_in_clear_in_the_log,
    what_is_read_sealed_is_the_same_but_for_what_is_personal,
    a_destroyed_key_leaves_an_erased_value,
    a_subject_is_given_to_one_stream_only,
    a_commitment_fits_its_key_or_is_refused,
    keys_are_counted,
    secrets_differ_by_label
);

fn person(subject: &Subject, email: &str) -> Value {
    json!({
        "subject": {"id": subject.id.to_string(), "commitment": subject.commitment},
        "personal": {"email": email, "name": "Ada"},
        "role": "admin",
    })
}

async fn personal_members_never_stand_in_clear_in_the_log(bench: Bench) {
    let subject = bench.vault.subject().await.unwrap();
    let payload = person(&subject, "ada@example.com");
    bench.submit(unit([(stream(1), 0, payload.clone())])).await.unwrap();
    let sealed = json!({"subject": {"id": subject.id.to_string()}, "personal": {"phone": "555-0100"}});
    bench.submit(unit([(stream(1), 1, sealed.clone())])).await.unwrap();
    for entry in bench.entries() {
        assert!(!entry.text.contains("ada@") && !entry.text.contains("555-0100"), "{}", entry.text);
        assert!(entry.text.contains(r#""personal":"v1."#) && entry.text.contains(r#""sealed":true"#), "{}", entry.text);
    }
    // From memory, and from the log.
    for _ in 0..2 {
        let read = bench.ledger.read_stream(&stream(1), 0, None).unwrap();
        assert_eq!((&*read[0].payload, &*read[1].payload), (&*payload.to_string(), &*sealed.to_string()));
        bench.ledger.forget_recent();
    }
    assert_eq!(bench.ledger.claim_holder(&claim("email", "ada@example.com")).unwrap(), Some(stream(1)));
}

async fn what_is_read_sealed_is_the_same_but_for_what_is_personal(bench: Bench) {
    for number in 0..3 {
        let subject = bench.vault.subject().await.unwrap();
        let event = (stream(number), 0, person(&subject, &format!("ada{number}@example.com")));
        bench.submit(unit([event])).await.unwrap();
    }
    for (after, limit, positions) in [(0, 9, vec![1, 2, 3]), (1, 1, vec![2]), (3, 9, vec![])] {
        let sealed = bench.ledger.read_log_sealed(after, limit).unwrap();
        assert_eq!(sealed.iter().map(|event| event.position).collect::<Vec<_>>(), positions);
        for (event, opened) in sealed.into_iter().zip(bench.ledger.read_log(after, limit).unwrap()) {
            assert!(
                event.tree().unwrap()["personal"].as_str().is_some_and(|text| text.starts_with("v1.")),
                "{event:?}"
            );
            let mut payload = event.tree().unwrap();
            payload["personal"] = opened.tree().unwrap()["personal"].clone();
            let payload = payload.to_string().into_boxed_str();
            assert_eq!(Recorded { payload, ..event }, *opened);
        }
    }
}

async fn a_destroyed_key_leaves_an_erased_value(bench: Bench) {
    let (gone, kept) = (bench.vault.subject().await.unwrap(), bench.vault.subject().await.unwrap());
    bench.submit(unit([(stream(1), 0, person(&gone, "ada@example.com"))])).await.unwrap();
    bench.submit(unit([(stream(2), 0, person(&kept, "bob@example.com"))])).await.unwrap();
    let before = bench.entries();
    bench.vault.destroy(gone.id).unwrap();
    bench.ledger.forget_recent();
    let read = bench.ledger.read_log(0, 10).unwrap();
    assert_eq!(read[0].tree().unwrap()["personal"], json!({"erased": true}));
    assert_eq!(read[0].tree().unwrap()["role"], "admin");
    assert_eq!(read[1].tree().unwrap()["personal"]["email"], "bob@example.com");
    assert_eq!(bench.entries(), before, "the log stays what it was");
    let more = json!({"subject": {"id": gone.id.to_string()}, "personal": {"name": "Ada"}});
    let refused = bench.submit(unit([(stream(1), 1, more)])).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Vault(VaultError::Destroyed { subject }) if subject == gone.id));
    bench.vault.destroy(gone.id).unwrap();
}

async fn a_subject_is_given_to_one_stream_only(bench: Bench) {
    let subject = bench.vault.subject().await.unwrap();
    bench.submit(unit([(stream(1), 0, person(&subject, "a@example.com"))])).await.unwrap();
    let refused = bench.submit(unit([(stream(2), 0, person(&subject, "b@example.com"))])).await.unwrap_err();
    let SubmitError::Claimed { claim: told, holder } = refused else { panic!("{refused:?}") };
    assert_eq!((told, holder), (claim("subject", &subject.id.to_string()), stream(1)));
}

async fn a_commitment_fits_its_key_or_is_refused(bench: Bench) {
    let (one, two) = (bench.vault.subject().await.unwrap(), bench.vault.subject().await.unwrap());
    let crossed = Subject { id: one.id, commitment: two.commitment };
    let refused = bench.submit(unit([(stream(1), 0, person(&crossed, "a@example.com"))])).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Vault(VaultError::OtherKey { .. })), "{refused:?}");
    let unknown = Subject { id: Uuid::from_u128(1), commitment: one.commitment };
    let refused = bench.submit(unit([(stream(1), 0, person(&unknown, "a@example.com"))])).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Vault(VaultError::Missing { .. })), "{refused:?}");
}

async fn keys_are_counted(bench: Bench) {
    let mut subjects = Vec::new();
    for number in 0..5 {
        let subject = bench.vault.subject().await.unwrap();
        bench.submit(unit([(stream(number), 0, person(&subject, &format!("{number}@example.com")))])).await.unwrap();
        subjects.push(subject.id);
    }
    bench.vault.destroy(subjects[2]).unwrap();
    assert_eq!(bench.ledger.examine(&mut |_| {}).unwrap(), KeyCount { live: 4, destroyed: 1, missing: 0 });
    assert_eq!(
        bench.vault.count(&[subjects[0], Uuid::from_u128(9)]).unwrap(),
        KeyCount { live: 1, destroyed: 0, missing: 1 }
    );
}

async fn secrets_differ_by_label(bench: Bench) {
    assert_eq!(bench.vault.secret("claims"), bench.vault.secret("claims"));
    assert_ne!(bench.vault.secret("claims"), bench.vault.secret("codes"));
}
