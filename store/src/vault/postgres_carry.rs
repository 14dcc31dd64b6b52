//! All keys and secrets of a database, for who carries them to another place.

use sqlx::Row as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Standing, VaultError,
    carry::Kept,
    keys::Secret,
    postgres::{PostgresKeys, key_of},
};
use crate::{
    DatabaseUrl, OpenError,
    server::{Address, OPEN_WITHIN, Waiting, schema::server},
};

const PUT: &str = "
WITH gone AS (DELETE FROM keys.keys WHERE subject = ANY($3))
INSERT INTO keys.keys SELECT * FROM unnest($1::uuid[], $2::bytea[])
ON CONFLICT (subject) DO UPDATE SET key = excluded.key";

impl PostgresKeys {
    /// Those of the database; none if it has none.
    pub(super) fn look(url: &DatabaseUrl) -> Result<Option<Self>, OpenError> {
        let address = Address::of(url)?;
        let there: bool = Waiting::start("keys-server")?.apart(OPEN_WITHIN, async || {
            let mut on = address.connect().await.map_err(OpenError::Server)?;
            let there = sqlx::raw_sql("SELECT to_regclass('keys.secrets') IS NOT NULL").fetch_one(&mut on).await;
            there.and_then(|row| row.try_get(0)).map_err(server)
        })?;
        if there { Self::open(url).map(Some) } else { Ok(None) }
    }

    pub(super) fn secrets(&self) -> Result<Vec<(String, Secret)>, VaultError> {
        let readers = self.readers();
        let rows: Vec<(String, Vec<u8>)> = self.asked(async move {
            let mut on = readers.session().await?;
            let select = "SELECT name, value FROM keys.secrets ORDER BY name";
            let rows = sqlx::query_as(select).persistent(false).fetch_all(&mut *on).await?;
            on.end().await.map(|()| rows)
        })?;
        Ok(rows.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
    }

    pub(super) fn put_secret(&self, name: &str, secret: &Secret) -> Result<(), VaultError> {
        let (readers, name, secret) = (self.readers(), name.to_owned(), secret.clone());
        self.asked(async move {
            let put =
                "INSERT INTO keys.secrets VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            let mut on = readers.session().await?;
            sqlx::query(put).persistent(false).bind(name).bind(secret.as_slice()).execute(&mut *on).await?;
            on.end().await
        })
    }

    pub(super) fn page(&self, after: Option<&Uuid>, limit: usize) -> Result<Vec<Kept>, VaultError> {
        let (readers, after, limit) = (self.readers(), after.copied(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.asked(async move {
            let select = "SELECT subject, key FROM keys.keys WHERE $1::uuid IS NULL OR subject > $1 \
                          ORDER BY subject LIMIT $2";
            let mut on = readers.session().await?;
            let rows = sqlx::query(select).persistent(false).bind(after).bind(limit).fetch_all(&mut *on).await?;
            on.end().await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, Standing::of(key_of(row.try_get(1)?)?)))).collect()
        })
    }

    pub(super) fn put(&self, kept: &[Kept]) -> Result<(), VaultError> {
        let (mut subjects, mut keys, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (subject, standing) in kept {
            match standing {
                Standing::Live(key) => {
                    subjects.push(*subject);
                    keys.push(Some(Zeroizing::new(key.to_vec())));
                }
                Standing::Destroyed => {
                    subjects.push(*subject);
                    keys.push(None);
                }
                Standing::Missing => gone.push(*subject),
            }
        }
        let readers = self.readers();
        self.asked(async move {
            let keys: Vec<Option<&[u8]>> = keys.iter().map(|key| key.as_ref().map(|key| key.as_slice())).collect();
            let mut on = readers.session().await?;
            sqlx::query(PUT).persistent(false).bind(subjects).bind(keys).bind(gone).execute(&mut *on).await?;
            on.end().await
        })
    }

    pub(super) fn last_block(&self) -> Result<i64, VaultError> {
        let readers = self.readers();
        self.asked(async move {
            let mut on = readers.session().await?;
            let select = "SELECT last FROM keys.counters WHERE name = 'blocks'";
            let last = sqlx::query_scalar(select).persistent(false).fetch_one(&mut *on).await?;
            on.end().await.map(|()| last)
        })
    }

    pub(super) fn pass_block(&self, last: i64) -> Result<(), VaultError> {
        let readers = self.readers();
        self.asked(async move {
            let pass = "UPDATE keys.counters SET last = greatest(last, $1) WHERE name = 'blocks'";
            let mut on = readers.session().await?;
            sqlx::query(pass).persistent(false).bind(last).execute(&mut *on).await?;
            on.end().await
        })
    }
}
