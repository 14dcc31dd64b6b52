//! Restoring less than there was, and saying so in the log.
//!
//! What stood behind the cut may be known outside: to clients by receipts, to
//! people by mails, to copies of the views. So the log does not go on as if
//! nothing had been there: from the cut on its entries carry another origin, and
//! the first of them says where the old one ended. The leaf at every position
//! behind the cut differs from what it was, and a follower that had come further
//! sees that this is not the log it followed.

use std::path::Path;

use uuid::Uuid;

use super::{
    LEDGER, STATE,
    backup::{BackupError, PAGE, Progress, copy_folder},
};
use crate::{
    NewEvent, Position,
    log::{Row, SqliteLog},
    own::{End, count_before},
    state,
};

/// Where a restore ends, and what it says about that.
pub struct Cut<'a> {
    /// The last event to keep.
    pub until: Position,
    /// Microseconds since the epoch, UTC.
    pub now: i64,
    /// Spaces of the kept state that are about what the log may have lost.
    pub forget: &'a [&'a str],
    /// The event that begins the new epoch; nothing in it may be personal.
    pub event: &'a dyn Fn(&Ended) -> NewEvent,
}

/// The end of the part that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The ledger's id and the epoch there.
    pub origin: String,
    pub position: Position,
    /// Leaf hash there.
    pub leaf: [u8; 32],
    /// The ledger's id.
    pub ledger_id: Uuid,
}

/// Makes a folder from a backup up to the cut, and begins a new epoch of the
/// origin there. Writes only into an empty or new folder. Hands back the new origin.
pub fn restore_until(
    from: &Path,
    to: &Path,
    cut: &Cut<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, BackupError> {
    if !from.join(LEDGER).exists() {
        return Err(BackupError::NoLedger(from.to_owned()));
    }
    let source = SqliteLog::open_to_read(from)?;
    let last = check_cut(&source, cut.until)?;
    copy_folder(from, to, Some(cut.until), progress)?;
    begin_epoch(&source, &last, to, cut)?;
    let kept = to.join(STATE);
    if kept.exists() {
        state::forget(&kept, cut.forget)?;
    }
    let name = SqliteLog::open_to_read(to)?.origin().name_at(cut.until + 1);
    super::backup::sync(to)?;
    Ok(name)
}

/// The row at the cut. Between it and the next one a commit must have ended: the
/// events of a unit stand or fall together, and share their commit's time.
fn check_cut(source: &SqliteLog, until: Position) -> Result<Row, BackupError> {
    let head = source.before(Position::MAX, 1)?.first().map_or(0, |row| row.position);
    let mut found = source.after(until.saturating_sub(1), 2)?.into_iter();
    let last = found.next().filter(|row| row.position == until).ok_or(BackupError::PastTheEnd { head })?;
    if found.next().is_none_or(|next| next.at > last.at) {
        return Ok(last);
    }
    let mut before = until;
    loop {
        let rows = source.before(before, PAGE)?;
        if let Some(row) = rows.iter().find(|row| row.at < last.at) {
            return Err(BackupError::Torn { position: until, before: row.position });
        }
        match rows.last() {
            Some(row) => before = row.position,
            None => return Err(BackupError::Torn { position: until, before: 0 }),
        }
    }
}

fn begin_epoch(source: &SqliteLog, last: &Row, to: &Path, cut: &Cut<'_>) -> Result<(), BackupError> {
    let origin = source.origin();
    // The second it began in: two restores of one backup do not share an origin.
    let seconds = u32::try_from(cut.now / 1_000_000).unwrap_or(0);
    let epoch = seconds.max(origin.last_epoch().saturating_add(1));
    SqliteLog::begin_epoch(to, cut.until + 1, epoch)?;
    let target = SqliteLog::open(to)?;
    let ended =
        Ended { origin: origin.name_at(last.position), position: last.position, leaf: last.leaf, ledger_id: origin.id };
    let own = count_before(last.position + 1, |before, limit| source.before(before, limit))?;
    let end = End { place: (last.position, last.leaf), at: last.at, own };
    let row = end.append((cut.event)(&ended), target.origin(), cut.now).map_err(BackupError::Event)?;
    let wrap = |source| BackupError::Sqlite { file: to.join(LEDGER), source };
    target.append(&[row]).map_err(wrap)?;
    target.checkpoint_last().map_err(wrap)
}
