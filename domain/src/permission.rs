//! Who may do what. Rights are read from the log's own streams on the unit, so
//! that a decision made on rights that moved meanwhile is made again.

use crate::application::Application;
use crate::bus::Unit;
use crate::employee::Employee;
use crate::invitation::Role;
use crate::membership::{self, Membership};
use crate::organization::Organization;
use crate::tenant::Tenant;
use crate::user::User;
use crate::{Actor, Failure, Refusal, Scope, Timestamp, What};
use std::sync::Arc;
use uuid::Uuid;

/// What a user is, once all that counts is looked at.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub administrator: bool,
    pub client: bool,
    pub liaison: bool,
    /// The user's own active employee record.
    pub employee: Option<Uuid>,
}

impl Records {
    /// Whether the envelope dialect answers anything but `client-required`.
    #[must_use]
    pub fn any(&self) -> bool {
        self.client || self.liaison || self.employee.is_some()
    }

    #[must_use]
    pub fn of(user: &User, employee: Option<&Employee>, now: Timestamp) -> Self {
        Self {
            administrator: user.administrator,
            client: user.client.is_some(),
            liaison: user.liaison,
            employee: employee.filter(|e| e.is_active_at(now)).map(|e| e.id),
        }
    }
}

/// An off-boarded employee has no session and no log-in: the day reached or
/// `active` false. Other records do not help.
#[must_use]
pub fn is_off_boarded(employee: Option<&Employee>, now: Timestamp) -> bool {
    employee.is_some_and(|e| e.exists() && !e.is_active_at(now))
}

/// Loads a user and what it is.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn records(unit: &mut dyn Unit, user: Uuid) -> Result<(Arc<User>, Records), Failure> {
    let user = unit.get::<User>(user).await?;
    let employee = match user.employee {
        Some(id) => Some(unit.get::<Employee>(id).await?),
        None => None,
    };
    let now = unit.now();
    if !user.exists() || is_off_boarded(employee.as_deref(), now) {
        return Err(Refusal::NotPermitted.into());
    }
    let records = Records::of(&user, employee.as_deref(), now);
    Ok((user, records))
}

async fn application_may(unit: &mut dyn Unit, id: Uuid, scope: Scope) -> Result<(), Failure> {
    let application = unit.get::<Application>(id).await?;
    if application.may(scope) { Ok(()) } else { Err(Refusal::NotPermitted.into()) }
}

/// The tenant must exist: the deployment principal may name any.
///
/// # Errors
/// `NotFound` for a tenant that was never created.
pub async fn tenant(unit: &mut dyn Unit) -> Result<Arc<Tenant>, Failure> {
    let id = unit.context().tenant.id();
    let tenant = unit.get::<Tenant>(id).await?;
    if tenant.exists() { Ok(tenant) } else { Err(Refusal::NotFound(What::Tenant).into()) }
}

/// Deployment, applications with the scope, and the tenant's administrators.
///
/// # Errors
/// `NotPermitted` for everybody else.
pub async fn operate(unit: &mut dyn Unit, scope: Scope) -> Result<(), Failure> {
    match unit.context().actor {
        Actor::Deployment | Actor::System => Ok(()),
        Actor::Application(id) => application_may(unit, id, scope).await,
        Actor::User(id) => {
            let (_, records) = records(unit, id).await?;
            if records.administrator { Ok(()) } else { Err(Refusal::NotPermitted.into()) }
        }
        Actor::Visitor => Err(Refusal::NotPermitted.into()),
    }
}

/// Any logged-in user, and who may operate on invitations; unless the tenant has switched inviting off.
///
/// # Errors
/// `NotPermitted`, and `InvitingDisabled` for whoever might otherwise.
pub async fn invite_to_platform(unit: &mut dyn Unit) -> Result<Arc<Tenant>, Failure> {
    let tenant = tenant(unit).await?;
    match unit.context().actor {
        Actor::User(id) => records(unit, id).await.map(|_| ())?,
        Actor::Application(_) | Actor::Deployment | Actor::System | Actor::Visitor => {
            operate(unit, Scope::Invites).await?;
        }
    }
    if tenant.settings.invite_unregistered { Ok(tenant) } else { Err(Refusal::InvitingDisabled.into()) }
}

/// How far a caller may reach among employees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmployeeReach {
    All,
    /// Their own record, and there `phone`, `address`, `email` alone.
    Own(Uuid),
}

