//! Where the keys lie: `keys.db`, FULL, deleted bytes overwritten. Or memory.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use rand::{RngCore, rngs::OsRng};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Key, Standing, VaultError, VaultOptions};
use crate::{
    OpenError,
    locks::lock,
    sqlite::{self, Format},
};

const FORMAT: Format = Format {
    kind: 3,
    version: 1,
    schema: "
CREATE TABLE keys (subject BLOB PRIMARY KEY, key BLOB) STRICT, WITHOUT ROWID;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL) STRICT;
INSERT INTO blocks VALUES (1, 0);
",
    full: true,
    secure_delete: true,
    cache_kib: 1_024,
    autocheckpoint: 1_000,
};

/// Keys by subject, and the master secret.
pub(crate) enum Keys {
    Memory { keys: Mutex<HashMap<Uuid, Option<Key>>>, master: Zeroizing<[u8; 32]> },
    Sqlite { writer: Mutex<Connection>, reader: Mutex<Connection> },
}

impl Keys {
    pub(super) fn open(options: &VaultOptions) -> Result<Self, OpenError> {
        match options {
            VaultOptions::Memory => Ok(Keys::Memory { keys: Mutex::default(), master: random() }),
            VaultOptions::Sqlite { path } => Self::open_sqlite(path),
        }
    }

    fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let writer = sqlite::open_writer(path, &FORMAT)?;
        keep_private(path)?;
        let reader = sqlite::open_reader(path)?;
        Ok(Keys::Sqlite { writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// The master secret, drawn at the first start.
    pub(super) fn master(&self) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        match self {
            Keys::Memory { master, .. } => Ok(master.clone()),
            Keys::Sqlite { writer, .. } => {
                let writer = lock(writer);
                writer.execute("INSERT OR IGNORE INTO secrets VALUES ('master', ?1)", [random().as_slice()])?;
                Ok(writer.query_row("SELECT value FROM secrets WHERE name = 'master'", [], |row| {
                    row.get::<_, [u8; 32]>(0).map(Zeroizing::new)
                })?)
            }
        }
    }

    /// Writes a block of fresh keys, durably, and hands them over. Their ids ascend
    /// with the blocks, so that one file's pages fill up one after the other, and
    /// are random within.
    pub(super) fn make_block(&self, size: usize) -> Result<Vec<(Uuid, Key)>, VaultError> {
        match self {
            Keys::Memory { keys, .. } => {
                let block = draw(rand::random::<u64>() >> 16, size);
                lock(keys).extend(block.iter().map(|(id, key)| (*id, Some(key.clone()))));
                Ok(block)
            }
            Keys::Sqlite { writer, .. } => {
                let mut writer = lock(writer);
                let unit = writer.transaction()?;
                let number: i64 =
                    unit.query_row("UPDATE blocks SET last = last + 1 RETURNING last", [], |row| row.get(0))?;
                let block = draw(number.cast_unsigned(), size);
                {
                    let mut insert = unit.prepare_cached("INSERT INTO keys VALUES (?1, ?2)")?;
                    for (id, key) in &block {
                        insert.execute(params![id.as_bytes().as_slice(), key.as_slice()])?;
                    }
                }
                unit.commit()?;
                Ok(block)
            }
        }
    }

    /// How a key stands. `found` is called with a live one while it cannot be destroyed,
    /// so that a cache never keeps what is gone.
    pub(super) fn standing(&self, subject: Uuid, found: impl FnOnce(Key)) -> Result<Standing, VaultError> {
        match self {
            Keys::Memory { keys, .. } => {
                let keys = lock(keys);
                Ok(match keys.get(&subject) {
                    None => Standing::Missing,
                    Some(None) => Standing::Destroyed,
                    Some(Some(key)) => {
                        found(key.clone());
                        Standing::Live(key.clone())
                    }
                })
            }
            Keys::Sqlite { reader, .. } => {
                let reader = lock(reader);
                let mut select = reader.prepare_cached("SELECT key FROM keys WHERE subject = ?1")?;
                let row = select.query_row([subject.as_bytes().as_slice()], |row| {
                    row.get::<_, Option<[u8; 32]>>(0).map(|key| key.map(|key| Arc::new(Zeroizing::new(key))))
                });
                Ok(match row.optional()? {
                    None => Standing::Missing,
                    Some(None) => Standing::Destroyed,
                    Some(Some(key)) => {
                        found(key.clone());
                        Standing::Live(key)
                    }
                })
            }
        }
    }

    /// Moves the file's write-ahead log into it.
    pub(super) fn tidy(&self) -> Result<(), VaultError> {
        match self {
            Keys::Memory { .. } => Ok(()),
            Keys::Sqlite { writer, .. } => {
                Ok(lock(writer).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
            }
        }
    }

    /// Puts a tombstone in the key's place; `forget` is called while nobody can look the key up.
    pub(super) fn destroy(&self, subject: Uuid, forget: impl FnOnce()) -> Result<(), VaultError> {
        match self {
            Keys::Memory { keys, .. } => {
                let mut keys = lock(keys);
                keys.insert(subject, None);
                forget();
            }
            Keys::Sqlite { writer, reader } => {
                let writer = lock(writer);
                writer.execute(
                    "INSERT INTO keys VALUES (?1, NULL) ON CONFLICT (subject) DO UPDATE SET key = NULL",
                    [subject.as_bytes().as_slice()],
                )?;
                let reader = lock(reader);
                forget();
                // The old bytes stand in the write-ahead log until it is cut.
                writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                drop(reader);
            }
        }
        Ok(())
    }
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(bytes.as_mut_slice());
    bytes
}

/// A block of ids and keys, ascending by id: UUIDs of version 8, the block's number in front, random behind.
fn draw(number: u64, size: usize) -> Vec<(Uuid, Key)> {
    let mut random = Zeroizing::new(vec![0; size * 48]);
    OsRng.fill_bytes(&mut random);
    let (records, _) = random.as_chunks::<48>();
    let mut block: Vec<(Uuid, Key)> = records
        .iter()
        .map(|record| {
            let mut id = [0; 16];
            id[..6].copy_from_slice(&number.to_be_bytes()[2..]);
            id[6..].copy_from_slice(&record[..10]);
            let mut key = Zeroizing::new([0; 32]);
            key.copy_from_slice(&record[16..]);
            (uuid::Builder::from_custom_bytes(id).into_uuid(), Arc::new(key))
        })
        .collect();
    block.sort_unstable_by_key(|(id, _)| *id);
    block.dedup_by_key(|(id, _)| *id);
    block
}

/// Readable by the owner alone.
#[cfg(unix)]
fn keep_private(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|source| OpenError::Io { file: path.to_owned(), source })
}

#[cfg(not(unix))]
fn keep_private(_path: &Path) -> Result<(), OpenError> {
    Ok(())
}
