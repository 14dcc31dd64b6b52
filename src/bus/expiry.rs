//! Entries of the kept state that count until a time, and their end.
//!
//! Promise: what no longer counts is removed as fast as new entries come, a page at
//! a time, beside whoever put one there. What was put anew meanwhile stays.

use domain::Timestamp;
use serde::Deserialize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Batch, State, StateError};

/// Entries that are put between two looks.
const LOOK_EVERY: u64 = 256;
/// Entries looked at in one look: more than are put until the next.
const PAGE: usize = 1_000;

/// Looks through some spaces, round and round. Cheap to clone.
#[derive(Clone)]
pub(super) struct Expiry {
    inner: Arc<Inner>,
}

struct Inner {
    state: State,
    spaces: &'static [&'static str],
    puts: AtomicU64,
    /// The space it is in, and the key it goes on after.
    place: Mutex<(usize, Option<String>)>,
}

/// What every such entry has.
#[derive(Deserialize)]
struct Until {
    until: Timestamp,
}

impl Expiry {
    pub fn of(state: State, spaces: &'static [&'static str]) -> Self {
        Self { inner: Arc::new(Inner { state, spaces, puts: AtomicU64::new(0), place: Mutex::default() }) }
    }

    /// An entry was put: now and then somebody has to look for old ones.
    pub fn count(&self, now: Timestamp) {
        if !self.inner.puts.fetch_add(1, Relaxed).is_multiple_of(LOOK_EVERY) {
            return;
        }
        let expiry = self.clone();
        tokio::spawn(async move {
            match expiry.look(now).await {
                // Somebody has put one anew: it is looked at again in the next round.
                Ok(()) | Err(StateError::Changed { .. }) => {}
                Err(fault) => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "old answers could not be removed");
                }
            }
        });
    }

    /// Looks at the next page, and removes from it what no longer counts.
    async fn look(&self, now: Timestamp) -> Result<(), StateError> {
        let Inner { state, spaces, place, .. } = &*self.inner;
        let lock = || place.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, after) = lock().clone();
        let space = spaces[number % spaces.len()];
        let rows = state.scan(space, "", after.as_deref(), PAGE)?;
        *lock() = match rows.last().filter(|_| rows.len() == PAGE) {
            Some((last, _)) => (number, Some(last.clone())),
            None => ((number + 1) % spaces.len(), None),
        };
        let over = |value: &[u8]| serde_json::from_slice(value).is_ok_and(|Until { until }| now >= until);
        let over = rows.into_iter().filter(|(_, value)| over(value));
        let removing =
            over.fold(Batch::new(), |batch, (key, value)| batch.expect(space, &key, Some(value)).delete(space, &key));
        state.commit(removing).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::StateOptions;

    #[tokio::test]
    async fn what_no_longer_counts_is_removed_space_by_space_and_page_by_page() {
        const SPACES: [&str; 2] = ["one", "other"];
        let state = State::open(StateOptions::Memory).unwrap();
        for (space, count) in [("one", 2 * PAGE), ("other", 3)] {
            for number in 0..count {
                let value = format!(r#"{{"until":{},"more":1}}"#, number % 2 * 1_000).into_bytes();
                state.commit(Batch::new().put(space, &format!("{number:06}"), value)).await.unwrap();
            }
        }
        state.commit(Batch::new().put("third", "0", br#"{"until":0}"#.to_vec())).await.unwrap();
        let expiry = Expiry::of(state.clone(), &SPACES);
        let left = || ["one", "other", "third"].map(|space| state.count(space).unwrap());
        let mut seen = vec![];
        for _ in 0..4 {
            expiry.look(Timestamp(999)).await.unwrap();
            seen.push(left());
        }
        // A full page may have been the last: only an empty one tells.
        assert_eq!(seen, [[1_500, 3, 1], [1_000, 3, 1], [1_000, 3, 1], [1_000, 1, 1]]);
        for _ in 0..4 {
            expiry.look(Timestamp(1_000)).await.unwrap();
        }
        assert_eq!(left(), [0, 0, 1]);
    }
}
