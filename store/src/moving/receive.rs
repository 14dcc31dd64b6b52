//! The new place: whether it may take the ledger in, and how far it has come.

use std::{fs, os::unix::fs::DirBuilderExt};

use uuid::Uuid;

use super::{Move, MoveError, Moved, Site, error::at, lock_site, open_alone, opened_with, things};
use crate::{
    BackendOptions, FolderLock, Position, State,
    folder::LEDGER,
    log::{Backend, Row},
    own::Standing,
    vault::{Keys, MASTER, keyed},
};

/// Nobody but the service's own user reads the folder.
const FOLDER_MODE: u32 = 0o700;
/// What a folder may hold that was made for a ledger which has not come yet.
const LOCK: &str = "lock";
/// What the keys of a log are compared by.
const KEYS_LABEL: &[u8] = b"which keys";

/// A new place that may be filled.
pub(super) struct Target {
    pub log: Backend,
    pub state: State,
    pub keys: Keys,
    /// The mark it bears until it is open.
    pub arrival: Uuid,
}

pub(super) enum Received {
    Ready(Option<FolderLock>, Box<Target>),
    /// The ledger has arrived before, whole.
    Open(Moved),
}

/// What a log is to a ledger that shall come.
enum Fit {
    /// Nothing yet, or the ledger's own past.
    New,
    /// As much of it as a move with this mark has copied.
    Marked(Uuid),
    /// All of it, and open.
    Open,
}

impl Target {
    /// Takes the marks away: from here on the place is an ordinary one. The log's goes last.
    pub(super) fn finish(&self, site: &Site) -> Result<(), MoveError> {
        self.keys.tidy().map_err(at(site))?;
        things::unmark_state(&self.state, site)?;
        self.log.arrived().map_err(at(site))?;
        self.log.checkpoint_last().map_err(|fault| at(site)(crate::ReadError::from(fault)))
    }
}

