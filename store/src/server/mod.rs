//! A PostgreSQL server, as log, state and keys use it.
//!
//! Each of them has a schema of its own, made and brought up to date by whichever
//! node comes first, and connections of its own, whose answers are waited for
//! from code that is not async. A pooler that lends a session for one transaction at
//! a time may lie between: see [`address`].

mod address;
pub(crate) mod hold;
pub(crate) mod schema;

use std::{future::Future, time::Duration};

pub(crate) use address::{Address, Readers};
use sqlx::{
    Executor as _, PgConnection, PgPool,
    postgres::{PgListener, PgPoolOptions, PgRow},
};

pub(crate) use crate::log::waiting::{OwnWaiting, Waiting};

/// What the server's library said.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// How long a connection may take to be made.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a start waits until it knows the database.
pub(crate) const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may take for one statement, and a batch for a lock.
pub(crate) const STATEMENT_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const LOCK_WITHIN: Duration = Duration::from_secs(4);
/// How long a node may have its turn without a word to the server, which ends it then.
pub(crate) const IDLE_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take before the connection is given up: longer than the server allows a statement.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Between attempts to listen again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// The server's code for having no space.
const DISK_FULL: &str = "53100";
/// Its codes for having waited for a lock, or for a statement, as long as it was told to.
const TIMED_OUT: [&str; 2] = ["55P03", "57014"];

/// The beginning of a turn. In one message with what follows, so that it costs no round trip.
pub(crate) fn begin_sql() -> String {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = {}",
        LOCK_WITHIN.as_millis(),
        STATEMENT_WITHIN.as_millis(),
        IDLE_WITHIN.as_millis()
    )
}

/// Several statements in one message.
pub(crate) async fn all(on: &mut PgConnection, sql: &str) -> Result<Vec<PgRow>, Fault> {
    Ok(on.fetch_all(sql).await?)
}

pub(crate) async fn run(on: &mut PgConnection, sql: &str) -> Result<(), Fault> {
    sqlx::raw_sql(sql).execute(on).await?;
    Ok(())
}

pub(crate) async fn within<T>(limit: Duration, asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(limit, asking)
        .await
        .unwrap_or_else(|_| Err("the database server did not answer in time".into()))
}

/// Whether it is the session that failed, and another one may do better at once.
pub(crate) fn is_lost(fault: &(dyn std::error::Error + 'static)) -> bool {
    fault.is::<sqlx::Error>() && sqlstate(fault).is_none_or(|code| !TIMED_OUT.contains(&code.as_str()))
}

pub(crate) fn is_full(fault: &(dyn std::error::Error + 'static)) -> bool {
    sqlstate(fault).is_some_and(|code| code == DISK_FULL)
}

/// The server's own code for what went wrong.
pub(crate) fn sqlstate(fault: &(dyn std::error::Error + 'static)) -> Option<String> {
    let fault: &sqlx::Error = fault.downcast_ref()?;
    fault.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// Hears what is said on a channel, on a connection of its own, until the runtime ends.
/// Also called, with nothing, when listening begins: something may have been said before.
/// Through a pooler nobody can listen.
pub(crate) async fn listen(address: Address, channel: &'static str, hear: impl Fn(Option<&str>)) {
    if address.is_pooled() {
        return;
    }
    let options = address.options().clone();
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_WITHIN).connect_lazy_with(options);
    loop {
        if let Err(fault) = listen_on(&pool, channel, &hear).await {
            tracing::debug!(error = &fault as &dyn std::error::Error, channel, "news is polled for only");
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// Ends with the connection: until there is another one, polling is all there is.
async fn listen_on(pool: &PgPool, channel: &str, hear: &impl Fn(Option<&str>)) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    hear(None);
    while let Some(said) = listener.try_recv().await? {
        hear(Some(said.payload()));
    }
    Ok(())
}
