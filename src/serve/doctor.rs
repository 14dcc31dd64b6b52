//! What a running ledger knows about its own health, and what to do about it.

use super::bootstrap::ADMIN_TOKEN;
use super::figures::{lag, no_answer, servers, standing_still};
use super::house::Rooms;
use delivery::OutboxFigures;
use openapi::operator::{DoctorFinding, Health};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Views further behind than this deserve a look, in events.
const LAG_WARNING: u64 = 1_000;
/// Space below which somebody should look, in bytes.
const FREE_WARNING: u64 = 1024 * 1024 * 1024;
/// The log may be ahead of the clock by this much before writes are refused, in microseconds.
const CLOCK_TOLERANCE_US: i64 = 5_000_000;

pub(super) async fn examine(rooms: &Rooms) -> Vec<DoctorFinding> {
    let figures = rooms.delivery.figures();
    let mut findings = vec![
        ledger(rooms),
        nodes(rooms),
        views(rooms),
        mails(&figures),
        transport(&figures),
        clock(rooms),
        disk(rooms),
    ];
    findings.extend(copy(rooms));
    findings.extend(permissions(&rooms.data));
    let silent: Vec<&str> = servers(rooms).into_iter().filter(|(_, answers)| !answers).map(|(what, _)| what).collect();
    for what in &silent {
        let check = if *what == "log" { "store" } else { what };
        let advice = "look at that server, and at what lies between; the service goes on by itself once it answers";
        findings.push(finding(check, Health::Wrong, no_answer(what), advice));
    }
    // Counting keys asks the log's server and theirs.
    if !silent.contains(&"log") && !silent.contains(&"keys") {
        findings.push(keys(rooms).await);
    }
    findings
}

fn finding(check: &'static str, health: Health, found: String, advice: &str) -> DoctorFinding {
    DoctorFinding { check, health, found, advice: (health != Health::Fine).then(|| advice.to_owned()) }
}

fn ledger(rooms: &Rooms) -> DoctorFinding {
    let health = if rooms.ledger.failed() { Health::Wrong } else { Health::Fine };
    let place = rooms.ledger.server().map_or(String::new(), |server| format!(" in {server}"));
    let found = format!(
        "ledger {} has {} events{place}; sqlite {}",
        rooms.ledger.ledger_id(),
        rooms.ledger.head(),
        store::sqlite_version()
    );
    finding("ledger", health, found, "a write failed on disk: stop the service, check the disk, start again")
}

/// Where state and keys lie, and whether other services may share all of it.
fn nodes(rooms: &Rooms) -> DoctorFinding {
    let place = |server: Option<&str>| server.map_or("in the folder".to_owned(), |server| format!("in {server}"));
    let (state, keys) = (place(rooms.state.server()), place(rooms.vault.server()));
    let services = if rooms.ledger.is_shared() { "any number of services" } else { "this service alone" };
    finding("services", Health::Fine, format!("state {state}, keys {keys}: for {services}"), "")
}

fn views(rooms: &Rooms) -> DoctorFinding {
    if let Some(stopped) = rooms.views.stopped() {
        let advice = "install the newest version; if it is the newest, rebuild that view and report the event's kind";
        return finding("views", Health::Wrong, stopped, advice);
    }
    let lag = lag(rooms);
    let health = if lag > LAG_WARNING { Health::Warning } else { Health::Fine };
    finding(
        "views",
        health,
        format!("views are {lag} events behind the head"),
        "wait, and look at the disk's load if it does not shrink",
    )
}

/// The views' copy, if there is one. Nothing of the service waits for it.
fn copy(rooms: &Rooms) -> Option<DoctorFinding> {
    let copy = rooms.published.figures()?;
    let place = copy.server.map_or(String::new(), |server| format!(" in {server}"));
    Some(match (copy.fault, copy.position) {
        (Some(fault), _) => {
            let advice = "look at that database; the service tries again by itself, and answers as ever";
            finding("copy", Health::Warning, standing_still(&fault), advice)
        }
        (None, Some(position)) => {
            let lag = rooms.ledger.head().saturating_sub(position);
            let health = if lag > LAG_WARNING { Health::Warning } else { Health::Fine };
            let found = format!("the views' copy{place} is {lag} events behind the head");
            finding("copy", health, found, "wait, and look at that database's load if it does not shrink")
        }
        (None, None) => {
            let found = format!("the views' copy{place} is written by the service that serves, one of several");
            finding("copy", Health::Fine, found, "")
        }
    })
}

