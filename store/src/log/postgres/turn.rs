//! Turns: the right to append, and what a node is told when it gets it.
//!
//! Who has the turn may append batch after batch, each of them one message, for some milliseconds;
//! then whoever waits longest has it, from the moment on at which the last append stands.
//! What others have written comes with it.
//! It is a courtesy and a fence: that nothing is appended elsewhere than at the log's end is the
//! append's own condition (see `append`).

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use sqlx::{FromRow as _, PgConnection, Row as _, postgres::PgRow};

use super::{
    super::{Fault, Origin, Place, Row, Shared, Turn, TurnFault},
    PostgresLog, Way,
    asked::{Asked, IDLE, Waited},
    hold,
    read::{COLUMNS, bound},
    schema, who_has_it,
};
use crate::{
    locks::lock,
    server::{ANSWER_WITHIN, Address, LOCK_WITHIN, STATEMENT_WITHIN, begin_sql, is_lost, run, within},
};

/// Rows read at once while catching up.
pub(super) const PAGE: i64 = 1_024;
/// News that is read while everybody waits; with more the turn is let go first.
const NEWS_IN_TURN: i64 = 1_024;
/// Rows of an answer to `turn_sql` before those of events.
const BEFORE_NEWS: usize = 2;
/// How long a node keeps its turn: as long as it appends, and without anything to append.
struct Keeps {
    appending: Duration,
    idle: Duration,
}
/// Where others write, too: they wait for it.
const AMONG_OTHERS: Keeps = Keeps { appending: Duration::from_millis(5), idle: Duration::ZERO };
/// A turn that is older goes on with the append that leaves nothing waiting; in a younger one more may come
/// until the answer does.
const GOES_ON_AFTER: Duration = Duration::from_micros(700);
/// Where nobody else has written of late: whoever begins to waits once.
const UNDISTURBED: Keeps = Keeps { appending: Duration::from_millis(20), idle: Duration::from_millis(2) };
/// How long others are thought to write after they were last heard to.
const OTHERS_COUNT_FOR: Duration = Duration::from_secs(1);
/// How long what the log's clock said is taken for the time.
const CLOCK_HOLDS: Duration = Duration::from_millis(10);

/// The connection that turns are taken on.
pub(super) struct Held {
    pub connection: PgConnection,
    pub turn: Option<Had>,
}

/// A turn that this node has.
pub(super) struct Had {
    /// Where the log ends.
    pub place: Place,
    pub clock: Clock,
    /// This machine's time when the batch began, µs.
    pub begun: i64,
    since: Instant,
}

/// What the log's clock said last.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// µs.
    pub said: i64,
    pub heard: Instant,
    /// This machine's time before it was asked, µs.
    pub local: i64,
}

impl Clock {
    /// Whether that may still be taken for the time, by either of this machine's clocks.
    fn holds(self, local: i64) -> bool {
        let most = i64::try_from(CLOCK_HOLDS.as_micros()).unwrap_or(i64::MAX);
        self.heard.elapsed() < CLOCK_HOLDS
            && local.checked_sub(self.local).is_some_and(|passed| (0..most).contains(&passed))
    }
}

impl Shared for PostgresLog {
    fn watch(&self, wake: Box<dyn Fn() + Send + Sync>) {
        // Alone there is nobody to be heard.
        if self.way != Way::Alone {
            self.listen(wake);
        }
    }

    fn news(&self, since: Place) -> Result<Vec<Row>, TurnFault> {
        let mut held = lock(&self.writer);
        self.own.run(async {
            let was_idle = self.connect_if_none(&mut held).await?;
            let read = match self.look_since(connection(&mut held)?, since).await {
                Err(TurnFault::Unreachable(fault)) if was_idle && is_lost(&*fault) => {
                    *held = None;
                    self.connect_if_none(&mut held).await?;
                    self.look_since(connection(&mut held)?, since).await
                }
                read => read,
            };
            if matches!(read, Err(TurnFault::Unreachable(_))) {
                *held = None;
            }
            read
        })
    }

