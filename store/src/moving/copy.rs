//! Copying the log, page by page: every page is read from both places, its entries are
//! hashed anew, and row is compared with row, whether this run has written it or one before.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
};

use super::{MoveError, Site, error::at, receive::head_of, step};
use crate::{
    NewEvent, Progress,
    log::{AppendFault, Backend, Origin, Row, Turn, TurnFault},
    own::{End, Standing},
};

/// Events read at once.
const PAGE: usize = 4_096;
/// Bytes of one append, unless its first event alone is larger.
const APPEND_BYTES: usize = 4 * 1024 * 1024;
/// The same where a server takes appends up to a limit.
const SMALL_APPEND_BYTES: usize = 512 * 1024;
/// What an event takes besides its texts, as estimated.
const ROW_BYTES: usize = 256;

/// How far both logs are known to be the same.
pub(super) struct Copying<'a> {
    from: &'a Site,
    to: &'a Site,
    origin: Origin,
    pub end: End,
    pub standing: Standing,
    /// Last number of each tenant.
    pub tenants: HashMap<String, u64>,
    pub copied: u64,
    pub bytes: u64,
}

impl<'a> Copying<'a> {
    pub(super) fn new(from: &'a Site, to: &'a Site, origin: &Origin) -> Self {
        let (end, standing, tenants) = (End::default(), Standing::Open, HashMap::new());
        Self { from, to, origin: origin.clone(), end, standing, tenants, copied: 0, bytes: 0 }
    }

    /// To the end of the old log, or as near to it as one page.
    pub(super) fn go_on(
        &mut self,
        source: &Backend,
        target: &Backend,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), MoveError> {
        let of = head_of(source, self.from)?.map_or(0, |row| row.position);
        let there = head_of(target, self.to)?.map_or(0, |row| row.position);
        loop {
            let rows = source.after(self.end.place.0, PAGE).map_err(at(self.from))?;
            let Some(last) = rows.last() else { return Ok(()) };
            let is_last = rows.len() < PAGE;
            self.check(&rows)?;
            let of = of.max(last.position);
            let known = rows.partition_point(|row| row.position <= there);
            let mut waiting: VecDeque<&Row> = rows.iter().skip(known).collect();
            if known > 0 {
                step(progress, Progress { part: "log", done: self.end.place.0, of })?;
                self.compare(target, rows.get(..known).unwrap_or_default())?;
            }
            while !waiting.is_empty() {
                step(progress, Progress { part: "log", done: self.end.place.0, of })?;
                let chunk = take_chunk(&mut waiting, target);
                if !append(target, self.to, self.end, &chunk)? {
                    return Err(self.differs(self.end.place.0 + 1));
                }
                target.checkpoint_between().map_err(|fault| at(self.to)(crate::ReadError::from(fault)))?;
                self.copied += chunk.len() as u64;
                self.bytes += chunk.iter().map(|row| bytes_of(row) as u64).sum::<u64>();
                self.compare(target, &chunk)?;
            }
            // Somebody may be appending all the time.
            if is_last {
                return Ok(());
            }
        }
    }

    /// Whether a log opened anew still goes through the end that was reached.
    pub(super) fn check_passes(&self, log: &Backend) -> Result<(), MoveError> {
        let (position, leaf) = self.end.place;
        let found = log.at(&[position]).map_err(at(self.from))?;
        if *log.origin() == self.origin && found.first().is_some_and(|row| row.leaf == leaf) {
            return Ok(());
        }
        Err(self.differs(position))
    }

