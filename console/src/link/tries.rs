//! Wrong secrets that no invitation remembers: looks, and links that lead nowhere.
//!
//! In memory and per peer; a restart forgets them. Bounded: when more peers than
//! [`MAX_PEERS`] are remembered, newcomers share one count.

use domain::Timestamp;
use identity::TooMany;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong looks of one peer within [`WINDOW`].
pub const MAX_WRONG_LOOKS: u32 = 20;
pub const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Peers remembered at the same time.
pub const MAX_PEERS: usize = 10_000;

#[derive(Default)]
pub struct Tries {
    peers: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Timestamp,
    wrong: u32,
}

impl Window {
    fn ends(self) -> Timestamp {
        self.began.plus(WINDOW)
    }
}

impl Tries {
    /// Whether this peer may try at all.
    pub fn check(&self, peer: &str, now: Timestamp) -> Result<(), TooMany> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        match peers.get(key(&peers, peer)) {
            Some(window) if window.wrong >= MAX_WRONG_LOOKS && now < window.ends() => {
                Err(TooMany { retry_after_s: window.ends().since(now).as_secs().max(1) })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub fn count(&self, peer: &str, now: Timestamp) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MAX_PEERS {
            peers.retain(|_, window| now < window.ends());
        }
        let key = key(&peers, peer).to_owned();
        let window = peers.entry(key).or_insert(Window { began: now, wrong: 0 });
        if now >= window.ends() {
            *window = Window { began: now, wrong: 0 };
        }
        window.wrong += 1;
    }
}

/// Where a peer is counted: by itself, or with all newcomers when there is no room.
fn key<'a>(peers: &HashMap<String, Window>, peer: &'a str) -> &'a str {
    if peers.len() < MAX_PEERS || peers.contains_key(peer) { peer } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_stopped_after_its_tries_and_goes_on_when_its_window_ends() {
        let tries = Tries::default();
        let start = Timestamp::from_seconds(1_000);
        for _ in 0..MAX_WRONG_LOOKS {
            assert_eq!(tries.check("a", start), Ok(()));
            tries.count("a", start);
        }
        assert_eq!(tries.check("a", start.plus(Duration::from_secs(1))), Err(TooMany { retry_after_s: 599 }));
        assert_eq!(tries.check("b", start), Ok(()));
        let later = start.plus(WINDOW);
        assert_eq!(tries.check("a", later), Ok(()));
        tries.count("a", later);
        assert_eq!(tries.check("a", later), Ok(()), "a new window counts from one");
    }

    #[test]
    fn more_peers_than_there_is_room_for_share_one_count() {
        let tries = Tries::default();
        let now = Timestamp::from_seconds(1_000);
        for peer in 0..MAX_PEERS {
            tries.count(&peer.to_string(), now);
        }
        for _ in 0..MAX_WRONG_LOOKS {
            tries.count("newcomer", now);
        }
        assert!(tries.check("another newcomer", now).is_err());
        assert_eq!(tries.check("17", now), Ok(()));
        assert!(tries.peers.lock().unwrap().len() <= MAX_PEERS + 1);
        tries.count("late", now.plus(WINDOW));
        assert_eq!(tries.peers.lock().unwrap().len(), 1, "what has ended makes room");
    }
}
