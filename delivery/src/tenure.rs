//! Who follows the log and sends: of several nodes with one outbox, one at a time.

use crate::schedule::{MAX_SCHEDULED, Schedule};
use crate::{Shared, courier, follower};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the one that sends looks for what operators did at other nodes.
const HEAR_EVERY: Duration = Duration::from_secs(1);
/// After the log could not be asked.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows and sends whenever this node has the lease, until it is told to end.
pub(crate) async fn run(shared: Arc<Shared>, mut closing: watch::Receiver<bool>) {
    while !*closing.borrow() {
        let tenure = tokio::select! {
            tenure = shared.lease.take() => tenure,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        shared.begin_anew();
        shared.outbox.tenure(Some(tenure.clone()));
        let ending = watch::Sender::new(false);
        let tasks = [
            tokio::spawn(follower::run(shared.clone(), ending.subscribe())),
            tokio::spawn(courier::run(shared.clone(), ending.subscribe())),
            tokio::spawn(hear(shared.clone(), ending.subscribe())),
        ];
        tokio::select! {
            () = tenure.over() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
        ending.send_replace(true);
        // What is under way ends first: nothing of an earlier tenure is left in the next one.
        for task in tasks {
            // A panic in there has been printed, and there is nobody left to tell.
            let _ = task.await;
        }
        shared.outbox.tenure(None);
        tenure.give_back().await;
    }
}

/// Looks at rows again that an operator changed at another node.
async fn hear(shared: Arc<Shared>, mut ending: watch::Receiver<bool>) {
    while shared.outbox.is_shared() && !*ending.borrow() {
        match shared.outbox.words().await {
            Ok(rows) => shared.schedule_all(&rows.into_iter().map(|stored| stored.row).collect::<Vec<_>>()),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "what operators did is not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(HEAR_EVERY) => {}
            _ = ending.changed() => {}
        }
    }
}

impl Shared {
    /// Nothing is known of the outbox that another node may have worked on since.
    fn begin_anew(&self) {
        *self.schedule() = Schedule::new(MAX_SCHEDULED);
        self.followed.send_replace(0);
    }

    /// Waits until this node knows what the one before it has recorded.
    pub(crate) async fn arrive(&self, ending: &mut watch::Receiver<bool>) {
        while let Err(error) = self.ledger.arrive().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "nothing is sent before the log is known");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }
}
