//! Turns: a batch from the lock of the head to its commit.
//!
//! Three round trips, whether or not other nodes have written: lock with what they
//! wrote, append, commit. Between them this node waits for nothing but the database,
//! and for keys it has not met, which are read a stretch at a time.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use sqlx::{FromRow as _, PgConnection, Row as _, postgres::PgRow};

use super::{
    super::{AppendFault, Fault, Place, Row, Shared, Turn, TurnFault},
    CHANNEL, PostgresLog,
    asked::{Asked, Waited},
    hold,
    read::{COLUMNS, bound},
    schema, who_has_it,
};
use crate::{
    locks::lock,
    server::{ANSWER_WITHIN, all, begin_sql, is_full, is_lost, run, within},
};

/// Rows read at once while catching up.
pub(super) const PAGE: i64 = 1_024;
/// News that is read while everybody waits; with more the turn is let go first.
const NEWS_IN_TURN: i64 = 1_024;
/// How long the outcome of a commit is looked for before those who wait are told that it is unknown.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// Between attempts.
const SETTLE_EVERY: Duration = Duration::from_millis(100);
const APPEND: &str = "
WITH appended AS (
  INSERT INTO ledger.events (position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type,
    event_version, at, payload, metadata, sealed, leaf)
  SELECT position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type,
    event_version, at, payload::json, metadata::json, sealed, leaf
  FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::uuid[], $8::text[],
    $9::text[], $10::bigint[], $11::text[], $12::text[], $13::boolean[], $14::bytea[])
  AS new (position, tenant, tseq, aggregate_type, aggregate_id, sequence, event_id, event_type,
    event_version, at, payload, metadata, sealed, leaf)
  RETURNING 1
), moved AS (
  UPDATE ledger.head SET position = $15, leaf = $16 WHERE position = $17 RETURNING 1
)
SELECT (SELECT count(*) FROM appended), (SELECT count(*) FROM moved), pg_notify($18, $19)";

impl Shared for PostgresLog {
    fn watch(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.listen(wake);
    }

    fn news(&self, since: Place) -> Result<Vec<Row>, TurnFault> {
        let mut held = lock(&self.writer);
        self.waiting.on_this_thread(async {
            let kept = self.connected(&mut held).await?;
            let read = match self.look_since(&mut *kept.connection, since).await {
                Err(TurnFault::Unreachable(fault)) if kept.was_idle && is_lost(&*fault) => {
                    *held = None;
                    self.look_since(&mut *self.connected(&mut held).await?.connection, since).await
                }
                read => read,
            };
            if matches!(read, Err(TurnFault::Unreachable(_))) {
                *held = None;
            }
            read
        })
    }

    fn begin(&self, since: Place) -> Result<Turn, TurnFault> {
        let mut held = lock(&self.writer);
        if self.alone {
            return self.waiting.on_this_thread(self.begin_alone(&mut held, since));
        }
        let asked = lock(&self.asked).take();
        self.waiting.on_this_thread(async {
            let mut asked = match asked {
                Some(asked) => asked,
                None => self.ask_on(&mut held).await?,
            };
            loop {
                let (mut connection, told) = match self.wait_or_follow(&mut asked, since).await? {
                    Waited::Told(connection, told) => (connection, told),
                    Waited::News(news) => {
                        *lock(&self.asked) = Some(asked);
                        return Ok(Turn::Awaited { news });
                    }
                };
                match told {
                    Ok(told) => {
                        let turn = self.turn_of(&mut connection, &told, since).await?;
                        *held = Some(connection);
                        return Ok(turn);
                    }
                    // It may have died while nobody used it; nothing was done on it yet.
                    Err(fault) if asked.was_idle && is_lost(&*fault) => asked = self.ask_on(&mut held).await?,
                    Err(fault) => return Err(TurnFault::Unreachable(fault)),
                }
            }
        })
    }

    fn let_go(&self) {
        drop(lock(&self.asked).take());
        let mut held = lock(&self.writer);
        if let Some(connection) = held.as_mut()
            && self.waiting.on_this_thread(within(ANSWER_WITHIN, run(connection, "ROLLBACK"))).is_err()
        {
            *held = None;
        }
    }
}

