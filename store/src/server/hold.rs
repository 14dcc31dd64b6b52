//! A hold on what several nodes share: each of them has a part of it, and whoever must
//! have it alone waits until nobody has any.
//!
//! It is an advisory lock, and lasts as long as the session that took it; where a pooler
//! lends sessions, each transaction takes it anew.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row as _};

use super::{Address, Fault, all};

/// How long it is waited for: who had it may have ended just now.
const WITHIN: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(50);
const HOLDERS: &str = "
SELECT activity.pid, coalesce(host(activity.client_addr), 'this machine'), activity.backend_start::timestamp(0)::text
FROM pg_locks JOIN pg_stat_activity activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = $1 >> 32 AND objid::bigint = $1 & 4294967295
ORDER BY activity.backend_start";

/// One hold, as a node wants it.
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    /// The advisory lock's number.
    pub lock: i64,
    pub alone: bool,
}

impl Hold {
    /// Takes it with a session that was made for this node. `false` if others do not let go.
    pub(crate) async fn take(self, on: &mut PgConnection, address: &Address) -> Result<bool, Fault> {
        let sql = format!("SELECT {}", self.sql(address));
        let begun = Instant::now();
        loop {
            if has(&all(on, &sql).await?)? {
                return Ok(true);
            }
            if begun.elapsed() >= WITHIN {
                return Ok(false);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// An expression that is true in a transaction of who has it, and takes it where the
    /// session cannot have it.
    pub(crate) fn within(self, address: &Address) -> String {
        if address.is_pooled() { self.sql(address) } else { "true".to_owned() }
    }

    fn sql(self, address: &Address) -> String {
        let function = match (address.is_pooled(), self.alone) {
            (_, true) => "pg_try_advisory_lock",
            (false, false) => "pg_try_advisory_lock_shared",
            (true, false) => "pg_try_advisory_xact_lock_shared",
        };
        format!("{function}({})", self.lock)
    }
}

/// What the last row of an answer says in its last column.
fn has(told: &[sqlx::postgres::PgRow]) -> Result<bool, Fault> {
    let row = told.last().ok_or("the database server said nothing")?;
    Ok(row.try_get(row.len() - 1)?)
}

/// Sessions that have a part of it, but for the one that asks.
pub(crate) async fn holders(on: &mut PgConnection, lock: i64) -> Result<Vec<String>, sqlx::Error> {
    let select = sqlx::query_as::<_, (i32, String, String)>(HOLDERS).persistent(false);
    let found = select.bind(lock).fetch_all(on).await?;
    Ok(found.iter().map(|(pid, from, since)| format!("session {pid} from {from} since {since}")).collect())
}
