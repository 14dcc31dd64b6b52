//! Tables in a database that others read, and this program alone writes: one node at
//! a time, together with how far they are.
//!
//! Promise: what a [`Change`] writes lands as a whole with its mark, and only while
//! nobody else has taken the tables since. The row `progress` of the schema is locked
//! from a change's first statement to its commit; a node that stands still within one
//! loses its session after two idle seconds, and what it wakes up with does not land.

use std::{sync::Mutex, time::Duration};

use sqlx::{PgConnection, Row as _, postgres::PgRow};
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    DatabaseUrl, Mark, OpenError,
    locks::lock,
    server::{
        ANSWER_WITHIN, Address, Fault, OPEN_WITHIN, OwnWaiting, all, begin_sql, is_lost, run,
        schema::{Schema, server_name},
        sqlstate, within,
    },
};

/// What one statement of a long change may take: emptying a large table does.
const LONG_STATEMENT_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The tables. The schema has a table `progress` of one row: `ledger`, `position`, `leaf`,
/// `epoch`, `shape`, `written_by`, `written_at`.
pub struct Sink {
    own: OwnWaiting,
    address: Address,
    schema: &'static Schema,
    /// None: to be made, or a change has it.
    kept: Mutex<Option<PgConnection>>,
    server: Mutex<Option<String>>,
    /// Nobody waits for an answer any more.
    ended: watch::Sender<bool>,
}

/// How far the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub mark: Mark,
    /// What the writer says about how it makes rows of events: other rows if it is another number.
    pub shape: i64,
}

/// Why nothing was written.
#[derive(Debug, Error)]
pub enum SinkError {
    /// It could not be asked, did not answer, or refused a statement.
    #[error("the database server failed")]
    Server(#[source] Fault),
    /// The database is none for these tables.
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("another service has taken them")]
    Taken,
    #[error("they belong to the ledger {0}: name another database, or drop the schema if nobody needs them")]
    Foreign(Uuid),
}

impl SinkError {
    /// Whether it stays so until somebody changes the address or the database.
    pub fn stays(&self) -> bool {
        match self {
            // No such role, password or database.
            Self::Open(OpenError::Server(fault)) => {
                sqlstate(&**fault).is_some_and(|code| code.starts_with("28") || code == "3D000")
            }
            Self::Open(_) | Self::Foreign(_) => true,
            Self::Server(_) | Self::Taken => false,
        }
    }
}

/// A transaction. Dropped without [`Change::commit`], nothing of it is there.
pub struct Change<'s> {
    sink: &'s Sink,
    connection: PgConnection,
    written: Written,
    /// How long the answer to a statement is waited for.
    patience: Duration,
}

/// One column of many rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    Text(Vec<Option<String>>),
    Ids(Vec<Option<Uuid>>),
    Integers(Vec<Option<i64>>),
    Flags(Vec<Option<bool>>),
}

impl Sink {
    /// Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn new(url: &DatabaseUrl, schema: &'static Schema) -> Result<Self, OpenError> {
        Ok(Self {
            own: OwnWaiting::start()?,
            address: Address::of(url)?,
            schema,
            kept: Mutex::new(None),
            server: Mutex::new(None),
            ended: watch::Sender::new(false),
        })
    }

    /// The server's name and version, once it was reached.
    pub fn server(&self) -> Option<String> {
        lock(&self.server).clone()
    }

    /// Ends whatever is being asked, for good: a stop does not wait for a server.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Whose tables they are, once the schema is as this program knows it. Blocks its thread, as all that follows.
    ///
    /// # Errors
    /// When the database is unfit, or cannot be asked.
    pub fn owner(&self) -> Result<Option<Uuid>, SinkError> {
        let sql = format!("SELECT ledger FROM {}.progress", self.schema.name);
        let mut connection = self.connect()?;
        let told = self.asked(ANSWER_WITHIN, all(&mut connection, &sql))?;
        let ledger = told.first().ok_or_else(|| self.schema.foreign())?.try_get(0);
        *lock(&self.kept) = Some(connection);
        ledger.map_err(|fault| SinkError::Server(fault.into()))
    }

    /// From now on this node writes, and whoever did before does not. What a change needs to begin.
    ///
    /// # Errors
    /// When they are another ledger's, the database is unfit, or cannot be asked.
    pub fn take(&self, ledger: Uuid, node: &str) -> Result<u64, SinkError> {
        if let Some(other) = self.owner()?.filter(|owner| *owner != ledger) {
            return Err(SinkError::Foreign(other));
        }
        let name = self.schema.name;
        let sql = format!(
            "UPDATE {name}.progress SET epoch = epoch + 1, ledger = $1, written_by = $2 \
             WHERE coalesce(ledger, $1) = $1 RETURNING epoch"
        );
        let mut connection = match lock(&self.kept).take() {
            Some(kept) => kept,
            None => self.connect()?,
        };
        let taken = self.asked(ANSWER_WITHIN, async {
            run(&mut connection, &begin_sql()).await?;
            let taking = sqlx::query_scalar::<_, i64>(&sql).persistent(false).bind(ledger).bind(node);
            let epoch = taking.fetch_optional(&mut connection).await?;
            run(&mut connection, "COMMIT").await?;
            Ok(epoch)
        })?;
        *lock(&self.kept) = Some(connection);
        // Somebody else was quicker.
        taken.map(i64::cast_unsigned).ok_or(SinkError::Taken)
    }

    /// How far the tables are.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    pub fn look(&self, epoch: u64) -> Result<Written, SinkError> {
        let change = self.begin(epoch)?;
        let written = change.written;
        change.let_go()?;
        Ok(written)
    }

    /// Waits for the tables, a few seconds at most, and has them until the change ends.
    ///
    /// # Errors
    /// [`SinkError::Taken`] if another node has taken them since that epoch; else the server's.
    pub fn begin(&self, epoch: u64) -> Result<Change<'_>, SinkError> {
        let kept = lock(&self.kept).take();
        let was_idle = kept.is_some();
        let mut connection = match kept {
            Some(kept) => kept,
            None => self.connect()?,
        };
        let sql = format!(
            "{}; SELECT ledger, position, leaf, epoch, shape FROM {}.progress FOR UPDATE",
            begin_sql(),
            self.schema.name
        );
        let told = match self.asked(ANSWER_WITHIN, all(&mut connection, &sql)) {
            // It may have died while nobody used it; nothing was done on it yet.
            Err(SinkError::Server(fault)) if was_idle && is_lost(&*fault) => {
                connection = self.connect()?;
                self.asked(ANSWER_WITHIN, all(&mut connection, &sql))?
            }
            told => told?,
        };
        let row = told.first().ok_or_else(|| self.schema.foreign())?;
        let (found, written) = read(row).map_err(|fault| SinkError::Server(fault.into()))?;
        let change = Change { sink: self, connection, written, patience: ANSWER_WITHIN };
        if found == epoch {
            return Ok(change);
        }
        change.let_go()?;
        Err(SinkError::Taken)
    }

    fn connect(&self) -> Result<PgConnection, SinkError> {
        let opening = async {
            let mut made = self.schema.prepare(&self.address).await?;
            *lock(&self.server) = Some(server_name(&mut made, &self.address).await?);
            Ok::<_, OpenError>(made)
        };
        // What is wrong with the database is no failure of asking it.
        Ok(self.asked(OPEN_WITHIN, async { Ok(opening.await) })??)
    }

    fn asked<T>(&self, limit: Duration, asking: impl Future<Output = Result<T, Fault>>) -> Result<T, SinkError> {
        let mut ended = self.ended.subscribe();
        let told = self.own.run(async {
            tokio::select! {
                told = within(limit, asking) => told,
                _ = ended.wait_for(|ended| *ended) => Err("the service ends".into()),
            }
        });
        told.map_err(SinkError::Server)
    }
}

