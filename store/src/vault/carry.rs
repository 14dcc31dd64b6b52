//! All keys and secrets, for who carries them to another place.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;
use zeroize::Zeroizing;

#[cfg(feature = "postgres")]
use super::postgres::PostgresKeys;
use super::{
    Standing, VaultError, VaultOptions,
    keys::{Keys, Secret},
};
use crate::{OpenError, locks::lock, sqlite};

/// The secret that all others of a vault are made from.
pub(crate) const MASTER: &str = "master";

/// A key, or a tombstone, by its subject.
pub(crate) type Kept = (Uuid, Standing);

impl Keys {
    /// Those that lie there, to be read only; none if there are none.
    pub(crate) fn look(options: &VaultOptions) -> Result<Option<Self>, OpenError> {
        match options {
            VaultOptions::Memory => Ok(None),
            VaultOptions::Sqlite { path } if !path.exists() => Ok(None),
            VaultOptions::Sqlite { path } => Self::look_into(path).map(Some),
            #[cfg(feature = "postgres")]
            VaultOptions::Postgres { url } => Ok(PostgresKeys::look(url)?.map(|keys| Keys::Postgres(Box::new(keys)))),
        }
    }

    /// What stands under a name.
    pub(crate) fn stored(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.secrets()?.into_iter().find(|(known, _)| known == name).map(|(_, secret)| secret))
    }

    pub(crate) fn secrets(&self) -> Result<Vec<(String, Secret)>, VaultError> {
        match self {
            Keys::Memory { .. } => Ok(Vec::new()),
            Keys::Sqlite { reader, .. } => {
                let reader = lock(reader);
                let mut select = reader.prepare_cached("SELECT name, value FROM secrets ORDER BY name")?;
                let rows = select.query_map([], |row| Ok((row.get(0)?, Zeroizing::new(row.get(1)?))))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.secrets(),
        }
    }

    /// Puts a secret in the place of what stood there.
    pub(crate) fn put_secret(&self, name: &str, secret: &Secret) -> Result<(), VaultError> {
        match self {
            Keys::Memory { .. } => Ok(()),
            Keys::Sqlite { writer, .. } => {
                let put = "INSERT INTO secrets VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                lock(writer).execute(put, params![name, secret.as_slice()])?;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.put_secret(name, secret),
        }
    }

    /// Keys and tombstones in the order of their subjects, after one.
    pub(crate) fn page(&self, after: Option<&Uuid>, limit: usize) -> Result<Vec<Kept>, VaultError> {
        match self {
            Keys::Memory { .. } => Ok(Vec::new()),
            Keys::Sqlite { reader, .. } => {
                let reader = lock(reader);
                let mut select = reader.prepare_cached(
                    "SELECT subject, key FROM keys WHERE ?1 IS NULL OR subject > ?1 ORDER BY subject LIMIT ?2",
                )?;
                let after = after.map(|subject| subject.as_bytes().as_slice());
                let rows = select.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    let key = row.get::<_, Option<[u8; 32]>>(1)?;
                    Ok((Uuid::from_bytes(row.get(0)?), Standing::of(key.map(|key| Zeroizing::new(key).into()))))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.page(after, limit),
        }
    }

    /// Has each stand as given, all or none; what is missing there is removed.
    pub(crate) fn put(&self, kept: &[Kept]) -> Result<(), VaultError> {
        match self {
            Keys::Memory { .. } => Ok(()),
            Keys::Sqlite { writer, .. } => {
                let mut writer = lock(writer);
                let unit = writer.transaction()?;
                for (subject, standing) in kept {
                    let subject = subject.as_bytes().as_slice();
                    let key = match standing {
                        Standing::Live(key) => Some(key.as_slice()),
                        Standing::Destroyed => None,
                        Standing::Missing => {
                            unit.prepare_cached("DELETE FROM keys WHERE subject = ?1")?.execute([subject])?;
                            continue;
                        }
                    };
                    let put = "INSERT INTO keys VALUES (?1, ?2) ON CONFLICT (subject) DO UPDATE SET key = excluded.key";
                    unit.prepare_cached(put)?.execute(params![subject, key])?;
                }
                Ok(unit.commit()?)
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.put(kept),
        }
    }

    /// The number of the last block of keys that was made.
    pub(crate) fn last_block(&self) -> Result<i64, VaultError> {
        match self {
            Keys::Memory { .. } => Ok(0),
            Keys::Sqlite { reader, .. } => {
                let last = lock(reader).query_row("SELECT last FROM blocks", [], |row| row.get(0)).optional()?;
                Ok(last.unwrap_or(0))
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.last_block(),
        }
    }

    /// Blocks that are made from now on have later numbers.
    pub(crate) fn pass_block(&self, last: i64) -> Result<(), VaultError> {
        match self {
            Keys::Memory { .. } => Ok(()),
            Keys::Sqlite { writer, .. } => {
                lock(writer).execute("UPDATE blocks SET last = max(last, ?1)", [last])?;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Keys::Postgres(keys) => keys.pass_block(last),
        }
    }

    fn look_into(path: &std::path::Path) -> Result<Self, OpenError> {
        sqlite::check_header(path, &super::keys::FORMAT)?;
        let (writer, reader) = (sqlite::open_reader(path)?, sqlite::open_reader(path)?);
        Ok(Keys::Sqlite { writer: writer.into(), reader: reader.into() })
    }
}
