//! The log in PostgreSQL, shared by all nodes that have the same database.
//!
//! Commit point: COMMIT returning. One row, `ledger.head`, is locked from the
//! first statement of a batch to its commit, so that positions are gapless, in
//! commit order, and times never go back. A commit whose outcome is unknown is
//! looked up only while that row is locked again: whoever had it is at an end
//! then. Nobody is told "not written" while it could still land.

mod read;
mod schema;
mod turn;

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use uuid::Uuid;

use super::{DatabaseUrl, Fault, Origin, waiting::Waiting};
use crate::{OpenError, vault::hex};

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a start waits until it knows the database.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may take for one statement, and a batch for the lock of the head.
const STATEMENT_WITHIN: Duration = Duration::from_secs(5);
const LOCK_WITHIN: Duration = Duration::from_secs(4);
/// How long a node may have its turn without a word to the server, which ends it then.
const IDLE_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take before the connection is given up: longer than the server allows a statement.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Reads that may be at work at once.
const READERS: u32 = 4;
/// How long a read waits for one of them.
const READER_WITHIN: Duration = Duration::from_secs(5);
/// How long a process that wants the log for itself waits for one that has just ended.
const ALONE_WITHIN: Duration = Duration::from_secs(5);
const ALONE_EVERY: Duration = Duration::from_millis(50);
/// Between attempts to listen again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// What a node says when it has appended: who it is.
const CHANNEL: &str = "ledger";

/// Statements say nothing that the ledger does not say itself.
fn connect_options(url: &DatabaseUrl) -> Result<PgConnectOptions, OpenError> {
    let options: PgConnectOptions =
        url.reveal().parse().map_err(|fault: sqlx::Error| OpenError::Server(fault.into()))?;
    Ok(options.application_name("invitation-ledger").disable_statement_logging())
}

pub(crate) struct PostgresLog {
    waiting: Waiting,
    origin: Origin,
    server: String,
    /// No other process may write.
    alone: bool,
    options: PgConnectOptions,
    /// The connection that turns are taken on; only the writer thread uses it. None: to be made.
    writer: Mutex<Option<PgConnection>>,
    readers: PgPool,
    /// Tells this node's notifications from those of others.
    node: String,
}

impl PostgresLog {
    /// Connects, makes or migrates the schema, and refuses what a ledger cannot rest on.
    pub(crate) fn open(url: &DatabaseUrl, alone: bool) -> Result<Self, OpenError> {
        let options = connect_options(url)?;
        let waiting = Waiting::start("postgres")?;
        let pool = PgPoolOptions::new().max_connections(READERS).acquire_timeout(READER_WITHIN);
        let (origin, server, writer, readers) = waiting.apart(OPEN_WITHIN, async || {
            let (origin, mut writer) = schema::prepare(&options).await?;
            if alone && !is_alone(&mut writer).await.map_err(OpenError::Server)? {
                return Err(schema::unfit(
                    "another service writes to this ledger",
                    "stop it, or name another database",
                ));
            }
            let server = schema::server_name(&mut writer).await?;
            Ok((origin, server, writer, pool.connect_lazy_with(options.clone())))
        })?;
        let node = Uuid::new_v4().to_string();
        Ok(Self { waiting, origin, server, alone, options, writer: Mutex::new(Some(writer)), readers, node })
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Notes with the first start which keys belong to this log, and refuses others from then on.
    pub(crate) fn fits_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        let (readers, mark) = (self.readers.clone(), hex(mark));
        let (noted, given) = (mark.clone(), mark);
        let asked = self.waiting.run(async move {
            let note = "INSERT INTO ledger.meta VALUES ('keys', $1) ON CONFLICT (name) DO NOTHING";
            sqlx::query(note).bind(noted).execute(&readers).await?;
            sqlx::query_scalar::<_, String>("SELECT value FROM ledger.meta WHERE name = 'keys'")
                .fetch_one(&readers)
                .await
        });
        if asked.map_err(OpenError::Server)?.map_err(|fault| OpenError::Server(fault.into()))? == given {
            return Ok(());
        }
        let reason = "the keys of this folder are not those of the ledger in the database";
        Err(schema::unfit(reason, "name the folder that has its keys.db, or restore that file"))
    }

    /// Listens on a connection of its own until the log is dropped.
    fn listen(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let (options, node) = (self.options.clone(), self.node.clone());
        self.waiting.spawn(async move {
            let pool =
                PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_WITHIN).connect_lazy_with(options);
            loop {
                if let Err(fault) = listen_on(&pool, &node, &wake).await {
                    tracing::debug!(error = &fault as &dyn std::error::Error, "news of the log is polled for only");
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        });
    }
}

/// Ends with the connection: until there is another one, polling is all there is.
async fn listen_on(pool: &PgPool, node: &str, wake: &(dyn Fn() + Send + Sync)) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was said while nobody listened.
    wake();
    while let Some(said) = listener.try_recv().await? {
        if said.payload() != node {
            wake();
        }
    }
    Ok(())
}

/// Whether no other process has the log for itself, and then none will while this session lives.
async fn is_alone(on: &mut PgConnection) -> Result<bool, Fault> {
    let begun = Instant::now();
    loop {
        let sql = "SELECT pg_try_advisory_lock($1)";
        if sqlx::query_scalar(sql).bind(schema::ALONE).fetch_one(&mut *on).await? {
            return Ok(true);
        }
        if begun.elapsed() >= ALONE_WITHIN {
            return Ok(false);
        }
        tokio::time::sleep(ALONE_EVERY).await;
    }
}

fn fault(fault: sqlx::Error) -> Fault {
    fault.into()
}
