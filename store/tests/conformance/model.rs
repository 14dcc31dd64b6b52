//! Random units against a plain model: the same answers, the same log.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use store::{Append, SubmitError, Unit};

use crate::bench::{Bench, Kind, TENANT, claim, command, event, stream};

const STREAMS: u8 = 5;
const NAMES: [&str; 3] = ["ada", "bob", "eve"];

#[derive(Clone, Debug)]
struct Step {
    /// Stream, how far off the expected version is, and its events' moves.
    appends: BTreeMap<u8, (i8, Vec<Move>)>,
    /// Stream, and how far off the guard is.
    guard: Option<(u8, i8)>,
    command: Option<u8>,
    reopen: bool,
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Nothing,
    Take(usize),
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let off = prop_oneof![8 => Just(0_i8), 1 => Just(1), 1 => Just(-1)];
    let moves =
        prop_oneof![3 => Just(Move::Nothing), 2 => (0..NAMES.len()).prop_map(Move::Take), 1 => Just(Move::Release)];
    let append = (off.clone(), prop::collection::vec(moves, 1..3));
    let step = (
        prop::collection::btree_map(0..STREAMS, append, 0..3),
        prop::option::of((0..STREAMS, off)),
        prop::option::weighted(0.3, 0_u8..6),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(appends, guard, command, reopen)| Step { appends, guard, command, reopen });
    prop::collection::vec(step, 1..40)
}

#[derive(Default)]
struct Model {
    versions: BTreeMap<u8, u64>,
    holders: BTreeMap<&'static str, u8>,
    commands: BTreeMap<u8, (u64, u64)>,
    /// Stream and version by position.
    log: Vec<(u8, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Landed(u64, u64),
    Repeated(u64, u64),
    Conflict,
    Claimed,
}

impl Model {
    fn version(&self, stream: u8) -> u64 {
        self.versions.get(&stream).copied().unwrap_or(0)
    }

    fn answer(&mut self, step: &Step) -> Answer {
        if let Some((first, last)) = step.command.and_then(|command| self.commands.get(&command)) {
            return Answer::Repeated(*first, *last);
        }
        let off = |stream: u8, by: i8| {
            by != 0 && self.version(stream).saturating_add_signed(by.into()) != self.version(stream)
        };
        if step.guard.is_some_and(|(stream, by)| off(stream, by))
            || step.appends.iter().any(|(s, (by, _))| off(*s, *by))
        {
            return Answer::Conflict;
        }
        let mut holders = self.holders.clone();
        for (stream, (_, moves)) in &step.appends {
            for change in moves {
                match change {
                    Move::Nothing => {}
                    Move::Take(name) => {
                        if *holders.entry(NAMES[*name]).or_insert(*stream) != *stream {
                            return Answer::Claimed;
                        }
                    }
                    Move::Release => holders.retain(|_, holder| holder != stream),
                }
            }
        }
        self.holders = holders;
        let first = self.log.len() as u64 + 1;
        for (stream, (_, moves)) in &step.appends {
            for _ in moves {
                let version = self.version(*stream) + 1;
                self.versions.insert(*stream, version);
                self.log.push((*stream, version));
            }
        }
        let last = self.log.len() as u64;
        if step.appends.is_empty() {
            return Answer::Landed(last, last);
        }
        if let Some(command) = step.command {
            self.commands.insert(command, (first, last));
        }
        Answer::Landed(first, last)
    }

    fn unit(&self, step: &Step) -> Unit {
        let at = |stream: u8, by: i8| self.version(stream).saturating_add_signed(by.into());
        let payload = |change: &Move| match change {
            Move::Nothing => json!({}),
            Move::Take(name) => json!({"take": [format!("address {}", NAMES[*name])]}),
            Move::Release => json!({"release": ["address"]}),
        };
        Unit {
            tenant: TENANT.into(),
            command_id: step.command.map(command),
            guards: step.guard.iter().map(|(s, by)| (stream((*s).into()), at(*s, *by))).collect(),
            appends: step
                .appends
                .iter()
                .map(|(s, (by, moves))| Append {
                    stream: stream((*s).into()),
                    expected: at(*s, *by),
                    events: moves.iter().map(|change| event(payload(change))).collect(),
                })
                .collect(),
            ..Unit::default()
        }
    }
}

async fn follow(kind: Kind, steps: Vec<Step>) {
    let (mut bench, mut model) = (Bench::new(kind), Model::default());
    for step in &steps {
        if step.reopen && kind != Kind::Memory {
            let closed = bench.close().await;
            if step.command.is_some() {
                // Now and then the index is lost as well.
                std::fs::remove_file(closed.folder.path().join("index.db")).unwrap();
            }
            bench = closed.open();
        }
        let unit = model.unit(step);
        let wanted = model.answer(step);
        let got = match bench.submit(unit).await {
            Ok(receipt) if receipt.repeated => Answer::Repeated(receipt.first, receipt.last),
            Ok(receipt) => Answer::Landed(receipt.first, receipt.last),
            Err(SubmitError::Conflict { .. }) => Answer::Conflict,
            Err(SubmitError::Claimed { .. }) => Answer::Claimed,
            Err(other) => panic!("{step:?}: {other:?}"),
        };
        assert_eq!(got, wanted, "{step:?}");
    }
    let log: Vec<_> = bench.ledger.read_log(0, 1_000).unwrap().iter().map(|e| (e.stream.clone(), e.version)).collect();
    let wanted: Vec<_> = model.log.iter().map(|(s, version)| (stream((*s).into()), *version)).collect();
    assert_eq!(log, wanted);
    for name in NAMES {
        let wanted = model.holders.get(name).map(|s| stream((*s).into()));
        assert_eq!(bench.ledger.claim_holder(&claim("address", name)).unwrap(), wanted, "{name}");
    }
    let streams: BTreeSet<u8> = (0..STREAMS).collect();
    for s in streams {
        let versions: Vec<u64> =
            bench.ledger.read_stream(&stream(s.into()), 0, None).unwrap().iter().map(|e| e.version).collect();
        assert_eq!(versions, (1..=model.version(s)).collect::<Vec<_>>());
    }
    bench.ledger.examine(&mut |_| {}).unwrap();
}

fn run(kind: Kind, steps: Vec<Step>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
        .block_on(follow(kind, steps));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_answers_like_the_model(steps in steps()) {
        run(Kind::Memory, steps);
    }

    #[test]
    fn sqlite_answers_like_the_model(steps in steps()) {
        run(Kind::Sqlite, steps);
    }
}

#[cfg(feature = "postgres")]
proptest! {
    // Each case makes a database.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgres_answers_like_the_model(steps in steps()) {
        run(Kind::Postgres, steps);
    }
}

#[cfg(feature = "eventstore")]
proptest! {
    // Each case is a few hundred questions to the server.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn eventstore_answers_like_the_model(steps in steps()) {
        run(Kind::EventStore, steps);
    }
}
