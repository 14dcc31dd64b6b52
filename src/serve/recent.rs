//! Limits are counted across restarts: what the last hour's log says was
//! spent is charged again at the start.

use domain::employee::Employee;
use domain::invitation::Invitation;
use domain::user::User;
use domain::{Actor, Address, Root, TenantName, Timestamp};
use identity::{Identity, Spent};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::{Ledger, ReadError, Recorded, StreamId};

/// The longest window of a limit.
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// Events read at a time.
const PAGE: usize = 1_000;
/// The start does not wait longer than this for a busy hour; the newest, which
/// weigh most, are read first, and the rest follow while the service runs.
const PATIENCE: Duration = Duration::from_millis(300);

pub(super) fn restore(ledger: &Ledger, identity: &Identity, now: Timestamp) -> Result<(), ReadError> {
    let since = now.minus(WINDOW);
    let mut again = Repetitions::default();
    let until = Some(Instant::now() + PATIENCE);
    let Some(rest) = walk((ledger, identity), (ledger.head() + 1, since), &mut again, until)? else { return Ok(()) };
    let (ledger, identity) = (ledger.clone(), identity.clone());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = walk((&ledger, &identity), (rest, since), &mut again, None) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "limits start without the older part of the last hour"
            );
        }
    });
    Ok(())
}

/// Charges what another node's event says was spent there.
pub(super) fn charge(ledger: &Ledger, identity: &Identity, event: &Recorded) -> Result<(), ReadError> {
    let mut again = Repetitions::default();
    identity.limits().restore(spent_by(ledger, event, &mut again)?);
    identity.limits().restore(repeated_since(ledger, &mut again)?);
    Ok(())
}

/// Repetitions by stream: they name no address; their invitation's first event does.
/// It is met later on the way back, or lies before the window.
type Repetitions = HashMap<StreamId, Vec<(Timestamp, Actor)>>;

/// Walks back from a position; answers where it stopped if time was up.
fn walk(
    (ledger, identity): (&Ledger, &Identity),
    (mut before, since): (u64, Timestamp),
    again: &mut Repetitions,
    until: Option<Instant>,
) -> Result<Option<u64>, ReadError> {
    loop {
        let page = ledger.read_log_back(before, PAGE)?;
        let mut spent = vec![];
        for event in page.iter().filter(|event| Timestamp(event.at) >= since) {
            spent.extend(spent_by(ledger, event, again)?);
        }
        identity.limits().restore(spent);
        let Some(last) = page.last().filter(|last| Timestamp(last.at) >= since) else {
            identity.limits().restore(repeated_since(ledger, again)?);
            return Ok(None);
        };
        before = last.position;
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Some(before));
        }
    }
}

/// Repetitions of invitations that were made before the window.
fn repeated_since(ledger: &Ledger, again: &mut Repetitions) -> Result<Vec<Spent>, ReadError> {
    let mut spent = vec![];
    for (stream, later) in again.drain() {
        if let Some(created) = ledger.read_stream(&stream, 0, Some(1))?.first() {
            let recipient = address(created, "email");
            spent.extend(later.into_iter().filter_map(|(at, actor)| one(created, at, actor, recipient.clone(), 1)));
        }
    }
    Ok(spent)
}

fn spent_by(ledger: &Ledger, event: &Recorded, again: &mut Repetitions) -> Result<Vec<Spent>, ReadError> {
    let actor = event.metadata.get("actor").and_then(|actor| Actor::try_from(actor).ok());
    let Some(actor) = actor else { return Ok(vec![]) };
    let at = Timestamp(event.at);
    let spent: Vec<Option<Spent>> = match (event.stream.aggregate_type(), event.kind.as_str()) {
        (Invitation::TYPE, "Created") => {
            let recipient = address(event, "email");
            let later = again.remove(&event.stream).unwrap_or_default();
            let all = std::iter::once((at, actor)).chain(later);
            all.map(|(at, actor)| one(event, at, actor, recipient.clone(), 1)).collect()
        }
        (Invitation::TYPE, "ResendRequested") => {
            again.entry(event.stream.clone()).or_default().push((at, actor));
            vec![]
        }
        // Who has an account already was invited, and gets a mail that says so.
        (User::TYPE, "AccountNoticeRequested") => {
            let told = ledger.read_stream(&event.stream, 0, Some(event.version))?;
            let recipient = told.iter().rev().find_map(|event| address(event, "email"));
            vec![one(event, at, actor, recipient, 1)]
        }
        (Employee::TYPE, "Updated") if event.payload.get("email_changed").is_some() => ["email", "previous_email"]
            .into_iter()
            .map(|member| one(event, at, actor, address(event, member), 0))
            .collect(),
        _ => vec![],
    };
    Ok(spent.into_iter().flatten().collect())
}

fn one(of: &Recorded, at: Timestamp, actor: Actor, recipient: Option<String>, invitations: u32) -> Option<Spent> {
    let tenant = TenantName::parse(&of.tenant).ok()?;
    Some(Spent { at, actor, tenant, recipient, invitations })
}

/// The key of an address that an event holds; none if the person is forgotten.
fn address(event: &Recorded, member: &str) -> Option<String> {
    let text = event.payload.get("personal")?.get(member)?.as_str()?;
    Address::parse(text).ok().map(|address| address.key().to_owned())
}
