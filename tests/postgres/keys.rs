//! `Idempotency-Key` at several services: whichever is asked, a key has one body.

use crate::cluster::{Cluster, Database};
use crate::nodes::Nodes;
use crate::support::keyed::{Keyed, are_refused, are_the_same, is_refused};
use crate::support::program::Program;
use crate::support::service::{invited, run};
use std::collections::BTreeSet;

fn created(database: &Database) -> String {
    database.run("SELECT count(*) FROM ledger.events WHERE event_type = 'Created'")
}

#[test]
fn another_body_is_refused_at_every_service_and_the_same_one_gets_the_same_answer() {
    let database = Cluster::shared().database();
    let mut nodes = Nodes::at(vec![database.url(); 2], &["--mail", "none"]);
    let keyed = Keyed::at(&nodes.programs[0]);
    let first = keyed.ask(&nodes.programs[0], "k", "ada@guests.example");
    assert_eq!(first.each_ref().map(|answer| answer.status), [201, 200, 200], "{first:?}");
    let before = created(&database);
    for service in &nodes.programs {
        are_refused(&keyed.ask(service, "k", "bob@guests.example"));
        are_the_same(&keyed.ask(service, "k", "ada@guests.example"), &first);
    }
    // A refusal is an answer, too.
    let refused = keyed.jsonapi(&nodes.programs[0], "again", "ada@guests.example");
    assert_eq!(refused.status, 409);
    is_refused(&keyed.jsonapi(&nodes.programs[1], "again", "bob@guests.example"));
    assert_eq!(keyed.jsonapi(&nodes.programs[1], "again", "ada@guests.example").text(), refused.text());

    // What can be made anew does not hold it.
    nodes.programs[0].ask_to_end();
    nodes.programs[0].ended();
    std::fs::remove_file(nodes.programs[0].data.join("index.db")).unwrap();
    nodes.start_again(0);
    are_refused(&keyed.ask(&nodes.programs[0], "k", "bob@guests.example"));
    are_the_same(&keyed.ask(&nodes.programs[0], "k", "ada@guests.example"), &first);
    assert_eq!(created(&database), before, "nothing was done twice");
    let kept = "SELECT count(*) FROM state.entries WHERE space = 'body'";
    assert_eq!(database.run(kept), "4", "the courier's and the keyless ones keep none");
}

#[test]
fn of_two_bodies_that_come_at_once_to_two_services_one_is_carried_out() {
    let database = Cluster::shared().database();
    let nodes = Nodes::at(vec![database.url(); 2], &["--mail", "none"]);
    let keyed = Keyed::at(&nodes.programs[0]);
    let mut expected = BTreeSet::new();
    for round in 0..10 {
        let (key, ask) = (format!("k-{round}"), |number: usize| format!("guest-{round}-{number}@guests.example"));
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asking = |number| {
                let (service, keyed, key) = (&nodes.programs[number], &keyed, key.as_str());
                scope.spawn(move || keyed.jsonapi(service, key, &ask(number)))
            };
            [asking(0), asking(1)].into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let carried_out = answers.iter().position(|answer| answer.status == 201).unwrap();
        is_refused(&answers[1 - carried_out]);
        expected.insert(ask(carried_out));
    }
    for service in &nodes.programs {
        assert_eq!(invited(service), expected);
    }
}

/// It had written down the body, and not yet anything else.
#[test]
fn a_key_whose_service_died_before_it_wrote_is_free_for_the_same_body_alone() {
    let database = Cluster::shared().database();
    let mut nodes = Nodes::at(vec![database.url(); 2], &["--mail", "none"]);
    let keyed = Keyed::at(&nodes.programs[0]);
    let mut holder = database.fall_silent("BEGIN; LOCK TABLE ledger.events IN SHARE MODE");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO ledger.events%'";
    let held = "SELECT count(*) FROM pg_locks JOIN pg_class ON relation = pg_class.oid \
                WHERE relname = 'events' AND mode = 'ShareLock' AND granted";
    nodes.programs[0].comes_to("nobody can append", || database.run(held) == "1");
    let died = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            std::panic::catch_unwind(|| keyed.jsonapi(&nodes.programs[0], "k", "ada@guests.example")).is_err()
        });
        nodes.programs[0].comes_to("it is about to write", || database.run(waiting) == "1");
        nodes.programs[0].signal("KILL");
        asked.join().unwrap()
    });
    assert!(died, "nobody was answered");
    nodes.programs[0].ended();
    holder.kill().unwrap();
    holder.wait().unwrap();
    is_refused(&keyed.jsonapi(&nodes.programs[1], "k", "bob@guests.example"));
    let made = keyed.jsonapi(&nodes.programs[1], "k", "ada@guests.example");
    assert_eq!(made.status, 201, "{}", made.text());
    nodes.start_again(0);
    assert_eq!(keyed.jsonapi(&nodes.programs[0], "k", "ada@guests.example").text(), made.text());
    assert_eq!(invited(&nodes.programs[0]), BTreeSet::from(["ada@guests.example".to_owned()]));
}

/// It has neither the index nor the second service any more, but what both wrote down.
#[test]
fn in_the_folder_that_the_ledger_moved_to_keys_count_as_before() {
    let (database, folder, node) =
        (Cluster::shared().database(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut service = Program::start(node.path(), &["--store", &database.url(), "--mail", "none"]);
    let keyed = Keyed::at(&service);
    let first = keyed.ask(&service, "k", "ada@guests.example");
    service.ask_to_end();
    service.ended();
    let data = folder.path().join("data");
    let (code, words) = run(&["move", "--from", &database.url(), "--to", data.to_str().unwrap()], &service.data);
    assert_eq!(code, Some(0), "{words}");
    let home = Program::start(folder.path(), &["--mail", "none"]);
    are_refused(&keyed.ask(&home, "k", "bob@guests.example"));
    are_the_same(&keyed.ask(&home, "k", "ada@guests.example"), &first);
}
