//! Aggregates recently used, folded. A command on one of them needs no read.
//!
//! What is here may lag a commit that is not acknowledged yet; every unit
//! guards the versions it was decided on, so no decision leaves on a stale
//! one. After an acknowledgement the new state stands here before the caller
//! hears of it.

use domain::{Failure, Root};
use quick_cache::sync::Cache as Lru;
use std::any::Any;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::StreamId;

/// Aggregates kept. At about 1 KiB each this is some megabytes.
const MAX_AGGREGATES: usize = 4_096;
/// Locks that order loads and commits of the same stream.
const STRIPES: usize = 64;

pub(super) type AnyState = Arc<dyn Any + Send + Sync>;

pub(super) struct Cache {
    states: Lru<StreamId, (u64, AnyState)>,
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Cache {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self { states: Lru::new(MAX_AGGREGATES), stripes, hasher: RandomState::new() }
    }
}

impl Cache {
    /// Loads happen under the stream's lock: a commit that passes a load puts
    /// its newer state in after it.
    pub fn get_or_load<A: Root>(
        &self,
        stream: &StreamId,
        load: impl FnOnce() -> Result<(u64, A), Failure>,
    ) -> Result<(u64, Arc<A>), Failure> {
        if let Some(found) = self.get::<A>(stream) {
            return Ok(found);
        }
        let _held = self.lock(stream);
        if let Some(found) = self.get::<A>(stream) {
            return Ok(found);
        }
        let (version, state) = load()?;
        let state = Arc::new(state);
        // Streams that do not exist are not worth a place.
        if version > 0 {
            self.states.insert(stream.clone(), (version, state.clone()));
        }
        Ok((version, state))
    }

    pub fn get<A: Root>(&self, stream: &StreamId) -> Option<(u64, Arc<A>)> {
        let (version, state) = self.states.get(stream)?;
        state.downcast::<A>().ok().map(|state| (version, state))
    }

    pub fn put(&self, stream: &StreamId, version: u64, state: AnyState) {
        let _held = self.lock(stream);
        if self.states.peek(stream).is_none_or(|(present, _)| present < version) {
            self.states.insert(stream.clone(), (version, state));
        }
    }

    pub fn forget(&self, stream: &StreamId) {
        let _held = self.lock(stream);
        self.states.remove(stream);
    }

    /// Drops what is older than a version.
    pub fn forget_older(&self, stream: &StreamId, version: u64) {
        if self.states.peek(stream).is_some_and(|(present, _)| present < version) {
            self.forget(stream);
        }
    }

    fn lock(&self, stream: &StreamId) -> MutexGuard<'_, ()> {
        let stripe = usize::try_from(self.hasher.hash_one(stream) % STRIPES as u64).unwrap_or(0);
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
