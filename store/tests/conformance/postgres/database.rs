//! The database as others meet it: who may write, what it must be like, and what a
//! stock program reads there.

use std::sync::{Arc, LazyLock};

use serde_json::json;
use store::{
    BackendOptions, DatabaseUrl, Ledger, LedgerOptions, OpenError, State, StateOptions, SubmitError, Vault,
    VaultOptions,
};
use tempfile::TempDir;

use crate::{
    bench::{Bench, Database, START, claims, create, stream, unit},
    postgres::cluster::Cluster,
};

/// A node, and the folder it has its index in.
pub type Opened = Result<(Ledger, TempDir), OpenError>;

pub fn open(url: String) -> Opened {
    static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::open(VaultOptions::Memory).unwrap());
    open_with(url, &VAULT, false)
}

pub fn open_with(url: String, vault: &Vault, alone: bool) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let backend = BackendOptions::Postgres { url: DatabaseUrl::new(url), folder: folder.path().to_owned(), alone };
    let ledger = Ledger::open(LedgerOptions::new(backend, claims(), vault.clone(), Arc::new(|| START)))?;
    Ok((ledger, folder))
}

/// What is wrong, and what mends it.
pub fn refusal(url: String) -> String {
    match open(url) {
        Ok(_) => panic!("opened"),
        Err(OpenError::Unfit { reason, fix }) => format!("{reason}: {fix}"),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_itself_refuses_to_change_events() {
    let bench = Bench::postgres(Cluster::shared());
    bench.submit(create(1)).await.unwrap();
    let before = bench.entries();
    let stranger = bench.database.as_ref().unwrap();
    // One that says it is the ledger.
    let upsert = format!(
        "SET ledger.writer = '{}'; INSERT INTO ledger.events SELECT * FROM ledger.events \
         ON CONFLICT (position) DO UPDATE SET tseq = 9",
        bench.ledger.ledger_id()
    );
    for (sql, told) in [
        ("UPDATE ledger.events SET payload = '{}'", "never changed"),
        ("UPDATE ledger.events SET position = 9 WHERE position = 1", "never changed"),
        ("DELETE FROM ledger.events", "never removed"),
        ("TRUNCATE ledger.events", "never removed"),
        ("INSERT INTO ledger.events SELECT * FROM ledger.events ON CONFLICT DO NOTHING", "only the ledger appends"),
        (upsert.as_str(), "never changed"),
        ("SET session_replication_role = replica; DELETE FROM ledger.events", "never removed"),
    ] {
        let fault = stranger.refusal(sql);
        assert!(fault.contains(told), "{sql}: {fault}");
    }
    assert_eq!(bench.entries(), before);
    bench.ledger.examine(&mut |_| {}).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_forget_is_refused_with_the_setting_to_change() {
    let database = Cluster::shared().database();
    database.run(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name));
    let told = refusal(database.url());
    assert!(told.contains("synchronous_commit is off") && told.contains("set it to on"), "{told}");
    database.run(&format!("ALTER DATABASE {} RESET synchronous_commit", database.name));
    open(database.url()).unwrap();
    // The others belong to the whole server.
    let database = Cluster::own().database();
    for setting in ["fsync", "full_page_writes"] {
        for value in ["off", "on"] {
            database.run(&format!("ALTER SYSTEM SET {setting} = {value}"));
            database.run("SELECT pg_reload_conf()");
            while database.run(&format!("SHOW {setting}")) != value {}
            match value {
                "off" => assert!(refusal(database.url()).contains(&format!("{setting} is off"))),
                _ => drop(open(database.url()).unwrap()),
            }
        }
    }
}

/// No package of one is at hand: this server is given the voice of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_old_a_server_is_refused_before_anything_is_made_there() {
    let database = Cluster::shared().database();
    database.run(&format!(
        "CREATE SCHEMA older; ALTER DATABASE {} SET search_path = older, pg_catalog;
         CREATE FUNCTION older.current_setting(name text) RETURNS text LANGUAGE sql AS $$
             SELECT CASE name WHEN 'server_version_num' THEN '130016' WHEN 'server_version' THEN '13.16'
                    ELSE pg_catalog.current_setting(name) END $$",
        database.name
    ));
    assert_eq!(refusal(database.url()), "the server is PostgreSQL 13.16: upgrade it to 14 or newer");
    assert_eq!(database.run("SELECT count(*) FROM pg_namespace WHERE nspname = 'ledger'"), "0");
    database.run(&format!("ALTER DATABASE {} RESET search_path", database.name));
    open(database.url()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_another_program_or_a_newer_one_is_refused_and_left_alone() {
    let database = Cluster::shared().database();
    database.run("CREATE SCHEMA ledger; CREATE TABLE ledger.events (id int)");
    let told = refusal(database.url());
    assert!(told.contains("another program's") && told.contains("a database of its own"), "{told}");
    database.run("CREATE TABLE ledger.meta (id int)");
    assert!(refusal(database.url()).contains("another program's"));
    assert_eq!(database.run("SELECT count(*) FROM pg_class WHERE relnamespace = 'ledger'::regnamespace"), "2");
    let database = Cluster::shared().database();
    drop(open(database.url()).unwrap());
    database.run("UPDATE ledger.meta SET value = '99' WHERE name = 'schema'");
    let told = refusal(database.url());
    assert!(told.contains("schema 99") && told.contains("start the newer program"), "{told}");
    database.run("UPDATE ledger.meta SET value = '1' WHERE name = 'schema'");
    database.run("UPDATE ledger.meta SET value = '99' WHERE name = 'min_reader'");
    assert!(refusal(database.url()).contains("events 99"));
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let other = Cluster::shared().database_with(&format!("ENCODING '{encoding}' TEMPLATE template0"));
        let told = refusal(other.url());
        assert!(told.contains(&format!("encoded as {encoding}: make one with ENCODING 'UTF8'")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused_for_its_primary() {
    let database = Cluster::own().database();
    drop(open(database.url()).unwrap());
    let standby = format!("postgres://postgres@localhost/{}?host={}", database.name, database.cluster.standby());
    let told = refusal(standby.clone());
    assert_eq!(told, "the server is a standby: name the primary in the address");
    let state = State::open(StateOptions::Postgres { url: DatabaseUrl::new(standby.clone()) });
    let vault = Vault::open(VaultOptions::Postgres { url: DatabaseUrl::new(standby) });
    for told in [reason(&state.err().unwrap()), reason(&vault.err().unwrap())] {
        assert!(told.contains("the server is a standby"), "{told}");
    }
}

/// What lies at the bottom of a fault.
pub fn reason(fault: &(dyn std::error::Error + 'static)) -> String {
    fault.source().map_or_else(|| fault.to_string(), reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_the_rights_is_told_which_ones() {
    let database = Cluster::shared().database();
    let role = format!("clerk_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN"));
    let told = refusal(database.url_as(&role));
    assert!(told.contains(&format!("CREATE SCHEMA ledger AUTHORIZATION {role}")), "{told}");
    database.run(&format!("CREATE SCHEMA ledger AUTHORIZATION {role}"));
    drop(open(database.url_as(&role)).unwrap());
    // One that may read, and no more.
    let reader = format!("reader_{}", database.name);
    database.run(&format!(
        "CREATE ROLE {reader} LOGIN; GRANT USAGE ON SCHEMA ledger TO {reader};
         GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO {reader}"
    ));
    let told = refusal(database.url_as(&reader));
    assert!(told.contains("INSERT ON ledger.events, UPDATE ON ledger.head, INSERT ON ledger.meta"), "{told}");
    database.run(&format!(
        "GRANT INSERT ON ledger.events, ledger.meta TO {reader}; GRANT UPDATE ON ledger.head TO {reader}"
    ));
    let (ledger, _folder) = open(database.url_as(&reader)).unwrap();
    assert_eq!(ledger.submit(create(1)).await.unwrap().last, 1);
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let fault = match open("postgres://ledger:hush-hush@127.0.0.1:1/ledger".to_owned()) {
        Ok(_) => panic!("opened"),
        Err(fault) => fault,
    };
    assert!(matches!(fault, OpenError::Server(_)), "{fault:?}");
    assert!(!format!("{fault:?}").contains("hush-hush"));
    assert!(!format!("{:?}", DatabaseUrl::new("postgres://ledger:hush-hush@localhost/ledger")).contains("hush"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_exchanged_for_another_one_ends_the_node() {
    let bench = Bench::postgres(Cluster::shared());
    bench.submit(create(1)).await.unwrap();
    let database = bench.database.as_ref().unwrap();
    database.run("UPDATE ledger.meta SET value = gen_random_uuid()::text WHERE name = 'ledger_id'");
    terminate_all(database);
    let told = bench.submit(create(2)).await.unwrap_err();
    assert!(matches!(told, SubmitError::Stopped), "{told:?}");
    assert!(bench.ledger.failed());
}

fn terminate_all(database: &Database) {
    database.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_ended_while_nobody_used_them_are_made_anew_unnoticed() {
    let bench = Bench::postgres(Cluster::shared());
    for number in 0..5 {
        bench.submit(create(number)).await.unwrap();
        terminate_all(bench.database.as_ref().unwrap());
        assert_eq!(bench.entries().len() as u128, number + 1);
    }
}

#[tokio::test]
async fn reads_wait_on_a_runtime_of_one_thread_too() {
    let bench = Bench::postgres(Cluster::shared());
    bench.submit(create(1)).await.unwrap();
    bench.ledger.forget_recent();
    assert_eq!(bench.ledger.read_log(0, 10).unwrap().len(), 1);
    let ledger = bench.ledger.clone();
    let read = std::thread::spawn(move || ledger.read_stream(&stream(1), 0, None).unwrap().len());
    assert_eq!(read.join().unwrap(), 1);
    let refused = bench.submit(unit([(stream(1), 0, json!({}))])).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Conflict { actual: 1, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_the_log_alone_has_it_until_he_ends() {
    let database = Cluster::shared().database();
    let vault = Vault::open(VaultOptions::Memory).unwrap();
    let (first, _folder) = open_with(database.url(), &vault, true).unwrap();
    assert_eq!(first.submit(create(1)).await.unwrap().last, 1);
    let told = match open_with(database.url(), &vault, true) {
        Ok(_) => panic!("opened"),
        Err(fault) => fault.to_string(),
    };
    assert!(told.contains("another service writes to this ledger: stop it"), "{told}");
    // A session that ends takes its hold along; the next one has it again.
    terminate_all(&database);
    assert_eq!(first.submit(create(2)).await.unwrap().last, 2);
    let held = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database \
                WHERE locktype = 'advisory' AND granted AND datname = current_database()";
    assert_eq!(database.run(held), "1");
    first.close().await;
    drop(first);
    let (second, _folder) = open_with(database.url(), &vault, true).unwrap();
    assert_eq!((second.head(), second.server().unwrap().starts_with("PostgreSQL ")), (2, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_ledger_are_refused_before_anything_is_written() {
    let database = Cluster::shared().database();
    let (own, other) = (Vault::open(VaultOptions::Memory).unwrap(), Vault::open(VaultOptions::Memory).unwrap());
    drop(open_with(database.url(), &own, false).unwrap());
    let told = match open_with(database.url(), &other, false) {
        Ok(_) => panic!("opened"),
        Err(fault) => fault.to_string(),
    };
    assert!(told.contains("not the keys of the ledger in the database") && told.contains("restore them"), "{told}");
    open_with(database.url(), &own, false).unwrap();
}
