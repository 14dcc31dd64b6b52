//! Keys in PostgreSQL, shared by all nodes that have the same database.
//!
//! Promise: a key that was destroyed at one node is used by no other for longer
//! than [`TRUSTED_FOR`]. Every node asks what was destroyed, and what it holds in
//! memory counts only for so long after its last question was sent.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Key, Standing, VaultError,
    keys::{Secret, block_of, draw},
};
use crate::{
    DatabaseUrl, OpenError,
    locks::lock,
    server::{
        ANSWER_WITHIN, Address, OPEN_WITHIN, Readers, Waiting,
        schema::{Schema, server, server_name},
        within,
    },
};

/// Connections of a node.
const CONNECTIONS: u32 = 4;
/// How long one that is free is waited for.
const CONNECTION_WITHIN: Duration = Duration::from_secs(2);
/// For so long after a question for what was destroyed keys in memory are used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Destroyed subjects told at once.
const PAGE: i64 = 1_024;

/// Blocks of which keys are brought along, at most: with more it is old events that are read, by whoever has them once.
const BLOCKS_AHEAD: usize = 8;
const STANDINGS: &str = "
SELECT last, subject, key FROM keys.counters LEFT JOIN (
  SELECT subject, key FROM keys.keys WHERE subject = ANY($1)
  UNION ALL
  SELECT next.subject, next.key FROM unnest($2::uuid[]) AS after (subject) CROSS JOIN LATERAL (
    SELECT subject, key FROM keys.keys WHERE keys.subject > after.subject ORDER BY keys.subject LIMIT $3) AS next
) AS found ON true
WHERE name = 'destroyed'";

const SCHEMA: Schema = Schema {
    name: "keys",
    steps: &[include_str!("schema.sql")],
    rights: &[
        ("keys", "SELECT"),
        ("keys", "INSERT"),
        ("keys", "UPDATE"),
        ("destroyed", "SELECT"),
        ("destroyed", "INSERT"),
        ("secrets", "SELECT"),
        ("secrets", "INSERT"),
        ("counters", "SELECT"),
        ("counters", "UPDATE"),
    ],
};

pub(crate) struct PostgresKeys {
    waiting: Waiting,
    server: String,
    readers: Readers,
    /// What was destroyed up to this number is forgotten here.
    forgotten: Mutex<i64>,
    begun: Instant,
    /// When what is in memory stops counting, in ms since `begun`.
    trusted_until: AtomicU64,
    /// The last question was not answered.
    unreached: AtomicBool,
}

impl PostgresKeys {
    pub(super) fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let address = Address::of(url)?;
        let waiting = Waiting::start("keys-server")?;
        let (server, readers, last) = waiting.apart(OPEN_WITHIN, async || {
            let mut on = SCHEMA.prepare(&address).await?;
            let last = "SELECT last FROM keys.counters WHERE name = 'destroyed'";
            let last = sqlx::raw_sql(last).fetch_one(&mut on).await.map_err(server)?.try_get(0).map_err(server)?;
            Ok((server_name(&mut on, &address).await?, address.readers(CONNECTIONS, CONNECTION_WITHIN), last))
        })?;
        let (begun, trusted_until, unreached) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
        Ok(Self { waiting, server, readers, forgotten: Mutex::new(last), begun, trusted_until, unreached })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn reachable(&self) -> bool {
        !self.unreached.load(Relaxed)
    }

    /// What stands under a name, once this has been put there if nothing stood there.
    pub(super) fn secret(&self, name: &str, fresh: &Secret) -> Result<Secret, VaultError> {
        let (readers, name, fresh) = (self.readers.clone(), name.to_owned(), fresh.clone());
        self.asked(async move {
            let mut on = readers.session().await?;
            let put = "INSERT INTO keys.secrets VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
            sqlx::query(put).persistent(false).bind(&name).bind(fresh.as_slice()).execute(&mut *on).await?;
            let told = sqlx::query_scalar("SELECT value FROM keys.secrets WHERE name = $1").persistent(false);
            let told = told.bind(name).fetch_one(&mut *on).await.map(Zeroizing::new)?;
            on.end().await.map(|()| told)
        })
    }

    pub(super) fn make_block(&self, size: usize) -> Result<Vec<(Uuid, Key)>, VaultError> {
        let readers = self.readers.clone();
        self.asked(async move {
            let mut on = readers.session().await?;
            let next = "UPDATE keys.counters SET last = last + 1 WHERE name = 'blocks' RETURNING last";
            let number: i64 = sqlx::query_scalar(next).persistent(false).fetch_one(&mut *on).await?;
            let block = draw(number.cast_unsigned(), size);
            let (subjects, keys): (Vec<Uuid>, Vec<&[u8]>) = block.iter().map(|(id, key)| (*id, key.as_slice())).unzip();
            let put = "INSERT INTO keys.keys SELECT * FROM unnest($1::uuid[], $2::bytea[])";
            sqlx::query(put).persistent(false).bind(subjects).bind(keys).execute(&mut *on).await?;
            on.end().await.map(|()| block)
        })
    }

