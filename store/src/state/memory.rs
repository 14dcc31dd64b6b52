//! State in memory: for tests and for looking at the program without a disk.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard},
};

use super::{Batch, Place, StateError};
use crate::locks::lock;

#[derive(Default)]
pub(super) struct MemoryState {
    entries: Mutex<BTreeMap<Place, Vec<u8>>>,
}

impl MemoryState {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Place, Vec<u8>>> {
        lock(&self.entries)
    }

    pub(super) fn get(&self, space: &str, key: &str) -> Option<Vec<u8>> {
        self.entries().get(&(space.to_owned(), key.to_owned())).cloned()
    }

    pub(super) fn scan(&self, space: &str, prefix: &str, after: Option<&str>, limit: usize) -> Vec<(String, Vec<u8>)> {
        self.entries()
            .range((from(space, prefix, after), Bound::Unbounded))
            .take_while(|((found, key), _)| found == space && key.starts_with(prefix))
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }

    pub(super) fn count(&self, space: &str) -> u64 {
        let entries = self.entries();
        entries.range((space.to_owned(), String::new())..).take_while(|((found, _), _)| found == space).count() as u64
    }

    pub(super) fn commit(&self, batch: Batch) -> Result<(), StateError> {
        let mut entries = self.entries();
        for (place, expected) in batch.checks {
            if entries.get(&place) != expected.as_ref() {
                let (space, key) = place;
                return Err(StateError::Changed { space, key });
            }
        }
        change(&mut entries, batch.changes);
        Ok(())
    }

    pub(super) fn apply(&self, changes: Vec<(Place, Option<Vec<u8>>)>) {
        change(&mut self.entries(), changes);
    }
}

fn change(entries: &mut BTreeMap<Place, Vec<u8>>, changes: Vec<(Place, Option<Vec<u8>>)>) {
    for (place, value) in changes {
        match value {
            Some(value) => entries.insert(place, value),
            None => entries.remove(&place),
        };
    }
}

/// Where a scan begins.
pub(super) fn from(space: &str, prefix: &str, after: Option<&str>) -> Bound<Place> {
    match after.filter(|after| *after >= prefix) {
        Some(after) => Bound::Excluded((space.to_owned(), after.to_owned())),
        None => Bound::Included((space.to_owned(), prefix.to_owned())),
    }
}
