//! Takes mails from the outbox when they are due and sends them.
//!
//! Promise: before the first byte of a mail goes out, the attempt is on disk;
//! after a definite word, the result is in the log before the row goes. So of
//! one mail at most two are sent by themselves, and none is lost unseen.

mod attempt;

pub(crate) use attempt::context;

use crate::Shared;
use crate::outbox::{Half, PAGE};
use crate::row::Phase;
use std::sync::Arc;
use std::time::Duration;
use store::StateError;
use tokio::sync::{Semaphore, watch};

/// The outbox is looked at again after this, whatever the clock says.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// After the outbox could not be read.
const PAUSE: Duration = Duration::from_secs(1);
/// Sends under way are waited for so long when closing; their time-outs end them sooner.
const CLOSE_WAIT: Duration = Duration::from_secs(120);

/// Sends until it is told to end, and then ends what is under way.
pub(crate) async fn run(shared: Arc<Shared>, mut closing: watch::Receiver<bool>) {
    // A result that is in the log already settles its row before it could be sent.
    shared.arrive(&mut closing).await;
    let head = shared.ledger.head();
    let mut followed = shared.watch_followed();
    tokio::select! {
        reached = followed.wait_for(|position| *position >= head) => if reached.is_err() { return },
        _ = closing.wait_for(|closing| *closing) => return,
    }
    drop(followed);
    let permits = Arc::new(Semaphore::new(shared.sending));
    while !*closing.borrow() {
        let rest = match shared.walk_if_wanted().await {
            // It may have been told to end while it looked.
            Ok(()) if *closing.borrow() => break,
            Ok(()) => {
                send_due(&shared, &permits);
                shared.rest()
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the outbox could not be read");
                PAUSE
            }
        };
        shared.pulse();
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(rest) => {}
            _ = closing.changed() => {}
        }
    }
    let all = u32::try_from(shared.sending).unwrap_or(u32::MAX);
    if tokio::time::timeout(CLOSE_WAIT, permits.acquire_many(all)).await.is_err() {
        tracing::warn!("mails were still being sent when delivery closed; their outcome is unknown");
    }
}

/// Starts as many as are due and allowed at once.
fn send_due(shared: &Arc<Shared>, permits: &Arc<Semaphore>) {
    while let Ok(permit) = permits.clone().try_acquire_owned() {
        let Some(key) = shared.take_due() else { return };
        let shared = shared.clone();
        tokio::spawn(async move {
            let again = attempt::deliver(&shared, key).await;
            shared.release(key, again);
            drop(permit);
            shared.wake.notify_one();
            shared.pulse();
        });
    }
}

impl Shared {
    /// Fills the schedule from the outbox when it may lack rows.
    async fn walk_if_wanted(self: &Arc<Self>) -> Result<(), StateError> {
        {
            let mut schedule = self.schedule();
            if !schedule.wants_walk() {
                return Ok(());
            }
            schedule.begin_walk();
        }
        let shared = self.clone();
        let walked = tokio::task::spawn_blocking(move || shared.walk()).await.unwrap_or(Err(StateError::Stopped));
        self.schedule().end_walk(walked.is_ok());
        walked
    }

    fn walk(&self) -> Result<(), StateError> {
        let mut after = None;
        loop {
            let (rows, next) = self.outbox.page(Half::Live, after.as_deref(), PAGE)?;
            let mut schedule = self.schedule();
            for stored in rows.iter().filter(|s| !matches!(s.row.phase, Phase::Dead { .. })) {
                schedule.insert(stored.row.due, stored.row.key(), stored.row.is_urgent());
            }
            drop(schedule);
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// How long there is nothing to do, as far as is known.
    fn rest(&self) -> Duration {
        let now = self.clock.now();
        // What is due already waits for a free place, whose giver wakes the courier.
        let next = self.schedule().next_due().filter(|due| *due > now);
        next.map_or(LONGEST_REST, |due| due.since(now).min(LONGEST_REST))
    }
}
