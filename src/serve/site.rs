//! A service's places, for who carries a ledger from one to another.

use super::bootstrap::{self, ADMIN_TOKEN};
use super::house::StartError;
use super::{beside, log};
use crate::settings::{STORE_IN_DATA, Secret, Settings};
use std::io;
use std::path::{PathBuf, absolute};
use store::{BackendOptions, Site, kept_secret};

/// Under which the operators' token is kept beside keys that services share.
pub(crate) const ADMIN_SECRET: &str = "admin token";

/// Where no file can lie.
const NOWHERE: &str = "/dev/null";

/// Where log, state and keys lie, or shall lie. Nothing is opened or made.
///
/// # Errors
/// When the folder belongs to another log, or this program cannot use the place.
pub fn site(settings: &Settings) -> Result<Site, StartError> {
    let in_folder = settings.store.reveal() == STORE_IN_DATA;
    let needed = in_folder || settings.state_url().is_none() || settings.keys_url().is_none();
    let folder =
        absolute(&settings.data).map_err(|source| StartError::Folder { folder: settings.data.clone(), source })?;
    // Where nothing lies in a folder none is meant: the one that the settings fall back on may be the other place.
    let data = if needed { folder.clone() } else { PathBuf::from(NOWHERE) };
    let settings = &Settings { data, ..settings.clone() };
    let mut log = log::place(settings)?;
    match &mut log {
        // Nobody else while it is closed or opened, also where several services share it otherwise.
        #[cfg(feature = "postgres")]
        BackendOptions::Postgres { alone, .. } => *alone = true,
        #[cfg(feature = "eventstore")]
        BackendOptions::EventStore { .. } => {}
        BackendOptions::Memory | BackendOptions::Sqlite { .. } => {}
    }
    let (state, keys) = (beside::state_options(settings)?, beside::vault_options(settings)?);
    let name = if in_folder { folder.display().to_string() } else { named(&settings.store) };
    Ok(Site { name, log, state, keys, folder: needed.then_some(folder) })
}

/// An address without user and password.
fn named(place: &Secret) -> String {
    place.masked().replacen("***@", "", 1)
}

/// The operators' token of a service, if it has one.
///
/// # Errors
/// When file or keys cannot be read.
pub fn admin_token(site: &Site) -> Result<Option<String>, StartError> {
    let file = site.folder.as_ref().map(|folder| folder.join(ADMIN_TOKEN));
    let read = file.map(|file| std::fs::read_to_string(&file).map_err(|source| (file, source)));
    match read {
        Some(Ok(text)) => return Ok(Some(text.trim().to_owned())),
        Some(Err((folder, source))) if source.kind() != io::ErrorKind::NotFound => {
            return Err(StartError::Folder { folder, source });
        }
        Some(Err(_)) | None => {}
    }
    let kept = kept_secret(&site.keys, ADMIN_SECRET).map_err(StartError::room("the keys"))?;
    Ok(kept.map(|token| token.to_string()))
}

/// Writes the operators' token into a service's folder.
///
/// # Errors
/// When it cannot be written.
pub fn write_admin_token(folder: Option<&PathBuf>, token: Option<&str>) -> io::Result<()> {
    match (folder, token) {
        (Some(folder), Some(token)) => bootstrap::write_private(&folder.join(ADMIN_TOKEN), token),
        (Some(_) | None, _) => Ok(()),
    }
}
