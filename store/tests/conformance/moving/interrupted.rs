//! Moves that die, and moves that are given up, at every step there is.

use store::{Cancelled, MoveError};

use super::{Filled, Lies, Spot, cancel, die_before, each_kind, move_over, words};

/// Tells a story of every kind of move. Most of its time is waiting, so they are told at once.
fn at_once(story: fn(Lies, Lies)) {
    std::thread::scope(|scope| {
        for (from, to) in each_kind() {
            scope.spawn(|| story(*from, *to));
        }
    });
}

#[test]
fn a_move_that_dies_before_any_of_its_steps_goes_on_where_it_was() {
    at_once(dies_and_goes_on);
}

fn dies_and_goes_on(from: Lies, to: Lies) {
    let (mut step, mut copied) = (0, 0);
    let filled = Filled::new(from, 3);
    loop {
        let ((old, told), new) = (filled.again(), Spot::new(to));
        let whole = die_before(step, &old, &new);
        if whole.is_none() {
            // And once more on the way, one step later.
            let _ = die_before(1, &old, &new);
            copied = move_over(&old, &new).unwrap().copied;
        }
        new.wait_until_left();
        let served = new.serve().unwrap();
        let contents = served.contents(told.head, &told.subjects);
        assert_eq!(contents, told.contents, "step {step}");
        served.end();
        new.wait_until_left();
        assert_eq!(words(&new, told.head), ["Moved", "Opened"], "{from:?} to {to:?}, died before step {step}");
        old.closed();
        if whole.is_some() {
            break;
        }
        step += 1;
    }
    assert!(step > 10, "{from:?} to {to:?} took {step} steps only");
    assert_eq!(copied, 0, "before the last step everything was there");
}

#[test]
fn a_move_that_died_before_any_of_its_steps_can_be_given_up_until_it_is_open() {
    at_once(dies_and_is_given_up);
}

fn dies_and_is_given_up(from: Lies, to: Lies) {
    let mut step = 0;
    let filled = Filled::new(from, 3);
    loop {
        let ((old, told), new) = (filled.again(), Spot::new(to));
        let died = die_before(step, &old, &new).is_none();
        let given_up = cancel(&old, &new);
        old.wait_until_left();
        new.wait_until_left();
        match &given_up {
            Ok(Cancelled::Reopened) => {
                assert_eq!(words(&old, told.head), ["Moved", "Reopened"]);
                assert_eq!(new.closed(), "a ledger is being moved to this place and is not open yet");
            }
            Ok(Cancelled::NeverClosed) | Err(MoveError::NotUnderWay { .. }) => {
                assert_eq!(words(&old, told.head), [] as [&str; 0]);
            }
            Err(MoveError::Opened(_)) => {
                assert_eq!(words_or_finished(&old, &new, told.head), ["Moved", "Opened"]);
                old.closed();
            }
            Err(other) => panic!("{from:?} to {to:?}, step {step}: {other:?}"),
        }
        if given_up.is_ok() {
            // Nobody goes on with it, and another place takes the ledger.
            old.wait_until_left();
            assert!(matches!(move_over(&old, &new), Err(MoveError::GivenUp(_))));
            old.wait_until_left();
            assert!(matches!(cancel(&old, &new), Ok(Cancelled::NeverClosed)), "again changes nothing");
            old.wait_until_left();
            move_over(&old, &Spot::new(to)).unwrap();
        }
        if !died {
            assert!(matches!(given_up, Err(MoveError::Opened(_))));
            break;
        }
        step += 1;
    }
}

/// What stands at the new place, once the move's last steps are taken.
fn words_or_finished(old: &Spot, new: &Spot, head: u64) -> Vec<String> {
    assert!(move_over(old, new).unwrap().before);
    new.wait_until_left();
    words(new, head)
}

#[cfg(feature = "postgres")]
#[test]
fn of_a_move_and_its_end_that_meet_at_any_step_one_wins_at_the_new_place() {
    // Locks and holds keep the two apart as long as they last: a server may take them from whoever is cut off.
    {
        let (from, to) = (super::Lies::Postgres, super::Lies::Postgres);
        let mut step = 0;
        let filled = Filled::new(from, 3);
        loop {
            let ((old, told), new) = (filled.again(), Spot::new(to));
            let (mut steps, mut given_up) = (0, None);
            let moved = super::with(
                &old,
                &new,
                &mut |_| {
                    if steps == step {
                        old.cut_off();
                        new.cut_off();
                        given_up = Some(std::thread::scope(|scope| scope.spawn(|| cancel(&old, &new)).join().unwrap()));
                        old.cut_off();
                        new.cut_off();
                    }
                    steps += 1;
                    std::ops::ControlFlow::Continue(())
                },
                |going| going.run(),
            );
            let Some(given_up) = given_up else { break };
            old.wait_until_left();
            new.wait_until_left();
            if moved.is_ok() {
                assert!(given_up.is_err(), "step {step}: {given_up:?} and yet {moved:?}");
                assert_eq!(words(&new, told.head), ["Moved", "Opened"], "step {step}: {given_up:?}");
                old.closed();
            } else {
                // Whoever was too late says so; the other one's word stands, and is finished by saying it again.
                let (again, then) = (cancel(&old, &new), format!("step {step}: {given_up:?}, {moved:?}"));
                old.wait_until_left();
                match again {
                    Ok(_) => {
                        let stands = words(&old, told.head);
                        assert!(stands.is_empty() || stands == ["Moved", "Reopened"], "{stands:?} {then}");
                        new.closed();
                    }
                    Err(MoveError::NotUnderWay { .. }) => assert!(words(&old, told.head).is_empty(), "{then}"),
                    Err(MoveError::Opened(_)) => {
                        assert_eq!(words_or_finished(&old, &new, told.head), ["Moved", "Opened"], "{then}");
                    }
                    Err(other) => panic!("{other:?} {then}"),
                }
            }
            step += 1;
        }
        assert!(step > 10, "{step} steps only");
    }
}
