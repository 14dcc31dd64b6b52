//! The command bus as dialects see it, and the unit of work as use cases see it.
//!
//! A use case loads aggregates, stages commands on them, and is run again from
//! the start when what it read has moved meanwhile. Everything it staged is
//! committed as one unit, or nothing is. Its answer is built from the receipt:
//! the same aggregates at the versions the receipt names, so that a repeated
//! `Idempotency-Key` gets the same answer.

use crate::application::Application;
use crate::employee::Employee;
use crate::integration::Integration;
use crate::invitation::Invitation;
use crate::membership::Membership;
use crate::organization::Organization;
use crate::tenant::Tenant;
use crate::user::User;
use crate::{Context, Failure, Refusal, Root, TenantName, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A person's key in the vault: its id, and a digest that commits to the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<String>,
}

impl Subject {
    /// The subject as later events name it: the commitment stands in the first one only.
    #[must_use]
    pub fn named(&self) -> Self {
        Self { id: self.id, commitment: None }
    }
}

impl Default for Subject {
    fn default() -> Self {
        Self { id: Uuid::nil(), commitment: None }
    }
}

/// An invariant across aggregates: at most one stream holds `(family, name)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub family: &'static str,
    pub name: String,
}

/// What a use case can do with aggregates of one type.
#[async_trait]
pub trait Stream<A: Root>: Send {
    /// The aggregate as it stands, with what this unit has staged; the default
    /// value when it has no events. What was loaded is guarded: if it moves
    /// before the commit, the use case runs again.
    async fn load(&mut self, id: Uuid) -> Result<Arc<A>, Failure>;
    /// Decides the command and stages its events.
    async fn execute(&mut self, id: Uuid, command: A::Command) -> Result<Arc<A>, Failure>;
}

/// One unit of work.
#[async_trait]
pub trait Unit:
    Stream<Application>
    + Stream<Employee>
    + Stream<Integration>
    + Stream<Invitation>
    + Stream<Membership>
    + Stream<Organization>
    + Stream<Tenant>
    + Stream<User>
{
    fn context(&self) -> &Context;
    fn now(&self) -> Timestamp;
    /// A fresh, time-ordered id.
    fn new_id(&mut self) -> Uuid;
    /// An unguessable id, for links; it may begin with the time.
    fn new_link(&mut self) -> Uuid;
    /// A fresh subject with its key, made ahead.
    async fn subject(&mut self) -> Result<Subject, Failure>;
    /// SHA-256 of the two secrets of this invitation and generation, in hex.
    fn digests(&self, invitation: Uuid, generation: u32) -> crate::invitation::Digests;
    /// The id of the aggregate that holds a claim; guarded like a load.
    async fn holder(&mut self, claim: Claim) -> Result<Option<Uuid>, Failure>;
    /// Has what is staged committed, and then answers with this refusal: for the
    /// few refusals that the contract wants remembered. Returned as an error,
    /// so that the use case ends with it.
    fn refuse(&mut self, refusal: Refusal) -> Failure;
    /// The aggregate behind a public integer of this tenant, if it is of this type.
    async fn numbered(&mut self, aggregate: &'static str, number: u64) -> Result<Option<Uuid>, Failure>;
}

impl dyn Unit + '_ {
    /// [`Stream::load`] with the type named at the call.
    ///
    /// # Errors
    /// As [`Stream::load`].
    pub async fn get<A: Root>(&mut self, id: Uuid) -> Result<Arc<A>, Failure>
    where
        Self: Stream<A>,
    {
        Stream::<A>::load(self, id).await
    }

    /// [`Stream::execute`] with the type named at the call.
    ///
    /// # Errors
    /// As [`Stream::execute`].
    pub async fn put<A: Root>(&mut self, id: Uuid, command: A::Command) -> Result<Arc<A>, Failure>
    where
        Self: Stream<A>,
    {
        Stream::<A>::execute(self, id, command).await
    }
}

/// An operation of the service. What it means is written here once; dialects
/// only decode into it and encode its output.
#[async_trait]
pub trait UseCase: Send + Sync + 'static {
    type Output: Answer + Send;

    /// It never stages anything, so there is nothing to commit: what it reads
    /// is as it stands, every acknowledged write included.
    const READS_ONLY: bool = false;

    /// Stages what is to happen. Runs again from the start on a conflict, so
    /// it must not do anything but read and stage.
    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure>;
}

/// [`UseCase`] without its output type, for the runner.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    fn reads_only(&self) -> bool;
    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure>;
}

#[async_trait]
impl<C: UseCase> Job for C {
    fn reads_only(&self) -> bool {
        C::READS_ONLY
    }

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        UseCase::run(self, unit).await
    }
}

/// Aggregates of one type that a finished unit wrote, in the order it did; of
/// a unit that wrote nothing, those it read.
#[async_trait]
pub trait Recall<A: Root>: Send {
    async fn all(&mut self) -> Result<Vec<Arc<A>>, Failure>;
}

/// What a finished unit left behind: its aggregates at the receipt's versions.
pub trait Record:
    Recall<Application>
    + Recall<Employee>
    + Recall<Integration>
    + Recall<Invitation>
    + Recall<Membership>
    + Recall<Organization>
    + Recall<Tenant>
    + Recall<User>
{
    /// Whether the unit wrote events.
    fn wrote(&self) -> bool;
    /// Whether this is the answer to a repeated `Idempotency-Key`.
    fn repeated(&self) -> bool;
}

