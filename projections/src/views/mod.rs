//! The door to all views: opening, following the log, waiting, asking.
//!
//! A query takes the file for reading as long as it runs; a swap takes it for
//! writing, so it waits for queries that have begun, and those that come
//! meanwhile see the rebuilt file.

#[cfg(feature = "postgres")]
mod apart;
mod follow;
mod rebuild;
#[cfg(test)]
mod tests;

use crate::file::{File, Place, Standing};
use crate::fold::View;
use crate::limits::{READ_WAIT, READERS};
use crate::locks::{lock, read};
use crate::query::QueryError;
use crate::{ViewsError, digest};
use domain::{Failure, Unavailable};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use store::{Ledger, Position};
use tokio::sync::{Notify, Semaphore, watch};

/// Where the views lie.
#[derive(Clone, Debug, Default)]
pub struct ViewsOptions {
    /// The file, `views.db`; made if it is not there. `None` keeps the views in memory.
    pub path: Option<PathBuf>,
}

/// All views of one log. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    /// `None` only after a swap that failed half way.
    file: RwLock<Option<File>>,
    reached: watch::Sender<Reached>,
    stopping: watch::Sender<bool>,
    /// Told when a query waits for the projector.
    wanted: Notify,
    /// Told when a query found the file damaged.
    damaged: Notify,
    projector: Mutex<Option<JoinHandle<()>>>,
    rebuilding: Mutex<()>,
    /// As many queries run at once as there are connections.
    turns: Arc<Semaphore>,
}

/// How far each view has come, as waiters see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    standings: Vec<Standing>,
    /// The file is broken, and another one is being folded.
    damaged: bool,
}

impl Reached {
    /// `None` while a view is behind; an error if it will not get there.
    fn all(&self, uses: &[View], head: Position) -> Option<Result<(), Unavailable>> {
        if self.damaged {
            return Some(Err(Unavailable::ViewsBehind));
        }
        let mut used = self.standings.iter().filter(|standing| uses.contains(&standing.view));
        if used.clone().any(|standing| standing.stopped.is_some() && standing.mark.position < head) {
            return Some(Err(Unavailable::ViewsBehind));
        }
        used.all(|standing| standing.mark.position >= head).then_some(Ok(()))
    }
}

impl Views {
    /// Opens the views, and starts empty where the file is not this log's or
    /// not of this schema. Nothing is folded before [`Views::start`].
    ///
    /// # Errors
    /// When the file cannot be made, or the log cannot be read.
    pub fn open(options: ViewsOptions, ledger: Ledger) -> Result<Self, ViewsError> {
        let place = options.path.map_or(Place::Memory, Place::Disk);
        place.beside().delete()?;
        let file = File::open(place, &ledger)?;
        let reached = Reached { standings: file.folder().standings().to_vec(), damaged: false };
        Ok(Self {
            inner: Arc::new(Inner {
                ledger,
                file: RwLock::new(Some(file)),
                reached: watch::Sender::new(reached),
                stopping: watch::Sender::new(false),
                wanted: Notify::new(),
                damaged: Notify::new(),
                projector: Mutex::new(None),
                rebuilding: Mutex::new(()),
                turns: Arc::new(Semaphore::new(READERS)),
            }),
        })
    }

