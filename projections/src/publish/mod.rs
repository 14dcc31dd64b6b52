//! The views' copy in a database server, for those who analyse. Nothing of the service
//! reads it, and nothing that answers a request waits for it.
//!
//! Promise: the copy is exactly the views at its progress. It comes there from one
//! moment of this node's own views in one transaction: the rows that have changed, or
//! all of them. Of several nodes one writes, by lease; whoever had it before and wakes
//! writes nothing, because the copy knows by whom it was taken last.

mod sheet;
mod tables;
#[cfg(test)]
mod tests;
mod turn;

use crate::limits::{COPY_LINGER, COPY_LOOK, COPY_PAUSE};
use crate::locks::lock;
use crate::{Views, ViewsError};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{DatabaseUrl, Lease, OpenError, ReadError, Schema, Sink, SinkError, Tenure};
use thiserror::Error;
use tokio::sync::watch;
use turn::{Publishing, Turn, Writer};

const SCHEMA: Schema = Schema {
    name: "views",
    steps: &[include_str!("schema.sql")],
    rights: &[
        ("progress", "SELECT"),
        ("progress", "UPDATE"),
        ("invitations", "SELECT"),
        ("invitations", "INSERT"),
        ("invitations", "UPDATE"),
        ("invitations", "DELETE"),
    ],
};
/// Raise it when other values are written of the same views into the same tables.
const VALUES: i64 = 1;
/// Another one is written anew.
const SHAPE: i64 = crate::file::SHAPE as i64 * 1_000 + VALUES;

/// Why the copy is not where the views are.
#[derive(Debug, Error)]
pub enum PublishError {
    #[error("the database of the views' copy")]
    Sink(#[from] SinkError),
    #[error("the views cannot be read")]
    Views(#[from] ViewsError),
    #[error("a thread has died")]
    Died(#[source] tokio::task::JoinError),
}

impl From<ReadError> for PublishError {
    fn from(fault: ReadError) -> Self {
        Self::Views(fault.into())
    }
}

impl PublishError {
    /// Whether it stays so until somebody changes the settings or the database.
    #[must_use]
    pub fn stays(&self) -> bool {
        matches!(self, Self::Sink(fault) if fault.stays())
    }
}

/// What the service tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicationFigures {
    /// Where the copy lies, once it was reached.
    pub server: Option<String>,
    /// How far the copy is, if this service writes it; none if another one does.
    pub position: Option<u64>,
    /// Why it does not go on.
    pub fault: Option<String>,
}

/// The copy, as the service has it. Cheap to clone.
#[derive(Clone)]
pub struct Publication {
    inner: Arc<Inner>,
}

struct Inner {
    views: Views,
    sink: Sink,
    /// What stands as the writer in the copy.
    node: String,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    position: Option<u64>,
    fault: Option<String>,
}

/// Ends a turn that nobody waits for any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Publication {
    /// Nothing is asked of the server yet. `node` names this service to those who read.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn new(views: Views, url: &DatabaseUrl, node: &str) -> Result<Self, OpenError> {
        let sink = Sink::new(url, &SCHEMA)?;
        Ok(Self { inner: Arc::new(Inner { views, sink, node: node.to_owned(), told: Mutex::default() }) })
    }

