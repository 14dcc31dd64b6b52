//! One unit of work: what was read, what was staged, and what it became.

use super::cache::AnyState;
use super::link::link;
use super::{Inner, REFUSAL, RETRY_AFTER_S, event_store, id_in, lane, mail_board, stream_of};
use async_trait::async_trait;
use domain::application::Application;
use domain::bus::{Claim, MailRef, MailResult, Stream, Subject, Unit};
use domain::invitation::Digests;
use domain::{Actor, Context, Event, Failure, Origin, Refusal, Root, TenantName, Timestamp, Unavailable};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Append, ClaimGuard, CommandId, NewEvent, Receipt, StreamId, StreamReceipt};
use uuid::Uuid;

pub(super) struct LedgerUnit {
    inner: Arc<Inner>,
    context: Context,
    now: Timestamp,
    /// In the order of first use; a handful, so a search is a walk.
    open: Vec<Open>,
    /// Order in which streams were first written.
    written: Vec<usize>,
    claims: Vec<ClaimGuard>,
    remembers_refusal: bool,
}

/// A stream this unit has touched.
struct Open {
    stream: StreamId,
    id: Uuid,
    /// As read; guarded.
    version: u64,
    base: AnyState,
    current: AnyState,
    events: Vec<Staged>,
}

struct Staged {
    event: Box<dyn Any + Send + Sync>,
    /// As the store takes it; gone once it has.
    new: Option<NewEvent>,
    /// The mail and its result, if the event reports one.
    result: Option<(MailRef, MailResult)>,
    /// Folds this event, with its true place, into a state of its type.
    fold: fn(&mut AnyState, &(dyn Any + Send + Sync), &Origin),
}

impl LedgerUnit {
    pub fn new(inner: Arc<Inner>, context: Context) -> Self {
        let now = inner.clock.now();
        Self { inner, context, now, open: vec![], written: vec![], claims: vec![], remembers_refusal: false }
    }

    /// Looks at the application that acts like at everything else a unit decides on: one that was revoked after
    /// it was asked who it is, here or at another service, writes nothing. Users' rights are for each use case to ask.
    ///
    /// # Errors
    /// [`Failure::Nobody`].
    pub async fn who_acts(&mut self) -> Result<(), Failure> {
        let Actor::Application(id) = self.context.actor else { return Ok(()) };
        let application = Stream::<Application>::load(self, id).await?;
        if application.acts() { Ok(()) } else { Err(Failure::Nobody) }
    }

    pub fn remembers_refusal(&self) -> bool {
        self.remembers_refusal
    }

    pub fn forget_staged(&mut self) {
        self.written.clear();
        for open in &mut self.open {
            open.events.clear();
        }
    }

    pub fn forget_cached(&self) {
        for open in &self.open {
            self.inner.cache.forget(&open.stream);
        }
    }

    pub fn versions_read(&self) -> Vec<(StreamId, u64)> {
        self.open.iter().filter(|o| o.version > 0).map(|o| (o.stream.clone(), o.version)).collect()
    }

    /// What was read, of a unit that wrote nothing.
    pub fn into_read(self) -> Vec<(StreamId, u64, AnyState)> {
        self.open.into_iter().map(|o| (o.stream, o.version, o.current)).collect()
    }

    fn metadata(&self, refusal: Option<&Refusal>) -> BTreeMap<String, String> {
        let c = &self.context;
        let mut metadata = BTreeMap::from([
            ("actor".to_owned(), c.actor.to_string()),
            ("channel".to_owned(), c.channel.name().to_owned()),
            ("request_id".to_owned(), c.request_id.to_string()),
            ("correlation_id".to_owned(), c.correlation_id.unwrap_or(c.request_id).to_string()),
        ]);
        if let Some(causation) = c.causation_id {
            metadata.insert("causation_id".to_owned(), causation.to_string());
        }
        if let Some(refusal) = refusal.and_then(|r| serde_json::to_string(r).ok()) {
            metadata.insert(REFUSAL.to_owned(), refusal);
        }
        metadata
    }

