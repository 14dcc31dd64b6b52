//! Callers that do not stop until the service does: they invite, accept and
//! cancel over the JSON:API dialect, and write down what they were told.

use crate::journal::{Accept, Cancel, Create, Invite, Journal, Outcome};
use crate::server::Server;
use crate::wire::{Answer, Connection, Request};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::thread::{scope, sleep};
use std::time::Duration;
use uuid::Uuid;

const CREATORS: usize = 8;
const ACCEPTORS: usize = 3;
const CANCELLERS: usize = 1;
/// Organizations made for one round.
const ORGANIZATIONS: usize = 6;
/// People who accept.
pub const USERS: usize = 8;
const PASSWORD: &str = "correct horse battery";
/// Of a hundred creates, how many repeat an address that is pending.
const DOOMED_PERCENT: u32 = 8;
const NOTHING_TO_DO: Duration = Duration::from_millis(1);

/// Who calls, in all rounds.
pub struct Callers {
    /// An application's token with the scope `invites`.
    pub application: String,
    pub users: Vec<User>,
}

pub struct User {
    pub id: Uuid,
    /// Of a session without an end.
    pub token: String,
}

impl Callers {
    pub fn make(server: &Server) -> Result<Self, String> {
        let asked = json!({"name": "load", "scopes": ["invites"]});
        let made = server.must(Request::new("POST", "/api/ledger/applications").json(&asked))?;
        let application = made["token"].as_str().ok_or("no application token")?.to_owned();
        let users = (0..USERS).map(|n| Self::user(server, n)).collect::<Result<_, _>>()?;
        Ok(Self { application, users })
    }

    fn user(server: &Server, number: usize) -> Result<User, String> {
        let email = format!("user-{number}@people.example");
        let asked = json!({"email": email, "name": format!("User {number}"), "password": PASSWORD});
        let made = server.must(Request::new("POST", "/api/ledger/users").json(&asked))?;
        let id = id_of(&made)?;
        let asked = json!({"email": email, "password": PASSWORD, "remember_me": true});
        let answer = Request::new("POST", "/api/login").json(&asked).send(server.address).map_err(|e| e.to_string())?;
        let cookies = answer.headers("set-cookie");
        let token = cookies.iter().find_map(|cookie| cookie.strip_prefix("AtmoAuthToken_default="));
        let token = token.and_then(|rest| rest.split(';').next());
        let token = token.ok_or_else(|| format!("no log-in: {} {}", answer.status, answer.text()))?.to_owned();
        Ok(User { id, token })
    }
}

fn id_of(made: &Value) -> Result<Uuid, String> {
    made["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| format!("no id: {made}"))
}

/// What the callers of one round share.
struct Field<'a> {
    address: SocketAddr,
    callers: &'a Callers,
    organizations: Vec<Uuid>,
    /// Acknowledged and pending, for those who accept and cancel.
    pending: Mutex<Vec<Invite>>,
    /// Pairs of user and organization that are still free.
    seats: Mutex<Vec<(usize, Uuid)>>,
    over: AtomicBool,
    /// The power goes from here on: nobody would be told anything any more.
    dark: &'a AtomicBool,
    round: u32,
}

/// What one round is made from.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub number: u32,
    pub seed: u64,
}