/// # Errors
/// `NotPermitted` for callers without any employee rights.
pub async fn employees(unit: &mut dyn Unit) -> Result<EmployeeReach, Failure> {
    match unit.context().actor {
        Actor::Deployment | Actor::System => Ok(EmployeeReach::All),
        Actor::Application(id) => application_may(unit, id, Scope::Employees).await.map(|()| EmployeeReach::All),
        Actor::User(id) => {
            let (_, records) = records(unit, id).await?;
            match records.employee {
                _ if records.administrator || records.liaison => Ok(EmployeeReach::All),
                Some(own) => Ok(EmployeeReach::Own(own)),
                None => Err(Refusal::NotPermitted.into()),
            }
        }
        Actor::Visitor => Err(Refusal::NotPermitted.into()),
    }
}

/// Whether the caller may invite to this integration, or read it.
///
/// # Errors
/// `NotPermitted`; clients reach only integrations they created or accepted.
pub async fn integration(unit: &mut dyn Unit, integration: &crate::integration::Integration) -> Result<(), Failure> {
    match unit.context().actor {
        Actor::Deployment | Actor::System => Ok(()),
        Actor::Application(id) => application_may(unit, id, Scope::Integrations).await,
        Actor::User(id) => {
            let (_, records) = records(unit, id).await?;
            if records.administrator || records.liaison || records.employee.is_some() {
                return Ok(());
            }
            let own = integration.created_by == Actor::User(id);
            let member = unit.get::<Membership>(membership::id_of(integration.id, id)).await?;
            if records.client && (own || member.role.is_some()) { Ok(()) } else { Err(Refusal::NotPermitted.into()) }
        }
        Actor::Visitor => Err(Refusal::NotPermitted.into()),
    }
}

/// Whether the caller may make integrations: everybody with a record.
///
/// # Errors
/// `NotPermitted`.
pub async fn create_integration(unit: &mut dyn Unit) -> Result<(), Failure> {
    match unit.context().actor {
        Actor::Deployment | Actor::System => Ok(()),
        Actor::Application(id) => application_may(unit, id, Scope::Integrations).await,
        Actor::User(id) => {
            let (_, records) = records(unit, id).await?;
            if records.administrator || records.any() { Ok(()) } else { Err(Refusal::NotPermitted.into()) }
        }
        Actor::Visitor => Err(Refusal::NotPermitted.into()),
    }
}

/// The organization, and the highest role the caller may give there.
///
/// # Errors
/// `NotFound` for a foreign or unknown organization; `NotPermitted` for whoever
/// is no admin of it.
pub async fn organization(unit: &mut dyn Unit, id: Uuid) -> Result<(Arc<Organization>, Role), Failure> {
    let organization = unit.get::<Organization>(id).await?;
    if !organization.exists() {
        return Err(Refusal::NotFound(What::Organization).into());
    }
    let actor = unit.context().actor;
    let role = may_invite_as(unit, actor, id).await?;
    Ok((organization, role.ok_or(Refusal::NotPermitted)?))
}

/// Who may read an organization's invitations: whoever may invite there, and its
/// members. The answer says whether they may also see codes.
///
/// # Errors
/// `NotFound` for a foreign or unknown organization, `NotPermitted` for others.
pub async fn read_organization(unit: &mut dyn Unit, id: Uuid) -> Result<bool, Failure> {
    match organization(unit, id).await {
        Ok(_) => Ok(true),
        Err(Failure::Refused(Refusal::NotPermitted)) => {
            let Actor::User(user) = unit.context().actor else { return Err(Refusal::NotPermitted.into()) };
            let membership = unit.get::<Membership>(membership::id_of(id, user)).await?;
            if membership.role.is_some() { Ok(false) } else { Err(Refusal::NotPermitted.into()) }
        }
        Err(other) => Err(other),
    }
}

/// The highest role `actor` may give in an organization now; `None` for none.
/// Asked when inviting, and of the inviter again when the invitation is accepted.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn may_invite_as(unit: &mut dyn Unit, actor: Actor, organization: Uuid) -> Result<Option<Role>, Failure> {
    match actor {
        Actor::Deployment | Actor::System => Ok(Some(Role::Admin)),
        Actor::Application(id) => {
            let application = unit.get::<Application>(id).await?;
            Ok(application.may(Scope::Invites).then_some(Role::Admin))
        }
        Actor::User(id) => {
            let user = unit.get::<User>(id).await?;
            let employee = match user.employee {
                Some(e) => Some(unit.get::<Employee>(e).await?),
                None => None,
            };
            if is_off_boarded(employee.as_deref(), unit.now()) {
                return Ok(None);
            }
            let membership = unit.get::<Membership>(membership::id_of(organization, id)).await?;
            Ok(membership.role.filter(|r| *r == Role::Admin))
        }
        Actor::Visitor => Ok(None),
    }
}
