//! `backup` and `restore`.

use super::client::Client;
use super::exit::{Exit, Trouble};
use super::output::Streams;
use super::request::Request;
use crate::settings::Settings;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::path::{Path, absolute};

/// Copies what is kept; the server does it where one runs.
///
/// # Errors
/// When the folder is not empty, or cannot be written.
pub async fn backup(client: &Client, folder: &Path, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let folder = absolute(folder).map_err(Trouble::io(format!("{} is no folder", folder.display())))?;
    let request = Request::post(["backup"]).body(json!({"folder": folder}));
    let done = client.ask(&request).await?;
    if streams.json {
        streams.json(&done)?;
    } else {
        streams.print(&format!("{} holds the ledger up to event {}", folder.display(), done["head"]))?;
        streams.remark("it holds the keys too: keep it as private as the data folder")?;
    }
    Ok(Exit::Done)
}

/// Makes the data folder from a backup. Nothing that is there is overwritten.
///
/// # Errors
/// When the data folder is not empty, or the backup is damaged.
pub fn restore(settings: &Settings, backup: &Path, streams: &mut Streams<'_>) -> Result<Exit, Trouble> {
    let bar = if streams.watched { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_draw_target(if streams.watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("{msg:8} {bar:40} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let result = store::restore(backup, &settings.data, &mut |progress: store::Progress| {
        bar.set_message(progress.part);
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    match result {
        Ok(()) => {
            let data = settings.data.display().to_string();
            if streams.json {
                streams.json(&json!({"data": data}))?;
            } else {
                streams.print(&format!("{data} is restored; `invitation-ledger doctor --data {data}` looks at it"))?;
            }
            Ok(Exit::Done)
        }
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: store::BackupError) -> Trouble {
    let message = match &error {
        store::BackupError::NotEmpty(folder) => {
            format!("{} is not empty; choose another folder with --data", folder.display())
        }
        store::BackupError::NoLedger(folder) => format!("{} holds no ledger to restore from", folder.display()),
        store::BackupError::Damaged(position) => {
            format!("the backup is damaged at event {position}; take another one, and leave this one as it is")
        }
        store::BackupError::Io { .. }
        | store::BackupError::Sqlite { .. }
        | store::BackupError::Open(_)
        | store::BackupError::Read(_) => {
            return Trouble::Io {
                what: "the backup cannot be restored".to_owned(),
                source: std::io::Error::other(error),
            };
        }
    };
    Trouble::Refused { status: 409, code: "not_restored".to_owned(), message }
}
