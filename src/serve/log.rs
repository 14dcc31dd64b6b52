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
use store::{BackendOptions, ClaimChange, ClaimsOf, Ledger, LedgerOptions, StreamId, Vault};

/// The log of the folder, if it lies there.
const LEDGER: &str = "ledger.db";
/// Says that it does not.
const ELSEWHERE: &str = "log-is-in-postgresql";

/// Where the settings say that it lies, if the folder has no other one.
pub(super) fn place(settings: &Settings) -> Result<BackendOptions, StartError> {
    let folder = || settings.data.clone();
    if settings.store.reveal() != STORE_IN_DATA {
        if settings.data.join(LEDGER).exists() {
            let what = "holds a log of its own; name another folder with --data";
            return Err(StartError::Elsewhere { folder: folder(), what });
        }
        return with_server(settings);
    }
    if settings.data.join(ELSEWHERE).exists() {
        let what = "belongs to a log in PostgreSQL; name that one with the setting `store`";
        return Err(StartError::Elsewhere { folder: folder(), what });
    }
    Ok(BackendOptions::Sqlite { folder: folder() })
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
    let ledger = Ledger::open(options).map_err(StartError::room("the ledger"))?;
    let noted = settings.data.join(ELSEWHERE);
    if ledger.server().is_some() && !noted.exists() {
        write_private(&noted, &ledger.ledger_id().to_string())
            .map_err(|source| StartError::Folder { folder: settings.data.clone(), source })?;
    }
    Ok(ledger)
}

/// Whether several services may have this log: with state or keys in a folder another one would have other ones.
#[cfg(feature = "postgres")]
fn is_shared(settings: &Settings) -> bool {
    settings.state_url().is_some() && settings.keys_url().is_some()
}

#[cfg(feature = "postgres")]
fn with_server(settings: &Settings) -> Result<BackendOptions, StartError> {
    let url = store::DatabaseUrl::new(settings.store.reveal());
    Ok(BackendOptions::Postgres { url, folder: settings.data.clone(), alone: !is_shared(settings) })
}

#[cfg(not(feature = "postgres"))]
fn with_server(_settings: &Settings) -> Result<BackendOptions, StartError> {
    Err(StartError::NotBuilt)
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
