//! What operators see and do: list, retry, abandon.

use crate::Shared;
use crate::courier;
use crate::error::OperatorError;
use crate::outbox::{Changes, Half, PAGE, Stored};
use crate::row::{Because, Key, Phase, Row, Shown, outcome_of};
use domain::mail::Reason;
use domain::use_cases::RecordDelivery;
use domain::{TenantName, Timestamp};
use store::StateError;
use uuid::Uuid;

/// Rows one list shows at most.
pub const MAX_LISTED: usize = 1_000;

/// How far a mail has come, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// To be sent at its time.
    Queued,
    /// Being sent, or its result being recorded.
    Sending,
    /// A dead letter: sent again by hand or not at all.
    Dead,
}

impl MailState {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Dead => "dead",
        }
    }
}

/// One mail of the outbox. Nothing personal stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// What `retry` and `abandon` take.
    pub id: String,
    pub tenant: TenantName,
    /// `invitation`, `employee` or `user`, and its aggregate's id.
    pub aggregate: &'static str,
    pub aggregate_id: Uuid,
    /// Of an invitation the generation; else the version of the asking event.
    pub number: u64,
    pub part: u8,
    pub state: MailState,
    /// Of a dead letter; [`Reason::OutcomeUnknown`] also where the outbox was lost.
    pub reason: Option<Reason>,
    pub asked_at: Timestamp,
    /// Of a queued one.
    pub next_attempt_at: Option<Timestamp>,
    pub attempts: u32,
    pub waited: bool,
    pub message_id: String,
}

/// Which mails to list. The default is all of them, from the first.
#[derive(Clone, Debug, Default)]
pub struct OutboxFilter {
    pub state: Option<MailState>,
    pub tenant: Option<TenantName>,
    /// Only those after this id, for the next page.
    pub after: Option<String>,
    /// 0 or more than [`MAX_LISTED`] is [`MAX_LISTED`].
    pub limit: usize,
}

