//! How many mails each recipient was asked to get lately, exact to the millisecond.
//!
//! A remembered mail is one `u64`: 48 bits of the recipient's keyed hash above
//! 16 bits of the millisecond within its minute. Each minute has tables of its
//! own, which are dropped whole when it leaves the window. A table is open
//! addressing at any size, grown by half: 8 to 16 bytes for a remembered mail.
//! Two recipients of a million share 48 bits once in a hundred million tries,
//! and then are only counted together.

use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;
/// Bits below the hash.
const TIME_BITS: u32 = 16;
const HASH_BITS: u32 = 48;
/// Tables of a minute: one grows at a time, so that no caller waits for a big one.
const PARTS: usize = 16;
/// Slots a table starts with.
const FIRST_SLOTS: usize = 8;
/// A table grows when it is this full.
const FULL: (usize, usize) = (7, 8);
const EMPTY: u64 = 0;
/// A mail that was given back; the search goes on behind it.
const GONE: u64 = 1;

/// A mail that was charged, so that it can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    minute: i64,
    entry: u64,
}

/// The mails of the window.
#[derive(Default)]
pub(super) struct Mails {
    minutes: BTreeMap<i64, Minute>,
}

#[derive(Default)]
struct Minute {
    parts: [Table; PARTS],
}

impl Mails {
    /// Forgets whole minutes that no window can see any more.
    pub(super) fn expire(&mut self, now_ms: i64, window_ms: i64) {
        let first = (now_ms - window_ms).div_euclid(MINUTE_MS);
        while let Some(oldest) = self.minutes.first_entry().filter(|e| *e.key() < first) {
            oldest.remove();
        }
    }

    /// When the recipient's mails within the window before `now_ms` were, oldest first.
    pub(super) fn of(&self, recipient: u64, now_ms: i64, window_ms: i64, times: &mut Vec<i64>) {
        times.clear();
        let first = (now_ms - window_ms).div_euclid(MINUTE_MS);
        let hash = hash_of(recipient);
        for (minute, tables) in self.minutes.range(first..) {
            let start = minute * MINUTE_MS;
            tables.parts[part_of(hash)].find(hash, |entry| times.push(start + time_of(entry)));
        }
        times.retain(|at| *at > now_ms - window_ms);
        times.sort_unstable();
    }

    pub(super) fn add(&mut self, recipient: u64, at_ms: i64) -> Mail {
        let hash = hash_of(recipient);
        let minute = at_ms.div_euclid(MINUTE_MS);
        let entry = hash << TIME_BITS | at_ms.rem_euclid(MINUTE_MS).unsigned_abs();
        self.minutes.entry(minute).or_default().parts[part_of(hash)].insert(entry);
        Mail { minute, entry }
    }

    pub(super) fn give_back(&mut self, mail: Mail) {
        if let Some(tables) = self.minutes.get_mut(&mail.minute) {
            tables.parts[part_of(mail.entry >> TIME_BITS)].remove(mail.entry);
        }
    }

    /// Bytes of all tables.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let slots = self.minutes.values().flat_map(|m| &m.parts).map(|t| t.slots.len()).sum::<usize>();
        slots * size_of::<u64>() + self.minutes.len() * size_of::<Minute>()
    }
}

/// 48 bits, never 0, so that an entry is never `EMPTY` or `GONE`.
fn hash_of(recipient: u64) -> u64 {
    (recipient >> (u64::BITS - HASH_BITS)).max(1)
}

fn part_of(hash: u64) -> usize {
    // The low bits choose the part, the high ones the slot.
    usize::try_from(hash).unwrap_or(0) % PARTS
}

fn time_of(entry: u64) -> i64 {
    i64::try_from(entry & ((1 << TIME_BITS) - 1)).unwrap_or(0)
}

#[derive(Default)]
struct Table {
    slots: Box<[u64]>,
    /// Slots that are not `EMPTY`.
    used: usize,
}

