//! One mail, from its row to its end or its next try.

use crate::Shared;
use crate::ask;
use crate::follower::{after_result, dead_letter};
use crate::letter::{Letter, Made};
use crate::outbox::{Changes, Stored};
use crate::row::{Key, Phase, Row, outcome_of};
use crate::transport::{Answer, Word};
use domain::mail::Reason;
use domain::use_cases::RecordDelivery;
use domain::{Actor, Channel, Context, Failure, IdempotencyKey, Timestamp};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{ReadError, StateError};
use tracing::Instrument;

/// Attempts of one round that may have arrived: the first and one repeat.
const MAX_UNKNOWN: u32 = 2;
/// Before a mail of unknown outcome is sent once more.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(60);
/// Before a result that the ledger did not take is recorded again.
const RECORD_PAUSE: Duration = Duration::from_secs(5);
/// Before a mail is looked at again whose words could not be loaded.
const LOAD_PAUSE: Duration = Duration::from_secs(5);

/// Before a mail is looked at again whose row another node has changed.
const LOST_PAUSE: Duration = Duration::from_secs(1);

/// What keeps the courier from a step; the row stays as it is and is looked at again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CourierError {
    #[error("the outbox cannot be read or written")]
    State(#[from] StateError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("the mail could not be made")]
    Make(#[source] Failure),
}

/// Takes one leased row as far as it goes now. When to look at it again, if ever.
pub(crate) async fn deliver(shared: &Shared, key: Key) -> Option<Timestamp> {
    let stored = match shared.outbox.get(key) {
        Ok(Some(stored)) if !stored.row.is_dead() => stored,
        Ok(_) => return None,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, mail = %key, "a mail's row cannot be read");
            return Some(shared.clock.now().plus(LOAD_PAUSE));
        }
    };
    let row = &stored.row;
    let span = tracing::info_span!(
        "mail", id = %row.shown(), tenant = %row.tenant, aggregate = row.aggregate.name(), of = %row.id,
        number = row.number, part = row.part, request_id = row.request.map(tracing::field::display),
    );
    let now = shared.clock.now();
    if row.due > now {
        return Some(row.due);
    }
    match go_on(shared, stored).instrument(span.clone()).await {
        Ok(again) => again,
        // Where other nodes have the outbox it may be the lease that is gone.
        Err(CourierError::State(StateError::Changed { .. })) if shared.outbox.is_shared() => Some(now.plus(LOST_PAUSE)),
        Err(CourierError::State(StateError::Changed { .. })) => Some(now),
        Err(error) => {
            span.in_scope(|| tracing::warn!(error = &error as &dyn std::error::Error, "a mail has to wait"));
            Some(now.plus(LOAD_PAUSE))
        }
    }
}

async fn go_on(shared: &Shared, stored: Stored) -> Result<Option<Timestamp>, CourierError> {
    match stored.row.phase {
        Phase::Waiting => attempt(shared, stored).await,
        Phase::Attempted { at } => recover(shared, stored, at).await,
        Phase::Answered { .. } => record(shared, stored.row).await,
        Phase::Dead { .. } => Ok(None),
    }
}

async fn attempt(shared: &Shared, stored: Stored) -> Result<Option<Timestamp>, CourierError> {
    let now = shared.clock.now();
    let letter = match shared.letters.make(&stored.row, now).await.map_err(CourierError::Make)? {
        Made::Letter(letter) => letter,
        Made::Unwanted(why) => {
            tracing::info!(why = why.name(), "a mail is not wanted any more");
            let mut changes = Changes::default();
            changes.replace(Some(&stored), None);
            shared.outbox.commit(changes, None).await?;
            shared.counts.dropped();
            return Ok(None);
        }
        Made::Broken => return answered(shared, stored.row, Some(Reason::TemplateBroken)).await,
    };
    let attempted = Row {
        phase: Phase::Attempted { at: now },
        attempts: stored.row.attempts.saturating_add(1),
        ..stored.row.clone()
    };
    let mut changes = Changes::default();
    changes.replace(Some(&stored), Some(&attempted));
    shared.outbox.commit(changes, None).await?;
    if !shared.outbox.stands() {
        // This node was stopped, or cut off: another one may be sending. Not a byte of it is out.
        return wait(shared, attempted, LOAD_PAUSE).await;
    }
    send(shared, attempted, &letter).await
}

async fn send(shared: &Shared, row: Row, letter: &Letter) -> Result<Option<Timestamp>, CourierError> {
    let Answer { word, status, stage } = shared.transport.send(letter).await;
    match word {
        Word::Accepted => {
            tracing::info!(status, stage, "a mail was handed over");
            answered(shared, row, None).await
        }
        Word::Refused(reason) => {
            tracing::warn!(status, stage, reason = reason.name(), "a mail was refused");
            answered(shared, row, Some(reason)).await
        }
        Word::Later => {
            tracing::warn!(status, stage, "a mail was not taken now");
            later(shared, row).await
        }
        Word::Unknown => {
            tracing::warn!(status, stage, "it is unknown whether a mail was taken");
            unknown(shared, row).await
        }
    }
}

