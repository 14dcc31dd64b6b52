//! State in PostgreSQL, shared by all nodes that have the same database.
//!
//! Commit point: COMMIT returning. One advisory lock is held from the first
//! statement of a group to its commit, so that commits of all nodes come one
//! after the other, and a check still holds when its changes land.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{PgConnection, Row as _};

use super::{
    Batch, Place, StateError,
    grouped::{Pending, Table, WriteFault},
};
use crate::{
    DatabaseUrl, OpenError,
    locks::lock,
    server::{
        ANSWER_WITHIN, Address, Fault, OPEN_WITHIN, OwnWaiting, Readers, Waiting, all, begin_sql,
        hold::{Hold, holders},
        is_full, is_lost, run,
        schema::{ADVISORY, Schema, check_server, server, server_name, unfit},
        within,
    },
};

/// Reads that may be at work at once.
const READERS: u32 = 8;
/// How long a read waits for one of their connections: requests wait for it.
const READER_WITHIN: Duration = Duration::from_secs(1);
/// Who has this advisory lock changes the state.
const CHANGING: i64 = ADVISORY + 2;
/// Who has this one has the state alone; nodes that share it share it.
const ALONE: i64 = ADVISORY + 3;
const MOVING: &str = "the ledger is being moved away from there";

const SCHEMA: Schema = Schema {
    name: "state",
    steps: &[include_str!("schema.sql")],
    rights: &[("entries", "SELECT"), ("entries", "INSERT"), ("entries", "UPDATE"), ("entries", "DELETE")],
};

const WANTED: &str = "
SELECT e.space, e.key, e.value FROM unnest($1::text[], $2::text[]) AS wanted (space, key)
JOIN state.entries e ON e.space = wanted.space AND e.key = wanted.key";
const CHANGE: &str = "
WITH gone AS (
  DELETE FROM state.entries e USING unnest($4::text[], $5::text[]) AS gone (space, key)
  WHERE e.space = gone.space AND e.key = gone.key
)
INSERT INTO state.entries (space, key, value) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";

pub(super) struct PostgresTable {
    waiting: Waiting,
    /// The writing thread's, with `writer`.
    own: OwnWaiting,
    server: String,
    address: Address,
    hold: Hold,
    /// The connection that groups are written on. None: to be made.
    writer: Mutex<Option<PgConnection>>,
    readers: Readers,
    /// The last question was not answered.
    unreached: AtomicBool,
}

/// What becomes of entries in one transaction, over what was there before it.
#[derive(Default)]
struct Overlay {
    before: HashMap<Place, Vec<u8>>,
    after: BTreeMap<Place, Option<Vec<u8>>>,
}

impl PostgresTable {
    /// `alone`: no node may have it, and none gets it, for as long as this one does.
    pub(super) fn open(url: &DatabaseUrl, alone: bool) -> Result<Self, OpenError> {
        let (address, hold) = (Address::of(url)?, Hold { lock: ALONE, alone });
        if alone && address.is_pooled() {
            let reason = "who wants the state alone holds it with a session of its own, which a pooler does not give";
            return Err(unfit(reason, "name the server itself"));
        }
        let waiting = Waiting::start("state-server")?;
        let own = OwnWaiting::start()?;
        let (server, writer) = own.apart(OPEN_WITHIN, async || {
            let mut writer = SCHEMA.prepare(&address).await?;
            if !hold.take(&mut writer, &address).await.map_err(OpenError::Server)? {
                let reason = if alone { "a service has the state" } else { MOVING };
                return Err(unfit(reason, "wait for its end"));
            }
            Ok((server_name(&mut writer, &address).await?, writer))
        })?;
        let readers = waiting.apart(OPEN_WITHIN, async || Ok(address.readers(READERS, READER_WITHIN)))?;
        Ok(Self {
            waiting,
            own,
            server,
            address,
            hold,
            writer: Mutex::new(Some(writer)),
            readers,
            unreached: AtomicBool::new(false),
        })
    }

    /// Sessions of nodes that have the state.
    pub(super) fn holders(url: &DatabaseUrl) -> Result<Vec<String>, OpenError> {
        let address = Address::of(url)?;
        Waiting::start("state-server")?.apart(OPEN_WITHIN, async || {
            let mut on = address.connect().await.map_err(OpenError::Server)?;
            holders(&mut on, ALONE).await.map_err(server)
        })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn reachable(&self) -> bool {
        !self.unreached.load(Relaxed)
    }

    fn asked<T: Send + 'static>(
        &self,
        asking: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    ) -> Result<T, StateError> {
        let asking = within(ANSWER_WITHIN, async { Ok(asking.await?) });
        let told = self.waiting.run(asking).and_then(|told| told);
        self.unreached.store(told.is_err(), Relaxed);
        told.map_err(StateError::Server)
    }

