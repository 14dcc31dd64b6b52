//! From the log to the outbox.
//!
//! Promise: every event that asks for mail makes its rows exactly once, because
//! rows and cursor are one change. A log that is not the one the cursor knows,
//! or a lost outbox, never makes mail go out: what may have been sent becomes a
//! dead letter that people see.

use crate::Shared;
use crate::ask::{self, AskError, Meaning, Settled};
use crate::outbox::{Changes, Cursor, Half, PAGE, Stored};
use crate::row::{Because, Key, Phase, Row, leaves_dead_letter};
use domain::mail::Reason;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::{Ledger, Mark, ReadError, Recorded, StateError};
use tokio::sync::watch;

/// Events read at once.
const EVENTS: usize = 512;
/// After log or state failed.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("the outbox cannot be read or written")]
    State(#[from] StateError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("following was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Follows until it is told to end, or meets an event it cannot read.
pub(crate) async fn run(shared: Arc<Shared>, mut closing: watch::Receiver<bool>) {
    let mut head = shared.ledger.watch_head();
    let mut progress = None;
    while !*closing.borrow() {
        head.borrow_and_update();
        match advance(&shared, &mut progress).await {
            Ok(true) => {}
            Ok(false) => {
                tokio::select! {
                    moved = head.changed() => if moved.is_err() { return },
                    _ = closing.changed() => {}
                }
            }
            Err(FollowError::Ask(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox stops following the log");
                shared.stop_following(error.to_string());
                return;
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the outbox could not follow the log");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = closing.changed() => {}
                }
            }
        }
    }
}

struct Progress {
    cursor: Cursor,
    /// Rows of this page may be there already: look before making them.
    careful: bool,
}

/// One step. Whether there may be more to do at once.
async fn advance(shared: &Arc<Shared>, known: &mut Option<Progress>) -> Result<bool, FollowError> {
    let (cursor, careful) = match known.take() {
        Some(Progress { cursor, careful }) => (cursor, careful),
        None => (open(shared).await?, true),
    };
    let here = shared.clone();
    let from = cursor.clone();
    let Some(folded) = tokio::task::spawn_blocking(move || fold(&here, &from, careful)).await?? else {
        shared.followed(cursor.position);
        *known = Some(Progress { cursor, careful });
        return Ok(false);
    };
    let Folded { changes, fresh, cursor: next } = folded;
    if changes.is_empty() {
        shared.outbox.move_cursor(&next).await?;
    } else {
        match shared.outbox.commit(changes, Some(&next)).await {
            Ok(()) => {}
            Err(StateError::Changed { .. }) if !careful => {
                // A row moved between reading and writing: read again.
                *known = Some(Progress { cursor, careful: true });
                return Ok(true);
            }
            Err(other) => return Err(other.into()),
        }
    }
    shared.schedule_all(&fresh);
    shared.followed(next.position);
    *known = Some(Progress { cursor: next, careful: false });
    Ok(true)
}

/// The cursor to begin at, after what no longer fits the log has been dropped.
async fn open(shared: &Arc<Shared>) -> Result<Cursor, FollowError> {
    let head = shared.ledger.head_mark();
    let begin = Mark { ledger_id: head.ledger_id, position: 0, leaf: [0; 32] };
    let doubtful = Cursor { doubtful_to: Some(head.position), ..Cursor::at(begin) };
    let Some(cursor) = shared.outbox.cursor()? else {
        if head.position == 0 {
            return Ok(begin_at(shared, Cursor::at(begin), Changes::default()).await?);
        }
        tracing::warn!("the outbox was lost: mails without a result in the log become dead letters");
        return Ok(begin_at(shared, doubtful, Changes::default()).await?);
    };
    if shared.ledger.mark_at(cursor.position)?.is_some_and(|mark| cursor.fits(mark)) {
        return Ok(cursor);
    }
    tracing::warn!(position = cursor.position, "the outbox followed another log: rows that are not of this one go");
    let here = shared.clone();
    let dropped = tokio::task::spawn_blocking(move || foreign_rows(&here)).await??;
    Ok(begin_at(shared, doubtful, dropped).await?)
}

async fn begin_at(shared: &Shared, cursor: Cursor, changes: Changes) -> Result<Cursor, StateError> {
    shared.outbox.commit(changes, Some(&cursor)).await?;
    Ok(cursor)
}

/// Drops rows whose asking event is not in this log.
fn foreign_rows(shared: &Shared) -> Result<Changes, FollowError> {
    let mut changes = Changes::default();
    for half in [Half::Live, Half::Dead] {
        let mut after = None;
        loop {
            let (rows, next) = shared.outbox.page(half, after.as_deref(), PAGE)?;
            for stored in rows {
                let event = shared.ledger.read_log(stored.row.position.saturating_sub(1), 1)?;
                if event.first().is_none_or(|e| e.event_id != stored.row.event) {
                    changes.replace(Some(&stored), None);
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(changes)
}

struct Folded {
    changes: Changes,
    /// Rows that wait now.
    fresh: Vec<Row>,
    cursor: Cursor,
}

/// Rows as they were and as they shall be, while a page of events is folded.
#[derive(Default)]
struct Overlay {
    rows: BTreeMap<Key, (Option<Stored>, Option<Row>)>,
}

impl Overlay {
    /// With rows as they stand now: those that are there, and those of these keys that are not.
    fn with(shared: &Shared, keys: &BTreeSet<Key>) -> Result<Self, StateError> {
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let mut found = shared.outbox.get_each(keys)?;
        let row = |stored: Option<Stored>| (stored.clone(), stored.map(|stored| stored.row));
        Ok(Self { rows: keys.iter().map(|key| (*key, row(found.remove(key)))).collect() })
    }

    fn get(&mut self, shared: &Shared, key: Key) -> Result<&mut (Option<Stored>, Option<Row>), StateError> {
        Ok(match self.rows.entry(key) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(space) => {
                let stored = shared.outbox.get(key)?;
                let row = stored.as_ref().map(|s| s.row.clone());
                space.insert((stored, row))
            }
        })
    }

    fn ask(&mut self, row: Row, doubtful: bool) {
        let (_, present) = self.rows.entry(row.key()).or_default();
        // Kept from before, it knows more than the log does.
        if present.is_none() {
            let phase = if doubtful { Phase::Dead { because: Because::StateLost } } else { Phase::Waiting };
            *present = Some(Row { phase, ..row });
        }
    }
}

/// The next page of events; nothing when there is none.
fn fold(shared: &Shared, from: &Cursor, careful: bool) -> Result<Option<Folded>, FollowError> {
    let events = shared.ledger.read_log(from.position, EVENTS)?;
    let Some(last) = events.last() else { return Ok(None) };
    let meanings = events.iter().map(|event| ask::meaning(event)).collect::<Result<Vec<_>, _>>()?;
    let mut overlay = Overlay::with(shared, &looked_at(shared, from, &meanings, careful)?)?;
    for (event, meaning) in events.iter().zip(meanings) {
        match meaning {
            Meaning::Nothing => {}
            Meaning::Asks(rows) => {
                let doubtful = from.doubtful_to.is_some_and(|to| event.position <= to);
                for row in rows {
                    drop_replaced(shared, &mut overlay, &row)?;
                    if careful || doubtful {
                        overlay.get(shared, row.key())?;
                    }
                    overlay.ask(row, doubtful);
                }
            }
            Meaning::Settles(settled) => settle(shared, &mut overlay, &settled)?,
        }
    }
    let mut changes = Changes::default();
    let mut fresh = vec![];
    for (before, after) in overlay.rows.into_values() {
        if before.as_ref().map(|b| &b.row) == after.as_ref() {
            continue;
        }
        changes.replace(before.as_ref(), after.as_ref());
        fresh.extend(after.filter(|row| row.phase == Phase::Waiting));
    }
    Ok(Some(Folded { changes, fresh, cursor: next(from, last) }))
}

/// Rows that a page has to do with: asked for at once, since another one may have sent for long.
fn looked_at(
    shared: &Shared,
    from: &Cursor,
    meanings: &[Meaning],
    careful: bool,
) -> Result<BTreeSet<Key>, FollowError> {
    let mut keys = BTreeSet::new();
    for meaning in meanings {
        match meaning {
            Meaning::Nothing => {}
            Meaning::Asks(rows) if careful || from.doubtful_to.is_some() => keys.extend(rows.iter().map(Row::key)),
            Meaning::Asks(_) => {}
            Meaning::Settles(settled) => {
                keys.extend(ask::row_of(&shared.ledger, settled)?.filter(|key| !shared.is_leased(*key)));
            }
        }
    }
    Ok(keys)
}

fn next(from: &Cursor, last: &Recorded) -> Cursor {
    let mark = Mark { ledger_id: from.ledger, position: last.position, leaf: last.leaf };
    Cursor { doubtful_to: from.doubtful_to.filter(|to| *to > last.position), ..Cursor::at(mark) }
}

/// A dead letter of an invitation that is sent again has nothing left to tell.
fn drop_replaced(shared: &Shared, overlay: &mut Overlay, row: &Row) -> Result<(), FollowError> {
    for key in ask::replaced_by(&shared.ledger, row)? {
        let (_, present) = overlay.get(shared, key)?;
        if present.as_ref().is_some_and(Row::is_dead) {
            *present = None;
        }
    }
    Ok(())
}

/// A result in the log ends its row. What the courier holds it ends itself.
fn settle(shared: &Shared, overlay: &mut Overlay, settled: &Settled) -> Result<(), FollowError> {
    let Some(key) = ask::row_of(&shared.ledger, settled)? else { return Ok(()) };
    if shared.is_leased(key) {
        return Ok(());
    }
    let (_, present) = overlay.get(shared, key)?;
    if let Some(row) = present.take() {
        *present = after_result(&shared.ledger, row, settled)?;
    }
    Ok(())
}

/// What is left of a row once the log has this result of its mail.
pub(crate) fn after_result(ledger: &Ledger, row: Row, settled: &Settled) -> Result<Option<Row>, ReadError> {
    let Some(reason) = settled.failed else { return Ok(None) };
    // An earlier failure says nothing about a mail that is being sent again.
    if row.round > 0 && !row.is_dead() {
        return Ok(Some(row));
    }
    dead_letter(ledger, row, reason)
}

/// What stays visible of a mail that failed so: nothing where there is nothing to do about it.
pub(crate) fn dead_letter(ledger: &Ledger, row: Row, reason: Reason) -> Result<Option<Row>, ReadError> {
    if !leaves_dead_letter(reason) || ask::is_replaced(ledger, &row)? {
        return Ok(None);
    }
    Ok(Some(Row { phase: Phase::Dead { because: Because::Failed(reason) }, ..row }))
}
