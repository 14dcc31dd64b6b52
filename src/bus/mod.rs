//! The command bus over the ledger: load, decide, commit one unit, or again.
//!
//! Promise: when [`Bus::run`] answers, what it says is durable, and it was
//! still true at the head of the log: a decision that wrote nothing, a refusal
//! included, is checked at the commit point like one that wrote. A client that
//! hangs up cannot cut a use case in half.

mod bodies;
mod cache;
mod event_store;
mod expiry;
mod link;
mod mail_board;
mod outcomes;
mod record;
#[cfg(test)]
mod tests;
mod uncut;
mod unit;

use async_trait::async_trait;
use bodies::Bodies;
use cache::Cache;
use domain::bus::{Claim, Job, MailRef, MailResult, Peek, Record, Runner};
use domain::{Channel, Clock, Context, Failure, Refusal, Root, TenantName, Timestamp, Unavailable};
use expiry::Expiry;
use identity::Secrets;
use mail_board::MailBoard;
use outcomes::Outcomes;
use rand::Rng;
use record::LedgerRecord;
use std::sync::Arc;
use std::time::Duration;
use store::{CommandId, Ledger, ReadError, Receipt, Recorded, State, StreamId, SubmitError, Vault, VaultError};
use uncut::Uncut;
use unit::LedgerUnit;
use uuid::Uuid;

/// How often a use case runs when what it read keeps moving.
pub const MAX_ATTEMPTS: u32 = 6;
/// The longest pause before trying again; the pause is random.
const MAX_PAUSE: Duration = Duration::from_millis(8);
/// What a caller is told to wait when attempts are used up.
const RETRY_AFTER_S: u64 = 1;
/// What is kept in the state of keyed requests: their answers, and their bodies.
pub const SPACES: [&str; 2] = [outcomes::SPACE, bodies::SPACE];
/// The metadata member that says a unit answered with a refusal.
const REFUSAL: &str = "refusal";

/// What the bus is made of.
pub struct BusParts {
    pub ledger: Ledger,
    pub vault: Vault,
    pub state: State,
    pub secrets: Secrets,
    pub clock: Arc<dyn Clock>,
}

/// [`Runner`] over the ledger. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    vault: Vault,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    cache: Cache,
    mails: MailBoard,
    outcomes: Outcomes,
    bodies: Bodies,
    /// Other services may be asked with the same key.
    shares_state: bool,
}

impl Bus {
    #[must_use]
    pub fn new(parts: BusParts) -> Self {
        let BusParts { ledger, vault, state, secrets, clock } = parts;
        let (cache, mails, shares_state) = (Cache::default(), MailBoard::default(), state.server().is_some());
        let expiry = Expiry::of(state.clone(), &SPACES);
        let (outcomes, bodies) = (Outcomes::new(state.clone(), expiry.clone()), Bodies::new(state, expiry));
        let inner = Inner { ledger, vault, secrets, clock, cache, mails, outcomes, bodies, shares_state };
        Self { inner: Arc::new(inner) }
    }

    /// Another node has appended this: who waits here for a mail's result hears it.
    pub fn hear(&self, event: &Recorded) {
        let (Ok(tenant), Some(id)) = (TenantName::parse(&event.tenant), id_in(&event.stream)) else { return };
        let payload = &mut serde_json::Deserializer::from_str(&event.payload);
        if let Some((mail, result)) = mail_board::result_of(&tenant, id, &event.stream, &event.kind, payload) {
            self.inner.mails.post(mail, result);
        }
    }
}

/// The stream of an aggregate.
fn stream_of<A: Root>(tenant: &TenantName, id: Uuid) -> StreamId {
    StreamId::of(A::TYPE, tenant.as_str(), id)
}

/// The aggregate id in a stream's name.
fn id_in(stream: &StreamId) -> Option<Uuid> {
    stream.aggregate_id().rsplit_once('/').and_then(|(_, id)| Uuid::parse_str(id).ok())
}

/// How one try to commit ended.
enum Tried {
    Done(LedgerRecord),
    /// Something read moved meanwhile.
    Moved,
}