    /// Makes the tables if there are none. A server that is away is none of the reasons not to start.
    ///
    /// # Errors
    /// What stays so until somebody changes it: an unfit database, another ledger's copy.
    pub async fn check(&self) -> Result<(), PublishError> {
        let inner = self.inner.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let ledger = inner.views.ledger().ledger_id();
            match inner.sink.owner()? {
                Some(other) if other != ledger => Err(SinkError::Foreign(other)),
                Some(_) | None => Ok(()),
            }
        });
        match checked.await.map_err(PublishError::Died)?.map_err(PublishError::from) {
            Err(fault) if !fault.stays() => {
                self.inner.tell(Err(fault));
                Ok(())
            }
            checked => checked,
        }
    }

    #[must_use]
    pub fn figures(&self) -> PublicationFigures {
        let told = lock(&self.inner.told);
        PublicationFigures { server: self.inner.sink.server(), position: told.position, fault: told.fault.clone() }
    }

    /// Keeps the copy where the views are whenever this node has the lease, until it is told to stop.
    pub async fn run(self, lease: Lease, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let tenure = tokio::select! {
                tenure = lease.take() => tenure,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            tokio::select! {
                () = self.publish(&tenure) => {}
                () = tenure.over() => {}
                _ = stop.wait_for(|stop| *stop) => self.inner.sink.end(),
            }
            *lock(&self.inner.told) = Told::default();
            tenure.give_back().await;
        }
    }

    /// Turn after turn.
    async fn publish(&self, tenure: &Tenure) {
        let writer = Arc::new(tokio::sync::Mutex::new(Writer::default()));
        let mut moved = self.inner.views.watch();
        loop {
            moved.mark_unchanged();
            if !tenure.stands() {
                // Another one may have it by now: nothing is taken from that one.
                tokio::time::sleep(COPY_PAUSE).await;
                continue;
            }
            let turn = self.turn(&writer).await;
            let rest = match &turn {
                Ok(Turn::Again) => Duration::ZERO,
                Ok(Turn::Ahead) => self.arrive(&writer).await,
                Ok(Turn::Even(_) | Turn::Behind | Turn::GaveWay) => COPY_LOOK,
                Err(_) => COPY_PAUSE,
            };
            let failed = turn.is_err();
            self.inner.tell(turn);
            if failed {
                tokio::time::sleep(rest).await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => continue,
                changed = moved.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(COPY_LINGER).await;
        }
    }

    async fn turn(&self, writer: &Arc<tokio::sync::Mutex<Writer>>) -> Result<Turn, PublishError> {
        let (inner, writer) = (self.inner.clone(), writer.clone());
        let unwanted = Arc::new(AtomicBool::new(false));
        let _wanted = Wanted(unwanted.clone());
        let turn = tokio::task::spawn_blocking(move || {
            let mut writer = writer.blocking_lock();
            inner.turn(&mut writer, &unwanted)
        });
        turn.await.map_err(PublishError::Died)?
    }

    /// How long to rest before the next turn, once it was asked where the log ends.
    async fn arrive(&self, writer: &tokio::sync::Mutex<Writer>) -> Duration {
        match self.inner.views.ledger().arrive().await {
            Ok(()) => {
                writer.lock().await.arrived = true;
                Duration::ZERO
            }
            Err(fault) => {
                tracing::debug!(error = &fault as &dyn Error, "where the log ends is not known");
                COPY_PAUSE
            }
        }
    }
}

impl Inner {
    fn turn(&self, writer: &mut Writer, unwanted: &AtomicBool) -> Result<Turn, PublishError> {
        let publishing = Publishing {
            views: &self.views,
            ledger: self.views.ledger(),
            sink: &self.sink,
            node: &self.node,
            gives_way: &|| unwanted.load(Ordering::Relaxed) || self.views.is_damaged(),
        };
        let turn = publishing.turn(writer);
        if let Err(fault) = &turn {
            // Whatever was sent may have landed; who writes may have changed.
            writer.written = None;
            match fault {
                PublishError::Sink(SinkError::Taken) => writer.epoch = None,
                PublishError::Views(fault) if fault.is_damage() => self.views.found_damaged(fault),
                PublishError::Sink(_) | PublishError::Views(_) | PublishError::Died(_) => {}
            }
        }
        turn
    }

    /// Notes how it stands, and says so in the log when that has changed.
    fn tell(&self, turn: Result<Turn, PublishError>) {
        let mut told = lock(&self.told);
        match turn {
            Ok(turn) => {
                if let Turn::Even(written) = turn {
                    told.position = Some(written.mark.position);
                }
                if told.fault.take().is_some() {
                    tracing::info!("the views' copy goes on");
                }
            }
            Err(fault) => {
                if told.fault.is_none() {
                    let error = &fault as &dyn Error;
                    tracing::warn!(error, "the views' copy stands still; trying again");
                }
                told.fault = Some(domain::told(&fault));
            }
        }
    }
}
