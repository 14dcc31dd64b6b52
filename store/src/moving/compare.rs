//! Two ordered tables, read side by side, and what makes the second one like the first.

use std::collections::VecDeque;

/// Entries read at once.
pub(super) const PAGE: usize = 1_024;

/// Entries, ascending from the one after a key.
type Page<K, V, E> = Result<Vec<(K, V)>, E>;
/// How they are read.
pub(super) type Fetch<'f, K, V, E> = &'f dyn Fn(Option<&K>, usize) -> Page<K, V, E>;

/// A table in order, a page at a time.
struct Paged<'f, K, V, E> {
    fetch: Fetch<'f, K, V, E>,
    waiting: VecDeque<(K, V)>,
    last: Option<K>,
    at_end: bool,
}

impl<K: Clone, V, E> Paged<'_, K, V, E> {
    fn key(&mut self) -> Result<Option<&K>, E> {
        if self.waiting.is_empty() && !self.at_end {
            let page = (self.fetch)(self.last.as_ref(), PAGE)?;
            self.at_end = page.len() < PAGE;
            self.last = page.last().map(|(key, _)| key.clone()).or(self.last.take());
            self.waiting = page.into();
        }
        Ok(self.waiting.front().map(|(key, _)| key))
    }

    fn next(&mut self) -> Option<(K, V)> {
        self.waiting.pop_front()
    }
}

/// What is different, entry by entry: none where the second table has too much.
pub(super) type Change<K, V> = (K, Option<V>);

/// Walks both, and hands over what has to change, with how many of the first were read; tells how
/// many entries the first one has, and how many changes there were.
pub(super) fn compare<K: Ord + Clone, V: PartialEq, E>(
    from: Fetch<'_, K, V, E>,
    to: Fetch<'_, K, V, E>,
    mut change: impl FnMut(Vec<Change<K, V>>, u64) -> Result<(), E>,
) -> Result<(u64, u64), E> {
    let paged = |fetch| Paged { fetch, waiting: VecDeque::new(), last: None, at_end: false };
    let (mut from, mut to) = (paged(from), paged(to));
    let (mut count, mut changed, mut changes) = (0, 0, Vec::new());
    loop {
        let order = match (from.key()?, to.key()?) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(here), Some(there)) => here.cmp(there),
        };
        let here = if order.is_le() { from.next() } else { None };
        let there = if order.is_ge() { to.next() } else { None };
        count += u64::from(here.is_some());
        match (here, there) {
            (Some((key, value)), there) if there.as_ref().is_none_or(|(_, known)| *known != value) => {
                changes.push((key, Some(value)));
            }
            (None, Some((key, _))) => changes.push((key, None)),
            (Some(_), _) | (None, None) => {}
        }
        if changes.len() >= PAGE {
            changed += changes.len() as u64;
            change(std::mem::take(&mut changes), count)?;
        }
    }
    changed += changes.len() as u64;
    change(changes, count)?;
    Ok((count, changed))
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, convert::Infallible, ops::Bound};

    use proptest::prelude::*;

    use super::{Change, PAGE, compare};

    type Table = BTreeMap<u32, u8>;

    fn page(table: &Table, after: Option<&u32>, limit: usize) -> Result<Vec<(u32, u8)>, Infallible> {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(*key));
        Ok(table.range((from, Bound::Unbounded)).take(limit).map(|(key, value)| (*key, *value)).collect())
    }

    fn make_alike(from: &Table, to: &RefCell<Table>) -> (u64, u64) {
        let change = |changes: Vec<Change<u32, u8>>, _| {
            let mut to = to.borrow_mut();
            for (key, value) in changes {
                match value {
                    Some(value) => to.insert(key, value),
                    None => to.remove(&key),
                };
            }
            Ok(())
        };
        compare(&|after, limit| page(from, after, limit), &|after, limit| page(&to.borrow(), after, limit), change)
            .unwrap_or_else(|never: Infallible| match never {})
    }

    proptest! {
        #[test]
        fn the_second_table_becomes_the_first_and_then_nothing_changes(
            from in prop::collection::btree_map(0_u32..6_000, any::<u8>(), 0..PAGE * 3),
            to in prop::collection::btree_map(0_u32..6_000, any::<u8>(), 0..PAGE * 3),
        ) {
            let different = from.iter().filter(|(key, value)| to.get(key) != Some(value)).count()
                + to.keys().filter(|key| !from.contains_key(key)).count();
            let to = RefCell::new(to);
            prop_assert_eq!(make_alike(&from, &to), (from.len() as u64, different as u64));
            prop_assert_eq!(&*to.borrow(), &from);
            prop_assert_eq!(make_alike(&from, &to), (from.len() as u64, 0));
        }
    }
}
