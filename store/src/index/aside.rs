//! Index files that are of no use: set aside, so that the next one is made anew.

use std::path::{Path, PathBuf};

use crate::OpenError;

/// A file of the index's name with this behind it says that the index is damaged.
const CONDEMNED: &str = ".damaged";

/// Leaves word for the next start.
pub(super) fn condemn(path: &Path) {
    if let Err(fault) = std::fs::write(beside(path, CONDEMNED), "") {
        tracing::error!(error = &fault as &dyn std::error::Error, "remove index.db by hand before the next start");
    }
}

pub(super) fn is_condemned(path: &Path) -> bool {
    beside(path, CONDEMNED).exists()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames the file, and removes what is kept beside it.
pub(super) fn set_aside(path: &Path) -> Result<(), OpenError> {
    let wrap = |source| OpenError::Io { file: path.to_owned(), source };
    match std::fs::rename(path, beside(path, ".set-aside")) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(wrap(fault)),
        Ok(()) | Err(_) => {}
    }
    for suffix in ["-wal", "-shm", "-journal", CONDEMNED] {
        match std::fs::remove_file(beside(path, suffix)) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(wrap(fault)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
