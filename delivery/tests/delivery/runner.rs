//! The command bus over a ledger in memory: load, decide, write one unit, or again.

use async_trait::async_trait;
use domain::application::Application;
use domain::bus::{Claim, Job, MailRef, MailResult, Peek, Recall, Record, Runner, Stream, Subject, Unit};
use domain::employee::Employee;
use domain::integration::Integration;
use domain::invitation::{Digests, Invitation};
use domain::membership::Membership;
use domain::organization::Organization;
use domain::tenant::Tenant;
use domain::user::User;
use domain::{Clock, Context, Event, Failure, Origin, Refusal, Root, TenantName, Timestamp, Unavailable};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use store::{Append, CommandId, Ledger, NewEvent, Receipt, StreamId, SubmitError, Vault};
use tokio::sync::watch;
use uuid::Uuid;

/// Where a command is made to hang, as it would in a process that dies there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    #[default]
    Nowhere,
    BeforeCommit,
    AfterCommit,
}

pub struct TestRunner {
    pub ledger: Ledger,
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub hold: watch::Sender<Hold>,
    /// How many commands hang.
    pub held: watch::Sender<u32>,
    /// So many commands are answered "busy" first.
    pub busy: AtomicU32,
    /// The newest version of each aggregate that is known outside units: the log may be ahead.
    pub known: AtomicU64,
}

pub fn stream_of(aggregate: &str, tenant: &TenantName, id: Uuid) -> StreamId {
    StreamId::from(format!("{aggregate}-{tenant}/{id}"))
}

impl TestRunner {
    fn fold<A: Root>(&self, tenant: &TenantName, id: Uuid) -> (A, u64) {
        self.fold_to(tenant, id, None)
    }

    fn fold_to<A: Root>(&self, tenant: &TenantName, id: Uuid, to: Option<u64>) -> (A, u64) {
        let mut state = A::default();
        let mut version = 0;
        for recorded in self.ledger.read_stream(&stream_of(A::TYPE, tenant, id), 0, to).unwrap() {
            version = recorded.version;
            let at = Timestamp(recorded.at);
            let origin = Origin { tenant: tenant.clone(), id, at, tseq: recorded.tseq, version };
            let event = A::Event::decode(A::TYPE, &recorded.kind, recorded.schema, &recorded.payload).unwrap();
            state.evolve(&event, &origin);
        }
        (state, version)
    }

    async fn hang(&self, here: Hold) {
        if *self.hold.borrow() == here {
            self.held.send_modify(|n| *n += 1);
            std::future::pending::<()>().await;
        }
    }
}

struct TestUnit {
    runner: Arc<TestRunner>,
    context: Context,
    appends: Vec<Append>,
}

impl TestUnit {
    fn loaded<A: Root>(&self, id: Uuid) -> (A, u64, u64) {
        let tenant = &self.context.tenant;
        let (mut state, base) = self.runner.fold::<A>(tenant, id);
        let stream = stream_of(A::TYPE, tenant, id);
        let mut version = base;
        for event in self.appends.iter().filter(|a| a.stream == stream).flat_map(|a| &a.events) {
            version += 1;
            let origin = Origin { tenant: tenant.clone(), id, at: self.now(), tseq: 0, version };
            let event = A::Event::decode(A::TYPE, &event.kind, event.schema, &event.payload.to_string()).unwrap();
            state.evolve(&event, &origin);
        }
        (state, base, version)
    }
}

macro_rules! aggregates {
    ($($aggregate:ident),*) => {$(
        #[async_trait]
        impl Stream<$aggregate> for TestUnit {
            async fn load(&mut self, id: Uuid) -> Result<Arc<$aggregate>, Failure> {
                Ok(Arc::new(self.loaded::<$aggregate>(id).0))
            }
            async fn execute(
                &mut self,
                id: Uuid,
                command: <$aggregate as Root>::Command,
            ) -> Result<Arc<$aggregate>, Failure> {
                let (state, base, _) = self.loaded::<$aggregate>(id);
                let events: Vec<NewEvent> = state.decide(command, self.now())?.iter().map(new_event).collect();
                let stream = stream_of($aggregate::TYPE, &self.context.tenant, id);
                if !events.is_empty() {
                    match self.appends.iter_mut().find(|a| a.stream == stream) {
                        Some(append) => append.events.extend(events),
                        None => self.appends.push(Append { stream, expected: base, events }),
                    }
                }
                Ok(Arc::new(self.loaded::<$aggregate>(id).0))
            }
        }

        #[async_trait]
        impl Peek<$aggregate> for TestRunner {
            async fn peek(&self, tenant: &TenantName, id: Uuid, since: u64) -> Result<Arc<$aggregate>, Failure> {
                let known = self.known.load(Ordering::SeqCst).max(since);
                Ok(Arc::new(self.fold_to::<$aggregate>(tenant, id, Some(known)).0))
            }
        }

        #[async_trait]
        impl Recall<$aggregate> for TestRecord {
            async fn all(&mut self) -> Result<Vec<Arc<$aggregate>>, Failure> {
                let ids = self.receipt.streams.iter().filter(|s| s.stream.aggregate_type() == $aggregate::TYPE);
                let id = |s: &store::StreamReceipt| s.stream.as_str().rsplit('/').next().unwrap().parse().unwrap();
                Ok(ids.map(|s| Arc::new(self.runner.fold::<$aggregate>(&self.tenant, id(s)).0)).collect())
            }
        }
    )*};
}

