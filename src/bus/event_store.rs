//! Our implementation of `cqrs_es::EventStore`: one command on one aggregate.
//!
//! Loading gives what the unit has at hand; committing stages into the unit
//! instead of writing. cqrs-es' own persisted store, snapshots and queries are
//! not used: version 0.5 applies events twice there, and its queries run after
//! the commit in the caller's future.

use cqrs_es::{AggregateContext, AggregateError, CqrsFramework, EventEnvelope, EventStore};
use domain::{Event, Fact, Failure, Folded, Ordered, Origin, Refusal, Root, TenantName, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Ledger, StreamId};
use uuid::Uuid;

/// An aggregate with what was decided on it.
pub(super) struct Decided<A: Root> {
    pub state: A,
    pub events: Vec<A::Event>,
}

/// Drives one command through cqrs-es.
pub(super) async fn decide<A: Root>(state: A, command: A::Command, base: Origin) -> Result<Decided<A>, Failure> {
    let desk = Desk { id: base.id.to_string(), state: Mutex::new(Some(Folded(state))), decided: Arc::default() };
    let (id, decided) = (desk.id.clone(), desk.decided.clone());
    let framework = CqrsFramework::new(desk, vec![], ());
    framework.execute(&id, Ordered { command, base }).await.map_err(failure)?;
    let done = decided.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.ok_or_else(|| Failure::internal("cqrs-es ended without a commit"))
}

fn failure(error: AggregateError<Refusal>) -> Failure {
    match error {
        AggregateError::UserError(refusal) => refusal.into(),
        AggregateError::AggregateConflict => Failure::internal("cqrs-es reported a conflict nobody raised"),
        AggregateError::DatabaseConnectionError(source)
        | AggregateError::DeserializationError(source)
        | AggregateError::UnexpectedError(source) => Failure::Internal(source),
    }
}

/// Where one aggregate lies while a command is decided on it.
struct Desk<A: Root> {
    id: String,
    state: Mutex<Option<Folded<A>>>,
    decided: Arc<Mutex<Option<Decided<A>>>>,
}

struct OnDesk<A: Root>(Folded<A>);

impl<A: Root> AggregateContext<Folded<A>> for OnDesk<A> {
    fn aggregate(&mut self) -> &mut Folded<A> {
        &mut self.0
    }
}

impl<A: Root> EventStore<Folded<A>> for Desk<A> {
    type AC = OnDesk<A>;

    /// The bus loads streams itself; nothing is read twice.
    async fn load_events(&self, _: &str) -> Result<Vec<EventEnvelope<Folded<A>>>, AggregateError<Refusal>> {
        Ok(vec![])
    }

    async fn load_aggregate(&self, _: &str) -> Result<OnDesk<A>, AggregateError<Refusal>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        state.map(OnDesk).ok_or_else(|| AggregateError::UnexpectedError("loaded twice".into()))
    }

    async fn commit(
        &self,
        events: Vec<Fact<A::Event>>,
        context: OnDesk<A>,
        _: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Folded<A>>>, AggregateError<Refusal>> {
        let events = events.into_iter().map(|fact| fact.event).collect();
        let decided = Decided { state: context.0.0, events };
        *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = Some(decided);
        Ok(vec![])
    }
}

/// Folds a stream up to a version, or to its end. Answers the version reached.
pub(super) fn fold<A: Root>(
    ledger: &Ledger,
    stream: &StreamId,
    (tenant, id): (&TenantName, Uuid),
    to: Option<u64>,
) -> Result<(u64, A), Failure> {
    let mut state = A::default();
    let mut version = 0;
    for recorded in ledger.read_stream(stream, 0, to).map_err(super::unread)? {
        let event =
            A::Event::decode(A::TYPE, &recorded.kind, recorded.schema, &recorded.payload).map_err(Failure::internal)?;
        version = recorded.version;
        let origin = Origin { tenant: tenant.clone(), id, at: Timestamp(recorded.at), tseq: recorded.tseq, version };
        state.evolve(&event, &origin);
    }
    Ok((version, state))
}
