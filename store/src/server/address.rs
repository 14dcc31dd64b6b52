//! Where a server is, and whether a pooler lies between.
//!
//! A pooler in transaction mode lends a session of the server for one transaction, and
//! another one for the next. So nothing of a session may be relied on there: no lock,
//! setting or LISTEN of a session, no prepared statement, and no two messages outside
//! of a transaction; a query with parameters is two. Who connects through one says so,
//! with `pgbouncer=true` in the address, as other programs have it.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{ANSWER_WITHIN, CONNECT_WITHIN, Fault, IDLE_WITHIN, all, run, schema::unfit, within};
use crate::{DatabaseUrl, OpenError};

/// The parameter that says so.
const POOLED: &str = "pgbouncer";

#[derive(Clone)]
pub(crate) struct Address {
    options: PgConnectOptions,
    pooled: bool,
}

/// Connections for single questions, made when they are needed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readers {
    pool: PgPool,
    pooled: bool,
}

/// A connection for the time of a question; within a transaction if it is only lent.
pub(crate) enum Session {
    Own(PoolConnection<Postgres>),
    Lent(Transaction<'static, Postgres>),
}

impl Address {
    /// Statements say nothing that the ledger does not say itself.
    pub(crate) fn of(url: &DatabaseUrl) -> Result<Self, OpenError> {
        // Two libraries for TLS are in such a build, and whoever uses one without a choice ends.
        #[cfg(feature = "eventstore")]
        crate::log::choose_tls()?;
        let (url, said) = without(url.reveal(), POOLED);
        let pooled = match said.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                return Err(unfit(format!("the address says neither {POOLED}=true nor false"), "write one of them"));
            }
        };
        let options: PgConnectOptions = url.parse().map_err(|fault: sqlx::Error| OpenError::Server(fault.into()))?;
        // Nothing here is a number with a point; poolers refuse a setting that they do not know.
        let options =
            options.extra_float_digits(None).application_name("invitation-ledger").disable_statement_logging();
        Ok(Self { options: if pooled { options.statement_cache_capacity(0) } else { options }, pooled })
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(crate) fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// A connection of one's own.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Fault> {
        within(CONNECT_WITHIN, async { Ok(PgConnection::connect_with(&self.options).await?) }).await
    }

    /// So many connections for questions; one that is free is waited for so long.
    pub(crate) fn readers(&self, at_once: u32, wait: Duration) -> Readers {
        let pool = PgPoolOptions::new().max_connections(at_once).acquire_timeout(wait);
        Readers { pool: pool.connect_lazy_with(self.options.clone()), pooled: self.pooled }
    }

    /// Finds a pooler that was not told of, and refuses it: what it breaks shows under load only.
    ///
    /// A session that rests is lent to the next who wants one. So two of ours are the
    /// same one, or the first is another one afterwards.
    pub(super) async fn check_pooler(&self, mine: &mut PgConnection) -> Result<(), OpenError> {
        if self.pooled {
            return Ok(());
        }
        let asked = async {
            let before = session_of(mine, "").await?;
            let mut other = self.connect().await?;
            let lent = session_of(&mut other, "BEGIN;").await? == before || session_of(mine, "").await? != before;
            run(&mut other, "ROLLBACK").await?;
            // Nobody waits for its end.
            drop(other.close());
            Ok(lent)
        };
        if within(ANSWER_WITHIN, asked).await.map_err(OpenError::Server)? {
            let fix = format!("say so with ?{POOLED}=true in the address, or name the server itself");
            return Err(unfit("a pooler in transaction mode lies between this program and the server", fix));
        }
        Ok(())
    }
}

/// The number of the server's process that answers.
async fn session_of(on: &mut PgConnection, first: &str) -> Result<i32, Fault> {
    use sqlx::Row as _;
    let told = all(on, &format!("{first} SELECT pg_backend_pid()")).await?;
    Ok(told.first().ok_or("the server did not answer")?.try_get(0)?)
}

/// An address without one of its parameters, and what that said.
fn without(url: &str, parameter: &str) -> (String, Option<String>) {
    let Some((place, parameters)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (mut kept, mut said) = (Vec::new(), None);
    for pair in parameters.split('&') {
        match pair.split_once('=') {
            Some((name, value)) if name == parameter => said = Some(value.to_owned()),
            Some(_) | None => kept.push(pair),
        }
    }
    (if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) }, said)
}

impl Readers {
    /// Whether statements may be kept prepared.
    pub(crate) fn keep_statements(&self) -> bool {
        !self.pooled
    }

    pub(crate) async fn session(&self) -> Result<Session, sqlx::Error> {
        if self.pooled {
            let begin = format!("BEGIN; SET LOCAL idle_in_transaction_session_timeout = {}", IDLE_WITHIN.as_millis());
            Ok(Session::Lent(self.pool.begin_with(begin).await?))
        } else {
            Ok(Session::Own(self.pool.acquire().await?))
        }
    }
}

impl Session {
    /// What was changed stands from then on.
    pub(crate) async fn end(self) -> Result<(), sqlx::Error> {
        match self {
            Session::Own(_) => Ok(()),
            Session::Lent(transaction) => transaction.commit().await,
        }
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Session::Own(connection) => connection,
            Session::Lent(transaction) => transaction,
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Session::Own(connection) => connection,
            Session::Lent(transaction) => transaction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn the_pooler_is_told_of_in_the_address_and_the_server_hears_nothing_of_it() {
        for (url, rest, said) in [
            ("postgres://ada@one/ledger", "postgres://ada@one/ledger", None),
            ("postgres://one/l?sslmode=require", "postgres://one/l?sslmode=require", None),
            ("postgres://one/l?pgbouncer=true", "postgres://one/l", Some("true")),
            ("postgres://one/l?host=/run&pgbouncer=false&port=1", "postgres://one/l?host=/run&port=1", Some("false")),
            ("postgres://one/l?pgbouncer", "postgres://one/l?pgbouncer", None),
        ] {
            assert_eq!(without(url, "pgbouncer"), (rest.to_owned(), said.map(str::to_owned)), "{url}");
        }
    }
}
