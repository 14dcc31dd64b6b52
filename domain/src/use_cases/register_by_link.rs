use super::accept_invitation::{Acceptor, stage_acceptance};
use super::account;
use crate::bus::Unit;
use crate::invitation::{self, Accept, Because, Invitation, Proof, State};
use crate::user::{self, User};
use crate::{Actor, Failure, Refusal, UseCase, What};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// The holder of a mailed link makes an account and accepts, in one unit. Only
/// the mail's own secret does this: an inviter knows the `code`, and could else
/// open an account in anybody's name.
#[derive(Clone, Debug)]
pub struct RegisterByLink {
    pub invitation: Uuid,
    /// SHA-256 of the secret shown, in lower-case hex.
    pub digest: String,
    /// The new user's id; its password is kept under it before this runs.
    pub user: Uuid,
    pub name: String,
}

#[async_trait]
impl UseCase for RegisterByLink {
    type Output = Arc<User>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let invitation = unit.get::<Invitation>(self.invitation).await?;
        if !invitation.exists() {
            return Err(Refusal::NotFound(What::Invitation).into());
        }
        let caller = unit.context().caller();
        let pending = invitation.is_pending(unit.now());
        if invitation.proof(&self.digest) != Some(Proof::Mail) || !pending {
            return Err(self.refused(unit, &invitation, caller).await?);
        }
        if invitation.is_locked_for(&caller) {
            return Err(Refusal::Locked.into());
        }
        let Some(email) = invitation.email.clone() else { return Err(Refusal::NotPending(State::Cancelled).into()) };
        if account(unit, &email).await?.is_some() {
            return Err(Refusal::AccountExists.into());
        }
        let subject = unit.subject().await?;
        let by = Actor::User(self.user);
        let create =
            user::Command::Create { by, email, name: Some(self.name.clone()), address_verified: true, subject };
        unit.put::<User>(self.user, create).await?;
        stage_acceptance(unit, &invitation, Acceptor { user: self.user, proven: true, caller, digest: &self.digest })
            .await
    }
}

impl RegisterByLink {
    /// What a secret that opens no account is answered with: remembered as a
    /// refused try where the contract says so.
    async fn refused(&self, unit: &mut dyn Unit, invitation: &Invitation, caller: String) -> Result<Failure, Failure> {
        let right = invitation.proof(&self.digest).is_some();
        if right && invitation.state_at(unit.now()) == State::Accepted {
            return Ok(Refusal::NotPending(State::Accepted).into());
        }
        let why_not = right.then_some(Because::AddressNotProven);
        let accept = Accept { by: self.user, caller, digest: self.digest.clone(), why_not };
        unit.put::<Invitation>(invitation.id, invitation::Command::Accept(accept)).await?;
        Ok(unit.refuse(if right { Refusal::AddressNotProven } else { Refusal::WrongCode }))
    }
}
