//! Sessions: kept under the digest of their token, and remembered in memory.
//!
//! Promise: a session that was ended durably is nobody's from then on, in
//! memory too. Who ended it says how it is answered: one that its holder gave
//! up (log-out, renewal) is unknown; one that ended by age, or was ended for
//! its user, is known to have ended for thirty days more.
//!
//! Changes here must be let run to their end: one that is cut off between its
//! commit and the memory would leave an ended session alive there.
//!
//! Where other nodes have the same state, a session is read again after
//! [`REMEMBERED_FOR`]: one that ends at another node has ended here by then.
//!
//! Uses are remembered in memory at once and kept once a minute, so after a
//! crash a session may look unused for up to a minute longer than it was.

mod record;

use crate::error::state;
use crate::token::TokenDigest;
use domain::user::User;
use domain::{Failure, Timestamp};
use quick_cache::sync::{Cache, GuardResult};
pub(crate) use record::Record;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use store::{Batch, State, StateError};
use uuid::Uuid;

/// Key: the token's digest; value: [`Record`].
const SESSIONS: &str = "session";
/// Key: `{user}/{digest}`; value: when it was given out, in microseconds.
const SESSIONS_OF: &str = "session_of";
/// Key: the token's digest; value: the last use, in microseconds. Apart from
/// the record, so that keeping a use late never brings an ended session back.
const USES: &str = "session_use";
/// Sessions remembered in memory: those used last.
const CACHED: usize = 32_768;
/// How long memory is believed where other nodes may end a session.
pub(crate) const REMEMBERED_FOR: Duration = Duration::from_secs(1);
/// How often a use is kept.
const KEEP_USE_EVERY: Duration = Duration::from_secs(60);
/// Sessions of one user; the oldest gives way.
pub(crate) const MAX_SESSIONS_OF_USER: usize = 100;
/// Rows looked at in one step.
const PAGE: usize = 500;

pub(crate) struct Sessions {
    state: State,
    cache: Cache<TokenDigest, Arc<Held>>,
}

/// A session in memory.
pub(crate) struct Held {
    pub(crate) record: Record,
    read_at: Instant,
    last_use: AtomicI64,
    kept_use: AtomicI64,
}

/// What a digest names.
pub(crate) enum Found {
    Live(Arc<Held>),
    Ended,
    Unknown,
}

/// What became of a change that others may have been faster with.
pub(crate) enum Outcome {
    Done,
    /// The session, or what it was opened on, is no longer what it was.
    Changed,
}

impl Held {
    fn last_use(&self) -> Timestamp {
        Timestamp(self.last_use.load(Ordering::Relaxed))
    }
}

impl Sessions {
    pub(crate) fn new(state: State) -> Self {
        Self { state, cache: Cache::new(CACHED) }
    }

    pub(crate) fn find(&self, digest: &TokenDigest, now: Timestamp) -> Result<Found, Failure> {
        let known = self.forget_old(digest);
        // `end` takes the placeholder away after its commit, so that what was
        // read before it is not remembered after it.
        let guard = match self.cache.get_value_or_guard(digest, None) {
            GuardResult::Value(held) => return Ok(self.judge(digest, held, now)),
            GuardResult::Guard(guard) => Some(guard),
            GuardResult::Timeout => None,
        };
        let read_at = Instant::now();
        let Some((record, _)) = self.read(digest)? else { return Ok(Found::Unknown) };
        let kept_use = self.kept_use(digest)?.unwrap_or(record.created_at);
        let last_use = known.map_or(kept_use, |known| known.last_use().max(kept_use));
        if record.has_ended(last_use, now) {
            return Ok(Found::Ended);
        }
        let (last_use, kept_use) = (AtomicI64::new(last_use.0), AtomicI64::new(kept_use.0));
        let held = Arc::new(Held { record, read_at, last_use, kept_use });
        if let Some(guard) = guard {
            // Refused when the session ended meanwhile: this answer is the last one.
            let _ = guard.insert(held.clone());
        }
        Ok(Found::Live(held))
    }

    /// Drops what was read too long ago, where it may have changed elsewhere.
    fn forget_old(&self, digest: &TokenDigest) -> Option<Arc<Held>> {
        self.state.server()?;
        let old = self.cache.peek(digest).filter(|held| held.read_at.elapsed() >= REMEMBERED_FOR)?;
        self.cache.remove(digest);
        Some(old)
    }

