//! Starting, stopping and asking the service.

use super::wire::{Answer, Request};
use super::{Client, Event, Letter, PASSWORD, User};
use domain::{Clock, Timestamp};
use invitation_ledger::clock::ManualClock;
use invitation_ledger::serve::Running;
use invitation_ledger::settings::{Settings, Sources};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// When every test begins: 2025-06-15T15:06:40Z.
pub const BEGINNING: i64 = 1_750_000_000;
/// What links in mails begin with.
pub const PUBLIC_URL: &str = "http://ledger.example";
/// Mails are written within that real time, or something is wrong.
const MAIL_WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

pub struct House {
    /// By name, as they were given.
    given: Vec<(String, String)>,
    settings: Settings,
    running: Option<Running>,
    runtime: Runtime,
    pub clock: Arc<ManualClock>,
    pub address: SocketAddr,
    token: String,
    dead_letters: u64,
    folder: TempDir,
}

impl House {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With settings by name, on top of those that tests need.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        // A disk that the whole suite writes to takes its time; who waits for a mail gets it.
        let patient = ("mail_wait_seconds", "60");
        let own = [("data", data.as_str()), ("listen", "127.0.0.1:0"), ("public_url", PUBLIC_URL), patient];
        let given = with(own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), settings);
        let settings = resolve(&given);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(BEGINNING)));
        let running = runtime.block_on(Running::start(&settings, clock.clone())).unwrap();
        let token = std::fs::read_to_string(settings.data.join("admin-token")).unwrap().trim().to_owned();
        let address = running.address;
        Self { given, settings, running: Some(running), runtime, clock, address, token, dead_letters: 0, folder }
    }

    /// Stops it as a signal would, and starts it on the same folder.
    pub fn restart(&mut self) {
        self.restart_after(|_| {});
    }

    /// The same, and something happens to its data folder meanwhile.
    pub fn restart_after(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.stop();
        meanwhile(&self.settings.data);
        let running = self.runtime.block_on(Running::start(&self.settings, self.clock.clone())).unwrap();
        self.address = running.address;
        self.running = Some(running);
    }

    /// The same with other settings from now on.
    pub fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.stop();
        self.given = with(std::mem::take(&mut self.given), settings);
        self.settings = resolve(&self.given);
        self.restart();
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }

    /// The inside, for what has no route.
    pub fn inside(&self) -> &invitation_ledger::serve::House {
        &self.running.as_ref().unwrap().house
    }

    /// A file of the data folder, as another program would open it.
    pub fn database(&self, name: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join(name)).unwrap()
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn data(&self) -> PathBuf {
        self.settings.data.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    pub fn send(&self, request: &Request) -> Answer {
        request.send(self.address).unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.target))
    }

    /// Nobody: no token, no cookie.
    pub fn visitor(&self) -> Client {
        Client::new(self.address, None)
    }

    /// The one outside tenants.
    pub fn deployment(&self) -> Client {
        Client::new(self.address, Some(&self.token))
    }

    pub fn application(&self, scopes: &[&str]) -> Client {
        let asked = json!({"name": format!("application for {}", scopes.join(" ")), "scopes": scopes});
        let made = self.deployment().post("/api/ledger/applications", &asked).expect(201).json();
        Client::new(self.address, Some(made["token"].as_str().unwrap()))
    }

    /// An account with [`PASSWORD`] and nothing else, logged in.
    pub fn user(&self, email: &str) -> User {
        self.user_with(email, &json!({}))
    }

    /// An account with more: `client`, `liaison`, `administrator`.
    pub fn user_with(&self, email: &str, more: &Value) -> User {
        let mut asked = json!({"email": email, "name": email.split('@').next(), "password": PASSWORD});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.deployment().post("/api/ledger/users", &asked).expect(201).json();
        User::log_in(self.address, id_of(&made), email, PASSWORD)
    }

    pub fn administrator(&self, email: &str) -> User {
        self.user_with(email, &json!({"administrator": true}))
    }

    /// A user who is admin of that organization alone.
    pub fn admin_of(&self, organization: Uuid, email: &str) -> User {
        self.member_of(organization, email, "admin")
    }

    pub fn member_of(&self, organization: Uuid, email: &str, role: &str) -> User {
        let user = self.user(email);
        let place = format!("/api/ledger/organizations/{organization}/members/{}", user.id);
        self.deployment().put(&place, &json!({"role": role})).expect(200);
        user
    }

    pub fn organization(&self, name: &str) -> Uuid {
        let asked = json!({"name": name});
        id_of(&self.deployment().post("/api/ledger/organizations", &asked).expect(201).json())
    }

    /// Answers the integer that callers know it by.
    pub fn integration(&self, name: &str) -> u64 {
        let asked = json!({"name": name});
        let made = self.deployment().post("/api/ledger/integrations", &asked).expect(201).json();
        made["id"].as_u64().unwrap_or_else(|| panic!("no integer id: {made}"))
    }

    /// Every event there is, of all tenants, personal members in clear.
    pub fn log(&self) -> Vec<Event> {
        self.log_after(0)
    }

    pub fn log_after(&self, position: u64) -> Vec<Event> {
        let target = format!("/api/ledger/log/export?every_tenant=true&personal=true&after={position}");
        Event::lines(&self.deployment().get(&target).expect(200).text())
    }

    pub fn head(&self) -> u64 {
        self.inside().ledger().head()
    }

    /// Waits until every mail that the log asks for is sent or given up; where none is sent, for nothing.
    pub fn deliver(&self) {
        if !self.inside().delivery().sends() {
            return;
        }
        let begun = Instant::now();
        loop {
            let (ledger, outbox) = (self.inside().ledger(), self.inside().delivery().figures());
            if outbox.cursor >= ledger.head() && outbox.queued + outbox.sending == 0 {
                return;
            }
            assert!(begun.elapsed() < MAIL_WAIT, "mails are still waiting: {outbox:?}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// All mails on disk, in no order.
    pub fn letters(&self) -> Vec<Letter> {
        self.deliver();
        Letter::read_all(&self.data().join("outbox"))
    }

    /// The only mail to that address.
    #[track_caller]
    pub fn letter_to(&self, email: &str) -> Letter {
        let mut found = self.letters_to(email);
        assert_eq!(found.len(), 1, "mails to {email}");
        found.remove(0)
    }

    pub fn letters_to(&self, email: &str) -> Vec<Letter> {
        self.letters().into_iter().filter(|letter| letter.to == email).collect()
    }

    /// The test means that so many mails are given up.
    pub fn expect_dead_letters(&mut self, count: u64) {
        self.dead_letters = count;
    }
}

/// Settings by name; those given later win.
fn with(mut given: Vec<(String, String)>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    for (name, value) in more {
        given.retain(|(known, _)| known != name);
        given.push(((*name).to_owned(), (*value).to_owned()));
    }
    given
}

fn resolve(given: &[(String, String)]) -> Settings {
    let flags = given.iter().map(|(name, value)| (name.clone(), format!("--{name}"), value.clone())).collect();
    Settings::resolve(&Sources { flags, ..Sources::default() }).unwrap()
}

pub fn id_of(made: &Value) -> Uuid {
    made["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {made}"))
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if self.running.is_some() {
            self.deliver();
            let dead = self.inside().delivery().figures().dead;
            assert_eq!(dead, self.dead_letters, "mails given up; say `expect_dead_letters` where that is meant");
        }
        self.stop();
    }
}