/// The provider did not take it: again by the schedule, or given up.
async fn later(shared: &Shared, row: Row) -> Result<Option<Timestamp>, CourierError> {
    let failures = row.failures.saturating_add(1);
    let row = Row { failures, ..row };
    match shared.retry.pause(failures, spread(&row)) {
        Some(pause) => wait(shared, row, pause).await,
        None => answered(shared, row, Some(Reason::GaveUp)).await,
    }
}

/// It may have arrived: once more with the same message id, and then never by itself.
async fn unknown(shared: &Shared, row: Row) -> Result<Option<Timestamp>, CourierError> {
    let unknowns = row.unknowns.saturating_add(1);
    let row = Row { unknowns, ..row };
    if unknowns >= MAX_UNKNOWN {
        return answered(shared, row, Some(Reason::OutcomeUnknown)).await;
    }
    wait(shared, row, UNKNOWN_PAUSE).await
}

async fn wait(shared: &Shared, row: Row, pause: Duration) -> Result<Option<Timestamp>, CourierError> {
    let due = shared.clock.now().plus(pause);
    let after = Row { phase: Phase::Waiting, due, ..row };
    // Read again, so that the change holds only for what this attempt wrote.
    if let Some(before) = shared.outbox.get(after.key())? {
        let mut changes = Changes::default();
        changes.replace(Some(&before), Some(&after));
        shared.outbox.commit(changes, None).await?;
    }
    Ok(Some(due))
}

/// An attempt began before the last stop, and its end is not in the row. It
/// may be in the log.
async fn recover(shared: &Shared, stored: Stored, at: Timestamp) -> Result<Option<Timestamp>, CourierError> {
    match ask::result_since(&shared.ledger, &stored.row, at)? {
        Some(settled) => {
            let after = after_result(&shared.ledger, stored.row.clone(), &settled)?;
            let mut changes = Changes::default();
            changes.replace(Some(&stored), after.as_ref());
            shared.outbox.commit(changes, None).await?;
            Ok(None)
        }
        None => {
            tracing::warn!("a mail was being sent when the service stopped");
            unknown(shared, stored.row).await
        }
    }
}

async fn answered(shared: &Shared, row: Row, failed: Option<Reason>) -> Result<Option<Timestamp>, CourierError> {
    let before = row.clone();
    let row = Row { phase: Phase::Answered { failed }, ..row };
    if let Err(error) = shared.outbox.settle(&before, Some(&row)).await {
        // The log is what counts; without this row it is looked up there.
        tracing::warn!(error = &error as &dyn std::error::Error, "a provider's word was not kept");
    }
    record(shared, row).await
}

/// Writes the result to the log, and ends the row when it is there.
async fn record(shared: &Shared, row: Row) -> Result<Option<Timestamp>, CourierError> {
    let Phase::Answered { failed } = row.phase else { return Ok(None) };
    let case = RecordDelivery { mail: row.mail(), outcome: outcome_of(failed) };
    let failed = match shared.bus.perform(context(&row, shared.clock.now()), case).await {
        // The log's first word counts: of a node that had this mail before, and was stopped, it may be another one.
        Ok(()) => ask::result_since(&shared.ledger, &row, Timestamp(0))?.map_or(failed, |settled| settled.failed),
        Err(error @ (Failure::Refused(_) | Failure::KeyReused | Failure::Nobody)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger refuses a mail's result");
            failed
        }
        Err(error @ (Failure::Unavailable(_) | Failure::Internal(_))) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a mail's result could not be recorded yet");
            let due = shared.clock.now().plus(RECORD_PAUSE);
            shared.outbox.settle(&row, Some(&Row { due, ..row.clone() })).await?;
            return Ok(Some(due));
        }
    };
    let after = match failed {
        Some(reason) => dead_letter(&shared.ledger, row.clone(), reason)?,
        None => None,
    };
    shared.outbox.settle(&row, after.as_ref()).await?;
    shared.counts.ended(failed);
    Ok(None)
}

/// Always the same for this mail and round, whatever the outcome: recorded
/// twice, the result is in the log once.
pub(crate) fn context(row: &Row, now: Timestamp) -> Context {
    let request = row.request.unwrap_or(row.event);
    let mut context = Context::new(row.tenant.clone(), Actor::System, Channel::Courier, request, now);
    context.causation_id = Some(row.event);
    context.correlation_id = row.correlation;
    let mail = row.mail_text();
    let key = if row.round == 0 { mail } else { format!("{mail}#{}", row.round) };
    let fingerprint = Sha256::digest(key.as_bytes()).into();
    context.idempotency = Some(IdempotencyKey { key, operation: "record_delivery", fingerprint });
    context
}

/// Differs from mail to mail and from try to try.
fn spread(row: &Row) -> u64 {
    let digest = Sha256::digest(format!("{}#{}", row.mail_text(), row.attempts));
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