impl Move<'_> {
    /// Takes the new place for this ledger, unless it is anything else already.
    pub(super) fn receive(&mut self, source: &Backend, standing: &Standing) -> Result<Received, MoveError> {
        let to = self.to;
        let events = head_of(source, self.from)?.map_or(0, |row| row.position);
        let arrived = Received::Open(Moved { events, before: true, ..Moved::default() });
        if let Some(found) = Backend::look(&to.log).map_err(at(to))? {
            let fit = self.fit(source, standing, &found)?;
            if matches!(fit, Fit::Open) && found.arrival().map_err(at(to))?.is_none() {
                // It may be served by now.
                return Ok(arrived);
            }
        }
        let master = self.master_of()?;
        check_folder(to)?;
        let lock = lock_site(to, None)?;
        let mut log = open_alone(to, None, || Backend::open_for(&to.log, source.origin()))?;
        // Nobody else has it from here on.
        let fit = self.fit(source, standing, &log)?;
        let state = things::open_state(to, None)?;
        if !matches!(fit, Fit::Open) {
            things::accept_state(&state, to, source.origin().id)?;
        }
        let keys = Keys::open(&to.keys).map_err(at(to))?;
        let arrival = match fit {
            Fit::Marked(arrival) => arrival,
            Fit::New | Fit::Open => Uuid::new_v4(),
        };
        if matches!(fit, Fit::New) {
            self.step("log", 0, 0)?;
            log.note_keys(&keyed(&master, &[KEYS_LABEL])).map_err(at(to))?;
            log.arrive(source.origin(), arrival).map_err(at(to))?;
        }
        let target = Target { log, state, keys, arrival };
        if matches!(fit, Fit::Open) {
            (self.furnish)().map_err(|source| MoveError::Furnish { place: to.name.clone(), source })?;
            target.finish(to)?;
            return Ok(arrived);
        }
        Ok(Received::Ready(lock, Box::new(target)))
    }

    fn fit(&self, source: &Backend, standing: &Standing, log: &Backend) -> Result<Fit, MoveError> {
        let (from, to) = (self.from, self.to);
        let taken = |what| MoveError::Taken { place: to.name.clone(), what };
        let elsewhere = |to: &str| MoveError::Elsewhere { from: from.name.clone(), to: to.to_owned() };
        let (mark, last) = (log.arrival().map_err(at(to))?, head_of(log, to)?);
        if log.origin().id != source.origin().id && (mark.is_some() || last.is_some()) {
            return Err(taken("holds another ledger"));
        }
        let newest = head_of(source, from)?.map_or(0, |row| row.position);
        let passes = |position: Position| -> Result<bool, MoveError> {
            let (here, there) = (source.at(&[position]).map_err(at(from))?, log.at(&[position]).map_err(at(to))?);
            Ok(!here.is_empty() && here == there)
        };
        if let Standing::Moved { arrival, to: known } = standing {
            if passes(newest)? && opened_with(log, newest, *arrival).map_err(at(to))? {
                return Ok(Fit::Open);
            }
            if mark != Some(*arrival) {
                return Err(elsewhere(known));
            }
        }
        let Some(last) = last else { return Ok(mark.map_or(Fit::New, Fit::Marked)) };
        let end = Standing::after(Some(&last));
        if end == Standing::Abandoned {
            return Err(MoveError::GivenUp(to.name.clone()));
        }
        if !passes(last.position)? {
            return Err(taken("holds events that the ledger does not have"));
        }
        match mark {
            Some(arrival) => Ok(Fit::Marked(arrival)),
            // It comes home: from there it went once, and nobody can serve what it left behind.
            None if matches!(end, Standing::Moved { .. }) && last.position < newest => Ok(Fit::New),
            None => Err(taken("holds this ledger already, where it may be served")),
        }
    }

    /// The master secret of the keys that are to come, once it is certain that no others lie at the new place.
    fn master_of(&self) -> Result<[u8; 32], MoveError> {
        let (from, to) = (self.from, self.to);
        let keys = Keys::look(&from.keys).map_err(at(from))?.ok_or_else(|| MoveError::NoKeys(from.name.clone()))?;
        let master = keys.stored(MASTER).map_err(at(from))?.ok_or_else(|| MoveError::NoKeys(from.name.clone()))?;
        if let Some(known) = Keys::look(&to.keys).map_err(at(to))? {
            let stored = known.stored(MASTER).map_err(at(to))?;
            let any = stored.is_some() || !known.page(None, 1).map_err(at(to))?.is_empty();
            if any && stored.as_ref() != Some(&master) {
                return Err(MoveError::Taken { place: to.name.clone(), what: "holds the keys of another ledger" });
            }
        }
        let fitting: Result<[u8; 32], _> = master.as_slice().try_into();
        fitting.map_err(|_| MoveError::NoKeys(from.name.clone()))
    }
}

/// The last row.
pub(super) fn head_of(log: &Backend, site: &Site) -> Result<Option<Row>, MoveError> {
    Ok(log.before(Position::MAX, 1).map_err(at(site))?.pop())
}

/// Makes the site's folder, and refuses one that holds something else.
fn check_folder(site: &Site) -> Result<(), MoveError> {
    let Some(folder) = &site.folder else { return Ok(()) };
    let io = |source| MoveError::Io { file: folder.clone(), source };
    if !folder.exists() {
        return fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(io);
    }
    let taken = |what| Err(MoveError::Taken { place: site.name.clone(), what });
    let holds_log = folder.join(LEDGER).exists();
    match &site.log {
        BackendOptions::Sqlite { .. } if holds_log => Ok(()),
        BackendOptions::Sqlite { .. } => {
            for entry in fs::read_dir(folder).map_err(io)? {
                if entry.map_err(io)?.file_name() != LOCK {
                    return taken("is neither empty nor a ledger's folder");
                }
            }
            Ok(())
        }
        BackendOptions::Memory => taken("ends with its process"),
        #[cfg(any(feature = "postgres", feature = "eventstore"))]
        _ if holds_log => taken("holds a log of its own"),
        #[cfg(any(feature = "postgres", feature = "eventstore"))]
        _ => Ok(()),
    }
}
