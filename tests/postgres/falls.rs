//! Services that die and stand still under load, again and again: at any time, while
//! they hold the log's head, and while they are the one that sends.
//!
//! `LEDGER_NODE_ROUNDS=100` tells more rounds than the few of every run.

use crate::cluster::{Cluster, Database};
use crate::load::Load;
use crate::nodes::Nodes;
use crate::views;
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const ROUNDS: usize = 4;
const CALLERS: usize = 6;
/// Acknowledged between two falls.
const BETWEEN: usize = 15;
/// Callers get on within that, whatever falls.
const GETS_ON_WITHIN: Duration = Duration::from_secs(40);
/// Another one sends within that.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);
/// Somebody has the head, or the lease, within that.
const HELD_WITHIN: Duration = Duration::from_secs(20);
/// Less and more than a lease is waited for.
const STANDS_STILL: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];
/// The advisory lock that is a turn.
const TURN: u32 = 0x494c_6772 + 4;
/// More than the server lets a turn stand still.
const HOLDS_THE_HEAD: Duration = Duration::from_secs(3);
/// Mails that a service has under way at a time.
const SENT_AT_ONCE: usize = 16;
/// A mail of unknown outcome waits a minute.
const ALL_SENT_WITHIN: Duration = Duration::from_secs(150);

/// What happens to whom. The first ones are those of every run.
const FALLS: [(How, Whom); 7] = [
    (How::StandsStill, Whom::WhoSends),
    (How::Dies, Whom::WhoHasTheHead),
    (How::StandsStill, Whom::WhoHasTheTurn),
    (How::Dies, Whom::Anybody),
    (How::Dies, Whom::WhoSends),
    (How::StandsStill, Whom::WhoHasTheHead),
    (How::StandsStill, Whom::Anybody),
];

#[derive(Clone, Copy, Debug)]
enum How {
    Dies,
    StandsStill,
}

#[derive(Clone, Copy, Debug)]
enum Whom {
    Anybody,
    /// Its append is under way.
    WhoHasTheHead,
    /// It knows of its turn, and has not appended yet.
    WhoHasTheTurn,
    WhoSends,
}

/// What is told at the end.
#[derive(Default)]
struct Told {
    falls: BTreeMap<String, usize>,
    /// Longest times.
    taken_over: Duration,
    held_up: Duration,
}

struct Stage {
    database: Database,
    nodes: Nodes,
    load: Load,
    told: Told,
}