impl PostgresLog {
    /// Appends to the turn that was taken, and commits.
    pub(crate) fn append(&self, rows: &[Row]) -> Result<(), AppendFault> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            self.let_go();
            return Ok(());
        };
        let mut held = lock(&self.writer);
        // Without its connection the turn is over, and nothing was sent.
        let Some(connection) = held.as_mut() else { return Err(AppendFault::Busy) };
        let appended =
            self.waiting.on_this_thread(within(ANSWER_WITHIN, self.insert(connection, rows, first.position - 1)));
        if let Err(fault) = appended {
            *held = None;
            tracing::error!(error = &*fault, "a batch was not appended");
            return Err(if is_full(&*fault) { AppendFault::Full } else { AppendFault::Busy });
        }
        match self.waiting.on_this_thread(within(ANSWER_WITHIN, run(connection, "COMMIT"))) {
            Ok(()) => Ok(()),
            // Whatever the server said: a session that is ended may have committed before.
            Err(fault) => {
                *held = None;
                tracing::warn!(error = &*fault, "the outcome of a commit is looked up");
                drop(held);
                self.settle((last.position, last.leaf))
            }
        }
    }

    /// News beside all turns.
    async fn look_since(&self, on: &mut PgConnection, since: Place) -> Result<Vec<Row>, TurnFault> {
        if !self.address.is_pooled() {
            return news(on, (since, PAGE), true).await;
        }
        // Two messages, which reach the same session only within a transaction.
        within(ANSWER_WITHIN, run(on, &begin_sql())).await.map_err(TurnFault::Unreachable)?;
        let read = news(on, (since, PAGE), false).await;
        within(ANSWER_WITHIN, run(on, "ROLLBACK")).await.map_err(TurnFault::Unreachable)?;
        read
    }

    async fn insert(&self, on: &mut PgConnection, rows: &[Row], base: u64) -> Result<(), Fault> {
        let Some(last) = rows.last() else { return Ok(()) };
        let told = sqlx::query(APPEND)
            .persistent(!self.address.is_pooled())
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
            .bind(bound(base))
            .bind(CHANNEL)
            .bind(self.node.as_str())
            .fetch_one(on)
            .await?;
        let counted: (i64, i64) = (told.try_get(0)?, told.try_get(1)?);
        if counted != (bound(rows.len() as u64), 1) {
            return Err("the head was not where the turn began".into());
        }
        Ok(())
    }

    /// Whether a batch stands that this node has sent a COMMIT for and heard nothing of.
    fn settle(&self, last: Place) -> Result<(), AppendFault> {
        let begun = Instant::now();
        loop {
            let mut held = lock(&self.writer);
            let looked = self.waiting.on_this_thread(async {
                let kept = self.connected(&mut held).await?;
                stands(&mut *kept.connection, last).await.map_err(TurnFault::Unreachable)
            });
            // In any case: what it was used for is over.
            *held = None;
            drop(held);
            match looked {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(AppendFault::Busy),
                Err(TurnFault::Diverged(what)) => return Err(AppendFault::Unsettled(what.into())),
                Err(TurnFault::Unreachable(fault)) if begun.elapsed() >= SETTLE_WITHIN => {
                    return Err(AppendFault::Unsettled(fault));
                }
                Err(TurnFault::Unreachable(_)) => std::thread::sleep(SETTLE_EVERY),
            }
        }
    }

    /// Begins a turn where nobody else takes any.
    async fn begin_alone(&self, held: &mut Option<PgConnection>, since: Place) -> Result<Turn, TurnFault> {
        let lock_head = self.lock_sql();
        loop {
            let kept = self.connected(held).await?;
            match within(ANSWER_WITHIN, all(kept.connection, &lock_head)).await {
                Ok(told) => {
                    let turn = self.turn_of(kept.connection, &told, since).await;
                    if turn.is_err() {
                        // Dropped, and with it the lock.
                        *held = None;
                    }
                    return turn;
                }
                Err(fault) => {
                    let again = kept.was_idle && is_lost(&*fault);
                    *held = None;
                    if !again {
                        return Err(TurnFault::Unreachable(fault));
                    }
                }
            }
        }
    }

    async fn ask_on(&self, held: &mut Option<PgConnection>) -> Result<Asked, TurnFault> {
        let was_idle = self.connected(held).await?.was_idle;
        let connection = held.take().ok_or_else(|| TurnFault::Unreachable(NO_CONNECTION.into()))?;
        Ok(self.ask(connection, was_idle))
    }

    /// What the server told with the lock, and what else there is to be read under it.
    async fn turn_of(&self, on: &mut PgConnection, told: &[PgRow], since: Place) -> Result<Turn, TurnFault> {
        let unreachable = |fault: sqlx::Error| TurnFault::Unreachable(fault.into());
        let [head, clock, newest @ ..] = told else { return Err(TurnFault::Diverged("it has no head")) };
        let (position, leaf) = place(head).map_err(unreachable)?;
        let now = Some(clock.try_get(0)).transpose().map_err(unreachable)?;
        if !clock.try_get::<bool, _>(1).map_err(unreachable)? {
            return Err(TurnFault::Unreachable(who_has_it(self.alone).into()));
        }
        if (position, leaf) == since {
            return Ok(Turn::Taken { now, news: Vec::new() });
        }
        if position <= since.0 {
            return Err(TurnFault::Diverged(SHORTER));
        }
        let missed = position - since.0;
        if missed > NEWS_IN_TURN.cast_unsigned() {
            within(ANSWER_WITHIN, run(on, "ROLLBACK")).await.map_err(TurnFault::Unreachable)?;
            return Ok(Turn::FarBehind);
        }
        // The last known one comes before what was missed, if there is one.
        let wanted = usize::try_from(missed).unwrap_or(usize::MAX).saturating_add(usize::from(since.0 > 0));
        let news = match newest.len().checked_sub(wanted) {
            Some(known) => following(&newest[known..], since)?,
            None => news(on, (since, NEWS_IN_TURN), !self.address.is_pooled()).await?,
        };
        Ok(Turn::Taken { now, news })
    }

    /// The connection for turns, made anew if there is none.
    async fn connected<'h>(&self, held: &'h mut Option<PgConnection>) -> Result<Kept<'h>, TurnFault> {
        let was_idle = held.is_some();
        if held.is_none() {
            let mut connection = self.address.connect().await.map_err(TurnFault::Unreachable)?;
            let found = within(ANSWER_WITHIN, async { schema::look(&mut connection).await.map_err(Fault::from) });
            if found.await.map_err(TurnFault::Unreachable)? != self.origin {
                return Err(TurnFault::Diverged("it is another ledger, or begins another epoch"));
            }
            let hold = hold(self.alone).take(&mut connection, &self.address);
            if !within(ANSWER_WITHIN, hold).await.map_err(TurnFault::Unreachable)? {
                return Err(TurnFault::Unreachable(who_has_it(self.alone).into()));
            }
            *held = Some(connection);
        }
        match held {
            Some(connection) => Ok(Kept { connection, was_idle }),
            None => Err(TurnFault::Unreachable(NO_CONNECTION.into())),
        }
    }
}

