//! The service loses its footing: killed, or its disk's power cut, at random
//! instants under load; and what it had promised is looked for afterwards.
//!
//! ```text
//! cargo test --test faults -- crash [--rounds 100] [--seed N]
//! cargo test --test faults -- power [--cuts 50] [--seed N]
//! ```
//!
//! The seed is printed; the load it draws is the same again, the instants of
//! the falls nearly so. Ends with `N passed, N failed, N skipped`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that tells how it goes")]

mod disk;
mod journal;
mod ledger;
mod load;
mod mails;
mod server;
mod trial;
mod verdict;
mod views;
#[path = "../support/wire.rs"]
#[allow(dead_code, reason = "the other tests need all of it")]
mod wire;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use trial::{Fall, Plan, Trial};

const ROUNDS: u32 = 100;
const CUTS: u32 = 50;
/// A service that only says that it synced is found out within so many cuts.
const SABOTAGED_CUTS: u32 = 10;

/// What came of one test.
enum Ended {
    Passed(String),
    Failed(String),
    Skipped(String),
}

struct Arguments {
    mode: String,
    rounds: Option<u32>,
    seed: u64,
    binary: PathBuf,
}

fn arguments() -> Result<Arguments, String> {
    let mut given = std::env::args().skip(1);
    let mode = given.next().unwrap_or_default();
    if !matches!(mode.as_str(), "crash" | "power") {
        return Err("say `crash` or `power`, then --rounds N, --cuts N, --seed N, --binary FILE as you like".to_owned());
    }
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_invitation-ledger"));
    let mut arguments = Arguments { mode, rounds: None, seed: rand::random(), binary };
    while let Some(flag) = given.next() {
        let value = given.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{flag}: {value} is no number"));
        match flag.as_str() {
            "--rounds" | "--cuts" => arguments.rounds = Some(u32::try_from(number()?).map_err(|e| e.to_string())?),
            "--seed" => arguments.seed = number()?,
            "--binary" => arguments.binary = PathBuf::from(value),
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}", arguments.seed);
    let ended = if arguments.mode == "crash" { vec![crash(&arguments)] } else { power(&arguments) };
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, ended) in ended {
        match ended {
            Ended::Passed(how) => {
                passed += 1;
                println!("PASS {name}: {how}");
            }
            Ended::Failed(why) => {
                failed += 1;
                println!("FAIL {name} (seed {}): {why}", arguments.seed);
            }
            Ended::Skipped(why) => {
                skipped += 1;
                println!("SKIP {name}: {why}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn crash(arguments: &Arguments) -> (&'static str, Ended) {
    let rounds = arguments.rounds.unwrap_or(ROUNDS);
    let plan = Plan { fall: Fall::Kill, rounds, seed: arguments.seed, binary: arguments.binary.clone(), preload: None };
    ("what is acknowledged survives kill -9", told(Trial::new(plan).and_then(Trial::run)))
}

fn told(result: Result<String, String>) -> Ended {
    match result {
        Ok(how) => Ended::Passed(how),
        Err(why) => Ended::Failed(why),
    }
}

fn power(arguments: &Arguments) -> Vec<(&'static str, Ended)> {
    const HONEST: &str = "what is acknowledged survives a power cut";
    const SABOTAGED: &str = "a service that does not sync is found out";
    if let Err(why) = disk_is_possible() {
        return vec![(HONEST, Ended::Skipped(why.clone())), (SABOTAGED, Ended::Skipped(why))];
    }
    let cuts = arguments.rounds.unwrap_or(CUTS);
    let plan = |rounds, preload| Plan {
        fall: Fall::PowerCut,
        rounds,
        seed: arguments.seed,
        binary: arguments.binary.clone(),
        preload,
    };
    let honest = told(Trial::new(plan(cuts, None)).and_then(Trial::run));
    let sabotaged = match nosync() {
        Err(why) => Ended::Failed(why),
        Ok(library) => match Trial::new(plan(SABOTAGED_CUTS, Some(library))) {
            Err(why) => Ended::Failed(why),
            Ok(trial) => match trial.run() {
                Ok(how) => Ended::Failed(format!("nothing was missed: {how}")),
                Err(why) if why.contains(trial::LOST) => Ended::Passed(format!("found: {}", first_line(&why))),
                Err(why) => Ended::Failed(format!("it fell in another way: {why}")),
            },
        },
    };
    vec![(HONEST, honest), (SABOTAGED, sabotaged)]
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Makes, mounts and drops a disk.
fn disk_is_possible() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    disk::Disk::make(folder.path()).map(drop).map_err(|why| format!("no XFS can be mounted here: {why}"))
}

/// Builds the sabotage.
fn nosync() -> Result<PathBuf, String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/nosync.c");
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nosync.so");
    let output = Command::new("gcc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
    let output = output.map_err(|error| format!("gcc cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(library);
    }
    Err(format!("{source} does not build: {}", String::from_utf8_lossy(&output.stderr)))
}
