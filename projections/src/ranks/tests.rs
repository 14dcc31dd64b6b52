use super::{ANY, Ranks, Slots, Window, window};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeMap;

fn file() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE node (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT").unwrap();
    connection
}

fn bodies(connection: &Connection) -> Vec<(i64, Vec<u8>)> {
    let mut select = connection.prepare("SELECT key, body FROM node ORDER BY key").unwrap();
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The same question of a plain map.
fn naive(members: &BTreeMap<u64, u8>, wanted: Window) -> (u64, Vec<u64>) {
    let mut found: Vec<u64> =
        members.iter().filter(|(_, slot)| wanted.slots >> **slot & 1 == 1).map(|(at, _)| *at).collect();
    let total = found.len() as u64;
    if wanted.descending {
        found.reverse();
    }
    let page = found.into_iter().skip(wanted.skip as usize).take(wanted.count as usize).collect();
    (total, page)
}

/// Near each other, and on both sides of every level's borders.
fn coordinate() -> impl Strategy<Value = u64> {
    prop_oneof![
        1..600u64,
        (0..4u64, 0..3u64).prop_map(|(n, d)| (n << 14) + d),
        (0..4u64, 0..3u64).prop_map(|(n, d)| (n << 21) + d),
        0..1u64 << 33,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_page_is_the_plain_maps_page(
        changes in prop::collection::vec((coordinate(), 0..30u8, any::<bool>()), 1..200),
        questions in prop::collection::vec((any::<u32>(), 0..220u64, 0..40u64, any::<bool>()), 20),
    ) {
        let connection = file();
        let mut ranks = Ranks::default();
        let mut members: BTreeMap<u64, u8> = BTreeMap::new();
        for (at, slot, flush) in &changes {
            // A member that is there already leaves, so that members leave, too.
            match members.remove(at) {
                Some(slot) => ranks.take(&connection, 1, *at, slot).unwrap(),
                None => {
                    ranks.add(&connection, 1, *at, *slot).unwrap();
                    members.insert(*at, *slot);
                }
            }
            if *flush {
                ranks.flush(&connection).unwrap();
                ranks.forget();
            }
        }
        ranks.flush(&connection).unwrap();
        for (slots, skip, count, descending) in questions {
            for slots in [Slots::from(slots), ANY] {
                let wanted = Window { slots, skip, count, descending };
                prop_assert_eq!(window(&connection, 1, wanted).unwrap(), naive(&members, wanted));
            }
        }
        // The nodes are those of the members alone, whatever came and went.
        let (again, mut fresh) = (file(), Ranks::default());
        for (at, slot) in &members {
            fresh.add(&again, 1, *at, *slot).unwrap();
        }
        fresh.flush(&again).unwrap();
        prop_assert_eq!(bodies(&connection), bodies(&again));
    }
}

#[test]
fn lists_do_not_mix_and_an_empty_one_has_no_page() {
    let (connection, mut ranks) = (file(), Ranks::default());
    ranks.add(&connection, 1, 5, 0).unwrap();
    ranks.add(&connection, 2, 6, 0).unwrap();
    ranks.flush(&connection).unwrap();
    let all = Window { slots: ANY, skip: 0, count: 10, descending: false };
    assert_eq!(window(&connection, 1, all).unwrap(), (1, vec![5]));
    assert_eq!(window(&connection, 2, all).unwrap(), (1, vec![6]));
    assert_eq!(window(&connection, 3, all).unwrap(), (0, vec![]));
}

#[test]
fn a_member_that_is_not_there_cannot_leave() {
    let (connection, mut ranks) = (file(), Ranks::default());
    ranks.add(&connection, 1, 5, 0).unwrap();
    assert!(ranks.take(&connection, 1, 5, 1).is_err());
}

#[test]
fn a_rolled_back_change_leaves_no_trace() {
    let (connection, mut ranks) = (file(), Ranks::default());
    ranks.add(&connection, 1, 5, 0).unwrap();
    ranks.flush(&connection).unwrap();
    ranks.add(&connection, 1, 6, 0).unwrap();
    ranks.forget();
    ranks.add(&connection, 1, 7, 0).unwrap();
    ranks.flush(&connection).unwrap();
    let all = Window { slots: ANY, skip: 0, count: 10, descending: true };
    assert_eq!(window(&connection, 1, all).unwrap(), (2, vec![7, 5]));
}
