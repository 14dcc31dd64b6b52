//! Where the keys lie: `keys.db`, FULL, deleted bytes overwritten. Or memory, or PostgreSQL.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use rand::{RngCore, rngs::OsRng};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;
use zeroize::Zeroizing;

#[cfg(feature = "postgres")]
use super::postgres::PostgresKeys;
use super::{Key, MASTER, Standing, VaultError, VaultOptions};
use crate::{
    OpenError,
    locks::lock,
    sqlite::{self, Format},
};

pub(super) const FORMAT: Format = Format {
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

/// Bytes nobody may see.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Keys by subject, and secrets by name.
pub(crate) enum Keys {
    Memory {
        keys: Mutex<HashMap<Uuid, Option<Key>>>,
        secrets: Mutex<HashMap<String, Secret>>,
    },
    Sqlite {
        writer: Mutex<Connection>,
        reader: Mutex<Connection>,
    },
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresKeys>),
}

impl Keys {
    pub(crate) fn open(options: &VaultOptions) -> Result<Self, OpenError> {
        match options {
            VaultOptions::Memory => Ok(Keys::Memory { keys: Mutex::default(), secrets: Mutex::default() }),
            VaultOptions::Sqlite { path } => Self::open_sqlite(path),
            #[cfg(feature = "postgres")]
            VaultOptions::Postgres { url } => Ok(Keys::Postgres(Box::new(PostgresKeys::open(url)?))),
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
        let kept = self.secret(MASTER, &Zeroizing::new(random().to_vec()))?;
        let mut master = Zeroizing::new([0; 32]);
        // One of another length is none of ours; nothing it has sealed would open.
        if kept.len() != master.len() {
            return Err(VaultError::Tampered);
        }
        master.copy_from_slice(&kept);
        Ok(master)
    }

    /// What stands under a name, once this has been put there if nothing stood there.
    pub(super) fn secret(&self, name: &str, fresh: &Secret) -> Result<Secret, VaultError> {
        match self {
            Keys::Memory { secrets, .. } => {
                Ok(lock(secrets).entry(name.to_owned()).or_insert_with(|| fresh.clone()).clone())
            }
            Keys::Sqlite { writer, .. } => {
                let writer = lock(writer);
                writer.execute("INSERT OR IGNORE INTO secrets VALUES (?1, ?2)", params![name, fresh.as_slice()])?;
                let kept = writer.query_row("SELECT value FROM secrets WHERE name = ?1", [name], |row| row.get(0))?;
                Ok(Zeroizing::new(kept))
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.secret(name, fresh),
        }
    }

    /// The database server they lie in; none if they are this process's own.
    pub(super) fn server(&self) -> Option<&str> {
        match self {
            Keys::Memory { .. } | Keys::Sqlite { .. } => None,
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => Some(keys.server()),
        }
    }

    pub(super) fn reachable(&self) -> bool {
        match self {
            Keys::Memory { .. } | Keys::Sqlite { .. } => true,
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.reachable(),
        }
    }

    /// Whether a key in memory may be used without asking: where another node cannot destroy it unheard.
    pub(super) fn trusts(&self) -> bool {
        match self {
            Keys::Memory { .. } | Keys::Sqlite { .. } => true,
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.trusts(),
        }
    }

    /// Asks which keys other nodes have destroyed; `forget` is called for each.
    pub(super) fn news(&self, forget: impl FnMut(Uuid)) -> Result<(), VaultError> {
        match self {
            Keys::Memory { .. } | Keys::Sqlite { .. } => {
                drop(forget);
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.news(forget),
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
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.make_block(size),
        }
    }

    /// How keys stand, those that are not missing. `found` is called with each while it
    /// cannot be destroyed, so that a cache never keeps what is gone. From a server so many
    /// may come along that are `ahead` of them in their blocks.
    pub(super) fn standings(
        &self,
        subjects: &[Uuid],
        ahead: u32,
        mut found: impl FnMut(Uuid, &Standing),
    ) -> Result<HashMap<Uuid, Standing>, VaultError> {
        let _ = ahead;
        let mut standings = HashMap::with_capacity(subjects.len());
        match self {
            Keys::Memory { keys, .. } => {
                let keys = lock(keys);
                for subject in subjects {
                    if let Some(key) = keys.get(subject) {
                        let standing = Standing::of(key.clone());
                        found(*subject, &standing);
                        standings.insert(*subject, standing);
                    }
                }
            }
            Keys::Sqlite { reader, .. } => {
                let reader = lock(reader);
                let mut select = reader.prepare_cached("SELECT key FROM keys WHERE subject = ?1")?;
                for subject in subjects {
                    let row =
                        select.query_row([subject.as_bytes().as_slice()], |row| row.get::<_, Option<[u8; 32]>>(0));
                    if let Some(key) = row.optional()? {
                        let standing = Standing::of(key.map(|key| Arc::new(Zeroizing::new(key))));
                        found(*subject, &standing);
                        standings.insert(*subject, standing);
                    }
                }
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => return keys.standings(subjects, ahead, found),
        }
        Ok(standings)
    }

    /// Moves the file's write-ahead log into it.
    pub(crate) fn tidy(&self) -> Result<(), VaultError> {
        match self {
            Keys::Memory { .. } => Ok(()),
            Keys::Sqlite { writer, .. } => {
                Ok(lock(writer).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(_) => Ok(()),
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
            // What other nodes have destroyed is forgotten the same way.
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => {
                keys.destroy(subject)?;
                forget();
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
pub(super) fn draw(number: u64, size: usize) -> Vec<(Uuid, Key)> {
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

/// What ids of one block begin with.
#[cfg(feature = "postgres")]
pub(super) fn block_of(subject: Uuid) -> [u8; 6] {
    let mut number = [0; 6];
    number.copy_from_slice(&subject.as_bytes()[..6]);
    number
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