    /// The unit as the store takes it. Once: it takes the events along.
    pub fn draft(&mut self, command: Option<CommandId>, refusal: Option<&Refusal>) -> store::Unit {
        let mut metadata = self.metadata(refusal);
        let mut left: usize = self.written.iter().map(|index| self.open[*index].events.len()).sum();
        let guards = self.open.iter().filter(|o| o.events.is_empty()).map(|o| (o.stream.clone(), o.version)).collect();
        let mut appends = Vec::with_capacity(self.written.len());
        for index in &self.written {
            let open = &mut self.open[*index];
            let events = open.events.iter_mut().filter_map(|staged| staged.new.take());
            // All events of a unit say the same of where it came from; the last takes it along.
            let events = events.map(|new| {
                left = left.saturating_sub(1);
                let metadata = if left == 0 { std::mem::take(&mut metadata) } else { metadata.clone() };
                NewEvent { metadata, ..new }
            });
            let events = events.collect();
            appends.push(Append { stream: open.stream.clone(), expected: open.version, events });
        }
        store::Unit {
            tenant: self.context.tenant.as_str().to_owned(),
            // An outcome without events has no place in the log; it is kept in state.
            command_id: command.filter(|_| !appends.is_empty()),
            fingerprint: self.context.idempotency.as_ref().map(|key| key.fingerprint),
            guards,
            claim_guards: std::mem::take(&mut self.claims),
            appends,
            lane: lane(self.context.channel),
        }
    }

    /// Folds what was staged once more, now that the writer has given it time
    /// and number, and leaves it in the cache. Answers what was written, or if
    /// nothing was, what was read.
    pub fn finish(self, receipt: &Receipt) -> Vec<(StreamId, u64, AnyState)> {
        let Self { inner, context, open, .. } = self;
        if receipt.streams.is_empty() {
            return open.into_iter().map(|o| (o.stream, o.version, o.current)).collect();
        }
        let mut open: Vec<Option<Open>> = open.into_iter().map(Some).collect();
        let mut done = Vec::with_capacity(receipt.streams.len());
        for written in &receipt.streams {
            let found = open.iter_mut().find(|o| o.as_ref().is_some_and(|o| o.stream == written.stream));
            let Some(mine) = found.and_then(Option::take) else { continue };
            let state = true_state(&mine, written, &context.tenant, Timestamp(receipt.at));
            inner.cache.put(&written.stream, written.version, state.clone());
            for (mail, result) in mine.events.into_iter().filter_map(|staged| staged.result) {
                inner.mails.post(mail, result);
            }
            done.push((written.stream.clone(), written.version, state));
        }
        done
    }

    fn find(&self, stream: &StreamId) -> Option<usize> {
        self.open.iter().position(|o| o.stream == *stream)
    }

    fn opened<A: Root>(&mut self, id: Uuid) -> Result<usize, Failure> {
        let stream = stream_of::<A>(&self.context.tenant, id);
        if let Some(index) = self.find(&stream) {
            return Ok(index);
        }
        let (version, state) = self.inner.current::<A>(&stream, &self.context.tenant, id)?;
        self.open.push(Open { stream, id, version, base: state.clone(), current: state, events: vec![] });
        Ok(self.open.len() - 1)
    }
}

fn true_state(open: &Open, written: &StreamReceipt, tenant: &TenantName, at: Timestamp) -> AnyState {
    let mut state = open.base.clone();
    for ((staged, version), tseq) in open.events.iter().zip(open.version + 1..).zip(written.first_tseq..) {
        let origin = Origin { tenant: tenant.clone(), id: open.id, at, tseq, version };
        (staged.fold)(&mut state, &*staged.event, &origin);
    }
    state
}

fn fold_one<A: Root>(state: &mut AnyState, event: &(dyn Any + Send + Sync), origin: &Origin) {
    if let (Some(before), Some(event)) = (state.downcast_ref::<A>(), event.downcast_ref::<A::Event>()) {
        let mut after = before.clone();
        after.evolve(event, origin);
        *state = Arc::new(after);
    }
}