/// How an output is read off a record.
///
/// Of one aggregate it is the last of its type: what a use case clears out of
/// the way first (a due invitation, an off-boarded employee) is not what was
/// asked for.
#[async_trait]
pub trait Answer: Sized {
    /// # Errors
    /// When the aggregates cannot be read.
    async fn of(record: &mut dyn Record) -> Result<Self, Failure>;
}

#[async_trait]
impl Answer for () {
    async fn of(_: &mut dyn Record) -> Result<Self, Failure> {
        Ok(())
    }
}

#[async_trait]
impl<A: Root> Answer for Arc<A>
where
    for<'a> dyn Record + 'a: Recall<A>,
{
    async fn of(record: &mut dyn Record) -> Result<Self, Failure> {
        let all: Vec<Self> = Recall::<A>::all(record).await?;
        all.into_iter().next_back().ok_or_else(|| Failure::internal(format!("the unit has no {}", A::TYPE)))
    }
}

#[async_trait]
impl<A: Root> Answer for Vec<Arc<A>>
where
    for<'a> dyn Record + 'a: Recall<A>,
{
    async fn of(record: &mut dyn Record) -> Result<Self, Failure> {
        Recall::<A>::all(record).await
    }
}

/// Reading one aggregate at the head of the log, outside any unit.
#[async_trait]
pub trait Peek<A: Root>: Send + Sync {
    /// Not older than `since`, a version that stands in the log.
    async fn peek(&self, tenant: &TenantName, id: Uuid, since: u64) -> Result<Arc<A>, Failure>;
}

/// What stands behind the bus: the program wires the ledger in here.
#[async_trait]
pub trait Runner:
    Peek<Application>
    + Peek<Employee>
    + Peek<Integration>
    + Peek<Invitation>
    + Peek<Membership>
    + Peek<Organization>
    + Peek<Tenant>
    + Peek<User>
    + 'static
{
    /// Waits until what other nodes acknowledged before is seen here.
    async fn arrive(&self) -> Result<(), Failure> {
        Ok(())
    }
    async fn run(&self, context: Context, job: Arc<dyn Job>) -> Result<Box<dyn Record>, Failure>;
    /// The aggregate that holds a claim at the head of the log.
    async fn holder(&self, tenant: &TenantName, claim: Claim) -> Result<Option<Uuid>, Failure>;
    async fn numbered(
        &self,
        tenant: &TenantName,
        aggregate: &'static str,
        number: u64,
    ) -> Result<Option<Uuid>, Failure>;
    /// Waits until an invitation's or a notice's mail has a result recorded.
    async fn mail_result(&self, mail: MailRef, within: Duration) -> Option<MailResult>;
    fn now(&self) -> Timestamp;
}

/// One mail, asked for by one event: the aggregate, and which of its mails.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailRef {
    pub tenant: TenantName,
    pub aggregate: &'static str,
    pub id: Uuid,
    /// Of an invitation the generation; else the version of the asking event.
    pub number: u64,
    /// Which recipient, where one event asks for several mails; else 0.
    pub part: u8,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailResult {
    Sent,
    /// The provider refused it for good.
    Failed(crate::mail::Reason),
}

/// What dialects call. Cheap to clone.
#[derive(Clone)]
pub struct CommandBus {
    runner: Arc<dyn Runner>,
}

impl CommandBus {
    #[must_use]
    pub fn new(runner: Arc<dyn Runner>) -> Self {
        Self { runner }
    }

    /// What nearly every request begins with (not those whose context is `late`): whatever was acknowledged before, at this node
    /// or at another one, is seen by everything that is asked afterwards.
    ///
    /// # Errors
    /// When it cannot be told now what other nodes have acknowledged.
    pub async fn arrive(&self) -> Result<(), Failure> {
        self.runner.arrive().await
    }

    /// Runs a use case to its durable end and answers from the receipt.
    ///
    /// # Errors
    /// [`Failure`]: refused, not available, or broken.
    pub async fn perform<C: UseCase>(&self, context: Context, case: C) -> Result<C::Output, Failure> {
        let mut record = self.runner.run(context, Arc::new(case)).await?;
        C::Output::of(&mut *record).await
    }

    /// One aggregate at the head of the log; its default when it has no events.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn load<A: Root>(&self, tenant: &TenantName, id: Uuid) -> Result<Arc<A>, Failure>
    where
        dyn Runner: Peek<A>,
    {
        Peek::<A>::peek(&*self.runner, tenant, id, 0).await
    }

    /// As [`Self::load`], for whoever has read that version in the log: it stands there a moment
    /// before [`Self::load`] has it, which is as new as the last answer that was given.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn load_since<A: Root>(&self, tenant: &TenantName, id: Uuid, version: u64) -> Result<Arc<A>, Failure>
    where
        dyn Runner: Peek<A>,
    {
        Peek::<A>::peek(&*self.runner, tenant, id, version).await
    }

    /// # Errors
    /// When the ledger cannot be read.
    pub async fn holder(&self, tenant: &TenantName, claim: Claim) -> Result<Option<Uuid>, Failure> {
        self.runner.holder(tenant, claim).await
    }

    /// # Errors
    /// When the ledger cannot be read.
    pub async fn numbered(
        &self,
        tenant: &TenantName,
        aggregate: &'static str,
        number: u64,
    ) -> Result<Option<Uuid>, Failure> {
        self.runner.numbered(tenant, aggregate, number).await
    }

    /// `None` when the wait was over first.
    pub async fn mail_result(&self, mail: MailRef, within: Duration) -> Option<MailResult> {
        self.runner.mail_result(mail, within).await
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.runner.now()
    }
}
