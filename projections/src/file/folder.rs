//! The writer: folds blocks of the log into rows, with progress, in one transaction.

use super::connect;
use crate::ViewsError;
use crate::columns::signed;
use crate::error::FoldError;
use crate::fold::{Desk, View};
use crate::limits::{CHECKPOINT_PAGES, HURRIED_BLOCKS, HURRIED_CACHE_KIB, HURRIED_CHECKPOINT_PAGES, WRITER_CACHE_KIB};
use crate::locks::lock;
use crate::ranks::Ranks;
use crate::scopes::Scopes;
use rusqlite::Connection;
use std::sync::{Arc, Mutex};
use store::{Ledger, Mark, Position, Recorded};

/// Where one view stands.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub view: View,
    /// The last event it has folded; zeros at the start.
    pub mark: Mark,
    /// Why it goes no further.
    pub stopped: Option<String>,
}

/// All that writing needs. Not shared: the file keeps it behind a lock.
pub(crate) struct Folder {
    connection: Arc<Mutex<Connection>>,
    ranks: Ranks,
    scopes: Scopes,
    /// What is committed.
    standings: Vec<Standing>,
    /// What the open transaction has reached, and the blocks folded in it.
    open: Option<(Vec<Standing>, usize)>,
    /// Blocks of a transaction.
    blocks: usize,
}

impl Folder {
    /// Around an empty file: every view at the start of this log.
    pub(super) fn begin(connection: Connection, ledger: &Ledger) -> Result<Self, ViewsError> {
        let start = Mark { ledger_id: ledger.ledger_id(), position: 0, leaf: [0; 32] };
        let standings = View::ALL.map(|view| Standing { view, mark: start, stopped: None }).to_vec();
        for standing in &standings {
            save(&connection, standing)?;
        }
        Ok(Self::around(connection, standings))
    }

    /// Around a file with rows. `None` if one of its marks is not on this log.
    pub(super) fn resume(connection: Connection, ledger: &Ledger) -> Result<Option<Self>, ViewsError> {
        let mut standings = Vec::new();
        for view in View::ALL {
            let Some(mark) = load(&connection, view)? else { return Ok(None) };
            if !is_on(&mark, ledger)? {
                return Ok(None);
            }
            standings.push(Standing { view, mark, stopped: None });
        }
        Ok(Some(Self::around(connection, standings)))
    }

    fn around(connection: Connection, standings: Vec<Standing>) -> Self {
        let connection = Arc::new(Mutex::new(connection));
        Self { connection, ranks: Ranks::default(), scopes: Scopes::default(), standings, open: None, blocks: 1 }
    }

    pub(super) fn connection(&self) -> Arc<Mutex<Connection>> {
        self.connection.clone()
    }

    pub(crate) fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The position behind which the log is to be read: the least that a view
    /// which still folds has reached. `None` if every view has stopped.
    pub(crate) fn after(&self) -> Option<Position> {
        let reached = self.open.as_ref().map_or(&self.standings, |(reached, _)| reached);
        reached.iter().filter(|standing| standing.stopped.is_none()).map(|standing| standing.mark.position).min()
    }

    /// Until [`Folder::rest`], several blocks are folded in one transaction, with room for the pages they touch.
    pub(super) fn hurry(&mut self) -> Result<(), ViewsError> {
        connect::make_room(&lock(&self.connection), HURRIED_CACHE_KIB, HURRIED_CHECKPOINT_PAGES)?;
        self.blocks = HURRIED_BLOCKS;
        Ok(())
    }

    /// Commits what is open, and takes no more room than usual.
    pub(super) fn rest(&mut self) -> Result<(), ViewsError> {
        self.blocks = 1;
        self.commit()?;
        let connection = lock(&self.connection);
        connect::make_room(&connection, WRITER_CACHE_KIB, CHECKPOINT_PAGES)?;
        Ok(connection.execute_batch("PRAGMA shrink_memory")?)
    }

    /// Takes over what is known of views that stopped, after the file was opened anew.
    pub(crate) fn keep_stopped(&mut self, known: &[Standing]) {
        for standing in &mut self.standings {
            let before = known.iter().find(|k| k.view == standing.view && k.mark == standing.mark);
            standing.stopped = before.and_then(|before| before.stopped.clone());
        }
    }

    /// Folds consecutive events, and commits unless it hurries. A view that meets one it
    /// cannot fold stops before it, and what the others fold is kept.
    pub(crate) fn fold(&mut self, events: &[Arc<Recorded>]) -> Result<(), ViewsError> {
        let (Some(first), Some(after)) = (events.first(), self.after()) else { return Ok(()) };
        if first.position > after + 1 {
            return Err(ViewsError::Gap { wanted: after + 1, found: first.position });
        }
        let connection = self.connection.clone();
        let connection = lock(&connection);
        let (reached, blocks) = match self.open.take() {
            Some(open) => open,
            None => {
                connection.execute_batch("BEGIN IMMEDIATE")?;
                (self.standings.clone(), 0)
            }
        };
        match self.fold_all(&connection, reached, events) {
            Ok(reached) => {
                self.open = Some((reached, blocks + 1));
                drop(connection);
                if blocks + 1 < self.blocks { Ok(()) } else { self.commit() }
            }
            Err((view, fault)) => {
                if let FoldError::Row(what) = fault {
                    // Its rows are damaged; the others go on without it.
                    self.stop(view, &format!("{what} cannot be read; rebuild the view"));
                }
                self.undo(&connection, fault.into())
            }
        }
    }

