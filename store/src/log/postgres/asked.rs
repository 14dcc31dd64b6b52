//! The head's lock, asked for, and what a node does until it has it.
//!
//! Where several nodes write the wait is most of the time, and what the others append
//! during it would have to be read and folded by each node while all others wait for it.
//! So a node that waits follows them: when it gets the lock there is only the last batch left.

use std::time::Duration;

use sqlx::{PgConnection, postgres::PgRow};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};

use super::{
    super::{Place, Row, TurnFault},
    PostgresLog, hold,
    turn::{HEAD_LOCKED, PAGE, news, news_sql},
};
use crate::server::{ANSWER_WITHIN, Fault, all, begin_sql, within};

/// Whoever is next has the lock so soon after another's commit that there is nothing to be done before.
const NEXT_WITHIN: Duration = Duration::from_millis(1);
/// The newest events come with the lock: as much as one batch of another node has, as a rule.
const NEWEST: i64 = 64;

/// A message that asks for the lock is on its way, or waits at the server.
pub(super) struct Asked {
    told: JoinHandle<(PgConnection, Result<Vec<PgRow>, Fault>)>,
    /// Changes when another node has appended.
    appended: watch::Receiver<()>,
    /// The connection had been there already: it may have died while nobody used it.
    pub was_idle: bool,
}

impl Drop for Asked {
    /// Its connection is dropped, and with it the lock or the wish for it.
    fn drop(&mut self) {
        self.told.abort();
    }
}

/// What a wait came to.
pub(super) enum Waited {
    /// The server's answer, and the connection that has the lock if it gave it.
    Told(PgConnection, Result<Vec<PgRow>, Fault>),
    /// Others have appended this; the wait goes on.
    News(Vec<Row>),
}

impl PostgresLog {
    /// Asks for the lock in a task of its own, so that others can be followed until it is had.
    pub(super) fn ask(&self, mut connection: PgConnection, was_idle: bool) -> Asked {
        let lock_head = self.lock_sql();
        let told = self.waiting.handle().spawn(async move {
            let told = within(ANSWER_WITHIN, all(&mut connection, &lock_head)).await;
            (connection, told)
        });
        Asked { told, appended: self.appended.subscribe(), was_idle }
    }

    /// Everything from BEGIN to the lock, what is to be known then, and the newest events, in one message:
    /// others wait for every round trip from the lock to the commit. Each statement sees what is
    /// committed when it begins, so all that went before the lock.
    pub(super) fn lock_sql(&self) -> String {
        let newest = if self.alone {
            // Nobody else appends: there is hardly ever anything to read.
            String::new()
        } else {
            news_sql(&format!("(SELECT position FROM ledger.head) - {NEWEST}"), &(NEWEST + 1))
        };
        format!(
            "{}; SET LOCAL ledger.writer = '{}'; {HEAD_LOCKED}; SELECT ledger.now(), {}; {newest}",
            begin_sql(),
            self.origin.id,
            hold(self.alone).within(&self.address)
        )
    }

    /// Waits for the lock, or until there is something to fold.
    pub(super) async fn wait_or_follow(&self, asked: &mut Asked, since: Place) -> Result<Waited, TurnFault> {
        loop {
            tokio::select! {
                biased;
                told = &mut asked.told => return had(told),
                // The log is dropped only after its writer has ended.
                Ok(()) = asked.appended.changed() => {}
            }
            if let Ok(told) = tokio::time::timeout(NEXT_WITHIN, &mut asked.told).await {
                return had(told);
            }
            match self.news_beside(since).await {
                Ok(news) if !news.is_empty() => return Ok(Waited::News(news)),
                // It comes with the lock at the latest.
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
