//! A server that speaks TLS, with a certificate of its own authority.

use std::net::TcpListener;

use sqlx::{Connection, PgConnection};
use store::OpenError;

use crate::{
    bench::create,
    postgres::{
        cluster::Cluster,
        database::{open, reason},
    },
};

/// Why an address does not open.
fn refused(url: String) -> String {
    match open(url) {
        Ok(_) => panic!("opened"),
        Err(fault @ OpenError::Server(_)) => reason(&fault),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_believed_by_the_certificate_of_its_authority() {
    let cluster = Cluster::own();
    let (database, tls) = (cluster.database(), cluster.certify());
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
    let at = |host: &str, how: &str| format!("postgres://postgres@{host}:{port}/{}?{how}", database.name);
    let start = |options: &str| {
        cluster.stop();
        cluster.start_again(&format!("-c listen_addresses=127.0.0.1 -c port={port} {options}"));
    };

    start("");
    let told = refused(at("localhost", "sslmode=require"));
    assert!(told.contains("server does not support TLS"), "{told}");
    drop(open(at("localhost", "sslmode=prefer")).unwrap());

    start(&format!("-c ssl=on -c ssl_cert_file={tls}/server.crt -c ssl_key_file={tls}/server.key"));
    let full = format!("sslmode=verify-full&sslrootcert={tls}/ours.crt");
    let (ledger, _folder) = open(at("localhost", &full)).unwrap();
    assert_eq!(ledger.submit(create(1)).await.unwrap().last, 1);
    let mut asking = PgConnection::connect(&at("localhost", "sslmode=disable")).await.unwrap();
    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE application_name = 'invitation-ledger' AND ssl IS NOT TRUE";
    assert_eq!(sqlx::query_scalar::<_, i64>(plain).fetch_one(&mut asking).await.unwrap(), 0, "every session is sealed");

    // Somebody else's authority, or another name than the certificate's.
    for (host, how) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={tls}/theirs.crt")),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={tls}/theirs.crt")),
        ("localhost", "sslmode=verify-full".to_owned()),
        ("127.0.0.1", full),
        // The driver asks for the name here, too.
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={tls}/ours.crt")),
    ] {
        let told = refused(at(host, &how));
        assert!(told.contains("certificate"), "{host} {how}: {told}");
    }
    drop(open(at("localhost", &format!("sslmode=verify-ca&sslrootcert={tls}/ours.crt"))).unwrap());
    // Sealed, and whoever answers is believed.
    drop(open(at("127.0.0.1", "sslmode=require")).unwrap());
}
