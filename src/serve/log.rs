//! Where the log lies: in the data folder, or with a database server.
//!
//! Either way index and views lie in the folder. A folder belongs to
//! one log: which one is noted in it, so that nobody writes a second history by
//! leaving the setting out.

use super::bootstrap::write_private;
use super::house::StartError;
use crate::settings::{STORE_IN_DATA, Settings};
use domain::{Clock, TenantName, claims};
use std::sync::Arc;
use store::{BackendOptions, ClaimChange, ClaimsOf, Ledger, LedgerOptions, OpenError, StreamId, Vault};

/// The log of the folder, if it lies there.
const LEDGER: &str = "ledger.db";
/// Says that it lies with PostgreSQL, or with EventStoreDB.
const IN_POSTGRESQL: &str = "log-is-in-postgresql";
const IN_EVENTSTOREDB: &str = "log-is-in-eventstoredb";
/// The stream of EventStoreDB that is the log.
#[cfg(feature = "eventstore")]
const STREAM: &str = "invitation_ledger";

#[cfg(not(feature = "postgres"))]
pub(super) const WITHOUT_POSTGRESQL: StartError = StartError::NotBuilt { what: "PostgreSQL", feature: "postgres" };

/// The note that a folder holds whose log lies where the settings say; none for one that has it itself.
fn note_of(settings: &Settings) -> Option<&'static str> {
    match settings.store.reveal() {
        STORE_IN_DATA => None,
        _ if settings.is_in_eventstoredb() => Some(IN_EVENTSTOREDB),
        _ => Some(IN_POSTGRESQL),
    }
}

/// Where the settings say that it lies, if the folder has no other one.
pub(super) fn place(settings: &Settings) -> Result<BackendOptions, StartError> {
    let folder = || settings.data.clone();
    let note = note_of(settings);
    for (other, what) in [
        (LEDGER, "holds a log of its own; name another folder with --data"),
        (IN_POSTGRESQL, "belongs to a log in PostgreSQL; name that one with the setting `store`"),
        (IN_EVENTSTOREDB, "belongs to a log in EventStoreDB; name that one with the setting `store`"),
    ] {
        if other != note.unwrap_or(LEDGER) && settings.data.join(other).exists() {
            return Err(StartError::Elsewhere { folder: folder(), what });
        }
    }
    match note {
        Some(IN_EVENTSTOREDB) => return with_eventstore(settings),
        Some(_) => return with_postgres(settings),
        None => {}
    }
    Ok(BackendOptions::Sqlite { folder: folder() })
}

/// Refuses a log that was moved elsewhere or is not whole yet, before anything is made beside it. Whatever
/// else is wrong with it is met when it is opened.
pub(super) fn check_open(backend: &BackendOptions) -> Result<(), StartError> {
    match store::check_open(backend) {
        Err(closed @ OpenError::Closed { .. }) => Err(StartError::Closed { source: closed }),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn open(
    backend: BackendOptions,
    settings: &Settings,
    vault: &Vault,
    clock: &Arc<dyn Clock>,
) -> Result<Ledger, StartError> {
    let clock = clock.clone();
    let mut options = LedgerOptions::new(backend, claims_of(), vault.clone(), Arc::new(move || clock.now().0));
    options.min_free_bytes = settings.limits.min_free_bytes;
    let ledger = Ledger::open(options).map_err(|fault| {
        let is_closed = matches!(fault, OpenError::Closed { .. });
        if is_closed { StartError::Closed { source: fault } } else { StartError::room("the ledger")(fault) }
    })?;
    if let Some(noted) = note_of(settings).map(|note| settings.data.join(note)).filter(|noted| !noted.exists()) {
        write_private(&noted, &ledger.ledger_id().to_string())
            .map_err(|source| StartError::Folder { folder: settings.data.clone(), source })?;
    }
    Ok(ledger)
}

/// Whether several services may have this log: with state or keys in a folder another one would have other ones.
#[cfg(any(feature = "postgres", feature = "eventstore"))]
fn is_shared(settings: &Settings) -> bool {
    settings.state_url().is_some() && settings.keys_url().is_some()
}

#[cfg(feature = "postgres")]
fn with_postgres(settings: &Settings) -> Result<BackendOptions, StartError> {
    let url = store::DatabaseUrl::new(settings.store.reveal());
    Ok(BackendOptions::Postgres { url, folder: settings.data.clone(), alone: !is_shared(settings) })
}

#[cfg(not(feature = "postgres"))]
fn with_postgres(_settings: &Settings) -> Result<BackendOptions, StartError> {
    Err(WITHOUT_POSTGRESQL)
}

#[cfg(feature = "eventstore")]
fn with_eventstore(settings: &Settings) -> Result<BackendOptions, StartError> {
    let (url, stream) = (store::DatabaseUrl::new(settings.store.reveal()), STREAM.to_owned());
    Ok(BackendOptions::EventStore { url, stream, folder: settings.data.clone(), alone: !is_shared(settings) })
}

#[cfg(not(feature = "eventstore"))]
fn with_eventstore(_settings: &Settings) -> Result<BackendOptions, StartError> {
    Err(StartError::NotBuilt { what: "EventStoreDB", feature: "eventstore" })
}

/// The domain's claims in the store's words.
fn claims_of() -> ClaimsOf {
    Arc::new(|stream: &StreamId, kind, payload| {
        let Ok(tenant) = TenantName::parse(stream.tenant()) else { return vec![] };
        let changes = claims::of(stream.aggregate_type(), &tenant, kind, payload);
        changes
            .into_iter()
            .map(|change| match change {
                claims::Change::Take(claim) => ClaimChange::Take { family: claim.family, name: claim.name },
                claims::Change::Release(family) => ClaimChange::Release { family },
            })
            .collect()
    })
}
