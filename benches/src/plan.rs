//! What is measured, in which order, and the table.

use crate::load::{Load, Make, Measured, answer};
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// Where the servers are, and what to use there.
struct Place {
    ledger: String,
    ceiling: String,
    /// Empty when there is no Postgres to compare with.
    stock: String,
    organization: String,
    token: String,
    seconds: u64,
    /// Creates made before anything is measured at 64 connections once more; 0 for none.
    fill: u64,
    pid: String,
}

pub async fn run(settings: &[&str]) -> Result<(), Box<dyn Error>> {
    let given: HashMap<&str, &str> = settings.iter().filter_map(|s| s.split_once('=')).collect();
    let text = |name: &str| given.get(name).map_or_else(String::new, |v| (*v).to_owned());
    let number = |name: &str, default: u64| given.get(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let place = Place {
        ledger: text("ledger"),
        ceiling: text("ceiling"),
        stock: text("stock"),
        organization: text("organization"),
        token: text("token"),
        seconds: number("seconds", 5),
        fill: number("fill", 0),
        pid: text("pid"),
    };
    let numbers = Arc::new(AtomicU64::new(number("first", 0)));
    let mut out = std::io::stdout();
    writeln!(out, "| what | connections | per second | p50 ms | p99 ms | other answers |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    // In turn, so that a change of the machine's mood meets all of them.
    for connections in CONNECTIONS {
        line(
            "bare handler, GET",
            connections,
            &place.load(&place.ceiling, connections, 200, bare()).run(&numbers).await?,
        )?;
        if !place.stock.is_empty() {
            line(
                "plain service, create",
                connections,
                &place.load(&place.stock, connections, 201, plain()).run(&numbers).await?,
            )?;
        }
        line(
            "ledger, create",
            connections,
            &place.load(&place.ledger, connections, 201, place.create()).run(&numbers).await?,
        )?;
        let get = place.get(&numbers).await?;
        line("ledger, get", connections, &place.load(&place.ledger, connections, 200, get).run(&numbers).await?)?;
        line(
            "ledger, list",
            connections,
            &place.load(&place.ledger, connections, 200, place.list()).run(&numbers).await?,
        )?;
    }
    writeln!(out, "\nresident memory of the ledger: {}", memory(&place.pid))?;
    if place.fill > 0 {
        let before = numbers.load(Relaxed);
        while numbers.load(Relaxed) - before < place.fill {
            place.load(&place.ledger, 64, 201, place.create()).run(&numbers).await?;
        }
        line("ledger, create, filled", 64, &place.load(&place.ledger, 64, 201, place.create()).run(&numbers).await?)?;
        writeln!(out, "after {} invitations: resident memory {}", numbers.load(Relaxed), memory(&place.pid))?;
    }
    Ok(())
}

fn line(what: &str, connections: usize, m: &Measured) -> std::io::Result<()> {
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| {what} | {connections} | {:.0} | {:.2} | {:.2} | {} |",
        m.per_second,
        ms(m.p50),
        ms(m.p99),
        m.others
    )?;
    if let Some(other) = &m.first_other {
        writeln!(out, "first other answer: {other}")?;
    }
    out.flush()
}

fn memory(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|l| l.strip_prefix("VmRSS:")).map_or_else(|| "unknown".to_owned(), |v| v.trim().to_owned())
}

fn bare() -> Make {
    Arc::new(|_| b"GET /bare HTTP/1.1\r\nhost: bench\r\n\r\n".to_vec())
}

fn plain() -> Make {
    Arc::new(|n| {
        post("/organizations/o1/invites", "application/json", "", &format!("{{\"email\":\"p{n}@example.org\"}}"))
    })
}

fn post(path: &str, kind: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {kind}\r\n{more}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Place {
    fn load(&self, address: &str, connections: usize, expect: u16, make: Make) -> Load {
        Load { address: address.to_owned(), connections, lasts: Duration::from_secs(self.seconds), expect, make }
    }

    fn invites(&self) -> String {
        format!("/api/v2/organizations/{}/invites", self.organization)
    }

    fn create(&self) -> Make {
        let (path, bearer) = (self.invites(), format!("authorization: Bearer {}\r\n", self.token));
        Arc::new(move |n| {
            let body = format!(
                "{{\"data\":{{\"type\":\"organization_invites\",\"attributes\":{{\"recipient_email\":\"n{n}@example.org\",\"invite_user_as\":\"member\"}}}}}}"
            );
            post(&path, "application/vnd.api+json", &bearer, &body)
        })
    }

    fn list(&self) -> Make {
        let request =
            format!("GET {} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\r\n", self.invites(), self.token);
        Arc::new(move |_| request.clone().into_bytes())
    }

    /// Gets one invitation that is made for it.
    async fn get(&self, numbers: &AtomicU64) -> Result<Make, Box<dyn Error>> {
        let mut stream = TcpStream::connect(&self.ledger).await?;
        stream.write_all(&self.create()(numbers.fetch_add(1, Relaxed))).await?;
        let mut buffer = vec![];
        answer(&mut stream, &mut buffer).await?;
        let text = String::from_utf8_lossy(&buffer);
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").map_or("", |(_, body)| body))?;
        let id = body["data"]["id"].as_str().ok_or("a create gave no id")?.to_owned();
        let request = format!(
            "GET {}/{id} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\r\n",
            self.invites(),
            self.token
        );
        Ok(Arc::new(move |_| request.clone().into_bytes()))
    }
}
