//! One turn: from the views' state of one moment to the copy.

use super::tables::{TABLES, Table};
use super::{PublishError, SHAPE};
use crate::Views;
use crate::ViewsError;
use crate::error::FoldError;
use crate::file::Moment;
use crate::fold::id_of;
use crate::limits::{COPY_FOLLOWS, COPY_PAGE, TAKE};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use store::{Change, Column, Ledger, Mark, Position, Recorded, Sink, Written};
use uuid::Uuid;

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The copy is where the views are.
    Even(Written),
    /// Another turn at once: the copy was not where it was thought to be.
    Again,
    /// The views are to be waited for.
    Behind,
    /// The copy has events that this node does not know: where the log ends must be asked first.
    Ahead,
    /// The views' file is broken, or the turn is not wanted any more.
    GaveWay,
}

/// How the copy comes to where the views are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Nothing,
    Behind,
    Ahead,
    /// The rows of what has changed.
    Follow,
    /// Everything.
    Anew,
}

/// What a node knows while it writes the copy.
#[derive(Default)]
pub(super) struct Writer {
    pub epoch: Option<u64>,
    /// How far the copy was last.
    pub written: Option<Written>,
    /// The log's end was asked since the copy was found to be ahead.
    pub arrived: bool,
}

pub(super) struct Publishing<'a> {
    pub views: &'a Views,
    pub ledger: &'a Ledger,
    pub sink: &'a Sink,
    pub node: &'a str,
    pub gives_way: &'a dyn Fn() -> bool,
}

/// Statements, made once.
struct Statements {
    page: String,
    one: String,
    upsert: String,
    remove: String,
    clear: String,
}

static STATEMENTS: LazyLock<Vec<(Table, Statements)>> = LazyLock::new(|| {
    let of = |table: Table| {
        let (page, one) = (table.page(), table.one());
        let statements = Statements { page, one, upsert: table.upsert(), remove: table.remove(), clear: table.clear() };
        (table, statements)
    };
    TABLES.into_iter().map(of).collect()
});

type Keys = BTreeMap<&'static str, BTreeSet<(String, Uuid)>>;

impl Publishing<'_> {
    pub(super) fn turn(&self, writer: &mut Writer) -> Result<Turn, PublishError> {
        let epoch = match writer.epoch {
            Some(epoch) => epoch,
            None => *writer.epoch.insert(self.sink.take(self.ledger.ledger_id(), self.node)?),
        };
        let known = match writer.written {
            Some(written) => written,
            None => *writer.written.insert(self.sink.look(epoch)?),
        };
        let mut anew = 0;
        let turn = self.views.look_apart(|moment| {
            anew = moment.asked_anew()?;
            self.from(moment, known, (epoch, writer.arrived, anew != 0))
        })?;
        if anew != 0 && matches!(turn, Turn::Even(_)) {
            self.views.was_copied(anew)?;
        }
        writer.arrived = false;
        writer.written = match turn {
            Turn::Even(written) => Some(written),
            Turn::Behind | Turn::Ahead | Turn::GaveWay => Some(known),
            Turn::Again => None,
        };
        Ok(turn)
    }

    fn from(
        &self,
        moment: &Moment<'_>,
        known: Written,
        (epoch, arrived, anew): (u64, bool, bool),
    ) -> Result<Turn, PublishError> {
        // A view has stopped, or is folded anew: the copy stays whole.
        let Some(here) = moment.mark()? else { return Ok(Turn::Behind) };
        match self.way(here, known, arrived, anew)? {
            Way::Nothing => Ok(if self.sink.look(epoch)? == known { Turn::Even(known) } else { Turn::Again }),
            Way::Behind => Ok(Turn::Behind),
            Way::Ahead => Ok(Turn::Ahead),
            Way::Follow => self.follow(moment.connection, here, known, epoch),
            Way::Anew => self.anew(moment.connection, here, epoch),
        }
    }

    fn way(&self, here: Mark, known: Written, arrived: bool, anew: bool) -> Result<Way, PublishError> {
        let (head, copied) = (self.ledger.head(), known.mark.position);
        let far_behind = |at: Position, of: Position| of.saturating_sub(at) > COPY_FOLLOWS;
        let fits = copied > head || self.ledger.mark_at(copied)?.is_some_and(|there| there.leaf == known.mark.leaf);
        let anew = anew || copied == 0 || known.shape != SHAPE || !fits;
        Ok(if here.position == 0 && copied == 0 {
            Way::Nothing
        } else if copied > head && !arrived {
            Way::Ahead
        } else if far_behind(here.position, head) {
            // Soon there will be more of them, and everything would be copied again.
            Way::Behind
        } else if anew || copied > head || far_behind(copied, here.position) {
            Way::Anew
        } else if copied > here.position {
            Way::Behind
        } else if copied == here.position {
            Way::Nothing
        } else {
            Way::Follow
        })
    }

    /// The rows that events behind the copy have touched, as they are now.
    fn follow(&self, on: &Connection, here: Mark, known: Written, epoch: u64) -> Result<Turn, PublishError> {
        let keys = touched(self.ledger, known.mark.position, here.position)?;
        let mut change = self.sink.begin(epoch)?;
        if change.written() != known {
            change.let_go()?;
            return Ok(Turn::Again);
        }
        for (table, statements) in &*STATEMENTS {
            let Some(aggregate) = table.aggregate else {
                if !self.pages(on, &mut change, (table, statements), known.mark.position)? {
                    return Ok(Turn::GaveWay);
                }
                continue;
            };
            let keys: Vec<&(String, Uuid)> = keys.get(aggregate).into_iter().flatten().collect();
            for chunk in keys.chunks(COPY_PAGE) {
                if (self.gives_way)() {
                    return Ok(Turn::GaveWay);
                }
                rows_of(on, &mut change, (table, statements), chunk)?;
            }
        }
        finish(change, here)
    }

    /// Everything, while those who read see what was there before.
    fn anew(&self, on: &Connection, here: Mark, epoch: u64) -> Result<Turn, PublishError> {
        let mut change = self.sink.begin(epoch)?;
        tracing::info!(from = change.written().mark.position, to = here.position, "the views' copy is made anew");
        change.take_long()?;
        for (table, statements) in &*STATEMENTS {
            change.execute(&statements.clear, vec![])?;
            if !self.pages(on, &mut change, (table, statements), 0)? {
                return Ok(Turn::GaveWay);
            }
        }
        finish(change, here)
    }

    /// All rows after a position, page by page; `false` if somebody else comes first.
    fn pages(
        &self,
        on: &Connection,
        change: &mut Change<'_>,
        (table, statements): (&Table, &Statements),
        after: Position,
    ) -> Result<bool, PublishError> {
        let mut after = after.cast_signed();
        let limit = i64::try_from(COPY_PAGE).unwrap_or(i64::MAX);
        loop {
            if (self.gives_way)() {
                return Ok(false);
            }
            let mut sheet = table.sheet();
            let mut select = on.prepare_cached(&statements.page).map_err(ViewsError::from)?;
            let mut rows = select.query([after, limit]).map_err(ViewsError::from)?;
            let mut read = 0;
            while let Some(row) = rows.next().map_err(ViewsError::from)? {
                (after, _) = table.take(row, &mut sheet)?;
                read += 1;
            }
            if sheet.rows() > 0 {
                change.execute(&statements.upsert, sheet.into_columns())?;
            }
            if read < COPY_PAGE {
                return Ok(true);
            }
        }
    }
}