impl Change<'_> {
    /// How far the tables were when it began.
    pub fn written(&self) -> Written {
        self.written
    }

    /// It moves so much that statements may take minutes.
    ///
    /// # Errors
    /// When the server fails.
    pub fn take_long(&mut self) -> Result<(), SinkError> {
        let sql = format!("SET LOCAL statement_timeout = {}", LONG_STATEMENT_WITHIN.as_millis());
        self.sink.asked(self.patience, run(&mut self.connection, &sql))?;
        self.patience = LONG_STATEMENT_WITHIN + ANSWER_WITHIN;
        Ok(())
    }

    /// One statement over columns of equal length, bound in their order.
    ///
    /// # Errors
    /// When the server fails or refuses it; the change is lost then.
    pub fn execute(&mut self, sql: &str, columns: Vec<Column>) -> Result<(), SinkError> {
        let mut query = sqlx::query(sql).persistent(!self.sink.address.is_pooled());
        for column in columns {
            query = match column {
                Column::Text(values) => query.bind(values),
                Column::Ids(values) => query.bind(values),
                Column::Integers(values) => query.bind(values),
                Column::Flags(values) => query.bind(values),
            };
        }
        let connection = &mut self.connection;
        self.sink.asked(self.patience, async { Ok(query.execute(connection).await.map(drop)?) })
    }

    /// Everything lands, and the tables are at that mark. If it fails it may have landed: a look tells.
    ///
    /// # Errors
    /// When the server fails.
    pub fn commit(mut self, written: Written) -> Result<(), SinkError> {
        let Written { mark, shape } = written;
        let leaf: String = mark.leaf.iter().map(|byte| format!("{byte:02x}")).collect();
        // Numbers and an id: nothing in it that could end a literal.
        let sql = format!(
            "UPDATE {}.progress SET ledger = '{}', position = {}, leaf = '\\x{leaf}', shape = {shape}, \
             written_at = clock_timestamp(); COMMIT",
            self.sink.schema.name, mark.ledger_id, mark.position
        );
        self.sink.asked(self.patience, run(&mut self.connection, &sql))?;
        *lock(&self.sink.kept) = Some(self.connection);
        Ok(())
    }

    /// Ends it with nothing changed.
    ///
    /// # Errors
    /// When the server fails; nothing is changed all the same.
    pub fn let_go(mut self) -> Result<(), SinkError> {
        self.sink.asked(ANSWER_WITHIN, run(&mut self.connection, "ROLLBACK"))?;
        *lock(&self.sink.kept) = Some(self.connection);
        Ok(())
    }
}

fn read(row: &PgRow) -> Result<(u64, Written), sqlx::Error> {
    let ledger: Option<Uuid> = row.try_get(0)?;
    let leaf: Vec<u8> = row.try_get(2)?;
    let leaf = leaf.try_into().map_err(|_| sqlx::Error::Decode("a leaf has 32 bytes".into()))?;
    let position = row.try_get::<i64, _>(1)?.cast_unsigned();
    let mark = Mark { ledger_id: ledger.unwrap_or_default(), position, leaf };
    Ok((row.try_get::<i64, _>(3)?.cast_unsigned(), Written { mark, shape: row.try_get(4)? }))
}
