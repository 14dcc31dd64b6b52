//! A stop under load: what was taken is answered, what was answered is there.

use crate::support::program::Program;
use crate::support::wire::Request;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CALLERS: usize = 8;
/// So many are acknowledged before the stop is asked for.
const BEFORE: usize = 40;
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Answered(u16),
    /// Before anything of it was read: no connection, or one that was closed without a byte.
    TurnedAway,
    /// In the middle of an answer.
    Cut(String),
}

fn send(address: SocketAddr, request: &Request) -> End {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, ANSWER_WAIT) else { return End::TurnedAway };
    stream.set_read_timeout(Some(ANSWER_WAIT)).unwrap();
    let mut came = vec![];
    let sent = stream.write_all(&request.bytes(&address.to_string(), false));
    let ended = sent.and_then(|()| stream.read_to_end(&mut came));
    match ended {
        Err(error) if error.kind() == ErrorKind::WouldBlock => End::Cut("no answer in time".to_owned()),
        Ok(_) | Err(_) if came.is_empty() => End::TurnedAway,
        Ok(_) | Err(_) => whole(&String::from_utf8_lossy(&came)),
    }
}

fn whole(text: &str) -> End {
    let cut = || End::Cut(text.to_owned());
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return cut() };
    let length_of = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok();
    let length = head.lines().find_map(length_of);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, length) {
        (Some(status), Some(length)) if body.len() == length => End::Answered(status),
        _ => cut(),
    }
}

fn pending(program: &Program) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for page in 1.. {
        let target = format!("/api/ledger/invitations?state=all&size=100&page={page}");
        let part = program.deployment().get(&target).expect(200).json();
        let items = part["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["email"].as_str().unwrap().to_owned()));
        if items.is_empty() {
            break;
        }
    }
    found
}

#[test]
fn a_stop_under_load_cuts_no_answer_and_forgets_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path(), &[]);
    let made = program.deployment().post("/api/ledger/organizations", &json!({"name": "Acme Roofing"})).expect(201);
    let organization = made.json()["id"].clone();
    let (acknowledged, others) = (Mutex::new(BTreeSet::new()), Mutex::new(vec![]));
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (address, deployment) = (program.address, program.deployment());
            let (organization, acknowledged, others, count) = (&organization, &acknowledged, &others, &count);
            scope.spawn(move || {
                for number in 0.. {
                    let email = format!("guest{caller}-{number}@guests.example");
                    let asked = json!({"kind": "organization", "organization": organization, "email": email});
                    let request = Request::new("POST", "/api/ledger/invitations").json(&asked);
                    match send(address, &request.bearer(deployment.token())) {
                        End::Answered(201) => {
                            acknowledged.lock().unwrap().insert(email);
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        End::TurnedAway => return,
                        other => others.lock().unwrap().push(other),
                    }
                }
            });
        }
        while count.load(Ordering::SeqCst) < BEFORE {
            std::thread::yield_now();
        }
        program.ask_to_end();
    });
    let ended = program.ended();
    assert_eq!(ended.code(), Some(0), "{}", program.words());
    assert_eq!(others.into_inner().unwrap(), vec![], "ends that are neither 201 nor a closed door");
    drop(program);
    let mut again = Program::start(folder.path(), &[]);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= BEFORE);
    assert_eq!(pending(&again), acknowledged, "what is there (left), what was acknowledged (right)");
    again.ask_to_end();
    assert_eq!(again.ended().code(), Some(0));
    assert!(again.words().contains("stopped"), "{}", again.words());
}
