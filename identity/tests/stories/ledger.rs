//! A ledger in memory: the smallest backend behind the command bus. Events are
//! decided, folded and claimed by the domain itself; nothing is pretended.

use crate::clock::TestClock;
use async_trait::async_trait;
use domain::bus::{Claim, Job, MailRef, MailResult, Peek, Recall, Record, Runner, Stream, Subject, Unit};
use domain::invitation::Digests;
use domain::{Clock, Context, Event, Failure, Origin, Refusal, Root, TenantName, Timestamp, claims};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

#[derive(Clone)]
struct Stored {
    aggregate: &'static str,
    origin: Origin,
    kind: &'static str,
    schema: u32,
    payload: Value,
}

#[derive(Clone)]
pub struct MemoryLedger {
    log: Arc<Mutex<Vec<Stored>>>,
    clock: Arc<TestClock>,
}

impl MemoryLedger {
    pub fn new(clock: Arc<TestClock>) -> Self {
        Self { log: Arc::default(), clock }
    }

    fn fold<A: Root>(&self, staged: &[Stored], tenant: &TenantName, id: Uuid) -> Arc<A> {
        let mut aggregate = A::default();
        let log = self.log.lock().unwrap();
        for stored in log.iter().chain(staged) {
            if stored.aggregate == A::TYPE && stored.origin.id == id && stored.origin.tenant == *tenant {
                let event = A::Event::decode(A::TYPE, stored.kind, stored.schema, &stored.payload.to_string()).unwrap();
                aggregate.evolve(&event, &stored.origin);
            }
        }
        Arc::new(aggregate)
    }

    fn holds(&self, staged: &[Stored], claim: &Claim) -> Option<Uuid> {
        let mut held: HashMap<Claim, Uuid> = HashMap::new();
        for stored in self.log.lock().unwrap().iter().chain(staged) {
            let Origin { tenant, id, .. } = &stored.origin;
            for change in claims::of(stored.aggregate, tenant, stored.kind, &stored.payload.to_string()) {
                match change {
                    claims::Change::Take(claim) => drop(held.insert(claim, *id)),
                    claims::Change::Release(family) => held.retain(|c, holder| c.family != family || holder != id),
                }
            }
        }
        held.get(claim).copied()
    }

    fn number(&self, aggregate: &'static str, number: u64) -> Option<Uuid> {
        let log = self.log.lock().unwrap();
        log.iter().find(|s| s.aggregate == aggregate && s.origin.tseq == number).map(|s| s.origin.id)
    }
}

struct Work {
    ledger: MemoryLedger,
    context: Context,
    staged: Vec<Stored>,
}

#[async_trait]
impl<A: Root> Stream<A> for Work {
    async fn load(&mut self, id: Uuid) -> Result<Arc<A>, Failure> {
        Ok(self.ledger.fold(&self.staged, &self.context.tenant, id))
    }

    async fn execute(&mut self, id: Uuid, command: A::Command) -> Result<Arc<A>, Failure> {
        let aggregate: Arc<A> = self.load(id).await?;
        let at = self.now();
        let tenant = &self.context.tenant;
        let before = self.ledger.log.lock().unwrap().len();
        for event in aggregate.decide(command, at)? {
            let of = |s: &&Stored| s.aggregate == A::TYPE && s.origin.id == id && s.origin.tenant == *tenant;
            let version = self.ledger.log.lock().unwrap().iter().chain(&self.staged).filter(of).count() as u64 + 1;
            let tseq = (before + self.staged.len()) as u64 + 1;
            let origin = Origin { tenant: tenant.clone(), id, at, tseq, version };
            let encoded = event.encode().unwrap();
            self.staged.push(Stored {
                aggregate: A::TYPE,
                origin,
                kind: encoded.kind,
                schema: encoded.schema,
                payload: encoded.payload,
            });
        }
        self.load(id).await
    }
}

#[async_trait]
impl Unit for Work {
    fn context(&self) -> &Context {
        &self.context
    }
    fn now(&self) -> Timestamp {
        self.ledger.clock.now()
    }
    fn new_id(&mut self) -> Uuid {
        Uuid::new_v4()
    }
    fn new_link(&mut self) -> Uuid {
        Uuid::new_v4()
    }
    async fn subject(&mut self) -> Result<Subject, Failure> {
        Ok(Subject { id: Uuid::new_v4(), commitment: None })
    }
    fn digests(&self, _: Uuid, _: u32) -> Digests {
        Digests::default()
    }
    async fn holder(&mut self, claim: Claim) -> Result<Option<Uuid>, Failure> {
        Ok(self.ledger.holds(&self.staged, &claim))
    }
    fn refuse(&mut self, refusal: Refusal) -> Failure {
        refusal.into()
    }
    async fn numbered(&mut self, aggregate: &'static str, number: u64) -> Result<Option<Uuid>, Failure> {
        Ok(self.ledger.number(aggregate, number))
    }
}

struct Done {
    ledger: MemoryLedger,
    wrote: Vec<Stored>,
}

#[async_trait]
impl<A: Root> Recall<A> for Done {
    async fn all(&mut self) -> Result<Vec<Arc<A>>, Failure> {
        let mut ids = vec![];
        for stored in self.wrote.iter().filter(|s| s.aggregate == A::TYPE) {
            let place = (stored.origin.tenant.clone(), stored.origin.id);
            if !ids.contains(&place) {
                ids.push(place);
            }
        }
        Ok(ids.into_iter().map(|(tenant, id)| self.ledger.fold(&[], &tenant, id)).collect())
    }
}

impl Record for Done {
    fn wrote(&self) -> bool {
        !self.wrote.is_empty()
    }
    fn repeated(&self) -> bool {
        false
    }
}

#[async_trait]
impl<A: Root> Peek<A> for MemoryLedger {
    async fn peek(&self, tenant: &TenantName, id: Uuid, _: u64) -> Result<Arc<A>, Failure> {
        Ok(self.fold(&[], tenant, id))
    }
}

#[async_trait]
impl Runner for MemoryLedger {
    async fn run(&self, context: Context, job: Arc<dyn Job>) -> Result<Box<dyn Record>, Failure> {
        let mut work = Work { ledger: self.clone(), context, staged: vec![] };
        job.run(&mut work).await?;
        self.log.lock().unwrap().extend(work.staged.iter().cloned());
        Ok(Box::new(Done { ledger: self.clone(), wrote: work.staged }))
    }
    async fn holder(&self, _: &TenantName, claim: Claim) -> Result<Option<Uuid>, Failure> {
        Ok(self.holds(&[], &claim))
    }
    async fn numbered(&self, _: &TenantName, aggregate: &'static str, number: u64) -> Result<Option<Uuid>, Failure> {
        Ok(self.number(aggregate, number))
    }
    async fn mail_result(&self, _: MailRef, _: Duration) -> Option<MailResult> {
        None
    }
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
