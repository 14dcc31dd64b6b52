//! A server that speaks TLS, and one that asks who one is.

use std::{
    error::Error,
    sync::{Arc, LazyLock},
};

use store::{OpenError, Vault, VaultOptions};

use super::{
    server::Cluster,
    streams::{Opened, open_with, refusal},
};
use crate::bench::create;

const STREAM: &str = "ledger";

fn open(url: &str) -> Opened {
    static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::open(VaultOptions::Memory).unwrap());
    open_with(url.to_owned(), STREAM, &VAULT)
}

/// What is wrong, and what mends it; neither tells the password.
fn refused(url: &str, password: &str) -> String {
    let told = refusal(open(url));
    assert!(!told.contains(password), "{told}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_believed_by_the_certificate_of_its_authority() {
    let cluster = Cluster::sealed(1);
    let (port, ours, theirs) = (cluster.port(0), cluster.believing("ours.crt"), cluster.believing("theirs.crt"));
    let at = |host: &str, how: &str| format!("esdb://ledger:secret@{host}:{port}?{how}");
    let refused = |host: &str, how: &str| refused(&at(host, how), "secret");

    let (ledger, _folder) = open(&at("localhost", &ours)).unwrap();
    assert_eq!(ledger.submit(create(1)).await.unwrap().last, 1);
    drop(ledger);
    let (ledger, _folder) = open(&at("localhost", &ours)).unwrap();
    assert_eq!(ledger.head(), 1, "it was read back");
    drop(ledger);

    // Somebody else's authority, and nobody's but the machine's.
    let told = refused("localhost", &theirs);
    assert!(told.contains(&format!("the certificate of localhost:{port} is not believed")), "{told}");
    assert!(told.contains("UnknownIssuer") && told.contains("tlsCAFile=FILE"), "{told}");
    assert_eq!(refused("localhost", "tls=true"), told);
    let told = refused("127.0.0.1", &ours);
    assert!(told.contains("is not believed") && told.contains("by a name that its certificate has"), "{told}");
    // Sealed, and whoever answers is believed.
    drop(open(&at("localhost", &format!("{theirs}&tlsVerifyCert=false"))).unwrap());
    drop(open(&at("127.0.0.1", "tlsVerifyCert=false")).unwrap());

    // Files that are none.
    let told = refused("localhost", "tlsCAFile=/nowhere/ca.crt");
    assert!(told.contains("tlsCAFile: /nowhere/ca.crt cannot be read"), "{told}");
    let told = refused("localhost", &cluster.believing("names"));
    assert!(told.contains("holds no certificate"), "{told}");
    let told = refused("localhost", &format!("{ours}&userCertFile=/nowhere/c.crt&userKeyFile=/nowhere/c.key"));
    assert!(told.contains("userCertFile: /nowhere/c.crt cannot be read"), "{told}");

    let clear = Cluster::start(1);
    let told = refusal(open(&format!("esdb://localhost:{}", clear.port(0))));
    assert!(told.contains("speaks no TLS") && told.contains("tls=false"), "{told}");
    clear.nodes[0].stop();
    // Nobody there: that is no question of belief.
    let told = open(&format!("esdb://localhost:{}", clear.port(0))).map(drop).unwrap_err();
    assert!(matches!(told, OpenError::Server(_)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_is_sent_as_it_is_meant_and_refused_in_words() {
    let cluster = Arc::new(Cluster::start(1));
    let at = |login: &str| format!("esdb://{login}127.0.0.1:{}?tls=false", cluster.port(0));
    cluster.admit("ledger", "secret");
    drop(open(&at("ledger:secret@")).unwrap());
    let told = refused(&at("ledger:mistyped@"), "mistyped");
    assert!(told.contains("the server denies the user of the address what a ledger needs"), "{told}");
    assert!(told.contains("check user and password") && told.contains("access list"), "{told}");
    let told = refusal(open(&at("")));
    assert!(told.contains("the server denies those without a log-in"), "{told}");
    assert!(told.contains("esdb://user:password@host:2113"), "{told}");

    // What an address has other uses for is percent-encoded in it.
    cluster.admit("le dger", "p@ss/w:ör%d?,#");
    let (ledger, _folder) = open(&at("le%20dger:p%40ss%2Fw%3A%C3%B6r%25d%3F%2C%23@")).unwrap();
    assert_eq!(ledger.submit(create(1)).await.unwrap().last, 1);
    drop(ledger);
    cluster.admit("ledger", "a|b=c");
    drop(open(&at("ledger:a|b=c@")).unwrap());
    drop(open(&at("ledger:a%7Cb%3Dc@")).unwrap());

    // Taken back while it serves: what is asked for is refused, and nothing of it is there.
    let (ledger, _folder) = open(&at("ledger:a%7Cb%3Dc@")).unwrap();
    cluster.admit("ledger", "changed");
    let words = words_of(&ledger.submit(create(2)).await.unwrap_err());
    assert!(!words.contains("b=c"), "{words}");
    assert_eq!(cluster.kept(STREAM).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_certificates_that_goes_away_is_missed_until_it_is_back() {
    let cluster = Cluster::sealed(1);
    let (ours, away) = (cluster.file("ours.crt"), cluster.file("away.crt"));
    let (ledger, _folder) =
        open(&format!("esdb://localhost:{}?{}", cluster.port(0), cluster.believing("ours.crt"))).unwrap();
    ledger.submit(create(1)).await.unwrap();
    std::fs::rename(&ours, &away).unwrap();
    cluster.nodes[0].stop();
    ledger.submit(create(2)).await.unwrap_err();
    cluster.nodes[0].start();
    // There is a server again, and nothing to believe it by.
    ledger.submit(create(2)).await.unwrap_err();
    assert_eq!(cluster.kept(STREAM).len(), 1);
    std::fs::rename(&away, &ours).unwrap();
    assert_eq!(ledger.submit(create(2)).await.unwrap().last, 2);
}

/// A fault with what led to it.
fn words_of(fault: &dyn Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| (*fault).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_found_over_tls_with_a_log_in_and_followed_to_the_one_that_leads() {
    let cluster = Cluster::sealed(3);
    cluster.admit("ledger", "p@ss");
    let hosts: Vec<String> = (0..3).map(|node| format!("localhost:{}", cluster.port(node))).collect();
    let url = format!("esdb://ledger:p%40ss@{}?{}", hosts.join(","), cluster.believing("ours.crt"));
    let (ledger, _folder) = open(&url).unwrap();
    assert_eq!(ledger.submit(create(1)).await.unwrap().last, 1);
    cluster.elect(1);
    assert_eq!(ledger.submit(create(2)).await.unwrap().last, 2);
    let told = refused(&url.replace("ours.crt", "theirs.crt"), "p%40ss");
    assert!(told.contains("UnknownIssuer"), "{told}");
}