    fn judge(&self, digest: &TokenDigest, held: Arc<Held>, now: Timestamp) -> Found {
        if held.record.has_ended(held.last_use(), now) {
            self.cache.remove(digest);
            return Found::Ended;
        }
        Found::Live(held)
    }

    /// The session was used.
    pub(crate) fn touch(&self, digest: &TokenDigest, held: &Held, now: Timestamp) {
        held.last_use.fetch_max(now.0, Ordering::Relaxed);
        let kept = held.kept_use.load(Ordering::Relaxed);
        let due = now.since(Timestamp(kept)) >= KEEP_USE_EVERY && !held.record.remember_me;
        if due && held.kept_use.compare_exchange(kept, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let batch = Batch::new().put(USES, &digest.to_string(), now.0.to_string().into_bytes());
            self.state.commit_later(batch);
        }
    }

    /// Keeps a new session, durably. `batch` holds what must land with it, and
    /// what must still hold then.
    pub(crate) async fn open(&self, batch: Batch, digest: &TokenDigest, record: &Record) -> Result<Outcome, Failure> {
        let crowd = self.surplus_of(record.user)?;
        let batch = crowd.iter().fold(put(batch, digest, record)?, |batch, (old, _)| delete(batch, old, record.user));
        let outcome = self.commit(batch).await?;
        crowd.iter().for_each(|(old, _)| drop(self.cache.remove(old)));
        Ok(outcome)
    }

    /// The new session stands and the old one is unknown, or nothing changed.
    pub(crate) async fn replace(
        &self,
        old: &TokenDigest,
        new: &TokenDigest,
        user: &User,
        now: Timestamp,
    ) -> Result<Option<Record>, Failure> {
        let Some((record, bytes)) = self.read(old)? else { return Ok(None) };
        if record.has_ended(self.last_use_of(old, &record)?, now) {
            return Ok(None);
        }
        let renewed = record.renewed(user, now);
        let batch = Batch::new().expect(SESSIONS, &old.to_string(), Some(bytes));
        let batch = delete(put(batch, new, &renewed)?, old, record.user);
        let outcome = self.commit(batch).await?;
        self.cache.remove(old);
        Ok(matches!(outcome, Outcome::Done).then_some(renewed))
    }

    /// The holder gives the session up; it is unknown from now on.
    pub(crate) async fn give_up(&self, digest: &TokenDigest, user: Uuid) -> Result<(), Failure> {
        self.state.commit(delete(Batch::new(), digest, user)).await.map_err(state)?;
        self.cache.remove(digest);
        Ok(())
    }

    /// Ends all sessions of a user; they are known to have ended.
    pub(crate) async fn end_all_of(&self, user: Uuid, now: Timestamp) -> Result<(), Failure> {
        // One that is renewed meanwhile is found in the next round.
        loop {
            let digests = self.digests_of(user, PAGE)?;
            if digests.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::new();
            for (digest, _) in &digests {
                batch = self.tombstone(batch, digest, user, now)?;
            }
            self.state.commit(batch).await.map_err(state)?;
            digests.iter().for_each(|(digest, _)| drop(self.cache.remove(digest)));
        }
    }

    /// Ends one session for its user's sake; kept soon, known at once.
    pub(crate) fn end_later(&self, digest: &TokenDigest, user: Uuid, now: Timestamp) -> Result<(), Failure> {
        self.state.commit_later(self.tombstone(Batch::new(), digest, user, now)?);
        self.cache.remove(digest);
        Ok(())
    }

    /// Forgets sessions that ended long ago, and uses of sessions that are
    /// gone. Gives how many, and the digest to go on from if there are more.
    pub(crate) async fn sweep(&self, after: Option<&str>, now: Timestamp) -> Result<(u64, Option<String>), Failure> {
        let rows = self.state.scan(SESSIONS, "", after, PAGE).map_err(state)?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut removed = 0;
        let mut batch = Batch::new();
        for (key, bytes) in &rows {
            let Some(digest) = TokenDigest::parse(key) else { continue };
            let record: Record = serde_json::from_slice(bytes).map_err(Failure::internal)?;
            if record.is_forgettable(self.last_use_of(&digest, &record)?, now) {
                batch = delete(batch, &digest, record.user);
                removed += 1;
            }
        }
        if removed > 0 {
            self.state.commit(batch).await.map_err(state)?;
        }
        Ok((removed, next))
    }

