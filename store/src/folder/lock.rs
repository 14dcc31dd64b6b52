//! The lock on a data folder: one process at a time may write in it.
//!
//! The operating system holds it and lets go when the process ends, however it
//! ends. The text in the file only says who it is.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use thiserror::Error;

const FILE: &str = "lock";
/// Bytes of the text that are read.
const MOST_TEXT: u64 = 512;

/// Why the folder could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process is at work there.
    #[error("the folder is in use by {holder}")]
    Held { holder: String },
    #[error("the lock file cannot be used")]
    Io(#[from] std::io::Error),
}

/// Held as long as this process may write in the folder.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock. `address` is where this process listens, or what it does; it is told to others.
    pub fn take(folder: &Path, address: &str) -> Result<FolderLock, LockError> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join(FILE))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.take(MOST_TEXT).read_to_string(&mut holder)?;
                return Err(LockError::Held { holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(fault)) => return Err(fault.into()),
        }
        let mut lock = FolderLock { file: file.try_clone()? };
        lock.rename(address)?;
        file.flush()?;
        Ok(lock)
    }

    /// Changes what others are told, once the address is known.
    pub fn rename(&mut self, address: &str) -> Result<(), LockError> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "pid {} {address}", std::process::id())?;
        self.file.flush()?;
        Ok(())
    }

    /// Who holds the folder's lock, as it says itself; none if nobody does.
    pub fn holder(folder: &Path) -> Result<Option<String>, LockError> {
        let file = match File::open(folder.join(FILE)) {
            Ok(file) => file,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.take(MOST_TEXT).read_to_string(&mut holder)?;
                Ok(Some(holder.trim().to_owned()))
            }
            Err(TryLockError::Error(fault)) => Err(fault.into()),
        }
    }
}

impl Drop for FolderLock {
    /// By word, and not by closing the file: a child that was forked meanwhile has it open until it begins its program.
    fn drop(&mut self) {
        // Closing it is what is left.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::FolderLock;

    #[test]
    fn a_folder_is_free_once_it_is_given_up_whoever_has_the_file_open_still() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path(), "one").unwrap();
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        FolderLock::take(folder.path(), "other").unwrap();
        drop(inherited);
    }
}
