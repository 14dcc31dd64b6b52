//! The operations of the service, one file each: what each means is written
//! here once, whatever dialect asks for it.

mod accept_invitation;
mod applications;
mod cancel_invitation;
mod change_settings;
mod check;
mod create_employee;
mod create_tenant;
mod decline_invitation;
mod find_faults;
mod integrations;
mod invite_to_integration;
mod invite_to_organization;
mod invite_to_platform;
mod memberships;
mod organizations;
mod record_delivery;
mod register_by_link;
mod register_client;
mod resend_invitation;
mod sweep;
mod update_employee;
mod update_invitation;
mod users;

pub use accept_invitation::AcceptInvitation;
pub use applications::{CreateApplication, RevokeApplication, UpdateApplication};
pub use cancel_invitation::CancelInvitation;
pub use change_settings::ChangeSettings;
pub use check::{Allowed, Check};
pub use create_employee::CreateEmployee;
pub use create_tenant::CreateTenant;
pub use decline_invitation::DeclineInvitation;
pub use find_faults::FindFaults;
pub use integrations::{CreateIntegration, UpdateIntegration};
pub use invite_to_integration::InviteToIntegration;
pub use invite_to_organization::InviteToOrganization;
pub use invite_to_platform::{InviteToPlatform, MAX_ADDRESSES};
pub use memberships::{GrantMembership, RevokeMembership};
pub use organizations::{CreateOrganization, UpdateOrganization};
pub use record_delivery::RecordDelivery;
pub use register_by_link::RegisterByLink;
pub use register_client::RegisterClient;
pub use resend_invitation::ResendInvitation;
pub use sweep::{ExpireInvitation, OffBoardEmployee};
pub use update_employee::UpdateEmployee;
pub use update_invitation::UpdateInvitation;
pub use users::{CreateUser, UpdateUser};

use crate::bus::{Subject, Unit};
use crate::invitation::{self, Created, Invitation, Kind, Recipient, Role};
use crate::user::User;
use crate::{Actor, Address, Failure, Refusal, Timestamp, What, claims};
use std::sync::Arc;
use uuid::Uuid;

/// An invitation to make: what differs between the three kinds.
struct Draft<'a> {
    kind: Kind,
    target: Uuid,
    role: Role,
    chosen_id: Option<Uuid>,
    email: &'a Address,
    message: Option<String>,
    updated_in_db_at: Option<Timestamp>,
    valid_days: u32,
}

/// Stages a new invitation. Whoever holds the address and is not due has been
/// looked at by [`pending_holder`] before.
async fn stage_invitation(unit: &mut dyn Unit, draft: Draft<'_>) -> Result<Arc<Invitation>, Failure> {
    let id = match draft.chosen_id {
        Some(chosen) => invitation::aggregate_id(draft.target, chosen),
        None => unit.new_id(),
    };
    let subject: Subject = unit.subject().await?;
    let created = Created {
        kind: draft.kind,
        public_id: draft.chosen_id,
        target: draft.target,
        role: draft.role,
        invited_by: unit.context().actor,
        link: unit.new_link(),
        digests: unit.digests(id, 1),
        valid_days: draft.valid_days,
        updated_in_db_at: draft.updated_in_db_at,
        waited: unit.context().waits_for_mail,
        subject,
        personal: Recipient::Known { email: draft.email.clone(), message: draft.message },
    };
    unit.put::<Invitation>(id, invitation::Command::Create(Box::new(created))).await
}

/// The invitation that holds the address at this target, if one does. One that
/// is due is expired in this unit, and holds it no longer.
async fn pending_holder(
    unit: &mut dyn Unit,
    kind: Kind,
    target: Uuid,
    email: &Address,
) -> Result<Option<Arc<Invitation>>, Failure> {
    let Some(holder) = pending_on(unit, kind, target, email).await? else { return Ok(None) };
    if holder.is_due(unit.now()) {
        unit.put::<Invitation>(holder.id, invitation::Command::Expire).await?;
        return Ok(None);
    }
    Ok(Some(holder))
}

/// The invitation that holds the address at this target, due or not.
async fn pending_on(
    unit: &mut dyn Unit,
    kind: Kind,
    target: Uuid,
    email: &Address,
) -> Result<Option<Arc<Invitation>>, Failure> {
    let claim = claims::pending(&unit.context().tenant, kind, target, email);
    match unit.holder(claim).await? {
        Some(id) => unit.get::<Invitation>(id).await.map(Some),
        None => Ok(None),
    }
}

/// Stages a new generation of an invitation.
async fn stage_resend(
    unit: &mut dyn Unit,
    invitation: &Invitation,
    valid_days: u32,
) -> Result<Arc<Invitation>, Failure> {
    let digests = unit.digests(invitation.id, invitation.generation + 1);
    let by = unit.context().actor;
    let waited = unit.context().waits_for_mail;
    unit.put::<Invitation>(invitation.id, invitation::Command::Resend { by, digests, valid_days, waited }).await
}

/// The account of an address, if it has one.
async fn account(unit: &mut dyn Unit, email: &Address) -> Result<Option<Arc<User>>, Failure> {
    let claim = claims::account(&unit.context().tenant, email);
    match unit.holder(claim).await? {
        Some(id) => Ok(Some(unit.get::<User>(id).await?)),
        None => Ok(None),
    }
}

/// The invitation that `id` means within an organization: one a client chose
/// the id of, or one of ours. Another organization's is not found.
async fn invitation_in(unit: &mut dyn Unit, organization: Uuid, id: Uuid) -> Result<Arc<Invitation>, Failure> {
    for candidate in [id, invitation::aggregate_id(organization, id)] {
        let found = unit.get::<Invitation>(candidate).await?;
        if found.exists() && found.kind == Kind::Organization && found.target == organization && found.public_id == id {
            return Ok(found);
        }
    }
    Err(Refusal::NotFound(What::Invitation).into())
}

/// Whether whoever invited may still do so: rights are checked when inviting
/// and again when the invitation is accepted.
async fn inviter_still_may(unit: &mut dyn Unit, invitation: &Invitation) -> Result<bool, Failure> {
    let by = invitation.invited_by;
    match invitation.kind {
        Kind::Organization => {
            let highest = crate::permission::may_invite_as(unit, by, invitation.target).await?;
            Ok(highest.is_some_and(|role| invitation.role <= role))
        }
        Kind::Integration | Kind::Platform => inviter_is_there(unit, by).await,
    }
}

async fn inviter_is_there(unit: &mut dyn Unit, by: Actor) -> Result<bool, Failure> {
    match by {
        Actor::Deployment | Actor::System => Ok(true),
        Actor::Visitor => Ok(false),
        Actor::Application(id) => {
            let application = unit.get::<crate::application::Application>(id).await?;
            Ok(application.exists() && !application.revoked)
        }
        Actor::User(id) => match crate::permission::records(unit, id).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(other) => Err(other),
        },
    }
}
