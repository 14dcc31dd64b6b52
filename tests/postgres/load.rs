//! Callers who invite people, at whichever service answers, until it is done.

use crate::nodes::Nodes;
use crate::support::wire::{Answer, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Between two invitations of a caller, so that what is to be compared at the end stays small.
const PACE: Duration = Duration::from_millis(100);
/// Every so many are asked for once more after they were acknowledged.
const ASKED_TWICE: usize = 5;

#[derive(Clone)]
pub struct Load {
    shared: Arc<Shared>,
}

struct Shared {
    addresses: Mutex<Vec<SocketAddr>>,
    token: String,
    organization: Value,
    /// Invitation by address.
    acknowledged: Mutex<BTreeMap<String, String>>,
    next: AtomicUsize,
    over: AtomicBool,
}

/// Callers stop with it, however the test ends.
pub struct Calling<'a>(&'a Load);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.shared.over.store(true, SeqCst);
    }
}

impl Load {
    pub fn new(nodes: &Nodes) -> Self {
        let made = nodes.deployment().post("/api/ledger/organizations", &json!({"name": "Acme"})).expect(201).json();
        let shared = Shared {
            addresses: Mutex::new(nodes.programs.iter().map(|program| program.address).collect()),
            token: nodes.token.clone(),
            organization: made["id"].clone(),
            acknowledged: Mutex::default(),
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    pub fn calling(&self) -> Calling<'_> {
        Calling(self)
    }

    /// Invites one after the other; each until somebody says that it is done, under one key.
    pub fn call(&self) {
        while !self.shared.over.load(SeqCst) {
            self.invite_at(|attempt| {
                let addresses = self.shared.addresses.lock().unwrap();
                addresses[attempt % addresses.len()]
            });
            std::thread::sleep(PACE);
        }
    }

    /// Invites one more person, at one of these.
    pub fn invite(&self, at: &[SocketAddr]) {
        self.invite_at(|attempt| at[attempt % at.len()]);
    }

    fn invite_at(&self, address: impl Fn(usize) -> SocketAddr) {
        let number = self.shared.next.fetch_add(1, SeqCst);
        let email = format!("guest-{number}@guests.example");
        let mut attempt = number;
        let first = loop {
            attempt += 1;
            // It fell, or cannot now: what became of it, the same key tells at another one.
            if let Some(made) = made(self.ask(number, &email, address(attempt))) {
                break made;
            }
        };
        if number.is_multiple_of(ASKED_TWICE)
            && let Some(again) = made(self.ask(number, &email, address(attempt + 1)))
        {
            assert_eq!(again, first, "it is acknowledged once, and the same afterwards");
        }
        let before = self.shared.acknowledged.lock().unwrap().insert(email, first);
        assert_eq!(before, None);
    }

    fn ask(&self, number: usize, email: &str, address: SocketAddr) -> std::io::Result<Answer> {
        let asked = json!({"kind": "organization", "organization": self.shared.organization, "email": email});
        let request = Request::new("POST", "/api/ledger/invitations").json(&asked);
        request.key(&format!("invite-{number}")).bearer(&self.shared.token).send(address)
    }

    /// One of them is to be found elsewhere now.
    pub fn is_at(&self, number: usize, address: SocketAddr) {
        self.shared.addresses.lock().unwrap()[number] = address;
    }

    pub fn done(&self) -> usize {
        self.shared.acknowledged.lock().unwrap().len()
    }

    pub fn acknowledged(&self) -> BTreeMap<String, String> {
        self.shared.acknowledged.lock().unwrap().clone()
    }
}

/// The invitation, if somebody said that it is made.
fn made(told: std::io::Result<Answer>) -> Option<String> {
    let answer = told.ok()?;
    match answer.status {
        201 => Some(answer.json()["invitation"]["id"].as_str().unwrap().to_owned()),
        503 => None,
        other => panic!("{other}: {}", answer.text()),
    }
}
