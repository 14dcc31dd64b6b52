//! Failed log-ins: so many per account and per peer in fifteen minutes, and
//! the next is not even tried.
//!
//! Promise: a limit of ten is ten tries, not ten and as many as fit in at the
//! same moment: tries are numbered as they come, and one is let in when its
//! account's and its peer's failures, with all that came before it and are not
//! settled, are fewer than the limit; until then it waits. Failures are durable
//! before the answer, so a restart forgives nothing. Accounts are counted whether
//! they exist or not, under names that tell neither address nor peer.
//!
//! Nobody holds anything that others wait for while the state is asked: who came
//! before is noted first, so a failure that lands meanwhile counts twice rather
//! than not at all, and its end is heard.

use crate::error::state;
use crate::limits::too_many;
use crate::{LimitSettings, Rate, TooMany};
use domain::{Failure, Timestamp};
use std::collections::{BTreeSet, HashMap};
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
    tries: Mutex<Tries>,
    settled: Notify,
}

#[derive(Default)]
struct Tries {
    last: u64,
    /// The numbers of those under way, by account and by peer.
    of: HashMap<String, BTreeSet<u64>>,
}

/// A try, from when it came. Dropped without a word it counts as never tried.
pub(crate) struct Try {
    failures: Failures,
    account: String,
    peer: String,
    number: u64,
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
        let this = self.enter(format!("account:{account}"), format!("peer:{peer}"));
        loop {
            let settled = self.under_way.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            match self.knock(&this, now())? {
                Door::Open => return Ok(Ok(this)),
                Door::Shut(too_many) => return Ok(Err(too_many)),
                Door::Wait => settled.await,
            }
        }
    }

    fn enter(&self, account: String, peer: String) -> Try {
        let mut tries = self.under_way.lock();
        tries.last += 1;
        let number = tries.last;
        for who in [&account, &peer] {
            tries.of.entry(who.clone()).or_default().insert(number);
        }
        Try { failures: self.clone(), account, peer, number }
    }

    fn knock(&self, this: &Try, now: Timestamp) -> Result<Door, Failure> {
        let tries = self.under_way.lock();
        let [by_account, by_peer] = [&this.account, &this.peer].map(|who| tries.before(who, this.number));
        drop(tries);
        let mut wait = false;
        let mut shut: Option<TooMany> = None;
        for (who, rate, before) in [(&this.account, self.per_account, by_account), (&this.peer, self.per_peer, by_peer)]
        {
            match self.door(who, rate, before, now)? {
                Door::Open => {}
                Door::Wait => wait = true,
                Door::Shut(other) => {
                    let longer = shut.map_or(0, |s| s.retry_after_s).max(other.retry_after_s);
                    shut = Some(TooMany { retry_after_s: longer });
                }
            }
        }
        Ok(match shut {
            Some(too_many) => Door::Shut(too_many),
            None if wait => Door::Wait,
            None => Door::Open,
        })
    }

    fn door(&self, who: &str, rate: Rate, before: usize, now: Timestamp) -> Result<Door, Failure> {
        let limit = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let failed = self.times(who, rate, now)?;
        if failed.len() >= limit {
            let oldest = failed.get(failed.len() - limit).copied().unwrap_or(now);
            let free = oldest.0.div_euclid(MICROS_PER_MS) + rate.window_ms();
            return Ok(Door::Shut(too_many(free, now.0.div_euclid(MICROS_PER_MS))));
        }
        Ok(if failed.len() + before < limit { Door::Open } else { Door::Wait })
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
            if let Some(numbers) = tries.of.get_mut(who) {
                numbers.remove(&self.number);
                if numbers.is_empty() {
                    tries.of.remove(who);
                }
            }
        }
        drop(tries);
        under_way.settled.notify_waiters();
    }
}

impl UnderWay {
    /// Held for a moment only, and never while the state is asked.
    fn lock(&self) -> MutexGuard<'_, Tries> {
        // A panic elsewhere leaves no number behind that is not somebody's.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    /// How many are under way that came before this number.
    fn before(&self, who: &str, number: u64) -> usize {
        self.of.get(who).map_or(0, |numbers| numbers.range(..number).count())
    }
}

fn key(who: &str, at: Timestamp) -> String {
    format!("{who}/{:0TIME_DIGITS$}", at.0.max(0))
}

fn time_in(key: &str) -> Option<Timestamp> {
    key.split('/').nth(1)?.parse().ok().map(Timestamp)
}
