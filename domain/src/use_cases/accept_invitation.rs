use super::{invitation_in, inviter_still_may};
use crate::bus::Unit;
use crate::invitation::{self, Accept, Because, Invitation, Kind, Proof, State};
use crate::membership::{self, Granted, Membership, Place};
use crate::organization::Organization;
use crate::user::{self, User};
use crate::{Actor, Failure, Refusal, UseCase, What};
use async_trait::async_trait;
use std::sync::Arc;
use uuid::Uuid;

/// A logged-in user accepts an invitation with either of its secrets.
#[derive(Clone, Debug)]
pub struct AcceptInvitation {
    pub invitation: Uuid,
    /// The organization in the path, where there is one; `invitation` is then the id callers know.
    pub organization: Option<Uuid>,
    /// SHA-256 of the secret shown, in lower-case hex.
    pub digest: String,
}

#[async_trait]
impl UseCase for AcceptInvitation {
    type Output = Arc<Invitation>;

    async fn run(&self, unit: &mut dyn Unit) -> Result<(), Failure> {
        let Actor::User(user) = unit.context().actor else { return Err(Refusal::UsersOnly.into()) };
        let invitation = match self.organization {
            Some(organization) => invitation_in(unit, organization, self.invitation).await?,
            None => unit.get::<Invitation>(self.invitation).await?,
        };
        if !invitation.exists() {
            return Err(Refusal::NotFound(What::Invitation).into());
        }
        let account = unit.get::<User>(user).await?;
        let proven = account.address_verified && same_address(&account, &invitation);
        let caller = unit.context().caller();
        stage_acceptance(unit, &invitation, Acceptor { user, proven, caller, digest: &self.digest }).await?;
        // The same user again leaves no event, whichever secret is shown this time.
        let first = invitation.state != State::Accepted;
        if first && invitation.proof(&self.digest) == Some(Proof::Mail) && same_address(&account, &invitation) {
            unit.put::<User>(user, user::Command::VerifyAddress).await?;
        }
        Ok(())
    }
}

fn same_address(account: &User, invitation: &Invitation) -> bool {
    let invited = invitation.email.as_ref().map(crate::Address::key);
    account.email.as_ref().is_some_and(|email| Some(email.key()) == invited)
}

/// Who accepts, and what they showed.
pub(super) struct Acceptor<'a> {
    pub user: Uuid,
    /// The account's address is the invited one, and verified before.
    pub proven: bool,
    pub caller: String,
    pub digest: &'a str,
}

/// Stages the acceptance and what it makes of the user; or stages the memory
/// of a refused try, and has the unit answer with the refusal.
pub(super) async fn stage_acceptance(
    unit: &mut dyn Unit,
    invitation: &Invitation,
    acceptor: Acceptor<'_>,
) -> Result<(), Failure> {
    let proof = invitation.proof(acceptor.digest);
    let why_not = match proof {
        Some(proof) if invitation.is_pending(unit.now()) => why_not(unit, invitation, proof, acceptor.proven).await?,
        Some(_) | None => None,
    };
    let Acceptor { user, caller, digest, .. } = acceptor;
    let accept = Accept { by: user, caller, digest: digest.to_owned(), why_not };
    let after = unit.put::<Invitation>(invitation.id, invitation::Command::Accept(accept)).await?;
    // A wrong secret leaves an invitation that is accepted already as it is: its state alone says nothing.
    if proof.is_none() || after.state != State::Accepted {
        return Err(unit.refuse(match (proof, why_not) {
            (Some(_), Some(Because::InviterMayNot)) => Refusal::InviterMayNot,
            (Some(_), Some(Because::AddressNotProven)) => Refusal::AddressNotProven,
            (Some(_), Some(Because::WrongCode) | None) | (None, _) => Refusal::WrongCode,
        }));
    }
    let place = match invitation.kind {
        Kind::Organization => Place::Organization,
        Kind::Integration => Place::Integration,
        Kind::Platform => return Ok(()),
    };
    if invitation.state == State::Accepted {
        return Ok(());
    }
    let granted = Granted {
        place,
        target: invitation.target,
        user,
        role: invitation.role,
        by: Actor::User(user),
        invitation: Some(invitation.id),
    };
    unit.put::<Membership>(membership::id_of(invitation.target, user), membership::Command::Grant(granted)).await?;
    Ok(())
}

async fn why_not(
    unit: &mut dyn Unit,
    invitation: &Invitation,
    proof: Proof,
    proven: bool,
) -> Result<Option<Because>, Failure> {
    if !inviter_still_may(unit, invitation).await? {
        return Ok(Some(Because::InviterMayNot));
    }
    if invitation.kind == Kind::Organization && proof == Proof::Code && !proven {
        let organization = unit.get::<Organization>(invitation.target).await?;
        return Ok(organization.bind_recipient.then_some(Because::AddressNotProven));
    }
    Ok(None)
}