    /// Everything up to the commit. Told afterwards: whether COMMIT was sent.
    async fn write_on(
        &self,
        on: &mut PgConnection,
        later: &[Pending],
        batches: &[Batch],
        sent: &mut bool,
    ) -> Result<Vec<Result<(), StateError>>, Fault> {
        let hold = self.hold.within(&self.address);
        let begun =
            all(on, &format!("{}; SELECT pg_advisory_xact_lock({CHANGING}); SELECT {hold}", begin_sql())).await?;
        if !begun.last().ok_or(MOVING)?.try_get::<bool, _>(0)? {
            return Err(MOVING.into());
        }
        let mut overlay = Overlay::default();
        overlay.after.extend(later.iter().map(|(place, (_, value))| (place.clone(), value.clone())));
        let wanted: HashSet<&Place> = batches.iter().flat_map(|batch| &batch.checks).map(|(place, _)| place).collect();
        if !wanted.is_empty() {
            let (spaces, keys): (Vec<&str>, Vec<&str>) =
                wanted.into_iter().map(|(space, key)| (space.as_str(), key.as_str())).unzip();
            let wanted = sqlx::query(WANTED).persistent(self.readers.keep_statements());
            for row in wanted.bind(spaces).bind(keys).fetch_all(&mut *on).await? {
                overlay.before.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
            }
        }
        let results = batches.iter().map(|batch| overlay.lay(batch)).collect();
        overlay.change(on, self.readers.keep_statements()).await?;
        *sent = true;
        run(on, "COMMIT").await?;
        Ok(results)
    }

    /// Once more on a new connection if the one at hand had died before anything was sent for good.
    async fn write_again(
        &self,
        held: &mut Option<PgConnection>,
        later: &[Pending],
        batches: &[Batch],
        sent: &mut bool,
    ) -> Result<Vec<Result<(), StateError>>, Fault> {
        if let Some(kept) = held.as_mut() {
            let done = within(ANSWER_WITHIN, self.write_on(kept, later, batches, sent)).await;
            match done {
                Err(fault) if !*sent && is_lost(&*fault) => *held = None,
                done => return done,
            }
        }
        let mut made = self.address.connect().await?;
        within(ANSWER_WITHIN, async { Ok(check_server(&mut made).await?) }).await?;
        if !within(ANSWER_WITHIN, self.hold.take(&mut made, &self.address)).await? {
            return Err(MOVING.into());
        }
        let kept = held.insert(made);
        within(ANSWER_WITHIN, self.write_on(kept, later, batches, sent)).await
    }
}

impl Overlay {
    fn now(&self, place: &Place) -> Option<&Vec<u8>> {
        match self.after.get(place) {
            Some(value) => value.as_ref(),
            None => self.before.get(place),
        }
    }

    fn lay(&mut self, batch: &Batch) -> Result<(), StateError> {
        if let Some((place, _)) = batch.checks.iter().find(|(place, expected)| self.now(place) != expected.as_ref()) {
            let (space, key) = place.clone();
            return Err(StateError::Changed { space, key });
        }
        self.after.extend(batch.changes.iter().cloned());
        Ok(())
    }

