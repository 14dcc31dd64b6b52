//! Writes down what the clock has already decided: invitations that are over,
//! employees whose day of off-boarding has come. Nothing depends on it for
//! being refused in time; views and reports do for showing it. Of several services
//! one does it at a time; two would write nothing twice, but in vain.

use domain::use_cases::{ExpireInvitation, OffBoardEmployee};
use domain::{Actor, Channel, CommandBus, Context, Failure, TenantName};
use identity::Identity;
use projections::Views;
use std::time::Duration;
use store::Lease;
use tokio::sync::watch;
use uuid::Uuid;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(5);
/// Ended sessions and old failures are tidied in every so many rounds.
const TIDY_EVERY: u32 = 12;
/// Aggregates looked at in one round; the rest wait for the next.
const MAX_PER_ROUND: usize = 500;

pub(crate) async fn run(
    lease: Lease,
    bus: CommandBus,
    views: Views,
    identity: Identity,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let tenure = tokio::select! {
            tenure = lease.take() => tenure,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        tokio::select! {
            () = tenure.over() => {}
            () = sweep(&bus, &views, &identity, &mut stop) => {}
        }
        tenure.give_back().await;
    }
}

/// Round after round, until it is stopped.
async fn sweep(bus: &CommandBus, views: &Views, identity: &Identity, stop: &mut watch::Receiver<bool>) {
    let mut rounds: u32 = 0;
    loop {
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(TIDY_EVERY)
            && let Err(failure) = identity.sweep().await
        {
            tracing::warn!(failure = &failure as &dyn std::error::Error, "ended sessions could not be tidied");
        }
        if let Err(failure) = round(bus, views).await {
            tracing::warn!(failure = &failure as &dyn std::error::Error, "the sweeper could not finish its round");
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// One round; answers how many aggregates it looked at.
pub(crate) async fn round(bus: &CommandBus, views: &Views) -> Result<usize, Failure> {
    let now = bus.now();
    let invitations = views.due_invitations(None, None, now, MAX_PER_ROUND).await?;
    for (tenant, invitation) in &invitations {
        bus.perform(context(bus, tenant), ExpireInvitation { invitation: *invitation }).await?;
    }
    let employees = views.due_off_boardings(now, MAX_PER_ROUND).await?;
    for (tenant, employee) in &employees {
        bus.perform(context(bus, tenant), OffBoardEmployee { employee: *employee }).await?;
    }
    Ok(invitations.len() + employees.len())
}

fn context(bus: &CommandBus, tenant: &TenantName) -> Context {
    Context::new(tenant.clone(), Actor::System, Channel::Sweeper, Uuid::new_v4(), bus.now())
}
