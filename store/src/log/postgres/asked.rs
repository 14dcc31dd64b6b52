//! A turn, asked for, and what a node does until it has it.
//!
//! Where several nodes write the wait is most of the time, and what the others append
//! during it would have to be read and folded by each node while all others wait for it.
//! So a node that waits follows them: when it gets the turn there is only the last batch left.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use sqlx::{PgConnection, postgres::PgRow};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};

use super::{
    super::{Place, Row, TurnFault},
    PostgresLog, Way, hold,
    schema::TURN,
    turn::{HEAD, Held, PAGE, news, news_sql},
};
use crate::server::{ANSWER_WITHIN, Fault, IDLE_WITHIN, all, begin_sql, within};

/// How long a node that waits lets news gather before it reads it. Whoever is next has the turn so soon after
/// another's commit that there may be nothing to be done before; and what is folded at once costs less.
const NEWS_GATHERS: Duration = Duration::from_micros(1_500);
/// So many of the newest events come with the turn at most.
const MOST_NEWEST: u64 = 256;

/// A message that asks for the turn is on its way, or waits at the server.
pub(super) struct Asked {
    told: JoinHandle<(PgConnection, Result<Vec<PgRow>, Fault>)>,
    /// Changes when another node has appended.
    appended: watch::Receiver<Option<Instant>>,
    /// The connection had been there already: it may have died while nobody used it.
    pub was_idle: bool,
}

impl Drop for Asked {
    /// Its connection is dropped, and with it the turn or the wish for it.
    fn drop(&mut self) {
        self.told.abort();
    }
}

/// What a wait came to.
pub(super) enum Waited {
    /// The server's answer, and the connection that has the turn if it gave it.
    Told(PgConnection, Result<Vec<PgRow>, Fault>),
    /// Others have appended this; the wait goes on.
    News(Vec<Row>),
}

impl PostgresLog {
    /// Asks for the turn in a task of its own, so that others can be followed until it is had.
    pub(super) fn ask(&self, held: Held, was_idle: bool) -> Asked {
        let Held { mut connection, turn } = held;
        let sql = self.turn_sql(turn.is_some(), self.newest.load(Relaxed));
        let told = self.waiting.handle().spawn(async move {
            let told = within(ANSWER_WITHIN, all(&mut connection, &sql)).await;
            (connection, told)
        });
        Asked { told, appended: self.appended.subscribe(), was_idle }
    }

    /// What takes the turn and tells what is to be known then, with the newest events if some are asked for,
    /// in one message: others wait for every round trip. Each statement sees what is committed when it
    /// begins, so all that went before the turn.
    pub(super) fn turn_sql(&self, has_one: bool, newest: u64) -> String {
        let newest = if newest == 0 {
            String::new()
        } else {
            news_sql(&format!("(SELECT position FROM ledger.head) - {newest}"), &(newest + 1))
        };
        let taken = match self.way {
            Way::Alone => "SELECT true".to_owned(),
            // Whoever waits comes first.
            Way::Session if has_one => format!("SELECT pg_advisory_unlock({TURN}), pg_advisory_lock({TURN})"),
            Way::Session => {
                let idle = IDLE_WITHIN.as_millis();
                format!("SET idle_session_timeout = {idle}; SELECT pg_advisory_lock({TURN})")
            }
            Way::Transaction => format!(
                "{}; SET LOCAL ledger.writer = '{}'; SELECT pg_advisory_xact_lock({TURN})",
                begin_sql(),
                self.origin.id,
            ),
        };
        format!("{taken}; {HEAD}; SELECT ledger.now(), {}; {newest}", hold(self.way).within(&self.address))
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
                told = &mut asked.told => return had(told),
                // The log is dropped only after its writer has ended.
                Ok(()) = asked.appended.changed() => {}
            }
            if let Ok(told) = tokio::time::timeout(NEWS_GATHERS, &mut asked.told).await {
                return had(told);
            }
            match self.news_beside(since).await {
                Ok(news) if !news.is_empty() => return Ok(Waited::News(news)),
                // It comes with the turn at the latest.
                Ok(_) | Err(TurnFault::Unreachable(_)) => {}
                Err(diverged @ TurnFault::Diverged(_)) => return Err(diverged),
            }
        }
    }

    /// News, on a connection that is not the one for turns.
    async fn news_beside(&self, since: Place) -> Result<Vec<Row>, TurnFault> {
        let unreachable = |fault: sqlx::Error| TurnFault::Unreachable(fault.into());
        let mut on = self.readers.session().await.map_err(unreachable)?;
        let read = news(&mut on, (since, PAGE), self.readers.keep_statements()).await?;
        on.end().await.map_err(unreachable)?;
        Ok(read)
    }
}

fn had(told: Result<(PgConnection, Result<Vec<PgRow>, Fault>), JoinError>) -> Result<Waited, TurnFault> {
    let (connection, told) = told.map_err(|fault| TurnFault::Unreachable(fault.into()))?;
    Ok(Waited::Told(connection, told))
}
