//! Where state and keys lie: in the data folder, or with a database server, which
//! several services may share.
//!
//! What a folder has is never left lying there for something new elsewhere: whoever
//! moves it says so.

use super::house::StartError;
#[cfg(not(feature = "postgres"))]
use super::log::WITHOUT_POSTGRESQL;
use crate::settings::Settings;
use std::path::PathBuf;
use store::{State, StateOptions, Vault, VaultOptions};

const STATE: &str = "state.db";
const KEYS: &str = "keys.db";

pub(super) fn state(settings: &Settings) -> Result<State, StartError> {
    State::open(state_options(settings)?).map_err(StartError::room("the state"))
}

pub(super) fn vault(settings: &Settings) -> Result<Vault, StartError> {
    Vault::open(vault_options(settings)?).map_err(StartError::room("the keys"))
}

pub(super) fn state_options(settings: &Settings) -> Result<StateOptions, StartError> {
    Ok(match settings.state_url() {
        None => StateOptions::Sqlite { path: settings.data.join(STATE) },
        Some(url) => {
            let what = "holds sessions and outbox of its own; set `state` to data, or name another folder with --data";
            state_with_server(url, absent(settings, STATE, what)?)?
        }
    })
}

pub(super) fn vault_options(settings: &Settings) -> Result<VaultOptions, StartError> {
    Ok(match settings.keys_url() {
        None => VaultOptions::Sqlite { path: settings.data.join(KEYS) },
        Some(url) => {
            let what = "holds keys of its own; set `keys` to data, or name another folder with --data";
            keys_with_server(url, absent(settings, KEYS, what)?)?
        }
    })
}

/// Says that the folder has no such file.
struct Absent;

fn absent(settings: &Settings, file: &str, what: &'static str) -> Result<Absent, StartError> {
    let folder: PathBuf = settings.data.clone();
    if folder.join(file).exists() { Err(StartError::Elsewhere { folder, what }) } else { Ok(Absent) }
}

#[cfg(feature = "postgres")]
fn state_with_server(url: &str, Absent: Absent) -> Result<StateOptions, StartError> {
    Ok(StateOptions::Postgres { url: store::DatabaseUrl::new(url) })
}

#[cfg(feature = "postgres")]
fn keys_with_server(url: &str, Absent: Absent) -> Result<VaultOptions, StartError> {
    Ok(VaultOptions::Postgres { url: store::DatabaseUrl::new(url) })
}

#[cfg(not(feature = "postgres"))]
fn state_with_server(_url: &str, Absent: Absent) -> Result<StateOptions, StartError> {
    Err(WITHOUT_POSTGRESQL)
}

#[cfg(not(feature = "postgres"))]
fn keys_with_server(_url: &str, Absent: Absent) -> Result<VaultOptions, StartError> {
    Err(WITHOUT_POSTGRESQL)
}
