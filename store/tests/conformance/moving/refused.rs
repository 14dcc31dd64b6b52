//! What a move refuses, and leaves as it is.

use std::ops::ControlFlow;

use store::{Batch, FolderLock, MoveError, State};

use super::{Lies, Spot, WAYS, cancel, die_before, files, fill, move_over, with, words};
use crate::bench::create;

fn taken(told: Result<store::Moved, MoveError>) -> &'static str {
    match told {
        Err(MoveError::Taken { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_place_that_has_anything_else_is_refused_by_name_and_left_alone() {
    for (from, to) in WAYS {
        let (old, other) = (Spot::new(*from), Spot::new(*to));
        let (told, theirs) = (fill(&old, 3), fill(&other, 2));
        assert_eq!(taken(move_over(&old, &other)), "holds another ledger");
        other.wait_until_left();
        let served = other.serve().unwrap();
        assert_eq!(served.contents(theirs.head, &theirs.subjects), theirs.contents);
        served.end();
        // The source itself.
        old.wait_until_left();
        let itself = move_over(&old, &old);
        assert!(matches!(itself, Err(MoveError::Taken { .. })), "{itself:?}");
        old.wait_until_left();
        assert!(words(&old, told.head).is_empty());
    }
}

#[test]
fn a_folder_with_anything_in_it_is_left_as_it_is() {
    let (old, new) = (Spot::new(Lies::Folder), Spot::new(Lies::Folder));
    let told = fill(&old, 3);
    let folder = new.site.folder.clone().unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("letters.txt"), "dear Ada").unwrap();
    let before = files(&folder);
    assert_eq!(taken(move_over(&old, &new)), "is neither empty nor a ledger's folder");
    assert_eq!(files(&folder), before);
    // A copy of the very ledger may be served, too.
    std::fs::remove_file(folder.join("letters.txt")).unwrap();
    store::backup(old.site.folder.as_deref().unwrap(), &folder, &mut |_| {}).unwrap();
    assert_eq!(taken(move_over(&old, &new)), "holds this ledger already, where it may be served");
    let served = new.serve().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(served.ledger.submit(create(500))).unwrap();
    served.end();
    assert_eq!(taken(move_over(&old, &new)), "holds events that the ledger does not have");
    assert!(words(&old, told.head).is_empty());
}

#[test]
fn keys_and_state_of_others_are_never_written_over() {
    let (old, new) = (Spot::new(Lies::Folder), Spot::new(Lies::Folder));
    let told = fill(&old, 3);
    // A log of the ledger's past, beside things of another one.
    assert!(die_before(1, &old, &new).is_none());
    let other = Spot::new(Lies::Folder);
    let theirs = fill(&other, 1);
    let with_their_keys =
        Spot { site: store::Site { keys: other.site.keys.clone(), ..new.site.clone() }, ..Spot::new(Lies::Folder) };
    assert_eq!(taken(move_over(&old, &with_their_keys)), "holds the keys of another ledger");
    let with_their_state =
        Spot { site: store::Site { state: other.site.state.clone(), ..new.site.clone() }, ..Spot::new(Lies::Folder) };
    assert_eq!(taken(move_over(&old, &with_their_state)), "holds sessions and outbox of its own");
    let served = other.serve().unwrap();
    assert_eq!(served.contents(theirs.head, &theirs.subjects), theirs.contents);
    move_over(&old, &new).unwrap();
    assert_eq!(words(&new, told.head), ["Moved", "Opened"]);
}

#[test]
fn a_row_that_is_damaged_stops_the_move_at_its_position() {
    let (old, new) = (Spot::new(Lies::Folder), Spot::new(Lies::Folder));
    fill(&old, 10);
    let folder = old.site.folder.clone().unwrap();
    let log = rusqlite::Connection::open(folder.join("ledger.db")).unwrap();
    let damage = r#"DROP TRIGGER events_no_update; UPDATE events SET payload = '{"number":2}' WHERE position = 7"#;
    log.execute_batch(damage).unwrap();
    drop(log);
    let told = move_over(&old, &new);
    assert!(matches!(&told, Err(MoveError::Damaged { position: 7, .. })), "{told:?}");
    new.closed();
}

#[test]
fn a_row_that_was_changed_at_the_new_place_stops_the_move_at_its_position() {
    let (old, new) = (Spot::new(Lies::Folder), Spot::new(Lies::Folder));
    fill(&old, 10);
    // Copied, not closed yet.
    assert!(die_before(2, &old, &new).is_none());
    let log = rusqlite::Connection::open(new.site.folder.clone().unwrap().join("ledger.db")).unwrap();
    log.execute_batch("DROP TRIGGER events_no_update; UPDATE events SET payload = '{}' WHERE position = 4").unwrap();
    drop(log);
    let told = move_over(&old, &new);
    assert!(matches!(&told, Err(MoveError::Differs { position: 4, .. })), "{told:?}");
    assert!(matches!(cancel(&old, &new), Ok(store::Cancelled::NeverClosed)));
}

#[test]
fn while_the_old_place_is_in_use_all_but_the_end_is_copied() {
    for (from, to) in WAYS {
        let (old, new) = (Spot::new(*from), Spot::new(*to));
        let told = fill(&old, 20);
        let served = old.serve().unwrap();
        let lock = old.site.folder.as_deref().map(|folder| FolderLock::take(folder, "http://127.0.0.1:8080").unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut more = 3_000;
        // Somebody writes for as long as it is copied.
        let refused = with(
            &old,
            &new,
            &mut |_| {
                more += 1;
                runtime.block_on(served.ledger.submit(create(more))).unwrap();
                ControlFlow::Continue(())
            },
            |going| going.run(),
        );
        match refused {
            Err(MoveError::InUse { holder, left, .. }) => {
                let who = if lock.is_some() { "http://127.0.0.1:8080" } else { "session " };
                assert!(holder.contains(who), "{holder}");
                assert!(left.is_some_and(|left| left > 0 && left < 10), "{left:?}");
            }
            other => panic!("{from:?} to {to:?}: {other:?}"),
        }
        runtime.block_on(served.ledger.submit(create(9_000))).unwrap();
        let head = served.ledger.head();
        served.end();
        drop(lock);
        old.wait_until_left();
        new.wait_until_left();
        let moved = move_over(&old, &new).unwrap();
        assert!(moved.copied < 10, "the rest alone: {moved:?}");
        new.wait_until_left();
        assert_eq!(words(&new, head), ["Moved", "Opened"]);
        assert!(head > told.head);
    }
}

#[test]
fn a_ledger_on_its_way_goes_to_no_other_place() {
    let (old, new, other) = (Spot::new(Lies::Folder), Spot::new(Lies::Folder), Spot::new(Lies::Folder));
    fill(&old, 3);
    let mut step = 0;
    while old.serve().is_ok() {
        assert!(die_before(step, &old, &new).is_none(), "it has moved before it was closed");
        step += 1;
    }
    let told = move_over(&old, &other);
    assert!(matches!(&told, Err(MoveError::Elsewhere { to, .. }) if *to == new.site.name), "{told:?}");
    let told = cancel(&old, &other);
    assert!(matches!(&told, Err(MoveError::NotUnderWay { .. })), "{told:?}");
    // A copy of it that is closed as well is none to move from, once it is open elsewhere.
    move_over(&old, &new).unwrap();
    let told = move_over(&old, &other);
    assert!(matches!(&told, Err(MoveError::Elsewhere { .. })), "{told:?}");
    assert!(matches!(cancel(&old, &new), Err(MoveError::Opened(_))));
}

#[test]
fn a_state_that_was_carried_is_marked_until_the_place_is_open() {
    let (old, new) = (Spot::new(Lies::Folder), Spot::new(Lies::Folder));
    fill(&old, 3);
    move_over(&old, &new).unwrap();
    let left = State::open(old.site.state.clone()).unwrap();
    assert_eq!(left.count("move").unwrap(), 1, "it may be written over when the ledger comes home");
    let state = State::open(new.site.state.clone()).unwrap();
    assert_eq!(state.count("move").unwrap(), 0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(state.commit(Batch::new().put("sessions", "x", vec![]))).unwrap();
}
