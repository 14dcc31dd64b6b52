//! How much one inviter, or one tenant, did lately: an exact sliding window.
//!
//! A list of addresses is one entry with a count, so that the window is as long
//! as there were requests, and never longer than its limit.

use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spend {
    at_ms: i64,
    count: u32,
}

#[derive(Default)]
pub(super) struct Window {
    /// Ascending by time.
    spends: VecDeque<Spend>,
    total: u64,
}

impl Window {
    pub(super) fn expire(&mut self, now_ms: i64, window_ms: i64) {
        while let Some(oldest) = self.spends.front().filter(|s| s.at_ms <= now_ms - window_ms) {
            self.total -= u64::from(oldest.count);
            self.spends.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spends.is_empty()
    }

    /// When `count` more fit under `limit`: `None` for now, else the time. Call
    /// [`Self::expire`] first. What never fits is told to wait a whole window.
    pub(super) fn fits_at(&self, count: u32, limit: u32, now_ms: i64, window_ms: i64) -> Option<i64> {
        let mut over = (self.total + u64::from(count)).saturating_sub(u64::from(limit));
        if over == 0 {
            return None;
        }
        for spend in &self.spends {
            over = over.saturating_sub(u64::from(spend.count));
            if over == 0 {
                return Some(spend.at_ms + window_ms);
            }
        }
        Some(now_ms + window_ms)
    }

    pub(super) fn add(&mut self, at_ms: i64, count: u32) {
        let index = self.spends.partition_point(|s| s.at_ms <= at_ms);
        self.total += u64::from(count);
        match index.checked_sub(1).and_then(|i| self.spends.get_mut(i)).filter(|s| s.at_ms == at_ms) {
            Some(same) => same.count = same.count.saturating_add(count),
            None => self.spends.insert(index, Spend { at_ms, count }),
        }
    }

    pub(super) fn give_back(&mut self, at_ms: i64, count: u32) {
        let Ok(index) = self.spends.binary_search_by_key(&at_ms, |s| s.at_ms) else { return };
        let Some(spend) = self.spends.get_mut(index) else { return };
        let back = spend.count.min(count);
        spend.count -= back;
        self.total -= u64::from(back);
        if spend.count == 0 {
            self.spends.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn what_left_the_window_counts_no_more() {
        let mut window = Window::default();
        window.add(0, 200);
        window.add(10, 50);
        assert_eq!(window.fits_at(1, 250, 10, HOUR), Some(HOUR));
        window.expire(HOUR - 1, HOUR);
        assert_eq!(window.fits_at(1, 250, HOUR - 1, HOUR), Some(HOUR));
        window.expire(HOUR, HOUR);
        assert_eq!(window.fits_at(200, 250, HOUR, HOUR), None);
        assert_eq!(window.fits_at(201, 250, HOUR, HOUR), Some(HOUR + 10));
        assert_eq!(window.fits_at(251, 250, HOUR, HOUR), Some(2 * HOUR));
    }

    #[test]
    fn what_is_given_back_was_never_spent() {
        let mut window = Window::default();
        window.add(5, 3);
        window.add(5, 4);
        window.give_back(5, 3);
        assert_eq!(window.fits_at(6, 10, 5, HOUR), None);
        assert_eq!(window.fits_at(7, 10, 5, HOUR), Some(5 + HOUR));
        window.give_back(5, 4);
        assert!(window.is_empty());
        window.give_back(5, 4);
        assert_eq!(window.fits_at(10, 10, 5, HOUR), None);
    }

    #[test]
    fn restored_entries_stand_in_order_although_the_newest_came_first() {
        let mut window = Window::default();
        for at in [30, 20, 10] {
            window.add(at, 1);
        }
        window.expire(HOUR + 20, HOUR);
        assert_eq!(window.spends, [Spend { at_ms: 30, count: 1 }]);
    }
}
