//! Claims on disk, in eras: those of streams that began at about the same time lie together.
//!
//! A claim's key is a keyed hash, so new ones fall anywhere among those of all time, and each
//! would read and write a page of its own once there are many. Within the era that is being
//! written they share its pages, however many eras there are. A filter tells which era may
//! have a key, so that looking one up asks one of them, as a rule, and most ask none.
//!
//! Invariant: the file has at most one row of a key, in the era of its holder.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    disk::{Disk, FILTERED_AT_ONCE, position},
    filter::Kind,
    layer::{ClaimKey, Layer},
};
use crate::{Position, ReadError, sqlite::signed};

/// Streams that begin before this position are the first era; the next ones last twice as long each.
const FIRST_ERA_BITS: u32 = 10;
/// Until they have so many positions: the pages of one are few enough to be written together.
const ERA_BITS: u32 = 20;

/// The era of a stream, by its first position.
fn era(first: Position) -> u64 {
    if first >> ERA_BITS == 0 {
        u64::from(u64::BITS - (first >> FIRST_ERA_BITS).leading_zeros())
    } else {
        u64::from(ERA_BITS - FIRST_ERA_BITS) + (first >> ERA_BITS)
    }
}

/// Claims that an era has at most, as a rule: one for each of its positions.
fn claims_of(era: u64) -> u64 {
    1 << (u64::from(FIRST_ERA_BITS) + era.saturating_sub(1)).min(u64::from(ERA_BITS))
}

impl Disk {
    /// Whether the file certainly has no such claim.
    pub(crate) fn lacks_claim(&self, key: &ClaimKey) -> bool {
        if key.is_subject() {
            self.filter.lacks(Kind::Subject, &key.0)
        } else {
            self.claimed.lacks(Kind::Claim, &key.0)
        }
    }

    pub(crate) fn holder(&self, on: &Connection, key: &ClaimKey) -> Result<Option<Position>, ReadError> {
        if key.is_subject() {
            let mut select = on.prepare_cached("SELECT holder FROM subjects WHERE key = ?1")?;
            return Ok(select.query_row([key.0.as_slice()], position).optional()?);
        }
        let mut eras = self.eras(on, key)?;
        loop {
            let found = holder_in(on, &eras, key)?;
            // The filter knows a row's era before the row is there: if it names no other one now, then
            // the row cannot have gone there meanwhile.
            let now = self.eras(on, key)?;
            if found.is_some() || now == eras {
                return Ok(found);
            }
            eras = now;
        }
    }

