//! What is measured, in which order, and the table.

use crate::load::{Load, Make, Measured, answer};
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What is measured at unless said otherwise.
const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// What a line of the table measures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Bare,
    PlainCreate,
    SharedCreate,
    Create,
    Get,
    List,
    Accept,
}

impl What {
    /// In this order, so that a change of the machine's mood meets all of them.
    const ALL: [Self; 7] =
        [Self::Bare, Self::PlainCreate, Self::SharedCreate, Self::Create, Self::Get, Self::List, Self::Accept];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare handler, GET",
            Self::PlainCreate => "plain service, create",
            Self::SharedCreate => "on PostgreSQL, create",
            Self::Create => "ledger, create",
            Self::Get => "ledger, get",
            Self::List => "ledger, list of 25",
            Self::Accept => "ledger, accept",
        }
    }
}

/// Where the servers are, and what to use there.
struct Place {
    ledger: String,
    ceiling: String,
    /// Plain services on one database; empty when there is no Postgres to compare with.
    stock: Vec<String>,
    /// Services that share a log in PostgreSQL, with their organization and token; empty when there are none.
    shared: Vec<String>,
    shared_organization: String,
    shared_token: String,
    organization: String,
    token: String,
    /// Of a user who accepts; empty leaves accepts out.
    session: String,
    /// A part of the names of the lines to measure; empty for all.
    only: String,
    /// Connections to measure at, one line after the other.
    at: Vec<usize>,
    seconds: u64,
    /// Creates made before anything is measured at 64 connections once more; 0 for none.
    fill: u64,
    pid: String,
    numbers: Arc<AtomicU64>,
}

pub async fn run(settings: &[&str]) -> Result<(), Box<dyn Error>> {
    let given: HashMap<&str, &str> = settings.iter().filter_map(|s| s.split_once('=')).collect();
    let text = |name: &str| given.get(name).map_or_else(String::new, |v| (*v).to_owned());
    let number = |name: &str, default: u64| given.get(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let listed =
        |name: &str| text(name).split(',').filter(|address| !address.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let ledger = text("ledger");
    let session = match given.get("user").and_then(|user| user.split_once(':')) {
        Some((email, password)) => log_in(&ledger, email, password).await?,
        None => String::new(),
    };
    let place = Place {
        ledger,
        session,
        ceiling: text("ceiling"),
        stock: listed("stock"),
        shared: listed("shared"),
        shared_organization: text("shared_organization"),
        shared_token: text("shared_token"),
        organization: text("organization"),
        token: text("token"),
        only: text("only"),
        at: match listed("at").iter().filter_map(|at| at.parse().ok()).collect::<Vec<_>>() {
            none if none.is_empty() => CONNECTIONS.to_vec(),
            given => given,
        },
        seconds: number("seconds", 5),
        fill: number("fill", 0),
        pid: text("pid"),
        numbers: Arc::new(AtomicU64::new(number("first", 0))),
    };
    let mut out = std::io::stdout();
    writeln!(out, "| what | connections | per second | p50 ms | p99 ms | ledger's CPU µs each | other answers |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for connections in place.at.iter().copied() {
        for what in What::ALL.into_iter().filter(|what| place.has(*what)) {
            let load = place.load(what, connections).await?;
            place.measure(what.name(), &load).await?;
        }
    }
    writeln!(out, "\nresident memory of the ledger: {}", memory(&place.pid))?;
    if place.fill > 0 { place.filled().await } else { Ok(()) }
}

fn memory(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|l| l.strip_prefix("VmRSS:")).map_or_else(|| "unknown".to_owned(), |v| v.trim().to_owned())
}

/// Processor time a process has taken, user and system, in microseconds; what
/// is read off it is steadier than rates are on a machine that others use too.
fn processor_time(pid: &str) -> Option<u64> {
    /// Linux' `USER_HZ` on every machine it runs on today.
    const TICK_US: u64 = 10_000;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?) * TICK_US)
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{headers}{length}\r\n{body}").into_bytes()
}

fn body_of(answer: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body))
}

async fn ask(address: &str, request: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut buffer = vec![];
    answer(&mut stream, &mut buffer).await?;
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}

/// A session's token, taken out of the platform dialect's cookie.
async fn log_in(address: &str, email: &str, password: &str) -> Result<String, Box<dyn Error>> {
    let body = format!("{{\"email\":\"{email}\",\"password\":\"{password}\"}}");
    let answer = ask(address, &request("POST", "/api/login", "content-type: application/json\r\n", &body)).await?;
    let token = answer.split_once("AtmoAuthToken_default=").and_then(|(_, rest)| rest.split_once(';'));
    Ok(token.ok_or("the log-in gave no session")?.0.to_owned())
}

impl Place {
    fn has(&self, what: What) -> bool {
        let there = match what {
            What::Bare => !self.ceiling.is_empty(),
            What::PlainCreate => !self.stock.is_empty(),
            What::SharedCreate => !self.shared.is_empty(),
            What::Accept => !self.session.is_empty(),
            What::Create | What::Get | What::List => true,
        };
        there && what.name().contains(&self.only)
    }