    /// Positions without a gap, numbers of tenants too, and every hash what its entry says.
    fn check(&mut self, rows: &[Row]) -> Result<(), MoveError> {
        let mut text = String::new();
        for (row, expected) in rows.iter().zip(self.end.place.0 + 1..) {
            let damaged = MoveError::Damaged { place: self.from.name.clone(), position: expected };
            if row.position != expected || row.leaf_of(&self.origin, &mut text) != row.leaf {
                return Err(damaged);
            }
            match self.tenants.get_mut(&row.tenant) {
                Some(last) if row.tseq == *last + 1 => *last = row.tseq,
                None if row.tseq == 1 => {
                    self.tenants.insert(row.tenant.clone(), 1);
                }
                Some(_) | None => return Err(damaged),
            }
        }
        Ok(())
    }

    /// Reads the same rows from the new log.
    fn compare(&mut self, target: &Backend, rows: &[Row]) -> Result<(), MoveError> {
        let found = target.after(self.end.place.0, rows.len()).map_err(at(self.to))?;
        for (number, row) in rows.iter().enumerate() {
            if found.get(number) != Some(row) {
                return Err(self.differs(row.position));
            }
            self.end = self.end.then(row);
            self.standing = Standing::after(Some(row));
        }
        Ok(())
    }

    fn differs(&self, position: u64) -> MoveError {
        MoveError::Differs { from: self.from.name.clone(), to: self.to.name.clone(), position }
    }
}

fn bytes_of(row: &Row) -> usize {
    row.payload.len() + row.metadata.len() + row.stream.as_str().len() + ROW_BYTES
}

fn take_chunk(waiting: &mut VecDeque<&Row>, target: &Backend) -> Vec<Row> {
    let most = if target.has_races() { SMALL_APPEND_BYTES } else { APPEND_BYTES };
    let (mut chunk, mut bytes): (Vec<Row>, usize) = (Vec::new(), 0);
    while let Some(row) = waiting.front() {
        bytes += bytes_of(row) + target.envelope_bytes(&row.stream, &row.metadata);
        if bytes > most && !chunk.is_empty() {
            break;
        }
        chunk.extend(waiting.pop_front().cloned());
    }
    chunk
}

/// Appends an event about the ledger itself. False: something else stands there.
pub(super) fn append_word(log: &Backend, site: &Site, end: End, event: NewEvent, now: i64) -> Result<bool, MoveError> {
    let row = end.append(event, log.origin(), now).map_err(MoveError::Event)?;
    let appended = append(log, site, end, &[row])?;
    log.checkpoint_last().map_err(|fault| at(site)(crate::ReadError::from(fault)))?;
    Ok(appended)
}

/// The log's own time is not asked for.
const NO_TIME: i64 = 0;

/// Appends at exactly this end, all rows or none. False: the log ends elsewhere.
pub(super) fn append(log: &Backend, site: &Site, end: End, rows: &[Row]) -> Result<bool, MoveError> {
    let unwritten = |source| MoveError::Unwritten { place: site.name.clone(), source };
    match log.shared() {
        None => {
            let last = head_of(log, site)?;
            if last.map_or((0, [0; 32]), |row| (row.position, row.leaf)) != end.place {
                return Ok(false);
            }
        }
        Some(shared) => match shared.begin(end.place, NO_TIME) {
            Ok(Turn::Taken { news, .. }) if news.is_empty() => {}
            Ok(Turn::Taken { .. } | Turn::Awaited { .. }) => {
                shared.let_go();
                return Ok(false);
            }
            Ok(Turn::FarBehind) | Err(TurnFault::Diverged(_)) => return Ok(false),
            Err(TurnFault::Unreachable(fault)) => return Err(unwritten(Some(fault))),
        },
    }
    let appended = log.append(rows, true);
    if let Some(shared) = log.shared() {
        shared.let_go();
    }
    match appended {
        Ok(()) => Ok(true),
        Err(AppendFault::Overtaken) => Ok(false),
        Err(AppendFault::Full) => Err(unwritten(Some("no space is left".into()))),
        Err(AppendFault::Busy) => Err(unwritten(None)),
        Err(AppendFault::Unknown(fault) | AppendFault::Unsettled(fault)) => Err(unwritten(Some(fault))),
    }
}