    pub(crate) fn held(&self, on: &Connection, holder: Position, family: &str) -> Result<Vec<ClaimKey>, ReadError> {
        let Some(family) = self.name(family) else { return Ok(Vec::new()) };
        let mut select = on.prepare_cached("SELECT key FROM claims WHERE holder = ?1 AND family = ?2")?;
        let keys = select.query_map(params![signed(holder), family], |row| row.get(0).map(ClaimKey))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// The eras that may have a claim, the last one first: while the filter is being filled, all that
    /// it does not have whole.
    fn eras(&self, on: &Connection, key: &ClaimKey) -> Result<Vec<u64>, ReadError> {
        let (mut eras, filled_below) = self.claimed.groups(Kind::Claim, &key.0);
        if filled_below < u64::MAX {
            let mut select = on.prepare_cached("SELECT era FROM claims ORDER BY era DESC LIMIT 1")?;
            let last = select.query_row([], position).optional()?;
            eras.extend(last.map_or(0..0, |last| filled_below..last + 1));
        }
        eras.sort_unstable_by(|a, b| b.cmp(a));
        eras.dedup();
        Ok(eras)
    }

    pub(super) fn write_claims(&self, unit: &Transaction<'_>, layer: &Layer) -> Result<(), ReadError> {
        let mut claims: Vec<_> = layer.claims.iter().map(|(key, held)| (held.holder.map(era), key, held)).collect();
        claims.sort_unstable_by_key(|(era, key, _)| (*era, **key));
        let mut subject = unit.prepare_cached("INSERT OR REPLACE INTO subjects VALUES (?1, ?2)")?;
        let mut insert = unit.prepare_cached("INSERT OR REPLACE INTO claims VALUES (?1, ?2, ?3, ?4)")?;
        let mut delete = unit.prepare_cached("DELETE FROM claims WHERE era = ?1 AND key = ?2")?;
        for (own, key, held) in claims {
            if let (true, Some(holder)) = (key.is_subject(), held.holder) {
                self.filter.add(Kind::Subject, &key.0);
                subject.execute(params![key.0.as_slice(), signed(holder)])?;
                continue;
            }
            // Released, or another stream's now: whoever had it may have begun in another era.
            for era in self.eras(unit, key)?.into_iter().filter(|era| Some(*era) != own) {
                delete.execute(params![signed(era), key.0.as_slice()])?;
            }
            if let (Some(era), Some(holder)) = (own, held.holder) {
                self.claimed.add_to(era, claims_of(era), Kind::Claim, &key.0);
                insert.execute(params![signed(era), key.0.as_slice(), signed(holder), self.number(held.family)])?;
            }
        }
        Ok(())
    }

    /// Adds to the filter which era has which claim. False: it was stopped.
    pub(super) fn fill_claimed(&self, on: &Connection, stop: &AtomicBool) -> Result<bool, rusqlite::Error> {
        let mut select =
            on.prepare("SELECT era, key FROM claims WHERE (era, key) > (?1, ?2) ORDER BY era, key LIMIT ?3")?;
        let mut last: (i64, Vec<u8>) = (-1, Vec::new());
        loop {
            if stop.load(Relaxed) {
                return Ok(false);
            }
            let mut rows = select.query(params![last.0, last.1, FILTERED_AT_ONCE])?;
            let mut any = false;
            while let Some(row) = rows.next()? {
                let (era, key) = (row.get::<_, i64>(0)?, row.get_ref(1)?.as_blob()?);
                self.claimed.add_to(era.cast_unsigned(), claims_of(era.cast_unsigned()), Kind::Claim, key);
                last.0 = era;
                last.1.clear();
                last.1.extend_from_slice(key);
                any = true;
            }
            if !any {
                break;
            }
            // Of this one there may be more; all before it have been read.
            self.claimed.complete_below(last.0.cast_unsigned());
        }
        self.claimed.complete();
        Ok(true)
    }
}

/// In one statement, and so at one moment: a claim may be going from one of these eras to another.
fn holder_in(on: &Connection, eras: &[u64], key: &ClaimKey) -> Result<Option<Position>, ReadError> {
    if let [era] = eras {
        let mut select = on.prepare_cached("SELECT holder FROM claims WHERE era = ?1 AND key = ?2")?;
        return Ok(select.query_row(params![signed(*era), key.0.as_slice()], position).optional()?);
    }
    if eras.is_empty() {
        return Ok(None);
    }
    let mut select = on.prepare_cached(
        "SELECT holder FROM claims WHERE era IN (SELECT value FROM json_each(?1)) AND key = ?2 LIMIT 1",
    )?;
    Ok(select.query_row(params![format!("{eras:?}"), key.0.as_slice()], position).optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::layer::ClaimSecret;

    #[test]
    fn eras_double_until_they_have_a_million_positions() {
        let firsts: Vec<Position> = (1..3 << 22).filter(|at| *at == 1 || era(*at) != era(at - 1)).collect();
        let doubling = (10..=20).map(|bits| 1 << bits);
        let even = (2..12).map(|number| number << 20);
        assert_eq!(firsts, [1].into_iter().chain(doubling).chain(even).collect::<Vec<_>>());
        assert_eq!(firsts.iter().map(|at| era(*at)).collect::<Vec<_>>(), (0..22).collect::<Vec<_>>());
        assert_eq!([0, 1, 2, 10, 11, 30].map(claims_of), [1 << 10, 1 << 10, 1 << 11, 1 << 19, 1 << 20, 1 << 20]);
    }

    /// Before the filter is filled and after it, a claim that went from one era to another is in one place.
    #[test]
    fn a_claim_that_changes_hands_across_eras_has_one_holder_at_any_time() {
        let folder = tempfile::tempdir().unwrap();
        let secret = ClaimSecret::new(&[1; 32]);
        let key = ClaimKey::of(&secret, "pending", "ada");
        let neighbour = ClaimKey::of(&secret, "pending", "eve");
        let flush = |disk: &Disk, last: Position, change: &dyn Fn(&mut Layer)| {
            let mut layer = Layer { last: Some((last, [0; 32])), ..Layer::default() };
            change(&mut layer);
            disk.flush(&layer, uuid::Uuid::nil(), &secret).unwrap();
        };
        let told = |disk: &Disk| {
            let on = disk.reader();
            let rows: u64 = on.query_row("SELECT count(*) FROM claims", [], position).unwrap();
            (disk.holder(&on, &key).unwrap(), disk.holder(&on, &neighbour).unwrap(), rows)
        };
        let (early, later, late): (Position, Position, Position) = (5, 1_500, 7 << 20);
        for filled in [true, false] {
            let mut disk = Disk::open(folder.path()).unwrap().restart().unwrap();
            let again = |disk: Disk| {
                if filled {
                    disk
                } else {
                    drop(disk);
                    Disk::open(folder.path()).unwrap()
                }
            };
            flush(&disk, 10, &|layer| {
                layer.take(key, "pending", early);
                layer.take(neighbour, "pending", early + 1);
            });
            disk = again(disk);
            assert_eq!(told(&disk), (Some(early), Some(early + 1), 2));
            // Due, expired, and taken by another one within one layer.
            flush(&disk, late, &|layer| {
                layer.release(key, "pending");
                layer.take(key, "pending", late);
            });
            disk = again(disk);
            assert_eq!(told(&disk), (Some(late), Some(early + 1), 2));
            assert_eq!(disk.held(&disk.reader(), early, "pending").unwrap(), []);
            assert_eq!(disk.held(&disk.reader(), late, "pending").unwrap(), [key]);
            flush(&disk, late + 1, &|layer| {
                layer.take(key, "pending", later);
            });
            assert_eq!(told(&disk), (Some(later), Some(early + 1), 2));
            disk = again(disk);
            flush(&disk, late + 2, &|layer| {
                layer.release(key, "pending");
            });
            assert_eq!(told(&disk), (None, Some(early + 1), 1));
            disk = again(disk);
            disk.fill_filter(&AtomicBool::new(false)).unwrap();
            assert_eq!((told(&disk), disk.lacks_claim(&neighbour)), ((None, Some(early + 1), 1), false));
        }
    }

    #[test]
    fn who_looks_while_a_claim_goes_from_era_to_era_always_finds_a_holder() {
        const MOVES: u64 = 400;
        let folder = tempfile::tempdir().unwrap();
        let secret = ClaimSecret::new(&[1; 32]);
        let key = ClaimKey::of(&secret, "pending", "ada");
        let disk = Disk::open(folder.path()).unwrap();
        let holders: Vec<Position> = (0..30).map(|number| (number << ERA_BITS) + 1).collect();
        let take = |number: u64| {
            let mut layer = Layer { last: Some((number, [0; 32])), ..Layer::default() };
            layer.take(key, "pending", holders[usize::try_from(number).unwrap() * 7 % holders.len()]);
            disk.flush(&layer, uuid::Uuid::nil(), &secret).unwrap();
        };
        take(1);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let mut looks = 0;
                while !stop.load(Relaxed) {
                    let found = disk.holder(&disk.reader(), &key).unwrap();
                    assert!(found.is_some_and(|holder| holders.contains(&holder)), "look {looks}: {found:?}");
                    looks += 1;
                }
                looks
            });
            (2..MOVES).for_each(take);
            stop.store(true, Relaxed);
            assert!(looking.join().unwrap() > 0);
        });
    }
}
