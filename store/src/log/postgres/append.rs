//! Appending: a batch lands where the log ends, or not at all.
//!
//! One statement moves the head from where the batch begins, and inserts the events only if it
//! was there. It is its own transaction; through a pooler it is the turn's, and COMMIT follows.
//! Where others wait, the session's turn becomes that of this transaction: it goes on to the next
//! once the batch stands, without another message, and no sooner.
//!
//! An answer that does not come leaves open what became of it. That is looked up in a session
//! that has the turn: whoever had it before is at an end then, so that nobody is told
//! "not written" while it could still land.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row as _};

use super::{
    super::{AppendFault, Fault, Place, Row, TurnFault},
    CHANNEL, PostgresLog, Way,
    read::bound,
    schema::TURN,
    turn::{Clock, Had, Held, connection},
};
use crate::{
    locks::lock,
    server::{ANSWER_WITHIN, all, is_full, is_lost, run, within},
};

/// How long the outcome of an append is looked for before those who wait are told that it is unknown.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// Between attempts.
const SETTLE_EVERY: Duration = Duration::from_millis(100);
/// No time of this machine: what the log's clock said then is asked again.
const NEVER: i64 = i64::MIN;
/// The turn is taken once more, by the transaction, before the session's is given up. CASE keeps that order.
const APPEND: &str = "
WITH moved AS (
  UPDATE ledger.head SET position = $15, leaf = $16 WHERE position = $17 AND leaf = $18 RETURNING 1
), appended AS (
  INSERT INTO ledger.events (position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type,
    event_version, at, payload, metadata, sealed, leaf)
  SELECT position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type,
    event_version, at, payload::json, metadata::json, sealed, leaf
  FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::uuid[], $8::text[],
    $9::text[], $10::bigint[], $11::text[], $12::text[], $13::boolean[], $14::bytea[])
  AS new (position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type,
    event_version, at, payload, metadata, sealed, leaf)
  WHERE EXISTS (SELECT FROM moved)
  RETURNING 1
)
SELECT (SELECT count(*) FROM appended), ledger.now(), (SELECT pg_notify($19, $20)::text FROM moved),
  CASE WHEN NOT $21 THEN false WHEN pg_try_advisory_xact_lock($22) THEN pg_advisory_unlock($22) ELSE false END,
  CASE WHEN $21 THEN set_config('idle_session_timeout', '0', false) END";

/// What became of an append that no answer came to.
enum Settled {
    Landed,
    /// It is not there, nor ever will be. `true`: this node has the turn, and the log ends where it was to begin.
    Not(bool),
}

impl PostgresLog {
    /// Appends in the turn that this node has. `more`: units wait, to be appended after these.
    pub(crate) fn append(&self, rows: &[Row], more: bool) -> Result<(), AppendFault> {
        let Some(last) = rows.last().map(|row| (row.position, row.leaf)) else { return Ok(()) };
        let mut again = true;
        loop {
            let mut held = lock(&self.writer);
            // Without its connection the turn is over, and nothing was sent.
            let Some(Held { connection, turn: Some(had) }) = held.as_mut() else { return Err(AppendFault::Busy) };
            let goes_on = self.goes_on_with(had, more);
            let appending = within(ANSWER_WITHIN, self.insert(connection, rows, had.place, goes_on));
            let fault = match self.own.run(appending) {
                Ok(None) => {
                    *held = None;
                    tracing::error!("a batch was not appended: the log does not end where the turn began");
                    return Err(AppendFault::Busy);
                }
                Ok(Some(clock)) => match self.commit(connection) {
                    Ok(()) => {
                        self.landed(&mut held, last, clock, goes_on);
                        return Ok(());
                    }
                    Err(fault) => fault,
                },
                Err(fault) if is_full(&*fault) || self.way == Way::Transaction => {
                    *held = None;
                    tracing::error!(error = &*fault, "a batch was not appended");
                    return Err(if is_full(&*fault) { AppendFault::Full } else { AppendFault::Busy });
                }
                Err(fault) => fault,
            };
            let before = had.place;
            // It may have died while nobody used it.
            again &= is_lost(&*fault);
            *held = None;
            drop(held);
            // Whatever the server said: a session that is ended may have committed before.
            tracing::warn!(error = &*fault, "the outcome of a commit is looked up");
            match self.settle(last, before)? {
                Settled::Landed => return Ok(()),
                Settled::Not(true) if again => again = false,
                Settled::Not(_) => return Err(AppendFault::Busy),
            }
        }
    }