fn mails(figures: &OutboxFigures) -> DoctorFinding {
    let health = if figures.dead > 0 { Health::Warning } else { Health::Fine };
    let found = format!("{} mails wait, {} are dead letters", figures.queued, figures.dead);
    finding(
        "dead_letters",
        health,
        found,
        "look at them with `outbox list`, then `outbox retry ID` or `outbox abandon ID`",
    )
}

fn transport(figures: &OutboxFigures) -> DoctorFinding {
    let name = figures.transport;
    if let Some(stopped) = figures.stopped.clone() {
        return finding(
            "mail",
            Health::Wrong,
            stopped,
            "install the newest version, or look at the log for the reason",
        );
    }
    let waiting = figures.head.saturating_sub(figures.cursor);
    let off = name == "none" && waiting > 0;
    let health = if off { Health::Warning } else { Health::Fine };
    finding(
        "mail",
        health,
        format!("mails leave by `{name}`"),
        "mail is switched off: asks wait for the next `serve` with --mail file, smtp or mandrill",
    )
}

fn clock(rooms: &Rooms) -> DoctorFinding {
    let last = rooms.ledger.read_log_back(rooms.ledger.head() + 1, 1).ok().and_then(|page| page.first().map(|e| e.at));
    let ahead = last.map_or(0, |last| last - rooms.clock.now().0);
    let health = if ahead > CLOCK_TOLERANCE_US { Health::Wrong } else { Health::Fine };
    let found = format!(
        "the log's last event is {} ms {} the clock",
        (ahead / 1_000).abs(),
        if ahead > 0 { "ahead of" } else { "behind" }
    );
    finding(
        "clock",
        health,
        found,
        "set the machine's clock; the ledger writes again once it has passed the last event",
    )
}

fn disk(rooms: &Rooms) -> DoctorFinding {
    let free = rooms.ledger.figures().free_bytes;
    let health = if free > 0 && free < FREE_WARNING { Health::Warning } else { Health::Fine };
    finding(
        "disk",
        health,
        format!("{} MiB are free", free / 1024 / 1024),
        "make room: below the mark min_free_bytes new writes are refused",
    )
}

/// The folder and what is secret in it belong to the service's user alone.
fn permissions(data: &Path) -> Vec<DoctorFinding> {
    let mut findings = vec![];
    for (name, allowed) in [("", 0o700), (ADMIN_TOKEN, 0o600)] {
        let path = if name.is_empty() { data.to_owned() } else { data.join(name) };
        let Ok(meta) = std::fs::metadata(&path) else {
            findings.push(finding(
                "permissions",
                Health::Wrong,
                format!("{} cannot be read", path.display()),
                "give it back to the service's user",
            ));
            continue;
        };
        let mode = meta.permissions().mode() & 0o777;
        let health = if mode & !allowed == 0 { Health::Fine } else { Health::Warning };
        let found = format!("{} has mode {mode:o}", path.display());
        findings.push(finding("permissions", health, found, &format!("chmod {allowed:o} {}", path.display())));
    }
    findings
}

async fn keys(rooms: &Rooms) -> DoctorFinding {
    let ledger = rooms.ledger.clone();
    let counted = tokio::task::spawn_blocking(move || ledger.examine(&mut |_| {})).await;
    match counted {
        Ok(Ok(count)) => {
            let health = if count.missing > 0 { Health::Wrong } else { Health::Fine };
            let found = format!("{} keys live, {} destroyed, {} missing", count.live, count.destroyed, count.missing);
            finding(
                "keys",
                health,
                found,
                "restore keys.db from its own backup: without a key its person's data cannot be read",
            )
        }
        Ok(Err(error)) => {
            finding("keys", Health::Wrong, error.to_string(), "check the disk, then restore from a backup")
        }
        Err(_) => finding("keys", Health::Warning, "the keys could not be counted".to_owned(), "ask again"),
    }
}
