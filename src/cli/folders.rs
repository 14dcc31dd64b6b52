//! `backup` and `restore`.

use super::client::Client;
use super::exit::{Exit, Trouble};
use super::output::Streams;
use super::request::Request;
use crate::clock::SystemClock;
use crate::settings::Settings;
use domain::ledger::{self, Restored};
use domain::{Actor, Clock, Event};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::path::{Path, absolute};
use uuid::Uuid;

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
/// With `until`, what came after that event is given up, and the log says so.
///
/// # Errors
/// When the data folder is not empty, the backup is damaged, or cannot be cut there.
pub fn restore(
    settings: &Settings,
    backup: &Path,
    until: Option<u64>,
    streams: &mut Streams<'_>,
) -> Result<Exit, Trouble> {
    let bar = if streams.watched { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_draw_target(if streams.watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("{msg:8} {bar:40} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let mut progress = |progress: store::Progress| {
        bar.set_message(progress.part);
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    };
    let result = match until {
        None => store::restore(backup, &settings.data, &mut progress).map(|()| None),
        Some(until) => shortened(backup, &settings.data, until, &mut progress).map(Some),
    };
    bar.finish_and_clear();
    let origin = result.map_err(refused)?;
    let data = settings.data.display().to_string();
    if streams.json {
        streams.json(&json!({"data": data, "origin": origin}))?;
        return Ok(Exit::Done);
    }
    if let Some(origin) = origin {
        streams
            .remark(&format!("the ledger is {origin} from here on; mails without a result wait for `outbox retry`"))?;
    }
    streams.print(&format!("{data} is restored; `invitation-ledger doctor --data {data}` looks at it"))?;
    Ok(Exit::Done)
}

/// Restores up to an event and begins a new epoch there.
fn shortened(
    backup: &Path,
    data: &Path,
    until: u64,
    progress: &mut dyn FnMut(store::Progress),
) -> Result<String, store::BackupError> {
    // What was sent or answered after that event is not known: neither is taken up again.
    let forget: Vec<&str> = delivery::SPACES.into_iter().chain(crate::bus::SPACES).collect();
    let cut = store::Cut { until, now: SystemClock.now().0, forget: &forget, event: &restored };
    store::restore_until(backup, data, &cut, progress)
}

fn restored(ended: &store::Ended) -> store::NewEvent {
    let leaf = ended.leaf.iter().map(|byte| format!("{byte:02x}")).collect();
    let restored = Restored { from: ended.origin.clone(), position: ended.position, leaf };
    own_event(&ledger::Event::Restored(restored))
}

/// What is said of the ledger itself, as the store writes it.
pub(super) fn own_event(event: &ledger::Event) -> store::NewEvent {
    let payload = match event {
        ledger::Event::Restored(told) => json!(told),
        ledger::Event::Moved(told) => json!(told),
        ledger::Event::Opened(told) => json!(told),
        ledger::Event::Abandoned(told) => json!(told),
        ledger::Event::Reopened(told) => json!(told),
    };
    let metadata = [("actor".to_owned(), Actor::Deployment.to_string())];
    store::NewEvent {
        id: Uuid::now_v7(),
        kind: event.kind().to_owned(),
        schema: event.schema(),
        payload,
        metadata: metadata.into(),
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
        store::BackupError::PastTheEnd { head } => format!("the backup ends with event {head}"),
        store::BackupError::Torn { position, before } => {
            format!("event {position} was written together with the one after it; cut after event {before}, or later")
        }
        store::BackupError::Io { .. }
        | store::BackupError::Event(_)
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
