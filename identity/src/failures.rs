//! Failed log-ins: so many per account and per peer in fifteen minutes, and
//! the next is not even tried.
//!
//! Promise: a limit of ten is ten tries, not ten and as many as fit in at the
//! same moment: a try that is under way counts until it is settled, and those
//! who might be one too many wait for it. Failures are durable before the
//! answer, so a restart forgives nothing. Accounts are counted whether they
//! exist or not, under names that tell neither address nor peer.

use crate::error::state;
use crate::limits::too_many;
use crate::{LimitSettings, Rate, TooMany};
use domain::{Failure, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Batch, State};
use tokio::sync::Notify;
use uuid::Uuid;

/// Key: `{who}/{microseconds}/{random}`, empty value.
const FAILURES: &str = "log_in_failure";
/// Rows looked at when a window is counted, and removed in one sweep.
const PAGE: usize = 1_000;
/// Digits of a time in a key, so that keys sort by time.
const TIME_DIGITS: usize = 20;
const MICROS_PER_MS: i64 = 1_000;

/// The counted failures. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Failures {
    state: State,
    per_account: Rate,
    per_peer: Rate,
    under_way: Arc<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    tries: Mutex<HashMap<String, u32>>,
    settled: Notify,
}

/// A try that was let in. Dropped without a word it counts as never tried.
pub(crate) struct Try {
    failures: Failures,
    account: String,
    peer: String,
}

enum Door {
    Open,
    Wait,
    Shut(TooMany),
}

impl Failures {
    pub(crate) fn new(state: State, settings: &LimitSettings) -> Self {
        Self {
            state,
            per_account: settings.log_in_failures_per_account,
            per_peer: settings.log_in_failures_per_peer,
            under_way: Arc::default(),
        }
    }

    /// Lets a try in, now or once those under way are settled.
    pub(crate) async fn admit(
        &self,
        account: String,
        peer: String,
        now: impl Fn() -> Timestamp,
    ) -> Result<Result<Try, TooMany>, Failure> {
        let (account, peer) = (format!("account:{account}"), format!("peer:{peer}"));
        loop {
            let settled = self.under_way.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            match self.knock(&account, &peer, now())? {
                Door::Open => return Ok(Ok(Try { failures: self.clone(), account, peer })),
                Door::Shut(too_many) => return Ok(Err(too_many)),
                Door::Wait => settled.await,
            }
        }
    }

    fn knock(&self, account: &str, peer: &str, now: Timestamp) -> Result<Door, Failure> {
        let mut tries = self.under_way.lock();
        let doors = [self.door(&tries, account, self.per_account, now)?, self.door(&tries, peer, self.per_peer, now)?];
        let mut wait = false;
        let mut shut: Option<TooMany> = None;
        for door in doors {
            match door {
                Door::Open => {}
                Door::Wait => wait = true,
                Door::Shut(other) => {
                    let longer = shut.map_or(0, |s| s.retry_after_s).max(other.retry_after_s);
                    shut = Some(TooMany { retry_after_s: longer });
                }
            }
        }
        if let Some(too_many) = shut {
            return Ok(Door::Shut(too_many));
        }
        if wait {
            return Ok(Door::Wait);
        }
        for who in [account, peer] {
            *tries.entry(who.to_owned()).or_default() += 1;
        }
        Ok(Door::Open)
    }

    fn door(&self, tries: &HashMap<String, u32>, who: &str, rate: Rate, now: Timestamp) -> Result<Door, Failure> {
        let limit = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let failed = self.times(who, rate, now)?;
        if failed.len() >= limit {
            let oldest = failed.get(failed.len() - limit).copied().unwrap_or(now);
            let free = oldest.0.div_euclid(MICROS_PER_MS) + rate.window_ms();
            return Ok(Door::Shut(too_many(free, now.0.div_euclid(MICROS_PER_MS))));
        }
        let under_way = tries.get(who).map_or(0, |n| usize::try_from(*n).unwrap_or(usize::MAX));
        Ok(if failed.len() + under_way < limit { Door::Open } else { Door::Wait })
    }

    /// When this one failed within the window, oldest first.
    fn times(&self, who: &str, rate: Rate, now: Timestamp) -> Result<Vec<Timestamp>, Failure> {
        let since = now.minus(Duration::from_secs(u64::from(rate.within_s)));
        let after = key(who, Timestamp(since.0 + 1));
        // More than the limit can stand there only since the limit was lowered.
        let limit = usize::try_from(rate.count).unwrap_or(usize::MAX).saturating_add(PAGE);
        let rows = self.state.scan(FAILURES, &format!("{who}/"), Some(&after), limit).map_err(state)?;
        Ok(rows.iter().filter_map(|(key, _)| time_in(key)).collect())
    }

    /// Removes failures that no window sees any more; the name to go on from, if there are more.
    pub(crate) async fn sweep(&self, after: Option<&str>, now: Timestamp) -> Result<(u64, Option<String>), Failure> {
        let rows = self.state.scan(FAILURES, "", after, PAGE).map_err(state)?;
        let widest = u64::from(self.per_account.within_s.max(self.per_peer.within_s));
        let since = now.minus(Duration::from_secs(widest));
        let old: Vec<&String> =
            rows.iter().map(|(key, _)| key).filter(|key| time_in(key).is_none_or(|at| at <= since)).collect();
        let removed = old.len() as u64;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        if removed > 0 {
            let batch = old.into_iter().fold(Batch::new(), |batch, key| batch.delete(FAILURES, key));
            self.state.commit(batch).await.map_err(state)?;
        }
        Ok((removed, next))
    }
}

impl Try {
    /// It failed: counted for account and peer, durably.
    pub(crate) async fn failed(self, now: Timestamp) -> Result<(), Failure> {
        let mark = Uuid::new_v4().simple().to_string();
        let batch = [&self.account, &self.peer]
            .into_iter()
            .fold(Batch::new(), |batch, who| batch.put(FAILURES, &format!("{}/{mark}", key(who, now)), vec![]));
        self.failures.state.commit(batch).await.map_err(state)
    }

    /// It succeeded: the account's failures are forgotten with the batch that
    /// opens the session; the peer's are not.
    pub(crate) fn forgive(&self, batch: Batch, now: Timestamp) -> Result<Batch, Failure> {
        let failures = &self.failures;
        let since = now.minus(Duration::from_secs(u64::from(failures.per_account.within_s)));
        let (prefix, after) = (format!("{}/", self.account), key(&self.account, since));
        let rows = failures.state.scan(FAILURES, &prefix, Some(&after), PAGE).map_err(state)?;
        Ok(rows.iter().fold(batch, |batch, (key, _)| batch.delete(FAILURES, key)))
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let under_way = &self.failures.under_way;
        let mut tries = under_way.lock();
        for who in [&self.account, &self.peer] {
            match tries.get_mut(who) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => {
                    tries.remove(who);
                }
            }
        }
        drop(tries);
        under_way.settled.notify_waiters();
    }
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        // A count is changed in one step; a panic elsewhere leaves it right.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(who: &str, at: Timestamp) -> String {
    format!("{who}/{:0TIME_DIGITS$}", at.0.max(0))
}

fn time_in(key: &str) -> Option<Timestamp> {
    key.split('/').nth(1)?.parse().ok().map(Timestamp)
}
