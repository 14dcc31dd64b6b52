//! The log as one tenant sees it: its own events by its own numbers, which tell
//! nothing of how much the others write.

use std::{collections::BTreeMap, sync::Arc};

use super::{Ledger, open_row};
use crate::{Position, ReadError, Recorded, StreamId};

impl Ledger {
    /// The number of a tenant's last event; 0 if it has none.
    pub fn tenant_head(&self, tenant: &str) -> Result<u64, ReadError> {
        let last = self.inner().index.tenant(tenant)?;
        // The newest may be on disk and not shown yet.
        let shown = self.numbered(tenant, last.saturating_sub(1), last)?;
        Ok(shown.last().map_or(last.saturating_sub(1), |event| event.tseq))
    }

    /// A tenant's events after a number, ascending, at most `limit`.
    pub fn read_tenant(&self, tenant: &str, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        self.numbered(tenant, after.saturating_add(1), after.saturating_add(limit as u64))
    }

    /// A tenant's events before a number, descending, at most `limit`. `u64::MAX` starts at the last.
    pub fn read_tenant_back(&self, tenant: &str, before: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, ReadError> {
        let before = before.min(self.tenant_head(tenant)?.saturating_add(1));
        let mut found = self.numbered(tenant, before.saturating_sub(limit as u64).max(1), before.saturating_sub(1))?;
        found.reverse();
        Ok(found)
    }

    /// Where the event with this number in its tenant is.
    pub fn find_position(&self, tenant: &str, tseq: u64) -> Result<Option<Position>, ReadError> {
        Ok(self.inner().index.numbered(tenant, tseq, tseq)?.remove(&tseq))
    }

    /// The stream whose first event has this number in its tenant.
    pub fn find_tseq(&self, tenant: &str, tseq: u64) -> Result<Option<StreamId>, ReadError> {
        let inner = self.inner();
        let Some(position) = self.find_position(tenant, tseq)? else { return Ok(None) };
        if let Some(event) = inner.tail.at(position) {
            return Ok((event.version == 1).then(|| event.stream.clone()));
        }
        let row = inner.log.at(&[position])?.pop();
        let row = row.ok_or(ReadError::Damaged { position, what: "the index leads there" })?;
        Ok((row.version == 1).then_some(row.stream))
    }

    fn numbered(&self, tenant: &str, first: u64, last: u64) -> Result<Vec<Arc<Recorded>>, ReadError> {
        let (inner, head) = (self.inner(), self.head());
        let mut places: BTreeMap<u64, Position> = inner.index.numbered(tenant, first, last)?;
        places.retain(|_, position| *position <= head);
        let recent: Vec<Option<Arc<Recorded>>> = places.values().map(|position| inner.tail.at(*position)).collect();
        let cold: Vec<Position> =
            places.values().zip(&recent).filter(|(_, event)| event.is_none()).map(|(position, _)| *position).collect();
        let mut rows = inner.log.at(&cold)?.into_iter();
        let mut found = Vec::with_capacity(places.len());
        for ((number, position), event) in places.into_iter().zip(recent) {
            let event = match event {
                Some(event) => Some(event),
                None => rows.next().map(|row| open_row(row, &inner.vault).map(Arc::new)).transpose()?,
            };
            let event = event.filter(|event| event.tseq == number && event.tenant == tenant);
            found.push(event.ok_or(ReadError::Damaged { position, what: "the index leads elsewhere" })?);
        }
        Ok(found)
    }
}
