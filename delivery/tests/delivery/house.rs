//! A service in memory with a few people in it, and what tests ask of it.

use crate::runner::{Handle, Hold, TestRunner, new_event, stream_of};
use delivery::{Delivery, DeliveryOptions, MailSecret, OutboxFilter, OutboxRow, RetrySchedule, TransportOptions};
use domain::bus::Subject;
use domain::invitation::{self, Created, Digests, Invitation, Kind, Recipient, ResendRequested, Role};
use domain::organization::{self, Organization};
use domain::user::{self, User};
use domain::{Actor, Address, Clock, CommandBus, Event, Root, TenantName, Timestamp, employee, integration};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Append, BackendOptions, Ledger, LedgerOptions, State, StateOptions, StreamId, Unit, Vault, VaultOptions};
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

/// Of the generation-n mail of the invitation, in these tests.
pub fn secret_of(id: Uuid, generation: u32) -> String {
    format!("{:064x}", id.as_u128() ^ u128::from(generation))
}

pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub fn advance(&self, span: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus(span);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct House {
    pub ledger: Ledger,
    pub vault: Vault,
    pub state: State,
    pub clock: Arc<TestClock>,
    pub runner: Arc<TestRunner>,
    pub bus: CommandBus,
    pub tenant: TenantName,
    pub folder: TempDir,
    pub organization: Uuid,
    pub integration: Uuid,
    /// Jane Mead, who invites.
    pub jane: Uuid,
}

impl House {
    pub async fn new() -> Self {
        crate::logs::begin();
        let clock = Arc::new(TestClock(Mutex::new(Timestamp::parse("2021-11-23T14:38:00Z").unwrap())));
        let vault = Vault::open(VaultOptions::Memory).unwrap();
        let now = clock.clone();
        let ledger = Ledger::open(LedgerOptions::new(
            BackendOptions::Memory,
            Arc::new(|_, _, _| vec![]),
            vault.clone(),
            Arc::new(move || now.now().0),
        ))
        .unwrap();
        let runner = Arc::new(TestRunner {
            ledger: ledger.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            hold: watch::Sender::new(Hold::Nowhere),
            held: watch::Sender::new(0),
            busy: AtomicU32::new(0),
            known: AtomicU64::new(u64::MAX),
        });
        let bus = CommandBus::new(Arc::new(Handle(runner.clone())));
        let ids = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
        let house = Self {
            ledger,
            vault,
            state: State::open(StateOptions::Memory).unwrap(),
            clock,
            runner,
            bus,
            tenant: TenantName::parse("acme").unwrap(),
            folder: tempfile::tempdir().unwrap(),
            organization: ids[0],
            integration: ids[1],
            jane: ids[2],
        };
        // As the program does before its first event.
        house.delivery(TransportOptions::None);
        house.populate().await;
        house
    }

    async fn populate(&self) {
        let by = Actor::Deployment;
        let name = "Acme Payments".to_owned();
        let made = organization::Created { by, name, bind_recipient: false };
        self.append::<Organization>(self.organization, organization::Event::Created(made)).await;
        let made = integration::Created { by, name: "Ledger Sync".to_owned(), description: None };
        self.append::<integration::Integration>(self.integration, integration::Event::Created(made)).await;
        self.user(self.jane, "jane.mead@acme.example", "Jane Mead").await;
    }

    pub async fn user(&self, id: Uuid, email: &str, name: &str) {
        let email = Some(Address::parse(email).unwrap());
        let personal = user::Personal { email, name: Some(name.to_owned()), erased: false };
        let subject = self.subject().await;
        let made = user::Created { by: Actor::Deployment, address_verified: true, subject, personal };
        self.append::<User>(id, user::Event::Created(made)).await;
    }

    pub async fn subject(&self) -> Subject {
        let made = self.vault.subject().await.unwrap();
        Subject { id: made.id, commitment: Some(made.commitment) }
    }

    pub fn stream<A: Root>(&self, id: Uuid) -> StreamId {
        stream_of(A::TYPE, &self.tenant, id)
    }

    /// Writes an event at the end of its stream; its version.
    pub async fn append<A: Root>(&self, id: Uuid, event: A::Event) -> u64 {
        let stream = self.stream::<A>(id);
        let expected = self.ledger.version(&stream).unwrap();
        let appends = vec![Append { stream, expected, events: vec![new_event(&event)] }];
        let unit = Unit { tenant: self.tenant.as_str().to_owned(), appends, ..Unit::default() };
        self.ledger.submit(unit).await.unwrap();
        expected + 1
    }

    /// An invitation by Jane; its aggregate's id.
    pub async fn invite(&self, email: &str) -> Uuid {
        self.invite_with(email, |_| {}).await
    }

    pub async fn invite_with(&self, email: &str, change: impl FnOnce(&mut Created)) -> Uuid {
        self.invite_as(Uuid::now_v7(), email, change).await
    }

    pub async fn invite_as(&self, id: Uuid, email: &str, change: impl FnOnce(&mut Created)) -> Uuid {
        let mut created = Created {
            kind: Kind::Organization,
            public_id: None,
            target: self.organization,
            role: Role::Member,
            invited_by: Actor::User(self.jane),
            link: Uuid::new_v4(),
            digests: Digests { code: "c".repeat(64), mail: "m".repeat(64) },
            valid_days: 7,
            updated_in_db_at: None,
            waited: false,
            subject: self.subject().await,
            personal: Recipient::Known { email: Address::parse(email).unwrap(), message: None },
        };
        change(&mut created);
        self.append::<Invitation>(id, invitation::Event::Created(created)).await;
        id
    }

    pub async fn resend(&self, id: Uuid, generation: u32) {
        let digests = Digests { code: "c".repeat(64), mail: "m".repeat(64) };
        let by = Actor::User(self.jane);
        let event = ResendRequested { generation, by, digests, valid_days: 7, waited: false };
        self.append::<Invitation>(id, invitation::Event::ResendRequested(event)).await;
    }

    /// An employee whose address changes; its id, and the version that asks.
    pub async fn employee_moves(&self, from: &str, to: &str) -> (Uuid, u64) {
        let id = Uuid::now_v7();
        let by = Actor::Deployment;
        let subject = self.subject().await;
        let address = |text: &str| Some(Address::parse(text).unwrap());
        let personal = employee::Personal {
            email: address(from),
            first_name: Some(Some("Ada".to_owned())),
            ..employee::Personal::default()
        };
        let fields = employee::Fields::default();
        let made = employee::Created { user: None, by, fields: fields.clone(), subject: subject.clone(), personal };
        self.append::<employee::Employee>(id, employee::Event::Created(made)).await;
        let personal =
            employee::Personal { email: address(to), previous_email: address(from), ..employee::Personal::default() };
        let updated = employee::Updated {
            by,
            fields,
            email_changed: true,
            holds_address: None,
            waited: false,
            subject: subject.named(),
            personal: Some(personal),
        };
        (id, self.append::<employee::Employee>(id, employee::Event::Updated(updated)).await)
    }

    pub fn options(&self, transport: TransportOptions) -> DeliveryOptions {
        let from = "Invitations <invitations@acme.example>";
        let folder = self.folder.path().join("outbox");
        let mut options = DeliveryOptions::new(transport, "https://invite.example", from, &folder);
        options.retry = RetrySchedule { jitter_percent: 0, ..RetrySchedule::default() };
        options
    }

    /// Not started.
    pub fn delivery(&self, transport: TransportOptions) -> Delivery {
        self.delivery_with(self.options(transport))
    }

    pub fn delivery_with(&self, options: DeliveryOptions) -> Delivery {
        let secret: MailSecret = Arc::new(|_, id, generation| secret_of(id, generation));
        let (ledger, state, bus) = (self.ledger.clone(), self.state.clone(), self.bus.clone());
        Delivery::new(ledger, state, bus, secret, self.clock.clone(), options).unwrap()
    }

    /// Starts, waits until there is nothing to do, and ends.
    pub async fn deliver(&self, transport: TransportOptions) -> Delivery {
        let delivery = self.delivery(transport);
        delivery.start();
        delivery.idle().await;
        delivery.close().await;
        delivery
    }

    /// Kinds of the events of an aggregate, in order.
    pub fn kinds<A: Root>(&self, id: Uuid) -> Vec<String> {
        let events = self.ledger.read_stream(&self.stream::<A>(id), 0, None).unwrap();
        events.into_iter().map(|e| e.kind).collect()
    }

    /// The newest event of an aggregate.
    pub fn last<A: Root>(&self, id: Uuid) -> A::Event {
        let event = self.ledger.read_stream(&self.stream::<A>(id), 0, None).unwrap().pop().unwrap();
        A::Event::decode(A::TYPE, &event.kind, event.schema, &event.payload).unwrap()
    }

    /// The mails in the outbox folder, by name.
    pub fn files(&self) -> Vec<String> {
        let mut texts = vec![];
        let folder = self.folder.path().join("outbox");
        if folder.exists() {
            let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
            paths.sort();
            texts.extend(paths.iter().map(|p| read(p)));
        }
        texts
    }
}

fn read(path: &Path) -> String {
    assert_eq!(path.extension().and_then(|e| e.to_str()), Some("eml"), "{}", path.display());
    std::fs::read_to_string(path).unwrap()
}

pub fn rows(delivery: &Delivery) -> Vec<OutboxRow> {
    delivery.list(&OutboxFilter::default()).unwrap()
}

/// The recipients of some mails, sorted.
pub fn recipients(mails: &[String]) -> Vec<String> {
    let to = |mail: &String| mail.lines().find_map(|l| l.strip_prefix("To: ")).unwrap().trim().to_owned();
    let mut all: Vec<String> = mails.iter().map(to).collect();
    all.sort();
    all
}