    fn commit(&mut self) -> Result<(), ViewsError> {
        let Some((reached, _)) = self.open.take() else { return Ok(()) };
        let connection = self.connection.clone();
        let connection = lock(&connection);
        match connection.execute_batch("COMMIT") {
            Ok(()) => {
                self.standings = reached;
                Ok(())
            }
            Err(fault) => self.undo(&connection, fault.into()),
        }
    }

    fn fold_all(
        &mut self,
        connection: &Connection,
        mut standings: Vec<Standing>,
        events: &[Arc<Recorded>],
    ) -> Result<Vec<Standing>, (View, FoldError)> {
        // Every view asks for it, of every event.
        let typed: Vec<(&str, &Recorded)> =
            events.iter().map(|event| (event.stream.aggregate_type(), &**event)).collect();
        for standing in &mut standings {
            let view = standing.view;
            if standing.stopped.is_some() {
                continue;
            }
            let mut desk = Desk { connection, ranks: &mut self.ranks, scopes: &mut self.scopes };
            fold_view(&mut desk, standing, &typed).map_err(|fault| (view, fault))?;
            self.ranks.flush(connection).map_err(|fault| (view, fault))?;
            save(connection, standing).map_err(|fault| (view, fault.into()))?;
        }
        Ok(standings)
    }

    fn undo(&mut self, connection: &Connection, fault: ViewsError) -> Result<(), ViewsError> {
        self.ranks.forget();
        self.scopes.forget();
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        Err(fault)
    }

    fn stop(&mut self, view: View, why: &str) {
        for standing in self.standings.iter_mut().filter(|standing| standing.view == view) {
            tracing::error!(view = view.name(), why, "a view has stopped");
            standing.stopped = Some(format!("{}: {why}", view.name()));
        }
    }

    /// Empties one view and puts it at the start of the log.
    pub(super) fn clear(&mut self, view: View) -> Result<(), ViewsError> {
        let connection = self.connection.clone();
        let connection = lock(&connection);
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for table in view.tables() {
            connection.execute(&format!("DELETE FROM {}", table.name), [])?;
        }
        crate::ranks::clear(&connection, view)?;
        for standing in self.standings.iter_mut().filter(|standing| standing.view == view) {
            standing.mark = Mark { position: 0, leaf: [0; 32], ..standing.mark };
            save(&connection, standing)?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(())
    }

    /// Notes that the copy in a database server is to be made of these rows, all of them.
    pub(crate) fn to_be_copied(&self) -> Result<(), ViewsError> {
        lock(&self.connection).execute("UPDATE copy SET anew = random() | 1", [])?;
        Ok(())
    }

    /// It was, if that was asked for by this number.
    #[cfg(feature = "postgres")]
    pub(crate) fn was_copied(&self, asked: i64) -> Result<(), ViewsError> {
        lock(&self.connection).execute("UPDATE copy SET anew = 0 WHERE anew = ?1", [asked])?;
        Ok(())
    }

    /// Moves the whole write-ahead log into the file.
    pub(super) fn carry_over(&self) -> Result<(), ViewsError> {
        lock(&self.connection).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Folds what the view has not seen; it stops before an event it cannot fold.
fn fold_view(desk: &mut Desk<'_>, standing: &mut Standing, events: &[(&str, &Recorded)]) -> Result<(), FoldError> {
    for (aggregate, event) in events {
        if event.position <= standing.mark.position {
            continue;
        }
        match standing.view.fold(desk, aggregate, event) {
            Ok(()) => {
                standing.mark.position = event.position;
                standing.mark.leaf = event.leaf;
            }
            Err(FoldError::Event(why)) => {
                let (view, position) = (standing.view.name(), event.position);
                let kind = format!("{aggregate}.{}", event.kind);
                tracing::error!(view, position, %kind, why = &why as &dyn std::error::Error, "a view cannot fold an event and has stopped");
                standing.stopped =
                    Some(format!("{view}: the event {kind} at position {position} cannot be folded: {why}"));
                break;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn save(connection: &Connection, standing: &Standing) -> Result<(), rusqlite::Error> {
    let mut save = connection
        .prepare_cached("INSERT OR REPLACE INTO progress (view, ledger, position, leaf) VALUES (?1, ?2, ?3, ?4)")?;
    let Mark { ledger_id, position, leaf } = standing.mark;
    save.execute((standing.view.name(), ledger_id.as_bytes(), signed(position), leaf))?;
    Ok(())
}

fn load(connection: &Connection, view: View) -> Result<Option<Mark>, ViewsError> {
    use rusqlite::OptionalExtension;
    let found = connection
        .query_row("SELECT ledger, position, leaf FROM progress WHERE view = ?1", [view.name()], |row| {
            Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?, row.get::<_, [u8; 32]>(2)?))
        })
        .optional()?;
    let Some((ledger, position, leaf)) = found else { return Ok(None) };
    let position = u64::try_from(position).map_err(|_| ViewsError::Row("a progress"))?;
    Ok(Some(Mark { ledger_id: uuid::Uuid::from_bytes(ledger), position, leaf }))
}

/// How far each view is.
#[cfg(feature = "postgres")]
pub(super) fn marks(connection: &Connection) -> Result<Vec<Mark>, ViewsError> {
    View::ALL.into_iter().map(|view| load(connection, view)?.ok_or(ViewsError::Row("a progress"))).collect()
}

/// Whether the mark is a place of this log, and not of one that was cut or is another.
fn is_on(mark: &Mark, ledger: &Ledger) -> Result<bool, ViewsError> {
    if mark.ledger_id != ledger.ledger_id() {
        return Ok(false);
    }
    Ok(mark.position == 0 || ledger.mark_at(mark.position)?.is_some_and(|there| there.leaf == mark.leaf))
}
