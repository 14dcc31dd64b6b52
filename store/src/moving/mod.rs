//! Moving a ledger: log, state and keys go from one place to another, whatever either lies in.
//!
//! Promise: at every moment one place at most can be served, and it holds all that was
//! acknowledged. The log is copied while the old place is in use; `Moved` closes that one,
//! and what is left is carried over. What decides is the position after `Moved` at the new
//! place: `Opened` stands there, or `Abandoned`, and an append at an exact position is what
//! every log does once. A move that died anywhere goes on when it is run again.
//!
//! Everything here is plain code for a plain thread: not for one of a tokio runtime.

mod cancel;
mod compare;
mod copy;
mod error;
mod receive;
mod things;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use uuid::Uuid;

pub use cancel::Cancelled;
use copy::Copying;
pub use error::MoveError;
use error::at;
use receive::{Received, Target, head_of};
use things::Things;
pub use things::kept_secret;

use crate::{
    BackendOptions, FolderLock, LockError, NewEvent, Position, Progress, State, StateOptions, VaultOptions,
    log::Backend,
    own::{self, End, Standing},
    rewrite_wal,
};

/// Where a ledger lies, or shall lie.
#[derive(Clone, Debug)]
pub struct Site {
    /// As people know it: no user, no password. It stands in `Moved`.
    pub name: String,
    pub log: BackendOptions,
    pub state: StateOptions,
    pub keys: VaultOptions,
    /// The service's folder, if log, state or keys lie in it.
    pub folder: Option<PathBuf>,
}

/// What the ledger says of itself while it is moved.
#[derive(Clone, Debug)]
pub enum Word<'a> {
    Moved { to: &'a str, arrival: Uuid },
    Opened { arrival: Uuid, events: u64, leaf: [u8; 32], entries: u64, keys: u64 },
    Abandoned { arrival: Uuid },
    Reopened { arrival: Uuid },
}

/// A move, or the end of one.
pub struct Move<'a> {
    pub from: &'a Site,
    pub to: &'a Site,
    /// Microseconds since the epoch, UTC.
    pub now: &'a dyn Fn() -> i64,
    /// The event that says so; nothing in it may be personal.
    pub event: &'a dyn Fn(&Word<'_>) -> NewEvent,
    /// Secrets that count instead of what is kept under their names beside the keys.
    pub secrets: Vec<(&'a str, &'a str)>,
    /// Makes what else belongs to the new place, as the last step before it is opened.
    pub furnish: &'a dyn Fn() -> Result<(), std::io::Error>,
    /// Hears of every step before it is taken, and may end the move there, as a crash would.
    pub progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Events of the log, all of them compared.
    pub events: u64,
    /// Tenants whose last numbers were compared.
    pub tenants: u64,
    /// Entries of kept state, and keys with those destroyed, that were compared.
    pub entries: u64,
    pub keys: u64,
    /// Events and bytes of them that this run has written.
    pub copied: u64,
    pub bytes: u64,
    /// For how long nobody could serve the ledger, as far as this run is concerned.
    pub closed_for: Duration,
    /// The move had come to its end before.
    pub before: bool,
}