    fn begin(&self, since: Place, local: i64) -> Result<Turn, TurnFault> {
        let mut held = lock(&self.writer);
        if let Some(had) = held.as_mut().and_then(|held| held.turn.as_mut())
            && (self.way == Way::Alone || had.since.elapsed() < self.keeps().appending)
            && had.clock.holds(local)
            && had.place == since
        {
            had.begun = local;
            return Ok(Turn::Taken { now: Some(had.clock.said), news: Vec::new() });
        }
        let asked = lock(&self.asked).take();
        self.own.run(async {
            let mut asked = match asked {
                Some(asked) => asked,
                None => self.ask_on(&mut held).await?,
            };
            loop {
                let (mut connection, told) = match self.wait_or_follow(&mut asked, since).await? {
                    Waited::Told(told) => told,
                    Waited::News(news) => {
                        *lock(&self.asked) = Some(asked);
                        return Ok(Turn::Awaited { news });
                    }
                };
                match told {
                    Ok(told) => {
                        let (turn, had) = self.turn_of(&mut connection, &told, (since, local)).await?;
                        *held = Some(Held { connection, turn: had });
                        return Ok(turn);
                    }
                    // It may have died while nobody used it; nothing was done on it yet.
                    Err(fault) if asked.was_idle && is_lost(&*fault) => asked = self.ask_on(&mut held).await?,
                    Err(fault) => return Err(TurnFault::Unreachable(fault)),
                }
            }
        })
    }

    fn kept(&self) -> Option<Duration> {
        let held = lock(&self.writer);
        let had = held.as_ref().filter(|_| self.way != Way::Alone)?.turn.as_ref()?;
        let keeps = self.keeps();
        Some(keeps.appending.saturating_sub(had.since.elapsed()).min(keeps.idle))
    }

    fn let_go(&self) {
        drop(lock(&self.asked).take());
        let mut held = lock(&self.writer);
        if self.way == Way::Alone {
            return;
        }
        if let Some(Held { connection, turn }) = held.as_mut()
            && turn.take().is_some()
            && self.own.run(self.give_back(connection)).is_err()
        {
            *held = None;
        }
    }
}

impl PostgresLog {
    fn keeps(&self) -> Keeps {
        let heard = *self.appended.borrow();
        if heard.is_some_and(|at| at.elapsed() < OTHERS_COUNT_FOR) { AMONG_OTHERS } else { UNDISTURBED }
    }

    /// Whether the turn goes on to the next with an append: others want it, and nothing is left to be appended,
    /// or its time is over.
    pub(super) fn goes_on_with(&self, had: &Had, more: bool) -> bool {
        let keeps = self.keeps();
        let after = if more { keeps.appending } else { GOES_ON_AFTER };
        self.way == Way::Session && keeps.idle.is_zero() && had.since.elapsed() >= after
    }

    /// News beside all turns.
    pub(super) async fn look_since(&self, on: &mut PgConnection, since: Place) -> Result<Vec<Row>, TurnFault> {
        if self.way != Way::Transaction {
            return news(on, (since, PAGE), true).await;
        }
        // Two messages, which reach the same session only within a transaction.
        within(ANSWER_WITHIN, run(on, &begin_sql())).await.map_err(TurnFault::Unreachable)?;
        let read = news(on, (since, PAGE), false).await;
        within(ANSWER_WITHIN, run(on, "ROLLBACK")).await.map_err(TurnFault::Unreachable)?;
        read
    }

    async fn ask_on(&self, held: &mut Option<Held>) -> Result<Asked, TurnFault> {
        let was_idle = self.connect_if_none(held).await?;
        let held = held.take().ok_or_else(|| TurnFault::Unreachable(NO_CONNECTION.into()))?;
        Ok(self.ask(held, was_idle))
    }