    async fn load(&self, what: What, connections: usize) -> Result<Load, Box<dyn Error>> {
        let one = |address: &String| vec![address.clone()];
        let (addresses, expect, make) = match what {
            What::Bare => (one(&self.ceiling), 200, always(request("GET", "/bare", "", ""))),
            What::PlainCreate => (self.stock.clone(), 201, plain()),
            What::SharedCreate => (self.shared.clone(), 201, create(&self.shared_organization, &self.shared_token)),
            What::Create => (one(&self.ledger), 201, self.create()),
            What::Get => (one(&self.ledger), 200, self.get().await?),
            What::List => (one(&self.ledger), 200, always(request("GET", &self.invites(), &bearer(&self.token), ""))),
            What::Accept => (one(&self.ledger), 200, self.accept().await?),
        };
        let lasts = Duration::from_secs(self.seconds);
        Ok(Load { addresses, connections, lasts, expect, make, keep: false })
    }

    /// Runs a load and prints its line.
    async fn measure(&self, what: &str, load: &Load) -> Result<(), Box<dyn Error>> {
        let before = processor_time(&self.pid);
        let m: Measured = load.run(&self.numbers).await?;
        let took = before.zip(processor_time(&self.pid)).map(|(before, after)| after - before);
        let each = took
            .filter(|_| load.addresses[0] == self.ledger)
            .map_or_else(String::new, |took| (took / (m.answers + m.others).max(1)).to_string());
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let mut out = std::io::stdout();
        let (connections, others) = (load.connections, m.others);
        let (p50, p99) = (ms(m.p50), ms(m.p99));
        writeln!(out, "| {what} | {connections} | {:.0} | {p50:.2} | {p99:.2} | {each} | {others} |", m.per_second)?;
        if let Some(other) = &m.first_other {
            writeln!(out, "first other answer: {other}")?;
        }
        Ok(out.flush()?)
    }

    fn invites(&self) -> String {
        invites(&self.organization)
    }

    fn create(&self) -> Make {
        create(&self.organization, &self.token)
    }

    /// Gets one invitation that is made for it.
    async fn get(&self) -> Result<Make, Box<dyn Error>> {
        let make = self.create()(self.numbers.fetch_add(1, Relaxed)).ok_or("nothing to create")?;
        let made = body_of(&ask(&self.ledger, &make).await?)?;
        let id = made["data"]["id"].as_str().ok_or("a create gave no id")?;
        Ok(always(request("GET", &format!("{}/{id}", self.invites()), &bearer(&self.token), "")))
    }

    /// Accepts invitations that are made for it, each once.
    async fn accept(&self) -> Result<Make, Box<dyn Error>> {
        let mut creates = self.load_creates(true);
        creates.lasts = Duration::from_secs(self.seconds);
        let headers = format!("content-type: application/vnd.api+json\r\n{}", bearer(&self.session));
        let mut requests = vec![];
        for answer in creates.run(&self.numbers).await?.kept {
            let made = body_of(&answer)?;
            let (Some(id), Some(code)) = (made["data"]["id"].as_str(), made["data"]["attributes"]["code"].as_str())
            else {
                return Err("a create gave no id or no code".into());
            };
            let body =
                format!("{{\"data\":{{\"type\":\"organization_invites\",\"attributes\":{{\"code\":\"{code}\"}}}}}}");
            requests.push(request("PUT", &format!("{}/{id}/accept", self.invites()), &headers, &body));
        }
        let next = AtomicUsize::new(0);
        Ok(Arc::new(move |_| requests.get(next.fetch_add(1, Relaxed)).cloned()))
    }

    fn load_creates(&self, keep: bool) -> Load {
        let (addresses, lasts) = (vec![self.ledger.clone()], Duration::from_secs(5));
        Load { addresses, connections: 64, lasts, expect: 201, make: self.create(), keep }
    }

    /// Creates until there are `fill` more, saying how fast on the way; then measures once
    /// more, the bare handler too: it tells what is the machine's mood and what is the number.
    async fn filled(&self) -> Result<(), Box<dyn Error>> {
        let first = self.numbers.load(Relaxed);
        let mut next = first + self.fill.div_ceil(20);
        while self.numbers.load(Relaxed) - first < self.fill {
            let measured = self.load_creates(false).run(&self.numbers).await?;
            if self.numbers.load(Relaxed) >= next {
                next += self.fill.div_ceil(20);
                let made = self.numbers.load(Relaxed);
                tell(&format!("{made} made, {:.0}/s, resident {}", measured.per_second, memory(&self.pid)))?;
            }
        }
        for what in [What::Bare, What::Create, What::Get, What::List] {
            let load = self.load(what, 64).await?;
            self.measure(&format!("{}, filled", what.name()), &load).await?;
        }
        let made = self.numbers.load(Relaxed);
        writeln!(std::io::stdout(), "after {made} requests: resident memory {}", memory(&self.pid))?;
        Ok(())
    }
}

fn invites(organization: &str) -> String {
    format!("/api/v2/organizations/{organization}/invites")
}

fn create(organization: &str, token: &str) -> Make {
    let path = invites(organization);
    let headers = format!("content-type: application/vnd.api+json\r\n{}", bearer(token));
    Arc::new(move |n| {
        let body = format!(
            "{{\"data\":{{\"type\":\"organization_invites\",\"attributes\":{{\"recipient_email\":\"n{n}@example.org\",\"invite_user_as\":\"member\"}}}}}}"
        );
        Some(request("POST", &path, &headers, &body))
    })
}

fn tell(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "{text}")
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn always(request: Vec<u8>) -> Make {
    Arc::new(move |_| Some(request.clone()))
}

fn plain() -> Make {
    Arc::new(|n| {
        let body = format!("{{\"email\":\"p{n}@example.org\"}}");
        Some(request("POST", "/organizations/o1/invites", "content-type: application/json\r\n", &body))
    })
}
