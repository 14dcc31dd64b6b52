//! The views' copy (`--views`): what those who analyse find in their database.

use crate::cluster::{Cluster, Database};
use crate::nodes::Nodes;
use crate::support::program::Program;
use crate::support::service::{invite, organization, run};
use crate::support::{Client, Letter, PASSWORD};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Another service goes on within that, whatever became of the one before.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);

fn head(client: &Client) -> u64 {
    client.get("/api/ledger/status").expect(200).json()["head"].as_u64().unwrap()
}

fn is_even(program: &Program, database: &Database) {
    program.comes_to("the copy is at the head", || {
        let copied = database.run("SELECT coalesce((SELECT position FROM views.progress), 0)");
        copied == head(&program.deployment()).to_string()
    });
}

fn metric(program: &Program, name: &str) -> Option<String> {
    let page = program.deployment().get("/metrics").expect(200).text();
    let line = page.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.rsplit_once(' ').map(|(_, value)| value.to_owned())
}

#[test]
fn those_who_analyse_find_what_happened_in_a_database_beside_a_service_with_a_folder() {
    find_what_happened(&Cluster::shared().database());
}

#[test]
fn those_who_analyse_find_what_happened_through_a_pooler_too() {
    find_what_happened(&Cluster::pooled().database());
}

fn find_what_happened(database: &Database) {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &["--views", &database.url()]);
    let acme = organization(&program);
    for guest in ["ada", "bob", "cid"] {
        invite(&program, &acme, &format!("{guest}@guests.example")).expect(201);
    }
    let listed = program.deployment().get("/api/ledger/invitations?size=100").expect(200).json();
    let bob = listed["items"].as_array().unwrap().iter().find(|item| item["email"] == "bob@guests.example").unwrap();
    let bob = bob["id"].as_str().unwrap();
    program.deployment().post(&format!("/api/ledger/invitations/{bob}/cancel"), &json!({})).expect(200);
    let outbox = program.data.join("outbox");
    program.comes_to("all have their mail", || Letter::read_all(&outbox).len() >= 2);
    program.comes_to("Ada has hers", || Letter::read_all(&outbox).iter().any(|letter| letter.to.starts_with("ada")));
    let ada = Letter::read_all(&outbox).into_iter().find(|letter| letter.to.starts_with("ada")).unwrap();
    let (link, code) = ada.link();
    let registering = json!({"code": code, "name": "Ada Guest", "password": PASSWORD});
    Client::new(program.address, None).post(&format!("{link}/register"), &registering).expect(200);
    let record = json!({"email": "eve@acme.example", "first_name": "Eve", "skills": ["roofs", "gutters"]});
    let eve = program.deployment().post("/api/ledger/employees", &record).expect(201).json()["id"].clone();
    let changed = json!({"phone": "+1 555 0100", "date_off_boarded": "2025-02-03"});
    program.deployment().patch(&format!("/api/ledger/employees/{eve}"), &changed).expect(200);

    // Cancelled before its mail went out, or after.
    let invitations =
        "SELECT string_agg(email || ' ' || state || ' ' || role, ', ' ORDER BY email) FROM views.invitations";
    program.comes_to("what happened is there", || {
        database.run(invitations)
            == "ada@guests.example accepted admin, bob@guests.example cancelled admin, \
                cid@guests.example pending admin"
    });
    let employees = "SELECT number, email, first_name, skills, phone, date_off_boarded, active FROM views.employees";
    let gone = format!("{eve}|eve@acme.example|Eve|{{roofs,gutters}}|+1 555 0100|2025-02-03|f");
    program.comes_to("whose day has come is no longer active", || database.run(employees) == gone);
    let joined = "SELECT o.name, u.email, u.name, m.role FROM views.members m JOIN views.users u ON u.id = m.user_id \
                  JOIN views.organizations o ON o.id = m.place_id";
    assert_eq!(database.run(joined), "Acme Roofing|ada@guests.example|Ada Guest|admin");
    let by_day = "SELECT count(*) FILTER (WHERE state = 'accepted'), count(*) FROM views.invitations \
                  WHERE created_at > now() - interval '1 day' AND invited_by = 'deployment'";
    assert_eq!(database.run(by_day), "1|3");
    assert_eq!(database.run("SELECT tenant, valid_days FROM views.tenants"), "default|7");

    // A role that may read, and nothing else.
    database.run(
        "CREATE ROLE analyst LOGIN; GRANT USAGE ON SCHEMA views TO analyst; \
         GRANT SELECT ON ALL TABLES IN SCHEMA views TO analyst",
    );
    assert_eq!(database.run("SET ROLE analyst; SELECT count(*) FROM views.invitations"), "3");
    assert!(database.refusal("SET ROLE analyst; DELETE FROM views.invitations").contains("permission denied"));

    is_told_of(&program, database);
    is_made_anew_when_the_views_are_rebuilt(program, database);
}

