//! A turn, asked for, and what a node does until it has it.
//!
//! Where several nodes write the wait is most of the time, and what the others append
//! during it would have to be read and folded by each node while all others wait for it.
//! So a node that waits follows them: when it gets the turn there is only the last batch left.

use std::{
    pin::Pin,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use sqlx::{PgConnection, postgres::PgRow};
use tokio::sync::watch;

use super::{
    super::{Place, Row, TurnFault},
    PostgresLog, Way, hold,
    schema::TURN,
    turn::{Held, news_sql},
};
use crate::{
    locks::lock,
    server::{ANSWER_WITHIN, Address, Fault, IDLE_WITHIN, all, begin_sql, within},
};

/// How long a node that waits lets news gather before it reads it. Whoever is next has the turn so soon after
/// another's commit that there may be nothing to be done before; and what is folded at once costs less.
const NEWS_GATHERS: Duration = Duration::from_micros(1_500);
/// So many of the newest events come with the turn at most.
const MOST_NEWEST: u64 = 256;

/// The setting that ends the session of a node that stands still with the turn.
pub(super) const IDLE: &str = "idle_session_timeout";

/// A message that asks for the turn is on its way, or waits at the server. Dropped, it drops its connection,
/// and with it the turn or the wish for it.
pub(super) struct Asked {
    told: Pin<Box<dyn Future<Output = Told> + Send>>,
    /// Changes when another node has appended.
    appended: watch::Receiver<Option<Instant>>,
    /// The connection had been there already: it may have died while nobody used it.
    pub was_idle: bool,
}

/// The server's answer, and the connection that has the turn if it gave it.
type Told = (PgConnection, Result<Vec<PgRow>, Fault>);

/// What a wait came to.
pub(super) enum Waited {
    Told(Told),
    /// Others have appended this; the wait goes on.
    News(Vec<Row>),
}

impl PostgresLog {
    /// Asks for the turn, so that others can be followed until it is had.
    pub(super) fn ask(&self, held: Held, was_idle: bool) -> Asked {
        let Held { mut connection, turn } = held;
        let sql = self.turn_sql(turn.is_some(), self.newest.load(Relaxed));
        let told = Box::pin(async move {
            let told = within(ANSWER_WITHIN, all(&mut connection, &sql)).await;
            (connection, told)
        });
        Asked { told, appended: self.appended.subscribe(), was_idle }
    }

    /// What takes the turn and tells what is to be known then, with the newest events if some are asked for,
    /// in one message: others wait for every round trip. Each statement sees what is committed when it
    /// begins, so all that went before the turn.
    pub(super) fn turn_sql(&self, has_one: bool, newest: u64) -> String {
        let newest = newest.min(MOST_NEWEST);
        if self.way != Way::Transaction {
            let take = if has_one { "ledger_turn_again" } else { "ledger_turn" };
            let news = if newest == 0 { String::new() } else { format!("; EXECUTE ledger_news ({newest})") };
            return format!("EXECUTE {take}; EXECUTE ledger_end{news}");
        }
        let news = if newest == 0 { String::new() } else { newest_sql(&newest.to_string()) };
        format!(
            "{}; SET LOCAL ledger.writer = '{}'; SELECT pg_advisory_xact_lock({TURN}); {}; {news}",
            begin_sql(),
            self.origin.id,
            end_sql(self.way, &self.address),
        )
    }

    /// What `turn_sql` executes in a session that keeps it: planned once.
    pub(super) fn prepare_sql(way: Way, address: &Address) -> String {
        let (first, again) = match way {
            Way::Alone => ("true".to_owned(), "true".to_owned()),
            // Whoever waits comes first.
            Way::Session | Way::Transaction => (
                format!("set_config('{IDLE}', '{}', false), pg_advisory_lock({TURN})", IDLE_WITHIN.as_millis()),
                format!("pg_advisory_unlock({TURN}), pg_advisory_lock({TURN})"),
            ),
        };
        format!(
            "PREPARE ledger_turn AS SELECT {first}; PREPARE ledger_turn_again AS SELECT {again}; \
             PREPARE ledger_end AS {}; PREPARE ledger_news (bigint) AS {}",
            end_sql(way, address),
            newest_sql("$1"),
        )
    }

    /// What came with a turn tells what is asked for with the next one: too few cost a round trip, too many
    /// are read and sent for nothing.
    pub(super) fn missed(&self, events: u64) {
        let before = self.newest.load(Relaxed);
        self.newest.store((2 * events).max(before / 2).min(MOST_NEWEST), Relaxed);
    }

    /// Waits for the turn, or until there is something to fold.
    pub(super) async fn wait_or_follow(&self, asked: &mut Asked, since: Place) -> Result<Waited, TurnFault> {
        loop {
            tokio::select! {
                biased;
                told = &mut asked.told => return Ok(Waited::Told(told)),
                // The log is dropped only after its writer has ended.
                Ok(()) = asked.appended.changed() => {}
            }
            if let Ok(told) = tokio::time::timeout(NEWS_GATHERS, &mut asked.told).await {
                return Ok(Waited::Told(told));
            }
            match self.news_beside(since).await {
                Ok(news) if !news.is_empty() => return Ok(Waited::News(news)),
                // It comes with the turn at the latest.
                Ok(_) | Err(TurnFault::Unreachable(_)) => {}
                Err(diverged @ TurnFault::Diverged(_)) => return Err(diverged),
            }
        }
    }

    /// News, on a connection that is not the one for turns. One that fails is made anew the next time.
    async fn news_beside(&self, since: Place) -> Result<Vec<Row>, TurnFault> {
        let kept = lock(&self.follower).take();
        let mut on = match kept {
            Some(kept) => kept,
            None => self.address.connect().await.map_err(TurnFault::Unreachable)?,
        };
        let read = self.look_since(&mut on, since).await?;
        *lock(&self.follower) = Some(on);
        Ok(read)
    }
}

/// Where the log ends, what its clock says, and whether this node may still use it.
fn end_sql(way: Way, address: &Address) -> String {
    format!("SELECT position, leaf, ledger.now(), {} FROM ledger.head", hold(way).within(address))
}

/// So many of the newest events, and the one before them. The limit is the same for all, so that one plan serves.
fn newest_sql(newest: &str) -> String {
    news_sql(&format!("(SELECT position FROM ledger.head) - {newest}"), &(MOST_NEWEST + 1))
}