impl Inner {
    async fn run_to_end(self: &Arc<Self>, context: Context, job: Arc<dyn Job>) -> Result<LedgerRecord, Failure> {
        let command = context.idempotency.as_ref().map(|key| {
            let principal = context.actor.to_string();
            CommandId(self.secrets.command_id(&context.tenant, &principal, key.operation, &key.key))
        });
        if let (Some(command), Some(key)) = (command, &context.idempotency) {
            if let Some(answer) = self.answered_before(&context, command)? {
                return answer;
            }
            // The courier's key says all there is: it comes with no other body.
            if self.shares_state && context.channel != Channel::Courier {
                self.bodies.bind(command, key.fingerprint, self.clock.now()).await?;
            }
        }
        for attempt in 1..=MAX_ATTEMPTS {
            match self.try_once(&context, command, &job).await? {
                Tried::Done(record) => return Ok(record),
                Tried::Moved if attempt == MAX_ATTEMPTS => break,
                Tried::Moved => {
                    let pause = MAX_PAUSE
                        .mul_f64(rand::thread_rng().r#gen::<f64>() * f64::from(attempt) / f64::from(MAX_ATTEMPTS));
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Err(Unavailable::Busy { retry_after_s: RETRY_AFTER_S }.into())
    }

    /// Runs what only reads: nothing is queued, and nothing can be cut in half.
    async fn read(self: &Arc<Self>, context: Context, job: &Arc<dyn Job>) -> Result<LedgerRecord, Failure> {
        let tenant = context.tenant.clone();
        let mut unit = LedgerUnit::new(self.clone(), context);
        job.run(&mut unit).await?;
        Ok(LedgerRecord::fresh(self, &tenant, unit.into_read(), false))
    }

    /// The answer kept under this `Idempotency-Key`, if there is one.
    fn answered_before(
        self: &Arc<Self>,
        context: &Context,
        command: CommandId,
    ) -> Result<Option<Result<LedgerRecord, Failure>>, Failure> {
        let fingerprint = context.idempotency.as_ref().map(|key| key.fingerprint);
        if let Some((receipt, known)) = self.ledger.receipt(&command).map_err(unread)? {
            match (known, fingerprint) {
                (Some(known), fingerprint) if fingerprint != Some(known) => return Err(Failure::KeyReused),
                // Another service took it, or the index is younger than the receipt.
                (None, Some(given)) => self.bodies.check(command, given, self.clock.now())?,
                (Some(_) | None, Some(_) | None) => {}
            }
            return self.replay(context, &receipt).map(Some);
        }
        match self.outcomes.find(&command, fingerprint, self.clock.now())? {
            None => Ok(None),
            Some(outcomes::Kept::Refused(refusal)) => Ok(Some(Err(refusal.into()))),
            Some(outcomes::Kept::Read(streams)) => {
                Ok(Some(Ok(LedgerRecord::at_versions(self, &context.tenant, streams, false))))
            }
        }
    }

    /// The answer that a landed unit gave.
    fn replay(
        self: &Arc<Self>,
        context: &Context,
        receipt: &Receipt,
    ) -> Result<Result<LedgerRecord, Failure>, Failure> {
        if let Some(refusal) = self.refusal_in(receipt)? {
            return Ok(Err(refusal.into()));
        }
        let streams = receipt.streams.iter().map(|s| (s.stream.clone(), s.version)).collect();
        Ok(Ok(LedgerRecord::at_versions(self, &context.tenant, streams, true)))
    }

    fn refusal_in(&self, receipt: &Receipt) -> Result<Option<Refusal>, Failure> {
        let events = self.ledger.read_log(receipt.first.saturating_sub(1), 1).map_err(unread)?;
        let text = events.first().and_then(|e| e.metadata.get(REFUSAL));
        text.map(|t| serde_json::from_str(&t).map_err(Failure::internal)).transpose()
    }

    async fn try_once(
        self: &Arc<Self>,
        context: &Context,
        command: Option<CommandId>,
        job: &Arc<dyn Job>,
    ) -> Result<Tried, Failure> {
        let mut unit = LedgerUnit::new(self.clone(), context.clone());
        unit.who_acts().await?;
        let refusal = match job.run(&mut unit).await {
            Ok(()) => None,
            Err(Failure::Refused(refusal)) => Some(refusal),
            Err(other) => return Err(other),
        };
        // A refusal that is not to be remembered drops what was staged before it.
        if refusal.is_some() && !unit.remembers_refusal() {
            unit.forget_staged();
        }
        let draft = unit.draft(command, refusal.as_ref());
        let writes = !draft.appends.is_empty();
        let receipt = match self.ledger.submit(draft).await {
            Ok(receipt) => receipt,
            Err(error) => return self.failed(&unit, error),
        };
        if receipt.repeated {
            return self.replay(context, &receipt)?.map(Tried::Done);
        }
        // What was found in the way may be the command's own work: the same request was under way elsewhere.
        if let Some(command) = command.filter(|_| !writes)
            && let Some(answer) = self.answered_before(context, command)?
        {
            return answer.map(Tried::Done);
        }
        let read = unit.versions_read();
        let streams = unit.finish(&receipt);
        self.outcomes.keep(context, command, refusal.as_ref(), (writes, &read), self.clock.now()).await?;
        match refusal {
            Some(refusal) => Err(refusal.into()),
            None => Ok(Tried::Done(LedgerRecord::fresh(self, &context.tenant, streams, writes))),
        }
    }

    fn failed(&self, unit: &LedgerUnit, error: SubmitError) -> Result<Tried, Failure> {
        match error {
            SubmitError::Conflict { stream, .. } => {
                self.cache.forget(&stream);
                Ok(Tried::Moved)
            }
            SubmitError::ClaimChanged { .. } | SubmitError::Claimed { .. } => Ok(Tried::Moved),
            SubmitError::OtherBody => Err(Failure::KeyReused),
            SubmitError::Busy { retry_after_s } => Err(Unavailable::Busy { retry_after_s }.into()),
            SubmitError::DiskFull => Err(Unavailable::DiskFull.into()),
            SubmitError::ClockBehind => Err(Unavailable::Clock.into()),
            SubmitError::Unknown => {
                unit.forget_cached();
                Err(Unavailable::OutcomeUnknown.into())
            }
            SubmitError::Stopped => Err(Unavailable::Stopping.into()),
            SubmitError::Vault(VaultError::Server(_)) => Err(Unavailable::Busy { retry_after_s: RETRY_AFTER_S }.into()),
            error @ (SubmitError::TooLarge | SubmitError::Malformed(_) | SubmitError::Vault(_)) => {
                Err(Failure::internal(error))
            }
            SubmitError::Read(fault) => Err(unread(fault)),
        }
    }

    /// The newest result of a mail that stands in the log.
    fn recorded(&self, mail: &MailRef) -> Result<Option<MailResult>, ReadError> {
        let stream = StreamId::of(mail.aggregate, mail.tenant.as_str(), mail.id);
        let events = self.ledger.read_stream(&stream, 0, None)?;
        Ok(events.iter().rev().find_map(|event| {
            let payload = &mut serde_json::Deserializer::from_str(&event.payload);
            let (of, result) = mail_board::result_of(&mail.tenant, mail.id, &stream, &event.kind, payload)?;
            (of == *mail).then_some(result)
        }))
    }

    /// An aggregate as it stands: from the cache, or folded from its stream.
    fn current<A: Root>(&self, stream: &StreamId, tenant: &TenantName, id: Uuid) -> Result<(u64, Arc<A>), Failure> {
        // What other nodes append is in the index, and nobody tells the cache.
        if self.ledger.is_shared() {
            self.cache.forget_older(stream, self.ledger.version(stream).map_err(unread)?);
        }
        self.cache.get_or_load(stream, || event_store::fold::<A>(&self.ledger, stream, (tenant, id), None))
    }
}

/// A server that does not answer now may do so soon; whatever else cannot be read is a fault.
fn unread(fault: ReadError) -> Failure {
    match fault {
        ReadError::Server(_) | ReadError::Vault(VaultError::Server(_)) => {
            Unavailable::Busy { retry_after_s: RETRY_AFTER_S }.into()
        }
        ReadError::Sqlite(_) | ReadError::Damaged { .. } | ReadError::KeyMissing { .. } | ReadError::Vault(_) => {
            Failure::internal(fault)
        }
    }
}

/// Sweeper and courier have a lane of their own.
fn lane(channel: Channel) -> store::Lane {
    match channel {
        Channel::Courier | Channel::Sweeper => store::Lane::Background,
        Channel::Envelope
        | Channel::Platform
        | Channel::Jsonapi
        | Channel::Operator
        | Channel::Link
        | Channel::Bootstrap => store::Lane::Caller,
    }
}

#[async_trait]
impl Runner for Bus {
    async fn arrive(&self) -> Result<(), Failure> {
        self.inner.ledger.arrive().await.map_err(unread)
    }

    async fn run(&self, context: Context, job: Arc<dyn Job>) -> Result<Box<dyn Record>, Failure> {
        // What is only read, and what a key was answered, is looked at here and not where the log ends.
        if context.late && (job.reads_only() || context.idempotency.is_some()) {
            self.arrive().await?;
            // No unit that writes looks at it then.
            LedgerUnit::new(self.inner.clone(), context.clone()).who_acts().await?;
        }
        if job.reads_only() {
            return Ok(Box::new(self.inner.read(context, &job).await?));
        }
        let inner = self.inner.clone();
        match Uncut::new(async move { inner.run_to_end(context, job).await }).await {
            Ok(record) => Ok(Box::new(record?)),
            Err(panicked) => Err(Failure::internal(panicked)),
        }
    }

    async fn holder(&self, _: &TenantName, claim: Claim) -> Result<Option<Uuid>, Failure> {
        let claim = store::Claim { family: claim.family, name: claim.name };
        let holder = self.inner.ledger.claim_holder(&claim).map_err(unread)?;
        Ok(holder.as_ref().and_then(id_in))
    }

    async fn numbered(
        &self,
        tenant: &TenantName,
        aggregate: &'static str,
        number: u64,
    ) -> Result<Option<Uuid>, Failure> {
        let stream = self.inner.ledger.find_tseq(tenant.as_str(), number).map_err(unread)?;
        Ok(stream.filter(|s| s.aggregate_type() == aggregate).as_ref().and_then(id_in))
    }

    async fn mail_result(&self, mail: MailRef, within: Duration) -> Option<MailResult> {
        // What lands between the look and the wait stands on the board.
        match self.inner.recorded(&mail) {
            Ok(Some(result)) => Some(result),
            Ok(None) => self.inner.mails.wait(mail, within).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a mail's result cannot be read");
                None
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

#[async_trait]
impl<A: Root> Peek<A> for Bus {
    async fn peek(&self, tenant: &TenantName, id: Uuid, since: u64) -> Result<Arc<A>, Failure> {
        let stream = stream_of::<A>(tenant, id);
        self.inner.cache.forget_older(&stream, since);
        self.inner.current::<A>(&stream, tenant, id).map(|(_, state)| state)
    }
}
