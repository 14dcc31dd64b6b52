//! A log as one that a ledger is moved to, or from.
//!
//! While it is filled it bears a mark, a random id: nobody serves it, and no other
//! move may go on with it. `Moved` names that mark.

use uuid::Uuid;

#[cfg(feature = "eventstore")]
use super::EventStoreLog;
#[cfg(feature = "postgres")]
use super::PostgresLog;
use super::{Backend, Origin, SqliteLog, sqlite};
use crate::{OpenError, ledger::BackendOptions};

impl Backend {
    /// The log that lies there, to be read only, also while it is in use; none if there is none.
    pub(crate) fn look(options: &BackendOptions) -> Result<Option<Self>, OpenError> {
        Ok(match options {
            BackendOptions::Memory => None,
            BackendOptions::Sqlite { folder } if !folder.join(sqlite::FILE).exists() => None,
            BackendOptions::Sqlite { folder } => Some(Backend::Sqlite(Box::new(SqliteLog::open_to_read(folder)?))),
            #[cfg(feature = "postgres")]
            BackendOptions::Postgres { url, .. } => PostgresLog::look(url)?.map(|log| Backend::Postgres(Box::new(log))),
            #[cfg(feature = "eventstore")]
            BackendOptions::EventStore { url, stream, .. } => {
                EventStoreLog::look(url, stream)?.map(|log| Backend::EventStore(Box::new(log)))
            }
        })
    }

    /// Opens a log that is to hold this ledger. One that has none yet is made.
    pub(crate) fn open_for(options: &BackendOptions, origin: &Origin) -> Result<Self, OpenError> {
        let _ = origin;
        match options {
            #[cfg(feature = "eventstore")]
            BackendOptions::EventStore { url, stream, .. } => {
                Ok(Backend::EventStore(Box::new(EventStoreLog::open_for(url, stream, origin)?)))
            }
            BackendOptions::Memory | BackendOptions::Sqlite { .. } => Backend::open(options),
            #[cfg(feature = "postgres")]
            BackendOptions::Postgres { .. } => Backend::open(options),
        }
    }

    /// The mark of a ledger that is on its way here.
    pub(crate) fn arrival(&self) -> Result<Option<Uuid>, OpenError> {
        match self {
            Backend::Memory(_) => Ok(None),
            Backend::Sqlite(log) => log.arrival(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.arrival(),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.arrival(),
        }
    }

    /// Makes it this ledger's, and marks it. Who asks has seen that it holds no other one's events.
    pub(crate) fn arrive(&mut self, origin: &Origin, arrival: Uuid) -> Result<(), OpenError> {
        match self {
            Backend::Memory(_) => Ok(()),
            Backend::Sqlite(log) => log.arrive(origin, arrival),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.arrive(origin, arrival),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.arrive(origin, arrival),
        }
    }

    /// Notes which keys belong to it, or refuses others. Nobody has taken it by that.
    pub(crate) fn note_keys(&self, mark: &[u8; 32]) -> Result<(), OpenError> {
        match self {
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.note_keys(mark),
            Backend::Memory(_) | Backend::Sqlite(_) => self.fits_keys(mark),
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => self.fits_keys(mark),
        }
    }

    /// Takes the mark away.
    pub(crate) fn arrived(&self) -> Result<(), OpenError> {
        match self {
            Backend::Memory(_) => Ok(()),
            Backend::Sqlite(log) => log.arrived(),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.arrived(),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(log) => log.arrived(),
        }
    }

    /// Who has it open to serve, as far as its server knows; a folder says so by its lock.
    pub(crate) fn holders(&self) -> Result<Vec<String>, OpenError> {
        match self {
            Backend::Memory(_) | Backend::Sqlite(_) => Ok(Vec::new()),
            #[cfg(feature = "postgres")]
            Backend::Postgres(log) => log.holders(),
            #[cfg(feature = "eventstore")]
            Backend::EventStore(_) => Ok(Vec::new()),
        }
    }
}
