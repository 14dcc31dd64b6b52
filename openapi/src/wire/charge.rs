//! Sending limits around a use case.

use crate::Service;
use async_trait::async_trait;
use domain::bus::{Answer, Record, Unit};
use domain::{Address, Context, Failure, Refusal, UseCase};
use identity::TooMany;
use std::marker::PhantomData;

/// Charges the limits for the mails a use case asks for, and gives the charge
/// back if it is refused, or answered from an earlier receipt: that sends
/// nothing and costs nothing. Who hangs up meanwhile has spent it.
///
/// # Errors
/// `Err` when a limit is reached; else the use case's own result.
pub async fn invite<C: UseCase>(
    service: &Service,
    context: Context,
    recipients: &[Address],
    case: C,
) -> Result<Result<C::Output, Failure>, TooMany> {
    let invitations = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
    let charge = match service.identity.limits().charge(context.actor, &context.tenant, recipients, invitations) {
        Ok(charge) => charge,
        Err(too_many) => return given_before::<C>(service, context, too_many).await,
    };
    let result = service.bus.perform(context, Noted(case)).await;
    if !counts(&result) || result.as_ref().is_ok_and(|noted| noted.repeated) {
        charge.give_back();
    }
    Ok(result.map(|noted| noted.output))
}

/// The answer that a keyed request got when it was within the limits.
async fn given_before<C: UseCase>(
    service: &Service,
    context: Context,
    too_many: TooMany,
) -> Result<Result<C::Output, Failure>, TooMany> {
    if context.idempotency.is_none() {
        return Err(too_many);
    }
    let barred = Barred::<C> { retry_after_s: too_many.retry_after_s, case: PhantomData };
    match service.bus.perform(context, barred).await {
        Err(Failure::Refused(Refusal::TooSoon { .. })) => Err(too_many),
        known => Ok(known),
    }
}

/// A use case that does nothing but answer from the receipt of one that did.
/// Its refusal is not definite, so it is not kept under the key.
struct Barred<C> {
    retry_after_s: u64,
    case: PhantomData<fn() -> C>,
}

#[async_trait]
impl<C: UseCase> UseCase for Barred<C> {
    type Output = C::Output;

    async fn run(&self, _: &mut dyn Unit) -> Result<(), Failure> {
        Err(Refusal::TooSoon { retry_after_s: self.retry_after_s }.into())
    }
}

/// Whether mails were asked for; of an unknown outcome it must be assumed.
fn counts<T>(result: &Result<T, Failure>) -> bool {
    result.as_ref().map_or_else(Failure::may_have_landed, |_| true)
}

/// A use case, and whether its answer is one that was given before.
struct Noted<C>(C);

struct Answered<O> {
    output: O,
    repeated: bool,
}

#[async_trait]
impl<C: UseCase> UseCase for Noted<C> {
    type Output = Answered<C::Output>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        self.0.run(unit).await
    }
}

#[async_trait]
impl<O: Answer + Send> Answer for Answered<O> {
    async fn of(record: &mut dyn Record) -> Result<Self, Failure> {
        let repeated = record.repeated();
        Ok(Self { output: O::of(record).await?, repeated })
    }
}
