//! Counts for the metrics page.

use domain::mail::Reason;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How delivery stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxFigures {
    /// `file`, `smtp`, `mandrill`, or `none`: then nothing is followed, and asks wait in the log.
    pub transport: &'static str,
    /// Waiting, being sent, or waiting for their result to be recorded.
    pub queued: u64,
    /// Of `queued`, those under way at this moment.
    pub sending: u64,
    /// Dead letters.
    pub dead: u64,
    /// Results recorded since the start.
    pub sent_total: u64,
    pub failed_total: u64,
    /// Mails not sent since the start because nobody wanted them any more.
    pub dropped_total: u64,
    /// How far the log has been followed.
    pub cursor: u64,
    /// The last position of the log; what is between may ask for mail.
    pub head: u64,
    /// Why following stopped, if it did.
    pub stopped: Option<String>,
}

#[derive(Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    pub fn ended(&self, failed: Option<Reason>) {
        let count = if failed.is_some() { &self.failed } else { &self.sent };
        count.fetch_add(1, Relaxed);
    }

    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub fn fill(&self, figures: OutboxFigures) -> OutboxFigures {
        OutboxFigures {
            sent_total: self.sent.load(Relaxed),
            failed_total: self.failed.load(Relaxed),
            dropped_total: self.dropped.load(Relaxed),
            ..figures
        }
    }
}