impl Move<'_> {
    /// Moves the ledger, or goes on with a move that was interrupted.
    pub fn run(mut self) -> Result<Moved, MoveError> {
        check_sites(self.from, self.to)?;
        let source = self.look(self.from)?;
        let last = head_of(&source, self.from)?;
        if last.is_none() || source.arrival().map_err(at(self.from))?.is_some() {
            return Err(MoveError::NoLedger(self.from.name.clone()));
        }
        let standing = Standing::after(last.as_ref());
        if standing == Standing::Abandoned {
            return Err(MoveError::GivenUp(self.from.name.clone()));
        }
        let (_here, mut target) = match self.receive(&source, &standing)? {
            Received::Open(report) => return Ok(report),
            Received::Ready(lock, target) => (lock, target),
        };
        let mut copying = Copying::new(self.from, self.to, source.origin());
        copying.go_on(&source, &target.log, self.progress)?;
        drop(source);
        let begun = Instant::now();
        let (_there, source, state) = self.close_in(&copying)?;
        let closed = self.close(&mut copying, &source, &target)?;
        let things = self.carry((&source, &state), &mut target)?;
        let report = self.open(&copying, closed, &target, things)?;
        Ok(Moved { closed_for: begun.elapsed(), ..report })
    }

    fn look(&self, site: &Site) -> Result<Backend, MoveError> {
        let found = Backend::look(&site.log).map_err(at(site))?;
        found.ok_or_else(|| MoveError::NoLedger(site.name.clone()))
    }

    /// Has the old place alone, its state, too: not every log knows who serves it, and whoever
    /// does might send what is sent from the new place.
    fn close_in(&self, copying: &Copying<'_>) -> Result<(Option<FolderLock>, Backend, State), MoveError> {
        let from = self.from;
        let left = || {
            let head = Backend::look(&from.log).ok().flatten().and_then(|log| head_of(&log, from).ok().flatten());
            head.map(|row| row.position.saturating_sub(copying.end.place.0))
        };
        let lock = lock_site(from, Some(&left))?;
        let state = things::open_state(from, Some(&left))?;
        let log = open_alone(from, Some(&left), || Backend::open(&from.log))?;
        copying.check_passes(&log)?;
        Ok((lock, log, state))
    }

    /// Writes `Moved`, if it does not stand there, and copies up to it. Tells its mark.
    fn close(&mut self, copying: &mut Copying<'_>, source: &Backend, target: &Target) -> Result<End, MoveError> {
        loop {
            copying.go_on(source, &target.log, self.progress)?;
            if matches!(copying.standing, Standing::Moved { .. }) {
                return Ok(copying.end);
            }
            self.step("log", copying.end.place.0, copying.end.place.0)?;
            let word = Word::Moved { to: &self.to.name, arrival: target.arrival };
            // If somebody else has appended, there is more to copy first.
            copy::append_word(source, self.from, copying.end, (self.event)(&word), (self.now)())?;
        }
    }

    /// State and keys, compared.
    fn carry(&mut self, (source, state): (&Backend, &State), target: &mut Target) -> Result<Things, MoveError> {
        let id = source.origin().id;
        self.step("state", 0, 0)?;
        things::mark_state(state, self.from, id)?;
        things::mark_state(&target.state, self.to, id)?;
        let entries = things::carry_state((self.from, state), (self.to, &target.state), self.progress)?;
        let keys = things::carry_keys((self.from, self.to), &target.keys, &self.secrets, self.progress)?;
        Ok(Things { entries, keys })
    }

    fn open(
        &mut self,
        copying: &Copying<'_>,
        closed: End,
        target: &Target,
        Things { entries, keys }: Things,
    ) -> Result<Moved, MoveError> {
        let (events, leaf) = closed.place;
        self.step("log", events, events)?;
        (self.furnish)().map_err(|source| MoveError::Furnish { place: self.to.name.clone(), source })?;
        let word = Word::Opened { arrival: target.arrival, events, leaf, entries, keys };
        if !copy::append_word(&target.log, self.to, closed, (self.event)(&word), (self.now)())? {
            return Err(MoveError::GivenUp(self.to.name.clone()));
        }
        self.step("log", events, events)?;
        target.finish(self.to)?;
        let tenants = copying.tenants.len() as u64;
        let (copied, bytes) = (copying.copied, copying.bytes);
        Ok(Moved { events, tenants, entries, keys, copied, bytes, ..Moved::default() })
    }

    /// One step is about to be taken.
    fn step(&mut self, part: &'static str, done: Position, of: Position) -> Result<(), MoveError> {
        step(self.progress, Progress { part, done, of })
    }
}

fn step(progress: &mut dyn FnMut(Progress) -> ControlFlow<()>, at: Progress) -> Result<(), MoveError> {
    if progress(at).is_break() { Err(MoveError::Stopped) } else { Ok(()) }
}

fn check_sites(from: &Site, to: &Site) -> Result<(), MoveError> {
    let real = |folder: &Path| folder.canonicalize().ok();
    if let (Some(one), Some(other)) = (&from.folder, &to.folder)
        && (one == other || (real(one).is_some() && real(one) == real(other)))
    {
        return Err(MoveError::Taken { place: to.name.clone(), what: "lies where the ledger comes from" });
    }
    Ok(())
}

/// How many events wait to be copied, if that can be told.
type Left<'a> = Option<&'a dyn Fn() -> Option<u64>>;

/// The site's folder, alone, and what was written there on disk.
fn lock_site(site: &Site, left: Left<'_>) -> Result<Option<FolderLock>, MoveError> {
    let Some(folder) = &site.folder else { return Ok(None) };
    let io = |source| MoveError::Io { file: folder.clone(), source };
    let lock = FolderLock::take(folder, "moving the ledger").map_err(|fault| match fault {
        LockError::Held { holder } => {
            MoveError::InUse { place: site.name.clone(), holder, left: left.and_then(|left| left()) }
        }
        LockError::Io(source) => io(source),
    })?;
    rewrite_wal(folder).map_err(io)?;
    Ok(Some(lock))
}

/// The site's log, alone; if that cannot be, says who has it.
fn open_alone(
    site: &Site,
    left: Left<'_>,
    open: impl FnOnce() -> Result<Backend, crate::OpenError>,
) -> Result<Backend, MoveError> {
    open().map_err(|fault| {
        let holders = Backend::look(&site.log).ok().flatten().and_then(|log| log.holders().ok()).unwrap_or_default();
        in_use(site, left, &holders).unwrap_or_else(|| at(site)(fault))
    })
}

/// None if nobody has it.
fn in_use(site: &Site, left: Left<'_>, holders: &[String]) -> Option<MoveError> {
    let (place, holder) = (site.name.clone(), holders.join(", "));
    (!holders.is_empty()).then(|| MoveError::InUse { place, holder, left: left.and_then(|left| left()) })
}

fn opened_with(log: &Backend, closed: Position, arrival: Uuid) -> Result<bool, crate::ReadError> {
    let next = log.at(&[closed + 1])?.pop();
    Ok(next
        .is_some_and(|row| row.tenant == own::NO_TENANT && row.kind == own::OPENED && own::arrival_of(&row) == arrival))
}
