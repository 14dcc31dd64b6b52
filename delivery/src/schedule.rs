//! Which mail is sent next: a bounded part of the outbox, by due time.
//!
//! Invariant: what is in it is the earliest of all that wait; what did not fit
//! is found again by a walk through the outbox, which [`Schedule::wants_walk`]
//! asks for. Mails somebody waits for are taken first.

use crate::row::Key;
use domain::Timestamp;
use std::collections::{BTreeSet, HashSet};

/// Rows known to the schedule at most, in each of its two lanes.
pub(crate) const MAX_SCHEDULED: usize = 32_768;

pub(crate) struct Schedule {
    urgent: BTreeSet<(Timestamp, Key)>,
    others: BTreeSet<(Timestamp, Key)>,
    /// Being sent, recorded or changed by an operator: nobody else touches them.
    leased: HashSet<Key>,
    capacity: usize,
    /// Rows may wait that are not in here.
    partial: bool,
    walking: bool,
}

impl Schedule {
    /// An empty one that has seen nothing of the outbox yet.
    pub fn new(capacity: usize) -> Self {
        let (urgent, others) = (BTreeSet::new(), BTreeSet::new());
        Self { urgent, others, leased: HashSet::new(), capacity, partial: true, walking: false }
    }

    pub fn insert(&mut self, due: Timestamp, key: Key, urgent: bool) {
        if self.leased.contains(&key) {
            return;
        }
        let lane = if urgent { &mut self.urgent } else { &mut self.others };
        lane.insert((due, key));
        if lane.len() > self.capacity {
            lane.pop_last();
            self.partial = true;
        }
    }

    /// Leases the next one that is due.
    pub fn take(&mut self, now: Timestamp) -> Option<Key> {
        loop {
            let due = |lane: &BTreeSet<(Timestamp, Key)>| lane.first().is_some_and(|(due, _)| *due <= now);
            let lane = if due(&self.urgent) { &mut self.urgent } else { &mut self.others };
            if !due(lane) {
                return None;
            }
            let (_, key) = lane.pop_first()?;
            if self.leased.insert(key) {
                return Some(key);
            }
        }
    }

    /// Leases this one for an operator. Its place in the lane is lost: it is to be inserted again.
    pub fn lease(&mut self, key: Key) -> bool {
        self.leased.insert(key)
    }

    pub fn is_leased(&self, key: Key) -> bool {
        self.leased.contains(&key)
    }

    pub fn release(&mut self, key: Key) {
        self.leased.remove(&key);
    }

    pub fn leased(&self) -> usize {
        self.leased.len()
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        [&self.urgent, &self.others].iter().filter_map(|lane| lane.first()).map(|(due, _)| *due).min()
    }

    /// Whether rows that are not in here may be due before those that are.
    pub fn wants_walk(&self) -> bool {
        self.partial && self.others.len() <= self.capacity / 2 && self.urgent.len() <= self.capacity / 2
    }

    /// A walk that will insert every waiting row begins.
    pub fn begin_walk(&mut self) {
        self.partial = false;
        self.walking = true;
    }

    pub fn end_walk(&mut self, whole: bool) {
        self.partial |= !whole;
        self.walking = false;
    }

    /// Whether nothing is under way, and nothing that is known or could be known is due.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        let nothing_due = self.next_due().is_none_or(|due| due > now);
        self.leased.is_empty() && !self.walking && !self.wants_walk() && nothing_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(position: u64) -> Key {
        Key { position, part: 0 }
    }

    #[test]
    fn those_somebody_waits_for_go_first_and_nothing_before_it_is_due() {
        let mut schedule = Schedule::new(8);
        schedule.insert(Timestamp(1), key(1), false);
        schedule.insert(Timestamp(2), key(2), true);
        schedule.insert(Timestamp(9), key(3), true);
        assert_eq!(schedule.take(Timestamp(5)), Some(key(2)));
        assert_eq!(schedule.take(Timestamp(5)), Some(key(1)));
        assert_eq!(schedule.take(Timestamp(5)), None);
        assert_eq!(schedule.next_due(), Some(Timestamp(9)));
    }

    #[test]
    fn a_leased_row_is_not_taken_twice() {
        let mut schedule = Schedule::new(8);
        schedule.insert(Timestamp(1), key(1), false);
        schedule.insert(Timestamp(2), key(1), false);
        assert_eq!(schedule.take(Timestamp(5)), Some(key(1)));
        assert_eq!(schedule.take(Timestamp(5)), None);
        schedule.insert(Timestamp(1), key(1), false);
        assert_eq!(schedule.take(Timestamp(5)), None);
        schedule.release(key(1));
        schedule.insert(Timestamp(1), key(1), false);
        assert_eq!(schedule.take(Timestamp(5)), Some(key(1)));
    }

    #[test]
    fn what_does_not_fit_is_the_latest_and_asks_for_a_walk() {
        let mut schedule = Schedule::new(2);
        schedule.begin_walk();
        for at in [5, 1, 3] {
            schedule.insert(Timestamp(at), key(u64::try_from(at).unwrap()), false);
        }
        schedule.end_walk(true);
        assert!(!schedule.wants_walk());
        assert_eq!(schedule.take(Timestamp(9)), Some(key(1)));
        assert!(schedule.wants_walk());
        assert_eq!(schedule.take(Timestamp(9)), Some(key(3)));
        assert_eq!(schedule.take(Timestamp(9)), None);
    }
}