/// The connection for turns, and whether it was there already.
struct Kept<'h> {
    connection: &'h mut PgConnection,
    was_idle: bool,
}

pub(super) const HEAD_LOCKED: &str = "SELECT position, leaf FROM ledger.head FOR UPDATE";
const NO_CONNECTION: &str = "there is no connection";
const SHORTER: &str = "it ends before this node's last event, or with another one";

/// What asks for the row at a place and those after it.
pub(super) fn news_sql(since: &dyn Display, limit: &dyn Display) -> String {
    format!("SELECT {COLUMNS} FROM ledger.events WHERE position >= {since} ORDER BY position LIMIT {limit}")
}

pub(super) async fn news(
    on: &mut PgConnection,
    (since, limit): (Place, i64),
    keep: bool,
) -> Result<Vec<Row>, TurnFault> {
    let sql = news_sql(&"$1", &"$2");
    let asked = sqlx::query(&sql).persistent(keep).bind(bound(since.0)).bind(limit + 1);
    let asked = async { asked.fetch_all(on).await.map_err(Fault::from) };
    following(&within(ANSWER_WITHIN, asked).await.map_err(TurnFault::Unreachable)?, since)
}

/// Rows after a place, once it is certain that the log still goes through it.
fn following(found: &[PgRow], since: Place) -> Result<Vec<Row>, TurnFault> {
    let mut rows = found
        .iter()
        .map(Row::from_row)
        .collect::<Result<Vec<Row>, _>>()
        .map_err(|fault| TurnFault::Unreachable(fault.into()))?;
    if since.0 > 0 {
        if rows.first().is_none_or(|row| (row.position, row.leaf) != since) {
            return Err(TurnFault::Diverged(SHORTER));
        }
        rows.remove(0);
    }
    if rows.iter().zip(since.0 + 1..).any(|(row, expected)| row.position != expected) {
        return Err(TurnFault::Diverged("an event is missing in it"));
    }
    Ok(rows)
}

/// Whether the log goes through a place. Waits for whoever has the head.
async fn stands(on: &mut PgConnection, last: Place) -> Result<bool, Fault> {
    let told = within(ANSWER_WITHIN, all(on, &format!("{}; {HEAD_LOCKED}", begin_sql()))).await?;
    let [head] = told.as_slice() else { return Err("there is no head".into()) };
    let head = place(head)?;
    if head.0 <= last.0 {
        return Ok(head == last);
    }
    let row = sqlx::query("SELECT leaf FROM ledger.events WHERE position = $1").persistent(false).bind(bound(last.0));
    let row = within(ANSWER_WITHIN, async { row.fetch_one(on).await.map_err(Fault::from) }).await?;
    Ok(row.try_get::<&[u8], _>(0)? == last.1)
}

fn place(head: &PgRow) -> Result<Place, sqlx::Error> {
    let leaf: Vec<u8> = head.try_get(1)?;
    let leaf = leaf.try_into().map_err(|_| sqlx::Error::Decode("a leaf has 32 bytes".into()))?;
    Ok((head.try_get::<i64, _>(0)?.cast_unsigned(), leaf))
}

fn column<'r, T>(rows: &'r [Row], of: impl Fn(&'r Row) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}
