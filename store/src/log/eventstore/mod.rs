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
//! either: who wants the log alone writes that down, and ends who had it before.

mod link;
mod origin;
mod read;
mod tls;
mod turn;
mod wire;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use uuid::Uuid;

use super::{DatabaseUrl, Origin, waiting::Waiting};
use crate::OpenError;
use link::Link;
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
    /// Whether another process that wants the log alone ends this one.
    alone: bool,
    /// This process's own taking of the log, once it has.
    taken: OnceLock<Uuid>,
}

impl EventStoreLog {
    /// Connects, begins the ledger if there is none, and refuses what a ledger cannot rest on.
    pub(crate) fn open(url: &DatabaseUrl, stream: &str, alone: bool) -> Result<Self, OpenError> {
        let waiting = Waiting::start("eventstore")?;
        let link = Arc::new(Link::new(url, waiting.handle().clone())?);
        let stream = Arc::from(stream);
        let (origin, server) = waiting.apart(OPEN_WITHIN, async || {
            let server = origin::check_server(&link, &stream).await?;
            Ok((origin::prepare(&link, &stream).await?, server))
        })?;
        Ok(Self { waiting, link, origin, server, stream, alone, taken: OnceLock::new() })
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Notes with the first start which keys belong to this log, and refuses others from then on. The last
    /// step of a start: who wants the log alone takes it here.
    pub(crate) fn fits_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        let (link, stream, mark, alone) = (self.link.clone(), self.stream.clone(), *mark, self.alone);
        let asked = self.waiting.run(async move {
            origin::fits_keys(&link, &stream, &mark).await?;
            if alone { origin::take(&link, &stream).await.map(Some) } else { Ok(None) }
        });
        if let Some(taken) = asked.map_err(OpenError::Server)?? {
            self.taken.get_or_init(|| taken);
        }
        Ok(())
    }
}

/// What is wrong with a server, and how it is mended.
fn unfit(reason: impl Into<String>, fix: impl Into<String>) -> OpenError {
    OpenError::Unfit { reason: reason.into(), fix: fix.into() }
}
