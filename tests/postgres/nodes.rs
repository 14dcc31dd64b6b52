//! Several services on one database: to whoever asks they are one, whichever answers.

use crate::cluster::{Cluster, Database};
use crate::support::post_office::{Mood, PostOffice};
use crate::support::program::Program;
use crate::support::wire::Request;
use crate::support::{Browser, Client, Letter, PASSWORD};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whoever sends mail and dies, or stands still, is followed by another within that.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);
/// A session that has ended at one service is refused by the others from then on.
const REFUSED_WITHIN: Duration = Duration::from_millis(1_500);

pub struct Nodes {
    pub programs: Vec<Program>,
    folders: Vec<TempDir>,
    /// The address of the database, as each of them has it.
    pub urls: Vec<String>,
    turn: Cell<usize>,
    pub token: String,
}

impl Nodes {
    pub fn start(count: usize, database: &Database) -> Self {
        Self::at(vec![database.url(); count], &[])
    }

    pub fn at(urls: Vec<String>, more: &[&str]) -> Self {
        let folders: Vec<TempDir> = urls.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let each = folders.iter().zip(&urls);
        let programs: Vec<Program> = each.map(|(folder, url)| start(folder.path(), url, more)).collect();
        let token = std::fs::read_to_string(programs[0].data.join("admin-token")).unwrap().trim().to_owned();
        Self { programs, folders, urls, turn: Cell::new(0), token }
    }

    /// The next in turn, as a proxy would choose it.
    pub fn next(&self) -> SocketAddr {
        let turn = self.turn.replace(self.turn.get() + 1);
        self.programs[turn % self.programs.len()].address
    }

    /// The operator, at the next service.
    pub fn deployment(&self) -> Client {
        Client::new(self.next(), Some(&self.token))
    }

    pub fn everywhere(&self) -> impl Iterator<Item = Client> {
        self.programs.iter().map(|program| Client::new(program.address, Some(&self.token)))
    }

    /// Every mail that any of them has written.
    pub fn letters(&self) -> Vec<Letter> {
        self.folders.iter().flat_map(|folder| Letter::read_all(&outbox(folder.path()))).collect()
    }

    /// The service that has written the newest mail.
    fn sender(&self, to: &str) -> Option<usize> {
        let has = |folder: &TempDir| Letter::read_all(&outbox(folder.path())).iter().any(|letter| letter.to == to);
        self.folders.iter().position(has)
    }

    /// Starts one anew on its folder.
    pub fn start_again(&mut self, number: usize) {
        self.programs[number] = start(self.folders[number].path(), &self.urls[number], &[]);
    }

    /// So many mails has one of them written.
    pub fn written_by(&self, number: usize) -> usize {
        std::fs::read_dir(outbox(self.folders[number].path())).map_or(0, Iterator::count)
    }

    fn invite(&self, organization: &Value, email: &str) -> Value {
        let asked = json!({"kind": "organization", "organization": organization, "email": email});
        self.deployment().post("/api/ledger/invitations", &asked).expect(201).json()["invitation"].clone()
    }

