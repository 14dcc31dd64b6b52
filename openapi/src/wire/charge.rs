//! Sending limits around a use case.

use domain::{Actor, Address, Failure, TenantName};
use identity::{Limits, TooMany};
use std::future::Future;

/// Charges the limits for the mails an operation asks for, and keeps the
/// charge only if it succeeds: what was refused costs nothing.
///
/// # Errors
/// `Err` when a limit is reached; else the operation's own result.
pub async fn charged<T>(
    limits: &Limits,
    (actor, tenant): (Actor, &TenantName),
    recipients: &[Address],
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<Result<T, Failure>, TooMany> {
    let invitations = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
    let charge = limits.charge(actor, tenant, recipients, invitations)?;
    let result = work.await;
    match &result {
        // An unknown outcome may have landed: it counts.
        Ok(_) | Err(Failure::Unavailable(domain::Unavailable::OutcomeUnknown)) => charge.keep(),
        Err(Failure::Refused(_) | Failure::KeyReused | Failure::Unavailable(_) | Failure::Internal(_)) => drop(charge),
    }
    Ok(result)
}
