//! The log in EventStoreDB: one stream, in which an event's revision is its position less one.
//!
//! Commit point: the server's answer to an append at the exact revision that the
//! batch was checked at. No lock is held: of two nodes that append at once the
//! server takes one, and the other is overtaken, reads what came, and checks its
//! batch again. An append without an answer is repeated as it is, byte for byte,
//! until there is one, or another event stands in its place; every event goes by an
//! id made from its leaf, so that "is it there?" has one answer. Whatever is still
//! on its way when those who wait are told `Unknown` can only land in the very
//! place it was made for, where the next batch of any node meets it.
//!
//! The server has no clock to ask: times are the appending node's own. It has no locks
//! either: whether a service wants the log alone, or beside others who share it, it writes
//! down, and ends who had it otherwise before.

mod link;
mod login;
mod origin;
mod read;
mod tls;
mod trust;
mod turn;
mod wire;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use uuid::Uuid;

use super::{
    DatabaseUrl, Fault, Origin,
    ends::{Ends, Look},
    waiting::Waiting,
};
use crate::{OpenError, Position, ReadError};
use link::{Link, NotRead, Page};
use origin::Hold;
#[cfg(feature = "postgres")]
pub(crate) use tls::choose as choose_tls;
pub(super) use wire::envelope_bytes;

/// How long a start waits until it knows the server.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may take for an append, or for a page of events.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Oldest server: the first line that says at the end of a read where the stream ends, and is still looked after.
const OLDEST_SERVER: (usize, usize) = (22, 10);

pub(crate) struct EventStoreLog {
    waiting: Waiting,
    link: Arc<Link>,
    origin: Origin,
    server: String,
    stream: Arc<str>,
    /// No other process may write.
    alone: bool,
    /// How this process has the log, once it has.
    hold: OnceLock<Hold>,
    ends: Ends,
}

/// What to do where there is no ledger yet.
#[derive(Clone, Copy)]
enum Begin<'o> {
    Never,
    Anew,
    As(&'o Origin),
}

impl EventStoreLog {
    /// Connects, begins the ledger if there is none, and refuses what a ledger cannot rest on.
    pub(crate) fn open(url: &DatabaseUrl, stream: &str, alone: bool) -> Result<Self, OpenError> {
        Self::begun(Self::connect(url, stream, alone, Begin::Anew)?)
    }

    /// The same, but a ledger that is begun is this one.
    pub(crate) fn open_for(url: &DatabaseUrl, stream: &str, origin: &Origin) -> Result<Self, OpenError> {
        Self::begun(Self::connect(url, stream, false, Begin::As(origin))?)
    }

    /// The log, to be read only; none if there is none.
    pub(crate) fn look(url: &DatabaseUrl, stream: &str) -> Result<Option<Self>, OpenError> {
        Self::connect(url, stream, false, Begin::Never)
    }

    fn connect(url: &DatabaseUrl, stream: &str, alone: bool, begin: Begin<'_>) -> Result<Option<Self>, OpenError> {
        let waiting = Waiting::start("eventstore")?;
        let link = Arc::new(Link::new(url, waiting.handle().clone())?);
        let stream = Arc::from(stream);
        let (origin, server) = waiting.apart(OPEN_WITHIN, async || {
            let server = origin::check_server(&link, &stream).await?;
            Ok((origin::prepare(&link, &stream, begin).await?, server))
        })?;
        let ends = Ends::start(waiting.handle(), End { link: link.clone(), stream: Arc::clone(&stream) });
        let Some(origin) = origin else { return Ok(None) };
        Ok(Some(Self { waiting, link, origin, server, stream, alone, hold: OnceLock::new(), ends }))
    }

    fn begun(log: Option<Self>) -> Result<Self, OpenError> {
        log.ok_or_else(|| OpenError::Server("the ledger was not begun".into()))
    }

    /// Notes which keys belong to this log, or refuses others, and takes nothing.
    pub(crate) fn note_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        let (link, stream, mark) = (self.link.clone(), self.stream.clone(), *mark);
        let asked = self.waiting.run(async move { origin::fits_keys(&link, &stream, &mark).await });
        asked.map_err(OpenError::Server)?
    }

    /// The mark of a ledger that is on its way here.
    pub(crate) fn arrival(&self) -> Result<Option<Uuid>, OpenError> {
        let (link, stream) = (self.link.clone(), self.stream.clone());
        self.waiting.run(async move { origin::arrival(&link, &stream).await }).map_err(OpenError::Server)?
    }

    /// Marks it, if it is this ledger's: which one it is was written down with its first event.
    pub(crate) fn arrive(&self, origin: &Origin, arrival: Uuid) -> Result<(), OpenError> {
        if self.origin != *origin {
            let reason = format!("the stream {} holds another ledger, or other epochs of this one", self.stream);
            return Err(unfit(reason, "name another server, or remove the stream and its origin"));
        }
        let (link, stream) = (self.link.clone(), self.stream.clone());
        let asked = self.waiting.run(async move { origin::arrive(&link, &stream, arrival).await });
        asked.map_err(OpenError::Server)?
    }

    pub(crate) fn arrived(&self) -> Result<(), OpenError> {
        let (link, stream) = (self.link.clone(), self.stream.clone());
        self.waiting.run(async move { origin::arrived(&link, &stream).await }).map_err(OpenError::Server)?
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Where the log ends now; none if only this process appends to it.
    pub(crate) async fn end(&self) -> Result<Option<Position>, ReadError> {
        if self.alone { Ok(None) } else { self.ends.ask().await.map(Some) }
    }

    /// Notes with the first start which keys belong to this log, and refuses others from then on. The last
    /// step of a start: the log is taken here.
    pub(crate) fn fits_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        let (link, stream, mark, alone) = (self.link.clone(), self.stream.clone(), *mark, self.alone);
        let asked = self.waiting.run(async move {
            origin::fits_keys(&link, &stream, &mark).await?;
            if alone { origin::take(&link, &stream).await } else { origin::share(&link, &stream).await }
        });
        let hold = asked.map_err(OpenError::Server)??;
        self.hold.get_or_init(|| hold);
        Ok(())
    }
}

/// Where the stream ends, as the leader says.
struct End {
    link: Arc<Link>,
    stream: Arc<str>,
}

impl Look for End {
    async fn look(&mut self) -> Result<Position, Fault> {
        match self.link.read(&self.stream, Page::FromEnd, 1).await {
            Ok(last) => Ok(last.first().map_or(0, |event| event.revision + 1)),
            Err(NotRead::NoStream) => Ok(0),
            Err(NotRead::Unreachable(fault)) => Err(fault),
        }
    }
}

/// What is wrong with a server, and how it is mended.
fn unfit(reason: impl Into<String>, fix: impl Into<String>) -> OpenError {
    OpenError::Unfit { reason: reason.into(), fix: fix.into() }
}
