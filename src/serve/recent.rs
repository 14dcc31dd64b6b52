//! Limits are counted across restarts: what the last hour's log says was
//! spent is charged again at the start.

use domain::invitation::Invitation;
use domain::{Actor, Address, Root, TenantName, Timestamp};
use identity::{Identity, Spent};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::{Ledger, ReadError, Recorded};

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

/// Repetitions by stream: they name no address; their invitation's first event,
/// met later on the way back, does.
type Repetitions = HashMap<String, Vec<(Timestamp, Actor)>>;

/// Walks back from a position; answers where it stopped if time was up.
fn walk(
    (ledger, identity): (&Ledger, &Identity),
    (mut before, since): (u64, Timestamp),
    again: &mut Repetitions,
    until: Option<Instant>,
) -> Result<Option<u64>, ReadError> {
    loop {
        let page = ledger.read_log_back(before, PAGE)?;
        let Some(last) = page.last() else { return Ok(None) };
        before = last.position;
        let over = Timestamp(last.at) < since;
        let spent: Vec<Spent> =
            page.iter().filter(|e| Timestamp(e.at) >= since).flat_map(|e| spent_by(e, again)).collect();
        identity.limits().restore(spent);
        if over {
            return Ok(None);
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Some(before));
        }
    }
}

fn spent_by(event: &Recorded, again: &mut Repetitions) -> Vec<Spent> {
    let actor = event.metadata.get("actor").and_then(|a| Actor::try_from(a.clone()).ok());
    let (Some(actor), Ok(tenant)) = (actor, TenantName::parse(&event.tenant)) else { return vec![] };
    let at = Timestamp(event.at);
    let address = |member: &str| {
        let text = event.payload.get("personal")?.get(member)?.as_str()?;
        Address::parse(text).ok().map(|a| a.key().to_owned())
    };
    let one = |at, actor, recipient, invitations| Spent { at, actor, tenant: tenant.clone(), recipient, invitations };
    match (event.stream.aggregate_type(), event.kind.as_str()) {
        (Invitation::TYPE, "Created") => {
            let recipient = address("email");
            let later = again.remove(event.stream.as_str()).unwrap_or_default();
            let mut spent = vec![one(at, actor, recipient.clone(), 1)];
            spent.extend(later.into_iter().map(|(at, actor)| one(at, actor, recipient.clone(), 1)));
            spent
        }
        (Invitation::TYPE, "ResendRequested") => {
            again.entry(event.stream.as_str().to_owned()).or_default().push((at, actor));
            vec![]
        }
        ("employee", "Updated") if event.payload.get("email_changed").is_some() => {
            ["email", "previous_email"].into_iter().map(|member| one(at, actor, address(member), 0)).collect()
        }
        _ => vec![],
    }
}
