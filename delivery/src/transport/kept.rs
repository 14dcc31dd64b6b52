//! Connections to the mail server that are kept for the next mail.
//!
//! Invariant: a kept connection has no mail under way; whoever takes it has it
//! alone. There are never more than mails were sent at once, and none is kept
//! idle for longer than [`KEEP`].

use lettre::transport::smtp::client::AsyncSmtpConnection;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may be idle: servers have better use for their places.
const KEEP: Duration = Duration::from_secs(10);
/// Mails of one connection; many servers do not like more.
const MAX_MAILS: u32 = 100;
/// Saying good-bye takes no longer than this; the mail is safe by then.
const QUIT_WAIT: Duration = Duration::from_secs(2);

/// A connection that takes mail.
pub(super) struct Line {
    pub connection: AsyncSmtpConnection,
    /// Mails that were tried on it before this one.
    pub mails: u32,
}

impl Line {
    /// Says good-bye, without making anybody wait.
    pub fn end(mut self) {
        tokio::spawn(async move { tokio::time::timeout(QUIT_WAIT, self.connection.abort()).await });
    }
}

#[derive(Default)]
struct Idle {
    lines: Vec<(Instant, Line)>,
    /// Somebody looks after those that are idle for too long.
    watched: bool,
}

#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Idle>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that was used last.
    pub fn take(&self) -> Option<Line> {
        self.lock().lines.pop().map(|(_, line)| line)
    }

    pub fn put(&self, line: Line) {
        let line = Line { mails: line.mails + 1, ..line };
        if line.mails >= MAX_MAILS {
            return line.end();
        }
        let mut idle = self.lock();
        idle.lines.push((Instant::now(), line));
        if !std::mem::replace(&mut idle.watched, true) {
            tokio::spawn(self.clone().watch());
        }
    }

    /// Ends what is idle for too long, until nothing is kept.
    async fn watch(self) {
        loop {
            tokio::time::sleep(KEEP).await;
            let mut idle = self.lock();
            let (old, young) =
                std::mem::take(&mut idle.lines).into_iter().partition(|(since, _)| since.elapsed() >= KEEP);
            idle.lines = young;
            idle.watched = !idle.lines.is_empty();
            let over = !idle.watched;
            drop(idle);
            let old: Vec<(Instant, Line)> = old;
            old.into_iter().for_each(|(_, line)| line.end());
            if over {
                return;
            }
        }
    }
}