impl Shared {
    pub fn list(&self, filter: &OutboxFilter) -> Result<Vec<OutboxRow>, OperatorError> {
        let after = match &filter.after {
            Some(id) => Some(self.key_of(id)?.stored()),
            None => None,
        };
        let limit = if filter.limit == 0 { MAX_LISTED } else { filter.limit.min(MAX_LISTED) };
        let halves: &[Half] = match filter.state {
            Some(MailState::Dead) => &[Half::Dead],
            Some(MailState::Queued | MailState::Sending) => &[Half::Live],
            None => &[Half::Live, Half::Dead],
        };
        let mut found = vec![];
        for half in halves {
            found.extend(self.listed(*half, after.clone(), filter, limit)?);
        }
        found.sort_by_key(|(key, _)| *key);
        found.truncate(limit);
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    pub fn find(&self, id: &str) -> Result<Option<OutboxRow>, OperatorError> {
        let key = self.key_of(id)?;
        Ok(self.outbox.get(key)?.map(|stored| self.shown(&stored.row)))
    }

    fn listed(
        &self,
        half: Half,
        mut after: Option<String>,
        filter: &OutboxFilter,
        limit: usize,
    ) -> Result<Vec<(Key, OutboxRow)>, StateError> {
        let mut found = vec![];
        loop {
            let (rows, next) = self.outbox.page(half, after.as_deref(), PAGE)?;
            for Stored { row, .. } in rows {
                let shown = self.shown(&row);
                let fits = filter.state.is_none_or(|s| s == shown.state);
                if fits && filter.tenant.as_ref().is_none_or(|t| *t == row.tenant) {
                    found.push((row.key(), shown));
                }
            }
            after = next;
            if after.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    fn shown(&self, row: &Row) -> OutboxRow {
        let (state, reason) = match row.phase {
            Phase::Waiting => (MailState::Queued, None),
            Phase::Attempted { .. } => (MailState::Sending, None),
            Phase::Answered { failed } => (MailState::Sending, failed),
            Phase::Dead { because: Because::Failed(reason) } => (MailState::Dead, Some(reason)),
            Phase::Dead { because: Because::StateLost } => (MailState::Dead, Some(Reason::OutcomeUnknown)),
        };
        OutboxRow {
            id: row.shown().to_string(),
            tenant: row.tenant.clone(),
            aggregate: row.aggregate.name(),
            aggregate_id: row.id,
            number: row.number,
            part: row.part,
            state,
            reason,
            asked_at: row.asked_at,
            next_attempt_at: (state == MailState::Queued).then_some(row.due),
            attempts: row.attempts,
            waited: row.waited,
            message_id: self.letters.message_id(row),
        }
    }

    /// Has a mail sent again now: a dead one in a new round, a waiting one at once.
    pub async fn retry(&self, id: &str) -> Result<(), OperatorError> {
        let key = self.lease(id)?;
        let result = self.retry_leased(id, key).await;
        self.release(key, Some(self.clock.now()));
        self.wake.notify_one();
        result
    }

    async fn retry_leased(&self, id: &str, key: Key) -> Result<(), OperatorError> {
        let stored = self.outbox.get(key)?.ok_or_else(|| OperatorError::NotFound(id.to_owned()))?;
        let now = self.clock.now();
        let row = stored.row.clone();
        let after = match row.phase {
            Phase::Dead { .. } => {
                let round = row.round.saturating_add(1);
                Row { phase: Phase::Waiting, due: now, failures: 0, unknowns: 0, round, ..row }
            }
            // What may have arrived is not sent again on top of what happens by itself.
            Phase::Attempted { .. } => return Err(OperatorError::Busy(id.to_owned())),
            Phase::Waiting | Phase::Answered { .. } => Row { due: now, ..row },
        };
        let mut changes = Changes::default();
        changes.replace(Some(&stored), Some(&after));
        Ok(self.outbox.decide(key, changes).await?)
    }

    /// Ends a mail. The log is told, unless it knows of a failure already.
    pub async fn abandon(&self, id: &str) -> Result<(), OperatorError> {
        let key = self.lease(id)?;
        let result = self.abandon_leased(id, key).await;
        self.release(key, Some(self.clock.now()));
        self.wake.notify_one();
        result
    }

    async fn abandon_leased(&self, id: &str, key: Key) -> Result<(), OperatorError> {
        let stored = self.outbox.get(key)?.ok_or_else(|| OperatorError::NotFound(id.to_owned()))?;
        let row = stored.row.clone();
        let mut changes = Changes::default();
        let failed = Some(Reason::Abandoned);
        match row.phase {
            Phase::Dead { because: Because::Failed(_) } => {
                changes.replace(Some(&stored), None);
                return Ok(self.outbox.decide(key, changes).await?);
            }
            Phase::Answered { .. } => return Err(OperatorError::Busy(id.to_owned())),
            Phase::Dead { because: Because::StateLost } | Phase::Waiting | Phase::Attempted { .. } => {}
        }
        let answered = Row { phase: Phase::Answered { failed }, due: self.clock.now(), ..row };
        changes.replace(Some(&stored), Some(&answered));
        self.outbox.decide(key, changes).await?;
        let case = RecordDelivery { mail: answered.mail(), outcome: outcome_of(failed) };
        let context = courier::context(&answered, self.clock.now());
        self.bus.perform(context, case).await.map_err(|failure| OperatorError::Record(Box::new(failure)))?;
        self.outbox.end_decided(&answered).await?;
        self.counts.ended(failed);
        Ok(())
    }

    /// The row of a mail as operators name it, whether it is there or not.
    fn key_of(&self, id: &str) -> Result<Key, OperatorError> {
        let shown = Shown::parse(id).ok_or_else(|| OperatorError::NoId(id.to_owned()))?;
        let position = self.ledger.find_position(shown.tenant, shown.tseq)?;
        let position = position.ok_or_else(|| OperatorError::NotFound(id.to_owned()))?;
        Ok(Key { position, part: shown.part })
    }

    fn lease(&self, id: &str) -> Result<Key, OperatorError> {
        let key = self.key_of(id)?;
        if self.schedule().lease(key) { Ok(key) } else { Err(OperatorError::Busy(id.to_owned())) }
    }
}