/// The rows of some aggregates: as they are, or gone.
fn rows_of(
    on: &Connection,
    change: &mut Change<'_>,
    (table, statements): (&Table, &Statements),
    keys: &[&(String, Uuid)],
) -> Result<(), PublishError> {
    let mut sheet = table.sheet();
    let (mut tenants, mut ids) = (vec![], vec![]);
    let mut select = on.prepare_cached(&statements.one).map_err(ViewsError::from)?;
    for (tenant, id) in keys {
        let mut rows = select.query(params![id.as_bytes(), tenant]).map_err(ViewsError::from)?;
        let shown = match rows.next().map_err(ViewsError::from)? {
            Some(row) => table.take(row, &mut sheet)?.1,
            None => false,
        };
        if !shown {
            tenants.push(Some(tenant.clone()));
            ids.push(Some(*id));
        }
    }
    if sheet.rows() > 0 {
        change.execute(&statements.upsert, sheet.into_columns())?;
    }
    if !ids.is_empty() {
        change.execute(&statements.remove, vec![Column::Text(tenants), Column::Ids(ids)])?;
    }
    Ok(())
}

fn finish(change: Change<'_>, mark: Mark) -> Result<Turn, PublishError> {
    let written = Written { mark, shape: SHAPE };
    change.commit(written)?;
    Ok(Turn::Even(written))
}

/// Which rows the events after one position, up to another, have touched.
fn touched(ledger: &Ledger, after: Position, up_to: Position) -> Result<Keys, PublishError> {
    let mut keys = Keys::new();
    let mut after = after;
    while after < up_to {
        let block = ledger.read_log(after, TAKE).map_err(ViewsError::from)?;
        let Some(last) = block.last() else { return Err(ViewsError::Gap { wanted: after + 1, found: up_to }.into()) };
        after = last.position;
        for event in block.iter().filter(|event| event.position <= up_to) {
            if let Some((aggregate, id)) = row_of(event) {
                keys.entry(aggregate).or_default().insert((event.tenant.clone(), id));
            }
        }
    }
    Ok(keys)
}

/// What no view knows has no row.
fn row_of(event: &Recorded) -> Option<(&'static str, Uuid)> {
    let aggregate = event.stream.aggregate_type();
    let known = STATEMENTS.iter().find_map(|(table, _)| table.aggregate.filter(|known| *known == aggregate))?;
    Some((known, id_of(event).ok()?))
}

impl From<FoldError> for PublishError {
    fn from(fault: FoldError) -> Self {
        Self::Views(fault.into())
    }
}
