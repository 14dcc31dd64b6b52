//! The mails on disk against the log: at most one file per invitation and
//! generation, and in the end one for each that is still wanted, or a dead
//! letter that operators see.

use crate::ledger::Line;
use crate::server::Server;
use crate::wire::Request;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The whole outbox is sent after that long.
const DRAIN_WAIT: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How many mails invite through each link.
fn letters(folder: &Path) -> Result<BTreeMap<Uuid, usize>, String> {
    let mut found = BTreeMap::<Uuid, usize>::new();
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        // A half written one has another name, and counts for nothing.
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).map_err(told)?).into_owned();
        let link = text.split("/i/").nth(1).and_then(|rest| rest.get(..36)).and_then(|id| id.parse().ok());
        let link = link.ok_or_else(|| format!("{} has no link: it is not whole", path.display()))?;
        *found.entry(link).or_default() += 1;
    }
    Ok(found)
}

/// What holds at any time, a fall included.
pub fn faults(lines: &[Line], folder: &Path) -> Result<Vec<String>, String> {
    let mut faults = vec![];
    let links: BTreeSet<Uuid> = created(lines).filter_map(|line| line.uuid("link")).collect();
    // Read after the log: a mail may have gone out since, but none before its event.
    for (link, count) in letters(folder)?.into_iter().filter(|(link, _)| links.contains(link)) {
        if count > 1 {
            faults.push(format!("{count} mails invite through {link}"));
        }
    }
    let mut results = BTreeMap::<(Uuid, u64), usize>::new();
    for line in lines.iter().filter(|line| line.is("invitation", "EmailSent")) {
        let generation = line.payload["generation"].as_u64().unwrap_or_default();
        *results.entry((line.aggregate(), generation)).or_default() += 1;
    }
    for ((invitation, generation), count) in results.into_iter().filter(|(_, count)| *count > 1) {
        faults.push(format!("{invitation} says {count} times that mail {generation} was sent"));
    }
    Ok(faults)
}

fn created(lines: &[Line]) -> impl Iterator<Item = &Line> {
    lines.iter().filter(|line| line.is("invitation", "Created"))
}

/// Waits until the outbox has read the whole log and nothing is queued; answers
/// how many mails were given up.
pub fn drain(server: &Server) -> Result<u64, String> {
    let begun = Instant::now();
    loop {
        let status = server.must(Request::new("GET", "/api/ledger/status"))?;
        let outbox = &status["outbox"];
        let count = |state: &str| outbox[state].as_u64().ok_or_else(|| format!("no {state} in {outbox}"));
        let metrics = server.call(Request::new("GET", "/metrics"))?.text();
        let read = metrics.lines().find_map(|line| line.strip_prefix("invitation_ledger_outbox_position "));
        if read == Some(status["head"].to_string().as_str()) && count("queued")? + count("sending")? == 0 {
            return count("dead");
        }
        if begun.elapsed() > DRAIN_WAIT {
            return Err(format!("mails are still waiting after {DRAIN_WAIT:?}: {outbox}"));
        }
        sleep(LOOK_AGAIN);
    }
}

/// What holds once nothing waits any more: whoever is still invited has a mail.
pub fn faults_at_the_end(lines: &[Line], folder: &Path) -> Result<Vec<String>, String> {
    let mut faults = faults(lines, folder)?;
    let letters = letters(folder)?;
    let over: BTreeSet<Uuid> = ["Accepted", "Cancelled", "Declined", "Expired"]
        .iter()
        .flat_map(|kind| lines.iter().filter(move |line| line.is("invitation", kind)))
        .map(Line::aggregate)
        .collect();
    let sent: BTreeSet<Uuid> =
        lines.iter().filter(|line| line.is("invitation", "EmailSent")).map(Line::aggregate).collect();
    for line in created(lines) {
        let (id, link) = (line.aggregate(), line.uuid("link").unwrap_or_default());
        let has_mail = letters.contains_key(&link);
        if !over.contains(&id) && !(has_mail && sent.contains(&id)) {
            faults.push(format!("{id} is pending, but its mail is not there (file: {has_mail})"));
        }
        if sent.contains(&id) && !has_mail {
            faults.push(format!("{id} says its mail was sent, but there is no file of it"));
        }
    }
    Ok(faults)
}

/// Dead letters are there to be seen and sent by hand: those whose outcome is
/// unknown because the service fell twice while they were under way, and no others.
pub fn send_dead_again(server: &Server) -> Result<(), String> {
    loop {
        let part = server.must(Request::new("GET", "/api/ledger/outbox?every_tenant=true&state=dead"))?;
        let Some(items) = part["items"].as_array().filter(|items| !items.is_empty()) else { return Ok(()) };
        for mail in items {
            if mail["reason"] != "outcome_unknown" || mail["attempts"].as_u64() < Some(2) {
                return Err(format!("a mail was given up for no good reason: {mail}"));
            }
            let id = mail["id"].as_str().unwrap_or_default();
            server.must(Request::new("POST", &format!("/api/ledger/outbox/{id}/retry?every_tenant=true")))?;
        }
    }
}
