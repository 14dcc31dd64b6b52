//! A clock that moves when it is told to.

use domain::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub struct TestClock {
    now: AtomicI64,
}

impl TestClock {
    /// It starts at noon of 2024-06-03, UTC.
    pub fn new() -> Self {
        Self { now: AtomicI64::new(Timestamp::parse("2024-06-03T12:00:00Z").unwrap().0) }
    }

    pub fn advance(&self, span: Duration) {
        self.now.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
}
