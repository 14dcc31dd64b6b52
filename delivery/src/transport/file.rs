//! One `.eml` per mail in a folder, named by its message id.
//!
//! Promise: a file under its final name is whole and on disk, and sending a
//! mail again replaces its file by itself, so no outcome is ever unknown.

use super::{Answer, Word};
use crate::error::DeliveryError;
use crate::letter::{Letter, mime};
use lettre::message::Mailbox;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(crate) struct File {
    folder: PathBuf,
    from: Mailbox,
}

impl File {
    /// Makes the folder, for the owner alone: mails hold the secrets of invitations.
    pub fn open(folder: &Path, from: Mailbox) -> Result<Self, DeliveryError> {
        make_folder(folder).map_err(|source| DeliveryError::OutboxFolder { folder: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned(), from })
    }

    pub async fn send(&self, letter: &Letter) -> Answer {
        let message = match mime::message(letter, &self.from, mime::TextForm::Whole) {
            Ok(message) => message.formatted(),
            Err(unsendable) => return unsendable.into(),
        };
        let folder = self.folder.clone();
        let name = file_name(&letter.message_id);
        match tokio::task::spawn_blocking(move || write(&folder, &name, &message)).await {
            Ok(Ok(())) => Answer::new(Word::Accepted, "file"),
            Ok(Err(error)) => {
                tracing::warn!(kind = %error.kind(), "a mail could not be written to its file");
                Answer::new(Word::Later, "file")
            }
            // The task was cut off; the file is whole or not there.
            Err(_) => Answer::new(Word::Later, "file"),
        }
    }
}

/// `inv-…@host.eml`.
fn file_name(message_id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '@' | '_');
    let bare = message_id.trim_start_matches('<').trim_end_matches('>');
    let name: String = bare.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{name}.eml")
}

fn write(folder: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.part"));
    let mut file = private().create(true).truncate(true).write(true).open(&temporary)?;
    file.write_all(message)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(unix)]
fn private() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> fs::OpenOptions {
    fs::OpenOptions::new()
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_makes_a_plain_file_name() {
        assert_eq!(file_name("<inv-0a@[::1]>"), "inv-0a@_::1_.eml".replace(':', "_"));
        assert_eq!(file_name("<inv-0a@x.example>"), "inv-0a@x.example.eml");
    }
}