    /// Begins to follow the log, on a thread of its own. Once.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(&self) -> Result<(), ViewsError> {
        let mut projector = lock(&self.inner.projector);
        if projector.is_none() {
            *projector = Some(follow::spawn(self.inner.clone())?);
        }
        Ok(())
    }

    /// Ends the projector after the transaction it is in, and closes the file.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        let closed = tokio::task::spawn_blocking(move || inner.close()).await;
        if let Err(fault) = closed {
            tracing::error!(%fault, "closing the views failed");
        }
    }

    /// Waits until every view has reached the head of this moment.
    ///
    /// # Errors
    /// [`Unavailable::ViewsBehind`] after [`READ_WAIT`], or at once if a view
    /// has stopped before that head.
    pub async fn caught_up(&self) -> Result<(), Unavailable> {
        self.reached(&View::ALL).await
    }

    async fn reached(&self, uses: &[View]) -> Result<(), Unavailable> {
        let head = self.inner.ledger.head();
        let mut reached = self.inner.reached.subscribe();
        // Nearly always nothing is to be waited for.
        if let Some(answer) = reached.borrow().all(uses, head) {
            return answer;
        }
        self.inner.wanted.notify_one();
        let there = reached.wait_for(|reached| reached.all(uses, head).is_some());
        match tokio::time::timeout(READ_WAIT, there).await {
            Ok(Ok(reached)) => reached.all(uses, head).unwrap_or(Err(Unavailable::ViewsBehind)),
            Ok(Err(_)) | Err(_) => Err(Unavailable::ViewsBehind),
        }
    }

    /// How far each view has come, as positions of the log.
    #[must_use]
    pub fn progress(&self) -> Vec<(&'static str, u64)> {
        let reached = self.inner.reached.borrow();
        reached.standings.iter().map(|standing| (standing.view.name(), standing.mark.position)).collect()
    }

    /// Which views go no further, and why. `None` if all go on.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        let reached = self.inner.reached.borrow();
        if reached.damaged {
            return Some("the views' file is damaged and is being rebuilt".to_owned());
        }
        let why: Vec<&str> = reached.standings.iter().filter_map(|standing| standing.stopped.as_deref()).collect();
        (!why.is_empty()).then(|| why.join("; "))
    }

    /// One digest per view over all its rows and counts: equal for two folds
    /// of one log to one position, whatever their batches were.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digests(&self) -> Result<Vec<(String, String)>, ViewsError> {
        let file = read(&self.inner.file);
        let file = file.as_ref().ok_or(ViewsError::Closed)?;
        digest::of_all(&mut file.reader())
    }

    /// Asks the views named in `uses`, once they have reached the head of now.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        uses: &[View],
        query: impl FnOnce(&Connection) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.reached(uses).await?;
        let turn = self.inner.turns.clone().acquire_owned().await.map_err(Failure::internal)?;
        let inner = self.inner.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            inner.look(query)
        });
        answer.await.map_err(Failure::internal)?
    }

    /// [`Views::ask`] for what a look-up by key answers: a few microseconds, which
    /// a change of threads would multiply. Each statement sees a moment of its own.
    pub(crate) async fn look_up<T>(
        &self,
        uses: &[View],
        query: impl FnOnce(&Connection) -> Result<T, QueryError> + Send,
    ) -> Result<T, Failure> {
        self.reached(uses).await?;
        let _turn = self.inner.turns.clone().acquire_owned().await.map_err(Failure::internal)?;
        let file = read(&self.inner.file);
        let file = file.as_ref().ok_or(QueryError::Views(ViewsError::Closed))?;
        let answer = query(&file.reader());
        answer.map_err(|fault| self.inner.unanswered(fault))
    }
}

impl Inner {
    /// Reads one moment of the views.
    fn look<T>(&self, query: impl FnOnce(&Connection) -> Result<T, QueryError>) -> Result<T, Failure> {
        let file = read(&self.file);
        let file = file.as_ref().ok_or(QueryError::Views(ViewsError::Closed))?;
        let mut reader = file.reader();
        let answer = reader.transaction().map_err(QueryError::from).and_then(|moment| query(&moment));
        // Told while the file is held: it must not be said of the next one.
        answer.map_err(|fault| self.unanswered(fault))
    }

    fn close(&self) {
        self.stopping.send_replace(true);
        if let Some(projector) = lock(&self.projector).take()
            && projector.join().is_err()
        {
            tracing::error!("the projector has panicked");
        }
        // The last connection to close carries the write-ahead log over.
        drop(crate::locks::write(&self.file).take());
    }

    fn publish(&self, standings: &[Standing]) {
        self.reached.send_modify(|reached| reached.standings = standings.to_vec());
    }

    /// What a caller is told of a query that failed. A broken file is mended, and
    /// what cannot be read meanwhile is late, not lost.
    fn unanswered(&self, fault: QueryError) -> Failure {
        match &fault {
            QueryError::Views(fault) if fault.is_damage() => {
                self.found_damaged(fault);
                Unavailable::ViewsBehind.into()
            }
            QueryError::Views(_) | QueryError::Refused(_) => fault.into(),
        }
    }

    /// Nobody reads or folds the file any more, until another one takes its place. Told once.
    fn found_damaged(&self, fault: &ViewsError) {
        let before = self.reached.send_if_modified(|reached| !std::mem::replace(&mut reached.damaged, true));
        if before {
            let fault = fault as &dyn std::error::Error;
            tracing::error!(fault, "the views' file is damaged: folding the log into another one");
            self.damaged.notify_one();
        }
    }

    fn is_damaged(&self) -> bool {
        self.reached.borrow().damaged
    }
}
