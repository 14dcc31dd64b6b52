//! The log in PostgreSQL, shared by all nodes that have the same database.
//!
//! Commit point: the server's last word on the append, after its row (through a pooler, on
//! COMMIT). An append moves the one row `ledger.head` from where its batch begins, or does
//! nothing, so that positions are gapless and in commit order; times never go back. Nodes
//! take turns (see `turn`). An append whose outcome is unknown is looked up only by who has the turn:
//! whoever had it before is at an end then. Nobody is told "not written" while it could
//! still land.

mod append;
mod arrival;
mod asked;
mod end;
mod read;
mod schema;
mod turn;

use std::{
    sync::{Mutex, atomic::AtomicU64},
    time::{Duration, Instant},
};

use asked::Asked;
use sqlx::PgConnection;
use tokio::sync::watch;
use turn::Held;
use uuid::Uuid;

use super::{
    DatabaseUrl, Origin,
    ends::Ends,
    waiting::{OwnWaiting, Waiting},
};
use crate::{
    OpenError, Position, ReadError,
    server::{
        Address, OPEN_WITHIN, Readers,
        hold::Hold,
        listen,
        schema::{server_name, unfit},
    },
    vault::hex,
};

/// Reads that may be at work at once.
const READERS: u32 = 4;
/// How long a read waits for one of their connections.
const READER_WITHIN: Duration = Duration::from_secs(5);
/// What a node says when it has appended: who it is.
const CHANNEL: &str = "ledger";

/// How turns are had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// No other process may write: the turn lasts as long as the session.
    Alone,
    /// With a lock of the session.
    Session,
    /// With a lock of a transaction: through a pooler nothing else lasts.
    Transaction,
}

pub(crate) struct PostgresLog {
    waiting: Waiting,
    /// The writer thread's, with `writer`, `asked` and `follower`.
    own: OwnWaiting,
    origin: Origin,
    server: String,
    way: Way,
    address: Address,
    /// The connection that turns are taken on. None: to be made.
    writer: Mutex<Option<Held>>,
    /// That connection while it waits for a turn.
    asked: Mutex<Option<Asked>>,
    /// The one that others are followed on meanwhile. None: to be made.
    follower: Mutex<Option<PgConnection>>,
    /// How many of the newest events are to come with the next turn.
    newest: AtomicU64,
    /// When another node was last heard to have appended.
    appended: watch::Sender<Option<Instant>>,
    readers: Readers,
    ends: Ends,
    /// Tells this node's notifications from those of others.
    node: String,
}

/// What a log is made of that is not the same for all.
struct Parts {
    waiting: Waiting,
    own: OwnWaiting,
    origin: Origin,
    server: String,
    way: Way,
    address: Address,
    /// Of `own`.
    writer: Option<PgConnection>,
}

impl Parts {
    fn assemble(self) -> Result<PostgresLog, OpenError> {
        let Self { waiting, own, origin, server, way, address, writer } = self;
        let readers = waiting.apart(OPEN_WITHIN, async || Ok(address.readers(READERS, READER_WITHIN)))?;
        let ends = Ends::start(waiting.handle(), end::End::new(address.clone()));
        Ok(PostgresLog {
            waiting,
            own,
            origin,
            server,
            way,
            address,
            writer: Mutex::new(writer.map(|connection| Held { connection, turn: None })),
            asked: Mutex::default(),
            follower: Mutex::default(),
            newest: AtomicU64::default(),
            appended: watch::Sender::default(),
            readers,
            ends,
            node: Uuid::new_v4().to_string(),
        })
    }
}

impl PostgresLog {
    /// Connects, makes or migrates the schema, and refuses what a ledger cannot rest on.
    pub(crate) fn open(url: &DatabaseUrl, alone: bool) -> Result<Self, OpenError> {
        let address = Address::of(url)?;
        if alone && address.is_pooled() {
            let reason = "a service that keeps its state or keys in its folder holds the log with a session of its \
                          own, which a pooler does not give";
            return Err(unfit(reason, "name the server itself, or keep both `state` and `keys` in a database"));
        }
        let way = match (alone, address.is_pooled()) {
            (true, _) => Way::Alone,
            (false, false) => Way::Session,
            (false, true) => Way::Transaction,
        };
        let waiting = Waiting::start("postgres")?;
        let own = OwnWaiting::start()?;
        let (origin, server, writer) = own.apart(OPEN_WITHIN, async || {
            let mut writer = schema::SCHEMA.prepare(&address).await?;
            let origin = schema::look(&mut writer).await?;
            if !turn::settle_in(&mut writer, way, &address, &origin).await.map_err(OpenError::Server)? {
                return Err(unfit(who_has_it(way), "stop it, or name another database"));
            }
            let server = server_name(&mut writer, &address).await?;
            Ok((origin, server, writer))
        })?;
        let parts = Parts { waiting, own, origin, server, way, address, writer: Some(writer) };
        parts.assemble()
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.way == Way::Alone
    }

    /// Where the log ends now; none if only this process appends to it.
    pub(crate) async fn end(&self) -> Result<Option<Position>, ReadError> {
        if self.is_alone() { Ok(None) } else { self.ends.ask().await.map(Some) }
    }

    /// Notes with the first start which keys belong to this log, and refuses others from then on.
    pub(crate) fn fits_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        let (readers, mark) = (self.readers.clone(), hex(mark));
        let (noted, given) = (mark.clone(), mark);
        let asked = self.waiting.run(async move {
            let mut on = readers.session().await?;
            let note = "INSERT INTO ledger.meta VALUES ('keys', $1) ON CONFLICT (name) DO NOTHING";
            sqlx::query(note).persistent(false).bind(noted).execute(&mut *on).await?;
            let noted = sqlx::query_scalar::<_, String>("SELECT value FROM ledger.meta WHERE name = 'keys'");
            let found = noted.persistent(false).fetch_one(&mut *on).await?;
            on.end().await.map(|()| found)
        });
        if asked.map_err(OpenError::Server)?.map_err(|fault| OpenError::Server(fault.into()))? == given {
            return Ok(());
        }
        let reason = "these are not the keys of the ledger in the database";
        Err(unfit(reason, "name the folder or the database that has them (`data`, `keys`), or restore them"))
    }

    /// Listens on a connection of its own until the log is dropped.
    fn listen(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let (node, appended) = (self.node.clone(), self.appended.clone());
        let hear = move |said: Option<&str>| {
            if said != Some(&node) {
                appended.send_replace(Some(Instant::now()));
                wake();
            }
        };
        self.waiting.spawn(listen(self.address.clone(), CHANNEL, hear));
    }
}

/// Keeps others away who would have the log alone, or shares it.
fn hold(way: Way) -> Hold {
    Hold { lock: schema::ALONE, alone: way == Way::Alone }
}

/// Who has the log already.
fn who_has_it(way: Way) -> &'static str {
    match way {
        Way::Alone => "another service writes to this ledger",
        Way::Session | Way::Transaction => "a service that keeps its state or keys in its folder writes to this ledger",
    }
}