fn is_told_of(program: &Program, database: &Database) {
    is_even(program, database);
    program
        .comes_to("the lag is told", || metric(program, "invitation_ledger_copy_lag_events").as_deref() == Some("0"));
    assert_eq!(metric(program, "invitation_ledger_copy_position"), Some(head(&program.deployment()).to_string()));
    assert_eq!(metric(program, "invitation_ledger_server_answers{of=\"views\"}").as_deref(), Some("1"));
    let (code, words) = run(&["doctor"], &program.data);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("the views' copy in PostgreSQL 1") && words.contains("is 0 events behind"), "{words}");
}

fn is_made_anew_when_the_views_are_rebuilt(mut program: Program, database: &Database) {
    let mark = || database.run("UPDATE views.invitations SET message = 'a mark'");
    let marks = || database.run("SELECT count(message) FROM views.invitations");
    mark();
    let (code, words) = run(&["rebuild"], &program.data);
    assert_eq!(code, Some(0), "{words}");
    program.comes_to("it is made anew", || marks() == "0");
    // By a command while nothing is served: the next service does it.
    mark();
    program.ask_to_end();
    assert_eq!(program.ended().code(), Some(0));
    let (code, words) = run(&["rebuild"], &program.data);
    assert_eq!((code, marks().as_str()), (Some(0), "3"), "{words}");
    let folder = program.data.parent().unwrap().to_owned();
    let program = Program::start(&folder, &["--views", &database.url()]);
    program.comes_to("it is made anew", || marks() == "0");
}

#[test]
fn while_the_copys_database_is_away_everything_is_answered_and_afterwards_nothing_is_missing() {
    let database = Cluster::own().database();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &["--views", &database.url()]);
    let acme = organization(&program);
    let (over, invited) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            while !over.load(SeqCst) {
                let guest = format!("guest-{}@guests.example", invited.load(SeqCst));
                invite(&program, &acme, &guest).expect(201);
                invited.fetch_add(1, SeqCst);
            }
        });
        for round in 0..2 {
            let before = invited.load(SeqCst);
            program.comes_to("it is under way", || invited.load(SeqCst) > before + 20);
            database.cluster.stop();
            program.comes_to("it is told, and the service is ready", || {
                let ready = program.deployment().get("/readyz").expect(200).json();
                let remarks = ready["remarks"].as_array().unwrap();
                ready["reasons"] == json!([])
                    && remarks.iter().any(|remark| remark.as_str().unwrap().starts_with("the views' copy stands still"))
            });
            assert_eq!(metric(&program, "invitation_ledger_server_answers{of=\"views\"}").as_deref(), Some("0"));
            let (code, words) = run(&["doctor"], &program.data);
            assert_eq!(code, Some(0), "{words}");
            assert!(words.contains("the views' copy stands still"), "{words}");
            let before = invited.load(SeqCst);
            program.comes_to("it goes on", || invited.load(SeqCst) > before + 20);
            database.cluster.start_again("");
            program.comes_to("nothing is to be told", || {
                program.deployment().get("/readyz").expect(200).json()["remarks"] == json!([])
            });
            let warned = program.words().lines().filter(|line| line.contains("stands still; trying again")).count();
            assert_eq!(warned, round + 1, "once each time: {}", program.words());
        }
        over.store(true, SeqCst);
        calling.join().unwrap();
    });
    is_even(&program, &database);
    let all = invited.load(SeqCst).to_string();
    assert_eq!(database.run("SELECT count(*) FROM views.invitations"), all);
    assert_eq!(database.run("SELECT count(DISTINCT email) FROM views.invitations"), all);
}