/// Loads the service until `fall` returns, and hands out what was said.
pub fn run(
    server: &Server,
    callers: &Callers,
    Round { number: round, seed }: Round,
    fall: impl FnOnce(&AtomicBool) -> Result<(), String>,
) -> Result<Journal, String> {
    let organizations = (0..ORGANIZATIONS)
        .map(|n| {
            let asked = json!({"name": format!("Round {round} place {n}")});
            let made = server.must(Request::new("POST", "/api/ledger/organizations").json(&asked))?;
            id_of(&made)
        })
        .collect::<Result<Vec<Uuid>, String>>()?;
    let seats = (0..USERS).flat_map(|user| organizations.iter().map(move |o| (user, *o))).collect();
    let dark = AtomicBool::new(false);
    let field = Field {
        address: server.address,
        callers,
        organizations,
        pending: Mutex::default(),
        seats: Mutex::new(seats),
        over: AtomicBool::new(false),
        dark: &dark,
        round,
    };
    scope(|scope| {
        let field = &field;
        let rng = move |n: usize| StdRng::seed_from_u64(seed ^ (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut running = vec![];
        running.extend((0..CREATORS).map(|n| scope.spawn(move || field.create_on(n, rng(n)))));
        running.extend((0..ACCEPTORS).map(|n| scope.spawn(move || field.accept_on(rng(100 + n)))));
        running.extend((0..CANCELLERS).map(|n| scope.spawn(move || field.cancel_on(rng(200 + n)))));
        let fallen = fall(&dark);
        field.over.store(true, Relaxed);
        let mut journal = Journal::default();
        for caller in running {
            journal.merge(caller.join().map_err(|_| "a caller panicked".to_owned())?);
        }
        fallen.map(|()| journal)
    })
}

impl Field<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// After a cut the program still runs for a moment, as no program does
    /// without power: what it says then was never heard.
    fn ask(&self, connection: &mut Connection, request: &Request) -> io::Result<Answer> {
        let answer = connection.send(request)?;
        if self.dark.load(SeqCst) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(answer) }
    }

    fn create_on(&self, caller: usize, mut rng: StdRng) -> Journal {
        let (mut journal, mut known) = (Journal::default(), None::<(Uuid, String)>);
        let Ok(mut connection) = Connection::open(self.address) else { return journal };
        for number in 0.. {
            if self.is_over() {
                break;
            }
            let mut create = self.draw(&mut rng, (caller, number), known.as_ref());
            let asked = create_request(&create, &self.callers.application);
            let answer = self.ask(&mut connection, &asked);
            let fallen = answer.is_err();
            create.outcome = outcome(answer, &mut journal, |answer| invite_of(create.organization, &answer.json()));
            if let Outcome::Acknowledged(invite) = &create.outcome {
                known = Some((create.organization, create.email.clone()));
                self.pending.lock().unwrap().push(invite.clone());
            }
            journal.creates.push(create);
            if fallen {
                break;
            }
        }
        journal
    }

    /// With and without own ids and keys, now and then one that must be refused.
    fn draw(&self, rng: &mut StdRng, (caller, number): (usize, u32), known: Option<&(Uuid, String)>) -> Create {
        let doomed = known.is_some() && rng.gen_ratio(DOOMED_PERCENT, 100);
        let organization = self.organizations[rng.gen_range(0..self.organizations.len())];
        let fresh = format!("r{}-c{caller}-n{number}@guests.example", self.round);
        let (organization, email) = known.filter(|_| doomed).cloned().unwrap_or((organization, fresh));
        let key = rng.gen_bool(0.5).then(|| format!("round-{}-caller-{caller}-{number}", self.round));
        let id = (doomed || rng.gen_bool(0.5)).then(|| uuid::Builder::from_random_bytes(rng.r#gen()).into_uuid());
        Create { organization, email, id, key, doomed, outcome: Outcome::Unknown }
    }

    fn take(&self, rng: &mut StdRng) -> Option<Invite> {
        let mut pending = self.pending.lock().unwrap();
        if pending.is_empty() {
            return None;
        }
        let at = rng.gen_range(0..pending.len());
        Some(pending.swap_remove(at))
    }

    fn accept_on(&self, mut rng: StdRng) -> Journal {
        let mut journal = Journal::default();
        let Ok(mut connection) = Connection::open(self.address) else { return journal };
        while !self.is_over() {
            let Some((user, invite)) = self.take(&mut rng).and_then(|invite| Some((self.sit(&invite)?, invite))) else {
                sleep(NOTHING_TO_DO);
                continue;
            };
            let answer = self.ask(&mut connection, &accept_request(&invite, &self.callers.users[user].token));
            let fallen = answer.is_err();
            let outcome = outcome(answer, &mut journal, |_| Some(()));
            journal.accepts.push(Accept { invite, user, outcome });
            if fallen {
                break;
            }
        }
        journal
    }

    /// A user who is no member there yet.
    fn sit(&self, invite: &Invite) -> Option<usize> {
        let mut seats = self.seats.lock().unwrap();
        let at = seats.iter().position(|(_, organization)| *organization == invite.organization)?;
        Some(seats.swap_remove(at).0)
    }

    fn cancel_on(&self, mut rng: StdRng) -> Journal {
        let mut journal = Journal::default();
        let Ok(mut connection) = Connection::open(self.address) else { return journal };
        while !self.is_over() {
            let Some(invite) = self.take(&mut rng) else {
                sleep(NOTHING_TO_DO);
                continue;
            };
            let answer = self.ask(&mut connection, &cancel_request(&invite, &self.callers.application));
            let fallen = answer.is_err();
            let outcome = outcome(answer, &mut journal, |_| Some(()));
            journal.cancels.push(Cancel { invite, outcome });
            if fallen {
                break;
            }
        }
        journal
    }
}

/// Sorts an answer; what is no promise at all is told.
fn outcome<T>(
    answer: io::Result<Answer>,
    journal: &mut Journal,
    read: impl FnOnce(&Answer) -> Option<T>,
) -> Outcome<T> {
    let Ok(answer) = answer else { return Outcome::Unknown };
    match answer.status {
        503 => Outcome::Unknown,
        200..=299 => match read(&answer) {
            Some(value) => Outcome::Acknowledged(value),
            None => {
                journal.odd.push(format!("{} without what was asked: {}", answer.status, answer.text()));
                Outcome::Unknown
            }
        },
        400..=499 => Outcome::Refused(answer.status),
        _ => {
            journal.odd.push(format!("{} {}", answer.status_line, answer.text()));
            Outcome::Unknown
        }
    }
}

pub fn invite_of(organization: Uuid, document: &Value) -> Option<Invite> {
    let id = document["data"]["id"].as_str()?.parse().ok()?;
    let code = document["data"]["attributes"]["code"].as_str()?.to_owned();
    Some(Invite { organization, id, code })
}

pub fn create_request(create: &Create, token: &str) -> Request {
    let attributes = json!({"recipient_email": create.email, "invite_user_as": "member"});
    let mut data = json!({"type": "organization_invites", "attributes": attributes});
    if let Some(id) = create.id {
        data["id"] = json!(id.to_string());
    }
    let request = Request::new("POST", &format!("/api/v2/organizations/{}/invites", create.organization));
    let request = request.bearer(token).document(&json!({"data": data}));
    match &create.key {
        Some(key) => request.key(key),
        None => request,
    }
}

pub fn accept_request(invite: &Invite, token: &str) -> Request {
    let Invite { organization, id, code } = invite;
    let request = Request::new("PUT", &format!("/api/v2/organizations/{organization}/invites/{id}/accept"));
    let data = json!({"type": "organization_invites", "id": id.to_string(), "attributes": {"code": code}});
    request.bearer(token).document(&json!({"data": data}))
}

pub fn cancel_request(invite: &Invite, token: &str) -> Request {
    Request::new("DELETE", &format!("/api/v2/organizations/{}/invites/{}", invite.organization, invite.id))
        .bearer(token)
}