#[test]
fn nothing_acknowledged_is_lost_whichever_service_falls() {
    let rounds = std::env::var("LEDGER_NODE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let database = Cluster::shared().database();
    let nodes = Nodes::at((0..3).map(|number| url_of(&database, number)).collect(), &[]);
    let load = Load::new(&nodes);
    let mut stage = Stage { database, nodes, load, told: Told::default() };
    let load = stage.load.clone();
    std::thread::scope(|scope| {
        let calling = load.calling();
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| load.call())).collect();
        for round in 0..rounds {
            stage.get_on();
            stage.fall(round);
        }
        stage.get_on();
        drop(calling);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    let acknowledged = load.acknowledged();
    everybody_has_all_of_it(&stage.nodes, &acknowledged);
    mails_are_sent_or_seen_not_to_be(&stage, rounds > ROUNDS);
    views::of_all_equal_those_folded_anew(&mut stage.nodes);
    let Told { falls, taken_over, held_up } = stage.told;
    println!("{rounds} falls: {falls:?}, {} acknowledged", acknowledged.len());
    println!("longest: another one sent after {taken_over:?}, a held head was free after {held_up:?}");
}

/// Each has a role of its own, so that the server can tell whose a session is.
fn url_of(database: &Database, number: usize) -> String {
    let role = role_of(database, number);
    database.run(&format!("CREATE ROLE {role} LOGIN SUPERUSER"));
    database.url_as(&role)
}

fn role_of(database: &Database, number: usize) -> String {
    format!("{}_node_{number}", database.name)
}

impl Stage {
    /// Until callers were answered so often.
    fn get_on(&self) {
        let before = self.load.done();
        self.until(GETS_ON_WITHIN, "nothing is acknowledged any more", || {
            (self.load.done() >= before + BETWEEN).then_some(())
        });
    }

    #[track_caller]
    fn until<T>(&self, within: Duration, what: &str, is_so: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = is_so() {
                return found;
            }
            assert!(begun.elapsed() < within, "{what}: {}", self.nodes.worries());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn fall(&mut self, round: usize) {
        let (how, whom) = FALLS[round % FALLS.len()];
        let fallen = match whom {
            Whom::Anybody => {
                // No pattern that the other kinds of falls have, too.
                let fallen = round.wrapping_mul(2_654_435_761) >> 8 & 0xff;
                self.fell(fallen % self.nodes.programs.len(), how)
            }
            Whom::WhoHasTheHead => self.falls_with_the_head(how),
            Whom::WhoHasTheTurn => self.stands_still_in_its_turn(),
            Whom::WhoSends => self.falls_while_it_sends(how),
        };
        match how {
            How::Dies => {
                self.nodes.programs[fallen].ended();
                self.nodes.start_again(fallen);
                self.load.is_at(fallen, self.nodes.programs[fallen].address);
            }
            How::StandsStill => {
                if matches!(whom, Whom::Anybody) {
                    std::thread::sleep(STANDS_STILL[round / FALLS.len() % 2]);
                }
                assert!(self.nodes.programs[fallen].is_stopped(), "somebody else has let it go on");
                self.nodes.programs[fallen].signal("CONT");
            }
        }
        *self.told.falls.entry(format!("{how:?} {whom:?}")).or_default() += 1;
    }

    fn fell(&self, number: usize, how: How) -> usize {
        self.nodes.programs[number].signal(match how {
            How::Dies => "KILL",
            How::StandsStill => "STOP",
        });
        number
    }

    /// Somebody keeps all from appending: whoever waits for that has the head, and falls with it.
    fn falls_with_the_head(&mut self, how: How) -> usize {
        let mut holder = self.database.fall_silent("BEGIN; LOCK TABLE ledger.events IN SHARE MODE");
        let waiting = "SELECT usename FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO ledger.events%'";
        let number_of = |role: &str| (0..3).find(|number| role_of(&self.database, *number) == role);
        let fallen = self.until(HELD_WITHIN, "nobody has the head", || number_of(&self.database.run(waiting)));
        self.fell(fallen, how);
        let still = self.database.run(waiting);
        let (begun, before) = (Instant::now(), self.load.done());
        // The one who keeps them from it goes.
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert_eq!(number_of(&still), Some(fallen), "it fell while it had the head");
        self.until(HELD_WITHIN, "the head is never free again", || (self.load.done() > before).then_some(()));
        self.told.held_up = self.told.held_up.max(begun.elapsed());
        if matches!(how, How::StandsStill) {
            std::thread::sleep(HOLDS_THE_HEAD.saturating_sub(begun.elapsed()));
        }
        fallen
    }

    /// The others wait until the server ends its session.
    fn stands_still_in_its_turn(&mut self) -> usize {
        let has_turn = format!(
            "SELECT usename FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database() \
             AND state = 'idle' AND locktype = 'advisory' AND mode = 'ExclusiveLock' AND objid = {TURN} AND granted"
        );
        let who = || (0..3).find(|number| role_of(&self.database, *number) == self.database.run(&has_turn));
        // Stopped, and then looked at again: it may have gone on just before.
        let fallen = self.until(HELD_WITHIN, "nobody stands still in its turn", || {
            let fallen = self.fell(who()?, How::StandsStill);
            let has_it = who() == Some(fallen);
            if !has_it {
                self.nodes.programs[fallen].signal("CONT");
            }
            has_it.then_some(fallen)
        });
        let (begun, before) = (Instant::now(), self.load.done());
        self.until(HELD_WITHIN, "the turn is never free again", || (self.load.done() > before).then_some(()));
        self.told.held_up = self.told.held_up.max(begun.elapsed());
        std::thread::sleep(HOLDS_THE_HEAD.saturating_sub(begun.elapsed()));
        fallen
    }

    /// The one with the lease falls: another one sends what is asked for then.
    fn falls_while_it_sends(&mut self, how: How) -> usize {
        let sender = || {
            let (_, epoch) = lease(&self.database)?;
            let words = format!("lease=\"courier\" epoch={epoch}");
            let taken =
                |words_of: String| words_of.lines().any(|line| line.contains("was taken") && line.ends_with(&words));
            self.nodes.programs.iter().position(|program| taken(program.words()))
        };
        // Stopped, and then looked at again: it may have lost the lease just before.
        let fallen = self.until(HELD_WITHIN, "nobody sends", || {
            let fallen = self.fell(sender()?, How::StandsStill);
            let has_it = sender() == Some(fallen);
            if !has_it {
                self.nodes.programs[fallen].signal("CONT");
            }
            has_it.then_some(fallen)
        });
        let (begun, (_, epoch)) = (Instant::now(), lease(&self.database).unwrap());
        self.fell(fallen, how);
        let others = || (0..3).filter(|number| *number != fallen);
        let before: usize = others().map(|number| self.nodes.written_by(number)).sum();
        self.load.invite(&others().map(|number| self.nodes.programs[number].address).collect::<Vec<_>>());
        self.until(HELD_WITHIN, "nobody else sends", || {
            (others().map(|number| self.nodes.written_by(number)).sum::<usize>() > before).then_some(())
        });
        let taken_over = begun.elapsed();
        assert!(lease(&self.database).unwrap().1 > epoch);
        assert!(taken_over < TAKEN_OVER_WITHIN, "only after {taken_over:?}: {}", self.nodes.worries());
        println!("another one sends after {taken_over:?}");
        self.told.taken_over = self.told.taken_over.max(taken_over);
        fallen
    }
}

/// Who has the courier's lease, and for the how-manieth time somebody took it.
fn lease(database: &Database) -> Option<(String, u64)> {
    let sql = "SELECT convert_from(value, 'UTF8') FROM state.entries WHERE space = 'lease' AND key = 'courier'";
    let holder: Value = serde_json::from_str(&database.run(sql)).ok()?;
    Some((holder["node"].as_str()?.to_owned(), holder["epoch"].as_u64()?))
}

fn everybody_has_all_of_it(nodes: &Nodes, acknowledged: &BTreeMap<String, String>) {
    for client in nodes.everywhere() {
        let mut found: Vec<(String, String)> = vec![];
        for page in 1.. {
            let target = format!("/api/ledger/invitations?state=all&size=100&page={page}");
            let items = client.get(&target).expect(200).json()["items"].as_array().unwrap().clone();
            let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
            found.extend(items.iter().map(|item| (text(item, "email"), text(item, "id"))));
            if items.len() < 100 {
                break;
            }
        }
        let by_email: BTreeMap<String, String> = found.iter().cloned().collect();
        assert_eq!(by_email.len(), found.len(), "nobody is invited twice");
        assert_eq!(&by_email, acknowledged, "what is acknowledged is there, and nothing else");
        let doctor = client.get("/api/ledger/doctor").expect(200).text();
        assert!(!doctor.contains("\"wrong\""), "{doctor}");
    }
}

/// Each mail went out; or waits to be repeated, or is a dead letter, because nobody knows whether it did.
fn mails_are_sent_or_seen_not_to_be(stage: &Stage, all: bool) {
    let nodes = &stage.nodes;
    let count = |kind: &str| -> usize {
        let of = format!("aggregate_type = 'invitation' AND event_type = '{kind}'");
        stage.database.run(&format!("SELECT count(*) FROM ledger.events WHERE {of}")).parse().unwrap()
    };
    let seen = Cell::new((0, 0, 0, 0));
    let settled = || {
        let outbox = nodes.deployment().get("/api/ledger/status").expect(200).json()["outbox"].clone();
        let rows = |state: &str| usize::try_from(outbox[state].as_u64().unwrap()).unwrap();
        let (asked, sent, waiting, dead) = (count("Created"), count("EmailSent"), rows("queued"), rows("dead"));
        assert!(asked > 0 && sent <= asked, "{sent} of {asked}");
        seen.set((asked, sent, waiting, dead));
        (sent + waiting + dead == asked && !(all && waiting > 0)).then_some((sent, waiting, dead))
    };
    let begun = Instant::now();
    let (sent, waiting, dead) = loop {
        if let Some(settled) = settled() {
            break settled;
        }
        if begun.elapsed() >= ALL_SENT_WITHIN {
            let (asked, sent, waiting, dead) = seen.get();
            let without = stage.database.run(
                "SELECT aggregate_id, string_agg(event_type, ',' ORDER BY position) FROM ledger.events \
                 WHERE aggregate_type = 'invitation' GROUP BY 1 HAVING NOT bool_or(event_type = 'EmailSent')",
            );
            let counted = format!("{asked} asked for, {sent} sent, {waiting} wait, {dead} are dead");
            panic!("{counted}: {}\nnot sent:\n{without}", nodes.worries());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(count("EmailFailed"), dead, "each dead letter is told of in the log");
    let letters = nodes.letters();
    let mut copies = BTreeMap::<&str, usize>::new();
    for letter in &letters {
        *copies.entry(&letter.message_id).or_default() += 1;
    }
    let people: BTreeSet<&str> = letters.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(people.len(), copies.len(), "to each one mail");
    assert!(copies.len() >= sent, "what is told to be sent was written");
    assert!(copies.values().all(|count| *count <= 2), "two copies is the bound");
    let twice = copies.values().filter(|count| **count == 2).count();
    // Only what is under way when a tenure ends is of unknown outcome.
    let (_, tenures) = lease(&stage.database).unwrap();
    let bound = (usize::try_from(tenures).unwrap() - 1) * SENT_AT_ONCE;
    println!(
        "{sent} mails sent, {waiting} wait for their repetition, {dead} are dead letters; {twice} written twice, \
         where {tenures} tenures allow {bound}"
    );
    assert!(twice <= bound && dead <= bound, "{twice} written twice, {dead} dead");
}
