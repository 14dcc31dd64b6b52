//! The write-ahead logs at start.
//!
//! After a failed fsync the system may hold pages as clean that are not on
//! disk: a reader would see commits that a power cut then takes away. So every
//! kept write-ahead log is written anew and renamed over itself before SQLite
//! opens it. What is read from it afterwards is on disk.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::{KEYS, LEDGER, STATE};

/// Writes the `-wal` files of ledger, state and keys anew. Needs the folder's lock,
/// and nothing of them open.
pub fn rewrite_wal(folder: &Path) -> Result<(), io::Error> {
    let mut rewritten = false;
    for file in [LEDGER, STATE, KEYS] {
        let wal = folder.join(format!("{file}-wal"));
        let copy = folder.join(format!("{file}-wal.new"));
        let mut from = match File::open(&wal) {
            Ok(from) => from,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => continue,
            Err(fault) => return Err(fault),
        };
        let mut to = File::create(&copy)?;
        to.set_permissions(from.metadata()?.permissions())?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        fs::rename(&copy, &wal)?;
        rewritten = true;
    }
    if rewritten {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