impl Table {
    fn insert(&mut self, entry: u64) {
        if self.used * FULL.1 >= self.slots.len() * FULL.0 {
            self.grow();
        }
        self.place(entry);
    }

    fn place(&mut self, entry: u64) {
        let mut slot = self.home(entry >> TIME_BITS);
        while self.slots[slot] != EMPTY {
            slot = self.after(slot);
        }
        self.slots[slot] = entry;
        self.used += 1;
    }

    fn grow(&mut self) {
        let size = (self.slots.len() + self.slots.len() / 2).max(FIRST_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; size].into_boxed_slice());
        self.used = 0;
        old.iter().filter(|e| **e > GONE).for_each(|e| self.place(*e));
    }

    fn find(&self, hash: u64, mut found: impl FnMut(u64)) {
        if self.slots.is_empty() {
            return;
        }
        let mut slot = self.home(hash);
        while self.slots[slot] != EMPTY {
            if self.slots[slot] >> TIME_BITS == hash {
                found(self.slots[slot]);
            }
            slot = self.after(slot);
        }
    }

    fn remove(&mut self, entry: u64) {
        if self.slots.is_empty() {
            return;
        }
        let mut slot = self.home(entry >> TIME_BITS);
        while self.slots[slot] != EMPTY {
            if self.slots[slot] == entry {
                self.slots[slot] = GONE;
                return;
            }
            slot = self.after(slot);
        }
    }

    /// Spreads the hash evenly over any number of slots.
    fn home(&self, hash: u64) -> usize {
        let scaled = (u128::from(hash) * self.slots.len() as u128) >> HASH_BITS;
        usize::try_from(scaled).unwrap_or(0)
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: i64 = 600_000;

    fn mix(number: u64) -> u64 {
        let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^ x >> 32
    }

    #[test]
    fn a_million_recipients_in_ten_minutes_cost_at_most_sixteen_bytes_each() {
        const MILLION: u64 = 1_000_000;
        let mut mails = Mails::default();
        for n in 0..MILLION {
            mails.add(mix(n), i64::try_from(n * 599_999 / MILLION).unwrap());
        }
        let per_mail = mails.bytes() / usize::try_from(MILLION).unwrap();
        assert!((8..=16).contains(&per_mail), "{per_mail} bytes for one mail");
        let mut times = vec![];
        for n in (0..MILLION).step_by(9_973) {
            mails.of(mix(n), 599_999, WINDOW, &mut times);
            assert_eq!(times, vec![i64::try_from(n * 599_999 / MILLION).unwrap()]);
        }
        mails.expire(2 * WINDOW, WINDOW);
        assert_eq!(mails.bytes(), 0);
    }

    #[test]
    fn a_million_recipients_in_one_minute_cost_the_same() {
        let mut mails = Mails::default();
        for n in 0..1_000_000 {
            mails.add(mix(n), 1);
        }
        assert!(mails.bytes() <= 16 * 1_000_000, "{}", mails.bytes());
    }

    proptest! {
        /// Against a plain list of everything that happened.
        #[test]
        fn the_tables_remember_what_a_plain_list_does(
            steps in proptest::collection::vec((0..20_u64, 0..40_000_i64, any::<bool>()), 1..300)
        ) {
            let mut mails = Mails::default();
            let mut plain: Vec<(u64, i64)> = vec![];
            let mut now = 0;
            let mut times = vec![];
            for (who, pause, back) in steps {
                now += pause;
                mails.expire(now, WINDOW);
                let mail = mails.add(mix(who), now);
                if back {
                    mails.give_back(mail);
                } else {
                    plain.push((who, now));
                }
                for recipient in 0..20 {
                    mails.of(mix(recipient), now, WINDOW, &mut times);
                    let expected: Vec<i64> = plain.iter()
                        .filter(|(p, at)| *p == recipient && *at > now - WINDOW)
                        .map(|(_, at)| *at)
                        .collect();
                    prop_assert_eq!(&times, &expected);
                }
            }
        }
    }
}