    async fn change(self, on: &mut PgConnection, keep: bool) -> Result<(), Fault> {
        if self.after.is_empty() {
            return Ok(());
        }
        let (mut put, mut gone) = ((Vec::new(), Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for ((space, key), value) in self.after {
            match value {
                Some(value) => {
                    put.0.push(space);
                    put.1.push(key);
                    put.2.push(value);
                }
                None => {
                    gone.0.push(space);
                    gone.1.push(key);
                }
            }
        }
        let change = sqlx::query(CHANGE).persistent(keep).bind(put.0).bind(put.1).bind(put.2);
        change.bind(gone.0).bind(gone.1).execute(on).await?;
        Ok(())
    }
}

impl Table for PostgresTable {
    fn get(&self, space: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        let (readers, space, key) = (self.readers.clone(), space.to_owned(), key.to_owned());
        self.asked(async move {
            let select = "SELECT value FROM state.entries WHERE space = $1 AND key = $2";
            let mut on = readers.session().await?;
            let asked = sqlx::query_scalar(select).persistent(readers.keep_statements()).bind(space).bind(key);
            let found = asked.fetch_optional(&mut *on).await?;
            on.end().await.map(|()| found)
        })
    }

    fn get_each(&self, space: &str, keys: &[&str]) -> Result<HashMap<String, Vec<u8>>, StateError> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let (readers, space) = (self.readers.clone(), space.to_owned());
        self.asked(async move {
            let select = "SELECT key, value FROM state.entries WHERE space = $1 AND key = ANY($2)";
            let mut on = readers.session().await?;
            let asked = sqlx::query_as(select).persistent(readers.keep_statements()).bind(space).bind(keys);
            let found: Vec<(String, Vec<u8>)> = asked.fetch_all(&mut *on).await?;
            on.end().await.map(|()| found.into_iter().collect())
        })
    }

    fn scan(&self, from: &Bound<Place>, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let (Bound::Included((space, key)) | Bound::Excluded((space, key))) = from.clone() else {
            return Ok(Vec::new());
        };
        let included = matches!(from, Bound::Included(_));
        let (readers, prefix) = (self.readers.clone(), prefix.to_owned());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.asked(async move {
            let select = "SELECT key, value FROM state.entries \
                          WHERE space = $1 AND key >= $2 AND ($3 OR key > $2) \
                          AND ($4::text IS NULL OR key < $4) AND starts_with(key, $5) ORDER BY key LIMIT $6";
            let mut on = readers.session().await?;
            let asked = sqlx::query_as(select).persistent(readers.keep_statements()).bind(space).bind(key);
            let asked = asked.bind(included).bind(beyond(&prefix)).bind(prefix).bind(limit);
            let found = asked.fetch_all(&mut *on).await?;
            on.end().await.map(|()| found)
        })
    }

    fn count(&self, space: &str) -> Result<u64, StateError> {
        let (readers, space) = (self.readers.clone(), space.to_owned());
        self.asked(async move {
            let select = "SELECT count(*) FROM state.entries WHERE space = $1";
            let mut on = readers.session().await?;
            let asked = sqlx::query_scalar::<_, i64>(select).persistent(readers.keep_statements()).bind(space);
            let count = asked.fetch_one(&mut *on).await?;
            on.end().await.map(|()| count.cast_unsigned())
        })
    }

    fn page(&self, after: Option<&Place>, limit: usize) -> Result<Vec<(Place, Vec<u8>)>, StateError> {
        let (space, key) = after.cloned().unwrap_or_default();
        let (readers, limit) = (self.readers.clone(), i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<(String, String, Vec<u8>)> = self.asked(async move {
            let select = "SELECT space, key, value FROM state.entries WHERE (space, key) > ($1, $2) \
                          ORDER BY space, key LIMIT $3";
            let mut on = readers.session().await?;
            let asked = sqlx::query_as(select).persistent(readers.keep_statements()).bind(space).bind(key);
            let rows = asked.bind(limit).fetch_all(&mut *on).await?;
            on.end().await.map(|()| rows)
        })?;
        Ok(rows.into_iter().map(|(space, key, value)| ((space, key), value)).collect())
    }

    fn write(&self, later: &[Pending], batches: &[Batch]) -> Result<Vec<Result<(), StateError>>, WriteFault> {
        let mut held = lock(&self.writer);
        let mut sent = false;
        let written = self.own.run(self.write_again(&mut held, later, batches, &mut sent));
        self.unreached.store(written.is_err(), Relaxed);
        written.map_err(|fault| {
            // Dropped, and with it the lock.
            *held = None;
            tracing::error!(error = &*fault, "the state could not be written");
            let told = match (sent, is_full(&*fault)) {
                // Whatever the server said: a session that is ended may have committed before.
                (true, _) => || StateError::Unknown,
                (false, true) => || StateError::DiskFull,
                (false, false) => || StateError::Busy,
            };
            WriteFault { told, fatal: false }
        })
    }

    fn tidy(&self) {
        *lock(&self.writer) = None;
    }
}

/// The least text that is greater than all that begin with this; none if there is none.
fn beyond(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // `char`s ascend as their bytes do.
        if let Some(next) = (last..=char::MAX).nth(1) {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn what_lies_beyond_a_prefix_is_the_next_text_by_its_bytes() {
        for (prefix, next) in [
            ("", None),
            ("a", Some("b")),
            ("a/", Some("a0")),
            ("é", Some("ê")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(beyond(prefix).as_deref(), next, "{prefix:?}");
        }
    }
}
