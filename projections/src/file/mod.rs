//! The views' file: one writer, a few readers, and what to do with a file that
//! is not ours to continue.
//!
//! Promise: rows and progress move in one transaction. The file is disposable,
//! so whatever does not open as ours, in this schema and of this log, is
//! deleted and folded again; nothing of it is repaired.

#[cfg(feature = "postgres")]
mod apart;
mod connect;
mod folder;

#[cfg(feature = "postgres")]
pub(crate) use apart::Moment;
#[cfg(feature = "postgres")]
pub(crate) use connect::SCHEMA_VERSION as SHAPE;
pub(crate) use folder::{Folder, Standing};

use crate::ViewsError;
use crate::limits::READERS;
use crate::locks::lock;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use store::Ledger;

/// Where a file lies.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Readers and writer take turns on one connection.
    Memory,
    Disk(PathBuf),
}

impl Place {
    /// Where a rebuilt file grows before it is swapped in.
    pub(crate) fn beside(&self) -> Self {
        match self {
            Self::Memory => Self::Memory,
            Self::Disk(path) => Self::Disk(with_suffix(path, ".rebuilt")),
        }
    }

    /// Deletes the file and what SQLite keeps beside it.
    pub(crate) fn delete(&self) -> Result<(), ViewsError> {
        let Self::Disk(path) = self else { return Ok(()) };
        for file in [path.clone(), with_suffix(path, "-wal"), with_suffix(path, "-shm"), with_suffix(path, "-journal")]
        {
            match std::fs::remove_file(&file) {
                Ok(()) => {}
                Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ViewsError::Io { file, source }),
            }
        }
        Ok(())
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// An open file.
pub(crate) struct File {
    place: Place,
    /// Closed before the writer: only a connection that may write can carry the
    /// write-ahead log over and remove it, and only the last one does.
    readers: Vec<Arc<Mutex<Connection>>>,
    next: AtomicUsize,
    folder: Mutex<Folder>,
}

impl File {
    /// Opens what is there if it is this log's in this schema, else an empty file.
    pub(crate) fn open(place: Place, ledger: &Ledger) -> Result<Self, ViewsError> {
        match Self::resume(&place, ledger) {
            Ok(Some(file)) => return Ok(file),
            Ok(None) => {}
            Err(fault @ (ViewsError::Sqlite(_) | ViewsError::Row(_))) => {
                tracing::warn!(%fault, "the views' file cannot be continued; folding the log again");
            }
            Err(fault) => return Err(fault),
        }
        Self::create(place, ledger)
    }

    fn resume(place: &Place, ledger: &Ledger) -> Result<Option<Self>, ViewsError> {
        let Place::Disk(path) = place else { return Ok(None) };
        if !path.exists() {
            return Ok(None);
        }
        let writer = connect::writer(place)?;
        if !connect::is_current(&writer)? {
            tracing::warn!("the views' file has another schema; folding the log again");
            return Ok(None);
        }
        let folder = Folder::resume(writer, ledger)?;
        match folder {
            Some(folder) => Self::around(place.clone(), folder).map(Some),
            None => {
                tracing::warn!("the views' file belongs to another log; folding this one");
                Ok(None)
            }
        }
    }

    /// An empty file, whatever was there before.
    pub(crate) fn create(place: Place, ledger: &Ledger) -> Result<Self, ViewsError> {
        place.delete()?;
        let writer = connect::writer(&place)?;
        connect::lay_out(&writer)?;
        let folder = Folder::begin(writer, ledger)?;
        Self::around(place, folder)
    }

    /// A copy of this file at another place, as of now, with one view emptied.
    pub(crate) fn copy_without(
        &self,
        view: crate::fold::View,
        place: Place,
        ledger: &Ledger,
    ) -> Result<Self, ViewsError> {
        place.delete()?;
        let mut copy = connect::raw(&place)?;
        connect::copy(&self.reader(), &mut copy)?;
        connect::settle(&copy, &place)?;
        let mut folder = Folder::resume(copy, ledger)?.ok_or(ViewsError::Row("the copied progress"))?;
        folder.clear(view)?;
        Self::around(place, folder)
    }

    fn around(place: Place, folder: Folder) -> Result<Self, ViewsError> {
        let readers = match &place {
            Place::Memory => vec![folder.connection()],
            Place::Disk(path) => (0..READERS)
                .map(|_| connect::reader(path).map(|reader| Arc::new(Mutex::new(reader))))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { place, readers, next: AtomicUsize::new(0), folder: Mutex::new(folder) })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn folder(&self) -> MutexGuard<'_, Folder> {
        lock(&self.folder)
    }

    /// Has many events folded at once until [`File::rest`]. Not in memory: who reads there
    /// would see what is not committed.
    pub(crate) fn hurry(&self) -> Result<(), ViewsError> {
        match self.place {
            Place::Memory => Ok(()),
            Place::Disk(_) => self.folder().hurry(),
        }
    }

    /// Commits what is folded, and goes on as usual.
    pub(crate) fn rest(&self) -> Result<(), ViewsError> {
        match self.place {
            Place::Memory => Ok(()),
            Place::Disk(_) => self.folder().rest(),
        }
    }

    /// A connection to read with: a free one if there is one.
    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        if let Some(free) = self.readers.iter().find_map(|reader| reader.try_lock().ok()) {
            return free;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.readers.len().max(1);
        lock(&self.readers[turn])
    }

    /// Puts `rebuilt` where `old` lies. Both are closed meanwhile, so that neither's
    /// write-ahead log is taken for the other's; nobody reads while it happens.
    pub(crate) fn swap(old: Self, rebuilt: Self, ledger: &Ledger) -> Result<Self, ViewsError> {
        let (place, beside) = (old.place.clone(), rebuilt.place.clone());
        let (Place::Disk(to), Place::Disk(from)) = (&place, &beside) else { return Ok(rebuilt) };
        rebuilt.folder().carry_over()?;
        drop(rebuilt);
        drop(old);
        place.delete()?;
        std::fs::rename(from, to).map_err(|source| ViewsError::Io { file: to.clone(), source })?;
        Self::open(place, ledger)
    }
}
