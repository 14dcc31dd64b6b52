//! The most recent events, in clear, so that followers need neither disk nor keys.

use std::{
    collections::VecDeque,
    sync::{Arc, RwLock},
};

use crate::{
    Position, Recorded,
    locks::{read, write},
};

/// Events kept.
const MOST_EVENTS: usize = 8_192;
/// Bytes kept, as estimated below.
const MOST_BYTES: usize = 5 * 1024 * 1024;
/// What an event takes besides its texts.
const EVENT_BYTES: usize = 512;

#[derive(Default)]
pub(super) struct Tail {
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<(Arc<Recorded>, usize)>,
    bytes: usize,
}

impl Tail {
    /// Adds events that follow the last one. `text` is the length of an event's texts.
    pub(super) fn push(&self, events: impl Iterator<Item = (Arc<Recorded>, usize)>) {
        let mut dropped = Vec::new();
        let mut kept = write(&self.kept);
        for (event, text) in events {
            let bytes = EVENT_BYTES + text;
            kept.bytes += bytes;
            kept.events.push_back((event, bytes));
        }
        while kept.events.len() > MOST_EVENTS || kept.bytes > MOST_BYTES {
            let Some((event, bytes)) = kept.events.pop_front() else { break };
            kept.bytes -= bytes;
            dropped.push(event);
        }
        // Freed without the lock: readers need not wait for it.
        drop(kept);
        drop(dropped);
    }

    /// Ascending from the one after `after`; none if the tail does not reach back so far.
    pub(super) fn after(&self, after: Position, limit: usize) -> Option<Vec<Arc<Recorded>>> {
        let kept = read(&self.kept);
        let first = kept.events.front()?.0.position;
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        Some(kept.events.iter().skip(skip).take(limit).map(|(event, _)| event.clone()).collect())
    }

    /// Descending from the one before `before`, as far as the tail reaches.
    pub(super) fn before(&self, before: Position, limit: usize) -> Vec<Arc<Recorded>> {
        let kept = read(&self.kept);
        let newer = kept.events.back().map_or(0, |(last, _)| (last.position + 1).saturating_sub(before));
        let skip = usize::try_from(newer).unwrap_or(usize::MAX);
        kept.events.iter().rev().skip(skip).take(limit).map(|(event, _)| event.clone()).collect()
    }

    /// The event at a position, if it is recent.
    pub(super) fn at(&self, position: Position) -> Option<Arc<Recorded>> {
        let kept = read(&self.kept);
        let first = kept.events.front()?.0.position;
        let at = usize::try_from(position.checked_sub(first)?).ok()?;
        kept.events.get(at).map(|(event, _)| event.clone())
    }

    /// Forgets one subject's clear texts: from here on they are read, erased, from the log.
    pub(super) fn clear(&self) {
        let forgotten = std::mem::take(&mut *write(&self.kept));
        drop(forgotten);
    }
}