#[test]
fn a_start_is_refused_for_what_stays_wrong_and_not_for_a_server_that_is_away() {
    let database = Cluster::shared().database();
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = Program::start(one.path(), &["--views", &database.url()]);
    is_even(&program, &database);
    let serve = |views: &str| {
        let arguments = ["serve", "--mail", "none", "--listen", "127.0.0.1:0", "--views", views];
        run(&arguments, &other.path().join("data"))
    };
    for (views, told) in [
        (database.url(), "the views' copy cannot be opened"),
        (database.url(), "they belong to the ledger"),
        (database.url_as("nobody"), "role \"nobody\" does not exist"),
        ("esdb://localhost:2113".to_owned(), "must be data or postgres://"),
    ] {
        let (code, words) = serve(&views);
        assert_ne!(code, Some(0), "{words}");
        assert!(words.contains(told), "{words}");
    }
    let away = Program::start(other.path(), &["--views", "postgres://nobody@localhost/nothing?host=/nowhere"]);
    let ready = away.deployment().get("/readyz").expect(200).json();
    assert!(ready["remarks"][0].as_str().unwrap().starts_with("the views' copy stands still"), "{ready}");
    organization(&away);
}

/// Which of the services writes the copy.
fn writer(nodes: &Nodes, database: &Database) -> Option<usize> {
    let told = database.run("SELECT written_by FROM views.progress");
    nodes.programs.iter().position(|program| told.ends_with(&format!(" process {}", program.pid())))
}

/// Invites somebody at one service, and waits until the copy has it; who wrote it then, and how long it took.
fn is_copied(
    nodes: &Nodes,
    (at, acme): (usize, &Value),
    database: &Database,
    guest: &str,
) -> (Option<usize>, Duration) {
    let begun = Instant::now();
    invite(&nodes.programs[at], acme, guest).expect(201);
    let there = format!("SELECT count(*) FROM views.invitations WHERE email = '{guest}'");
    nodes.programs[at].comes_to("the copy has it", || database.run(&there) == "1");
    (writer(nodes, database), begun.elapsed())
}

#[test]
fn of_several_services_one_copies_and_when_it_dies_or_stands_still_another_does() {
    let (log, database) = (Cluster::shared().database(), Cluster::shared().database());
    let nodes = Nodes::at(vec![log.url(); 2], &["--views", &database.url()]);
    let acme = organization(&nodes.programs[0]);
    let epoch = || database.run("SELECT epoch FROM views.progress");
    let (first, _) = is_copied(&nodes, (0, &acme), &database, "one@guests.example");
    let first = first.expect("one of them writes");
    let second = 1 - first;

    // It stands still: the other one goes on, and what it wakes up with changes nothing.
    nodes.programs[first].stand_still();
    let (by, took) = is_copied(&nodes, (second, &acme), &database, "two@guests.example");
    assert_eq!(by, Some(second));
    assert!(took < TAKEN_OVER_WITHIN, "only after {took:?}");
    println!("another one copies {took:?} after the writer was stopped");
    let taken = epoch();
    nodes.programs[first].signal("CONT");
    nodes.programs[first].comes_to("it hears that it is not the one", || {
        let words = nodes.programs[first].words();
        words.lines().any(|line| line.contains("lease=\"views\"") && line.contains("was taken by another node"))
    });
    let (by, _) = is_copied(&nodes, (first, &acme), &database, "three@guests.example");
    assert_eq!((by, epoch()), (Some(second), taken), "{}", nodes.worries());

    // It dies.
    nodes.programs[second].signal("KILL");
    let (by, took) = is_copied(&nodes, (first, &acme), &database, "four@guests.example");
    assert_eq!(by, Some(first));
    assert!(took < TAKEN_OVER_WITHIN, "only after {took:?}");
    println!("another one copies {took:?} after the writer was killed");
    is_even(&nodes.programs[first], &database);
    let all = "SELECT string_agg(split_part(email, '@', 1), ' ' ORDER BY position) FROM views.invitations";
    assert_eq!(database.run(all), "one two three four");
}