    /// Waits until the mail to somebody is there, and tells who sent it.
    fn sent(&self, to: &str, within: Duration) -> usize {
        let begun = Instant::now();
        loop {
            if let Some(sender) = self.sender(to) {
                return sender;
            }
            assert!(begun.elapsed() < within, "nobody sends to {to}: {}", self.words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What they have said about leases, and as warnings.
    pub fn worries(&self) -> String {
        self.words()
            .lines()
            .filter(|line| !line.contains(" INFO ") || line.contains("lease"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn words(&self) -> String {
        self.programs.iter().map(Program::words).collect::<Vec<_>>().join("\n----\n")
    }
}

fn start(folder: &Path, url: &str, more: &[&str]) -> Program {
    Program::start(folder, &[&["--store", url], more].concat())
}

fn outbox(folder: &Path) -> std::path::PathBuf {
    folder.join("data").join("outbox")
}

/// So often each mail was written, by message id: more than once only where nobody can know.
fn copies(letters: &[Letter]) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for letter in letters {
        *copies.entry(letter.message_id.clone()).or_default() += 1;
    }
    copies
}

fn emails(page: &Value) -> BTreeSet<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["email"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_story_is_told_with_each_request_at_another_service() {
    a_story_on(&Cluster::shared().database());
}

#[test]
fn through_a_pooler_in_transaction_mode_the_same_story_is_told() {
    a_story_on(&Cluster::pooled().database());
}

fn a_story_on(database: &Database) {
    let nodes = Nodes::start(3, database);
    let organization = nodes.deployment().post("/api/ledger/organizations", &json!({"name": "Acme"})).expect(201);
    let organization = organization.json()["id"].clone();

    // What one has acknowledged the next one shows.
    let mut invited = BTreeSet::new();
    for number in 0..12 {
        let email = format!("guest-{number}@guests.example");
        let made = nodes.invite(&organization, &email);
        invited.insert(email);
        let listed = nodes.deployment().get("/api/ledger/invitations?state=all&size=100").expect(200).json();
        assert_eq!(emails(&listed), invited, "at the next service");
        let shown = nodes.deployment().get(&format!("/api/ledger/invitations/{}", made["id"].as_str().unwrap()));
        assert_eq!(shown.expect(200).json()["id"], made["id"]);
    }

    // A claim, and an idempotency key, are those of all.
    let again = json!({"kind": "organization", "organization": organization, "email": "guest-0@guests.example"});
    assert_eq!(nodes.deployment().post("/api/ledger/invitations", &again).status, 409);
    let ask = |email: &str| {
        let asked = json!({"kind": "organization", "organization": organization, "email": email});
        let request = Request::new("POST", "/api/ledger/invitations").json(&asked).key("the-same");
        nodes.deployment().send(request).expect(201).json()["invitation"]["id"].clone()
    };
    let ids: BTreeSet<String> = (0..4).map(|_| ask("keyed@guests.example").to_string()).collect();
    assert_eq!(ids.len(), 1);
    invited.insert("keyed@guests.example".to_owned());

    // Who waits for the provider's word hears it wherever the mail was sent.
    let calendar = nodes.deployment().post("/api/ledger/integrations", &json!({"name": "Calendar"})).expect(201);
    for number in 0..3 {
        let email = format!("waiting-{number}@guests.example");
        let asked = json!({"id": calendar.json()["id"], "email": email});
        let told = nodes.deployment().envelope("integrations/invitation_email", &asked).expect(200).text();
        assert!(told.contains("\"email_status\":\"sent\""), "{told}");
        invited.insert(email);
    }

    an_application_ends_everywhere_at_once(&nodes);

    // Each mail goes out once, whoever sends it.
    for email in &invited {
        nodes.sent(email, TAKEN_OVER_WITHIN);
    }
    let letters = nodes.letters();
    assert_eq!((letters.len(), copies(&letters).len()), (invited.len(), invited.len()));
    assert_eq!(database.run("SELECT count(*) FROM ledger.events WHERE event_type = 'EmailSent'"), "16");

    a_session_ends_everywhere(&nodes, &organization, &letters);
    what_others_did_counts_for_who_does_not_wait(&nodes);
}

/// What it may stands in the log, which every request has read to its end.
fn an_application_ends_everywhere_at_once(nodes: &Nodes) {
    let asked = json!({"name": "shop", "scopes": ["invites"]});
    let made = nodes.deployment().post("/api/ledger/applications", &asked).expect(201).json();
    let (id, token) = (made["application"]["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let told = || {
        let clients = nodes.programs.iter().map(|program| Client::new(program.address, Some(token)));
        clients.map(|client| client.get("/api/ledger/invitations").status).collect::<Vec<_>>()
    };
    assert_eq!(told(), [200; 3]);
    nodes.deployment().post(&format!("/api/ledger/applications/{id}/revoke"), &json!({})).expect(200);
    assert_eq!(told(), [401; 3]);
}

/// Each request goes to the next service as soon as the last one is answered. A program's invitations begin without
/// a look at where the log ends, and through a pooler a service hears of nothing by itself for half a second.
fn what_others_did_counts_for_who_does_not_wait(nodes: &Nodes) {
    for round in 0..nodes.programs.len() {
        let shop = json!({"name": "shop", "scopes": ["invites"]});
        let made = nodes.deployment().post("/api/ledger/applications", &shop).expect(201).json();
        let (id, token) = (made["application"]["id"].as_str().unwrap(), made["token"].as_str().unwrap());
        let acme = json!({"name": format!("Acme {round}")});
        let acme = nodes.deployment().post("/api/ledger/organizations", &acme).expect(201).json();
        let acme = acme["id"].as_str().unwrap().parse().unwrap();
        let invite = |email: &str| Client::new(nodes.next(), Some(token)).invite_document(acme, email, "member");
        let platform = || {
            let asked = json!({"EmailAddresses": [format!("late-{round}@platform.example")]});
            Client::new(nodes.next(), Some(token)).post("/api/users/invitations", &asked).status
        };

        let faulty = nodes.deployment().invite_document(acme, "one@late.example", "king");
        assert_eq!(faulty.status, 422, "who may not, or where nothing is, would be told first: {}", faulty.text());
        invite("one@late.example").expect(201);
        let taken = invite("one@late.example").expect(409).json();
        assert_eq!(taken["errors"][0]["code"], "already-invited", "{taken}");
        assert_eq!(platform(), 200);
        let keyed = || {
            let asked = json!({"EmailAddresses": [format!("keyed-{round}@platform.example")]});
            let request = Request::new("POST", "/api/users/invitations").json(&asked).key("once");
            Client::new(nodes.next(), Some(token)).send(request).status
        };
        assert_eq!(keyed(), 200);

        let events = || nodes.deployment().get("/api/ledger/status").expect(200).json()["position"].clone();
        nodes.deployment().post(&format!("/api/ledger/applications/{id}/revoke"), &json!({})).expect(200);
        assert_eq!(keyed(), 401, "it does not hear what it was answered before, either");
        let (refused, platform) = (invite("two@late.example").expect(401).json(), platform());
        assert_eq!(refused["errors"][0]["detail"], "the token is unknown or revoked");
        assert_eq!(platform, 401);
        let before = events();
        invite("three@late.example").expect(401);
        assert_eq!(events(), before);
    }
}

fn a_session_ends_everywhere(nodes: &Nodes, organization: &Value, letters: &[Letter]) {
    let (link, code) = letters.iter().find(|letter| letter.to == "guest-3@guests.example").unwrap().link();
    let registering = json!({"code": code, "name": "Guest", "password": PASSWORD});
    Client::new(nodes.next(), None).post(&format!("{link}/register"), &registering).expect(200);
    let credentials = json!({"email": "guest-3@guests.example", "password": PASSWORD});
    let logged_in = Client::new(nodes.next(), None).post("/api/login", &credentials).expect(200);
    let browser = |address| Browser::of(address, "default", &logged_in);
    let session = browser(nodes.next()).session().to_owned();
    let target = format!("/api/v2/organizations/{}/invites", organization.as_str().unwrap());
    let told = || {
        let asked = nodes.programs.iter().map(|program| Client::new(program.address, Some(&session)).get(&target));
        asked.map(|answer| answer.status).collect::<Vec<_>>()
    };
    assert_eq!(told(), [200; 3]);
    let out = browser(nodes.next()).write("POST", "/api/logout", &json!({}));
    assert_eq!(out.status, 200, "{}", out.text());
    let begun = Instant::now();
    while told() != [401; 3] {
        assert!(begun.elapsed() < REFUSED_WITHIN, "{:?}", told());
    }
}

#[test]
fn when_the_service_that_sends_dies_or_stands_still_another_one_sends() {
    another_one_sends_on(&Cluster::shared().database());
}

#[test]
fn through_a_pooler_another_one_sends_as_well() {
    another_one_sends_on(&Cluster::pooled().database());
}

fn another_one_sends_on(database: &Database) {
    let mut nodes = Nodes::start(3, database);
    let organization = nodes.deployment().post("/api/ledger/organizations", &json!({"name": "Acme"})).expect(201);
    let organization = organization.json()["id"].clone();
    nodes.invite(&organization, "first@guests.example");
    let first = nodes.sent("first@guests.example", TAKEN_OVER_WITHIN);

    // Killed: what it was to send is sent by another.
    nodes.programs[first].signal("KILL");
    let killed = nodes.programs.remove(first);
    let folder = nodes.folders.remove(first);
    nodes.invite(&organization, "second@guests.example");
    let second = nodes.sent("second@guests.example", TAKEN_OVER_WITHIN);

    // Stopped with all it knows: the last one sends, and the sleeper, once awake, does not send it again.
    nodes.programs[second].stand_still();
    let stopped = nodes.programs.remove(second);
    let stopped_folder = nodes.folders.remove(second);
    nodes.invite(&organization, "third@guests.example");
    nodes.sent("third@guests.example", TAKEN_OVER_WITHIN);
    stopped.signal("CONT");
    stopped.comes_to("it knows that another one has its lease", || stopped.words().contains("taken by another node"));
    nodes.invite(&organization, "fourth@guests.example");
    nodes.sent("fourth@guests.example", TAKEN_OVER_WITHIN);
    let mut letters = nodes.letters();
    for gone in [&folder, &stopped_folder] {
        letters.extend(Letter::read_all(&outbox(gone.path())));
    }
    assert_eq!((letters.len(), copies(&letters).len()), (4, 4));
    let results = || database.run("SELECT count(*) FROM ledger.events WHERE event_type = 'EmailSent'");
    stopped.comes_to("all results are in the log", || results() == "4");
    drop(killed);
}

#[test]
fn an_operator_may_ask_any_service_to_send_a_mail_now() {
    let (database, office) = (Cluster::shared().database(), PostOffice::open(Mood::Later));
    let nodes = Nodes::at(vec![database.url(); 3], &["--mail", &office.url()]);
    let organization = nodes.deployment().post("/api/ledger/organizations", &json!({"name": "Acme"})).expect(201);
    for number in 0..3 {
        nodes.invite(&organization.json()["id"], &format!("guest-{number}@guests.example"));
    }
    let waiting = || {
        let page = nodes.deployment().get("/api/ledger/outbox").expect(200).json();
        let items = page["items"].as_array().unwrap().clone();
        let tried = items.into_iter().filter(|item| item["attempts"] == 1 && item["state"] == "queued");
        tried.map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    nodes.programs[0].comes_to("each was tried once, and is to be tried again in a minute", || waiting().len() == 3);
    office.is_now(Mood::Takes);
    let (begun, ids) = (Instant::now(), waiting());
    for (client, id) in nodes.everywhere().zip(&ids) {
        client.post(&format!("/api/ledger/outbox/{id}/retry"), &json!({})).expect(200);
    }
    while office.taken().len() < 3 {
        assert!(begun.elapsed() < TAKEN_OVER_WITHIN, "{}", nodes.words());
        std::thread::sleep(Duration::from_millis(20));
    }
    nodes.programs[0].comes_to("none is left", || {
        nodes.everywhere().all(|client| client.get("/api/ledger/status").json()["outbox"]["queued"] == 0)
    });
    assert_eq!(office.taken().len(), 3);
}
