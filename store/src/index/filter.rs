//! What is certainly not in the index file.
//!
//! Nearly every key that an invitation needs is new: its stream, its claims,
//! its command. Asking the file for what it lacks costs a walk down a tree, and
//! a page from disk once the file has outgrown its caches. A blocked Bloom
//! filter answers that in memory, within one cache line.
//!
//! Invariant: [`Filter::lacks`] never denies a key that is in the file. So it
//! denies nothing before all of the file's keys are in it ([`Filter::complete`]),
//! and the flusher adds a key before the layer that held it leaves memory. Keys
//! that left the file stay: they cost a look-up, and no truth.

use std::sync::{
    RwLock,
    atomic::{AtomicU64, Ordering},
};

use ahash::RandomState;

use crate::locks::{read, write};

/// Bits of filter per key: about one key in fifty that is not there is asked for in vain.
const BITS_PER_KEY: u64 = 10;
/// Where keys lie in groups, each of which may be asked for in vain: one in three hundred.
const BITS_PER_GROUPED_KEY: u64 = 16;
/// A block is one cache line.
const BLOCK_WORDS: usize = 8;
const BLOCK_BITS: u64 = 512;
/// Bits set in a block for a key; nine bits of its hash each.
const PROBES: u32 = 6;
/// Keys the first part holds at least: 320 KiB.
const LEAST_KEYS: u64 = 262_144;

/// The kinds of keys, which may have the same bytes.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Kind {
    Stream,
    Subject,
    Command,
    Claim,
}

pub(super) struct Filter {
    hasher: RandomState,
    /// Each twice as large as the one of its group before; only the last of a group grows.
    parts: RwLock<Vec<Part>>,
    /// All keys of groups below this one have been added.
    complete_below: AtomicU64,
}

struct Part {
    group: u64,
    blocks: Box<[[AtomicU64; BLOCK_WORDS]]>,
    room: u64,
    added: AtomicU64,
}

impl Part {
    fn with_room(group: u64, keys: u64, bits_per_key: u64) -> Self {
        let blocks = (keys * bits_per_key).div_ceil(BLOCK_BITS).max(1);
        let blocks = (0..blocks).map(|_| <[AtomicU64; BLOCK_WORDS]>::default()).collect();
        Self { group, blocks, room: keys, added: AtomicU64::new(0) }
    }

    /// The block by the upper half of the hash.
    fn block(&self, hash: u64) -> &[AtomicU64; BLOCK_WORDS] {
        let scaled = ((hash >> 32) * self.blocks.len() as u64) >> 32;
        &self.blocks[usize::try_from(scaled).unwrap_or(0)]
    }

    /// Looks at all bits whatever the first ones are: with nothing to guess wrong the processor
    /// fetches the blocks of several parts at once, and each is a line that no cache has.
    fn has(&self, hash: u64) -> bool {
        let block = self.block(hash);
        probes(hash).fold(true, |all, (word, bit)| all & (block[word].load(Ordering::Relaxed) & bit != 0))
    }

    fn add(&self, hash: u64) {
        let block = self.block(hash);
        for (word, bit) in probes(hash) {
            block[word].fetch_or(bit, Ordering::Relaxed);
        }
    }
}

/// Words and bits of a block, from all of the hash mixed once more.
fn probes(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    /// The odd number next to 2^64 over the golden ratio (Knuth's multiplicative hashing).
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = hash.wrapping_mul(MIX);
    (0..PROBES).map(move |probe| {
        let at = mixed >> (64 - 9 * (probe + 1)) & (BLOCK_BITS - 1);
        (usize::try_from(at >> 6).unwrap_or(0), 1 << (at & 63))
    })
}

impl Filter {
    /// Of keys that lie in one place, with room for about so many to begin with; it grows.
    pub(super) fn new(keys: u64) -> Self {
        Self::of(vec![Part::with_room(0, keys.max(LEAST_KEYS), BITS_PER_KEY)])
    }

    /// Of keys that lie in groups: it also tells which of them may have a key.
    pub(super) fn grouped() -> Self {
        Self::of(Vec::new())
    }

    fn of(parts: Vec<Part>) -> Self {
        Self { hasher: RandomState::new(), parts: RwLock::new(parts), complete_below: AtomicU64::new(0) }
    }

    /// Whether the file certainly has no such key.
    pub(super) fn lacks(&self, kind: Kind, key: &[u8]) -> bool {
        if self.complete_below.load(Ordering::Acquire) < u64::MAX {
            return false;
        }
        let hash = self.hasher.hash_one((kind, key));
        !read(&self.parts).iter().any(|part| part.has(hash))
    }

    /// The groups that may have a key, and the group from which on each of them may have any.
    pub(super) fn groups(&self, kind: Kind, key: &[u8]) -> (Vec<u64>, u64) {
        let below = self.complete_below.load(Ordering::Acquire);
        let hash = self.hasher.hash_one((kind, key));
        let parts = read(&self.parts);
        let groups = parts.iter().filter(|part| part.group < below && part.has(hash)).map(|part| part.group);
        (groups.collect(), below)
    }

    pub(super) fn add(&self, kind: Kind, key: &[u8]) {
        self.add_with(kind, key, (0, LEAST_KEYS), BITS_PER_KEY);
    }

