//! What may happen to an invitation, and when not.

use super::{
    AcceptRefused, Accepted, Because, Cancelled, Created, DeclineReason, Declined, EmailFailed, EmailSent, Event,
    Expired, Invitation, Kind, MAX_CALLERS, MAX_WRONG_TRIES, Proof, RESEND_PAUSE, ResendRequested, Role, State,
    Updated,
};
use crate::invitation::Digests;
use crate::mail::Outcome;
use crate::{Actor, Refusal, Timestamp, What};
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum Command {
    Create(Box<Created>),
    /// A new generation. By another user, the event names them.
    Resend {
        by: Actor,
        digests: Digests,
        valid_days: u32,
        waited: bool,
    },
    Update {
        role: Option<Role>,
        updated_in_db_at: Option<Timestamp>,
    },
    Cancel {
        by: Actor,
    },
    /// Everything about rights is decided by the use case; see `why_not`.
    Accept(Accept),
    Decline {
        digest: String,
        caller: String,
        reason: Option<String>,
    },
    /// The sweeper's, or a new invitation's that finds this one due.
    Expire,
    RecordDelivery {
        generation: u32,
        outcome: Outcome,
    },
}

/// A try to accept.
#[derive(Clone, Debug)]
pub struct Accept {
    pub by: Uuid,
    pub caller: String,
    /// SHA-256 of the secret shown, in hex.
    pub digest: String,
    /// Why rights forbid it although the code is right, if they do.
    pub why_not: Option<Because>,
}

pub(super) fn decide(state: &Invitation, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if let Command::Create(created) = command {
        return if state.exists() { Err(Refusal::IdTaken) } else { Ok(vec![Event::Created(*created)]) };
    }
    if !state.exists() {
        return Err(Refusal::NotFound(What::Invitation));
    }
    match command {
        Command::Create(_) => Err(Refusal::IdTaken),
        Command::Resend { by, digests, valid_days, waited } => {
            pending(state, now)?;
            let next = state.sent_for_at.plus(RESEND_PAUSE);
            if now < next {
                return Err(Refusal::TooSoon { retry_after_s: next.since(now).as_secs().max(1) });
            }
            Ok(vec![Event::ResendRequested(ResendRequested {
                generation: state.generation + 1,
                by,
                digests,
                valid_days,
                waited,
            })])
        }
        Command::Update { role, updated_in_db_at } => {
            pending(state, now)?;
            let role = role.filter(|r| *r != state.role);
            let updated_in_db_at = updated_in_db_at.filter(|t| Some(*t) != state.updated_in_db_at);
            let changed = role.is_some() || updated_in_db_at.is_some();
            Ok(changed.then_some(Event::Updated(Updated { role, updated_in_db_at })).into_iter().collect())
        }
        Command::Cancel { by } => match state.state_at(now) {
            State::Cancelled => Ok(vec![]),
            State::Pending => Ok(vec![Event::Cancelled(Cancelled { by })]),
            other @ (State::Accepted | State::Declined | State::Expired) => Err(Refusal::NotPending(other)),
        },
        Command::Accept(accept) => decide_accept(state, accept, now),
        Command::Decline { digest, caller, reason } => {
            match check_code(state, &digest, &caller)? {
                Checked::Right(_) => {}
                Checked::Wrong(events) => return Ok(events),
            }
            pending(state, now)?;
            let personal = reason.map(|reason| DeclineReason { reason });
            Ok(vec![Event::Declined(Declined {
                generation: state.generation,
                subject: state.subject.named(),
                personal,
            })])
        }
        Command::Expire => Ok(state
            .is_due(now)
            .then_some(Event::Expired(Expired { generation: state.generation }))
            .into_iter()
            .collect()),
        Command::RecordDelivery { generation, outcome } => Ok(record_delivery(state, generation, outcome)),
    }
}

fn pending(state: &Invitation, now: Timestamp) -> Result<(), Refusal> {
    match state.state_at(now) {
        State::Pending => Ok(()),
        other @ (State::Accepted | State::Cancelled | State::Declined | State::Expired) => {
            Err(Refusal::NotPending(other))
        }
    }
}

enum Checked {
    Right(Proof),
    /// The wrong try, to be remembered; the use case answers `WrongCode`.
    Wrong(Vec<Event>),
}

/// Once five wrong tries have closed the lock, a right code is not told from a
/// wrong one any more: the lock would else be an oracle. A secret of an earlier
/// generation is wrong, but no try at guessing, so it is not counted.
fn check_code(state: &Invitation, digest: &str, caller: &str) -> Result<Checked, Refusal> {
    if state.is_locked_for(caller) {
        return Err(Refusal::Locked);
    }
    if let Some(proof) = state.proof(digest) {
        return Ok(Checked::Right(proof));
    }
    if state.is_of_earlier_generation(digest) {
        return Err(Refusal::WrongCode);
    }
    Ok(Checked::Wrong(refused(state, caller, Because::WrongCode)?))
}

/// The event of a refused try, unless enough of this caller are remembered.
fn refused(state: &Invitation, caller: &str, because: Because) -> Result<Vec<Event>, Refusal> {
    let known = state.refused.get(caller).copied();
    let full = known.map_or(state.refused.len() >= MAX_CALLERS, |r| r.events >= MAX_WRONG_TRIES);
    if full {
        return Err(match because {
            Because::WrongCode => Refusal::WrongCode,
            Because::InviterMayNot => Refusal::InviterMayNot,
            Because::AddressNotProven => Refusal::AddressNotProven,
        });
    }
    Ok(vec![Event::AcceptRefused(AcceptRefused { generation: state.generation, caller: caller.to_owned(), because })])
}

fn decide_accept(state: &Invitation, accept: Accept, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let proof = match check_code(state, &accept.digest, &accept.caller)? {
        Checked::Right(proof) => proof,
        Checked::Wrong(events) => return Ok(events),
    };
    match state.state_at(now) {
        State::Pending => {}
        State::Accepted if state.accepted_by == Some(accept.by) => return Ok(vec![]),
        other @ (State::Accepted | State::Cancelled | State::Declined | State::Expired) => {
            return Err(Refusal::NotPending(other));
        }
    }
    if let Some(because) = accept.why_not {
        return refused(state, &accept.caller, because);
    }
    let holds_address = state.kind == Kind::Integration;
    Ok(vec![Event::Accepted(Accepted { by: accept.by, generation: state.generation, proof, holds_address })])
}

fn record_delivery(state: &Invitation, generation: u32, outcome: Outcome) -> Vec<Event> {
    if generation > state.generation {
        return vec![];
    }
    vec![match outcome {
        Outcome::Sent => Event::EmailSent(EmailSent { generation }),
        Outcome::Failed(reason) => Event::EmailFailed(EmailFailed { generation, reason }),
    }]
}
