//! Reading one moment for long: on a connection of its own, and without keeping the
//! file from being swapped. What is read on goes on being read, without a name.

use super::{File, Place, connect, folder};
use crate::ViewsError;
use crate::locks::lock;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::sync::{Arc, Mutex};
use store::Mark;

/// A connection that nobody who asks waits for.
pub(crate) enum Apart {
    Own(Box<Connection>),
    /// In memory there is but one.
    Shared(Arc<Mutex<Connection>>),
}

/// The views as they were when it began.
pub(crate) struct Moment<'a> {
    pub connection: &'a Connection,
}

impl File {
    pub(crate) fn apart(&self) -> Result<Apart, ViewsError> {
        Ok(match &self.place {
            Place::Disk(path) => {
                let own = connect::reader(path)?;
                // Another file may bear its name by then: what is carried over and removed at the end is found by name.
                own.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                Apart::Own(Box::new(own))
            }
            Place::Memory => Apart::Shared(self.folder().connection()),
        })
    }
}

impl Apart {
    pub(crate) fn look<T, E: From<ViewsError>>(self, look: impl FnOnce(&Moment<'_>) -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Own(mut own) => look_on(&mut own, look),
            Self::Shared(shared) => look_on(&mut lock(&shared), look),
        }
    }
}

fn look_on<T, E: From<ViewsError>>(
    connection: &mut Connection,
    look: impl FnOnce(&Moment<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.transaction().map_err(ViewsError::from)?;
    look(&Moment { connection: &transaction })
}

impl Moment<'_> {
    /// How far the views are; none while they differ, since one has stopped or is folded anew.
    pub(crate) fn mark(&self) -> Result<Option<Mark>, ViewsError> {
        let marks = folder::marks(self.connection)?;
        let first = marks.first().copied();
        Ok(first.filter(|first| marks.iter().all(|mark| mark == first)))
    }

    /// The number by which it was asked that the copy is made anew of these rows; 0 if it was not, or it is.
    pub(crate) fn asked_anew(&self) -> Result<i64, ViewsError> {
        Ok(self.connection.query_row("SELECT anew FROM copy", [], |row| row.get(0))?)
    }
}
