//! Operations that ask for mail: charged within the unit, waited for after it.
//!
//! The limits are charged where the use case has passed, so permission and
//! parameters come first, and a repeated `Idempotency-Key`, which runs nothing,
//! costs nothing. What did not happen is given back.

use crate::Service;
use async_trait::async_trait;
use domain::bus::{Answer, MailRef, MailResult, Recall, Record, Unit};
use domain::mail::Reason;
use domain::{Address, Context, Failure, Refusal, Root, Unavailable, UseCase};
use identity::{Charge, Limits};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Mails an operation asks for, and how many invitations they count as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub recipients: Vec<Address>,
    pub invitations: u32,
}

/// A use case that says, once it has passed, which mails it asks for.
#[async_trait]
pub(super) trait Asking: Send + Sync + 'static {
    type Aggregate: Root;

    async fn run(&self, unit: &mut dyn Unit) -> Result<Asked, Failure>;
}

/// Every aggregate of one type that a unit wrote, in its order. A single one
/// is not enough where one record makes room for another in the same unit.
pub(super) struct Written<A> {
    pub all: Vec<Arc<A>>,
    /// Whether anything was written; otherwise `all` are those that were read.
    pub wrote: bool,
}

#[async_trait]
impl<A: Root> Answer for Written<A>
where
    for<'a> dyn Record + 'a: Recall<A>,
{
    async fn of(record: &mut dyn Record) -> Result<Self, Failure> {
        Ok(Self { all: Recall::<A>::all(record).await?, wrote: record.wrote() })
    }
}

/// The last run of a use case, which is the one that landed.
#[derive(Default)]
struct Last {
    asked: Option<Asked>,
    charge: Option<Charge>,
}

struct Charged<C> {
    case: C,
    limits: Limits,
    last: Arc<Mutex<Last>>,
}

#[async_trait]
impl<C: Asking> UseCase for Charged<C>
where
    for<'a> dyn Record + 'a: Recall<C::Aggregate>,
{
    type Output = Written<C::Aggregate>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let asked = self.case.run(unit).await?;
        let context = unit.context();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.asked.as_ref() == Some(&asked) {
            return Ok(());
        }
        // An earlier run asked for something else: that is given back first.
        last.asked = None;
        if let Some(charge) = last.charge.take() {
            charge.give_back();
        }
        if !asked.recipients.is_empty() {
            let charge = self.limits.charge(context.actor, &context.tenant, &asked.recipients, asked.invitations);
            let charge = charge.map_err(|limit| Refusal::TooSoon { retry_after_s: limit.retry_after_s })?;
            last.charge = Some(charge);
        }
        last.asked = Some(asked);
        Ok(())
    }
}

/// Performs a use case whose mails are charged and waited for.
///
/// # Errors
/// [`Failure`]; a limit that is reached is [`Refusal::TooSoon`].
pub(super) async fn perform<C: Asking>(
    service: &Service,
    context: Context,
    case: C,
) -> Result<Written<C::Aggregate>, Failure>
where
    for<'a> dyn Record + 'a: Recall<C::Aggregate>,
{
    let last = Arc::<Mutex<Last>>::default();
    let context = Context { waits_for_mail: service.settings.mail_wait.is_some(), ..context };
    let charged = Charged { case, limits: service.identity.limits().clone(), last: last.clone() };
    let result = service.bus.perform(context, charged).await;
    let charge = last.lock().unwrap_or_else(PoisonError::into_inner).charge.take();
    // An unknown outcome may have landed: it counts.
    let landed = matches!(result, Ok(_) | Err(Failure::Unavailable(Unavailable::OutcomeUnknown)));
    if let Some(charge) = charge.filter(|_| !landed) {
        charge.give_back();
    }
    result
}

/// The provider's word on one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Sent,
    Refused(Reason),
    /// Not in time, or never to be known.
    Open,
    /// Nothing is sent here: the mail waits until that is changed.
    Off,
}

impl Word {
    pub(super) fn of(result: Option<MailResult>) -> Self {
        match result {
            Some(MailResult::Sent) => Self::Sent,
            Some(MailResult::Failed(Reason::OutcomeUnknown)) | None => Self::Open,
            Some(MailResult::Failed(reason)) => Self::Refused(reason),
        }
    }

    /// The worse of two.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused(reason), _) | (_, Self::Refused(reason)) => Self::Refused(reason),
            (Self::Open, _) | (_, Self::Open) => Self::Open,
            (Self::Off, _) | (_, Self::Off) => Self::Off,
            (Self::Sent, Self::Sent) => Self::Sent,
        }
    }
}

/// The provider's word on a mail: what the log has of it already, or else what
/// comes within the time that requests wait. A mail that is not `wanted` any
/// more will not be sent, and is not waited for.
pub(super) async fn word(service: &Service, mail: MailRef, wanted: bool) -> Word {
    let Some(wait) = service.settings.mail_wait else {
        let known = service.bus.mail_result(mail, Duration::ZERO).await;
        return known.map_or(Word::Off, |result| Word::of(Some(result)));
    };
    Word::of(service.bus.mail_result(mail, if wanted { wait } else { Duration::ZERO }).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_word_counts() {
        let refused = Word::Refused(Reason::RecipientRefused);
        assert_eq!(Word::Sent.and(Word::Sent), Word::Sent);
        assert_eq!(Word::Sent.and(Word::Open), Word::Open);
        assert_eq!(Word::Open.and(refused), refused);
        assert_eq!(refused.and(Word::Sent), refused);
        assert_eq!(Word::Off.and(Word::Sent), Word::Off);
        assert_eq!(refused.and(Word::Off), refused);
    }

    #[test]
    fn silence_and_an_unknown_outcome_are_open() {
        assert_eq!(Word::of(None), Word::Open);
        assert_eq!(Word::of(Some(MailResult::Failed(Reason::OutcomeUnknown))), Word::Open);
        assert_eq!(Word::of(Some(MailResult::Sent)), Word::Sent);
        let gave_up = Some(MailResult::Failed(Reason::GaveUp));
        assert_eq!(Word::of(gave_up), Word::Refused(Reason::GaveUp));
    }
}
