//! A pooler in transaction mode between: it is said so in the address, or refused.

use store::{DatabaseUrl, State, StateOptions, SubmitError, Vault, VaultOptions};

use crate::{
    bench::create,
    postgres::{
        cluster::Cluster,
        database::{open, open_with, reason, refusal},
    },
};

const FIX: &str = "say so with ?pgbouncer=true in the address, or name the server itself";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_told_of_is_noticed_and_refused_with_the_parameter_to_write() {
    let database = Cluster::pooled().database();
    let unsaid = database.url().replace("&pgbouncer=true", "");
    let told = refusal(unsaid.clone());
    assert!(told.contains("a pooler in transaction mode") && told.contains(FIX), "{told}");
    // Wherever it lies.
    let state = State::open(StateOptions::Postgres { url: DatabaseUrl::new(unsaid.clone()) });
    let vault = Vault::open(VaultOptions::Postgres { url: DatabaseUrl::new(unsaid) });
    for told in [reason(&state.err().unwrap()), reason(&vault.err().unwrap())] {
        assert!(told.contains(FIX), "{told}");
    }
    assert_eq!(database.run("SELECT count(*) FROM pg_namespace WHERE nspname IN ('ledger', 'state', 'keys')"), "0");
    let told = refusal(format!("{}&pgbouncer=maybe", database.direct_url()));
    assert!(told.contains("neither pgbouncer=true nor false"), "{told}");
    let (ledger, _folder) = open(database.url()).unwrap();
    assert!(ledger.server().unwrap().ends_with(", through a pooler"));
    open(database.direct_url()).unwrap();
    open(format!("{}&pgbouncer=false", database.direct_url())).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_the_log_alone_names_the_server_itself_and_has_it_then() {
    let database = Cluster::pooled().database();
    let vault = Vault::open(VaultOptions::Memory).unwrap();
    let told = match open_with(database.url(), &vault, true) {
        Ok(_) => panic!("opened"),
        Err(fault) => fault.to_string(),
    };
    assert!(told.contains("which a pooler does not give") && told.contains("name the server itself"), "{told}");

    let (pooled, _folder) = open_with(database.url(), &vault, false).unwrap();
    assert_eq!(pooled.submit(create(1)).await.unwrap().last, 1);
    let (alone, _other) = open_with(database.direct_url(), &vault, true).unwrap();
    assert_eq!(alone.submit(create(2)).await.unwrap().last, 2);
    // Whose turn is another transaction every time finds out with the next one.
    let told = pooled.submit(create(3)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Busy { .. }), "{told:?}");
    match open_with(database.url(), &vault, false) {
        Ok(_) => panic!("opened"),
        Err(fault) => assert!(fault.to_string().contains("keeps its state or keys in its folder"), "{fault}"),
    }
    alone.close().await;
    drop(alone);
    let last = loop {
        match pooled.submit(create(3)).await {
            Err(SubmitError::Busy { .. }) => {}
            told => break told.unwrap().last,
        }
    };
    assert_eq!(last, 3);
}