aggregates!(Application, Employee, Integration, Invitation, Membership, Organization, Tenant, User);

pub fn new_event<E: Event>(event: &E) -> NewEvent {
    let encoded = event.encode().unwrap();
    NewEvent {
        id: Uuid::now_v7(),
        kind: encoded.kind.to_owned(),
        schema: encoded.schema,
        payload: encoded.payload,
        metadata: BTreeMap::from([("request_id".to_owned(), Uuid::from_u128(7).to_string())]),
    }
}

#[async_trait]
impl Unit for TestUnit {
    fn context(&self) -> &Context {
        &self.context
    }
    fn now(&self) -> Timestamp {
        self.runner.clock.now()
    }
    fn new_id(&mut self) -> Uuid {
        Uuid::now_v7()
    }
    fn new_link(&mut self) -> Uuid {
        Uuid::new_v4()
    }
    async fn subject(&mut self) -> Result<Subject, Failure> {
        let made = self.runner.vault.subject().await.map_err(Failure::internal)?;
        Ok(Subject { id: made.id, commitment: Some(made.commitment) })
    }
    fn digests(&self, invitation: Uuid, generation: u32) -> Digests {
        let digest = |label: &str| format!("{:x}", Sha256::digest(format!("{label}{invitation}{generation}")));
        Digests { code: digest("code"), mail: digest("mail") }
    }
    async fn holder(&mut self, _: Claim) -> Result<Option<Uuid>, Failure> {
        Ok(None)
    }
    fn refuse(&mut self, refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
    async fn numbered(&mut self, _: &'static str, _: u64) -> Result<Option<Uuid>, Failure> {
        Ok(None)
    }
}

struct TestRecord {
    runner: Arc<TestRunner>,
    tenant: TenantName,
    receipt: Receipt,
}

impl Record for TestRecord {
    fn wrote(&self) -> bool {
        !self.receipt.streams.is_empty()
    }
    fn repeated(&self) -> bool {
        self.receipt.repeated
    }
}

/// [`Runner`] is implemented on a handle, because units outlive the call.
pub struct Handle(pub Arc<TestRunner>);

macro_rules! peeks {
    ($($aggregate:ident),*) => {$(
        #[async_trait]
        impl Peek<$aggregate> for Handle {
            async fn peek(&self, tenant: &TenantName, id: Uuid, since: u64) -> Result<Arc<$aggregate>, Failure> {
                Peek::<$aggregate>::peek(&*self.0, tenant, id, since).await
            }
        }
    )*};
}

peeks!(Application, Employee, Integration, Invitation, Membership, Organization, Tenant, User);

#[async_trait]
impl Runner for Handle {
    async fn run(&self, context: Context, job: Arc<dyn Job>) -> Result<Box<dyn Record>, Failure> {
        let runner = self.0.clone();
        if runner.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Unavailable::Busy { retry_after_s: 1 }.into());
        }
        runner.hang(Hold::BeforeCommit).await;
        let tenant = context.tenant.clone();
        let command = context.idempotency.as_ref().map(|key| {
            CommandId(Sha256::digest(format!("{tenant}|{}|{}|{}", context.actor, key.operation, key.key)).into())
        });
        let fingerprint = context.idempotency.as_ref().map(|key| key.fingerprint);
        loop {
            let mut unit = TestUnit { runner: runner.clone(), context: context.clone(), appends: vec![] };
            job.run(&mut unit).await?;
            let appends = unit.appends;
            let unit = store::Unit {
                tenant: tenant.as_str().to_owned(),
                command_id: command,
                fingerprint,
                appends,
                ..store::Unit::default()
            };
            match runner.ledger.submit(unit).await {
                Ok(receipt) => {
                    runner.hang(Hold::AfterCommit).await;
                    return Ok(Box::new(TestRecord { runner, tenant, receipt }));
                }
                Err(SubmitError::Conflict { .. }) => {}
                Err(error) => return Err(Failure::internal(error)),
            }
        }
    }

    async fn holder(&self, _: &TenantName, _: Claim) -> Result<Option<Uuid>, Failure> {
        Ok(None)
    }

    async fn numbered(&self, _: &TenantName, _: &'static str, _: u64) -> Result<Option<Uuid>, Failure> {
        Ok(None)
    }

    async fn mail_result(&self, _: MailRef, _: Duration) -> Option<MailResult> {
        None
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}