    /// As [`Self::sweep`], for uses whose session is gone.
    pub(crate) async fn sweep_uses(&self, after: Option<&str>) -> Result<(u64, Option<String>), Failure> {
        let rows = self.state.scan(USES, "", after, PAGE).map_err(state)?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        let mut removed = 0;
        let mut batch = Batch::new();
        for (key, _) in &rows {
            if self.state.get(SESSIONS, key).map_err(state)?.is_none() {
                batch = batch.delete(USES, key);
                removed += 1;
            }
        }
        if removed > 0 {
            self.state.commit(batch).await.map_err(state)?;
        }
        Ok((removed, next))
    }

    fn read(&self, digest: &TokenDigest) -> Result<Option<(Record, Vec<u8>)>, Failure> {
        let Some(bytes) = self.state.get(SESSIONS, &digest.to_string()).map_err(state)? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes).map_err(Failure::internal)?;
        Ok(Some((record, bytes)))
    }

    fn kept_use(&self, digest: &TokenDigest) -> Result<Option<Timestamp>, Failure> {
        let bytes = self.state.get(USES, &digest.to_string()).map_err(state)?;
        Ok(bytes.as_deref().and_then(number).map(Timestamp))
    }

    /// In memory if it is there, which is later.
    fn last_use_of(&self, digest: &TokenDigest, record: &Record) -> Result<Timestamp, Failure> {
        match self.cache.peek(digest) {
            Some(held) => Ok(held.last_use()),
            None => Ok(self.kept_use(digest)?.unwrap_or(record.created_at)),
        }
    }

    fn digests_of(&self, user: Uuid, limit: usize) -> Result<Vec<(TokenDigest, i64)>, Failure> {
        let prefix = format!("{user}/");
        let rows = self.state.scan(SESSIONS_OF, &prefix, None, limit).map_err(state)?;
        let digest = |(key, value): &(String, Vec<u8>)| {
            Some((TokenDigest::parse(key.strip_prefix(&prefix)?)?, number(value).unwrap_or(0)))
        };
        Ok(rows.iter().filter_map(digest).collect())
    }

    /// The oldest sessions that must go so that one more fits.
    fn surplus_of(&self, user: Uuid) -> Result<Vec<(TokenDigest, i64)>, Failure> {
        let mut all = self.digests_of(user, PAGE)?;
        let surplus = (all.len() + 1).saturating_sub(MAX_SESSIONS_OF_USER);
        all.sort_by_key(|(_, created)| *created);
        all.truncate(surplus);
        Ok(all)
    }

    fn tombstone(&self, batch: Batch, digest: &TokenDigest, user: Uuid, now: Timestamp) -> Result<Batch, Failure> {
        let Some((record, _)) = self.read(digest)? else { return Ok(delete(batch, digest, user)) };
        let ended = Record { ended_at: Some(record.ended_at.unwrap_or(now)), ..record };
        let value = serde_json::to_vec(&ended).map_err(Failure::internal)?;
        Ok(delete_traces(batch, digest, user).put(SESSIONS, &digest.to_string(), value))
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, Failure> {
        match self.state.commit(batch).await {
            Ok(()) => Ok(Outcome::Done),
            Err(StateError::Changed { .. }) => Ok(Outcome::Changed),
            Err(other) => Err(state(other)),
        }
    }
}

fn put(batch: Batch, digest: &TokenDigest, record: &Record) -> Result<Batch, Failure> {
    let value = serde_json::to_vec(record).map_err(Failure::internal)?;
    let created = record.created_at.0.to_string().into_bytes();
    Ok(batch.put(SESSIONS, &digest.to_string(), value).put(SESSIONS_OF, &format!("{}/{digest}", record.user), created))
}

fn delete(batch: Batch, digest: &TokenDigest, user: Uuid) -> Batch {
    delete_traces(batch, digest, user).delete(SESSIONS, &digest.to_string())
}

/// Everything but the record.
fn delete_traces(batch: Batch, digest: &TokenDigest, user: Uuid) -> Batch {
    batch.delete(USES, &digest.to_string()).delete(SESSIONS_OF, &format!("{user}/{digest}"))
}

fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