    /// Nothing, where the append was a transaction of its own.
    fn commit(&self, on: &mut PgConnection) -> Result<(), Fault> {
        match self.way {
            Way::Alone | Way::Session => Ok(()),
            Way::Transaction => self.own.run(within(ANSWER_WITHIN, run(on, "COMMIT"))),
        }
    }

    /// This node's turn lasts, unless it was the transaction's, or went on to the next.
    fn landed(&self, held: &mut Option<Held>, last: Place, clock: Clock, goes_on: bool) {
        let Some(held) = held else { return };
        match &mut held.turn {
            Some(had) if self.way != Way::Transaction && !goes_on => {
                had.place = last;
                had.clock = Clock { local: had.begun, ..clock };
            }
            turn => *turn = None,
        }
    }

    /// None: the log does not end where the batch begins, and nothing is appended.
    async fn insert(
        &self,
        on: &mut PgConnection,
        rows: &[Row],
        before: Place,
        goes_on: bool,
    ) -> Result<Option<Clock>, Fault> {
        let Some(last) = rows.last() else { return Ok(None) };
        let told = sqlx::query(APPEND)
            .persistent(self.way != Way::Transaction)
            .bind(column(rows, |row| bound(row.position)))
            .bind(column(rows, |row| row.tenant.as_str()))
            .bind(column(rows, |row| bound(row.tseq)))
            .bind(column(rows, |row| row.stream.aggregate_type()))
            .bind(column(rows, |row| row.stream.aggregate_id()))
            .bind(column(rows, |row| bound(row.version)))
            .bind(column(rows, |row| row.event_id))
            .bind(column(rows, |row| row.kind.as_str()))
            .bind(column(rows, |row| row.schema.to_string()))
            .bind(column(rows, |row| row.at))
            .bind(column(rows, |row| row.payload.as_str()))
            .bind(column(rows, |row| row.metadata.as_str()))
            .bind(column(rows, |row| row.sealed))
            .bind(column(rows, |row| row.leaf.as_slice()))
            .bind(bound(last.position))
            .bind(last.leaf.as_slice())
            .bind(bound(before.0))
            .bind(before.1.as_slice())
            .bind(CHANNEL)
            .bind(self.node.as_str())
            .bind(goes_on)
            .bind(TURN)
            // To the server's last word: what goes wrong at the commit comes after the row.
            .fetch_one(on)
            .await?;
        let appended: i64 = told.try_get(0)?;
        let clock = Clock { said: told.try_get(1)?, heard: Instant::now(), local: NEVER };
        Ok((appended == bound(rows.len() as u64)).then_some(clock))
    }

    /// Whether a batch stands that this node has sent and heard nothing of.
    fn settle(&self, last: Place, before: Place) -> Result<Settled, AppendFault> {
        let begun = Instant::now();
        loop {
            let mut held = lock(&self.writer);
            let looked = self.own.run(async {
                self.connect_if_none(&mut held).await?;
                self.look_up(connection(&mut held)?, last).await.map_err(TurnFault::Unreachable)
            });
            match looked {
                Ok((false, had)) if had.place == before && self.way != Way::Transaction => {
                    if let Some(held) = held.as_mut() {
                        held.turn = Some(had);
                    }
                    return Ok(Settled::Not(true));
                }
                looked => {
                    // In any case: what it was used for is over.
                    *held = None;
                    drop(held);
                    match looked {
                        Ok((true, _)) => return Ok(Settled::Landed),
                        Ok((false, _)) => return Ok(Settled::Not(false)),
                        Err(TurnFault::Diverged(what)) => return Err(AppendFault::Unsettled(what.into())),
                        Err(TurnFault::Unreachable(fault)) if begun.elapsed() >= SETTLE_WITHIN => {
                            return Err(AppendFault::Unsettled(fault));
                        }
                        Err(TurnFault::Unreachable(_)) => std::thread::sleep(SETTLE_EVERY),
                    }
                }
            }
        }
    }

    /// Whether the log goes through a place, and the turn that this was seen in: it is waited for.
    async fn look_up(&self, on: &mut PgConnection, last: Place) -> Result<(bool, Had), Fault> {
        let told = within(ANSWER_WITHIN, all(on, &self.turn_sql(false, 0))).await?;
        let (head, had) = self.had(&told, NEVER)?;
        if head.0 <= last.0 {
            return Ok((head == last, had));
        }
        let row =
            sqlx::query("SELECT leaf FROM ledger.events WHERE position = $1").persistent(false).bind(bound(last.0));
        let row = within(ANSWER_WITHIN, async { row.fetch_one(on).await.map_err(Fault::from) }).await?;
        Ok((row.try_get::<&[u8], _>(0)? == last.1, had))
    }
}

fn column<'r, T>(rows: &'r [Row], of: impl Fn(&'r Row) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}