    /// What the server told with the turn, and what else there is to be read in it.
    async fn turn_of(
        &self,
        on: &mut PgConnection,
        told: &[PgRow],
        (since, local): (Place, i64),
    ) -> Result<(Turn, Option<Had>), TurnFault> {
        let (place, had) = self.had(told, local).map_err(TurnFault::Unreachable)?;
        let now = Some(had.clock.said);
        self.missed(place.0.saturating_sub(since.0));
        if place == since {
            return Ok((Turn::Taken { now, news: Vec::new() }, Some(had)));
        }
        if place.0 <= since.0 {
            return Err(TurnFault::Diverged(SHORTER));
        }
        let missed = place.0 - since.0;
        if missed > NEWS_IN_TURN.cast_unsigned() {
            self.give_back(on).await.map_err(TurnFault::Unreachable)?;
            return Ok((Turn::FarBehind, None));
        }
        // The last known one comes before what was missed, if there is one.
        let wanted = usize::try_from(missed).unwrap_or(usize::MAX).saturating_add(usize::from(since.0 > 0));
        let newest = &told[BEFORE_NEWS..];
        let news = match newest.len().checked_sub(wanted) {
            Some(known) => following(&newest[known..], since)?,
            None => news(on, (since, NEWS_IN_TURN), self.way != Way::Transaction).await?,
        };
        Ok((Turn::Taken { now, news }, Some(had)))
    }

    /// The turn that an answer to `turn_sql` gives, and where the log ends.
    pub(super) fn had(&self, told: &[PgRow], local: i64) -> Result<(Place, Had), Fault> {
        let [_, end, ..] = told else { return Err("the log has no head".into()) };
        let place = place(end)?;
        if !end.try_get::<bool, _>(3)? {
            return Err(who_has_it(self.way).into());
        }
        let since = Instant::now();
        let clock = Clock { said: end.try_get(2)?, heard: since, local };
        Ok((place, Had { place, clock, begun: local, since }))
    }

    /// Ends a turn that nothing is to be appended in.
    async fn give_back(&self, on: &mut PgConnection) -> Result<(), Fault> {
        let sql = match self.way {
            Way::Alone => return Ok(()),
            Way::Session => format!("SELECT pg_advisory_unlock({}); SET {IDLE} = 0", schema::TURN),
            Way::Transaction => "ROLLBACK".to_owned(),
        };
        within(ANSWER_WITHIN, run(on, &sql)).await
    }

    /// Makes the connection for turns if there is none; tells whether there was one.
    pub(super) async fn connect_if_none(&self, held: &mut Option<Held>) -> Result<bool, TurnFault> {
        if held.is_some() {
            return Ok(true);
        }
        let mut connection = self.address.connect().await.map_err(TurnFault::Unreachable)?;
        let found = within(ANSWER_WITHIN, async { schema::look(&mut connection).await.map_err(Fault::from) });
        if found.await.map_err(TurnFault::Unreachable)? != self.origin {
            return Err(TurnFault::Diverged("it is another ledger, or begins another epoch"));
        }
        let taken = within(ANSWER_WITHIN, settle_in(&mut connection, self.way, &self.address, &self.origin));
        if !taken.await.map_err(TurnFault::Unreachable)? {
            return Err(TurnFault::Unreachable(who_has_it(self.way).into()));
        }
        *held = Some(Held { connection, turn: None });
        Ok(false)
    }
}

/// What a connection for turns needs before it takes one. `false` if others do not let go of it.
pub(super) async fn settle_in(
    on: &mut PgConnection,
    way: Way,
    address: &Address,
    origin: &Origin,
) -> Result<bool, Fault> {
    if !hold(way).take(on, address).await? {
        return Ok(false);
    }
    if way != Way::Transaction {
        let sql = format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; SET lock_timeout = {}; \
             SET statement_timeout = {}; SET ledger.writer = '{}'; {}",
            LOCK_WITHIN.as_millis(),
            STATEMENT_WITHIN.as_millis(),
            origin.id,
            PostgresLog::prepare_sql(way, address),
        );
        run(on, &sql).await?;
    }
    Ok(true)
}

/// The connection that is there.
pub(super) fn connection(held: &mut Option<Held>) -> Result<&mut PgConnection, TurnFault> {
    let none = || TurnFault::Unreachable(NO_CONNECTION.into());
    held.as_mut().map(|held| &mut held.connection).ok_or_else(none)
}

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

pub(super) fn place(head: &PgRow) -> Result<Place, sqlx::Error> {
    let leaf: Vec<u8> = head.try_get(1)?;
    let leaf = leaf.try_into().map_err(|_| sqlx::Error::Decode("a leaf has 32 bytes".into()))?;
    Ok((head.try_get::<i64, _>(0)?.cast_unsigned(), leaf))
}
