//! How fast the views fold and answer: `fold [INVITATIONS [ORGANIZATIONS]]`.
//!
//! Builds a log in a temporary folder, folds it live, rebuilds it, and reads
//! first, middle and last pages. Figures are for one machine on one day.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not the program")]

use domain::invitation::{Created, Digests, EmailSent, Event, Kind, Recipient, Role};
use domain::{Actor, Address, Event as _, TenantName};
use projections::{InviteQuery, InviteSort, Views, ViewsOptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;
use store::{Append, BackendOptions, Ledger, LedgerOptions, NewEvent, StreamId, Unit, Vault, VaultOptions};
use uuid::Uuid;

const TASKS: usize = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>().unwrap());
    let count = arguments.next().unwrap_or(100_000) / TASKS * TASKS;
    let organizations = arguments.next().unwrap_or(1);
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(1_767_225_600_000_000));
    let ticking = clock.clone();
    let vault = Vault::open(VaultOptions::Sqlite { path: folder.path().join("keys.db") }).unwrap();
    let options = LedgerOptions::new(
        BackendOptions::Sqlite { folder: folder.path().to_owned() },
        Arc::new(|_, _, _| vec![]),
        vault.clone(),
        Arc::new(move || ticking.fetch_add(1, Ordering::Relaxed)),
    );
    let ledger = Ledger::open(options).unwrap();
    let begun = Instant::now();
    let share = count / TASKS;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(write(ledger.clone(), vault.clone(), task * share..(task + 1) * share, organizations)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let events = ledger.head();
    println!("wrote {events} events in {:?}", begun.elapsed());

    let path = folder.path().join("views.db");
    let views = Views::open(ViewsOptions { path: Some(path.clone()) }, ledger.clone()).unwrap();
    let watch = Watch::start();
    views.start().unwrap();
    while views.progress().iter().any(|(_, at)| *at < events) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    watch.report("folded", events);
    threads();
    println!("views.db {} MiB", std::fs::metadata(&path).unwrap().len() >> 20);
    pages(&views, count as u64, organizations).await;

    let live = views.digests().unwrap();
    let rebuilding = views.clone();
    let watch = Watch::start();
    tokio::task::spawn_blocking(move || rebuilding.rebuild(None, &mut |_, _| {}).unwrap()).await.unwrap();
    watch.report("rebuilt", events);
    assert_eq!(views.digests().unwrap(), live);

    // One at a time: what a read after a write waits for.
    let begun = Instant::now();
    for n in 0..500 {
        write(ledger.clone(), vault.clone(), count + n..count + n + 1, organizations).await;
        views.caught_up().await.unwrap();
    }
    println!("write and catch up, one at a time: {:?}", begun.elapsed() / 500);
    views.close().await;
    ledger.close().await;
}

/// Wall clock, and processor time: on a busy machine only the second says something.
struct Watch {
    begun: Instant,
    cpu: f64,
}

impl Watch {
    fn start() -> Self {
        Self { begun: Instant::now(), cpu: cpu_seconds() }
    }

    fn report(&self, what: &str, events: u64) {
        let (took, cpu) = (self.begun.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        let each = |seconds: f64| seconds * 1e6 / events as f64;
        println!(
            "{what} {events} events in {took:.1} s: {:.1} µs each, {:.0} events/s; {:.1} µs of processor each",
            each(took),
            events as f64 / took,
            each(cpu)
        );
    }
}

/// The kernel's ticks of 10 ms, as seconds.
fn ticks(stat: &str, at: usize) -> f64 {
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or_default() / 100.0
}

/// Of the whole process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    ticks(&stat, 11) + ticks(&stat, 12)
}

fn threads() {
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let name = stat.split(['(', ')']).nth(1).unwrap_or_default();
        println!("  thread {name}: user {:.2} s, system {:.2} s", ticks(&stat, 11), ticks(&stat, 12));
    }
}

async fn write(ledger: Ledger, vault: Vault, range: std::ops::Range<usize>, organizations: usize) {
    let tenant = TenantName::default_tenant();
    for n in range {
        let subject = vault.subject().await.unwrap();
        let created = Event::Created(Created {
            kind: Kind::Organization,
            public_id: None,
            target: Uuid::from_u128((n % organizations) as u128),
            role: if n % 3 == 0 { Role::Admin } else { Role::Member },
            invited_by: Actor::User(Uuid::from_u128(7)),
            link: Uuid::new_v4(),
            digests: Digests { code: "c".repeat(64), mail: "m".repeat(64) },
            valid_days: 7,
            updated_in_db_at: None,
            waited: false,
            subject: domain::bus::Subject { id: subject.id, commitment: Some(subject.commitment) },
            personal: Recipient::Known {
                email: Address::parse(&format!("invitee{n}@example.com")).unwrap(),
                message: None,
            },
        });
        let stream = StreamId::from(format!("invitation-{tenant}/{}", Uuid::now_v7()));
        submit(&ledger, &tenant, &stream, 0, &created).await;
        submit(&ledger, &tenant, &stream, 1, &Event::EmailSent(EmailSent { generation: 1 })).await;
    }
}

async fn submit(ledger: &Ledger, tenant: &TenantName, stream: &StreamId, expected: u64, event: &Event) {
    let encoded = event.encode().unwrap();
    let event = NewEvent {
        id: Uuid::now_v7(),
        kind: encoded.kind.to_owned(),
        schema: encoded.schema,
        payload: encoded.payload,
        metadata: BTreeMap::new(),
    };
    let append = Append { stream: stream.clone(), expected, events: vec![event] };
    let unit = Unit { tenant: tenant.as_str().to_owned(), appends: vec![append], ..Unit::default() };
    ledger.submit(unit).await.unwrap();
}

async fn pages(views: &Views, count: u64, organizations: usize) {
    let tenant = TenantName::default_tenant();
    let last = count / organizations as u64 / 25;
    for (name, page) in [("first", 1), ("middle", last / 2), ("last", last)] {
        for sort in [InviteSort::CreatedAsc, InviteSort::UpdatedDesc] {
            for role in [None, Some(Role::Admin)] {
                let page = if role.is_some() { (page / 3).max(1) } else { page.max(1) };
                let query = InviteQuery { organization: Uuid::nil(), role, state: None, sort, page, per_page: 25 };
                let (begun, cpu) = (Instant::now(), cpu_seconds());
                for _ in 0..2_000 {
                    let answer = views.organization_invites(&tenant, query.clone()).await.unwrap();
                    assert!(!answer.rows.is_empty());
                }
                let cpu = (cpu_seconds() - cpu) * 1e6 / 2_000.0;
                println!("{name} page, {sort:?}, {role:?}: {:?}, {cpu:.0} µs of processor", begun.elapsed() / 2_000);
            }
        }
    }
}
