//! What the first start makes: the folder, the operators' token, the default tenant.

use super::StartError;
use super::site::ADMIN_SECRET;
use domain::use_cases::CreateTenant;
use domain::{Actor, Channel, CommandBus, Context, Failure, Refusal, TenantName};
use identity::{AdminToken, Token, TokenKind};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use store::{FolderLock, LockError, Vault};
use uuid::Uuid;

pub(crate) const ADMIN_TOKEN: &str = "admin-token";
/// Nobody but the service's own user reads the folder or the token.
const FOLDER_MODE: u32 = 0o700;
const TOKEN_MODE: u32 = 0o600;

/// Makes the folder if it is not there, and takes its lock.
pub(super) fn folder(folder: &Path, address: &str) -> Result<FolderLock, StartError> {
    let fault = |source| StartError::Folder { folder: folder.to_owned(), source };
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(fault)?;
    }
    FolderLock::take(folder, address).map_err(|error| match error {
        LockError::Held { holder } => StartError::InUse { folder: folder.to_owned(), holder },
        LockError::Io(source) => fault(source),
    })
}

/// Reads the operators' token, or makes it; answers its text only if it was made now.
/// Services that share their keys share it, too: it is kept beside them.
pub(super) fn admin_token(folder: &Path, vault: &Vault) -> Result<(AdminToken, Option<String>), StartError> {
    let file = folder.join(ADMIN_TOKEN);
    let fault = |source| StartError::Folder { folder: folder.to_owned(), source };
    match fs::read_to_string(&file) {
        Ok(text) => {
            let token = AdminToken::parse(text.trim()).map_err(StartError::room("the admin-token file"))?;
            if kept(vault, text.trim())? != text.trim() {
                let what = "has another admin-token than the services it shares keys with; \
                            remove that file, and it is written anew";
                return Err(StartError::Elsewhere { folder: folder.to_owned(), what });
            }
            Ok((token, None))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token =
                Token::random(TokenKind::Deployment).map_err(StartError::room("the source of random numbers"))?;
            let text = kept(vault, token.reveal())?;
            write_private(&file, &text).map_err(fault)?;
            let made = text == token.reveal();
            let token = AdminToken::parse(&text).map_err(StartError::room("the operators' token beside the keys"))?;
            Ok((token, made.then_some(text)))
        }
        Err(error) => Err(fault(error)),
    }
}

/// The token that counts: the folder's own, or the first that was kept beside shared keys.
fn kept(vault: &Vault, text: &str) -> Result<String, StartError> {
    if vault.server().is_none() {
        return Ok(text.to_owned());
    }
    let kept = vault.keep(ADMIN_SECRET, text).map_err(StartError::room("the keys"))?;
    Ok(kept.to_string())
}

/// Written beside and renamed, so that a crash leaves no half of it; on disk afterwards.
pub(super) fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(TOKEN_MODE).open(&beside)?;
    out.set_permissions(Permissions::from_mode(TOKEN_MODE))?;
    writeln!(out, "{text}")?;
    out.sync_all()?;
    fs::rename(&beside, file)?;
    match file.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The tenant that exists from the first start.
pub(super) async fn default_tenant(bus: &CommandBus, tenant: &TenantName) -> Result<(), StartError> {
    let known = bus.load::<domain::tenant::Tenant>(tenant, tenant.id()).await.map_err(StartError::room("the log"))?;
    if known.exists() {
        return Ok(());
    }
    let context = Context::new(tenant.clone(), Actor::System, Channel::Bootstrap, Uuid::new_v4(), bus.now());
    match bus.perform(context, CreateTenant {}).await {
        Ok(_) | Err(Failure::Refused(Refusal::NameTaken)) => Ok(()),
        Err(other) => Err(StartError::room("the default tenant")(other)),
    }
}
