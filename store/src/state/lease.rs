//! What one node at a time does: by lease, in a state that several nodes share.
//!
//! Promise: of everything that is committed with [`Tenure::fence`], nothing lands
//! after another node has taken the lease. Who has it beats; who wants it takes it
//! once nothing was heard for [`SILENT_FOR`], by the clock of the one who listens.
//! Who has it relies on it for [`RELIED_ON_FOR`] after the last beat that was sent,
//! which is less: a node that was stopped and wakes finds that it may not go on.
//!
//! In a state that is being moved, or was left by a move, nobody has a lease: whoever
//! slept through that sends nothing more, even if it cannot hear of it from the log.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Batch, MOVING, State, StateError};
use crate::locks::lock;

/// Key: the lease's name, value: [`Holder`]; and `{name}/beat`, a number.
const SPACE: &str = "lease";
const BEAT_EVERY: Duration = Duration::from_millis(1_500);
const RELIED_ON_FOR: Duration = Duration::from_secs(4);
const SILENT_FOR: Duration = Duration::from_secs(6);
/// How often those who wait look.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The wish to be the one node.
#[derive(Clone)]
pub struct Lease {
    state: State,
    name: &'static str,
    node: Uuid,
}

/// Who has a lease, for the how-manieth time somebody took it.
#[derive(Serialize, Deserialize)]
struct Holder {
    /// None: it was given back.
    node: Option<Uuid>,
    epoch: u64,
}

/// A time in which this node has the lease. Cheap to clone; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Tenure {
    held: Option<Arc<Held>>,
}

struct Held {
    state: State,
    name: &'static str,
    epoch: u64,
    /// As it stands in the state for as long as this tenure lasts.
    value: Vec<u8>,
    relied_on_until: Mutex<Instant>,
    over: watch::Sender<bool>,
}

/// What was heard of a lease, and since when it says the same.
struct Heard {
    entries: Vec<(String, Vec<u8>)>,
    since: Instant,
}

impl Lease {
    pub fn new(state: State, name: &'static str) -> Self {
        Self { state, name, node: Uuid::new_v4() }
    }

    /// Waits until this node has the lease: no time at all where the state is this process's own.
    pub async fn take(&self) -> Tenure {
        if self.state.server().is_none() {
            return Tenure { held: None };
        }
        let mut heard: Option<Heard> = None;
        let mut failed = false;
        loop {
            match self.try_take(&mut heard).await {
                Ok(Some(tenure)) => return tenure,
                Ok(None) => failed = false,
                Err(fault) => {
                    if !failed {
                        tracing::warn!(
                            error = &fault as &dyn std::error::Error,
                            lease = self.name,
                            "no lease can be taken"
                        );
                    }
                    failed = true;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn try_take(&self, heard: &mut Option<Heard>) -> Result<Option<Tenure>, StateError> {
        let entries = self.state.scan(SPACE, self.name, None, 2)?;
        let stands = entries.first().filter(|(key, _)| key == self.name).map(|(_, value)| value.clone());
        let holder: Option<Holder> = stands.as_deref().and_then(|value| serde_json::from_slice(value).ok());
        let (node, epoch) = holder.map_or((None, 0), |holder| (holder.node, holder.epoch));
        let silent = match heard {
            Some(heard) if heard.entries == entries => heard.since.elapsed() >= SILENT_FOR,
            Some(_) | None => {
                *heard = Some(Heard { entries, since: Instant::now() });
                false
            }
        };
        // One's own is what became of a commit whose outcome was unknown.
        if !silent && node.is_some_and(|node| node != self.node) {
            return Ok(None);
        }
        self.take_after(stands, epoch).await
    }

    async fn take_after(&self, stands: Option<Vec<u8>>, epoch: u64) -> Result<Option<Tenure>, StateError> {
        let holder = Holder { node: Some(self.node), epoch: epoch + 1 };
        // Ids and numbers: serde can represent them.
        let value = serde_json::to_vec(&holder).unwrap_or_default();
        let begun = Instant::now();
        let taking = Batch::new().expect(SPACE, self.name, stands).put(SPACE, self.name, value.clone());
        let taking = taking.expect(MOVING.0, MOVING.1, None);
        match self.state.commit(taking.put(SPACE, &beat_of(self.name), b"0".to_vec())).await {
            Ok(()) => {}
            Err(StateError::Changed { .. }) => return Ok(None),
            Err(other) => return Err(other),
        }
        tracing::info!(lease = self.name, epoch = holder.epoch, "a lease was taken");
        let held = Arc::new(Held {
            state: self.state.clone(),
            name: self.name,
            epoch: holder.epoch,
            value,
            relied_on_until: Mutex::new(begun + RELIED_ON_FOR),
            over: watch::Sender::new(false),
        });
        tokio::spawn(beat(Arc::downgrade(&held)));
        Ok(Some(Tenure { held: Some(held) }))
    }
}

/// Says that the node is there, until the tenure is over or dropped.
async fn beat(of: std::sync::Weak<Held>) {
    let mut count: u64 = 0;
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        let Some(held) = of.upgrade() else { return };
        if *held.over.borrow() {
            return;
        }
        count += 1;
        let begun = Instant::now();
        let beat = Batch::new().put(SPACE, &beat_of(held.name), count.to_string().into_bytes());
        match held.state.commit(held.fence(beat)).await {
            Ok(()) => *lock(&held.relied_on_until) = begun + RELIED_ON_FOR,
            Err(StateError::Changed { .. }) => {
                tracing::warn!(
                    lease = held.name,
                    epoch = held.epoch,
                    "a lease was taken by another node, or the ledger is being moved"
                );
                held.over.send_replace(true);
                return;
            }
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, lease = held.name, "a lease was not renewed");
            }
        }
    }
}

fn beat_of(name: &str) -> String {
    format!("{name}/beat")
}

impl Held {
    fn fence(&self, batch: Batch) -> Batch {
        batch.expect(SPACE, self.name, Some(self.value.clone())).expect(MOVING.0, MOVING.1, None)
    }
}

impl Tenure {
    /// The batch lands only while this tenure lasts.
    pub fn fence(&self, batch: Batch) -> Batch {
        match &self.held {
            Some(held) if !batch.is_empty() => held.fence(batch),
            Some(_) | None => batch,
        }
    }

    /// Whether other nodes may be waiting for it to end.
    pub fn is_fenced(&self) -> bool {
        self.held.is_some()
    }

    /// Whether no other node can have the lease yet.
    pub fn stands(&self) -> bool {
        self.held.as_ref().is_none_or(|held| !*held.over.borrow() && Instant::now() < *lock(&held.relied_on_until))
    }

    /// Returns when another node has the lease, or the state is being moved.
    pub async fn over(&self) {
        match &self.held {
            Some(held) => {
                let mut over = held.over.subscribe();
                // The sender lives as long as this tenure.
                let _ = over.wait_for(|over| *over).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Ends it, so that another node need not wait.
    pub async fn give_back(self) {
        let Some(held) = self.held else { return };
        held.over.send_replace(true);
        let left = Holder { node: None, epoch: held.epoch };
        let leaving = Batch::new().put(SPACE, held.name, serde_json::to_vec(&left).unwrap_or_default());
        if let Err(fault) = held.state.commit(held.fence(leaving)).await {
            tracing::debug!(error = &fault as &dyn std::error::Error, lease = held.name, "a lease was not given back");
        }
    }
}