    /// To a group that is to have about so many keys.
    pub(super) fn add_to(&self, group: u64, keys: u64, kind: Kind, key: &[u8]) {
        self.add_with(kind, key, (group, keys), BITS_PER_GROUPED_KEY);
    }

    fn add_with(&self, kind: Kind, key: &[u8], (group, keys): (u64, u64), bits: u64) {
        let hash = self.hasher.hash_one((kind, key));
        loop {
            let parts = read(&self.parts);
            let last = parts.iter().rev().find(|part| part.group == group);
            if let Some(last) = last
                && last.added.fetch_add(1, Ordering::Relaxed) < last.room
            {
                return last.add(hash);
            }
            let (known, room) = (parts.len(), last.map_or(keys, |full| full.room * 2));
            drop(parts);
            let mut parts = write(&self.parts);
            // Another thread may have made room meanwhile.
            if parts.len() == known {
                parts.push(Part::with_room(group, room, bits));
            }
        }
    }

    /// From now on it may deny: every key of the file has been added.
    pub(super) fn complete(&self) {
        self.complete_below(u64::MAX);
    }

    /// From now on it may deny that groups below this one have a key: all of theirs have been added.
    pub(super) fn complete_below(&self, group: u64) {
        self.complete_below.store(group, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> [u8; 17] {
        let mut key = [7; 17];
        key[3..11].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn before_all_keys_are_in_it_nothing_is_denied() {
        let filter = Filter::new(10);
        assert!(!filter.lacks(Kind::Claim, &key(1)));
        filter.complete();
        assert!(filter.lacks(Kind::Claim, &key(1)));
    }

    #[test]
    fn kinds_are_kept_apart() {
        let filter = Filter::new(10);
        filter.complete();
        filter.add(Kind::Claim, &key(1));
        assert!(!filter.lacks(Kind::Claim, &key(1)));
        assert!(filter.lacks(Kind::Stream, &key(1)));
    }

    #[test]
    fn a_group_is_named_for_each_of_its_keys_and_hardly_another() {
        let filter = Filter::grouped();
        assert_eq!(filter.groups(Kind::Claim, &key(1)), (vec![], 0));
        let group = |number: u64| number / 10_000;
        (0..100_000).for_each(|number| filter.add_to(group(number), 4_000, Kind::Claim, &key(number)));
        filter.add_to(7, 4_000, Kind::Claim, &key(1));
        filter.complete_below(7);
        assert_eq!(filter.groups(Kind::Claim, &key(1)), (vec![0], 7));
        filter.complete();
        assert_eq!(filter.groups(Kind::Claim, &key(1)), (vec![0, 7], u64::MAX));
        let named = |number: u64| filter.groups(Kind::Claim, &key(number)).0;
        assert!((0..100_000).all(|number| named(number).contains(&group(number))));
        let in_vain: usize = (100_000..200_000).map(|number| named(number).len()).sum();
        assert!(in_vain < 10_000, "{in_vain} groups for 100,000 keys that none of ten has");
    }

    #[test]
    fn a_file_that_is_opened_again_denies_nothing_it_holds() {
        use std::sync::atomic::AtomicBool;

        use super::super::{ClaimKey, ClaimSecret, Disk, Head, Layer};
        use crate::StreamId;

        let folder = tempfile::tempdir().unwrap();
        let secret = ClaimSecret::new(&[1; 32]);
        let stream = |number: u64| StreamId::new(&format!("invitation-default/{:032x}", number * 77));
        let claim = |number: u64| ClaimKey::of(&secret, "pending", &format!("person {number}"));
        let mut layer = Layer::default();
        for number in 1..=20_000 {
            layer.grow(&stream(number), Head { first: number, version: 1 }, number);
            layer.take(claim(number), "pending", number);
            layer.last = Some((number, [0; 32]));
        }
        let disk = Disk::open(folder.path()).unwrap();
        disk.flush(&layer, uuid::Uuid::nil(), &secret).unwrap();
        let denied = |disk: &Disk| (20_001..=21_000).filter(|number| disk.lacks_claim(&claim(*number))).count();
        assert!(!disk.lacks_claim(&claim(7)) && denied(&disk) > 950, "a new file knows at once");
        drop(disk);

        let disk = Disk::open(folder.path()).unwrap();
        assert!(!disk.lacks_stream(&stream(20_001)), "what is not read yet is not denied");
        disk.fill_filter(&AtomicBool::new(false)).unwrap();
        assert!((1..=20_000).all(|number| !disk.lacks_stream(&stream(number)) && !disk.lacks_claim(&claim(number))));
        let denied = denied(&disk);
        assert!(denied > 950, "only {denied} of 1,000 are known not to be there");
    }

    #[test]
    fn through_growth_nothing_added_is_denied_and_little_else_is_not() {
        let filter = Filter::new(LEAST_KEYS);
        filter.complete();
        let many = LEAST_KEYS * 5;
        (0..many).for_each(|number| filter.add(Kind::Stream, &key(number)));
        assert_eq!(read(&filter.parts).len(), 3, "1, 2 and 4 times the first room");
        assert!((0..many).all(|number| !filter.lacks(Kind::Stream, &key(number))));
        let in_vain = (many..many + 100_000).filter(|number| !filter.lacks(Kind::Stream, &key(*number))).count();
        assert!(in_vain < 4_000, "{in_vain} of 100,000 keys would be looked for in vain");
    }
}
