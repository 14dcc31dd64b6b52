//! What a finished unit left behind.

use super::cache::AnyState;
use super::{Inner, event_store, id_in};
use async_trait::async_trait;
use domain::bus::{Recall, Record};
use domain::{Failure, Root, TenantName};
use std::sync::Arc;
use store::StreamId;

pub(super) struct LedgerRecord {
    inner: Arc<Inner>,
    tenant: TenantName,
    streams: Vec<(StreamId, u64, Option<AnyState>)>,
    wrote: bool,
    repeated: bool,
}

impl LedgerRecord {
    pub fn fresh(
        inner: &Arc<Inner>,
        tenant: &TenantName,
        streams: Vec<(StreamId, u64, AnyState)>,
        wrote: bool,
    ) -> Self {
        let streams = streams.into_iter().map(|(stream, version, state)| (stream, version, Some(state))).collect();
        Self { inner: inner.clone(), tenant: tenant.clone(), streams, wrote, repeated: false }
    }

    /// Of a command given before: the aggregates as they were then.
    pub fn at_versions(inner: &Arc<Inner>, tenant: &TenantName, streams: Vec<(StreamId, u64)>, wrote: bool) -> Self {
        let streams = streams.into_iter().map(|(stream, version)| (stream, version, None)).collect();
        Self { inner: inner.clone(), tenant: tenant.clone(), streams, wrote, repeated: true }
    }
}

#[async_trait]
impl<A: Root> Recall<A> for LedgerRecord {
    async fn all(&mut self) -> Result<Vec<Arc<A>>, Failure> {
        let mut found = vec![];
        for (stream, version, state) in &self.streams {
            if stream.aggregate_type() != A::TYPE {
                continue;
            }
            if let Some(state) = state.clone().and_then(|s| s.downcast::<A>().ok()) {
                found.push(state);
            } else if let Some(id) = id_in(stream) {
                let (_, state) =
                    event_store::fold::<A>(&self.inner.ledger, stream, (&self.tenant, id), Some(*version))?;
                found.push(Arc::new(state));
            }
        }
        Ok(found)
    }
}

impl Record for LedgerRecord {
    fn wrote(&self) -> bool {
        self.wrote
    }
    fn repeated(&self) -> bool {
        self.repeated
    }
}