    /// How keys stand. `found` hears of each while what it notes cannot be missed by a later forgetting.
    /// Those of few blocks bring along so many that come after them in these: whoever follows another
    /// node's writes meets them next, in this order.
    pub(super) fn standings(
        &self,
        subjects: &[Uuid],
        ahead: u32,
        mut found: impl FnMut(Uuid, &Standing),
    ) -> Result<HashMap<Uuid, Standing>, VaultError> {
        let (readers, wanted, asked_at) = (self.readers.clone(), subjects.to_vec(), self.begun.elapsed());
        let rows: Vec<(i64, Option<(Uuid, Standing)>)> = self.asked(async move {
            let mut on = readers.session().await?;
            let lasts = if ahead == 0 { Vec::new() } else { lasts_of_blocks(&wanted) };
            let asked = sqlx::query(STANDINGS)
                .persistent(readers.keep_statements())
                .bind(wanted)
                .bind(lasts)
                .bind(i64::from(ahead));
            let rows = asked.fetch_all(&mut *on).await?;
            on.end().await?;
            rows.iter().map(looked_up).collect()
        })?;
        let last = rows.first().map_or(0, |(last, _)| *last);
        let standings: HashMap<Uuid, Standing> = rows.into_iter().filter_map(|(_, found)| found).collect();
        let forgotten = lock(&self.forgotten);
        // What was destroyed since these rows were read is still to be forgotten, or they are not noted.
        if *forgotten <= last {
            standings.iter().for_each(|(subject, standing)| found(*subject, standing));
        }
        if *forgotten == last {
            self.trust(asked_at);
        }
        drop(forgotten);
        Ok(standings)
    }

    /// Whether a key in memory may be used without asking.
    pub(super) fn trusts(&self) -> bool {
        self.begun.elapsed().as_millis() < u128::from(self.trusted_until.load(Relaxed))
    }

    /// Asks what was destroyed since the last time; `forget` is called for each.
    pub(super) fn news(&self, mut forget: impl FnMut(Uuid)) -> Result<(), VaultError> {
        loop {
            let (readers, since, asked_at) = (self.readers.clone(), *lock(&self.forgotten), self.begun.elapsed());
            let news: Vec<(i64, Uuid)> = self.asked(async move {
                let sql = "SELECT number, subject FROM keys.destroyed WHERE number > $1 ORDER BY number LIMIT $2";
                let mut on = readers.session().await?;
                let asked = sqlx::query_as(sql).persistent(readers.keep_statements()).bind(since).bind(PAGE);
                let found = asked.fetch_all(&mut *on).await?;
                on.end().await.map(|()| found)
            })?;
            let mut forgotten = lock(&self.forgotten);
            for (number, subject) in &news {
                forget(*subject);
                *forgotten = (*forgotten).max(*number);
            }
            if i64::try_from(news.len()).unwrap_or(PAGE) < PAGE {
                self.trust(asked_at);
                return Ok(());
            }
        }
    }

    pub(super) fn destroy(&self, subject: Uuid) -> Result<(), VaultError> {
        let readers = self.readers.clone();
        self.asked(async move {
            let sql = "
WITH numbered AS (UPDATE keys.counters SET last = last + 1 WHERE name = 'destroyed' RETURNING last),
     gone AS (INSERT INTO keys.keys VALUES ($1, NULL) ON CONFLICT (subject) DO UPDATE SET key = NULL)
INSERT INTO keys.destroyed SELECT last, $1 FROM numbered";
            let mut on = readers.session().await?;
            sqlx::query(sql).persistent(false).bind(subject).execute(&mut *on).await?;
            on.end().await
        })
    }

    fn trust(&self, asked_at: Duration) {
        let until = u64::try_from((asked_at + TRUSTED_FOR).as_millis()).unwrap_or(u64::MAX);
        self.trusted_until.fetch_max(until, Relaxed);
    }

    pub(super) fn readers(&self) -> Readers {
        self.readers.clone()
    }

    pub(super) fn asked<T: Send + 'static>(
        &self,
        asking: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    ) -> Result<T, VaultError> {
        let asking = within(ANSWER_WITHIN, async { Ok(asking.await?) });
        let told = self.waiting.run(asking).and_then(|told| told);
        self.unreached.store(told.is_err(), Relaxed);
        told.map_err(VaultError::Server)
    }
}

/// The last subject of each block; none if there are too many blocks.
fn lasts_of_blocks(subjects: &[Uuid]) -> Vec<Uuid> {
    let mut lasts: BTreeMap<[u8; 6], Uuid> = BTreeMap::new();
    for subject in subjects {
        let last = lasts.entry(block_of(*subject)).or_insert(*subject);
        *last = (*last).max(*subject);
    }
    if lasts.len() > BLOCKS_AHEAD { Vec::new() } else { lasts.into_values().collect() }
}

fn looked_up(row: &PgRow) -> Result<(i64, Option<(Uuid, Standing)>), sqlx::Error> {
    let last = row.try_get(0)?;
    let Some(subject) = row.try_get::<Option<Uuid>, _>(1)? else { return Ok((last, None)) };
    Ok((last, Some((subject, Standing::of(key_of(row.try_get(2)?)?)))))
}

/// A key as it stands in its column; none if it is destroyed.
pub(super) fn key_of(stored: Option<&[u8]>) -> Result<Option<Key>, sqlx::Error> {
    let decoded = |bytes: &[u8]| bytes.try_into().map_err(|_| sqlx::Error::Decode("a key has 32 bytes".into()));
    Ok(stored.map(decoded).transpose()?.map(|key| Arc::new(Zeroizing::new(key))))
}
