//! Limits are counted across restarts: what the last hour's log says was
//! spent is charged again at the start.

use domain::employee::Employee;
use domain::invitation::Invitation;
use domain::said::{Named, Said};
use domain::user::User;
use domain::{Actor, Root, TenantName, Timestamp};
use identity::{Identity, Spent};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::{Ledger, Position, ReadError, Recorded, StreamId};
use tokio::task::JoinHandle;

/// Events read at a time.
const PAGE: u64 = 1_000;
/// The start does not wait longer than this for a busy hour; the newest, which
/// weigh most, are read first, and the rest follow while the service runs.
const PATIENCE: Duration = Duration::from_millis(300);
/// What follows then leaves a processor to those who are answered for so many times as long
/// as it took one: the older a part is, the sooner no window sees it any more.
const REST: u32 = 3;

/// Charges what the log says, or begins to; what is left is done by the task that is
/// returned, which its owner ends when the ledger is closed.
pub(super) fn restore(ledger: &Ledger, identity: &Identity) -> Result<Option<JoinHandle<()>>, ReadError> {
    let until = Instant::now() + PATIENCE;
    let mut look = LookBack::new(ledger.clone(), identity.clone());
    while look.page()? {
        if Instant::now() >= until {
            return Ok(Some(tokio::spawn(look.go_on())));
        }
    }
    Ok(None)
}

/// Charges what another node's events say was spent there.
pub(super) fn charge<'e>(
    ledger: &Ledger,
    identity: &Identity,
    events: impl Iterator<Item = &'e Recorded>,
) -> Result<(), ReadError> {
    let (mut spent, mut again) = (vec![], Repetitions::default());
    let gather = || -> Result<(), ReadError> {
        for event in events {
            spent.extend(spent_by(ledger, event, &mut again)?);
        }
        spent.extend(repeated_since(ledger, &mut again)?);
        Ok(())
    };
    // What was read before something could not be counts all the same.
    let gathered = gather();
    identity.limits().restore(spent);
    gathered
}

/// Repetitions by stream: they name no address; their invitation's first event does.
/// It is met later on the way back, or lies before the window.
type Repetitions = HashMap<StreamId, Vec<(Timestamp, Actor)>>;

/// A walk back through the log. The recipients' window is the shortest: what lies before
/// it is only counted, so that no key is asked for and nothing opened.
struct LookBack {
    ledger: Ledger,
    identity: Identity,
    before: Position,
    named: bool,
    again: Repetitions,
}

impl LookBack {
    fn new(ledger: Ledger, identity: Identity) -> Self {
        let before = ledger.head() + 1;
        Self { ledger, identity, before, named: true, again: Repetitions::default() }
    }

    /// The rest. Page by page, so that whoever stops the service waits for one of them.
    async fn go_on(mut self) {
        loop {
            let begun = Instant::now();
            let paged = tokio::task::spawn_blocking(move || {
                let more = self.page();
                (self, more)
            });
            match paged.await {
                Ok((look, Ok(true))) => {
                    self = look;
                    tokio::time::sleep(begun.elapsed() * REST).await;
                }
                Ok((_, Ok(false))) | Err(_) => return,
                Ok((_, Err(error))) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "limits start without the older part of the last hour");
                    return;
                }
            }
        }
    }

    /// Charges a page; whether there are more that a window sees by now. It is read forward,
    /// as it lies on disk.
    fn page(&mut self) -> Result<bool, ReadError> {
        let limits = self.identity.limits();
        let (since, named_since) = (limits.remembers_since(), limits.remembers_recipients_since());
        let after = self.before.saturating_sub(1 + PAGE);
        let limit = usize::try_from(self.before - 1 - after).unwrap_or(usize::MAX);
        let oldest = if self.named { self.opened(after, limit)? } else { self.sealed(after, limit)? };
        self.before = after + 1;
        let is_seen = |since| oldest.is_some_and(|at| at >= since) && after > 0;
        if self.named && !is_seen(named_since) {
            self.named = false;
            self.identity.limits().restore(repeated_since(&self.ledger, &mut self.again)?);
        }
        Ok(is_seen(since))
    }

    fn opened(&mut self, after: Position, limit: usize) -> Result<Option<Timestamp>, ReadError> {
        let page = self.ledger.read_log(after, limit)?;
        let mut spent = vec![];
        for event in page.iter().rev() {
            spent.extend(spent_by(&self.ledger, event, &mut self.again)?);
        }
        self.identity.limits().restore(spent);
        Ok(page.first().map(|event| Timestamp(event.at)))
    }

    fn sealed(&self, after: Position, limit: usize) -> Result<Option<Timestamp>, ReadError> {
        let page = self.ledger.read_log_sealed(after, limit)?;
        self.identity.limits().restore(page.iter().rev().filter_map(counted));
        Ok(page.first().map(|event| Timestamp(event.at)))
    }
}

/// The invitation that an event cost, whoever got the mail.
fn counted(event: &Recorded) -> Option<Spent> {
    match (event.stream.aggregate_type(), event.kind.as_str()) {
        (Invitation::TYPE, "Created" | "ResendRequested") | (User::TYPE, "AccountNoticeRequested") => {
            one(event, Timestamp(event.at), actor(event)?, None, 1)
        }
        _ => None,
    }
}

fn actor(event: &Recorded) -> Option<Actor> {
    event.metadata.get("actor").and_then(|actor| Actor::try_from(actor).ok())
}

/// Repetitions of invitations that were made before the window.
fn repeated_since(ledger: &Ledger, again: &mut Repetitions) -> Result<Vec<Spent>, ReadError> {
    let mut spent = vec![];
    for (stream, later) in again.drain() {
        if let Some(created) = ledger.read_stream(&stream, 0, Some(1))?.first() {
            let recipient = recipient_of(created);
            spent.extend(later.into_iter().filter_map(|(at, actor)| one(created, at, actor, recipient.clone(), 1)));
        }
    }
    Ok(spent)
}

fn spent_by(ledger: &Ledger, event: &Recorded, again: &mut Repetitions) -> Result<Vec<Spent>, ReadError> {
    let Some(actor) = actor(event) else { return Ok(vec![]) };
    let at = Timestamp(event.at);
    let spent: Vec<Option<Spent>> = match (event.stream.aggregate_type(), event.kind.as_str()) {
        (Invitation::TYPE, "Created") => {
            let recipient = recipient_of(event);
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
            let recipient = told.iter().rev().find_map(recipient_of);
            vec![one(event, at, actor, recipient, 1)]
        }
        (Employee::TYPE, "Updated") => {
            let said = Said::by(&event.payload);
            let told = [Named::Email, Named::PreviousEmail].into_iter().filter(|_| said.email_changed());
            told.map(|named| one(event, at, actor, key(&said, named), 0)).collect()
        }
        _ => vec![],
    };
    Ok(spent.into_iter().flatten().collect())
}

fn one(of: &Recorded, at: Timestamp, actor: Actor, recipient: Option<String>, invitations: u32) -> Option<Spent> {
    let tenant = TenantName::parse(&of.tenant).ok()?;
    Some(Spent { at, actor, tenant, recipient, invitations })
}

/// The key of an address; none if the person is forgotten.
fn key(said: &Said<'_>, named: Named) -> Option<String> {
    said.address(named).map(|address| address.key().to_owned())
}

fn recipient_of(event: &Recorded) -> Option<String> {
    key(&Said::by(&event.payload), Named::Email)
}
