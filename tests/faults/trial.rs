//! Rounds of load, fall, restart and judgement over one data folder.

use crate::disk::Disk;
use crate::ledger::{Line, Read};
use crate::load::{self, Callers, Round};
use crate::server::{Program, Server};
use crate::wire::Request;
use crate::{mails, verdict, views};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use uuid::Uuid;

/// Begins a report of broken promises.
pub const LOST: &str = "promises were broken";
/// A round's load lasts that long, in milliseconds, drawn evenly.
const LOAD_MS: std::ops::Range<u64> = 120..700;
/// Every so many rounds the views are rebuilt and compared.
const REBUILD_EVERY: u32 = 25;
const TELL_EVERY: u32 = 10;
/// So many faults are printed of a round.
const SHOWN_FAULTS: usize = 8;

/// How the service falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    Kill,
    PowerCut,
}

pub struct Plan {
    pub fall: Fall,
    pub rounds: u32,
    pub seed: u64,
    pub binary: PathBuf,
    pub preload: Option<PathBuf>,
}

/// Where the time went.
#[derive(Default)]
struct Spent {
    load: Duration,
    restart: Duration,
    check: Duration,
    mails: Duration,
}

pub struct Trial {
    plan: Plan,
    program: Program,
    disk: Option<Disk>,
    rng: StdRng,
    read: Read,
    lines: Vec<Line>,
    acknowledged: usize,
    unknown: usize,
    /// Mails that fell twice under way: dead letters until somebody looks.
    given_up: u64,
    spent: Spent,
    /// Last, because it is deleted when it is dropped.
    _folder: TempDir,
}

impl Trial {
    pub fn new(plan: Plan) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = match plan.fall {
            Fall::Kill => None,
            Fall::PowerCut => Some(Disk::make(folder.path())?),
        };
        let place = disk.as_ref().map_or(folder.path(), |disk| &disk.mount);
        let mut program = Program::new(&plan.binary, place.join("data"), folder.path().join("words"));
        program.preload.clone_from(&plan.preload);
        let rng = StdRng::seed_from_u64(plan.seed);
        let (read, lines) = (Read::default(), vec![]);
        Ok(Self {
            plan,
            program,
            disk,
            rng,
            read,
            lines,
            acknowledged: 0,
            unknown: 0,
            given_up: 0,
            spent: Spent::default(),
            _folder: folder,
        })
    }

    pub fn run(mut self) -> Result<String, String> {
        let begun = Instant::now();
        let mut server = self.program.start()?;
        let callers = Callers::make(&server)?;
        if self.plan.preload.is_some() {
            settle_on_disk()?;
        }
        self.lines = self.read.on(&server)?;
        for round in 1..=self.plan.rounds {
            server = self.round(server, &callers, round).map_err(|why| format!("round {round}: {why}"))?;
            if round % TELL_EVERY == 0 {
                println!("  round {round}: {}, {} s", self.so_far(), begun.elapsed().as_secs());
            }
        }
        self.end(&server)?;
        let Self { plan, given_up, .. } = &self;
        let told = self.so_far();
        Ok(format!("{} falls, {told}; {given_up} mails sent by hand, {} s", plan.rounds, begun.elapsed().as_secs()))
    }

    fn so_far(&self) -> String {
        let Self { acknowledged, unknown, read, .. } = self;
        let Spent { load, restart, check, mails } = &self.spent;
        format!(
            "{acknowledged} writes acknowledged, {unknown} in flight, {} events; load {:.0?}, restart {:.0?}, \
             checks {:.0?}, mails {:.0?}",
            read.position, load, restart, check, mails
        )
    }

    fn round(&mut self, server: Server, callers: &Callers, round: u32) -> Result<Server, String> {
        let length = Duration::from_millis(self.rng.gen_range(LOAD_MS));
        let seed = self.rng.r#gen();
        let asked = Round { number: round, seed };
        let begun = Instant::now();
        let mut journal = load::run(&server, callers, asked, |dark| {
            sleep(length);
            if let Some(disk) = &self.disk {
                dark.store(true, SeqCst);
                disk.cut()?;
            }
            server.kill();
            Ok(())
        })?;
        drop(server);
        self.spent.load += begun.elapsed();
        self.acknowledged += journal.acknowledged();
        self.unknown += journal.unknown();
        if let Some(disk) = &mut self.disk {
            disk.unmount()?;
            disk.mount()?;
        }
        if round.is_multiple_of(REBUILD_EVERY) {
            views::rebuilt_equal_live(&self.program.data)?;
        }
        let lost = |why: String| format!("{LOST}: {why}");
        let begun = Instant::now();
        let server = self.program.start().map_err(lost)?;
        self.spent.restart += begun.elapsed();
        let begun = Instant::now();
        let settled = verdict::settle(&server, callers, &mut journal);
        let lines = self.read.on(&server).map_err(lost)?;
        let mut faults = verdict::faults(&lines, &journal, callers);
        faults.extend(settled.err());
        faults.extend(mails::faults(&lines, &self.program.data.join("outbox"))?);
        faults.extend(totals(&server, callers, &lines).err());
        self.spent.check += begun.elapsed();
        if faults.is_empty() {
            self.lines.extend(lines);
            return Ok(server);
        }
        let shown = faults.iter().take(SHOWN_FAULTS).map(|fault| format!("\n    {fault}")).collect::<String>();
        Err(lost(format!("{} faults{shown}", faults.len())))
    }

    /// When nothing falls any more, mails and views are complete.
    fn end(&mut self, server: &Server) -> Result<(), String> {
        let begun = Instant::now();
        self.given_up = mails::drain(server)?;
        if self.given_up > 0 {
            mails::send_dead_again(server)?;
            let still = mails::drain(server)?;
            if still > 0 {
                return Err(format!("{still} mails are given up again"));
            }
        }
        self.spent.mails = begun.elapsed();
        let lines = self.read.on(server)?;
        self.lines.extend(lines);
        let faults = mails::faults_at_the_end(&self.lines, &self.program.data.join("outbox"))?;
        if let Some(first) = faults.first() {
            return Err(format!("{LOST}: {} faults of mails, the first: {first}", faults.len()));
        }
        server.kill();
        views::rebuilt_equal_live(&self.program.data)
    }
}

/// What the lists count against what the log says, for the places of this round.
fn totals(server: &Server, callers: &Callers, lines: &[Line]) -> Result<(), String> {
    let places: BTreeSet<Uuid> =
        lines.iter().filter(|line| line.is("organization", "Created")).map(Line::aggregate).collect();
    for place in places {
        let target = format!("/api/v2/organizations/{place}/invites?filter%5Bstate%5D=all&per_page=1");
        let request = Request::new("GET", &target).bearer(&callers.application);
        let answer = server.ask(&request)?;
        let listed = answer.json()["meta"]["pagination"]["total_count"].as_u64();
        let created =
            lines.iter().filter(|line| line.is("invitation", "Created") && line.uuid("target") == Some(place));
        let created = u64::try_from(created.count()).unwrap_or(u64::MAX);
        if listed != Some(created) {
            return Err(format!("{place} lists {listed:?} invites, the log has {created}: {}", answer.text()));
        }
    }
    Ok(())
}

/// The sabotage must lose what the load writes, not what the load rests on.
fn settle_on_disk() -> Result<(), String> {
    let status = Command::new("sync").status().map_err(|error| format!("sync cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("sync: {status}")) }
}
