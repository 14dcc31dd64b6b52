//! What tests tell their stories with: a ledger in memory, aggregates that
//! decide, and views that follow.

use crate::{Views, ViewsOptions};
use domain::invitation::{self, Created, Digests, Invitation, Kind, Recipient, Role};
use domain::{Actor, Address, Event, Origin, Root, TenantName, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::{Append, BackendOptions, Ledger, LedgerOptions, NewEvent, StreamId, Unit, Vault, VaultOptions};
use uuid::Uuid;

/// Where time begins in tests: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000_000);

pub(crate) struct Story {
    pub ledger: Ledger,
    pub vault: Vault,
    clock: Arc<AtomicI64>,
    versions: HashMap<String, u64>,
}

impl Story {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(START.0));
        let vault = Vault::open(VaultOptions::Memory).unwrap();
        let ticking = clock.clone();
        let now = Arc::new(move || ticking.load(Ordering::SeqCst));
        let options = LedgerOptions::new(BackendOptions::Memory, Arc::new(|_, _, _| vec![]), vault.clone(), now);
        Self { ledger: Ledger::open(options).unwrap(), vault, clock, versions: HashMap::new() }
    }

    pub(crate) fn advance(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    /// Views in memory that follow.
    pub(crate) fn views(&self) -> Views {
        let views = self.views_at(None);
        views.start().unwrap();
        views
    }

    /// Views that do not follow yet.
    pub(crate) fn views_at(&self, path: Option<PathBuf>) -> Views {
        Views::open(ViewsOptions { path }, self.ledger.clone()).unwrap()
    }

    /// Appends one event of an aggregate, and says where it stands.
    pub(crate) async fn append<A: Root>(&mut self, tenant: &TenantName, id: Uuid, event: &A::Event) -> Origin {
        let encoded = event.encode().unwrap();
        self.append_raw(A::TYPE, tenant, id, encoded.kind, encoded.payload).await
    }

    pub(crate) async fn append_raw(
        &mut self,
        aggregate: &str,
        tenant: &TenantName,
        id: Uuid,
        kind: &str,
        payload: Value,
    ) -> Origin {
        self.advance(1_000);
        let stream = format!("{aggregate}-{tenant}/{id}");
        let expected = self.versions.entry(stream.clone()).or_default();
        let event =
            NewEvent { id: Uuid::new_v4(), kind: kind.to_owned(), schema: 1, payload, metadata: BTreeMap::new() };
        let append = Append { stream: StreamId::from(stream), expected: *expected, events: vec![event] };
        let unit = Unit { tenant: tenant.as_str().to_owned(), appends: vec![append], ..Unit::default() };
        let receipt = self.ledger.submit(unit).await.unwrap();
        *expected += 1;
        let version = *expected;
        Origin { tenant: tenant.clone(), id, at: Timestamp(receipt.at), tseq: receipt.streams[0].first_tseq, version }
    }

    /// A subject with its key, as the domain names it.
    pub(crate) async fn subject(&self) -> domain::bus::Subject {
        let subject = self.vault.subject().await.unwrap();
        domain::bus::Subject { id: subject.id, commitment: Some(subject.commitment) }
    }

    /// An invitation to an organization, by the deployment, for a week.
    pub(crate) async fn created(&self, target: Uuid, email: &str) -> Created {
        Created {
            kind: Kind::Organization,
            public_id: None,
            target,
            role: Role::Member,
            invited_by: Actor::Deployment,
            link: Uuid::new_v4(),
            digests: Digests::default(),
            valid_days: 7,
            updated_in_db_at: None,
            waited: false,
            subject: self.subject().await,
            personal: Recipient::Known { email: Address::parse(email).unwrap(), message: None },
        }
    }

    pub(crate) async fn invite(&mut self, tenant: &TenantName, created: Created) -> Invitation {
        let id = Uuid::now_v7();
        let event = invitation::Event::Created(created);
        let origin = self.append::<Invitation>(tenant, id, &event).await;
        let mut invitation = Invitation::default();
        invitation.evolve(&event, &origin);
        invitation
    }

    /// So many invitations to one target, many in one unit.
    pub(crate) async fn invite_many(&mut self, target: Uuid, count: usize) {
        let mut left = count;
        while left > 0 {
            let mut unit = Unit { tenant: tenant().as_str().to_owned(), ..Unit::default() };
            for _ in 0..left.min(100) {
                let created = self.created(target, "many@x.com").await;
                let encoded = invitation::Event::Created(created).encode().unwrap();
                let event = NewEvent {
                    id: Uuid::new_v4(),
                    kind: encoded.kind.to_owned(),
                    schema: encoded.schema,
                    payload: encoded.payload,
                    metadata: BTreeMap::new(),
                };
                let stream = StreamId::from(format!("invitation-{}/{}", tenant(), Uuid::now_v7()));
                unit.appends.push(Append { stream, expected: 0, events: vec![event] });
            }
            left -= unit.appends.len();
            self.ledger.submit(unit).await.unwrap();
        }
    }

    /// What happens next to an aggregate, in the log and in the given state.
    pub(crate) async fn then<A: Root>(&mut self, tenant: &TenantName, id: Uuid, state: &mut A, event: A::Event) {
        let origin = self.append::<A>(tenant, id, &event).await;
        state.evolve(&event, &origin);
    }
}

pub(crate) fn tenant() -> TenantName {
    TenantName::default_tenant()
}