fn typed<A: Root>(state: &AnyState) -> Result<Arc<A>, Failure> {
    state.clone().downcast::<A>().map_err(|_| Failure::internal("a stream holds another aggregate than asked for"))
}

#[async_trait]
impl<A: Root> Stream<A> for LedgerUnit {
    async fn load(&mut self, id: Uuid) -> Result<Arc<A>, Failure> {
        let index = self.opened::<A>(id)?;
        typed::<A>(&self.open[index].current)
    }

    async fn execute(&mut self, id: Uuid, command: A::Command) -> Result<Arc<A>, Failure> {
        let index = self.opened::<A>(id)?;
        let before = typed::<A>(&self.open[index].current)?;
        let version = self.open[index].version + self.open[index].events.len() as u64;
        let base = Origin { tenant: self.context.tenant.clone(), id, at: self.now, tseq: 0, version };
        let decided = event_store::decide::<A>((*before).clone(), command, base).await?;
        if decided.events.is_empty() {
            return Ok(before);
        }
        if self.open[index].events.is_empty() {
            self.written.push(index);
        }
        for event in decided.events {
            let encoded = event.encode().map_err(Failure::internal)?;
            let kind = encoded.kind.to_owned();
            let new = NewEvent {
                id: Uuid::now_v7(),
                kind,
                schema: encoded.schema,
                payload: encoded.payload,
                metadata: BTreeMap::new(),
            };
            let open = &mut self.open[index];
            let result = mail_board::result_of(&self.context.tenant, id, &open.stream, &new.kind, &new.payload);
            open.events.push(Staged { event: Box::new(event), new: Some(new), result, fold: fold_one::<A> });
        }
        let state = Arc::new(decided.state);
        self.open[index].current = state.clone();
        Ok(state)
    }
}

#[async_trait]
impl Unit for LedgerUnit {
    fn context(&self) -> &Context {
        &self.context
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn new_id(&mut self) -> Uuid {
        Uuid::now_v7()
    }

    fn new_link(&mut self) -> Uuid {
        link(self.now, rand::random())
    }

    async fn subject(&mut self) -> Result<Subject, Failure> {
        let subject = self.inner.vault.subject().await.map_err(|error| {
            // No block of keys was written in time: disk or server is slow, nothing is broken.
            let slow = matches!(error, store::VaultError::Empty | store::VaultError::Server(_));
            if slow { Unavailable::Busy { retry_after_s: RETRY_AFTER_S }.into() } else { Failure::internal(error) }
        })?;
        Ok(Subject { id: subject.id, commitment: Some(subject.commitment) })
    }

    fn digests(&self, invitation: Uuid, generation: u32) -> Digests {
        self.inner.secrets.digests(&self.context.tenant, invitation, generation)
    }

    async fn holder(&mut self, claim: Claim) -> Result<Option<Uuid>, Failure> {
        let claim = store::Claim { family: claim.family, name: claim.name };
        let seen = self.inner.ledger.look_at(claim).map_err(super::unread)?;
        let id = seen.holder.as_ref().and_then(id_in);
        if !self.claims.iter().any(|known| known.claim == seen.claim) {
            self.claims.push(seen);
        }
        Ok(id)
    }

    fn refuse(&mut self, refusal: Refusal) -> Failure {
        self.remembers_refusal = true;
        refusal.into()
    }

    async fn numbered(&mut self, aggregate: &'static str, number: u64) -> Result<Option<Uuid>, Failure> {
        // Nothing guards a number that is not there yet.
        if self.context.late {
            self.inner.ledger.arrive().await.map_err(super::unread)?;
        }
        let stream = self.inner.ledger.find_tseq(self.context.tenant.as_str(), number).map_err(super::unread)?;
        Ok(stream.filter(|s| s.aggregate_type() == aggregate).as_ref().and_then(id_in))
    }
}
